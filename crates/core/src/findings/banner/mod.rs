//! The greeting: when it comes, and what it says.

pub(super) mod captured;
pub(super) mod gaps;
mod ident;
mod known;
mod pauses;
pub(super) mod rehearsed;
mod resolvers;
mod says;
pub(super) mod waits;

use super::Rule;

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    [
        says::RULES,
        waits::RULES,
        known::RULES,
        captured::RULES,
        resolvers::RULES,
        ident::RULES,
        pauses::RULES,
        rehearsed::RULES,
    ]
    .concat()
}
