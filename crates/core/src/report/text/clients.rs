//! The real clients of a server that was watched on its host: who waited how long, and for what.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::model::Report;
use super::{Style, harmless, heading, wrap};
use crate::case::Question;
use crate::questions::host::clients::{Client, Clients, ClientsWire};
use crate::questions::host::lookups::Sought;

/// The most clients that are shown: those that waited longest.
const MAX_SHOWN: usize = 10;

/// The most causes that are named of one client's wait.
const MAX_SHARES: usize = 3;

/// What took less of a wait is not named, in milliseconds.
const SHORTEST_MS: u64 = 50;

/// Writes a table for each service with clients other than us.
pub(super) fn section(out: &mut String, report: &Report, style: Style, width: usize) {
    for observation in report.observations.iter().map(|o| &o.0).filter(|o| o.probe == Clients::PROBE) {
        let Ok(wire) = serde_json::from_value::<ClientsWire>(observation.outcome.clone()) else { continue };
        if wire.connections == 0 {
            continue;
        }
        let place = observation.subject.to_string();
        let place = place.split_once(':').map_or(place.as_str(), |(_, place)| place);
        let number = wire.connections;
        let connections = if number == 1 { "1 connection".to_owned() } else { format!("{number} connections") };
        heading(out, &format!("Clients of {} ({connections})", harmless(place)), style);
        let shown: Vec<&Client> = wire.clients.iter().take(MAX_SHOWN).collect();
        let names: Vec<String> = shown.iter().map(|client| client.address.to_string()).collect();
        let column = names.iter().map(String::len).max().unwrap_or(0);
        for (client, name) in shown.iter().zip(&names) {
            let wait = format!("{:.1} s", client.wait().length_ms() as f64 / 1000.0);
            let banner = if client.banner_ms.is_some() { "" } else { " in vain" };
            let first = format!("  {name:<column$}  {wait:>7}{banner}  ");
            let _ = write!(out, "{}", wrap(&shares(client), width, &first, &" ".repeat(column + 13)));
        }
        if wire.connections as usize > shown.len() {
            let _ = writeln!(out, "  {}", style.dim("and others, who waited no longer"));
        }
        for list in wire.lists.iter().filter(|list| list.answered < list.asked || list.longest_ms >= SHORTEST_MS) {
            let line = format!(
                "{} {} answered {} of {} lookups, the longest after {:.1} s",
                style.bullet(),
                harmless(&list.zone),
                list.answered,
                list.asked,
                list.longest_ms as f64 / 1000.0
            );
            out.push_str(&wrap(&line, width, "  ", "    "));
        }
    }
}

/// What a client's wait was spent on, the most first.
fn shares(client: &Client) -> String {
    let wait = client.wait();
    let mut spans: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for lookup in &client.lookups {
        let what = match lookup.sought() {
            Sought::Listing(_, zone) => zone.to_owned(),
            Sought::Reverse(_) => "its reverse name".to_owned(),
            Sought::Other => lookup.name.clone(),
        };
        spans.entry(what).or_default().push(lookup.span());
    }
    for ident in &client.idents {
        spans.entry("its ident port".to_owned()).or_default().push(ident.span(wait, &client.lookups));
    }
    let mut shares: Vec<(u64, String)> =
        spans.into_iter().map(|(what, spans)| (wait.covered_by(spans.into_iter()), what)).collect();
    shares.retain(|(took, _)| *took >= SHORTEST_MS);
    shares.sort_by(|one, other| other.cmp(one));
    let named: Vec<String> = shares
        .iter()
        .take(MAX_SHARES)
        .map(|(took, what)| format!("{:.1} s for {}", *took as f64 / 1000.0, harmless(what)))
        .collect();
    named.join(", ")
}
