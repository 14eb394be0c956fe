//! Programs that the server asks and waits for: policy-service-slow, milter-slow.
//!
//! Over TCP the host's packets show each question and its answer. What goes over a Unix socket leaves no packets: then the
//! settings, and a wait in which nothing else was asked, make it possible and no more.

use std::net::IpAddr;

use super::super::banner::captured::{ALL, COSTLY_MS, basis, of_the_wait, shares, waits};
use super::super::banner::gaps::gaps;
use super::super::banner::waits::WAITED_MS;
use super::super::host::{asked, rspamd_at};
use super::super::{At, Basis, Finding, Found, Key, Rule, Share, State, Told};
use crate::case::{ObsId, Seen, Span};
use crate::questions::host::asks::{Asks, Endpoint, Socket, Stage};
use crate::questions::host::lookups::{Lookups, LookupsWire};
use crate::subject::{Service, VantageId};

pub(super) const RULES: &[Rule] = &[
    Rule::service(&["policy-service-slow"], ALL, |at, found| slow(at, found, &POLICY)),
    Rule::service(&["milter-slow"], ALL, |at, found| slow(at, found, &MILTER)),
];

/// One kind of program.
struct Kind {
    name: &'static str,
    of: fn(&Asks) -> &[Endpoint],
    /// Whether it is asked at every step, and not only at the one that names it.
    at_every_step: bool,
}

const POLICY: Kind = Kind { name: "policy service", of: |asks| &asks.policies, at_every_step: false };
const MILTER: Kind = Kind { name: "milter", of: |asks| &asks.milters, at_every_step: true };

fn slow(at: &At<'_, Service>, found: &mut Found<'_>, kind: &Kind) -> Told {
    let seen = at.ask_from(&Lookups, &at.on, &VantageId::local())?;
    let settings = asked(at.case).into_iter().find(|(port, ..)| *port == at.on.0.port());
    let Some((_, asks, settings)) = settings else { return Ok(State::NotApplicable) };
    at.note(settings);
    let endpoints = (kind.of)(&asks);
    if endpoints.is_empty() {
        return Ok(State::NotApplicable);
    }
    for endpoint in endpoints {
        match &endpoint.at {
            Socket::Tcp(host, port) => over_tcp(at, found, &seen, settings, (kind, endpoint), (host, *port)),
            Socket::Unix(_) | Socket::Pipe(_) => out_of_sight(at, found, &seen, settings, (kind, endpoint)),
        }
    }
    found.state()
}

/// What was captured of the questions to a program, laid over the waits.
fn over_tcp(
    at: &At<'_, Service>,
    found: &mut Found<'_>,
    seen: &Seen<'_, LookupsWire>,
    settings: ObsId,
    (kind, endpoint): (&Kind, &Endpoint),
    (host, port): (&str, u16),
) {
    let address: Option<IpAddr> = host.parse().ok();
    let basis = basis(&seen.quality);
    for (id, wait, what) in waits(at) {
        let questions = seen.programs.iter().filter(|q| q.server.port() == port);
        let spans: Vec<Span> =
            questions.filter(|q| address.is_none_or(|ip| ip == q.server.ip())).map(|q| q.span(wait)).collect();
        let within = spans.iter().flat_map(|span| shares(&[*span], wait).collect::<Vec<_>>());
        let spent: Vec<Span> = within.flat_map(|span| beside_lookups(seen, span)).collect();
        let took = wait.covered_by(spent.iter().copied());
        if took < COSTLY_MS {
            continue;
        }
        let finding = found
            .is(Key::Named(endpoint.named.clone()))
            .says(format!(
                "{} spent waiting for the {} {} ({})",
                of_the_wait(at, took, wait, what),
                kind.name,
                endpoint.named,
                endpoint.place.in_words()
            ))
            .detail("endpoint", endpoint.named.as_str())
            .detail("delay_ms", took)
            .stands_at(&endpoint.place)
            .proof(seen.id(), basis)
            .proof(settings, Basis::Witnessed);
        is_rspamd(at, finding, endpoint);
        for span in spent {
            finding.claims(id, Share::Of(span), basis);
        }
    }
}

/// What is left of the time that a program took without its own lookups about us: those have causes of their own.
fn beside_lookups(seen: &LookupsWire, span: Span) -> Vec<Span> {
    let mut taken: Vec<Span> = seen
        .lookups
        .iter()
        .filter(|lookup| lookup.about().is_some_and(|address| seen.own.contains(&address)))
        .filter_map(|lookup| lookup.span().within(span))
        .collect();
    taken.sort();
    let mut left = Vec::new();
    let mut from_ms = span.from_ms;
    for Span { from_ms: began, to_ms } in taken.into_iter().chain([Span { from_ms: span.to_ms, to_ms: span.to_ms }]) {
        if began > from_ms {
            left.push(Span { from_ms, to_ms: began });
        }
        from_ms = from_ms.max(to_ms);
    }
    left
}

/// Says that the program is Rspamd, and for how long it would look at a message.
fn is_rspamd(at: &At<'_, Service>, finding: &mut Finding, endpoint: &Endpoint) {
    let Some(rspamd) = rspamd_at(at.case, endpoint) else { return };
    let limit = rspamd
        .task_timeout_ms
        .map(|ms| format!(", which takes up to {:.0} s for a message (task_timeout)", ms as f64 / 1000.0));
    let says = format!("{}; that is Rspamd{}", finding.says, limit.unwrap_or_default());
    finding.says(says).detail("program", "Rspamd").witnessed(rspamd.id());
}

/// What a program may have taken that is asked where no packet shows it.
fn out_of_sight(
    at: &At<'_, Service>,
    found: &mut Found<'_>,
    seen: &Seen<'_, LookupsWire>,
    settings: ObsId,
    (kind, endpoint): (&Kind, &Endpoint),
) {
    for (id, wait, what) in waits(at) {
        if !(kind.at_every_step || what == step_of(endpoint.stage)) {
            continue;
        }
        let gaps = gaps(at, seen, wait);
        let left: u64 = gaps.iter().map(|gap| gap.length_ms()).sum();
        if left < WAITED_MS {
            continue;
        }
        let finding = found
            .may_be(Key::Named(endpoint.named.clone()))
            .says(format!(
                "for {:.1} s until {what} nothing was asked over the network; the server may have waited for the {} {} ({}), which {} and leaves no packets",
                left as f64 / 1000.0,
                if matches!(endpoint.at, Socket::Pipe(_)) { "filter" } else { kind.name },
                endpoint.named,
                endpoint.place.in_words(),
                match &endpoint.at {
                    Socket::Pipe(program) => format!("is asked over a pipe ({program})"),
                    _ => "is a Unix socket".to_owned(),
                }
            ))
            .detail("endpoint", endpoint.named.as_str())
            .detail("delay_ms", left)
            .stands_at(&endpoint.place)
            .proof(settings, Basis::Witnessed);
        is_rspamd(at, finding, endpoint);
        for gap in gaps {
            finding.claims(id, Share::Of(gap), Basis::Pattern);
        }
    }
}

/// The wait in which a stage lies.
fn step_of(stage: Stage) -> &'static str {
    match stage {
        Stage::Screen | Stage::Connect => "the banner",
        Stage::Helo => "the reply to EHLO",
        Stage::Mail => "the reply to MAIL",
        Stage::Rcpt | Stage::Data => "the reply to RCPT",
        Stage::Content => "the reply to the message",
    }
}
