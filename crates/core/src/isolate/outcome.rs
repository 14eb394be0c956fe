//! What an experiment came to.

use std::collections::BTreeMap;

use maildoctor_wire::dialogue::Phase;
use schemars::JsonSchema;
use serde::Serialize;

use super::candidate::{Candidate, CandidateId, Off};
use super::waits::Waits;
use crate::catalogue::Step;
use crate::diagnosis::Confidence;

/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// There is no wait to explain.
    Quick,
    /// The culprits explain what the candidates can explain, and that is most of the wait.
    Explained,
    /// The culprits explain a part; much of the wait remains.
    Partly,
    /// With everything switched off that can be, the server waits as before.
    NoneOfThem,
    /// Switching everything off helps, and what it is cannot be told from the measurements.
    Unclear,
}

/// How a culprit showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Switched off alone it saves its share.
    Alone,
    /// It saves its share once the culprits before it are off: they hid it.
    AfterTheOthers,
    /// Each of them keeps the wait up by itself: only together they save the share.
    Together,
    /// Switched on again where the wait was gone, it brings its share back.
    SwitchedOn,
    /// They save the share together, and fewer were not found to.
    NotNarrowed,
}

/// One setting, or several that have to go together, and the wait they make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Culprit {
    /// The settings; one, unless they only matter together.
    pub settings: Vec<Candidate>,
    /// What switching them off saves.
    pub share_ms: i64,
    /// The same, step by step.
    #[schemars(with = "BTreeMap<String, i64>")]
    pub steps: BTreeMap<Phase, i64>,
    /// How it showed.
    pub how: How,
    /// How sure it is.
    pub confidence: Confidence,
}

impl Culprit {
    /// The identifiers of its settings.
    pub fn ids(&self) -> Off {
        self.settings.iter().map(|candidate| candidate.id.clone()).collect()
    }
}

/// What else there is to say about an experiment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "note")]
pub enum Note {
    /// The wait went away when the same was measured again: something remembers the answers.
    Faded,
    /// The server did not answer within the limit, so that the wait is longer than measured.
    Cut,
    /// Without this candidate the server turned the client away earlier, and its wait says nothing.
    TurnedAway {
        /// The candidate.
        id: CandidateId,
    },
    /// The measurements about this candidate contradict each other.
    Contradicts {
        /// The candidate.
        id: CandidateId,
    },
    /// The shares add up to more than the wait: each culprit alone ends some of the same wait.
    Overlap,
}

/// One measurement, as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Measured {
    /// What was switched off.
    pub off: Off,
    /// How long the server took.
    pub waits: Waits,
}

/// The end of an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Isolation {
    /// The answer in one word.
    pub outcome: Outcome,
    /// The wait with everything as it is: the middle one of its measurements.
    pub baseline: Waits,
    /// The wait without the culprits.
    pub remaining: Waits,
    /// The culprits, those that save most first.
    pub culprits: Vec<Culprit>,
    /// What else there is to say.
    pub notes: Vec<Note>,
    /// Every measurement, in the order in which they ended.
    pub measured: Vec<Measured>,
}

impl Isolation {
    /// Every setting found guilty.
    pub fn guilty(&self) -> Off {
        self.culprits.iter().flat_map(Culprit::ids).collect()
    }
}

/// The JSON of an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IsolationReport {
    /// [`IsolationReport::SCHEMA`].
    pub schema: String,
    /// What it came to.
    pub isolation: Isolation,
    /// What would take the culprits out of the settings; nothing of it was done.
    pub remedy: Vec<Step>,
}

impl IsolationReport {
    /// The schema that reports of this program carry.
    pub const SCHEMA: &str = "maildoctor/isolation/1";

    /// The report of an experiment.
    pub fn new(isolation: Isolation, remedy: Vec<Step>) -> Self {
        Self { schema: Self::SCHEMA.to_owned(), isolation, remedy }
    }
}
