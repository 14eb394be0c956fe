//! What becomes of a message after DATA, told apart by the reply's meaning; data-timeout and
//! data-slow.

use maildoctor_wire::dialogue::{End, Exchange, Phase};
use maildoctor_wire::reply::Reply;
use maildoctor_wire::wording::meaning;

use super::host::{asked, ours_of, rspamd_at, stands_here};
use super::replies::code_among;
use super::ways::called;
use super::{At, Found, Key, Rule, State, Told, services};
use crate::case::{ObsId, Seen, Why};
use crate::questions::host::asks::Endpoint;
use crate::questions::smtp::{Message, MessageWire, Path};
use crate::questions::tcp::Role;
use crate::subject::Service;

const ALL: &[Role] = &[Role::Smtp, Role::Submission, Role::Smtps];

const TOO_BIG: &str = "data-rejected-size";

const CODES: &[&str] = &[
    "data-rejected-content",
    TOO_BIG,
    "mail-loop",
    "server-storage-full",
    "server-config-error",
    "rate-limited",
    "greylisting",
    "rcpt-deferred",
];

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::service(CODES, ALL, refused),
        Rule::service(&["data-timeout"], ALL, timeout),
        Rule::service(&["data-slow"], ALL, slow),
    ]
}

/// From here on the reply after the final dot is slow, in milliseconds.
const SLOW_MS: u64 = 30_000;

fn messages<'c>(at: &At<'c, Service>) -> Result<Vec<Seen<'c, MessageWire>>, Why> {
    let sent: Vec<_> =
        [Path::Mx, Path::Submission, Path::Outside].into_iter().map(|path| at.ask(&Message { path })).collect();
    let why = sent.iter().filter_map(|s| s.as_ref().err()).min().cloned();
    let seen: Vec<_> = sent.into_iter().flatten().collect();
    if seen.is_empty() { Err(why.unwrap_or(Why::NotPlanned)) } else { Ok(seen) }
}

fn refused(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    for message in messages(at)? {
        let Some(last) = message.view().last().filter(|e| matches!(e.phase, Phase::Data | Phase::Content)) else {
            // It was refused before.
            found.missed(Why::Denied(message.id()));
            continue;
        };
        let Some(reply) = last.whole() else {
            found.missed(Why::Denied(message.id()));
            continue;
        };
        if reply.class() < 4 {
            continue;
        }
        let module = greylisting(at, reply);
        let code = module.as_ref().map_or_else(|| code_of(reply), |_| "greylisting");
        let finding = found
            .is_a(code, Key::Named(code.to_owned()))
            .says(format!(
                "{} {} the test message {}: \"{}\"",
                called(at.case, &at.on, &at.from),
                if reply.class() == 4 { "puts off" } else { "refuses" },
                if last.phase == Phase::Data { "at DATA" } else { "after DATA" },
                reply.quoted()
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("reply", reply.quoted())
            .detail("code", reply.code)
            .witnessed(message.id());
        if code == TOO_BIG {
            finding.owes_step(message.id());
        }
        if let Some(rspamd) = module {
            let says = format!("{}: the module greylist of Rspamd puts strangers off at their first try", finding.says);
            finding.says(says).detail("module", "greylist of Rspamd").witnessed(rspamd);
        }
    }
    found.state()
}

/// The settings of Rspamd, where it is asked here, greylists, and these are the words in which it does.
fn greylisting(at: &At<'_, Service>, reply: &Reply) -> Option<ObsId> {
    let of_ours = |endpoint: &Endpoint| {
        let rspamd = rspamd_at(at.case, endpoint)?;
        let words = &rspamd.greylist.as_ref()?.message;
        (reply.class() == 4 && reply.text().contains(words.as_str())).then(|| rspamd.id())
    };
    let here = stands_here(at) || ours_of(at.case).contains(&at.on);
    let asked = asked(at.case).into_iter().filter(|(port, ..)| here && *port == at.on.0.port());
    asked.flat_map(|(_, asks, _)| asks.milters).find_map(|endpoint| of_ours(&endpoint))
}

/// What a message is refused for after DATA.
fn code_of(reply: &Reply) -> &'static str {
    let meaning = meaning(Phase::Content, reply);
    let by_default = if reply.class() == 4 { "rcpt-deferred" } else { "data-rejected-content" };
    meaning.and_then(|meaning| code_among(Phase::Content, meaning, CODES)).unwrap_or(by_default)
}

/// The messages that the server refused for their size, on whatever port.
pub(super) fn refused_for_size(at: &At<'_, Service>) -> Vec<(Service, ObsId)> {
    let too_big = |message: &Seen<'_, MessageWire>| {
        let reply = message.view().last().and_then(|e| e.whole());
        reply.is_some_and(|reply| reply.class() >= 4 && code_of(reply) == TOO_BIG)
    };
    let same_server = services(at.case, ALL, &at.from, true).into_iter().filter(|s| s.0.ip() == at.on.0.ip());
    same_server
        .flat_map(|service| {
            let there = messages(&At::new(at.case, service, at.from.clone())).unwrap_or_default();
            there.into_iter().filter(too_big).map(move |message| (service, message.id()))
        })
        .collect()
}

fn timeout(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    for message in messages(at)? {
        let unanswered = |e: &&Exchange| e.phase == Phase::Content && e.whole().is_none() && e.end != End::Complete;
        if let Some(last) = message.view().last().filter(unanswered) {
            let server = called(at.case, &at.on, &at.from);
            let says = match last.end {
                End::Closed | End::Reset => {
                    format!("{server} took the test message and cut the connection without an answer")
                }
                _ => {
                    format!(
                        "{server} took the test message and said nothing for {:.0} s",
                        last.wait_ms() as f64 / 1000.0
                    )
                }
            };
            found
                .is(Key::Named("DATA silence".to_owned()))
                .says(says)
                .detail("address", at.on.0.ip().to_string())
                .detail("waited_ms", last.wait_ms())
                // RFC 5321 section 4.5.3.2.6 gives a server ten minutes, and we do not wait that long.
                .proof(message.id(), super::Basis::Pattern)
                .owes_step(message.id());
        }
    }
    found.state()
}

fn slow(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    for message in messages(at)? {
        let Some(last) = message.view().last().filter(|e| e.phase == Phase::Content && e.whole().is_some()) else {
            continue;
        };
        if last.wait_ms() >= SLOW_MS {
            found
                .is(Key::Named("DATA wait".to_owned()))
                .says(format!(
                    "{} answers the end of the test message only after {:.0} s",
                    called(at.case, &at.on, &at.from),
                    last.wait_ms() as f64 / 1000.0
                ))
                .detail("address", at.on.0.ip().to_string())
                .detail("delay_ms", last.wait_ms())
                .witnessed(message.id());
        }
    }
    if found.findings.is_empty() { Ok(State::Clear) } else { found.state() }
}
