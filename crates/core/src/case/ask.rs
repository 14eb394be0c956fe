//! Questions to a case, and their three-valued answers.
//!
//! A rule never scans observations: it asks. What it is told is either something that was *seen*, or a
//! reason why it is not known; "it is not there" can only be said of something that was seen whole.

use std::fmt;
use std::ops::Deref;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Case;
use super::graph::Graph;
use super::observation::{ObsId, Observation};
use crate::subject::{Kind, VantageId};

/// One question is one probe: what is asked, on which kind of subject, what is kept of the wire, and
/// how it reads.
pub trait Question: Serialize + Clone + fmt::Debug {
    /// The probe and its version, such as `smtp.banner/1`.
    const PROBE: &'static str;
    /// The kind of subject it is asked on.
    type On: Kind;
    /// What a case keeps: facts as they were on the wire.
    type Wire: Serialize + DeserializeOwned;
    /// How that reads; computed once a case is asked.
    type View: Send + Sync + 'static;

    /// Reads the wire facts. `None` where they cannot be read at all, which a rule is told as
    /// [`Why::Failed`].
    fn read(wire: Self::Wire) -> Option<Self::View>;

    /// What must have worked before this could be asked. The default needs nothing.
    ///
    /// # Errors
    /// The reason why the question could not have been answered.
    fn needs(&self, case: &Case, on: &Self::On, from: &VantageId) -> Result<(), Why> {
        let _ = (case, on, from);
        Ok(())
    }

    /// What was learnt about how subjects hang together.
    fn link(observation: &Observation, view: &Self::View, graph: &mut Graph) {
        let _ = (observation, view, graph);
    }
}

/// Something that was seen, and where it stands in the case.
#[derive(Debug)]
pub struct Seen<'c, V> {
    view: &'c V,
    observation: &'c Observation,
}

impl<V> Clone for Seen<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Seen<'_, V> {}

impl<'c, V> Seen<'c, V> {
    pub(super) fn new(view: &'c V, observation: &'c Observation) -> Self {
        Self { view, observation }
    }

    /// The observation's number.
    pub fn id(&self) -> ObsId {
        self.observation.id
    }

    /// The observation itself, for its times.
    pub fn observation(&self) -> &'c Observation {
        self.observation
    }

    /// The view, for as long as the case lives.
    pub fn view(&self) -> &'c V {
        self.view
    }

    /// A part of the view that is there only if the exchange came that far; what is missing is
    /// [`Why::Denied`] by this very observation.
    ///
    /// # Errors
    /// [`Why::Denied`] where `part` gives nothing.
    pub fn need<T>(&self, part: impl FnOnce(&'c V) -> Option<T>) -> Result<T, Why> {
        part(self.view).ok_or(Why::Denied(self.observation.id))
    }
}

impl<V> Deref for Seen<'_, V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.view
    }
}

/// Why something is not known, in the order of how much it says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// A step before it failed: that observation shows it.
    Blocked(ObsId),
    /// It was asked, and the answer was not the one that tells.
    Denied(ObsId),
    /// The probe could not be carried out or read.
    Failed(ObsId),
    /// The run's deadline came first.
    NotReached,
    /// An option was not given, or switched it off.
    Skipped(Skip),
    /// Nothing in the plan asked it.
    NotPlanned,
}

/// A probe that was left out on purpose, and what would bring it back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Skip {
    /// Why, as a sentence part: "no message is sent without --send".
    pub because: String,
    /// What to add to the command line, such as `--send`; `sudo` stands before it; empty where no option would help. A
    /// word in capitals stands for what only the user knows: `--helo NAME`.
    pub option: String,
}

impl Skip {
    /// Whether the option can be typed as it stands.
    pub fn is_ready(&self) -> bool {
        let stands_for_something = |word: &str| word.len() > 1 && word.bytes().all(|b| b.is_ascii_uppercase());
        !self.option.is_empty() && !self.option.split([' ', '=', ':', '@']).any(stands_for_something)
    }
}

impl Why {
    /// The same reason, seen from a step that depends on it: what a step could not do blocks the next.
    #[must_use]
    pub fn as_blocker(self) -> Why {
        match self {
            Why::Denied(id) | Why::Failed(id) => Why::Blocked(id),
            other => other,
        }
    }

    /// The observation that shows it, where there is one.
    pub fn shown_by(&self) -> Option<ObsId> {
        match self {
            Why::Blocked(id) | Why::Denied(id) | Why::Failed(id) => Some(*id),
            Why::NotReached | Why::Skipped(_) | Why::NotPlanned => None,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Blocked(id) => write!(f, "blocked: an earlier step failed ({id})"),
            Why::Denied(id) => write!(f, "no answer that tells ({id})"),
            Why::Failed(id) => write!(f, "the probe failed ({id})"),
            Why::NotReached => f.write_str("the deadline came first"),
            Why::Skipped(skip) if skip.option.is_empty() => write!(f, "not looked at: {}", skip.because),
            Why::Skipped(skip) if !skip.is_ready() => {
                write!(f, "skipped: {}; {} would tell", skip.because, skip.option)
            }
            Why::Skipped(skip) => write!(f, "skipped: {}", skip.because),
            Why::NotPlanned => f.write_str("not asked"),
        }
    }
}
