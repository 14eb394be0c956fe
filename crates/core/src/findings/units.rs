//! How systemd sees the service that a finding is about.

use super::Finding;
use crate::case::Case;
use crate::questions::host::units::{Unit, Units, UnitsWire};

/// Adds to a finding how the unit stands that `which` chooses, where it does not run; gives that.
pub(super) fn stands(case: &Case, finding: &mut Finding, which: impl Fn(&UnitsWire) -> Option<&Unit>) -> Option<Unit> {
    let seen = case.every::<Units>().next()?;
    let unit = which(&seen)?;
    let says = format!("{}; {}", finding.says, unit.ails()?);
    finding.says(says).detail("unit", unit.name.as_str()).witnessed(seen.id());
    Some(unit.clone())
}

/// The same, with what the commands have to know that start it.
pub(super) fn starts(case: &Case, finding: &mut Finding, which: impl Fn(&UnitsWire) -> Option<&Unit>) {
    let Some(unit) = stands(case, finding, which) else { return };
    if unit.masked() {
        finding.detail("masked", unit.name.as_str());
    } else if unit.disabled() {
        finding.detail("disabled", unit.name.as_str());
    }
}
