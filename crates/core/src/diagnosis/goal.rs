//! What a fault keeps a person from, and how the sentence for the manager begins with it.

use super::Judged;
use super::verdict::Verdict;
use crate::case::{Case, Outbound, Question as _};
use crate::catalogue;
use crate::findings::services;
use crate::questions::host::queue::Queue;
use crate::questions::tcp::Role;
use crate::subject::{Kind as _, Service};

/// What a fault keeps a person from: the sentence for the manager begins with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    Receive,
    Send,
    Read,
}

impl Goal {
    pub(super) fn of(case: &Case, judged: &Judged) -> Self {
        let entry = catalogue::entry(judged.finding.code);
        match entry.map(|e| (e.area.as_str(), e.code.as_str())) {
            // Where nobody can be looked up, or sessions end over it, no mail comes in either.
            Some(("auth", _)) if keeps_mail_out(case, judged) => Goal::Receive,
            Some(("auth" | "client", _)) => Goal::Send,
            Some((_, "relay-denied-when-authenticated" | "relay-sender-not-owned" | "submission-closed")) => Goal::Send,
            Some(("connect" | "banner", _) | (_, "server-config-error" | "server-storage-full"))
                if is_for_senders_alone(case, judged) =>
            {
                Goal::Send
            }
            Some((_, code)) if code.starts_with("imap-") || code.starts_with("pop3-") => Goal::Read,
            _ => Goal::Receive,
        }
    }

    pub(super) fn sentence(self, case: &Case, verdict: Verdict) -> String {
        let target = &case.target;
        let mail = match (&target.address, &target.domain, &target.host) {
            (Some(name), ..) | (None, Some(name), _) => format!("Mail for {name}"),
            (None, None, host) => format!("Mail by way of {}", host.as_ref().unwrap_or(&target.input)),
        };
        let user = case.terms.user.as_deref().unwrap_or("a user");
        if let Some(outbound) = &case.terms.outbound {
            return there(outbound, target.address.as_deref().unwrap_or(&target.input), verdict);
        }
        match (self, verdict) {
            (_, Verdict::Healthy) => format!("{mail} is received as it should be"),
            (Goal::Receive, Verdict::AtRisk) => format!("{mail} arrives, but is at risk"),
            (Goal::Receive, Verdict::Degraded) => format!("{mail} arrives with trouble"),
            (Goal::Receive, Verdict::Broken) => format!("{mail} does not arrive"),
            (Goal::Send, Verdict::AtRisk) => format!("Sending as {user} works, but is at risk"),
            (Goal::Send, Verdict::Degraded) => format!("Sending as {user} works with trouble"),
            (Goal::Send, Verdict::Broken) => format!("Sending as {user} fails"),
            (Goal::Read, Verdict::AtRisk) => format!("The mailbox of {user} can be read, but is at risk"),
            (Goal::Read, Verdict::Degraded) => format!("The mailbox of {user} cannot be read as it should be"),
            (Goal::Read, Verdict::Broken) => format!("The mailbox of {user} cannot be read"),
            (_, Verdict::Inconclusive) => {
                let lower = mail.replacen("Mail", "mail", 1);
                format!("It could not be told whether {lower} arrives")
            }
        }
    }
}

/// Whether a fault explains what was seen of an exchanger, or in the queue.
fn keeps_mail_out(case: &Case, judged: &Judged) -> bool {
    let exchangers =
        case.vantage_ids().next().map(|from| services(case, &[Role::Smtp], &from, true)).unwrap_or_default();
    let claimed = judged.finding.claims.iter().filter_map(|claim| case.observation(claim.on));
    claimed.into_iter().any(|seen| {
        seen.probe == Queue::PROBE || Service::of(&seen.subject).is_some_and(|service| exchangers.contains(service))
    })
}

/// Whether a fault lies at ports where users send, and at no exchanger.
fn is_for_senders_alone(case: &Case, judged: &Judged) -> bool {
    let of = |roles: &[Role]| -> Vec<Service> {
        case.vantage_ids().next().map(|from| services(case, roles, &from, true)).unwrap_or_default()
    };
    let (senders, exchangers) = (of(&[Role::Submission, Role::Smtps]), of(&[Role::Smtp]));
    let mut at = judged.finding.subjects.iter().filter_map(Service::of).peekable();
    at.peek().is_some() && at.all(|service| senders.contains(service) && !exchangers.contains(service))
}

/// Where mail is sent: whether the receiver takes it, or, where that could not be asked, may dislike the sender.
fn there(outbound: &Outbound, recipient: &str, verdict: Verdict) -> String {
    let mail = format!("mail from {} to {recipient}", outbound.sender);
    let upper = mail.replacen("mail", "Mail", 1);
    match verdict {
        Verdict::Healthy if outbound.talks => format!("{upper} is accepted there"),
        Verdict::Healthy => format!("Nothing speaks against {mail}, as far as the receiver can look it up"),
        Verdict::AtRisk => format!("{upper} may be refused"),
        Verdict::Degraded => format!("{upper} gets there with trouble"),
        Verdict::Broken => format!("{upper} does not get there"),
        Verdict::Inconclusive => format!("It could not be told whether {mail} gets there"),
    }
}
