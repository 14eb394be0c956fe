//! When the banner comes: banner-slow, banner-timeout, dnsbl-timeout, dnsbl-slow,
//! client-whitelisted-or-cached.

use maildoctor_wire::dialogue::End;
use maildoctor_wire::wording::named_zone;

use super::super::host::exempt;
use super::super::ways::{banner_wait, called, sources};
use super::super::{At, Basis, Found, Key, Rule, Share, State, Told, services};
use crate::case::{Skip, Span, Why};
use crate::questions::dns::{ListEntry, RecordType, ReverseNames, Via};
use crate::questions::host::asks::Stage;
use crate::questions::host::lookups::Lookups;
use crate::questions::smtp::{FIRST, Rcpt, SECOND};
use crate::questions::tcp::Role;
use crate::subject::{Addr, Kind, Service, Zone};

const MX: &[Role] = &[Role::Smtp];
const ALL: &[Role] = &[Role::Smtp, Role::Submission, Role::Smtps];

pub(super) const RULES: &[Rule] = &[
    Rule::service(&["banner-slow"], ALL, slow),
    Rule::service(&["banner-timeout"], ALL, timeout),
    Rule::zone(&["dnsbl-timeout"], list_silent),
    Rule::zone(&["dnsbl-slow"], list_slow),
    Rule::service(&["client-whitelisted-or-cached"], MX, whitelisted).over_all_vantages(),
];

/// From here on a banner is slow.
const SLOW_MS: u64 = 5000;

/// A reply that came sooner than this waited for nothing that could be laid over it.
pub(in super::super) const WAITED_MS: u64 = 1500;

/// What is answered within this time is none of the suspects, in milliseconds.
pub(super) const SUSPECT_MS: u64 = 1000;

/// From here on the answer of a blacklist is slow.
const LIST_SLOW_MS: u64 = 2000;

fn slow(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let banner = at.ask(&FIRST)?;
    let wait = banner.wire.exchange.wait_ms();
    banner.need(|b| b.reply())?;
    if wait < SLOW_MS {
        return exempt(at, &[Stage::Screen, Stage::Connect]).map_or(Ok(State::Clear), Err);
    }
    let second = at.ask(&SECOND).ok().filter(|s| s.reply().is_some()).map(|s| s.wire.exchange.wait_ms());
    let again = match second {
        Some(ms) if ms * 4 < wait => {
            format!("; a second visit was answered after {ms} ms, so the first lookup is kept in a cache")
        }
        Some(ms) => format!("; a second visit waited {:.1} s as well", ms as f64 / 1000.0),
        None => String::new(),
    };
    let suspect = likelier_suspect(at);
    let shape = resolver_shape(wait).map(|text| format!(" ({text})")).unwrap_or_default();
    found
        .is(Key::Named("banner wait".to_owned()))
        .says(format!(
            "the banner of {} comes after {:.1} s{shape}{again}{suspect}",
            called(at.case, &at.on, &at.from),
            wait as f64 / 1000.0
        ))
        .detail("address", at.on.0.ip().to_string())
        .detail("delay_ms", wait)
        .witnessed(banner.id())
        .owes_wait(banner.id(), banner_wait(&banner));
    let from_the_host = at.case.terms.gives("--on-host");
    if !from_the_host && at.case.every::<Lookups>().next().is_none() {
        found.suggest_with(
            "banner-slow",
            "the same on the server itself, as root, shows which lookup it waits for, and proves it",
            "--on-host",
        );
    }
    if at.case.every::<ListEntry>().next().is_none() {
        found.suggest_with(
            "banner-slow",
            "time the blacklists that servers commonly ask: one that does not answer for us keeps the server waiting too",
            "--dnsbl=zen.spamhaus.org,bl.spamcop.net,b.barracudacentral.org",
        );
    }
    found.state()
}

/// Which of the two usual suspects, reverse DNS and blacklists, is the likelier seen from here; nothing where
/// one of them is slow for us as well, for then it has a finding of its own, or where we do not know.
fn likelier_suspect(at: &At<'_, Service>) -> String {
    let quick = |took: u64| took < SUSPECT_MS;
    let names: Vec<u64> = sources(at.case, &at.from)
        .into_iter()
        .filter_map(|source| at.ask_of(&ReverseNames { via: Via::Own }, &Addr(source)).ok())
        .map(|seen| seen.observation().took_ms)
        .collect();
    let lists: Vec<u64> = at.case.every::<ListEntry>().map(|seen| seen.observation().took_ms).collect();
    let Some(name) = names.iter().max().copied().filter(|took| quick(*took)) else { return String::new() };
    match lists.iter().max() {
        None => format!(
            "; of the usual suspects a blacklist is the likelier, for the reverse name of our address is answered in {name} ms"
        ),
        Some(list) if quick(*list) => format!(
            "; neither the reverse name of our address ({name} ms) nor the blacklists that were asked ({list} ms) are slow for us, so it is another list, or the server's own resolver"
        ),
        Some(_) => String::new(),
    }
}

/// Whether a wait is that of a resolver's usual time-outs: 5 s a try, and what libc, BIND and Windows make of it.
fn resolver_shape(wait_ms: u64) -> Option<&'static str> {
    [
        (5_000, "as long as one try of a libc resolver"),
        (10_000, "as long as two tries of a libc resolver"),
        (15_000, "as long as three tries of a resolver"),
        (20_000, "as long as two servers with two tries each"),
        (30_000, "as long as three servers with two tries each"),
    ]
    .into_iter()
    .find(|(typical, _)| wait_ms >= *typical && wait_ms < typical + 700)
    .map(|(_, text)| text)
}

