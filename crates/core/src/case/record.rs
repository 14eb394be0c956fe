//! Where probes write what they saw while the run goes on.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc;

use super::ask::Question;
use super::observation::{ObsId, Observation, millis};
use super::{Skip, Unasked};
use crate::subject::{Subject, VantageId};

/// The most observations that one run keeps: far above what a domain with many MX needs, and a bound
/// on what hostile answers can make us remember.
const MAX_OBSERVATIONS: usize = 20_000;

/// Something that happened, for those who watch the run live.
#[derive(Debug, Clone)]
pub enum Noted {
    /// A step began: what is being waited for.
    Began {
        /// A number that its end carries as well.
        step: u64,
        /// What is waited for, in a few words.
        what: String,
    },
    /// That step ended.
    Ended {
        /// The number its beginning carried.
        step: u64,
    },
    /// An observation was made.
    Seen(Box<Observation>),
}

#[derive(Default)]
struct Book {
    observations: Vec<Observation>,
    unasked: Vec<Unasked>,
    steps: u64,
}

/// Collects observations from all probes at once. Cloning it gives another pen for the same book.
#[derive(Clone)]
pub struct Recorder {
    start: Instant,
    book: Arc<Mutex<Book>>,
    watch: Option<mpsc::UnboundedSender<Noted>>,
}

/// A step that is under way; dropping it says that it ended.
pub struct Step {
    number: u64,
    recorder: Recorder,
}

impl Drop for Step {
    fn drop(&mut self) {
        self.recorder.tell(Noted::Ended { step: self.number });
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Recorder {
    /// A new book whose clock starts now; `watch` is told of everything as it happens.
    pub fn new(watch: Option<mpsc::UnboundedSender<Noted>>) -> Self {
        Self { start: Instant::now(), book: Arc::default(), watch }
    }

    /// The time since the run began.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The instant at which the run began.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// Notes that a step begins; it ends when the returned value is dropped.
    #[must_use = "the step ends when this is dropped"]
    pub fn step(&self, what: impl Into<String>) -> Step {
        let what = what.into();
        let number = {
            let mut book = self.book();
            book.steps += 1;
            book.steps
        };
        self.tell(Noted::Began { step: number, what });
        Step { number, recorder: self.clone() }
    }

    /// Writes down the answer to a question: `at` since the start of the run, `took` long.
    pub fn record<Q: Question>(
        &self,
        question: &Q,
        on: &Q::On,
        from: &VantageId,
        (at, took): (Duration, Duration),
        wire: &Q::Wire,
    ) -> Option<ObsId> {
        let asked = serde_json::to_value(question).unwrap_or(Value::Null);
        let outcome = serde_json::to_value(wire).unwrap_or(Value::Null);
        self.push(Observation {
            id: ObsId(0),
            vantage: from.clone(),
            probe: Q::PROBE.to_owned(),
            subject: on.clone().into(),
            asked,
            at_ms: millis(at),
            took_ms: millis(took),
            outcome,
            view: OnceLock::new(),
        })
    }

    fn push(&self, mut observation: Observation) -> Option<ObsId> {
        let mut book = self.book();
        if book.observations.len() >= MAX_OBSERVATIONS {
            return None;
        }
        let id = ObsId(u32::try_from(book.observations.len()).unwrap_or(u32::MAX).saturating_add(1));
        observation.id = id;
        book.observations.push(observation.clone());
        drop(book);
        self.tell(Noted::Seen(Box::new(observation)));
        Some(id)
    }

    /// Writes down that a probe was left out because of an option.
    pub fn skip(&self, probe: &str, subject: Option<Subject>, because: &str, option: &str) {
        let skip = Skip { because: because.to_owned(), option: option.to_owned() };
        self.book().unasked.push(Unasked { probe: probe.to_owned(), subject, skip: Some(skip) });
    }

    /// Writes down that the deadline came before a probe.
    pub fn not_reached(&self, probe: &str, subject: Option<Subject>) {
        self.book().unasked.push(Unasked { probe: probe.to_owned(), subject, skip: None });
    }

    /// What was seen so far of one probe, as it was written: for probes that build on others.
    pub fn so_far<Q: Question>(&self) -> Vec<(Observation, Q::Wire)> {
        let book = self.book();
        let of_probe = book.observations.iter().filter(|o| o.probe == Q::PROBE);
        of_probe.filter_map(|o| Some((o.clone(), serde_json::from_value(o.outcome.clone()).ok()?))).collect()
    }

    /// Takes all that was written so far: observations in order, and what was left out.
    pub fn take(&self) -> (Vec<Observation>, Vec<Unasked>) {
        let mut book = self.book();
        (std::mem::take(&mut book.observations), std::mem::take(&mut book.unasked))
    }

    fn tell(&self, noted: Noted) {
        if let Some(watch) = &self.watch {
            // Nobody watching any more is no reason to stop looking.
            let _ = watch.send(noted);
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
