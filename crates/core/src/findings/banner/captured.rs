//! Whose answer the server waited for, as its own host's packets show it: dnsbl-timeout, dnsbl-slow, ptr-slow and
//! rdns-lookup-timeout, proven.
//!
//! Each wait of ours is laid over the lookups that carry our address and began within it. What no lookup covers stays
//! unexplained: a wait in which nothing was asked is not thereby one on purpose. What a dead resolver took of a lookup is that
//! resolver's share, and not the name's.

use std::collections::BTreeMap;

use maildoctor_wire::dialogue::Phase;

use super::super::host::exempt;
use super::super::ways::{banner_wait, called};
use super::super::{At, Basis, Finding, Found, Key, Rule, Share, State, Told};
use super::pauses::tease;
use super::waits::{SUSPECT_MS, WAITED_MS};
use crate::case::{ObsId, Question, Seen, Span, Why};
use crate::questions::dns::{ReverseNames, Via};
use crate::questions::host::clients::Clients;
use crate::questions::host::lookups::{Ended, Lookup, Lookups, LookupsWire, Quality, Sought};
use crate::questions::smtp::{Banner, Ehlo, FIRST, Mail, Message, MessageWire, Rcpt};
use crate::questions::tcp::Role;
use crate::questions::xclient::{BY_XCLIENT, StrangersRcpt};
use crate::subject::{Addr, Service, Subject, VantageId, Zone};

/// Whose waits are laid over what was captured.
pub(in super::super) const ALL: &[Role] = &[Role::Smtp, Role::Submission, Role::Smtps];

/// Where the banner can be read off the wire.
pub(super) const GREETING: &[Role] = &[Role::Smtp, Role::Submission];

pub(super) const RULES: &[Rule] = &[
    Rule::service(&["dnsbl-timeout", "dnsbl-slow"], ALL, |at, found| {
        let told = our_waits(at, found, |sought| matches!(sought, Sought::Listing(..)));
        // What the server does not ask about us it may well ask about others.
        exempt(at, &[]).filter(|_| told == Ok(State::Clear)).map_or(told, Err)
    }),
    Rule::service(&["ptr-slow", "rdns-lookup-timeout"], ALL, |at, found| {
        our_waits(at, found, |sought| matches!(sought, Sought::Reverse(_)))
    }),
    Rule::service(&["dnsbl-timeout", "dnsbl-slow"], GREETING, waits_of_clients).over_all_vantages(),
];

/// A lookup that failed costs a server at least this much before it is worth naming, in milliseconds.
pub(in super::super) const COSTLY_MS: u64 = 900;

/// From here on an answer is slow, in milliseconds.
pub(super) const SLOW_MS: u64 = 2000;

/// A lookup that begins a wait may be stamped a moment before it: two clocks are at work, in milliseconds.
const SAME_MOMENT_MS: u64 = 20;

/// postscreen asks its lists within this time of the first line of its banner, in milliseconds.
const SCREENED_MS: u64 = 500;

/// What a lookup is to blame for: the code, and the zone or address that names the fault. `took` is what it cost beyond the
/// silence of dead resolvers.
fn blame(lookup: &Lookup, took: u64) -> Option<(&'static str, Key)> {
    let failed = lookup.ended() != Ended::Answered;
    let costly = took >= if failed { COSTLY_MS } else { SLOW_MS };
    match lookup.sought() {
        Sought::Listing(_, zone) if costly && failed => Some(("dnsbl-timeout", Zone::new(zone).into())),
        Sought::Listing(_, zone) if costly => Some(("dnsbl-slow", Zone::new(zone).into())),
        Sought::Reverse(address) if costly => Some(("ptr-slow", Addr(address).into())),
        _ => None,
    }
}

/// The reverse name of an address that comes at once by another resolver: then it is not the zone's servers that are slow, but
/// the resolver of the server that does not get to them. Gives the observation that shows it.
fn quick_elsewhere(at: &At<'_, Service>, key: &Key) -> Option<ObsId> {
    let Key::Subject(Subject::Addr(address)) = key else { return None };
    let own = at.ask_of(&ReverseNames { via: Via::Own }, address).ok()?;
    (own.definite().is_some() && own.observation().took_ms < SUSPECT_MS).then(|| own.id())
}

/// The waits of our session with a service: what was waited for, and when.
pub(in super::super) fn waits(at: &At<'_, Service>) -> Vec<(ObsId, Span, &'static str)> {
    fn steps<Q: Question>(at: &At<'_, Service>, what: &'static str) -> Vec<(ObsId, Span, &'static str)> {
        let on = Subject::from(at.on);
        let here = |seen: &Seen<'_, Q::View>| seen.observation().subject == on && seen.observation().vantage == at.from;
        at.case.every::<Q>().filter(here).map(|seen| (seen.id(), seen.observation().span(), what)).collect()
    }
    let greeting = |visit: Banner, what| at.ask(&visit).ok().map(|banner| (banner.id(), banner_wait(&banner), what));
    let banners = greeting(FIRST, "the banner").into_iter().chain(greeting(BY_XCLIENT, "a stranger's banner"));
    let replies = [
        steps::<Ehlo>(at, "the reply to EHLO"),
        steps::<Mail>(at, "the reply to MAIL"),
        steps::<Rcpt>(at, "the reply to RCPT"),
        steps::<StrangersRcpt>(at, "the reply to a stranger's RCPT"),
    ];
    banners.chain(replies.concat()).chain(contents(at)).filter(|(_, wait, _)| wait.length_ms() >= WAITED_MS).collect()
}

