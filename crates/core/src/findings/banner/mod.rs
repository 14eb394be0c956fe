//! The greeting: when it comes, and what it says.

mod captured;
mod ident;
mod resolvers;
mod says;
pub(super) mod waits;

use super::Rule;

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    [says::RULES, waits::RULES, captured::RULES, resolvers::RULES, ident::RULES].concat()
}
