//! Which TLSA records of a mail exchanger senders look at (RFC 7672 section 2.2.2), and what DNSSEC says of them.
//!
//! For an exchanger whose name is an alias they look at the name at the end of the chain first, where the whole chain is
//! proven, and at its own name otherwise, or where there is nothing. Addresses that are not proven bind nobody; that needs no
//! question of its own: nothing can prove records below a name and not the name.

use super::super::ways::address_answers;
use super::super::{At, Basis};
use super::views;
use crate::case::{ObsId, Seen, Why};
use crate::questions::dane::{Tlsa, name_of};
use crate::questions::dns::{Addresses, Dns, Followed, RecordType, Via};
use crate::questions::dnssec::{Chain, Verdict};
use crate::subject::{Domain, Host, Kind, Subject};

/// What DNSSEC says of the records, and what shows that.
#[derive(Clone, Copy)]
pub(super) enum Standing {
    /// They are proven: senders act on them.
    Secure((ObsId, Basis)),
    /// It is proven that nothing signs them, or a resolver that validates says so.
    Insecure((ObsId, Basis)),
    /// It cannot be told.
    Untold(ObsId),
}

/// What stands at the name of a host's records.
pub(super) struct Published {
    /// The exchanger's name, or what it is an alias of.
    pub(super) base: String,
    pub(super) records: Vec<Tlsa>,
    pub(super) id: ObsId,
    pub(super) standing: Standing,
}

/// The records of a mail exchanger that senders look at; `None` where there are none.
///
/// # Errors
/// Why that is not known.
pub(super) fn published<K: Kind>(at: &At<'_, K>, host: &str) -> Result<Option<Published>, Why> {
    let Some((end, chain)) = alias(at, host) else { return stands_at(at, host) };
    match chain {
        Standing::Insecure(_) => stands_at(at, host),
        Standing::Secure(_) => match stands_at(at, &end)? {
            Some(there) if !matches!(there.standing, Standing::Insecure(_)) => Ok(Some(there)),
            unproven => Ok(stands_at(at, host)?.or(unproven)),
        },
        Standing::Untold(id) => match stands_at(at, &end)? {
            // Whichever of the two names counts.
            Some(there) => Ok(Some(Published { standing: Standing::Untold(id), ..there })),
            None => stands_at(at, host),
        },
    }
}