/// The waits for the reply after a message.
fn contents(at: &At<'_, Service>) -> Vec<(ObsId, Span, &'static str)> {
    let on = Subject::from(at.on);
    let here = |seen: &Seen<'_, MessageWire>| seen.observation().subject == on && seen.observation().vantage == at.from;
    let wait = |seen: Seen<'_, MessageWire>| {
        let began = seen.exchanges.first()?.sent_ms;
        let content = seen.last().filter(|last| last.phase == Phase::Content)?;
        let from_ms = seen.observation().at_ms.saturating_add(content.sent_ms.saturating_sub(began));
        let span = Span { from_ms, to_ms: from_ms.saturating_add(content.wait_ms()) };
        Some((seen.id(), span, "the reply to the message"))
    };
    at.case.every::<Message>().filter(here).filter_map(wait).collect()
}

/// The parts of a wait that something took which began at `from_ms`, where that lies within it.
pub(in super::super) fn shares(spans: &[Span], wait: Span) -> impl Iterator<Item = Span> + '_ {
    let began = spans.iter().map(|span| span.from_ms).min();
    let within = began.is_some_and(|from_ms| from_ms + SAME_MOMENT_MS >= wait.from_ms);
    spans.iter().filter(move |_| within).filter_map(move |span| span.within(wait))
}

/// How well what was captured proves a share.
pub(in super::super) fn basis(quality: &Quality) -> Basis {
    if quality.complete() { Basis::Captured } else { Basis::OwnMeasure }
}

/// A lookup, and when it waited for somebody who is not dead.
type Cost<'l> = (&'l Lookup, Vec<Span>);

