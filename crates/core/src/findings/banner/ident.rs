//! The server asks whose connection it is (RFC 1413) and gets no answer: ident-lookup-timeout.

use super::super::ways::called;
use super::super::{At, Found, Rule, Share, Told};
use super::captured::{ALL, COSTLY_MS, GREETING, SLOW_MS, basis, of_the_wait, shares, waits};
use crate::case::{Span, Why};
use crate::questions::host::clients::Clients;
use crate::questions::host::lookups::{IdentSeen, Lookups};
use crate::subject::{Service, VantageId};

pub(super) const RULES: &[Rule] = &[
    Rule::service(&["ident-lookup-timeout"], ALL, our_ident),
    Rule::service(&["ident-lookup-timeout"], GREETING, idents_of_clients).over_all_vantages(),
];

/// Whether a question that took this long is worth naming: an answer that comes costs nothing for a while.
fn costly(ident: &IdentSeen, took_ms: u64) -> bool {
    took_ms >= if ident.answered_ms.is_some() { SLOW_MS } else { COSTLY_MS }
}

fn our_ident(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = at.ask_from(&Lookups, &at.on, &VantageId::local())?;
    let basis = basis(&seen.quality);
    for (id, wait, what) in waits(at) {
        for ident in &seen.idents {
            let span = ident.span(wait, &seen.lookups);
            let Some(share) = shares(&[span], wait).next().filter(|share| costly(ident, share.length_ms())) else {
                continue;
            };
            found
                .is(at.on)
                .says(format!(
                    "{} spent waiting for port 113 of {}, which it asks whose connection this is ({})",
                    of_the_wait(at, share.length_ms(), wait, what),
                    ident.client,
                    if ident.answered_ms.is_some() { "answered late" } else { "no answer" }
                ))
                .detail("address", ident.client.to_string())
                .detail("delay_ms", share.length_ms())
                .proof(seen.id(), basis)
                .claims(id, Share::Of(share), basis);
        }
    }
    if !seen.quality.complete() {
        found.missed(Why::Denied(seen.id()));
    }
    found.state()
}

fn idents_of_clients(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = at.ask_from(&Clients, &at.on, &VantageId::local())?;
    let mut waited: Vec<(Span, u64)> = Vec::new();
    for client in &seen.clients {
        let wait = client.wait();
        let spans = client.idents.iter().map(|ident| (ident, ident.span(wait, &client.lookups)));
        let took =
            spans.filter(|(ident, span)| costly(ident, span.length_ms())).map(|(_, span)| span.length_ms()).max();
        waited.extend(took.map(|took| (wait, took)));
    }
    if let Some((wait, took)) = waited.iter().max_by_key(|(_, took)| *took) {
        let who = if waited.len() == 1 { "a client".to_owned() } else { format!("{} clients", waited.len()) };
        found
            .is(at.on)
            .says(format!(
                "{who} of {} waited while their port 113 was asked whose connection it is, {:.1} of {:.1} s at worst",
                called(at.case, &at.on, &at.from),
                *took as f64 / 1000.0,
                wait.length_ms() as f64 / 1000.0
            ))
            .detail("delay_ms", *took)
            .proof(seen.id(), basis(&seen.quality));
    }
    if seen.connections == 0 {
        return Ok(super::super::State::NotApplicable);
    }
    found.state()
}
