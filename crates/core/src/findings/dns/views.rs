//! The three views of a domain's mail exchangers held against each other: the resolver here, the resolvers out there, and
//! the authoritative servers. mx-split-horizon and mx-stale-cache are told apart here.

use std::collections::BTreeSet;

use super::super::ways::{claims_every_mx, foreign_mx, own_mx, target_rcpt, ways};
use super::super::{At, Basis, Finding, Found, Rule, Share, State, Told};
use super::authority::{Zone, question};
use crate::case::{ObsId, Seen, Why};
use crate::questions::dns::walk::{Again, Standing};
use crate::questions::dns::{Data, Dns, DnsResult, RecordType, Records, Transport, Via, same_name};
use crate::questions::tcp::Connect;
use crate::subject::{Domain, Host, Resolver};

pub(super) const RULES: &[Rule] = &[
    Rule::domain(&["mx-split-horizon"], split_horizon),
    Rule::domain(&["mx-stale-cache"], stale_cache).over_all_vantages(),
];

/// TTLs are whole seconds: two questions nearer than this show nothing.
const APART_MS: u64 = 1500;

/// Preference and host of each MX.
pub(in super::super) type MxSet = BTreeSet<(u16, String)>;

/// The MX set of a definite answer.
pub(in super::super) fn mx_set(answer: &Dns) -> Option<MxSet> {
    let answer = answer.definite()?;
    Some(answer.mx().into_iter().map(|(preference, host)| (preference, host.to_ascii_lowercase())).collect())
}

/// An MX set in words.
pub(in super::super) fn called(set: &MxSet) -> String {
    match set.iter().map(|(preference, host)| format!("{preference} {host}")).collect::<Vec<_>>() {
        none if none.is_empty() => "no MX".to_owned(),
        some => some.join(", "),
    }
}

/// Claims what failed at exchangers that only a wrong answer names.
pub(super) fn claims_ways<'h>(finding: &mut Finding, at: &At<'_, Domain>, hosts: impl Iterator<Item = &'h str>) {
    for host in hosts.filter(|host| !host.is_empty()) {
        for way in ways(at.case, &Host::new(host), &at.from) {
            if let Ok(connect) = at.ask_of(&Connect, &way) {
                finding.claims(connect.id(), Share::Whole, Basis::Witnessed);
            }
            if let Ok(rcpt) = target_rcpt(&At::new(at.case, way, at.from.clone())) {
                finding.claims(rcpt.id(), Share::Whole, Basis::Witnessed);
            }
        }
    }
}

/// What the authoritative servers say of the domain's exchangers.
pub(super) struct Published<'c> {
    /// Every set that any of them gives: more than one where they disagree.
    pub(super) sets: BTreeSet<MxSet>,
    /// What shows it.
    pub(super) shown: Vec<ObsId>,
    zone: Zone<'c>,
}

/// The authoritative servers' view; `None` where there is none that serves the domain.
pub(super) fn published<'c>(at: &At<'c, Domain>) -> Option<Published<'c>> {
    let zone = Zone::of(at).ok().flatten()?;
    let (mut sets, mut shown) = (BTreeSet::new(), Vec::new());
    for server in zone.serving() {
        let mut asked = question(&zone.cut.zone, RecordType::Mx, server.at, Transport::Udp);
        asked.name = at.on.as_str().to_owned();
        if let Ok(mx) = at.ask_of(&asked, &zone.cut.domain())
            && let Some(set) = mx_set(&mx).filter(|_| mx.authoritative())
        {
            sets.insert(set);
            shown.push(mx.id());
        }
    }
    (!sets.is_empty()).then_some(Published { sets, shown, zone })
}

/// How the TTL of a resolver's answer behaves from one question to the next.
enum Ageing {
    /// It counts down: the answer comes out of a cache.
    Counts(Vec<ObsId>),
    /// It stays as it is: the resolver holds the records itself.
    Still(Vec<ObsId>),
    /// It was not asked twice, far enough apart.
    Unknown,
}