fn our_waits(at: &At<'_, Service>, found: &mut Found<'_>, concerns: impl Fn(Sought<'_>) -> bool) -> Told {
    let seen = at.ask_from(&Lookups, &at.on, &VantageId::local())?;
    let waits = waits(at);
    let mut blamed: BTreeMap<(&'static str, Key), Vec<Cost<'_>>> = BTreeMap::new();
    let about_us = |lookup: &&Lookup| lookup.about().is_some_and(|address| seen.own.contains(&address));
    // postscreen asks its lists while it makes the client wait anyway, and waits for none of them.
    let tease = at.ask(&FIRST).ok().and_then(|banner| tease(&banner));
    let beside = |lookup: &&Lookup| {
        let from_ms = lookup.span().from_ms;
        tease.is_some_and(|t| from_ms + SAME_MOMENT_MS >= t.from_ms && from_ms < t.from_ms + SCREENED_MS)
    };
    let of_lists = |lookup: &&Lookup| matches!(lookup.sought(), Sought::Listing(..));
    let lookups = seen.view().lookups.iter().filter(about_us).filter(|lookup| concerns(lookup.sought()));
    for lookup in lookups.filter(|lookup| !(of_lists(lookup) && beside(lookup))) {
        let cost = seen.cost_of_the_name(lookup);
        if !seen.reached_a_resolver(lookup) {
            // With a resolver that answers nobody, it is not the name's servers that are silent.
            if lookup.span().length_ms() >= COSTLY_MS {
                found.missed(Why::Blocked(seen.id()));
            }
        } else if let Some(blame) = blame(lookup, cost.iter().map(|span| span.length_ms()).sum())
            && waits.iter().any(|(_, wait, _)| shares(&cost, *wait).next().is_some())
        {
            blamed.entry(blame).or_default().push((lookup, cost));
        }
    }
    for ((code, key), costs) in blamed {
        match quick_elsewhere(at, &key).filter(|_| code == "ptr-slow") {
            Some(own) => name_cause(at, found, &seen, &waits, ("rdns-lookup-timeout", key, &costs))
                .into_iter()
                .for_each(|finding| {
                    let says = format!("{}, though it is answered at once elsewhere", finding.says);
                    finding.says(says).proof(own, Basis::Witnessed);
                }),
            None => drop(name_cause(at, found, &seen, &waits, (code, key, &costs))),
        }
    }
    if !seen.quality.complete() || !seen.quality.blind.is_empty() {
        found.missed(Why::Denied(seen.id()));
    }
    found.state()
}

/// One cause with its share of every wait.
fn name_cause<'f>(
    at: &At<'_, Service>,
    found: &'f mut Found<'_>,
    seen: &Seen<'_, LookupsWire>,
    waits: &[(ObsId, Span, &'static str)],
    (code, key, costs): (&'static str, Key, &[Cost<'_>]),
) -> Option<&'f mut Finding> {
    let basis = basis(&seen.quality);
    let spent = |wait: Span| costs.iter().flat_map(move |(_, spans)| shares(spans, wait));
    let (_, wait, what) = waits.iter().max_by_key(|(_, wait, _)| wait.covered_by(spent(*wait)))?;
    let (longest, _) = costs.iter().max_by_key(|(lookup, _)| lookup.span().length_ms())?;
    let finding = found
        .is_a(code, key.clone())
        .says(format!(
            "{} spent waiting for {} ({})",
            of_the_wait(at, wait.covered_by(spent(*wait)), *wait, what),
            longest.name,
            course(longest)
        ))
        .detail("delay_ms", longest.span().length_ms())
        .proof(seen.id(), basis);
    match key {
        Key::Subject(Subject::Zone(zone)) => {
            finding.named_in_settings(at.case, zone.as_str());
            finding.detail("zone", zone.as_str()).also(zone)
        }
        Key::Subject(Subject::Addr(address)) => finding.detail("address", address.to_string()).also(address),
        _ => finding,
    };
    for (id, wait, _) in waits {
        for span in spent(*wait) {
            finding.claims(*id, Share::Of(span), basis);
        }
    }
    Some(finding)
}

/// "15.0 of the 15.1 s until the banner of mx1.example.org (192.0.2.7) were".
pub(in super::super) fn of_the_wait(at: &At<'_, Service>, took_ms: u64, wait: Span, what: &str) -> String {
    format!(
        "{:.1} of the {:.1} s until {what} of {} were",
        took_ms as f64 / 1000.0,
        wait.length_ms() as f64 / 1000.0,
        called(at.case, &at.on, &at.from)
    )
}

/// How a lookup went: "3 queries, no answer from 192.0.2.53".
fn course(lookup: &Lookup) -> String {
    let servers: Vec<String> = lookup.servers().iter().map(|server| server.ip().to_string()).collect();
    let queries = match lookup.sent.len() {
        1 => "1 query".to_owned(),
        n => format!("{n} queries"),
    };
    let servers = servers.join(", ");
    match lookup.ended() {
        Ended::Unanswered => format!("{queries}, no answer from {servers}"),
        Ended::Failed => format!("{queries}, {servers} could not find out"),
        Ended::Answered => {
            format!("{queries}, answered by {servers} after {:.1} s", lookup.span().length_ms() as f64 / 1000.0)
        }
    }
}

fn waits_of_clients(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = at.ask_from(&Clients, &at.on, &VantageId::local())?;
    let lookups = at.ask_from(&Lookups, &at.on, &VantageId::local())?;
    let basis = basis(&seen.quality);
    // Zone and code: how many clients waited for it, and the worst of these waits with its share.
    let mut waited: BTreeMap<(&'static str, Zone), (u32, Span, u64)> = BTreeMap::new();
    for client in seen.clients.iter().filter(|client| client.wait().length_ms() >= WAITED_MS) {
        let wait = client.wait();
        let mut spent: BTreeMap<(&'static str, Zone), Vec<Span>> = BTreeMap::new();
        for lookup in client.lookups.iter().filter(|lookup| lookups.reached_a_resolver(lookup)) {
            let cost = lookups.cost_of_the_name(lookup);
            let took = cost.iter().map(|span| span.length_ms()).sum();
            if let Some((code, Key::Subject(Subject::Zone(zone)))) = blame(lookup, took) {
                spent.entry((code, zone)).or_default().extend(shares(&cost, wait));
            }
        }
        for (cause, spans) in spent.into_iter().filter(|(_, spans)| !spans.is_empty()) {
            let took = wait.covered_by(spans.into_iter());
            let held = waited.entry(cause).or_insert((0, wait, took));
            *held = if took > held.2 { (held.0 + 1, wait, took) } else { (held.0 + 1, held.1, held.2) };
        }
    }
    for ((code, zone), (clients, wait, took)) in waited {
        // A list that answers about others is not silent: one address may have a reason of its own.
        let answers = seen.lists.iter().any(|list| list.zone == zone.as_str() && list.answered > 0);
        if code == "dnsbl-timeout" && answers {
            continue;
        }
        let who = if clients == 1 { "a client".to_owned() } else { format!("{clients} clients") };
        let finding = found
            .is_a(code, zone.clone())
            .says(format!(
                "{who} of {} waited for the blacklist {zone} before the banner, {:.1} of {:.1} s at worst",
                called(at.case, &at.on, &at.from),
                took as f64 / 1000.0,
                wait.length_ms() as f64 / 1000.0
            ))
            .detail("zone", zone.as_str())
            .detail("delay_ms", took)
            .also(zone.clone())
            .proof(seen.id(), basis);
        finding.named_in_settings(at.case, zone.as_str());
    }
    if seen.connections == 0 {
        found.state().map(|s| if s == State::Clear { State::NotApplicable } else { s })
    } else {
        found.state()
    }
}
