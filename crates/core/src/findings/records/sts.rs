//! MTA-STS: mta-sts-syntax, mta-sts-policy-unreachable, mta-sts-mx-mismatch, mta-sts-cert-mismatch.
//!
//! Without a record there is nothing to say: MTA-STS is an offer, and its absence no fault.

use maildoctor_wire::records::mtasts::{Mode, StsPolicy, StsRecord, is_nearly_sts, is_sts};

use super::super::ways::{called, foreign_mx, host_of, own_mx};
use super::super::{At, Basis, Found, Key, Rule, State, Told};
use super::{Texts, texts_at, views};
use crate::case::{ObsId, Seen, Why};
use crate::catalogue::Severity;
use crate::questions::dns::RecordType;
use crate::questions::smtp::{Channel, Ehlo, Starttls};
use crate::questions::sts::{self, Fetch, FetchView};
use crate::questions::tcp::Role;
use crate::questions::tls::Handshake;
use crate::subject::{Cert, Domain, Host, Kind, Service};

pub(super) const RULES: &[Rule] = &[
    Rule::domain(&["mta-sts-syntax"], syntax).over_all_vantages(),
    Rule::domain(&["mta-sts-policy-unreachable"], unreachable).over_all_vantages(),
    Rule::domain(&["mta-sts-mx-mismatch"], mx_mismatch).over_all_vantages(),
    Rule::service(&["mta-sts-cert-mismatch"], &[Role::Smtp], cert_mismatch),
];

/// What stands where MTA-STS is announced, and was meant for it.
pub(super) fn record(at: &At<'_, Domain>) -> Result<Texts, Why> {
    texts_at(at, &format!("_mta-sts.{}", at.on), |text| is_sts(text) || is_nearly_sts(text))
}

/// Whether senders take the domain for one with a policy: exactly one record that begins as it must (RFC 8461
/// section 3.1).
fn announced(there: &Texts) -> bool {
    there.list.iter().filter(|text| is_sts(text)).count() == 1
}

/// The policy as it was fetched, from the place where it is fetched.
pub(super) fn fetched<'c, K: Kind>(at: &At<'c, K>, domain: &Domain) -> Result<Seen<'c, FetchView>, Why> {
    let first = at.case.vantage_ids().next().ok_or(Why::NotPlanned)?;
    at.ask_from(&Fetch, domain, &first)
}

/// The policy that senders hold the domain to.
fn policy<'c, K: Kind>(at: &At<'c, K>, domain: &Domain) -> Result<(ObsId, &'c StsPolicy, Mode), Why> {
    let seen = fetched(at, domain)?;
    let now = at.case.as_of();
    let policy = seen.need(|view| view.policy(now))?;
    Ok((seen.id(), policy, seen.need(|_| policy.mode)?))
}

fn syntax(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let there = record(at)?;
    let records = there.list.iter().filter(|text| is_sts(text)).count();
    let said = match there.list.as_slice() {
        [] => return Ok(State::NotApplicable),
        [text] => StsRecord::parse(text).flaws.first().map(ToString::to_string),
        _ if records > 1 => Some(format!("there are {records} records, and senders then use none")),
        several => {
            several.iter().find(|t| is_sts(t)).and_then(|t| StsRecord::parse(t).flaws.first().map(|f| f.to_string()))
        }
    };
    if let Some(said) = said {
        found
            .is(Key::Named("record".to_owned()))
            .says(format!("the MTA-STS record of {} is faulty: {said}", at.on))
            .detail("domain", at.on.as_str())
            .detail("flaw", said)
            .detail("text", there.list.join(" | "))
            .witnessed(there.id);
    }
    if !announced(&there) {
        return found.state();
    }
    match fetched(at, &at.on) {
        Err(why) => found.missed(why),
        Ok(seen) => match seen.policy(at.case.as_of()) {
            None => found.missed(Why::Denied(seen.id())),
            Some(policy) if policy.flaws.is_empty() => {}
            Some(policy) => {
                let flaws: Vec<String> = policy.flaws.iter().map(ToString::to_string).collect();
                let (first, more) = flaws.split_first().map(|(f, rest)| (f.clone(), rest.len())).unwrap_or_default();
                let more = if more == 0 { String::new() } else { format!(", and {more} more") };
                found
                    .is(Key::Named("policy".to_owned()))
                    .says(format!("the MTA-STS policy of {} is faulty: {first}{more}", at.on))
                    .detail("domain", at.on.as_str())
                    .detail("flaw", flaws.join("; "))
                    .detail("text", format!("https://{}{}", seen.host, crate::questions::sts::PATH))
                    .witnessed(seen.id());
            }
        },
    }
    found.state()
}

