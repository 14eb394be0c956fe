//! From findings to root causes, and from root causes to a verdict.
//!
//! Everything that weighs findings against each other is here: which explains which ([`links`]), how
//! sure each is, how bad, whose it is, and what that makes of the whole.

mod command;
mod goal;
mod links;
mod next;
mod places;
mod verdict;
mod ways_in;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::case::{Case, ObsId, Why};
use crate::catalogue::{self, Severity};
use crate::findings::{self, Basis, Check, Examined, Finding, Key};
use crate::subject::VantageId;

pub use next::NextTest;
pub use verdict::Verdict;

/// How sure a finding is: derived from the weakest link of its proof, never chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// It fits what is known, and other things may fit as well.
    Possible,
    /// We measured it ourselves, from our side.
    Likely,
    /// The wire, the server or the host says so.
    Proven,
}

impl From<Basis> for Confidence {
    fn from(basis: Basis) -> Self {
        match basis {
            Basis::Pattern => Confidence::Possible,
            Basis::OwnMeasure => Confidence::Likely,
            Basis::Experiment | Basis::ServerSaid | Basis::Captured | Basis::Witnessed => Confidence::Proven,
        }
    }
}

/// A finding with its place among the others.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Its name in the report: `f3`.
    pub id: String,
    /// What the rule said.
    pub finding: Finding,
    /// How sure it is.
    pub confidence: Confidence,
    /// The worst of itself and of what it alone explains.
    pub effective: Severity,
    /// The ids of its causes; empty for a root.
    pub explained_by: Vec<String>,
    /// The ids of what it explains.
    pub explains: Vec<String>,
    /// What of its wait nobody claims, in milliseconds.
    pub unexplained_ms: Option<u64>,
}

impl Judged {
    /// Whether nothing explains it.
    pub fn is_root(&self) -> bool {
        self.explained_by.is_empty()
    }
}

/// What a case comes to.
#[derive(Debug)]
pub struct Diagnosis {
    /// All findings, roots first in the order of the report.
    pub findings: Vec<Judged>,
    /// Every check of every rule.
    pub checks: Vec<Check>,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict and its first cause, in one sentence.
    pub summary: String,
    /// What to do next to know more.
    pub next_tests: Vec<NextTest>,
}

impl Diagnosis {
    /// The root causes, in the order of the report.
    pub fn roots(&self) -> impl Iterator<Item = &Judged> {
        self.findings.iter().filter(|f| f.is_root())
    }
}

/// Diagnoses a case with all rules.
pub fn diagnose(case: &Case) -> Diagnosis {
    conclude(case, findings::examine(case))
}

/// Diagnoses what certain rules said of a case.
pub fn conclude(case: &Case, examined: Examined) -> Diagnosis {
    let Examined { findings, checks, suggestions } = examined;
    let blind = places::blind(&findings);
    let seeing = places::see(&checks, &blind);
    let mut findings = merge(findings, &blind);
    ways_in::soften(case, &mut findings);
    places::soften(&mut findings, seeing);
    let mut explained = links::explain(case, &findings);
    let idle = links::idle_suspects(&findings, &explained);
    let mut dropped = Vec::new();
    if !idle.is_empty() {
        let (gone, kept): (Vec<_>, Vec<_>) = findings.into_iter().enumerate().partition(|(at, _)| idle.contains(at));
        findings = kept.into_iter().map(|(_, finding)| finding).collect();
        dropped = gone.into_iter().map(|(_, finding)| finding).collect();
        explained = links::explain(case, &findings);
    }
    let judged = order(judge(findings, &explained, seeing));
    let checks = without_dropped(checks, &judged, &dropped);
    let verdict = verdict::verdict(case, &judged, &checks);
    let summary = verdict::summary(case, verdict, &judged, &checks);
    let next_tests = next::next_tests(case, &judged, &checks, suggestions);
    Diagnosis { findings: judged, checks, verdict, summary, next_tests }
}

