//! One fact as it was seen: who looked, with which probe, at what, when, and what came of it.

use std::any::Any;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::subject::{Subject, VantageId};

/// The number of an observation within its case; printed as `o17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObsId(pub u32);

impl fmt::Display for ObsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "o{}", self.0)
    }
}

impl FromStr for ObsId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_prefix('o')
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no observation id such as o17"))
    }
}

impl Serialize for ObsId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObsId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for ObsId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ObservationId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^o[0-9]+$"})
    }
}

/// A stretch of time of the run, in milliseconds since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// Where it begins.
    pub from_ms: u64,
    /// Where it ends; never before `from_ms`.
    pub to_ms: u64,
}

impl Span {
    /// The stretch of `length` that begins at `from`.
    pub fn at(from: Duration, length: Duration) -> Self {
        let from_ms = millis(from);
        Self { from_ms, to_ms: from_ms.saturating_add(millis(length)) }
    }

    /// How long it is, in milliseconds.
    pub fn length_ms(self) -> u64 {
        self.to_ms.saturating_sub(self.from_ms)
    }

    /// The part of it that lies within `other`, or `None` where they do not touch.
    pub fn within(self, other: Span) -> Option<Span> {
        let from_ms = self.from_ms.max(other.from_ms);
        let to_ms = self.to_ms.min(other.to_ms);
        (from_ms < to_ms).then_some(Span { from_ms, to_ms })
    }
}

impl Span {
    /// How much of it other stretches cover together, in milliseconds: their union, never their sum.
    pub fn covered_by(self, others: impl Iterator<Item = Span>) -> u64 {
        let mut spans: Vec<Span> = others.filter_map(|span| span.within(self)).collect();
        spans.sort();
        let mut covered = 0;
        let mut reached = self.from_ms;
        for span in spans {
            let from = span.from_ms.max(reached);
            if span.to_ms > from {
                covered += span.to_ms - from;
                reached = span.to_ms;
            }
        }
        covered
    }
}

/// A duration in whole milliseconds, as reports and cases carry it.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One observation. The outcome is kept as it was written, and its typed view is computed once, when
/// a question first asks for it: unknown probes and fields of a newer program are kept and ignored.
#[derive(Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Observation {
    /// Its number in the case.
    pub id: ObsId,
    /// Where it was seen from.
    #[schemars(with = "String")]
    #[serde(with = "vantage_name")]
    pub vantage: VantageId,
    /// The probe and its version, such as `smtp.banner/1`.
    pub probe: String,
    /// What was looked at.
    pub subject: Subject,
    /// The question's own parameters (which resolver, which recipient); null where it has none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub asked: Value,
    /// When it began, in milliseconds since the start of the run.
    pub at_ms: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What came of it: typed, per probe.
    pub outcome: Value,
    /// The typed view, once somebody asked.
    #[serde(skip)]
    #[schemars(skip)]
    pub(super) view: OnceLock<Option<Arc<dyn Any + Send + Sync>>>,
}

impl Observation {
    /// The time it covers.
    pub fn span(&self) -> Span {
        Span { from_ms: self.at_ms, to_ms: self.at_ms.saturating_add(self.took_ms) }
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.id, self.probe, self.subject, self.outcome)
    }
}

mod vantage_name {
    use super::{Deserialize, Deserializer, Serializer, VantageId};

    pub(super) fn serialize<S: Serializer>(id: &VantageId, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&id.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<VantageId, D::Error> {
        String::deserialize(d).map(VantageId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_clips_to_another() {
        let wait = Span { from_ms: 100, to_ms: 200 };
        assert_eq!(Span { from_ms: 0, to_ms: 150 }.within(wait), Some(Span { from_ms: 100, to_ms: 150 }));
        assert_eq!(Span { from_ms: 200, to_ms: 300 }.within(wait), None);
    }
}
