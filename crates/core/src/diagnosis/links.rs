//! Which finding explains which: symptoms and causes meet over observations.
//!
//! A cause explains a symptom where four things hold: the catalogue allows it, the cause claims the very
//! observation the symptom owes, the two are related in the subject graph, and the claims together
//! cover at least [`ENOUGH_PERCENT`] of the wait (or, for a failed step, any claim does).

use std::collections::BTreeSet;

use crate::case::{Case, Observation, Span};
use crate::catalogue;
use crate::findings::{Finding, Owes, Share};
use crate::subject::Subject;

/// The part of a wait that claims must cover before it counts as explained, in percent.
const ENOUGH_PERCENT: u64 = 80;

/// How one finding is explained by others, by their places in the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Explained {
    /// The causes; empty where the finding is a root.
    pub by: BTreeSet<usize>,
    /// What of its waits nobody claims, in milliseconds; `None` for what owes no wait.
    pub unexplained_ms: Option<u64>,
    /// Several causes that exclude each other would each cover it alone.
    pub rivals: BTreeSet<usize>,
}

/// Explains every finding by the others.
pub(super) fn explain(case: &Case, findings: &[Finding]) -> Vec<Explained> {
    (0..findings.len()).map(|symptom| explain_one(case, findings, symptom)).collect()
}

/// Suspected findings that explain nothing which something surer does not: they go.
pub(super) fn idle_suspects(findings: &[Finding], explained: &[Explained]) -> BTreeSet<usize> {
    let busy: BTreeSet<usize> = explained.iter().flat_map(|e| e.by.iter().copied()).collect();
    findings
        .iter()
        .enumerate()
        .filter(|(place, finding)| finding.suspected && !busy.contains(place))
        .map(|(place, _)| place)
        .collect()
}

fn explain_one(case: &Case, findings: &[Finding], symptom: usize) -> Explained {
    let Some(owing) = findings.get(symptom) else {
        return Explained::default();
    };
    if owing.owes.is_empty() {
        return Explained::default();
    }
    let causes = |suspects: bool| -> Vec<usize> {
        findings
            .iter()
            .enumerate()
            .filter(|&(place, cause)| place != symptom && (suspects || !cause.suspected) && may_explain(cause, owing))
            .map(|(place, _)| place)
            .collect()
    };
    let sure = cover(case, findings, owing, &causes(false));
    if sure.whole { sure } else { cover(case, findings, owing, &causes(true)) }.into_explained()
}

/// Whether the catalogue lets the cause's code explain the symptom's.
fn may_explain(cause: &Finding, symptom: &Finding) -> bool {
    catalogue::entry(cause.code).is_some_and(|entry| entry.explains.iter().any(|code| code == symptom.code))
}

struct Cover {
    whole: bool,
    by: BTreeSet<usize>,
    left_ms: Option<u64>,
    alone: BTreeSet<usize>,
}

impl Cover {
    fn into_explained(self) -> Explained {
        Explained {
            by: if self.whole { self.by } else { BTreeSet::new() },
            unexplained_ms: self.left_ms,
            rivals: if self.alone.len() > 1 { self.alone } else { BTreeSet::new() },
        }
    }
}

fn cover(case: &Case, findings: &[Finding], owing: &Finding, causes: &[usize]) -> Cover {
    let mut out = Cover { whole: true, by: BTreeSet::new(), left_ms: None, alone: BTreeSet::new() };
    let mut alone_on_all: Option<BTreeSet<usize>> = None;
    for (id, owes) in &owing.owes {
        let claims: Vec<(usize, Share)> = causes
            .iter()
            .filter_map(|&place| findings.get(place).map(|cause| (place, cause)))
            .filter(|(_, cause)| case.observation(*id).is_some_and(|o| reaches(case, cause, o)))
            .flat_map(|(place, cause)| cause.claims.iter().filter(|c| c.on == *id).map(move |c| (place, c.share)))
            .collect();
        out.by.extend(claims.iter().map(|(place, _)| *place));
        match owes {
            Owes::Step => out.whole &= !claims.is_empty(),
            Owes::Wait(wait) => {
                let covered = union_ms(*wait, claims.iter().map(|(_, share)| *share));
                out.left_ms = Some(out.left_ms.unwrap_or(0) + wait.length_ms().saturating_sub(covered));
                out.whole &= enough(covered, *wait);
                let alone: BTreeSet<usize> = claims
                    .iter()
                    .map(|(place, _)| *place)
                    .filter(|place| {
                        enough(union_ms(*wait, claims.iter().filter(|(p, _)| p == place).map(|(_, s)| *s)), *wait)
                    })
                    .collect();
                alone_on_all = Some(match alone_on_all {
                    None => alone,
                    Some(held) => held.intersection(&alone).copied().collect(),
                });
            }
        }
    }
    out.alone = alone_on_all.unwrap_or_default();
    out
}

fn enough(covered_ms: u64, wait: Span) -> bool {
    covered_ms.saturating_mul(100) >= wait.length_ms().saturating_mul(ENOUGH_PERCENT)
}

/// Whether a cause can have to do with an observation: by the subject graph, by the vantage it was made
/// from, or by the resolver it went through.
fn reaches(case: &Case, cause: &Finding, observation: &Observation) -> bool {
    let resolver = observation
        .outcome
        .get("server")
        .and_then(|server| server.as_str())
        .and_then(|server| format!("resolver:{server}").parse::<Subject>().ok());
    cause.subjects.iter().any(|subject| match subject {
        Subject::Vantage(vantage) => *vantage == observation.vantage,
        Subject::Resolver(_) if resolver.as_ref() == Some(subject) => true,
        _ => case.graph().related(subject, &observation.subject),
    })
}

/// How much of a wait the shares cover together, in milliseconds: their union, never their sum.
fn union_ms(wait: Span, shares: impl Iterator<Item = Share>) -> u64 {
    wait.covered_by(shares.map(|share| match share {
        Share::Whole => wait,
        Share::Of(span) => span,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Span = Span { from_ms: 0, to_ms: 100 };

    fn of(from_ms: u64, to_ms: u64) -> Share {
        Share::Of(Span { from_ms, to_ms })
    }

    #[test]
    fn overlapping_lookups_unite_and_do_not_add_up() {
        assert_eq!(union_ms(WAIT, [of(0, 50), of(25, 75)].into_iter()), 75);
        assert_eq!(union_ms(WAIT, [of(0, 20), of(40, 60)].into_iter()), 40);
        assert_eq!(union_ms(WAIT, [of(90, 500), Share::Whole].into_iter()), 100);
        assert_eq!(union_ms(WAIT, std::iter::empty()), 0);
    }

    #[test]
    fn four_fifths_are_enough() {
        assert!(enough(80, WAIT));
        assert!(!enough(79, WAIT));
    }
}
