//! Which findings came, went, or weigh otherwise.

use super::{Change, Way};
use crate::report::{Finding, Report, State};

/// A wait that shrank or grew by this factor, and by [`NOTABLE_MS`], is a change.
const NOTABLE_FACTOR: u64 = 2;

/// The least difference of a wait that is worth a line, in milliseconds.
const NOTABLE_MS: u64 = 1_000;

pub(super) fn changes(before: &Report, after: &Report) -> Vec<Change> {
    let mut out = Vec::new();
    let mut matched: Vec<&str> = Vec::new();
    for old in roots(before) {
        match same(old, before, after) {
            Some(new) => {
                matched.push(&new.id);
                out.extend(moved(old, new));
            }
            None => out.push(gone(old, after)),
        }
    }
    out.extend(roots(after).filter(|f| !matched.contains(&f.id.as_str())).map(|new| came(new, before)));
    out
}

fn roots(report: &Report) -> impl Iterator<Item = &Finding> {
    report.findings.iter().filter(|f| f.explained_by.is_empty())
}

/// The finding of the other report that is about the same fault: the same code on a subject that both name, or
/// the only one of its code on either side (an address may have moved between the runs).
fn same<'r>(old: &Finding, before: &Report, after: &'r Report) -> Option<&'r Finding> {
    let of_code = |report: &'r Report| report.findings.iter().filter(|f| f.code == old.code).collect::<Vec<_>>();
    let candidates = of_code(after);
    let touches = |new: &Finding| subjects(old).any(|s| subjects(new).any(|t| s == t));
    candidates.iter().copied().find(|new| touches(new)).or(match candidates.as_slice() {
        [only] if before.findings.iter().filter(|f| f.code == old.code).count() == 1 => Some(only),
        _ => None,
    })
}

fn subjects(finding: &Finding) -> impl Iterator<Item = &crate::subject::Subject> {
    std::iter::once(&finding.subject).chain(&finding.also)
}

fn change(way: Way, finding: &Finding, says: String) -> Change {
    Change { way, code: Some(finding.code.clone()), subject: Some(finding.subject.clone()), says }
}

fn gone(old: &Finding, after: &Report) -> Change {
    match told(after, old) {
        Some(State::Unknown) => {
            let why = why(after, old).unwrap_or_else(|| "it was not looked at".to_owned());
            change(Way::Untold, old, format!("before: {}; whether it is still so could not be told: {why}", old.cause))
        }
        _ => change(Way::Better, old, format!("no longer: {}", old.cause)),
    }
}

fn came(new: &Finding, before: &Report) -> Change {
    match told(before, new) {
        Some(State::Unknown) | None => {
            change(Way::Changed, new, format!("now known, and not told by the earlier run: {}", new.cause))
        }
        _ => change(Way::Worse, new, format!("new: {}", new.cause)),
    }
}

fn moved(old: &Finding, new: &Finding) -> Option<Change> {
    if let Some(cause) = new.explained_by.first().filter(|_| old.explained_by.is_empty()) {
        return Some(change(
            Way::Changed,
            new,
            format!("it is explained by another finding now ({cause}): {}", new.cause),
        ));
    }
    let weighs = |f: &Finding| f.effective_severity.name();
    if new.effective_severity != old.effective_severity {
        let way = if new.effective_severity > old.effective_severity { Way::Worse } else { Way::Better };
        return Some(change(way, new, format!("{} now, {} before: {}", weighs(new), weighs(old), new.cause)));
    }
    for (key, value) in new.detail.iter().filter(|(key, _)| key.ends_with("_ms")) {
        let (Some(now), Some(then)) = (value.as_u64(), old.detail.get(key).and_then(serde_json::Value::as_u64)) else {
            continue;
        };
        let (low, high) = (now.min(then), now.max(then));
        if high - low >= NOTABLE_MS && high >= low.saturating_mul(NOTABLE_FACTOR) {
            let way = if now > then { Way::Worse } else { Way::Better };
            return Some(change(way, new, format!("{now} ms now, {then} ms before: {}", new.cause)));
        }
    }
    None
}

/// What a report says of a code. On the finding's own subject clear weighs more than unknown, for one place that
/// could look is enough; where the report knows no such subject, one unknown is enough to doubt the rest.
fn told(report: &Report, finding: &Finding) -> Option<State> {
    let of_code = || report.checks.iter().filter(|c| c.code == finding.code);
    let here = of_code().filter(|c| subjects(finding).any(|s| *s == c.subject)).map(|c| c.state).min();
    here.or_else(|| match of_code().any(|c| c.state == State::Unknown) {
        true => Some(State::Unknown),
        false => of_code().map(|c| c.state).min(),
    })
}

fn why(report: &Report, finding: &Finding) -> Option<String> {
    report.checks.iter().filter(|c| c.code == finding.code).find_map(|c| c.why.clone())
}
