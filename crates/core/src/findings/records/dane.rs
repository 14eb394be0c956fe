//! DANE for SMTP (RFC 7672): dane-tlsa-mismatch, dane-starttls-missing, dane-without-dnssec.
//!
//! TLSA records bind senders only where DNSSEC proves them: by our own validation from the root, or, where there was none, by the
//! AD bit of a resolver. Nothing here acts as if they were proven without that.

use std::collections::BTreeSet;

use super::super::ways::{called, host_of};
use super::super::{At, Basis, Finding, Found, Key, Rule, State, Told, services};
use super::sts::{self, no_starttls};
use super::tlsa::{self, Published, Standing, published};
use crate::case::{ObsId, Seen, Why};
use crate::questions::dane::{Misfit, Tlsa, name_of};
use crate::questions::dns::same_name;
use crate::questions::smtp::{Channel, Ehlo};
use crate::questions::tcp::Role;
use crate::questions::tls::{Certificate, Handshake, TlsView};
use crate::subject::{Domain, Host, Service};

const MX: &[Role] = &[Role::Smtp];

pub(super) const RULES: &[Rule] = &[
    Rule::service(&["dane-tlsa-mismatch"], MX, mismatch),
    Rule::service(&["dane-starttls-missing"], MX, starttls_missing),
    Rule::service(&["dane-without-dnssec"], MX, without_dnssec),
];

/// The host of a service, and its records where DNSSEC proves them; `None` where there is nothing to obey.
fn proven(at: &At<'_, Service>) -> Result<Option<(String, Published)>, Why> {
    let Some(host) = host_of(at.case, &at.on, &at.from) else { return Ok(None) };
    match published(at, &host)? {
        Some(published) => match published.standing {
            Standing::Secure(_) => Ok(Some((host, published))),
            Standing::Untold(id) => Err(Why::Denied(id)),
            Standing::Insecure(_) => Ok(None),
        },
        None => Ok(None),
    }
}

/// What a chain of certificates that was shown is worth by DANE.
enum Fit {
    /// A usable record fits it.
    Fits,
    /// None does: why the best does not.
    Differs(String, Misfit),
    /// Senders pass all records over.
    NoneUsable,
}

/// Holds the chain that an exchanger shows against its records.
fn compared(at: &At<'_, Service>, published: &Published, chain: &[Vec<u8>]) -> Fit {
    let domain = at.case.mail_domain();
    let base = published.base.as_str();
    let names: Vec<&str> = std::iter::once(base).chain(domain.as_ref().map(Domain::as_str)).collect();
    let usable = published.records.iter().filter(|record| record.unusable().is_none());
    let misfit = |record: &Tlsa| record.fits(chain, &names, at.case.as_of()).err();
    match usable.map(|record| (misfit(record), record)).min_by_key(|(misfit, _)| *misfit) {
        None => Fit::NoneUsable,
        Some((None, _)) => Fit::Fits,
        Some((Some(why), record)) => Fit::Differs(format!("{record}: {why}"), why),
    }
}

/// What DANE makes of the certificate that an exchanger shows.
pub(in super::super) enum Weight {
    /// Nothing: there is no record that counts.
    None,
    /// It vouches alone: a proven record fits, so that no authority has to be trusted, and with usage 3 neither name nor
    /// date counts (RFC 7672 section 3.1). A domain with an MTA-STS policy has senders that want all of them.
    Vouches,
    /// A proven record would fit, and what is wrong with the certificate keeps it from that: senders deliver nothing. The
    /// record.
    Forbids(Misfit, ObsId),
}

/// Weighs the certificate that an exchanger shows.
///
/// # Errors
/// A record fits, and it cannot be told whether it counts.
pub(in super::super) fn weight(at: &At<'_, Service>, seen: &Seen<'_, TlsView>) -> Result<Weight, Why> {
    let Some(host) = host_of(at.case, &at.on, &at.from) else { return Ok(Weight::None) };
    // What cannot be looked up binds nobody we know of.
    let Ok(Some(published)) = published(at, &host) else { return Ok(Weight::None) };
    let weight = match compared(at, &published, &seen.ders()) {
        Fit::Fits if !sts::is_announced(at) => Weight::Vouches,
        Fit::Differs(_, misfit @ (Misfit::Term | Misfit::Name)) => Weight::Forbids(misfit, published.id),
        _ => return Ok(Weight::None),
    };
    match published.standing {
        Standing::Secure(_) => Ok(weight),
        Standing::Insecure(_) => Ok(Weight::None),
        Standing::Untold(id) if matches!(weight, Weight::Vouches) => Err(Why::Denied(id)),
        Standing::Untold(_) => Ok(Weight::None),
    }
}

/// What an exchanger shows, where none of its records fits it.
struct Mismatch<'c> {
    host: String,
    published: Published,
    shown: Seen<'c, TlsView>,
    why: String,
    /// The record that would fit.
    fitting: Option<String>,
}

