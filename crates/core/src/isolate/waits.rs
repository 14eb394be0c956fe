//! One measurement: how long a server kept one client waiting, step by step.

use std::collections::BTreeMap;
use std::time::Duration;

use maildoctor_wire::dialogue::{Exchange, Phase};
use serde::{Deserialize, Serialize};

/// The wait for one reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StepWait {
    /// From the command, or the connection, to the reply's last line.
    pub ms: u64,
    /// The reply came whole; otherwise the wait is at least that long.
    pub whole: bool,
}

/// How long each step of one session took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Waits {
    /// The steps that were taken.
    #[schemars(with = "BTreeMap<String, StepWait>")]
    pub steps: BTreeMap<Phase, StepWait>,
}

impl Waits {
    /// Adds a step.
    pub fn note(&mut self, exchange: &Exchange) {
        self.steps.insert(exchange.phase, StepWait { ms: exchange.wait_ms(), whole: exchange.whole().is_some() });
    }

    /// A session with one step, for controls that see no more.
    pub fn of(phase: Phase, took: Duration, whole: bool) -> Self {
        Self { steps: BTreeMap::from([(phase, StepWait { ms: crate::case::millis(took), whole })]) }
    }

    /// All steps together.
    pub fn total_ms(&self) -> u64 {
        self.steps.values().map(|step| step.ms).sum()
    }

    /// The wait at one step; none where it was not reached.
    pub fn at(&self, phase: Phase) -> u64 {
        self.steps.get(&phase).map_or(0, |step| step.ms)
    }

    /// Whether a reply was waited for in vain.
    pub fn is_cut(&self) -> bool {
        self.steps.values().any(|step| !step.whole)
    }

    /// The last step that was answered.
    pub fn reached(&self) -> Option<Phase> {
        self.steps.iter().filter(|(_, step)| step.whole).map(|(phase, _)| *phase).next_back()
    }

    /// How much longer `self` waited than `other`, over the steps that `self` has; `None` where `other` was turned away before it
    /// came as far, and its short wait says nothing.
    pub fn longer_than(&self, other: &Waits) -> Option<i64> {
        if other.reached() < self.reached() {
            return None;
        }
        Some(self.steps.keys().map(|&phase| self.longer_at(phase, other)).sum())
    }

    /// How much longer `self` waited than `other` at one step.
    pub fn longer_at(&self, phase: Phase, other: &Waits) -> i64 {
        signed(self.at(phase)) - signed(other.at(phase))
    }
}

/// Milliseconds that can be subtracted.
pub(super) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(steps: &[(Phase, u64, bool)]) -> Waits {
        Waits { steps: steps.iter().map(|&(phase, ms, whole)| (phase, StepWait { ms, whole })).collect() }
    }

    #[test]
    fn a_client_that_is_turned_away_early_was_not_served_quickly() {
        let slow = waits(&[(Phase::Banner, 15_000, true), (Phase::Ehlo, 2, true), (Phase::Rcpt, 40, true)]);
        let refused = waits(&[(Phase::Banner, 3, true)]);
        assert_eq!(slow.longer_than(&refused), None);
        let quick = waits(&[(Phase::Banner, 3, true), (Phase::Ehlo, 2, true), (Phase::Rcpt, 45, true)]);
        assert_eq!(slow.longer_than(&quick), Some(14_992));
    }

    #[test]
    fn steps_beyond_the_other_ones_end_do_not_count() {
        let cut = waits(&[(Phase::Banner, 35_000, false)]);
        let quick = waits(&[(Phase::Banner, 3, true), (Phase::Rcpt, 9_000, true)]);
        assert_eq!(cut.longer_than(&quick), Some(34_997));
        assert!(cut.is_cut() && cut.reached().is_none());
    }
}
