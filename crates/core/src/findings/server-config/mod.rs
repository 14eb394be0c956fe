//! What only the server itself can tell: its queue, its log, its sockets, its disks, its settings.

mod queue;

use super::Rule;

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    queue::RULES.to_vec()
}