/// One finding per code and key: the same certificate on four ports is one fault. What a blind place failed at stays
/// apart from what others failed at: it has a cause of its own.
fn merge(findings: Vec<Finding>, blind: &BTreeSet<VantageId>) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::new();
    let mut places: BTreeMap<(&'static str, Key, bool), usize> = BTreeMap::new();
    for finding in findings {
        let apart = !finding.owes.is_empty() && finding.vantages.is_subset(blind);
        let key = (finding.code, finding.key.clone(), apart);
        match places.get(&key).and_then(|&place| merged.get_mut(place)) {
            Some(held) => held.merge(finding),
            None => {
                places.insert(key, merged.len());
                merged.push(finding);
            }
        }
    }
    merged
}

fn judge(findings: Vec<Finding>, explained: &[links::Explained], seeing: bool) -> Vec<Judged> {
    let rivals: BTreeSet<usize> = explained.iter().flat_map(|e| e.rivals.iter().copied()).collect();
    let severities: Vec<Severity> = findings.iter().map(|f| f.severity).collect();
    let excused =
        |f: &Finding| catalogue::entry(f.code).is_some_and(|entry| entry.excuses) || (seeing && places::is_ours(f));
    let excuses: Vec<bool> = findings.iter().map(excused).collect();
    let name = |place: &usize| format!("f{}", place + 1);
    findings
        .into_iter()
        .enumerate()
        .map(|(place, finding)| {
            let mut confidence = confidence(&finding);
            if rivals.contains(&place) {
                confidence = confidence.min(Confidence::Likely);
            }
            let link = explained.get(place).cloned().unwrap_or_default();
            let explains =
                explained.iter().enumerate().filter(|(_, e)| e.by.contains(&place)).map(|(at, _)| name(&at)).collect();
            Judged {
                id: name(&place),
                confidence,
                effective: effective(place, &severities, &excuses, explained, &mut BTreeSet::new()),
                explained_by: link.by.iter().map(name).collect(),
                explains,
                unexplained_ms: link.unexplained_ms,
                finding,
            }
        })
        .collect()
}

/// As sure as the weakest of what proves it, and as the best of what it explains: each claim stands for itself.
fn confidence(finding: &Finding) -> Confidence {
    let proof = finding.evidence.values().copied().min();
    let claims = finding.claims.iter().map(|claim| claim.basis).max();
    [proof, claims].into_iter().flatten().min().map_or(Confidence::Possible, Confidence::from)
}

/// The worst of a finding and of what it alone explains, down the chain; a cause that excuses its
/// symptoms takes nothing from them.
fn effective(
    place: usize,
    severities: &[Severity],
    excuses: &[bool],
    explained: &[links::Explained],
    been: &mut BTreeSet<usize>,
) -> Severity {
    let own = severities.get(place).copied().unwrap_or(Severity::Advice);
    if excuses.get(place).copied().unwrap_or_default() || !been.insert(place) {
        return own;
    }
    explained
        .iter()
        .enumerate()
        .filter(|(_, e)| e.by.len() == 1 && e.by.contains(&place))
        .map(|(at, _)| effective(at, severities, excuses, explained, been))
        .fold(own, Severity::max)
}

/// Roots first; by effective severity, then confidence, then how much they explain.
fn order(mut judged: Vec<Judged>) -> Vec<Judged> {
    judged.sort_by_key(|f| (!f.is_root(), Reverse(f.effective), Reverse(f.confidence), Reverse(f.explains.len())));
    judged
}

/// A suspicion that was dropped is no `found` any more. Where nothing waited, the fault is not there: clear. Where
/// something surer explains the wait, nobody can tell: that wait shows nothing of this.
fn without_dropped(mut checks: Vec<Check>, judged: &[Judged], dropped: &[Finding]) -> Vec<Check> {
    let kept: BTreeSet<&'static str> = judged.iter().map(|f| f.finding.code).collect();
    for check in &mut checks {
        if check.state == Ok(findings::State::Found) && !kept.contains(check.code) {
            let mut owed = judged.iter().flat_map(|f| &f.finding.owes).map(|(id, _)| *id);
            let claimed = |id: &ObsId| {
                dropped.iter().any(|f| f.code == check.code && f.claims.iter().any(|claim| claim.on == *id))
            };
            check.state = owed.find(claimed).map_or(Ok(findings::State::Clear), |id| Err(Why::Denied(id)));
        }
    }
    checks
}
