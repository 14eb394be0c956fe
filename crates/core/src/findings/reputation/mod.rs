//! What lists say of addresses, and whether they say it to us at all.

mod lists;

use super::Rule;

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    lists::RULES.to_vec()
}
