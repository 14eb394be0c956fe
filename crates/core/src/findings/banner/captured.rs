//! What the server waited for, as its own host's packets show it: dnsbl-timeout, dnsbl-slow and ptr-slow, proven.
//!
//! Each wait of ours is laid over the lookups that carry our address and began within it. What no lookup covers stays
//! unexplained: a wait in which nothing was asked is not thereby one on purpose.

use std::collections::BTreeMap;

use super::super::ways::{banner_wait, called};
use super::super::{At, Basis, Found, Key, Rule, Share, State, Told};
use super::waits::WAITED_MS;
use crate::case::{ObsId, Question, Seen, Span, Why};
use crate::questions::host::clients::Clients;
use crate::questions::host::lookups::{Ended, Lookup, Lookups, LookupsWire, Sought};
use crate::questions::smtp::{Ehlo, FIRST, Mail, Rcpt};
use crate::questions::tcp::Role;
use crate::subject::{Addr, Service, Subject, VantageId, Zone};

const GREETING: &[Role] = &[Role::Smtp, Role::Submission];

pub(super) const RULES: &[Rule] = &[
    Rule::service(&["dnsbl-timeout", "dnsbl-slow", "ptr-slow"], GREETING, our_waits),
    Rule::service(&["dnsbl-timeout", "dnsbl-slow"], GREETING, waits_of_clients).over_all_vantages(),
];

/// A lookup that failed costs a server at least this much before it is worth naming, in milliseconds.
const COSTLY_MS: u64 = 900;

/// From here on an answer is slow, in milliseconds.
const SLOW_MS: u64 = 2000;

/// A lookup that begins a wait may be stamped a moment before it: two clocks are at work, in milliseconds.
const SAME_MOMENT_MS: u64 = 20;

/// What a lookup is to blame for: the code, and the zone or address that names the fault.
fn blame(lookup: &Lookup) -> Option<(&'static str, Key)> {
    let took = lookup.span().length_ms();
    let failed = lookup.ended() != Ended::Answered;
    let costly = took >= if failed { COSTLY_MS } else { SLOW_MS };
    match lookup.sought() {
        Sought::Listing(_, zone) if costly && failed => Some(("dnsbl-timeout", Zone::new(zone).into())),
        Sought::Listing(_, zone) if costly => Some(("dnsbl-slow", Zone::new(zone).into())),
        Sought::Reverse(address) if costly => Some(("ptr-slow", Addr(address).into())),
        _ => None,
    }
}

/// The waits of our session with a service: what was waited for, and when.
fn waits(at: &At<'_, Service>) -> Vec<(ObsId, Span, &'static str)> {
    fn steps<Q: Question>(at: &At<'_, Service>, what: &'static str) -> Vec<(ObsId, Span, &'static str)> {
        let on = Subject::from(at.on);
        let here = |seen: &Seen<'_, Q::View>| seen.observation().subject == on && seen.observation().vantage == at.from;
        at.case.every::<Q>().filter(here).map(|seen| (seen.id(), seen.observation().span(), what)).collect()
    }
    let banner = at.ask(&FIRST).ok().map(|banner| (banner.id(), banner_wait(&banner), "the banner"));
    let replies = [
        steps::<Ehlo>(at, "the reply to EHLO"),
        steps::<Mail>(at, "the reply to MAIL"),
        steps::<Rcpt>(at, "the reply to RCPT"),
    ];
    banner.into_iter().chain(replies.concat()).filter(|(_, wait, _)| wait.length_ms() >= WAITED_MS).collect()
}

/// The part of a wait that a lookup took, where it began within it.
fn share(lookup: &Lookup, wait: Span) -> Option<Span> {
    let span = lookup.span();
    (span.from_ms + SAME_MOMENT_MS >= wait.from_ms).then(|| span.within(wait)).flatten()
}

