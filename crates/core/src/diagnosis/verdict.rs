//! The verdict: the worst effective severity among the root causes that concern the target.

use serde::{Deserialize, Serialize};

use super::Judged;
use super::goal::Goal;
use crate::case::{Case, ObsId, Why};
use crate::catalogue::{Party, Severity};
use crate::findings::{Check, State};
use crate::questions::describe;
use crate::subject::{Kind as _, Mail};

/// What a run comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing, or advice only.
    Healthy,
    /// Mail arrives, and something may keep it from arriving.
    AtRisk,
    /// Mail arrives late, in part, or by one way of several.
    Degraded,
    /// Mail does not arrive.
    Broken,
    /// It could not be told.
    Inconclusive,
}

impl Verdict {
    /// The exit code, as monitoring plugins have them.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Healthy => 0,
            Verdict::AtRisk | Verdict::Degraded => 1,
            Verdict::Broken => 2,
            Verdict::Inconclusive => 3,
        }
    }

    /// The word for reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Healthy => "healthy",
            Verdict::AtRisk => "at-risk",
            Verdict::Degraded => "degraded",
            Verdict::Broken => "broken",
            Verdict::Inconclusive => "inconclusive",
        }
    }
}

/// The verdict over the root causes.
pub(super) fn verdict(case: &Case, judged: &[Judged], checks: &[Check]) -> Verdict {
    let roots = || judged.iter().filter(|f| f.is_root());
    let worst = roots().filter(|f| counts(case, f)).map(|f| f.effective).max();
    match worst {
        Some(Severity::Blocker) => return Verdict::Broken,
        Some(Severity::Degraded) => return Verdict::Degraded,
        Some(Severity::Risk) => return Verdict::AtRisk,
        Some(Severity::Advice) | None => {}
    }
    if left_open(case, judged, checks).is_some() { Verdict::Inconclusive } else { Verdict::Healthy }
}

/// What keeps a run without a fault of the target from calling it healthy.
enum Open {
    /// A fault of ours kept something from being seen: not seen is not healthy.
    Ours,
    /// Nothing was reached.
    Nothing,
    /// The server lets our address pass, and tells nothing of others.
    Exempt,
    /// No server said whether it takes mail for the recipient.
    Recipient,
    /// No server said whether it lets the account in.
    Account,
    /// A server gave no whole answer to the message.
    Message,
    /// The mailbox that was to show the message could not be read.
    Mailbox(ObsId),
}

fn left_open(case: &Case, judged: &[Judged], checks: &[Check]) -> Option<Open> {
    let ours = |f: &Judged| f.is_root() && f.finding.party == Party::Here && f.effective == Severity::Blocker;
    if judged.iter().any(ours) && checks.iter().any(|c| c.state.is_err()) {
        Some(Open::Ours)
    } else if !saw_anything(case, checks) {
        Some(Open::Nothing)
    } else if exempt(checks) {
        Some(Open::Exempt)
    } else if unanswered(judged, checks, "recipient-unknown") {
        Some(Open::Recipient)
    } else if case.terms.credentials && unanswered(judged, checks, "auth-rejected") {
        Some(Open::Account)
    } else if case.terms.send && cut_off(checks, "data-rejected-content") {
        Some(Open::Message)
    } else {
        unread(checks).map(Open::Mailbox)
    }
}

/// Whether the finding's party is one whose faults make the verdict.
fn counts(case: &Case, judged: &Judged) -> bool {
    match judged.finding.party {
        Party::Target | Party::Path | Party::ThirdParty => true,
        // A message in hand is what the client made.
        Party::Client => case.terms.credentials || judged.finding.subjects.iter().any(|s| Mail::of(s).is_some()),
        Party::Here => false,
    }
}

/// Whether any check of a service, or of an answer in a bounce, or of a message came to an end: a run that reached nothing cannot call it healthy.
fn saw_anything(case: &Case, checks: &[Check]) -> bool {
    // Where only the DNS was to be checked, the DNS is all there is to see.
    let dns_alone = !case.terms.areas.is_empty() || case.terms.outbound.as_ref().is_some_and(|o| !o.talks);
    if dns_alone && checks.iter().any(|c| matches!(c.state, Ok(State::Clear | State::Found))) {
        return true;
    }
    checks.iter().any(|c| {
        matches!(c.state, Ok(State::Clear | State::Found))
            && matches!(
                c.subject,
                crate::subject::Subject::Service(_)
                    | crate::subject::Subject::Account(_)
                    | crate::subject::Subject::Answer(_)
                    | crate::subject::Subject::Mail(_)
            )
    })
}

