//! The greeting: when it comes, and what it says.

mod says;
pub(super) mod waits;

use super::Rule;

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    [says::RULES, waits::RULES].concat()
}
