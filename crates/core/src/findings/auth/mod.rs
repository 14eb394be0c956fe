//! AUTH: what is offered, and what became of the try.

mod offered;
mod tried;

use super::Rule;

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    [offered::RULES, tried::RULES].concat()
}
