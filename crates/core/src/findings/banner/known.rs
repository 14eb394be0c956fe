//! client-whitelisted-or-cached: a banner that is quick only for a client that the server knows.
//!
//! It shows where one place is greeted quickly and another one slowly, or one address of a place and another one. A cache
//! is told from a whitelist by an address that the server has never seen, which no cache can hold, and by time: what a
//! second visit from the slow place costs.

use maildoctor_wire::dialogue::End;

use super::super::vantage::sights::{Sight, sights, slow_and_quick};
use super::super::ways::{called, sources};
use super::super::{At, Basis, Found, Rule, Share, State, Told};
use super::waits::{SLOW_MS, SUSPECT_MS};
use crate::case::{Seen, Skip, Why};
use crate::questions::dns::{ReverseNames, Via};
use crate::questions::length;
use crate::questions::smtp::{Banner, BannerView, FIRST, FRESH, FRESH_AGAIN, SECOND};
use crate::questions::tcp::Role;
use crate::subject::{Addr, Service, VantageId};

pub(super) const RULES: &[Rule] =
    &[Rule::service(&["client-whitelisted-or-cached"], &[Role::Smtp], known).over_all_vantages()];

/// Where neither can be excluded.
const EITHER: &str = "whitelisted or cached";

/// Why a place is greeted quickly, as far as it can be told.
struct Standing {
    /// `whitelisted`, `cached`, or [`EITHER`].
    what: &'static str,
    /// How that is known, as a sentence part.
    because: String,
}

fn known(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let sights = sights(at.case, &at.on);
    let waited: Vec<&Sight<'_>> = sights.iter().filter(|sight| sight.wait_ms().is_some()).collect();
    waited.iter().filter_map(|sight| sight.banner).for_each(|banner| at.note(banner.id()));
    let fresh: Vec<_> = at.case.vantage_ids().filter_map(|from| from_elsewhere(at, &from)).collect();
    if waited.len() < 2 && fresh.is_empty() {
        return Err(Why::Skipped(Skip {
            because: "whether the banner is quick for strangers too is only seen from a second place or address"
                .to_owned(),
            option: String::new(),
        }));
    }
    match slow_and_quick(&sights) {
        Some((slow, quick)) => {
            let slow: Vec<&Sight<'_>> = slow.into_iter().filter(|sight| !slow_name(at, &sight.from)).collect();
            two_places(at, found, &slow, &quick);
        }
        None => fresh.iter().for_each(|(from, usual, new)| two_addresses(at, found, from, usual, new)),
    }
    found.state().or(Ok(State::Clear))
}

/// The greetings of one place by its usual address and by one that the server had not seen.
fn from_elsewhere<'c>(
    at: &At<'c, Service>,
    from: &VantageId,
) -> Option<(VantageId, Seen<'c, BannerView>, Seen<'c, BannerView>)> {
    let whole = |question: &Banner| at.ask_from(question, &at.on, from).ok().filter(|banner| banner.reply().is_some());
    Some((from.clone(), whole(&FIRST)?, whole(&FRESH)?))
}

/// Whether the reverse name of a place's own address is slow for us as well: then the server waits for that, and it need
/// know nobody else.
fn slow_name(at: &At<'_, Service>, from: &VantageId) -> bool {
    let asked = sources(at.case, from)
        .into_iter()
        .filter_map(|source| at.ask_from(&ReverseNames { via: Via::Own }, &Addr(source), from).ok());
    asked.into_iter().any(|name| name.observation().took_ms >= SUSPECT_MS)
}

fn two_addresses(
    at: &At<'_, Service>,
    found: &mut Found<'_>,
    from: &VantageId,
    usual: &Seen<'_, BannerView>,
    new: &Seen<'_, BannerView>,
) {
    let (quick, slow) = (usual.wire.exchange.wait_ms(), new.wire.exchange.wait_ms());
    let Some(source) = new.wire.source.filter(|_| slow >= SLOW_MS && quick.saturating_mul(4) < slow) else { return };
    let again = at.ask_from(&FRESH_AGAIN, &at.on, from).ok().filter(tells);
    let Standing { what, because } = match again.map(|b| (b.wire.exchange.wait_ms(), came_at_once(&b, slow))) {
        Some((again, true)) => Standing {
            what: "cached",
            because: format!("for a second visit from {source} is greeted after {}", length(again)),
        },
        Some((again, false)) => Standing {
            what: "whitelisted",
            because: format!("for a second visit from {source} waits {} again, so nothing is cached", length(again)),
        },
        None => Standing { what: EITHER, because: "and a second visit from there would tell".to_owned() },
    };
    let finding = found
        .is(at.on)
        .says(format!(
            "{} greets the usual address of {from} after {} and {source}, an address of the same place that it had not seen before, after {}: it knows the one and looks up the other; the usual one is {what}, {because}",
            called(at.case, &at.on, from),
            length(quick),
            length(slow)
        ))
        .detail("address", at.on.0.ip().to_string())
        .detail("delay_ms", slow)
        .detail("vantage", format!("{from} by {source}"))
        .detail("standing", what)
        .witnessed(usual.id())
        .witnessed(new.id());
    if let Some(again) = again {
        finding.witnessed(again.id());
    }
}

