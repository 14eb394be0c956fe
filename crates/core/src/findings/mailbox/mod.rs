//! The mailbox: whether one can log in, and what became of the test message: imap-unreachable,
//! pop3-unreachable, imap-login-failed, imap-cert-problem, accepted-not-delivered, delivered-to-junk,
//! delivered-late, delivered-altered, delivered-elsewhere, hop-slow.

mod returned;

use super::host::is_here;
use super::server_config::dovecot::not_spoken;
use super::ways::{called, shut};
use super::{At, Basis, Found, Key, Rule, Share, State, Told, services};
use crate::case::{Case, ObsId, Seen, Span, Why};
use crate::catalogue::Severity;
use crate::questions::host::log::Log;
use crate::questions::mailbox::{Arrival, ArrivalWire, Arrived, Login, LoginResult};
use crate::questions::smtp::Path;
use crate::questions::tcp::{Connect, Role};
use crate::questions::tls::{Certificate, Handshake};
use crate::subject::{Account, Service};

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    let mut rules = vec![
        Rule::service(&["imap-unreachable"], &[Role::Imap, Role::Imaps], unreachable),
        Rule::service(&["pop3-unreachable"], &[Role::Pop3, Role::Pop3s], unreachable),
        Rule::service(&["imap-login-failed"], &[Role::Imap, Role::Imaps, Role::Pop3, Role::Pop3s], login_failed),
        Rule::service(&["imap-cert-problem"], &[Role::Imap, Role::Imaps], cert_problem),
        Rule::account(&["accepted-not-delivered"], not_delivered),
        Rule::account(&["delivered-to-junk"], junk),
        Rule::account(&["delivered-late"], late),
        Rule::account(&["delivered-altered"], altered),
        Rule::account(&["delivered-elsewhere"], elsewhere),
        Rule::account(&["hop-slow"], hop_slow),
    ];
    rules.extend_from_slice(returned::RULES);
    rules
}

/// From here on a message came late, in milliseconds.
const LATE_MS: u64 = 60_000;

/// From here on a hop kept the message, in seconds.
const HOP_SLOW_S: i64 = 60;

fn unreachable(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let connect = at.ask(&Connect)?;
    if connect.kept_out() {
        let protocol = if matches!(connect.role, Role::Imap | Role::Imaps) { "imap" } else { "pop3" };
        let finding = found
            .is(at.on)
            // POP3 is looked at only where somebody named it as theirs.
            .severity(Severity::Degraded)
            .says(format!("{} port {} does not take connections", called(at.case, &at.on, &at.from), at.on.0.port()))
            .detail("address", at.on.0.ip().to_string())
            .detail("port", at.on.0.port())
            .witnessed(connect.id())
            .owes_step(connect.id());
        let unserved = not_spoken(at.case, protocol).filter(|_| is_here(at.case, &at.on));
        if let Some(unserved) = unserved {
            let says = format!("{}; {}", finding.says, unserved.why);
            finding.says(says).witnessed(unserved.id);
            if let Some(place) = unserved.place {
                finding.stands_at(&place);
            }
        }
    }
    found.state()
}

fn login_failed(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let login = at.ask(&Login)?;
    match &login.result {
        LoginResult::Refused { answer } => {
            found
                .is(Account(login.user.clone()))
                .says(format!(
                    "{} refuses the login of {}: \"{answer}\"",
                    called(at.case, &at.on, &at.from),
                    login.user
                ))
                .detail("user", login.user.as_str())
                .detail("reply", answer.as_str())
                .witnessed(login.id());
        }
        LoginResult::In => {}
        LoginResult::Failed { .. } | LoginResult::Withheld { .. } => {
            return Err(Why::Denied(login.id()));
        }
    }
    found.state()
}

fn cert_problem(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Handshake)?;
    seen.need(|h| h.done())?;
    if let Some(why) = seen.distrust(at.case.as_of()) {
        let names = seen.leaf().map(Certificate::names_in_words).unwrap_or_default();
        found
            .is(at.on)
            .says(format!(
                "mail programs do not trust {} port {}: {why}",
                called(at.case, &at.on, &at.from),
                at.on.0.port()
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("port", at.on.0.port())
            .detail("names", names)
            .witnessed(seen.id())
            .owes_step(seen.id());
    }
    found.state()
}

fn arrivals<'c>(at: &At<'c, Account>) -> Result<Vec<Seen<'c, ArrivalWire>>, Why> {
    let all: Vec<_> =
        [Path::Mx, Path::Submission, Path::Outside].into_iter().map(|path| at.ask(&Arrival { path })).collect();
    let why = all.iter().filter_map(|a| a.as_ref().err()).min().cloned();
    let seen: Vec<_> = all.into_iter().flatten().collect();
    if seen.is_empty() { Err(why.unwrap_or(Why::NotPlanned)) } else { Ok(seen) }
}

/// What shows that an exchanger is shut, where all are.
fn no_way_in(at: &At<'_, Account>) -> Option<ObsId> {
    let exchangers = services(at.case, &[Role::Smtp], &at.from, false);
    let shown: Vec<ObsId> = exchangers.iter().filter_map(|way| shut(at.case, way, &at.from)).collect();
    shown.first().copied().filter(|_| shown.len() == exchangers.len())
}

/// Where the server's log says that a message went, where it could be read.
fn in_the_log<'c>(case: &'c Case, queue_id: &str) -> Option<(ObsId, &'c str)> {
    case.every::<Log>().find_map(|log| Some((log.id(), log.view().end_of(queue_id)?)))
}