fn ageing(at: &At<'_, Domain>, via: Via) -> Ageing {
    let rtype = RecordType::Mx;
    let mut points: Vec<(u64, u32, ObsId)> = [
        at.ask(&Records { rtype, via }),
        at.ask(&Again { rtype, via, turn: 1 }),
        at.ask(&Again { rtype, via, turn: 2 }),
    ]
    .into_iter()
    .flatten()
    .filter_map(|seen| Some((seen.observation().span().to_ms, ttl(&seen)?, seen.id())))
    .collect();
    points.sort();
    match (points.first(), points.last()) {
        (Some(first), Some(last)) if last.0.saturating_sub(first.0) >= APART_MS => {
            let shown = vec![first.2, last.2];
            if last.1 < first.1 { Ageing::Counts(shown) } else { Ageing::Still(shown) }
        }
        _ => Ageing::Unknown,
    }
}

/// The TTL of the answer: of its MX records, or of the SOA that says that there are none (RFC 2308).
fn ttl(answer: &Dns) -> Option<u32> {
    let DnsResult::Answered { authority, .. } = &answer.wire.result else { return None };
    let negative = || authority.iter().find(|r| matches!(r.data, Data::Soa { .. })).map(|r| r.ttl);
    answer.ttl(|data| matches!(data, Data::Mx { .. })).or_else(negative)
}

/// Whether the zone that a resolver answers from is the published one, perhaps an older state of it: the SOA names the same
/// primary server, and no later serial number (RFC 1982).
fn same_zone(at: &At<'_, Domain>, via: Via, published: &Published<'_>) -> Result<bool, Why> {
    let soa = at.ask(&Records { rtype: RecordType::Soa, via })?;
    let DnsResult::Answered { answers, authority, .. } = &soa.wire.result else {
        return Err(Why::Denied(soa.id()));
    };
    let held = answers.iter().chain(authority).find_map(|r| match &r.data {
        Data::Soa { primary, serial, .. } => Some((primary, *serial)),
        _ => None,
    });
    let (primary, serial) = held.ok_or(Why::Denied(soa.id()))?;
    Ok(published.zone.serving().any(|server| match &server.standing {
        Standing::Serves { serial: now, primary: theirs } => {
            same_name(primary, theirs) && now.wrapping_sub(serial) < 1 << 31
        }
        _ => false,
    }))
}

fn stale_cache(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    let Some(published) = published(at) else {
        return Err(at.ask(&crate::questions::dns::walk::Walk).map_or_else(|why| why, |walk| Why::Denied(walk.id())));
    };
    let now = match published.sets.iter().collect::<Vec<_>>().as_slice() {
        [one] => (*one).clone(),
        // Which of them is the new one nobody knows; what one of them says is no memory of a resolver's.
        several => {
            let known = |seen: &Dns| mx_set(seen).is_some_and(|set| several.contains(&&set));
            let all = known(&own) && foreign_mx(at).iter().all(|seen| known(seen));
            let shown = published.shown.first().copied();
            return if all { Ok(State::Clear) } else { Err(shown.map_or(Why::NotPlanned, Why::Denied)) };
        }
    };
    let others = foreign_mx(at);
    for seen in std::iter::once(&own).chain(&others) {
        let via = if seen.id() == own.id() { Via::Own } else { Via::Foreign(seen.wire.server) };
        let Some(old) = mx_set(seen) else {
            found.missed(Why::Denied(seen.id()));
            continue;
        };
        if old == now {
            continue;
        }
        let shown = match ageing(at, via) {
            Ageing::Counts(shown) => shown,
            Ageing::Still(_) => continue,
            Ageing::Unknown => {
                found.missed(Why::Denied(seen.id()));
                continue;
            }
        };
        match same_zone(at, via, &published) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(why) => {
                found.missed(why);
                continue;
            }
        }
        let left = ttl(seen).unwrap_or_default();
        let finding = found
            .is(Resolver(seen.wire.server))
            .says(format!(
                "the resolver {} still answers {} for {} out of its memory, for {left} s more; the authoritative servers say {}",
                seen.wire.server,
                called(&old),
                at.on,
                called(&now)
            ))
            .detail("domain", at.on.as_str())
            .detail("resolver", seen.wire.server.ip().to_string())
            .detail("old", called(&old))
            .detail("now", called(&now))
            .detail("ttl", left)
            .also(Resolver(seen.wire.server))
            .witnessed(seen.id());
        for id in shown.into_iter().chain(published.shown.iter().copied()) {
            finding.witnessed(id);
        }
        let gone = old.iter().filter(|(_, host)| now.iter().all(|(_, h)| h != host)).map(|(_, host)| host.as_str());
        claims_ways(finding, at, gone);
        finding.claims(seen.id(), Share::Whole, Basis::Witnessed);
    }
    found.state()
}

