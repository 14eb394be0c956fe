//! The envelope: what the server says to senders and recipients.

mod recipients;
mod senders;

use super::Rule;

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    [recipients::RULES, senders::RULES].concat()
}
