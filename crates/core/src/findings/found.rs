//! What a rule says: findings, what they owe an explanation for, and what they claim to explain.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::case::{ObsId, Span, Why};
use crate::catalogue::{self, Party, Severity};
use crate::subject::{Subject, VantageId};

/// What makes two findings of one code the same fault: the certificate, the zone, the setting …
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A subject.
    Subject(Subject),
    /// A single observation.
    Observed(ObsId),
    /// Something that is no subject, such as a setting or a group of services.
    Named(String),
}

impl<S: Into<Subject>> From<S> for Key {
    fn from(subject: S) -> Self {
        Key::Subject(subject.into())
    }
}

/// How a fact is known, the weakest first. Confidence follows from the weakest link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// It fits a known pattern: a delay that is a multiple of a resolver's time-out.
    Pattern,
    /// We measured the same object ourselves.
    OwnMeasure,
    /// An experiment shows it: with the setting off, the effect is gone.
    Experiment,
    /// The server's own reply names it.
    ServerSaid,
    /// It was captured on the host.
    Captured,
    /// The fact on the wire is itself what the finding says.
    Witnessed,
}

impl Basis {
    /// The word for reports.
    pub fn name(self) -> &'static str {
        match self {
            Basis::Pattern => "pattern",
            Basis::OwnMeasure => "own-measure",
            Basis::Experiment => "experiment",
            Basis::ServerSaid => "server-said",
            Basis::Captured => "captured",
            Basis::Witnessed => "witnessed",
        }
    }
}

/// What of an observation wants explaining.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owes {
    /// A stretch of time.
    Wait(Span),
    /// A step at which the goal fails.
    Step,
}

/// How much of an observation a cause explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All of it.
    Whole,
    /// A stretch of its time: overlapping stretches unite, they do not add up.
    Of(Span),
}

/// A cause's claim to explain an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// What it explains.
    pub on: ObsId,
    /// How much of it.
    pub share: Share,
    /// How that is known.
    pub basis: Basis,
}

/// One finding. Severity is what the rule saw, before anything is known of root causes.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The catalogue's code.
    pub code: &'static str,
    /// What makes it the same fault as another of its code.
    pub key: Key,
    /// What it is about; the first is the one it is named after.
    pub subjects: Vec<Subject>,
    /// Where it was seen from.
    pub vantages: BTreeSet<VantageId>,
    /// How bad.
    pub severity: Severity,
    /// Who must act.
    pub party: Party,
    /// The cause in one sentence, naming the very list, record, host, setting or certificate.
    pub says: String,
    /// The keys its entry lists.
    pub detail: Map<String, Value>,
    /// What proves it.
    pub evidence: BTreeMap<ObsId, Basis>,
    /// What it wants explained: empty for what is never a symptom.
    pub owes: Vec<(ObsId, Owes)>,
    /// What it explains.
    pub claims: Vec<Claim>,
    /// Only inferred from what it would explain: it goes when something surer explains that.
    pub suspected: bool,
}

impl Finding {
    fn new(code: &'static str, key: Key, on: Subject, from: Option<&VantageId>) -> Self {
        let entry = catalogue::entry(code);
        Self {
            code,
            key,
            subjects: vec![on],
            vantages: from.cloned().into_iter().collect(),
            severity: entry.map_or(Severity::Advice, |e| e.severity),
            party: entry.map_or(Party::Target, |e| e.party),
            says: String::new(),
            detail: Map::new(),
            evidence: BTreeMap::new(),
            owes: Vec::new(),
            claims: Vec::new(),
            suspected: false,
        }
    }

    /// The cause in one sentence.
    pub fn says(&mut self, sentence: impl Into<String>) -> &mut Self {
        self.says = sentence.into();
        self
    }

    /// A key of the entry's `detail`.
    pub fn detail(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.detail.insert(key.to_owned(), value.into());
        self
    }

    /// A key of the entry's `detail`, where its value is known: an absent one is better than an empty one.
    pub fn known(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            self.detail.insert(key.to_owned(), value.into());
        }
        self
    }

    /// Another severity than the usual.
    pub fn severity(&mut self, severity: Severity) -> &mut Self {
        self.severity = severity;
        self
    }

    /// Another party than the usual.
    pub fn party(&mut self, party: Party) -> &mut Self {
        self.party = party;
        self
    }

    /// An observation that proves it, and how.
    pub fn proof(&mut self, id: ObsId, basis: Basis) -> &mut Self {
        let held = self.evidence.entry(id).or_insert(basis);
        *held = (*held).max(basis);
        self
    }

    /// An observation that is itself what the finding says.
    pub fn witnessed(&mut self, id: ObsId) -> &mut Self {
        self.proof(id, Basis::Witnessed)
    }

    /// Another subject it is about.
    pub fn also(&mut self, subject: impl Into<Subject>) -> &mut Self {
        let subject = subject.into();
        if !self.subjects.contains(&subject) {
            self.subjects.push(subject);
        }
        self
    }

    /// This stretch of an observation wants explaining: the finding is a symptom of whatever claims it.
    pub fn owes_wait(&mut self, id: ObsId, span: Span) -> &mut Self {
        self.owes.push((id, Owes::Wait(span)));
        self
    }

    /// This failed step wants explaining.
    pub fn owes_step(&mut self, id: ObsId) -> &mut Self {
        self.owes.push((id, Owes::Step));
        self
    }

    /// Claims to explain an observation.
    pub fn claims(&mut self, on: ObsId, share: Share, basis: Basis) -> &mut Self {
        self.claims.push(Claim { on, share, basis });
        self
    }

    /// Takes in another finding of the same code and key. What was only inferred adds to what is sure the places it
    /// concerns and what else it would explain, and takes nothing from how sure that is.
    pub(crate) fn merge(&mut self, mut other: Finding) {
        if self.suspected && !other.suspected {
            std::mem::swap(self, &mut other);
        }
        let inferred = other.suspected && !self.suspected;
        if inferred {
            other.evidence.clear();
            other.claims.retain(|claim| self.claims.iter().all(|own| own.on != claim.on));
        }
        for subject in other.subjects {
            self.also(subject);
        }
        self.vantages.extend(other.vantages);
        self.severity = self.severity.max(other.severity);
        for (id, basis) in other.evidence {
            self.proof(id, basis);
        }
        for owed in other.owes {
            if !self.owes.contains(&owed) {
                self.owes.push(owed);
            }
        }
        for claim in other.claims {
            if !self.claims.contains(&claim) {
                self.claims.push(claim);
            }
        }
        self.suspected &= other.suspected;
    }
}

