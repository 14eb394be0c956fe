//! The JSON report, version 1.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::case::{ObsId, Observation, TargetRecord, VantageRecord};
use crate::catalogue::{Party, Remedy, Severity};
use crate::diagnosis::{Confidence, NextTest, Verdict};
use crate::findings::Sighting;
use crate::subject::Subject;

/// The schema that reports of this program carry.
pub const SCHEMA: &str = "maildoctor/report/1";

/// The program that wrote the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// `maildoctor`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A claim of a cause on an observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// What it explains.
    pub observation: ObsId,
    /// How much of its time, in milliseconds: all of it where the claim is on the whole.
    pub share_ms: Option<u64>,
    /// How that is known.
    pub basis: String,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Its name within the report.
    pub id: String,
    /// The catalogue's code.
    pub code: String,
    /// What is wrong, in a few words.
    pub title: String,
    /// How bad, by itself.
    pub severity: Severity,
    /// The worst of itself and of what it alone explains.
    pub effective_severity: Severity,
    /// Who must act.
    pub party: Party,
    /// How sure.
    pub confidence: Confidence,
    /// What it is about.
    pub subject: Subject,
    /// What else the same fault concerns.
    pub also: Vec<Subject>,
    /// The cause in one sentence.
    pub cause: String,
    /// The keys that its entry lists.
    pub detail: Map<String, Value>,
    /// What proves it.
    pub evidence: Vec<ObsId>,
    /// What it explains, and how that is known.
    pub claims: Vec<Claim>,
    /// The ids of what it explains.
    pub explains: Vec<String>,
    /// The ids of its causes; empty for a root.
    pub explained_by: Vec<String>,
    /// What of its wait nobody claims, in milliseconds; null where it has no wait.
    pub unexplained_ms: Option<u64>,
    /// What to do.
    pub remedy: Remedy,
    /// RFCs and manuals.
    pub sources: Vec<String>,
}

/// The state of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The fault is not there.
    Clear,
    /// It is.
    Found,
    /// It could not be told.
    Unknown,
    /// The question does not arise.
    NotApplicable,
}

/// One check of one code on one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The code that was looked for.
    pub code: String,
    /// What was looked at.
    pub subject: Subject,
    /// Where from.
    pub vantage: String,
    /// What came of it.
    pub state: State,
    /// Why it could not be told.
    pub why: Option<String>,
    /// What the check rests on.
    pub evidence: Vec<ObsId>,
}

/// A line of the MX table, as one resolver or one authoritative server has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Exchanger {
    /// Who was asked: `own`, `foreign:ADDR:PORT`, or `authoritative:ADDR:PORT` for a server of the domain's zone.
    pub resolver: String,
    /// Where from.
    pub vantage: String,
    /// The preference; null for the implicit MX.
    pub preference: Option<u16>,
    /// The host; empty for a null MX.
    pub host: String,
    /// Its addresses by the same server; an authoritative one is asked for hosts within its zone alone.
    pub addresses: Vec<IpAddr>,
}

/// One record that the domain's mail lives by: SPF, a DKIM key, DMARC, TLS reporting, BIMI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordLine {
    /// `SPF`, `DKIM`, `DMARC`, `TLS-RPT`, `BIMI`.
    pub kind: String,
    /// The name at which it stands.
    pub name: String,
    /// Its text, or what is there in place of it.
    pub text: String,
    /// What is to be known besides: lookups and includes of SPF, where a DMARC policy comes from.
    pub notes: Vec<String>,
}

/// A server that took a connection, and what it showed of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Server {
    /// The service.
    pub subject: Subject,
    /// What it is for.
    pub role: String,
    /// The first place from which it was reached.
    #[serde(default)]
    pub vantage: String,
    /// The name by which we came to it.
    #[serde(default)]
    pub host: Option<String>,
    /// The software, where it was recognised.
    pub software: Option<String>,
    /// How sure, in percent.
    pub percent: Option<u8>,
    /// How long its banner was waited for, in milliseconds; null where none came.
    #[serde(default)]
    pub banner_ms: Option<u64>,
    /// The version of TLS that was agreed on; null where there was none.
    #[serde(default)]
    pub tls: Option<String>,
    /// When the certificate it showed ends (RFC 3339).
    #[serde(default)]
    pub certificate_until: Option<String>,
    /// The AUTH mechanisms that it offers where clients use them: under TLS, if there is TLS.
    #[serde(default)]
    pub mechanisms: Vec<String>,
}

/// The report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// The program that wrote it.
    pub tool: Tool,
    /// What was asked for.
    pub target: TargetRecord,
    /// When the run began (RFC 3339).
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The instant that certificates, TLSA records and policies are judged as of, where it is a later one (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Where it was looked from.
    pub vantages: Vec<VantageRecord>,
    /// The verdict.
    pub verdict: Verdict,
    /// One sentence that a manager can read.
    pub summary: String,
    /// Root causes alone, the worst first.
    pub diagnosis: Vec<Finding>,
    /// All findings, roots too.
    pub findings: Vec<Finding>,
    /// All checks.
    pub checks: Vec<Check>,
    /// What would tell more.
    pub next_tests: Vec<NextTest>,
    /// The MX table.
    pub mx: Vec<Exchanger>,
    /// The servers that were met.
    pub servers: Vec<Server>,
    /// What each place saw of each server, where there were several places.
    #[serde(default)]
    pub places: Vec<Sighting>,
    /// The records that the domain's mail lives by.
    #[serde(default)]
    pub records: Vec<RecordLine>,
    /// What was seen.
    #[schemars(with = "Vec<Value>")]
    pub observations: Vec<ObservationRecord>,
}

/// An observation as it stands in a report.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObservationRecord(pub Observation);

impl PartialEq for ObservationRecord {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id && self.0.probe == other.0.probe && self.0.outcome == other.0.outcome
    }
}
