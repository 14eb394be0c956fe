//! `trace`: the way of a received message, hop by hop, and what the servers on it found.
//!
//! A message enters as the world does: it is read into an observation of a case, rules judge that, and the report says
//! what follows.

mod model;
mod stations;
mod text;

use std::time::Duration;

use jiff::Timestamp;
use maildoctor_wire::message::{self, Form};

use crate::case::{Case, Question as _, Recorder, TargetRecord, Terms, VantageRecord};
use crate::questions::trace::{Received, ReceivedWire};
use crate::subject::{Mail, VantageId};

pub use model::{HopReport, SCHEMA, TraceReport, report};
pub use text::render;

/// The longest message that is read, in octets.
pub const MAX_MESSAGE_OCTETS: u64 = 128 * 1024 * 1024;

/// Why a text is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoMessage {
    /// There is nothing in it.
    #[error("there is nothing in it; save the message with its whole header (\"show original\", \"view source\")")]
    Empty,
    /// It begins with no header field.
    #[error(
        "it does not begin with a header; save the message with its whole header (\"show original\", \"view source\")"
    )]
    NoHeader,
    /// It is longer than any message.
    #[error("it is longer than 128 MiB, which no message is; give one message alone")]
    TooLong,
}

/// Reads a message into a case. `input` is what the user named it by.
///
/// # Errors
/// [`NoMessage`] where the octets are none.
pub fn case(octets: &[u8], input: &str, now: Timestamp) -> Result<Case, NoMessage> {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    if octets.iter().all(u8::is_ascii_whitespace) {
        return Err(NoMessage::Empty);
    }
    let Form { fields, cut, long_line, bare_lf, .. } = message::read(octets);
    if fields.is_empty() {
        return Err(NoMessage::NoHeader);
    }
    let wire = ReceivedWire { fields, cut, octets: octets.len() as u64, long_line, bare_lf };
    let (from, recorder) = (VantageId::local(), Recorder::new(None));
    let _ = recorder.record(&Received, &Mail("1".to_owned()), &from, (Duration::ZERO, Duration::ZERO), &wire);
    let target = TargetRecord { input: input.to_owned(), ..TargetRecord::default() };
    let here = VantageRecord { name: from.0, kind: "local".to_owned(), source_ip: None, resolver: None };
    let mut case = Case::new(target, now, vec![here], Terms::default());
    case.set_observations(recorder.take().0);
    Ok(case)
}

/// Whether a case is that of a traced message.
pub fn is_of(case: &Case) -> bool {
    case.observations.iter().any(|observation| observation.probe == Received::PROBE)
}

#[cfg(test)]
mod tests;
