//! When the banner comes: banner-slow, banner-timeout, dnsbl-timeout, dnsbl-slow.

use maildoctor_wire::dialogue::End;
use maildoctor_wire::wording::named_zone;

use super::super::host::{configured, exempt};
use super::super::vantage::sights::{Sight, sights};
use super::super::ways::{banner_wait, called, sources};
use super::super::{At, Basis, Found, Key, Rule, Share, State, Told, services};
use crate::case::{ObsId, Seen, Span, Why};
use crate::questions::dns::{ListEntry, RecordType, ReverseNames, Via};
use crate::questions::host::asks::Stage;
use crate::questions::host::lookups::Lookups;
use crate::questions::smtp::{BannerView, FIRST, FRESH, Rcpt, SECOND};
use crate::questions::tcp::Role;
use crate::questions::xclient::BY_XCLIENT;
use crate::subject::{Addr, Kind, Service, Zone};

const MX: &[Role] = &[Role::Smtp];
const ALL: &[Role] = &[Role::Smtp, Role::Submission, Role::Smtps];

pub(super) const RULES: &[Rule] = &[
    Rule::service(&["banner-slow"], ALL, slow),
    Rule::service(&["banner-timeout"], ALL, timeout),
    Rule::zone(&["dnsbl-timeout"], list_silent),
    Rule::zone(&["dnsbl-slow"], list_slow),
];

pub(super) use super::super::vantage::sights::SLOW_MS;

/// A reply that came sooner than this waited for nothing that could be laid over it.
pub(in super::super) const WAITED_MS: u64 = 1500;

/// What is answered within this time is none of the suspects, in milliseconds.
pub(super) const SUSPECT_MS: u64 = 1000;

/// From here on the answer of a blacklist is slow.
const LIST_SLOW_MS: u64 = 2000;

fn slow(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let banner = slower(at)?;
    let wait = banner.wire.exchange.wait_ms();
    if wait < SLOW_MS {
        return exempt(at, &[Stage::Screen, Stage::Connect]).map_or(Ok(State::Clear), Err);
    }
    let second = at.ask(&SECOND).ok().map(|s| (s.wire.exchange.wait_ms(), s.wire.exchange.end));
    let again = match second {
        Some((ms, End::TimedOut)) => {
            format!("; a second visit was not greeted at once either ({:.1} s)", ms as f64 / 1000.0)
        }
        Some((ms, End::Complete)) if ms * 4 < wait => {
            format!("; a second visit was answered after {ms} ms, so the first lookup is kept in a cache")
        }
        Some((ms, End::Complete)) => format!("; a second visit waited {:.1} s as well", ms as f64 / 1000.0),
        Some(_) | None => String::new(),
    };
    let suspect = likelier_suspect(at);
    let to_whom = match (banner.wire.source, everywhere(at)) {
        (Some(source), _) => format!(" for {source}, an address that it had not seen before"),
        (None, true) => " from every place".to_owned(),
        (None, false) => String::new(),
    };
    let shape = resolver_shape(wait).map(|text| format!(" ({text})")).unwrap_or_default();
    found
        .is(Key::Named("banner wait".to_owned()))
        .says(format!(
            "the banner of {} comes after {:.1} s{to_whom}{shape}{again}{suspect}",
            called(at.case, &at.on, &at.from),
            wait as f64 / 1000.0
        ))
        .detail("address", at.on.0.ip().to_string())
        .detail("delay_ms", wait)
        .witnessed(banner.id())
        .owes_wait(banner.id(), banner_wait(&banner));
    found.state()
}

/// The greeting that came latest: of the first visit, or of one from an address that the server had not seen.
fn slower<'c>(at: &At<'c, Service>) -> Result<Seen<'c, BannerView>, Why> {
    let first = at.ask(&FIRST)?;
    first.need(|banner| banner.reply())?;
    let fresh = [FRESH, BY_XCLIENT].into_iter().filter_map(|visit| at.ask(&visit).ok());
    let later = fresh.filter(|fresh| fresh.reply().is_some()).chain([first]);
    Ok(later.max_by_key(|banner| banner.wire.exchange.wait_ms()).unwrap_or(first))
}

