//! `trace`: the way of a received message, hop by hop, and what the servers on it found.
//!
//! A message alone gives a report of its own, many of a mailbox a table ([`mailbox`]).
//!
//! A message enters as the world does: it is read into an observation of a case, its signatures are verified and its
//! sender's policies asked for, rules judge that, and the report says what follows.

pub mod mailbox;
mod model;
mod saved;
mod stations;
mod text;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use maildoctor_wire::message::{self, Form};
use tokio::time::Instant;

use crate::case::{Case, Question as _, Recorder, TargetRecord, Terms, VantageRecord};
use crate::check::CheckError;
use crate::options::Options;
use crate::probe::context::AuthBudget;
use crate::probe::tls::Trusted;
use crate::probe::trace::Checker;
use crate::probe::{self, Context};
use crate::questions::trace::{Received, ReceivedWire};
use crate::subject::{Mail, VantageId};
use crate::vantage::{Vantage, resolver};

pub use model::{HopReport, SCHEMA, TraceReport, report};
pub use text::render;

/// The longest message that is read, in octets.
pub const MAX_MESSAGE_OCTETS: u64 = 128 * 1024 * 1024;

/// How long the arithmetic of one message may take where nothing is asked.
const WITHOUT_DNS: Duration = Duration::from_secs(30);

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
    /// It is a file of Outlook.
    #[error(
        "it is a file of Outlook in a form of its own; open the message in Outlook and save its Internet headers (File, Properties) as text, or the message as .eml"
    )]
    Outlook,
    /// It is an archive.
    #[error("it is an archive; unpack it, and give the message that is in it")]
    Packed,
    /// It is longer than any message.
    #[error("it is longer than 128 MiB, which no message is; give one message alone")]
    TooLong,
}

/// Reads the header of a message into a case, and nothing more. `input` is what the user named it by.
///
/// # Errors
/// [`NoMessage`] where the octets are none.
pub fn case(octets: &[u8], input: &str, now: Timestamp) -> Result<Case, NoMessage> {
    let recorder = Recorder::new(None);
    read(&saved::plain(octets)?, &recorder)?;
    Ok(made_of(&recorder, input, now, None))
}

/// How the DNS is asked about messages.
#[derive(Debug, Clone, Copy)]
pub struct Asking {
    /// The resolver; the system's where absent.
    pub resolver: Option<SocketAddr>,
    /// How long it may take in all.
    pub deadline: Duration,
    /// Whether nothing is asked at all.
    pub offline: bool,
}

/// Who looks at messages: one at a time, or several at once, within one deadline.
pub struct Looker {
    resolver: SocketAddr,
    offline: bool,
    options: Arc<Options>,
    trusted: Arc<Trusted>,
    checker: Option<Checker>,
    ends: Instant,
}

impl Looker {
    /// Makes ready to look; from here on the deadline runs.
    ///
    /// # Errors
    /// [`CheckError`] where there is no resolver to ask.
    pub fn new(asking: Asking) -> Result<Self, CheckError> {
        let resolver = match asking.resolver {
            // Nothing goes there.
            _ if asking.offline => SocketAddr::from(([127, 0, 0, 1], 53)),
            Some(resolver) => resolver,
            None => resolver::of_the_system()?,
        };
        let options = Options { resolver: Some(resolver), deadline: asking.deadline, ..Options::default() };
        Ok(Self {
            resolver,
            offline: asking.offline,
            options: Arc::new(options),
            trusted: Arc::new(Trusted::load(None)?),
            checker: Checker::new(),
            ends: Instant::now() + asking.deadline,
        })
    }

    /// Whether the DNS is still asked: it is not offline, and not after the deadline.
    pub fn asks(&self) -> bool {
        !self.offline && Instant::now() < self.ends
    }

    /// Reads a message into a case, verifies its signatures, and asks for what SPF and DMARC need.
    ///
    /// # Errors
    /// [`NoMessage`] where the octets are none.
    pub async fn look(&self, octets: &[u8], input: &str, now: Timestamp) -> Result<Case, NoMessage> {
        let recorder = Recorder::new(None);
        let octets = &*saved::plain(octets)?;
        let wire = read(octets, &recorder)?;
        let asks = self.asks();
        let resolver = asks.then_some(self.resolver);
        let (Some(message), Some(checker)) = (Received::read(wire), &self.checker) else {
            return Ok(made_of(&recorder, input, now, resolver));
        };
        let context = Context::new(
            self.options.clone(),
            recorder.clone(),
            Vantage::here(self.resolver),
            self.trusted.clone(),
            self.ends,
            Arc::new(AuthBudget::default()),
        );
        let work = probe::trace::verify(&context, checker, octets, &message, !asks);
        // What was not asked in time is not in the case, and rules are told so.
        let _ = tokio::time::timeout(if asks { self.ends - Instant::now() } else { WITHOUT_DNS }, work).await;
        Ok(made_of(&recorder, input, now, resolver))
    }
}

/// Reads a message, and writes down how it lies there.
fn read(octets: &[u8], recorder: &Recorder) -> Result<ReceivedWire, NoMessage> {
    let Form { fields, cut, long_line, bare_lf, .. } = message::read(octets);
    if fields.is_empty() {
        return Err(NoMessage::NoHeader);
    }
    let wire = ReceivedWire { fields, cut, octets: octets.len() as u64, long_line, bare_lf };
    let times = (Duration::ZERO, Duration::ZERO);
    let _ = recorder.record(&Received, &Mail("1".to_owned()), &VantageId::local(), times, &wire);
    Ok(wire)
}

fn made_of(recorder: &Recorder, input: &str, now: Timestamp, resolver: Option<SocketAddr>) -> Case {
    let target = TargetRecord { input: input.to_owned(), ..TargetRecord::default() };
    let here = VantageRecord { name: VantageId::local().0, kind: "local".to_owned(), source_ip: None, resolver };
    let mut case = Case::new(target, now, vec![here], Terms::default());
    case.set_observations(recorder.take().0);
    case
}

/// Whether a case is that of a traced message.
pub fn is_of(case: &Case) -> bool {
    case.observations.iter().any(|observation| observation.probe == Received::PROBE)
}

#[cfg(test)]
mod tests;
