//! A banner that is held back on purpose: banner-greet-delay.
//!
//! A wait in which nothing was asked is no tarpit yet. Either the wire shows it (half a banner at once, the rest later), or
//! a setting names the pause.

use super::super::host::{asked, stands_here};
use super::super::ways::{banner_wait, called};
use super::super::{At, Basis, Finding, Found, Key, Rule, Share, Told};
use super::gaps::gaps;
use crate::case::{ObsId, Seen, Span};
use crate::questions::host::asks::{Pause, Stage};
use crate::questions::host::lookups::Lookups;
use crate::questions::smtp::{BannerView, FIRST};
use crate::questions::tcp::Role;
use crate::subject::{Service, VantageId};

const MX: &[Role] = &[Role::Smtp];

pub(super) const RULES: &[Rule] = &[Rule::service(&["banner-greet-delay"], MX, greet_delay)];

/// A first line at once and the rest this much later is a pause on purpose, in milliseconds.
const TEASE_MS: u64 = 1500;

/// A pause may end this much later than its setting says, in milliseconds.
const LATE_MS: u64 = 700;

/// The stretch between the first line of a banner and its last, where that is a pause on purpose: postscreen's.
pub(super) fn tease(banner: &Seen<'_, BannerView>) -> Option<Span> {
    let exchange = &banner.view().wire.exchange;
    banner.view().reply().filter(|reply| reply.lines.len() > 1)?;
    let pause = exchange.done_ms.saturating_sub(exchange.first_octet_ms?);
    let to_ms = banner_wait(banner).to_ms;
    (pause >= TEASE_MS).then(|| Span { from_ms: to_ms.saturating_sub(pause), to_ms })
}

fn greet_delay(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let banner = at.ask(&FIRST)?;
    banner.need(|b| b.reply())?;
    let pauses = pauses(at);
    if let Some(tease) = tease(&banner) {
        let who = called(at.case, &at.on, &at.from);
        let known = pauses.iter().find(|(pause, _)| pause.stage == Stage::Screen);
        // What came before the first line is none of the pause, nor what comes after the time that is set.
        let end_ms = known.map_or(tease.to_ms, |(pause, _)| match tease.from_ms.saturating_add(pause.ms) {
            set if tease.to_ms > set.saturating_add(LATE_MS) => set,
            _ => tease.to_ms,
        });
        let paused = Span { to_ms: end_ms, ..tease };
        let took = known.map_or(tease.length_ms(), |(pause, _)| pause.ms.min(tease.length_ms()));
        let finding = found.is(Key::Named("greet delay".to_owned()));
        finding
            .says(format!(
                "{who} sends the first line of its banner at once and the last {:.1} s later: a pause on purpose that drives off spammers",
                tease.length_ms() as f64 / 1000.0
            ))
            .witnessed(banner.id())
            .claims(banner.id(), Share::Of(paused), Basis::Witnessed);
        common(at, finding, took, known);
        return found.state();
    }
    let wait = banner_wait(&banner);
    let seen = at.ask_from(&Lookups, &at.on, &VantageId::local()).ok();
    for known in pauses.iter().filter(|(pause, _)| pause.stage == Stage::Connect && pause.ms >= TEASE_MS) {
        let (pause, settings) = known;
        // Without a capture it is only known that there is room for the pause.
        let (room, basis) = match &seen {
            Some(seen) => (gaps(at, seen, wait), super::captured::basis(&seen.quality)),
            None => (vec![wait], Basis::OwnMeasure),
        };
        let Some(gap) = room.into_iter().find(|gap| gap.length_ms() + LATE_MS >= pause.ms) else { continue };
        let span = Span { from_ms: gap.from_ms, to_ms: gap.to_ms.min(gap.from_ms.saturating_add(pause.ms)) };
        let finding = found.is(Key::Named("greet delay".to_owned()));
        finding
            .says(format!(
                "{} holds its banner back for {:.1} s on purpose",
                called(at.case, &at.on, &at.from),
                pause.ms as f64 / 1000.0
            ))
            .proof(*settings, basis)
            .claims(banner.id(), Share::Of(span), basis);
        if let Some(seen) = &seen {
            finding.proof(seen.id(), basis);
        }
        common(at, finding, pause.ms, Some(known));
    }
    found.state()
}

fn common(at: &At<'_, Service>, finding: &mut Finding, took_ms: u64, known: Option<&(Pause, ObsId)>) {
    finding.detail("address", at.on.0.ip().to_string()).detail("delay_ms", took_ms);
    if let Some((pause, settings)) = known {
        let says = format!("{}; it stands in {}", finding.says, pause.place.in_words());
        finding.says(says).stands_at(&pause.place).proof(*settings, Basis::Witnessed);
    }
}

/// The pauses that the settings of this host name for a port.
fn pauses(at: &At<'_, Service>) -> Vec<(Pause, ObsId)> {
    if !stands_here(at) {
        return Vec::new();
    }
    let here = asked(at.case).into_iter().filter(|(port, ..)| *port == at.on.0.port());
    here.flat_map(|(_, asks, id)| asks.pauses.into_iter().map(move |pause| (pause, id))).collect()
}