fn not_delivered(at: &At<'_, Account>, found: &mut Found<'_>) -> Told {
    for arrival in arrivals(at)? {
        match &arrival.arrived {
            // Where nobody lets mail in, that is why, and what was taken waits in a queue.
            Arrived::Missing { .. } if no_way_in(at).is_some() => {
                found.missed(no_way_in(at).map_or(Why::NotPlanned, Why::Blocked));
            }
            Arrived::Missing { waited_ms, folders } => {
                let folders =
                    if folders.is_empty() { "no folder".to_owned() } else { format!("none of {}", folders.join(", ")) };
                let id = arrival.queue_id.as_deref().map(|id| format!(" as {id}")).unwrap_or_default();
                let log = arrival.queue_id.as_deref().and_then(|id| in_the_log(at.case, id));
                let end = log.map(|(_, end)| format!("; the server's log says of it: \"{end}\"")).unwrap_or_default();
                let finding = found.is(at.on.clone());
                if let Some((log, _)) = log {
                    finding.witnessed(log);
                }
                finding
                    .says(format!(
                        "the server took the test message{id}, and it was in {folders} of {} for {:.0} s{end}",
                        at.on,
                        *waited_ms as f64 / 1000.0
                    ))
                    .detail("waited_ms", *waited_ms)
                    .witnessed(arrival.id())
                    .owes_step(arrival.id())
                    .known("queue_id", arrival.queue_id.as_deref());
            }
            Arrived::Unreadable { .. } => found.missed(Why::Denied(arrival.id())),
            Arrived::Found { .. } => {}
        }
    }
    found.state()
}

/// The messages that were found, with the facts of their arrival.
fn found_ones<'c>(at: &At<'c, Account>) -> Result<Vec<Seen<'c, ArrivalWire>>, Why> {
    let all = arrivals(at)?;
    let first = all.first().map(Seen::id);
    let found: Vec<_> = all.into_iter().filter(|a| matches!(a.arrived, Arrived::Found { .. })).collect();
    match (found.is_empty(), first) {
        (true, Some(id)) => Err(Why::Blocked(id)),
        _ => Ok(found),
    }
}

fn junk(at: &At<'_, Account>, found: &mut Found<'_>) -> Told {
    for arrival in found_ones(at)? {
        if let Arrived::Found { folder, junk: true, .. } = &arrival.arrived {
            found
                .is(at.on.clone())
                .says(format!("the test message was put into {folder} of {}", at.on))
                .detail("folder", folder.as_str())
                .witnessed(arrival.id())
                .owes_step(arrival.id());
        }
    }
    found.state()
}

fn late(at: &At<'_, Account>, found: &mut Found<'_>) -> Told {
    for arrival in found_ones(at)? {
        if let Arrived::Found { after_ms, .. } = &arrival.arrived
            && *after_ms >= LATE_MS
        {
            found
                .is(at.on.clone())
                .says(format!(
                    "the test message reached the mailbox only {:.0} s after the server took it",
                    *after_ms as f64 / 1000.0
                ))
                .detail("delay_ms", *after_ms)
                .witnessed(arrival.id())
                .owes_wait(arrival.id(), arrival.observation().span());
        }
    }
    found.state()
}

fn altered(at: &At<'_, Account>, found: &mut Found<'_>) -> Told {
    for arrival in found_ones(at)? {
        if let Arrived::Found { body_kept: false, .. } = &arrival.arrived {
            found
                .is(at.on.clone())
                .says("the text of the test message was changed on the way".to_owned())
                .witnessed(arrival.id());
        }
    }
    found.state()
}

fn elsewhere(at: &At<'_, Account>, found: &mut Found<'_>) -> Told {
    for arrival in found_ones(at)? {
        let Arrived::Found { headers, folder, .. } = &arrival.arrived else { continue };
        let value = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim());
        let local = |address: &str| address.split('@').next().unwrap_or_default().to_ascii_lowercase();
        // Only a server that says both tells an alias from a mailbox that is simply called otherwise inside.
        if let (Some(original), Some(delivered)) = (value("X-Original-To"), value("Delivered-To"))
            && local(original) != local(delivered)
        {
            found
                .is(at.on.clone())
                .says(format!("mail for {original} is delivered to {delivered}: an alias or a rule leads there"))
                .detail("recipient", original)
                .detail("delivered_to", delivered)
                .detail("folder", folder.as_str())
                .severity(crate::catalogue::Severity::Advice)
                .witnessed(arrival.id());
        }
    }
    if found.findings.is_empty() { Ok(State::Clear) } else { found.state() }
}

fn hop_slow(at: &At<'_, Account>, found: &mut Found<'_>) -> Told {
    for arrival in found_ones(at)? {
        let Arrived::Found { hops, .. } = &arrival.arrived else {
            continue;
        };
        // The last hop stands first: each pair is a hop and the one before it.
        for pair in hops.windows(2) {
            let [later, earlier] = pair else { continue };
            let (Some(to), Some(from)) = (later.at, earlier.at) else {
                continue;
            };
            if to - from >= HOP_SLOW_S {
                let host = later.by.clone().unwrap_or_else(|| "a server without a name".to_owned());
                let span = arrival.observation().span();
                found
                    .is(Key::Named(host.clone()))
                    .says(format!(
                        "{host} got the message {} s after {} had it",
                        to - from,
                        earlier.by.as_deref().unwrap_or("the server before")
                    ))
                    .detail("host", host)
                    .detail("delay_ms", (to - from).saturating_mul(1000))
                    .witnessed(arrival.id())
                    .claims(
                        arrival.id(),
                        Share::Of(Span { from_ms: span.from_ms, to_ms: span.to_ms }),
                        Basis::Witnessed,
                    );
            }
        }
    }
    if found.findings.is_empty() { Ok(State::Clear) } else { found.state() }
}