/// That an exchanger shows what none of its records fits; `None` where one does, or the certificate is at fault.
///
/// # Errors
/// The question does not arise, or why it cannot be told.
fn misfit<'c>(at: &At<'c, Service>) -> Result<Option<Mismatch<'c>>, Option<Why>> {
    let (host, published) = proven(at)?.ok_or(None)?;
    // With records that say nothing usable senders ask for TLS, and for no certificate (RFC 7672 section 2.2).
    if published.records.iter().all(|record| record.unusable().is_some()) {
        return Err(None);
    }
    let shown = at.ask(&Handshake)?;
    shown.need(|view| view.done())?;
    let chain = shown.ders();
    let leaf = shown.need(|_| chain.first())?;
    let Fit::Differs(why, misfit) = compared(at, &published, &chain) else { return Ok(None) };
    // Where only a date or a name is wrong, the certificate is at fault and not the record: cert-expired and others say so.
    // They know the exchanger by its own name alone.
    let good_for_host = || Certificate::of(leaf).is_some_and(|certificate| certificate.is_for(&host));
    if misfit == Misfit::Term || misfit == Misfit::Name && !good_for_host() {
        return Ok(None);
    }
    let fitting = Tlsa::for_key_of(leaf);
    Ok(Some(Mismatch { host, published, shown, why, fitting }))
}

/// What one record mends is one fault: a key that was renewed at every exchanger, and none of its records.
fn mismatch(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let own = match misfit(at) {
        Ok(Some(own)) => own,
        Ok(None) => return found.state(),
        Err(Some(why)) => return Err(why),
        Err(None) => return Ok(State::NotApplicable),
    };
    let bases = bases(at, |other| {
        let other = misfit(other).ok()??;
        (other.fitting == own.fitting).then_some(other.published.base)
    });
    let Mismatch { host, published, shown, why, fitting } = own;
    let shows = if bases.len() == 1 {
        format!("what {} shows", called(at.case, &at.on, &at.from))
    } else {
        "the key that they show".to_owned()
    };
    let usable = published.records.iter().filter(|record| record.unusable().is_none());
    let is_alias = !same_name(&published.base, &host);
    let key = fitting.clone().map_or_else(|| Key::from(Host::new(&host)), Key::Named);
    let finding = found
        .is(key)
        .says(format!(
            "no TLSA record of {} fits {shows} ({why}): senders that know DANE do not deliver there",
            in_words(&bases)
        ))
        .detail("host", host.as_str())
        .detail("name", name_of(&published.base))
        .detail("names", names(&bases))
        .detail("address", at.on.0.ip().to_string())
        .detail("records", usable.map(ToString::to_string).collect::<Vec<_>>())
        .witnessed(published.id)
        // Senders ask for the certificate of the alias's end (RFC 7672 section 8.1), and we asked for that of the exchanger.
        .proof(shown.id(), if is_alias { Basis::OwnMeasure } else { Basis::Witnessed });
    proves(finding, &published);
    finding.known("fitting", fitting.as_deref());
    found.state()
}

/// The names whose records have the same fault, over all exchangers.
fn bases(at: &At<'_, Service>, same: impl Fn(&At<'_, Service>) -> Option<String>) -> BTreeSet<String> {
    let exchangers = services(at.case, MX, &at.from, false).into_iter();
    exchangers.filter_map(|service| same(&At::new(at.case, service, at.from.clone()))).collect()
}

fn in_words(bases: &BTreeSet<String>) -> String {
    bases.iter().map(String::as_str).collect::<Vec<_>>().join(" and ")
}

fn names(bases: &BTreeSet<String>) -> Vec<String> {
    bases.iter().map(|base| name_of(base)).collect()
}

fn starttls_missing(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let Some((host, published)) = proven(at)? else { return Ok(State::NotApplicable) };
    at.ask(&Ehlo { channel: Channel::Plain })?.need(|ehlo| ehlo.capabilities.as_ref())?;
    if let Some((why, id)) = no_starttls(at) {
        let finding = found
            .is(Key::Named(why.clone()))
            .says(format!(
                "the TLSA records of {host} promise TLS at {}, and {why}: senders that know DANE do not deliver there",
                called(at.case, &at.on, &at.from)
            ))
            .detail("host", host.as_str())
            .detail("address", at.on.0.ip().to_string())
            .detail("flaw", why)
            .witnessed(published.id)
            .witnessed(id)
            .owes_step(id);
        proves(finding, &published);
    }
    found.state()
}

/// What shows that the records bind.
fn proves(finding: &mut Finding, published: &Published) {
    if let Standing::Secure((shown, basis)) = published.standing {
        finding.proof(shown, basis);
    }
}

fn without_dnssec(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let Some(host) = host_of(at.case, &at.on, &at.from) else { return Ok(State::NotApplicable) };
    let Some(own) = published(at, &host)? else { return Ok(State::NotApplicable) };
    let (shown, basis) = match own.standing {
        Standing::Secure(_) => return found.state(),
        Standing::Untold(id) => return Err(Why::Denied(id)),
        Standing::Insecure(proof) => proof,
    };
    // Whoever signs the zone mends all of its names.
    let zone = tlsa::zone_of(at, &own.base);
    let bases = bases(at, |other| {
        let there = published(other, &host_of(other.case, &other.on, &other.from)?).ok()??;
        let unsigned = matches!(there.standing, Standing::Insecure(_));
        (unsigned && tlsa::zone_of(other, &there.base) == zone).then_some(there.base)
    });
    let (names, has) = (names(&bases), if bases.len() == 1 { "has" } else { "have" });
    found
        .is(Domain::new(&zone))
        .says(format!(
            "{} {has} TLSA records at {}, and no DNSSEC proves them: no sender acts on them",
            in_words(&bases),
            names.join(" and ")
        ))
        .detail("host", host.as_str())
        .detail("name", name_of(&own.base))
        .detail("names", names)
        .witnessed(own.id)
        .proof(shown, basis);
    found.state()
}
