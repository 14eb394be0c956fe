//! Resolvers of the server that answer nobody, as its own host's packets show it: server-resolver-dead,
//! server-resolvers-all-dead.

use std::net::SocketAddr;

use super::super::ways::called;
use super::super::{At, Found, Key, Rule, Share, Told};
use super::captured::{ALL, basis, of_the_wait, shares, waits};
use crate::case::{Span, Why};
use crate::questions::host::lookups::{Lookups, LookupsWire, ResolverSeen};
use crate::subject::{Resolver, Service, VantageId};

pub(super) const RULES: &[Rule] =
    &[Rule::service(&["server-resolver-dead", "server-resolvers-all-dead"], ALL, dead_resolvers)];

fn dead_resolvers(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = at.ask_from(&Lookups, &at.on, &VantageId::local())?;
    let told: Vec<&ResolverSeen> = seen.view().resolvers.iter().filter(|r| r.place.is_some()).collect();
    let dead: Vec<&ResolverSeen> = told.iter().copied().filter(|r| r.dead()).collect();
    // One that nobody asked yet is dead as well where it does not answer us.
    let all = !dead.is_empty() && told.iter().all(|r| !r.alive() && r.answers_us == Some(false));
    if all {
        name(at, found, &seen, seen.id(), &dead, Fault::All);
    } else {
        for resolver in &dead {
            name(at, found, &seen, seen.id(), &[*resolver], Fault::One);
        }
    }
    if told.is_empty() || told.iter().any(|r| !r.alive() && !r.dead()) {
        found.missed(Why::Denied(seen.id()));
    }
    found.state()
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    One,
    All,
}

fn name(
    at: &At<'_, Service>,
    found: &mut Found<'_>,
    seen: &LookupsWire,
    id: crate::case::ObsId,
    dead: &[&ResolverSeen],
    fault: Fault,
) {
    let basis = basis(&seen.quality);
    let servers: Vec<SocketAddr> = dead.iter().map(|r| r.server).collect();
    let spans: Vec<Vec<Span>> = seen
        .lookups
        .iter()
        .map(|lookup| servers.iter().flat_map(|server| lookup.waiting_for(*server)).collect())
        .collect();
    let waits = waits(at);
    let spent = |wait: Span| spans.iter().flat_map(move |spans| shares(spans, wait));
    let most = waits.iter().max_by_key(|(_, wait, _)| wait.covered_by(spent(*wait)));
    let cost = most.map(|(_, wait, what)| (wait.covered_by(spent(*wait)), *wait, *what)).filter(|(took, ..)| *took > 0);
    let waited = cost.map_or_else(String::new, |(took, wait, what)| {
        format!(
            "; {} spent waiting for {}",
            of_the_wait(at, took, wait, what),
            if servers.len() == 1 { "it" } else { "them" }
        )
    });
    let asked: u32 = dead.iter().map(|r| r.asked).sum();
    let (code, key, who) = match (fault, dead) {
        (Fault::One, [one]) => ("server-resolver-dead", Key::from(Resolver(one.server)), one_of_them(at, one)),
        _ => ("server-resolvers-all-dead", Key::Named(joined(&servers)), all_of_them(at, &servers)),
    };
    let finding = found
        .is_a(code, key)
        .says(format!("{who}: {} asked by this host, it answered none, nor us{waited}", questions(asked)))
        .detail("resolver", joined(&servers))
        .detail("delay_ms", cost.map_or(0, |(took, ..)| took))
        .proof(id, basis)
        .owes_step(id);
    for server in servers {
        finding.also(Resolver(server));
    }
    for (on, wait, _) in &waits {
        for span in spent(*wait) {
            finding.claims(*on, Share::Of(span), basis);
        }
    }
}

fn one_of_them(at: &At<'_, Service>, resolver: &ResolverSeen) -> String {
    let place = match resolver.place {
        Some(1) => "the first".to_owned(),
        Some(2) => "the second".to_owned(),
        _ => "a".to_owned(),
    };
    format!("{place} resolver that {} asks, {}, is dead", called(at.case, &at.on, &at.from), resolver.server.ip())
}

fn all_of_them(at: &At<'_, Service>, servers: &[SocketAddr]) -> String {
    let who = called(at.case, &at.on, &at.from);
    match servers {
        [one] => format!("the only resolver that {who} asks, {}, is dead", one.ip()),
        many => format!("every resolver that {who} asks is dead ({})", joined(many)),
    }
}

fn joined(servers: &[SocketAddr]) -> String {
    servers.iter().map(|server| server.ip().to_string()).collect::<Vec<_>>().join(", ")
}

fn questions(number: u32) -> String {
    if number == 1 { "1 question".to_owned() } else { format!("{number} questions") }
}
