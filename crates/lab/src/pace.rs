//! How patient `check` must be with the faults that are on.

use std::time::Duration;

/// What is left of a step's time-out beyond the longest wait that the faults make.
const SPARE: Duration = Duration::from_secs(2);

/// The patience that faults ask of `check`. One that never answers is seen sooner by a short time-out; one that
/// is only slow needs a long enough one. Together they get both.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    step: Option<Duration>,
    deadline: Option<Duration>,
    longest: Duration,
}

impl Pace {
    /// Something never answers: a step is given up after this long, and the run where it is said.
    pub fn hurry(&mut self, step: Duration, deadline: Option<Duration>) {
        self.step = self.step.max(Some(step));
        self.end_by(deadline);
    }

    /// The run ends after this long.
    pub fn end_by(&mut self, deadline: Option<Duration>) {
        self.deadline = self.deadline.max(deadline);
    }

    /// Something answers this late. Two such waits may come one after the other before the same reply.
    pub fn waits(&mut self, wait: Duration) {
        self.longest = self.longest.saturating_add(wait);
    }

    /// The options of `check`.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let slowly = |given: Duration, times: u32| match self.longest {
            Duration::ZERO => given,
            longest => given.max(longest.saturating_add(SPARE)).saturating_add(longest.saturating_mul(times)),
        };
        // A session comes to several waits: MAIL and RCPT, in the clear and under TLS, and the second visit.
        [("--timeout", self.step, 0), ("--deadline", self.deadline, 6)]
            .into_iter()
            .filter_map(|(option, given, times)| Some((option, slowly(given?, times))))
            .flat_map(|(option, time)| [option.to_owned(), format!("{}ms", time.as_millis())])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn silence_hurries_and_slowness_takes_its_time() {
        let mut pace = Pace::default();
        assert!(pace.arguments().is_empty());
        pace.hurry(s(2), Some(s(8)));
        assert_eq!(pace.arguments(), ["--timeout", "2000ms", "--deadline", "8000ms"]);
        pace.waits(s(6));
        assert_eq!(pace.arguments(), ["--timeout", "8000ms", "--deadline", "44000ms"]);
    }
}
