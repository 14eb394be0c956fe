//! AUTH: what is offered, and what became of the try.

mod behind;
mod offered;
mod tried;

use super::Rule;

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    [offered::RULES, tried::RULES, behind::RULES].concat()
}
