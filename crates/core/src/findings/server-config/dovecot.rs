//! What the Dovecot of this machine has to do with it: service-not-running for mailboxes, and why nobody serves a socket.

use super::super::host::{complained, is_here};
use super::super::units;
use super::super::{At, Basis, Found, Key, Rule, Share, State, Told, services};
use crate::case::{Case, ObsId};
use crate::catalogue::Severity;
use crate::questions::host::asks::Place;
use crate::questions::host::complaint::{Complaint, message};
use crate::questions::host::dovecot::{Deaf, Dovecot, DovecotWire};
use crate::questions::host::obstacle::{Obstacle, obstacle, socket};
use crate::questions::host::postfix::Postfix;
use crate::questions::host::queue::{Queue, Queued};
use crate::questions::tcp::{Connect, Role};
use crate::subject::VantageId;

pub(super) const RULES: &[Rule] = &[
    Rule::vantage(&["service-not-running"], gone).over_all_vantages(),
    Rule::vantage(&["auth-backend-down"], knows_nobody).over_all_vantages(),
];

/// The most paths that a sentence names.
const MAX_SHOWN: usize = 2;

/// Dovecot is installed, does not run, and is missed by whoever needs it.
fn gone(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    let Some(dovecot) = at.case.every::<Dovecot>().next() else { return Ok(State::NotApplicable) };
    if dovecot.runs != Some(false) {
        return Ok(State::Clear);
    }
    // Cyrus' saslauthd checks passwords without it.
    let passwords = complained(at.case, &[Complaint::Passwords]).filter(|(_, line)| !line.contains("saslauthd"));
    let missing: Vec<ObsId> =
        deliveries(at.case, dovecot.view()).into_iter().chain(passwords.map(|(id, _)| id)).collect();
    let mailboxes = mailboxes(at.case);
    if missing.is_empty() && mailboxes.is_empty() {
        return Ok(State::Clear);
    }
    let finding = found
        .is(Key::Named("dovecot".to_owned()))
        .says("Dovecot is installed on this machine, and does not run")
        .detail("server", "Dovecot")
        .witnessed(dovecot.id());
    units::starts(at.case, finding, |units| units.named("dovecot.service"));
    if missing.is_empty() {
        finding.severity(Severity::Degraded);
    }
    for id in missing.into_iter().chain(mailboxes) {
        finding.claims(id, Share::Whole, Basis::Witnessed);
    }
    found.state()
}

/// The key of the one fault that Dovecot cannot look users up, whoever suffers from it.
pub(in super::super) fn no_lookup() -> Key {
    Key::Named("lookup".to_owned())
}

/// What Dovecot's log says of users that it cannot look up.
pub(in super::super) fn lookup_fails(case: &Case) -> Option<(ObsId, &str)> {
    complained(case, &[Complaint::Passwords]).filter(|(_, line)| line.starts_with("auth"))
}

/// Dovecot runs and cannot ask where its users stand: mail for them waits, and nobody can log in.
fn knows_nobody(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    let Some((log, line)) = lookup_fails(at.case) else { return Ok(State::NotApplicable) };
    let waits = complained(at.case, &[Complaint::Delivery]).is_some_and(|(_, line)| line.contains("lookup"));
    let dovecot = at.case.every::<Dovecot>().next().filter(|_| waits);
    let queues = dovecot.map(|dovecot| deliveries(at.case, dovecot.view())).unwrap_or_default();
    if queues.is_empty() {
        return Ok(State::Clear);
    }
    let finding = found
        .is(no_lookup())
        .says(format!("Dovecot cannot look up users: its log says \"{}\"", message(line)))
        .detail("log", line)
        .witnessed(log);
    for id in queues {
        finding.claims(id, Share::Whole, Basis::Witnessed);
    }
    found.state()
}

/// The queues in which mail waits that a socket of Dovecot's does not take.
fn deliveries(case: &Case, dovecot: &DovecotWire) -> Vec<ObsId> {
    let waits = |message: &Queued| {
        message.reasons().any(|(_, why)| {
            let its_own = socket(why).is_some_and(|named| dovecot.listens_at(&path_of(case, named)));
            its_own && obstacle(why) == Obstacle::Agent
        })
    };
    case.every::<Queue>().filter(|queue| queue.view().messages.iter().any(waits)).map(|queue| queue.id()).collect()
}

/// The ports of this machine where mail is read and nobody lets us in.
fn mailboxes(case: &Case) -> Vec<ObsId> {
    let all = services(case, &[Role::Imap, Role::Imaps, Role::Pop3, Role::Pop3s], &VantageId::local(), true);
    let here: Vec<_> = all.into_iter().filter(|service| is_here(case, service)).map(Into::into).collect();
    let tried = case.every::<Connect>().filter(|seen| here.contains(&seen.observation().subject));
    tried.filter(|seen| seen.kept_out()).map(|seen| seen.id()).collect()
}

/// Why Dovecot does not serve something.
pub(in super::super) struct Unserved {
    /// Its settings.
    pub(in super::super) id: ObsId,
    /// In words.
    pub(in super::super) why: String,
    /// The setting that would have to be another, where there is one.
    pub(in super::super) place: Option<Place>,
}

/// Why Dovecot does not speak a protocol; `None` where it does, or nobody can tell.
pub(in super::super) fn not_spoken(case: &Case, protocol: &str) -> Option<Unserved> {
    let dovecot = case.every::<Dovecot>().next()?;
    let spoken = dovecot.setting("protocols").filter(|_| !dovecot.speaks(protocol))?;
    Some(Unserved {
        id: dovecot.id(),
        why: format!("Dovecot does not speak {protocol}: its protocols are {spoken}"),
        place: Some(dovecot.place("protocols")),
    })
}

/// The path of a socket that Postfix names, below its queue for the most part.
fn path_of(case: &Case, named: &str) -> String {
    match case.every::<Postfix>().next() {
        Some(postfix) if !named.starts_with('/') => format!("{}/{named}", postfix.queue()),
        _ => named.to_owned(),
    }
}

/// Why a service of Dovecot does not serve a socket that Postfix names.
pub(in super::super) fn not_served(case: &Case, service: &str, named: &str) -> Option<Unserved> {
    let dovecot = case.every::<Dovecot>().next()?;
    match dovecot.view().deaf(service, &path_of(case, named))? {
        Deaf::NotSpoken(protocol) => not_spoken(case, protocol),
        Deaf::Elsewhere(paths) => Some(Unserved {
            id: dovecot.id(),
            why: format!("Dovecot's service {service} listens at {}, and not there", named_first(paths)),
            place: None,
        }),
    }
}

/// The paths that somebody chose, where there are such, or a few of those that are always there.
fn named_first(paths: &[String]) -> String {
    let (usual, chosen): (Vec<&str>, Vec<&str>) =
        paths.iter().map(String::as_str).partition(|path| path.starts_with("/run/") || path.starts_with("/var/run/"));
    let shown = if chosen.is_empty() { usual } else { chosen };
    shown.into_iter().take(MAX_SHOWN).collect::<Vec<_>>().join(" and ")
}