fn timeout(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let banner = at.ask(&FIRST)?;
    if banner.wire.exchange.end == End::TimedOut {
        let waited = banner.observation().took_ms;
        found
            .is(Key::Named("silent banner".to_owned()))
            .says(format!(
                "{} takes the connection and says nothing for {:.0} s",
                called(at.case, &at.on, &at.from),
                waited as f64 / 1000.0
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("waited_ms", waited)
            .witnessed(banner.id())
            .owes_step(banner.id())
            .claims(banner.id(), Share::Whole, Basis::Witnessed);
    }
    found.state()
}

/// Lays what a list costs us over every banner and RCPT reply that was waited for.
fn lay_over(
    at: &At<'_, Zone>,
    found: &mut Found<'_>,
    fits: impl Fn(&crate::questions::dns::Dns, u64) -> bool,
    words: &str,
) -> Told {
    let own = sources(at.case, &at.from);
    if own.is_empty() {
        return Err(Why::NotPlanned);
    }
    greeted_by_any(at)?;
    for source in own {
        // A zone that only the server asks was never to be asked by us.
        let asked = at.ask(&ListEntry { address: source, rtype: RecordType::A, via: Via::Own });
        let seen = asked.map_err(|why| if matches!(why, Why::Skipped(_)) { Why::NotPlanned } else { why })?;
        let took = seen.observation().took_ms;
        if !fits(&seen, took) {
            // A resolver that cannot be asked says nothing of a list.
            if seen.rcode().is_none() && !seen.unanswered() {
                found.missed(Why::Failed(seen.id()));
            }
            continue;
        }
        // From outside nobody knows which lists a server asks, unless it names them.
        let basis = if named_by_server(at) { Basis::OwnMeasure } else { Basis::Pattern };
        let finding = found
            .may_be(at.on.clone())
            .says(format!(
                "the blacklist {} {words} {:.1} s for our address, and servers that ask it before they greet wait for it",
                at.on,
                took as f64 / 1000.0
            ))
            .detail("zone", at.on.as_str())
            .detail("delay_ms", took)
            .also(at.on.clone())
            .proof(seen.id(), Basis::OwnMeasure);
        for service in services(at.case, ALL, &at.from, false) {
            let banner = at.ask_of(&FIRST, &service).ok().map(|b| (b.id(), banner_wait(&b)));
            let rcpts = at
                .case
                .every::<Rcpt>()
                .filter(|r| r.observation().subject == service.into() && r.observation().vantage == at.from)
                .map(|r| (r.id(), r.observation().span()));
            for (id, wait) in banner.into_iter().chain(rcpts).filter(|(_, wait)| wait.length_ms() >= WAITED_MS) {
                let share = Span { from_ms: wait.from_ms, to_ms: wait.from_ms.saturating_add(took) };
                finding.also(service).claims(id, Share::Of(share), basis);
            }
        }
    }
    found.state()
}

/// That some exchanger was waited for until it greeted: without that, nobody knows what any waits for.
pub(in super::super) fn greeted_by_any<K: Kind>(at: &At<'_, K>) -> Result<(), Why> {
    let mut why = Why::NotPlanned;
    for service in services(at.case, MX, &at.from, false) {
        match at.ask_of(&FIRST, &service) {
            Ok(_) => return Ok(()),
            Err(this) => why = why.min(this),
        }
    }
    Err(why)
}

/// Whether some reply of a server names the zone.
fn named_by_server(at: &At<'_, Zone>) -> bool {
    let replies = at.case.every::<Rcpt>().filter_map(|r| r.view().reply());
    let banners = at.case.every::<crate::questions::smtp::Banner>().filter_map(|b| b.view().reply());
    replies.chain(banners).any(|reply| named_zone(&reply.text()).is_some_and(|zone| zone == at.on.as_str()))
}

fn list_silent(at: &At<'_, Zone>, found: &mut Found<'_>) -> Told {
    lay_over(at, found, |dns, _| dns.unanswered(), "does not answer within")
}

fn list_slow(at: &At<'_, Zone>, found: &mut Found<'_>) -> Told {
    lay_over(at, found, |dns, took| dns.rcode().is_some() && took >= LIST_SLOW_MS, "takes")
}

fn whitelisted(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let mut waits = Vec::new();
    for from in at.case.vantage_ids() {
        if let Ok(banner) = at.ask_from(&FIRST, &at.on, &from)
            && banner.reply().is_some()
        {
            waits.push((from, banner.wire.exchange.wait_ms(), banner.id()));
        }
    }
    if waits.len() < 2 {
        return Err(Why::Skipped(Skip {
            because: "whether the banner is quick for strangers too is only seen from a second place".to_owned(),
            option: String::new(),
        }));
    }
    let quick = waits.iter().min_by_key(|w| w.1);
    let slow = waits.iter().max_by_key(|w| w.1);
    if let (Some(quick), Some(slow)) = (quick, slow)
        && slow.1 >= SLOW_MS
        && quick.1 * 4 < slow.1
    {
        found
            .is(at.on)
            .says(format!(
                "{} greets {} after {} ms and {} after {:.1} s: it knows the one and looks up the other",
                called(at.case, &at.on, &at.from),
                quick.0,
                quick.1,
                slow.0,
                slow.1 as f64 / 1000.0
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("delay_ms", slow.1)
            .detail("vantage", slow.0.to_string())
            .witnessed(quick.2)
            .witnessed(slow.2)
            .claims(slow.2, Share::Whole, Basis::Witnessed);
    }
    found.state().or(Ok(State::Clear))
}