/// Whether a server greets us at once only because its settings let our address pass: that tells nothing of others. A
/// place that is not exempt does.
fn exempt(checks: &[Check]) -> bool {
    let of_waits = || checks.iter().filter(|c| c.code == "banner-slow");
    of_waits().any(|exempt| {
        matches!(exempt.why(), Some(Why::Skipped(_)))
            && !of_waits().any(|c| c.subject == exempt.subject && c.state.is_ok())
    })
}

/// Whether something was asked for, the recipient or the account, and no server gave an answer that tells: mail may
/// get through or not. What a root that is advice alone rests on has told: greylisting puts off whom it takes later.
fn unanswered(judged: &[Judged], checks: &[Check], code: &str) -> bool {
    let told = |id: &ObsId| {
        judged.iter().any(|f| f.is_root() && f.effective == Severity::Advice && f.finding.evidence.contains_key(id))
    };
    let asked = || checks.iter().filter(|c| c.code == code && c.state != Ok(State::NotApplicable));
    let in_the_way = |c: &Check| match c.why() {
        Some(Why::Blocked(id) | Why::Denied(id) | Why::Failed(id)) => !told(id),
        Some(Why::NotReached) => true,
        _ => false,
    };
    asked().all(|c| c.state.is_err()) && asked().any(in_the_way)
}

/// Whether a server gave no whole answer to what was put to it.
fn cut_off(checks: &[Check], code: &str) -> bool {
    checks.iter().any(|c| c.code == code && matches!(c.why(), Some(Why::Denied(_))))
}

/// The observation after which nobody knows whether the test message was delivered: the mailbox that was to show it
/// could not be read.
fn unread(checks: &[Check]) -> Option<ObsId> {
    checks.iter().find_map(|check| match (check.code, check.why()) {
        ("accepted-not-delivered", Some(Why::Denied(id))) => Some(*id),
        _ => None,
    })
}

/// What makes a root as bad as it is: itself, or the symptom whose severity it takes over.
fn worst<'j>(root: &'j Judged, judged: &'j [Judged]) -> &'j Judged {
    let own = |f: &Judged| f.finding.severity == root.effective;
    let symptom = |f: &&Judged| f.explained_by.contains(&root.id) && own(f);
    if own(root) { root } else { judged.iter().find(symptom).unwrap_or(root) }
}

/// The verdict and its first cause, in one sentence that a manager can read.
pub(super) fn summary(case: &Case, verdict: Verdict, judged: &[Judged], checks: &[Check]) -> String {
    let counts = |f: &Judged| match verdict {
        // Advice tells nothing of why it is open.
        Verdict::Inconclusive => f.effective > Severity::Advice,
        _ => counts(case, f),
    };
    let first = judged.iter().find(|f| f.is_root() && counts(f));
    let begins = first.map_or(Goal::Receive, |first| Goal::of(case, worst(first, judged))).sentence(case, verdict);
    match (verdict, first.map(|f| f.finding.says.trim_end_matches('.'))) {
        (Verdict::Healthy, None) => format!("{begins}: no fault was found."),
        (Verdict::Healthy, Some(says)) => format!("{begins}; one piece of advice: {says}."),
        (_, Some(says)) => format!("{begins}: {says}."),
        (_, None) => {
            let open = left_open(case, judged, checks).unwrap_or(Open::Nothing);
            if matches!(open, Open::Account) {
                let fine = Goal::Receive.sentence(case, Verdict::Healthy);
                let user = case.terms.user.as_deref().unwrap_or("the user");
                return format!("{fine}; whether {user} can send could not be told: no server let a login be tried.");
            }
            format!("{begins}: {}.", open.why(case))
        }
    }
}

impl Open {
    /// Why nothing could be told.
    fn why(&self, case: &Case) -> String {
        let words = match self {
            Self::Mailbox(id) => return case.observation(*id).map(describe).unwrap_or_default(),
            Self::Ours => "something here kept us from looking",
            Self::Exempt => "its settings let the address we asked from pass, and tell nothing of others",
            Self::Message => "no server gave a whole answer to the message",
            Self::Nothing | Self::Recipient | Self::Account => "no server gave an answer that tells, in the time given",
        };
        words.to_owned()
    }
}
