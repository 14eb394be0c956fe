//! The parts of a wait in which nothing was seen to be asked: what is left for causes that leave no packets.

use super::super::At;
use crate::case::Span;
use crate::questions::host::accepting::Accepting;
use crate::questions::host::lookups::LookupsWire;
use crate::subject::{Service, VantageId};

/// Shorter gaps lie between two questions and are nobody's, in milliseconds.
const SHORTEST_MS: u64 = 300;

/// The stretches of a wait that no lookup, ident question, program or full process table covers.
pub(in super::super) fn gaps(at: &At<'_, Service>, seen: &LookupsWire, wait: Span) -> Vec<Span> {
    let lookups = seen.lookups.iter().map(|lookup| lookup.span());
    let idents = seen.idents.iter().map(|ident| ident.span(wait, &seen.lookups));
    let programs = seen.programs.iter().map(|asked| asked.span(wait));
    let lying = at.ask_from(&Accepting, &at.on, &VantageId::local()).ok();
    let lying = lying.into_iter().flat_map(|seen| seen.view().lying.iter().filter_map(move |l| l.within(wait)));
    let mut known: Vec<Span> =
        lookups.chain(idents).chain(programs).chain(lying).filter_map(|span| span.within(wait)).collect();
    known.sort();
    let mut gaps = Vec::new();
    let mut from_ms = wait.from_ms;
    for span in known.into_iter().chain([Span { from_ms: wait.to_ms, to_ms: wait.to_ms }]) {
        if span.from_ms >= from_ms + SHORTEST_MS {
            gaps.push(Span { from_ms, to_ms: span.from_ms });
        }
        from_ms = from_ms.max(span.to_ms);
    }
    gaps
}