fn unreachable(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let there = record(at)?;
    if !announced(&there) {
        return Ok(State::NotApplicable);
    }
    let host = sts::host_of(at.on.as_str());
    let (obstacle, proof) = match fetched(at, &at.on) {
        Ok(seen) if seen.never_left() => return Err(Why::Denied(seen.id())),
        Ok(seen) => match seen.obstacle(at.case.as_of()) {
            None => return Ok(State::Clear),
            Some(why) => {
                let basis = if seen.only_silence() { Basis::OwnMeasure } else { Basis::Witnessed };
                (why, vec![(seen.id(), basis)])
            }
        },
        Err(why) => {
            let nowhere = no_address(at, &host).ok_or(why)?;
            ("that host has no address".to_owned(), nowhere.into_iter().map(|id| (id, Basis::Witnessed)).collect())
        }
    };
    let finding = found
        .is(at.on.clone())
        .says(format!("{} announces MTA-STS, and senders cannot fetch its policy from {host}: {obstacle}", at.on))
        .detail("domain", at.on.as_str())
        .detail("host", host)
        .detail("obstacle", obstacle)
        .witnessed(there.id);
    for (id, basis) in proof {
        finding.proof(id, basis);
    }
    found.state()
}

/// The answers that show that a host has no address of either family; `None` where one has, or nobody can tell.
fn no_address(at: &At<'_, Domain>, host: &str) -> Option<Vec<ObsId>> {
    [RecordType::A, RecordType::Aaaa]
        .into_iter()
        .map(|rtype| {
            match views(at, host, rtype).find(|view| view.definite().is_some_and(|a| !a.addresses().is_empty())) {
                crate::questions::policies::Found::Nowhere(seen) => Some(seen.id()),
                _ => None,
            }
        })
        .collect()
}

/// The exchangers by which senders out there come: as a resolver out there names them, where one was asked.
fn exchangers(at: &At<'_, Domain>) -> Result<(ObsId, Vec<Host>), Why> {
    let own = own_mx(at)?;
    let seen = foreign_mx(at).into_iter().next().unwrap_or(own);
    at.note(seen.id());
    let answer = seen.need(|view| view.definite())?;
    let mut hosts: Vec<Host> = answer.mx().into_iter().map(|(_, host)| Host::new(host)).collect();
    if hosts.is_empty() && !answer.nxdomain {
        hosts.push(Host::new(at.on.as_str()));
    }
    // A null MX names nobody.
    hosts.retain(|host| !host.as_str().is_empty() && host.as_str() != ".");
    Ok((seen.id(), hosts))
}

