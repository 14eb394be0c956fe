//! Whether a server can be reached at all.

mod connect_refused;

use super::Rule;

/// The rules of this area.
pub(super) const RULES: &[Rule] = &[connect_refused::RULE];