fn our_waits(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = at.ask_from(&Lookups, &at.on, &VantageId::local())?;
    let waits = waits(at);
    let mut blamed: BTreeMap<(&'static str, Key), Vec<&Lookup>> = BTreeMap::new();
    let about_us = |lookup: &&Lookup| lookup.about().is_some_and(|address| seen.own.contains(&address));
    for lookup in seen.view().lookups.iter().filter(about_us) {
        let Some(blame) = blame(lookup).filter(|_| waits.iter().any(|(_, wait, _)| share(lookup, *wait).is_some()))
        else {
            continue;
        };
        if seen.reached_a_resolver(lookup) {
            blamed.entry(blame).or_default().push(lookup);
        } else {
            // With a resolver that answers nobody, it is not the name's servers that are silent.
            found.missed(Why::Blocked(seen.id()));
        }
    }
    for ((code, key), lookups) in blamed {
        name_cause(at, found, &seen, &waits, (code, key, &lookups));
    }
    if !seen.quality.complete() || !seen.quality.blind.is_empty() {
        found.missed(Why::Denied(seen.id()));
    }
    found.state()
}

/// One cause with its share of every wait.
fn name_cause(
    at: &At<'_, Service>,
    found: &mut Found<'_>,
    seen: &Seen<'_, LookupsWire>,
    waits: &[(ObsId, Span, &'static str)],
    (code, key, lookups): (&'static str, Key, &[&Lookup]),
) {
    let basis = if seen.quality.complete() { Basis::Captured } else { Basis::OwnMeasure };
    let shares = |wait: Span| lookups.iter().filter_map(move |lookup| share(lookup, wait));
    let most = waits.iter().max_by_key(|(_, wait, _)| wait.covered_by(shares(*wait)));
    let (Some((_, wait, what)), Some(longest)) = (most, lookups.iter().max_by_key(|l| l.span().length_ms())) else {
        return;
    };
    let finding = found
        .is_a(code, key.clone())
        .says(format!(
            "{:.1} of the {:.1} s until {what} of {} were spent waiting for {} ({})",
            wait.covered_by(shares(*wait)) as f64 / 1000.0,
            wait.length_ms() as f64 / 1000.0,
            called(at.case, &at.on, &at.from),
            longest.name,
            course(longest)
        ))
        .detail("delay_ms", longest.span().length_ms())
        .proof(seen.id(), basis);
    match key {
        Key::Subject(Subject::Zone(zone)) => finding.detail("zone", zone.as_str()).also(zone),
        Key::Subject(Subject::Addr(address)) => finding.detail("address", address.to_string()).also(address),
        _ => finding,
    };
    for (id, wait, _) in waits {
        for span in shares(*wait) {
            finding.claims(*id, Share::Of(span), basis);
        }
    }
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
    let basis = if seen.quality.complete() { Basis::Captured } else { Basis::OwnMeasure };
    // Zone and code: how many clients waited for it, and the worst of these waits with its share.
    let mut waited: BTreeMap<(&'static str, Zone), (u32, Span, u64)> = BTreeMap::new();
    for client in seen.clients.iter().filter(|client| client.wait().length_ms() >= WAITED_MS) {
        let wait = client.wait();
        let mut shares: BTreeMap<(&'static str, Zone), Vec<Span>> = BTreeMap::new();
        for lookup in client.lookups.iter().filter(|lookup| lookups.reached_a_resolver(lookup)) {
            if let (Some((code, Key::Subject(Subject::Zone(zone)))), Some(span)) = (blame(lookup), share(lookup, wait))
            {
                shares.entry((code, zone)).or_default().push(span);
            }
        }
        for (cause, spans) in shares {
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
        found
            .is_a(code, zone.clone())
            .says(format!(
                "{who} of {} waited for the blacklist {zone} before the banner, {:.1} of {:.1} s at worst",
                called(at.case, &at.on, &at.from),
                took as f64 / 1000.0,
                wait.length_ms() as f64 / 1000.0
            ))
            .detail("zone", zone.as_str())
            .detail("delay_ms", took)
            .also(zone)
            .proof(seen.id(), basis);
    }
    if seen.connections == 0 {
        found.state().map(|s| if s == State::Clear { State::NotApplicable } else { s })
    } else {
        found.state()
    }
}
