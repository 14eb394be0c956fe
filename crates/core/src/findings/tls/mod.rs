//! TLS: offered, shaken, trusted, named and dated are five separate verdicts.

mod certificates;
mod handshake;
mod submission;
mod weak;

use super::Rule;

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    [certificates::RULES, handshake::RULES, submission::RULES, weak::RULES].concat()
}
