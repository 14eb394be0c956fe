//! `isolate`: which setting makes a server let its clients wait, found by experiment.
//!
//! A [`Control`] is a server, or a copy of one, that can be measured with some of its settings switched off. A strategy decides
//! what to measure and concludes from it: [`experiment()`] for controls that measure many variants at once, [`bisect()`] for those
//! that change the one server there is. No strategy knows which server it works on, and no control knows what is concluded.

mod bisect;
mod candidate;
mod compare;
mod experiment;
pub mod in_place;
pub mod manual;
mod noise;
mod outcome;
mod session;
pub mod shadow;
#[cfg(test)]
mod simulated;
mod waits;

use std::future::Future;

pub use bisect::{bisect, most_measurements};
pub use candidate::{Candidate, CandidateId, Kind, Off, Place};
pub use compare::{Event, Rules, Watch};
pub use experiment::{NOTEWORTHY_MS, experiment};
pub use outcome::{Culprit, How, Isolation, IsolationReport, Measured, Note, Outcome};
pub use session::{Clients, Session};
pub use waits::{StepWait, Waits};

use crate::catalogue::Step;

/// A server that can be measured with a set of candidates switched off.
pub trait Control: Sync {
    /// What can be switched off, in the order in which the settings name it.
    fn candidates(&self) -> &[Candidate];

    /// How many variants may be measured at the same time; 1 where each is a change to the one server there is.
    fn at_once(&self) -> usize;

    /// Measures once, as a client that the server has never seen, with exactly `off` switched off.
    ///
    /// # Errors
    /// [`ControlError`] where no measurement came about; a server that does not answer is a measurement.
    fn measure(&self, off: &Off) -> impl Future<Output = Result<Waits, ControlError>> + Send;

    /// What a person would do to switch `guilty` off for good, as commands where there are some.
    fn remedy(&self, guilty: &Off) -> Vec<Step>;
}

/// Why a control cannot measure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Something the user can mend.
    #[error("{what}; {next}")]
    Unusable {
        /// What is wrong, and where.
        what: String,
        /// What to do next.
        next: String,
    },
    /// The user ended it.
    #[error("stopped before the end")]
    Stopped,
}

impl ControlError {
    /// Something the user can mend, with what to do next.
    pub fn unusable(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Unusable { what: what.into(), next: next.into() }
    }
}