/// The state of a check that came to an end. What could not be told is an error: [`Why`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The fault is not there.
    Clear,
    /// It is.
    Found,
    /// The question does not arise.
    NotApplicable,
}

/// What a rule returns: not knowing is the error, so `?` is all a rule writes for it.
pub type Told = Result<State, Why>;

/// A test that would tell more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// What it would tell apart.
    pub why: String,
    /// What to add to the command line of this run.
    pub add: String,
    /// Only worth saying where this code is among the findings in the end.
    pub only_with: Option<&'static str>,
}

/// Where a rule puts what it found.
#[derive(Debug)]
pub struct Found<'r> {
    codes: &'r [&'static str],
    on: Subject,
    from: Option<VantageId>,
    pub(super) findings: Vec<Finding>,
    pub(super) suggestions: Vec<Suggestion>,
    missed: Option<Why>,
}

impl<'r> Found<'r> {
    pub(super) fn new(codes: &'r [&'static str], on: Subject, from: Option<VantageId>) -> Self {
        Self { codes, on, from, findings: Vec::new(), suggestions: Vec::new(), missed: None }
    }

    /// It is so, by itself: the rule's first code, under this key.
    pub fn is(&mut self, key: impl Into<Key>) -> &mut Finding {
        let code = self.codes.first().copied().unwrap_or_default();
        self.is_a(code, key)
    }

    /// It is so: one of the rule's codes, under this key.
    pub fn is_a(&mut self, code: &'static str, key: impl Into<Key>) -> &mut Finding {
        debug_assert!(self.codes.contains(&code), "{code} is not among the rule's codes");
        let finding = Finding::new(code, key.into(), self.on.clone(), self.from.as_ref());
        self.findings.push(finding);
        let last = self.findings.len() - 1;
        // The element pushed in the line above.
        #[allow(clippy::indexing_slicing, reason = "the index is that of the element just pushed")]
        &mut self.findings[last]
    }

    /// It may be so, only inferred from what it would explain.
    pub fn may_be(&mut self, key: impl Into<Key>) -> &mut Finding {
        let finding = self.is(key);
        finding.suspected = true;
        finding
    }

    /// One of several things asked did not answer: no `Clear` any more, but a `Found` stays one.
    pub fn missed(&mut self, why: Why) {
        self.missed = Some(match self.missed.take() {
            Some(held) => held.min(why),
            None => why,
        });
    }

    /// A test that would tell more, said only where a code is among the findings in the end: what it would tell
    /// apart, and what to add to this run's command.
    pub fn suggest_with(&mut self, code: &'static str, why: impl Into<String>, add: impl Into<String>) {
        self.suggestions.push(Suggestion { why: why.into(), add: add.into(), only_with: Some(code) });
    }

    /// The state of a code of the family where another one was found: what shows that one says nothing of this.
    pub(super) fn instead(&self, told: State) -> Told {
        let shown = self.findings.iter().flat_map(|finding| finding.evidence.keys()).next();
        match (told, shown) {
            (State::Found, Some(id)) => Err(Why::Denied(*id)),
            (State::Found, None) => Ok(State::Clear),
            (state, _) => Ok(state),
        }
    }

    /// What the rule returns at its end: found, missed or clear.
    ///
    /// # Errors
    /// What was missed, where nothing was found.
    pub fn state(&self) -> Told {
        match (self.findings.is_empty(), &self.missed) {
            (false, _) => Ok(State::Found),
            (true, Some(why)) => Err(why.clone()),
            (true, None) => Ok(State::Clear),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Domain;

    #[test]
    fn what_was_missed_is_missed_however_often_it_is_asked_for() {
        let mut found = Found::new(&["autoconfig-srv-wrong"], Domain::new("example.org").into(), None);
        assert_eq!(found.state(), Ok(State::Clear));
        found.missed(Why::NotPlanned);
        assert_eq!(found.state(), Err(Why::NotPlanned));
        assert_eq!(found.state(), Err(Why::NotPlanned));
        found.is(Key::Named("a record".to_owned()));
        assert_eq!(found.state(), Ok(State::Found));
    }
}