fn two_places(at: &At<'_, Service>, found: &mut Found<'_>, slow: &[&Sight<'_>], quick: &[&Sight<'_>]) {
    let worst = slow.iter().filter_map(|sight| sight.wait_ms()).max();
    let (Some(delay), false) = (worst, quick.is_empty()) else { return };
    let standing = standing(at, slow, quick);
    let list = |sights: &[&Sight<'_>]| {
        let each = |sight: &&Sight<'_>| format!("{} after {}", sight.from, length(sight.wait_ms().unwrap_or_default()));
        sights.iter().map(each).collect::<Vec<_>>().join(" and ")
    };
    let places = |sights: &[&Sight<'_>]| sights.iter().map(|s| s.from.to_string()).collect::<Vec<_>>().join(", ");
    let finding = found
        .is(at.on)
        .says(format!(
            "{} greets {} and {}: it knows the one and looks up the other; {} is {}, {}",
            called(at.case, &at.on, &at.from),
            list(quick),
            list(slow),
            places(quick),
            standing.what,
            standing.because
        ))
        .detail("address", at.on.0.ip().to_string())
        .detail("delay_ms", delay)
        .detail("vantage", places(slow))
        .detail("standing", standing.what);
    for banner in quick.iter().chain(slow).filter_map(|sight| sight.banner) {
        finding.witnessed(banner.id());
    }
    for banner in slow.iter().filter_map(|sight| sight.banner) {
        finding.claims(banner.id(), Share::Whole, Basis::Witnessed);
    }
}

/// Tells a cache from a whitelist.
fn standing(at: &At<'_, Service>, slow: &[&Sight<'_>], quick: &[&Sight<'_>]) -> Standing {
    let fresh = quick.iter().find_map(|sight| from_elsewhere(at, &sight.from)).map(|(_, _, new)| new.view());
    let second = slow.iter().find_map(|sight| {
        let again = at.ask_from(&SECOND, &at.on, &sight.from).ok().filter(tells)?;
        Some((&sight.from, again.wire.exchange.wait_ms(), came_at_once(&again, sight.wait_ms()?)))
    });
    let source = |new: &BannerView| new.wire.source.map_or_else(String::new, |ip| ip.to_string());
    match (fresh, second) {
        (Some(new), _) if new.wire.exchange.wait_ms().saturating_mul(4) < SLOW_MS => Standing {
            what: "whitelisted",
            because: format!(
                "for {}, an address of the same network that it had never seen, is greeted after {} as well, and no cache holds that",
                source(new),
                length(new.wire.exchange.wait_ms())
            ),
        },
        (_, Some((from, again, false))) => Standing {
            what: "whitelisted",
            because: format!("for a second visit from {from} waits {} again, so nothing is cached", length(again)),
        },
        (Some(new), Some((from, again, true))) => Standing {
            what: "cached",
            because: format!(
                "for {}, which it had never seen, waits {}, and a second visit from {from} is greeted after {}",
                source(new),
                length(new.wire.exchange.wait_ms()),
                length(again)
            ),
        },
        (None, Some((from, again, true))) => Standing {
            what: EITHER,
            because: format!(
                "for a second visit from {from} is greeted after {}, so what it looks up is kept for a while; an address that it has never seen (--bind) would tell",
                length(again)
            ),
        },
        (_, None) => Standing {
            what: EITHER,
            because: "and a second visit, or an address that it has never seen (--bind), would tell".to_owned(),
        },
    }
}

/// Whether a second visit was waited for until it showed something: a greeting, or that none comes at once.
fn tells(again: &Seen<'_, BannerView>) -> bool {
    again.reply().is_some() || again.wire.exchange.end == End::TimedOut
}

/// Whether a second visit was greeted quickly beside the first, in milliseconds.
fn came_at_once(again: &Seen<'_, BannerView>, first_ms: u64) -> bool {
    again.reply().is_some() && again.wire.exchange.wait_ms().saturating_mul(4) < first_ms
}
