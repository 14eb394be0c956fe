//! A place from which nothing can be seen, beside others that see: it is told, and takes nothing from what they saw.

use std::collections::BTreeSet;

use crate::catalogue::{Party, Severity};
use crate::findings::{Check, Finding};
use crate::subject::VantageId;

/// The places from which nothing can be seen, by a fault of their own.
pub(super) fn blind(findings: &[Finding]) -> BTreeSet<VantageId> {
    let own = findings.iter().filter(|f| f.severity == Severity::Blocker && is_ours(f));
    own.flat_map(|finding| finding.vantages.iter().cloned()).collect()
}

/// Whether a fault is one of the place that we stand in.
pub(super) fn is_ours(finding: &Finding) -> bool {
    finding.party == Party::Here
}

/// Whether there are blind places, and another one that can tell whether a server lets it in.
pub(super) fn see(checks: &[Check], blind: &BTreeSet<VantageId>) -> bool {
    let tells = |check: &Check| check.code == "connect-timeout" && check.state.is_ok();
    !blind.is_empty() && checks.iter().any(|check| tells(check) && !blind.contains(&check.vantage))
}

/// Where others see, the fault of a blind place keeps nothing from us.
pub(super) fn soften(findings: &mut [Finding], seeing: bool) {
    for finding in findings.iter_mut().filter(|finding| seeing && is_ours(finding)) {
        finding.severity = Severity::Advice;
    }
}