/// The end of the chain of aliases that begins at a host's name, and what DNSSEC says of the whole chain.
fn alias<K: Kind>(at: &At<'_, K>, host: &str) -> Option<(String, Standing)> {
    let on = Host::new(host);
    let subject = Subject::from(on.clone());
    let own = address_answers(at, &on).map(Vec::from).unwrap_or_default();
    let elsewhere = at.case.every::<Addresses>().filter(|seen| {
        let observation = seen.observation();
        observation.subject == subject && observation.vantage == at.from
    });
    let leads = |seen: &Seen<'_, Dns>| seen.definite().and_then(|answer| answer.alias()).map(str::to_owned);
    let aliases: Vec<(Seen<'_, Dns>, String)> =
        own.into_iter().chain(elsewhere).filter_map(|seen| Some((seen, leads(&seen)?))).collect();
    let (first, end) = aliases.first()?;
    at.note(first.id());
    let answers: Vec<Seen<'_, Dns>> = aliases.iter().map(|(seen, _)| *seen).collect();
    let validated = validated(at, host, RecordType::A).or_else(|| validated(at, host, RecordType::Aaaa));
    Some((end.clone(), validated.unwrap_or_else(|| by_resolvers(at, *first, &answers))))
}

/// The zone that holds a host, as far as was walked; else the name above the host.
pub(super) fn zone_of<K: Kind>(at: &At<'_, K>, host: &str) -> String {
    let above = host.split_once('.').map_or(host, |(_, above)| above);
    match Chain::of(at.case, &at.from).ok().as_deref().and_then(|chain| chain.zone_of(host)) {
        // A walk that ended further up says nothing of the zones below.
        Some((zone, _)) if zone.contains('.') => zone.to_owned(),
        _ => above.to_owned(),
    }
}

/// The records at the name below a host, whether or not senders look there.
fn stands_at<K: Kind>(at: &At<'_, K>, host: &str) -> Result<Option<Published>, Why> {
    let name = name_of(host);
    let views = views(at, &name, RecordType::Tlsa);
    let own = match views.own {
        Some(own) => own,
        None => at.ask_of(&Followed { rtype: RecordType::Tlsa, via: Via::Own }, &Domain::new(&name))?,
    };
    own.need(|view| view.definite())?;
    let held = |seen: &Seen<'_, Dns>| seen.definite().map(|answer| Tlsa::of(&answer)).unwrap_or_default();
    let there: Vec<(Seen<'_, Dns>, Vec<Tlsa>)> = std::iter::once(own)
        .chain(views.others)
        .map(|seen| (seen, held(&seen)))
        .filter(|(_, records)| !records.is_empty())
        .collect();
    let by_resolver = there.iter().find(|(seen, _)| seen.definite().is_some_and(|answer| answer.ad));
    let Some((seen, records)) = by_resolver.or(there.first()) else { return Ok(None) };
    let standing = validated(at, &name, RecordType::Tlsa).unwrap_or_else(|| {
        let answers: Vec<Seen<'_, Dns>> = there.iter().map(|(seen, _)| *seen).collect();
        by_resolvers(at, *seen, &answers)
    });
    Ok(Some(Published { base: host.to_owned(), records: records.clone(), id: seen.id(), standing }))
}

/// What resolvers say of an answer: one that sets AD, or one that validates and does not.
fn by_resolvers<K: Kind>(at: &At<'_, K>, shown: Seen<'_, Dns>, answers: &[Seen<'_, Dns>]) -> Standing {
    let with_ad = answers.iter().find(|seen| seen.definite().is_some_and(|answer| answer.ad));
    match with_ad {
        Some(seen) => Standing::Secure((seen.id(), Basis::OwnMeasure)),
        None => match answers.iter().find_map(|seen| validates(at, seen)) {
            Some(id) => Standing::Insecure((id, Basis::OwnMeasure)),
            None => Standing::Untold(shown.id()),
        },
    }
}

/// What our own validation says of the records of a name, aliases included; `None` where it was not made that far.
fn validated<K: Kind>(at: &At<'_, K>, name: &str, rtype: RecordType) -> Option<Standing> {
    let verdicts = Chain::of(at.case, &at.from).ok()?.verdicts(name, rtype);
    let id_of = |wanted: fn(&Verdict) -> bool| verdicts.iter().find(|(_, _, v)| wanted(v)).map(|(_, id, _)| *id);
    let secure = id_of(|verdict| *verdict == Verdict::Secure).map(|id| Standing::Secure((id, Basis::Witnessed)));
    let insecure =
        || id_of(|verdict| *verdict == Verdict::Insecure).map(|id| Standing::Insecure((id, Basis::Witnessed)));
    // What is bogus nobody acts on: dnssec-bogus says so.
    let bogus = || id_of(|verdict| matches!(verdict, Verdict::Bogus(_))).map(Standing::Untold);
    secure.or_else(insecure).or_else(bogus)
}

/// The answer by which the resolver of another answer shows that it validates: the root's, with AD.
fn validates<K: Kind>(at: &At<'_, K>, of: &Seen<'_, Dns>) -> Option<ObsId> {
    let root = Subject::from(Domain::new("."));
    let shown = at.case.every::<Followed>().find(|seen| {
        seen.observation().subject == root
            && seen.observation().vantage == at.from
            && seen.wire.server == of.wire.server
            && seen.definite().is_some_and(|answer| answer.ad)
    })?;
    at.note(shown.id());
    Some(shown.id())
}
