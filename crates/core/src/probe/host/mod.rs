//! What this machine itself says: read, never changed.

pub mod accepting;
pub mod capture;
pub mod command;
pub mod dovecot;
pub mod exim;
pub mod files;
pub mod log;
pub mod machine;
pub mod opensmtpd;
pub mod postfix;
pub mod processes;
pub mod queue;
pub mod rehearsal;
pub mod resolving;
pub mod rspamd;
pub mod sockets;
pub mod units;

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

/// Notes that a question that could not be answered may be by root.
fn ask_as_root<Q: Question<On = VantageId>>(context: &Context, because: &str) {
    if !rustix::process::geteuid().is_root() {
        context.recorder.skip(Q::PROBE, None, because, "sudo");
    }
}