/// Whether several places wait alike.
fn everywhere(at: &At<'_, Service>) -> bool {
    let waits: Vec<u64> = sights(at.case, &at.on).iter().filter_map(Sight::wait_ms).collect();
    waits.len() > 1 && waits.iter().all(|wait| *wait >= SLOW_MS)
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
        return found.state();
    }
    // A connection that was cut says nothing of how long there would have been silence.
    banner.need(|banner| banner.reply())?;
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
            if seen.rcode().is_none() {
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
    let told = lay_over(at, found, |dns, _| dns.unanswered(), "does not answer within");
    let by_settings = silent_by_settings(at, found);
    // Either way tells enough.
    if by_settings { found.state() } else { told }
}

/// Lays a list that the server's settings name, and whose test entry gets no answer, over what was waited for from where
/// it is asked: nobody captured that it was waited for. Gives whether the list answers or not is known.
fn silent_by_settings(at: &At<'_, Zone>, found: &mut Found<'_>) -> bool {
    let captured = at.case.every::<Lookups>().next().is_some();
    let Some((list, settings)) = configured(at.case, at.on.as_str()).filter(|_| !captured) else { return false };
    let subject = at.on.clone().into();
    let entries: Vec<_> = at.case.every::<ListEntry>().filter(|seen| seen.observation().subject == subject).collect();
    entries.iter().for_each(|seen| at.note(seen.id()));
    if entries.is_empty() || !entries.iter().all(|seen| seen.unanswered()) {
        return !entries.is_empty();
    }
    let waits: Vec<(Service, ObsId)> = services(at.case, ALL, &at.from, false)
        .into_iter()
        .flat_map(|service| waited_for(at, service, list.stage).into_iter().map(move |id| (service, id)))
        .collect();
    if waits.is_empty() {
        entries.iter().for_each(|seen| found.missed(Why::Denied(seen.id())));
        return true;
    }
    let finding = found
        .may_be(at.on.clone())
        .says(format!(
            "the blacklist {}, which {} names, does not answer: clients wait for it {}",
            at.on,
            list.place.in_words(),
            list.stage.in_words()
        ))
        .detail("zone", at.on.as_str())
        .stands_at(&list.place)
        .also(at.on.clone())
        .proof(settings, Basis::OwnMeasure);
    for seen in &entries {
        finding.detail("delay_ms", seen.observation().took_ms).proof(seen.id(), Basis::OwnMeasure);
    }
    for (service, id) in waits {
        // How long the server's resolver is patient is not known here.
        finding.also(service).claims(id, Share::Whole, Basis::OwnMeasure);
    }
    true
}

/// The waits of our session with a service at a stage that were long enough to be somebody's.
fn waited_for(at: &At<'_, Zone>, service: Service, stage: Stage) -> Vec<ObsId> {
    let long = |wait: Span| wait.length_ms() >= WAITED_MS;
    match stage {
        Stage::Screen => Vec::new(),
        Stage::Connect => {
            let banner = at.ask_of(&FIRST, &service).ok().filter(|banner| long(banner_wait(banner)));
            banner.map(|banner| banner.id()).into_iter().collect()
        }
        _ => {
            let rcpts = at.case.every::<Rcpt>().map(|rcpt| rcpt.observation());
            let of_it = rcpts.filter(|rcpt| rcpt.subject == service.into() && rcpt.vantage == at.from);
            of_it.filter(|rcpt| long(rcpt.span())).map(|rcpt| rcpt.id).collect()
        }
    }
}

fn list_slow(at: &At<'_, Zone>, found: &mut Found<'_>) -> Told {
    lay_over(at, found, |dns, took| dns.rcode().is_some() && took >= LIST_SLOW_MS, "takes")
}
