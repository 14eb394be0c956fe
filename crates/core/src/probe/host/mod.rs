//! What this machine itself says: read, never changed.

pub mod capture;
pub mod command;
pub mod files;
pub mod postfix;
pub mod processes;
pub mod resolving;
pub mod sockets;

use std::time::Duration;

use super::Context;
use crate::case::{ObsId, Question};
use crate::subject::VantageId;

/// Writes down what this machine said. It is asked of the machine, whatever the vantage of the run.
pub fn record<Q: Question<On = VantageId>>(
    context: &Context,
    question: &Q,
    times: (Duration, Duration),
    wire: &Q::Wire,
) -> Option<ObsId> {
    let here = VantageId::local();
    context.recorder.record(question, &here, &here, times, wire)
}