/// What the resolvers of the other places answer, where the zone's own servers tell which of them sees what is published.
fn elsewhere<'c>(at: &At<'c, Domain>) -> Vec<Seen<'c, Dns>> {
    let own = |from| at.ask_from(&Records { rtype: RecordType::Mx, via: Via::Own }, &at.on, &from).ok();
    let others = at.case.vantage_ids().filter(|from| *from != at.from && published(at).is_some());
    others.filter_map(own).filter(|seen| mx_set(seen).is_some()).collect()
}

fn names(set: &MxSet) -> BTreeSet<String> {
    set.iter().map(|(_, host)| host.clone()).collect()
}

fn list(set: &BTreeSet<String>) -> String {
    if set.is_empty() { "no MX".to_owned() } else { set.iter().cloned().collect::<Vec<_>>().join(", ") }
}

fn split_horizon(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    let here = names(&own.need(mx_set)?);
    let mut others = foreign_mx(at);
    if others.is_empty() {
        others = elsewhere(at);
    }
    let different: Vec<&Seen<'_, Dns>> =
        others.iter().filter(|other| mx_set(other).is_some_and(|set| names(&set) != here)).collect();
    // One resolver of several that differs may hold an old answer; only where all agree it is another view.
    if different.len() < others.len() {
        return Ok(State::Clear);
    }
    let published = published(at);
    let theirs: Vec<BTreeSet<String>> = published.iter().flat_map(|p| p.sets.iter().map(names)).collect();
    let outside = match (theirs.as_slice(), different.first()) {
        // What the zone's own servers say is what there is; whoever differs from them is beside the point.
        (sets, _) if sets.contains(&here) => return Ok(State::Clear),
        ([one, ..], _) => one.clone(),
        ([], Some(first)) => mx_set(first).map(|set| names(&set)).unwrap_or_default(),
        ([], None) => return Err(Why::NotPlanned),
    };
    let shown = match ageing(at, Via::Own) {
        Ageing::Counts(_) if published.as_ref().is_none_or(|p| same_zone(at, Via::Own, p) != Ok(false)) => {
            return Ok(State::Clear);
        }
        Ageing::Unknown if published.is_some() => return Err(Why::Denied(own.id())),
        Ageing::Unknown if at.ask(&Again { rtype: RecordType::Mx, via: Via::Own, turn: 1 }).is_ok() => {
            return Err(Why::Denied(own.id()));
        }
        Ageing::Counts(shown) | Ageing::Still(shown) => shown,
        Ageing::Unknown => Vec::new(),
    };
    let finding = found
        .is(at.on.clone())
        .says(format!(
            "the resolver here sees {} for {}, and the world outside sees {}",
            list(&here),
            at.on,
            list(&outside)
        ))
        .detail("domain", at.on.as_str())
        .detail("inside", list(&here))
        .detail("outside", list(&outside))
        .known("resolver", different.first().map(|d| d.wire.server.to_string()).as_deref())
        .witnessed(own.id());
    claims_every_mx(finding, at);
    let authoritative = published.into_iter().flat_map(|p| p.shown);
    for id in different.iter().map(|d| d.id()).chain(authoritative).chain(shown) {
        finding.witnessed(id);
    }
    found.state()
}