fn mx_mismatch(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    if !announced(&record(at)?) {
        return Ok(State::NotApplicable);
    }
    let (id, policy, mode) = policy(at, &at.on)?;
    let (mx, hosts) = exchangers(at)?;
    // A policy that names nobody at all is faulty, which is another finding.
    if mode == Mode::None || policy.mx.is_empty() || hosts.is_empty() {
        return Ok(State::NotApplicable);
    }
    let outside: Vec<&str> = hosts.iter().map(Host::as_str).filter(|host| policy.covers(host).is_none()).collect();
    if outside.is_empty() {
        return found.state();
    }
    let severity = match mode {
        Mode::Enforce if outside.len() == hosts.len() => Severity::Blocker,
        Mode::Enforce => Severity::Degraded,
        _ => Severity::Risk,
    };
    let effect = match mode {
        Mode::Enforce => "senders that obey it do not deliver there",
        _ => "in mode enforce, senders would not deliver there",
    };
    found
        .is(at.on.clone())
        .severity(severity)
        .says(format!(
            "the MTA-STS policy of {} (mode {}) does not name {}: {effect}",
            at.on,
            mode.name(),
            outside.join(", ")
        ))
        .detail("domain", at.on.as_str())
        .detail("hosts", outside.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>())
        .detail("patterns", policy.mx.clone())
        .detail("mode", mode.name())
        .witnessed(id)
        .witnessed(mx)
        .owes_step(mx);
    found.state()
}

/// Whether senders take the domain that the mail of a server is for as one with a policy.
pub(super) fn is_announced(at: &At<'_, Service>) -> bool {
    let Some((domain, first)) = at.case.mail_domain().zip(at.case.vantage_ids().next()) else { return false };
    record(&At::new(at.case, domain, first)).is_ok_and(|there| {
        at.note(there.id);
        announced(&there)
    })
}

fn cert_mismatch(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let Some(domain) = at.case.mail_domain() else { return Ok(State::NotApplicable) };
    let first = at.case.vantage_ids().next().ok_or(Why::NotPlanned)?;
    let there = record(&At::new(at.case, domain.clone(), first))?;
    at.note(there.id);
    if !announced(&there) {
        return Ok(State::NotApplicable);
    }
    let (policy_id, policy, mode) = policy(at, &domain)?;
    let host = host_of(at.case, &at.on, &at.from).ok_or(Why::NotPlanned)?;
    // Whom the policy does not name, it asks nothing of.
    if mode == Mode::None || policy.covers(&host).is_none() {
        return Ok(State::NotApplicable);
    }
    let (why, key, owed) = match at.ask(&Handshake) {
        Ok(seen) => {
            if seen.done().is_some() {
                seen.need(|view| view.leaf())?;
            }
            let Some(why) = seen.distrust(at.case.as_of()) else { return found.state() };
            let key = seen.leaf().map_or(Key::from(at.on), |leaf| Cert(leaf.fingerprint.clone()).into());
            (why, key, seen.id())
        }
        Err(unknown) => {
            let (why, id) = no_starttls(at).ok_or(unknown)?;
            (why, Key::from(at.on), id)
        }
    };
    found
        .is(key)
        .severity(if mode == Mode::Enforce { Severity::Blocker } else { Severity::Risk })
        .says(format!(
            "the MTA-STS policy of {domain} (mode {}) wants TLS that can be relied on at {}, and there {why}",
            mode.name(),
            called(at.case, &at.on, &at.from)
        ))
        .detail("domain", domain.as_str())
        .detail("host", host)
        .detail("flaw", why)
        .detail("mode", mode.name())
        .witnessed(policy_id)
        .witnessed(owed)
        .owes_step(owed);
    found.state()
}

/// That a service offers no STARTTLS, or refuses it, and the reply that shows it.
pub(super) fn no_starttls(at: &At<'_, Service>) -> Option<(String, ObsId)> {
    let ehlo = at.ask(&Ehlo { channel: Channel::Plain }).ok()?;
    if !ehlo.capabilities.as_ref()?.offers("STARTTLS") {
        return Some(("it offers no STARTTLS".to_owned(), ehlo.id()));
    }
    let starttls = at.ask(&Starttls).ok()?;
    let reply = starttls.reply().filter(|reply| reply.code != 220)?;
    Some((format!("it refuses STARTTLS (\"{}\")", reply.quoted()), starttls.id()))
}
