//! What a client that the server does not know would wait for, as Exim's own rehearsal of a connection shows it: dnsbl-timeout,
//! dnsbl-slow and banner-greet-delay, also where our own address is let pass.
//!
//! The rehearsal asks by the resolver of this machine. A list is to blame for what it took there only where its test entry is late
//! for us as well, and that resolver answers others.

use super::super::host::{configured, stands_here};
use super::super::ways::{banner_wait, called};
use super::super::{At, Basis, Found, Key, Rule, Share, State, Told};
use super::captured::{COSTLY_MS, SLOW_MS};
use super::waits::{SLOW_MS as SLOW_BANNER_MS, WAITED_MS};
use crate::case::{Case, ObsId, Seen, Span, Why};
use crate::questions::dns::{Dns, Followed, ListEntry, Records};
use crate::questions::host::lookups::Lookups;
use crate::questions::host::rehearsal::{ListAsked, Rehearsal, RehearsalWire};
use crate::questions::smtp::FIRST;
use crate::questions::tcp::Role;
use crate::subject::{Service, Subject, Zone};

const MX: &[Role] = &[Role::Smtp];

pub(super) const RULES: &[Rule] =
    &[Rule::service(&["dnsbl-timeout", "dnsbl-slow"], MX, lists), Rule::service(&["banner-greet-delay"], MX, pauses)];

/// The rehearsals of the server that a service is of.
fn heard<'c>(at: &At<'c, Service>) -> Vec<Seen<'c, RehearsalWire>> {
    let here = stands_here(at);
    at.case.every::<Rehearsal>().filter(|_| here).inspect(|seen| at.note(seen.id())).collect()
}

/// Whether a list took so long that it is worth naming.
fn costly(asked: &ListAsked<'_>) -> bool {
    asked.span.length_ms() >= if asked.failed { COSTLY_MS } else { SLOW_MS }
}

/// Whether a rehearsal of a stranger's connection came by a list, and did not wait for it.
pub(in super::super) fn passes(case: &Case, zone: &str) -> bool {
    let quick = |asked: &ListAsked<'_>| asked.zone == zone && !costly(asked);
    case.every::<Rehearsal>().any(|heard| heard.lists().iter().any(quick))
}

fn lists(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let heard = heard(at);
    for (seen, asked) in heard.iter().flat_map(|seen| seen.lists().into_iter().map(move |asked| (seen, asked))) {
        let took = asked.span.length_ms();
        let zone = Zone::new(asked.zone);
        // A list that only welcomes, or is asked for a domain, is waited for all the same.
        let Some((list, settings)) = configured(at.case, zone.as_str()) else { continue };
        if !costly(&asked) {
            continue;
        }
        let Some(own) = late_for_us(at, &zone) else {
            found.missed(Why::Blocked(seen.id()));
            continue;
        };
        let (code, how) = if asked.failed { ("dnsbl-timeout", "does not answer") } else { ("dnsbl-slow", "is slow") };
        let finding = found
            .is_a(code, zone.clone())
            .says(format!(
                "a client that {} does not know waits {:.1} s before the banner for the blacklist {zone}, which {how}; it stands in {}",
                called(at.case, &at.on, &at.from),
                took as f64 / 1000.0,
                list.place.in_words()
            ))
            .detail("zone", zone.as_str())
            .detail("delay_ms", took)
            .stands_at(&list.place)
            .also(zone)
            .proof(settings, Basis::OwnMeasure)
            .proof(seen.id(), Basis::OwnMeasure);
        for id in own {
            finding.proof(id, Basis::OwnMeasure);
        }
        if let Some((id, span)) = of_our_banner(at, &asked) {
            finding.claims(id, Share::Of(span), Basis::OwnMeasure);
        }
    }
    if heard.is_empty() { Ok(State::NotApplicable) } else { found.state() }
}

/// The answers for the test entries of a list, where all were late or did not come and their resolver answers others.
fn late_for_us(at: &At<'_, Service>, zone: &Zone) -> Option<Vec<ObsId>> {
    let subject = Subject::from(zone.clone());
    let entries: Vec<_> = at.case.every::<ListEntry>().filter(|seen| seen.observation().subject == subject).collect();
    let late = |seen: &Seen<'_, Dns>| seen.rcode().is_none() || seen.observation().took_ms >= SLOW_MS;
    let server = entries.first()?.wire.server;
    let answers = |seen: Seen<'_, Dns>| seen.wire.server == server && seen.definite().is_some();
    let alive = at.case.every::<Records>().any(answers)
        || at.case.every::<Followed>().any(answers)
        || at.case.every::<ListEntry>().any(answers);
    (alive && entries.iter().all(late)).then(|| entries.iter().map(Seen::id).collect())
}

/// The part of our own wait that a list took, where nobody captured what it was spent on.
fn of_our_banner(at: &At<'_, Service>, asked: &ListAsked<'_>) -> Option<(ObsId, Span)> {
    let banner = at.ask(&FIRST).ok().filter(|_| at.case.every::<Lookups>().next().is_none())?;
    let wait = banner_wait(&banner);
    let shifted = Span {
        from_ms: wait.from_ms.saturating_add(asked.span.from_ms),
        to_ms: wait.from_ms.saturating_add(asked.span.to_ms),
    };
    let share = shifted.within(wait).filter(|_| wait.length_ms() >= WAITED_MS)?;
    Some((banner.id(), share))
}

fn pauses(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let heard = heard(at);
    for seen in &heard {
        let pauses = seen.pauses();
        let took: u64 = pauses.iter().map(|pause| pause.ms).sum();
        let ours = at.ask(&FIRST).ok().map(|banner| banner_wait(&banner).length_ms());
        // What we were made to wait for ourselves, the wait itself shows.
        if let Some(longest) = pauses.iter().max_by_key(|pause| pause.ms)
            && took >= SLOW_BANNER_MS
            && ours.is_some_and(|ours| ours < took)
        {
            found
                .is(Key::Named("greet delay".to_owned()))
                .says(format!(
                    "{} holds its banner back for {:.1} s on purpose from a client that it does not know; it stands in {}",
                    called(at.case, &at.on, &at.from),
                    took as f64 / 1000.0,
                    longest.place.in_words()
                ))
                .detail("address", at.on.0.ip().to_string())
                .detail("delay_ms", took)
                .stands_at(&longest.place)
                .proof(seen.id(), Basis::Witnessed);
        }
    }
    if heard.is_empty() { Ok(State::NotApplicable) } else { found.state() }
}
