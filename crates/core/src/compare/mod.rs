//! Two reports held against each other: what got better, what got worse, what merely changed.
//!
//! A fault that is no longer found is better only where the later run could have found it; where the later run
//! could not tell, that is what is said.

mod facts;
mod findings;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::case::{self, Case, CaseError};
use crate::diagnosis::{Verdict, diagnose};
use crate::report::{self, Report, report};
use crate::subject::Subject;

pub use text::render;

/// The schema that comparisons of this program carry.
pub const SCHEMA: &str = "maildoctor/comparison/1";

/// A file that is neither a case nor a report.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The text is no JSON, or not of the shape that its schema says.
    #[error("this is neither a case nor a report; give a file that `check --save` or `check --format json` wrote")]
    Unreadable(#[from] serde_json::Error),
    /// A case that cannot be used.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// Another schema.
    #[error("schema `{found}` cannot be compared; give a file that `check --save` or `check --format json` wrote")]
    Schema {
        /// What the file says.
        found: String,
    },
}

/// What a change means for the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// A fault is new, or weighs more.
    Worse,
    /// A fault is gone, or weighs less.
    Better,
    /// Something is different, and no fault by itself.
    Changed,
    /// A fault was found, and the later run could not tell whether it is still there.
    Untold,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// What it means.
    pub way: Way,
    /// The finding's code; null where a fact changed and no finding.
    pub code: Option<String>,
    /// What it is about.
    pub subject: Option<Subject>,
    /// The change in one sentence.
    pub says: String,
}

/// One of the two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// When it began (RFC 3339).
    pub started_at: String,
    /// Its target as typed.
    pub target: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Its sentence.
    pub summary: String,
}

/// What two reports come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: String,
    /// The earlier run.
    pub before: Run,
    /// The later run.
    pub after: Run,
    /// The differences, the worst first.
    pub changes: Vec<Change>,
}

impl Comparison {
    /// 0 where nothing got worse, 1 where something did, 2 where mail is broken that was not before.
    pub fn exit_code(&self) -> u8 {
        let broke = self.after.verdict == Verdict::Broken && self.before.verdict != Verdict::Broken;
        match self.changes.iter().any(|c| c.way == Way::Worse) {
            true if broke => 2,
            true => 1,
            false => 0,
        }
    }
}

/// Reads a saved case or a JSON report as a report.
///
/// # Errors
/// [`CompareError`] where the text is neither.
pub fn read(text: &str) -> Result<Report, CompareError> {
    #[derive(Deserialize)]
    struct Head {
        schema: Option<String>,
    }
    match serde_json::from_str::<Head>(text)?.schema.as_deref() {
        Some(case::SCHEMA) => {
            let case = Case::from_json(text)?;
            Ok(report(&case, &diagnose(&case)))
        }
        Some(report::SCHEMA) => Ok(serde_json::from_str(text)?),
        found => Err(CompareError::Schema { found: found.unwrap_or("none").to_owned() }),
    }
}

/// Holds two reports against each other.
pub fn compare(before: &Report, after: &Report) -> Comparison {
    let mut changes = findings::changes(before, after);
    changes.extend(facts::changes(before, after));
    changes.sort_by(|a, b| (a.way, &a.code, &a.says).cmp(&(b.way, &b.code, &b.says)));
    changes.dedup();
    Comparison { schema: SCHEMA.to_owned(), before: run(before), after: run(after), changes }
}

fn run(report: &Report) -> Run {
    Run {
        started_at: report.started_at.clone(),
        target: report.target.input.clone(),
        verdict: report.verdict,
        summary: report.summary.clone(),
    }
}
