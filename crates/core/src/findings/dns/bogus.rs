//! dnssec-bogus: by our own validation of what the walk heard, which names the record, the key and the time; and by what
//! validating resolvers say, SERVFAIL and an answer to the same question with the CD bit, where there was no such walk.

use std::net::SocketAddr;

use super::super::ways::own_mx;
use super::super::{At, Basis, Found, Rule, Share, State, Told};
use crate::case::{ObsId, Seen, Why};
use crate::catalogue::{Party, Severity};
use crate::questions::dane;
use crate::questions::dns::walk::{Unchecked, lies_in};
use crate::questions::dns::{Dns, DnsResult, ExtendedError, RecordType, Records, Via};
use crate::questions::dnssec::{Chain, Fault, Flaw, Verdict};
use crate::subject::{Domain, Subject};

pub(super) const RULES: &[Rule] = &[Rule::domain(&["dnssec-bogus"], bogus)];

/// The extended errors of a validation that failed, from "DNSSEC bogus" to "no zone key bit set", and "NSEC missing"
/// (RFC 8914 sections 4.7 to 4.13).
const VALIDATION: std::ops::RangeInclusive<u16> = 6..=12;

fn bogus(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    let refusals = refusals(at, found);
    match Chain::of(at.case, &at.from).map(|chain| judge(at, &chain)) {
        Ok(Judged::Flawed(flawed)) => {
            by_validation(at, found, &flawed, &refusals);
            return Ok(State::Found);
        }
        // One resolver alone that fails where the chain fits has trouble of its own.
        Ok(Judged::Fits(shown)) if refusals.len() < 2 => {
            for id in shown {
                at.note(id);
            }
            return Ok(State::Clear);
        }
        _ => {}
    }
    for refusal in &refusals {
        by_resolver(at, found, refusal);
    }
    if refusals.is_empty() && own.definite().is_some() {
        return Ok(State::Clear);
    }
    found.state()
}

/// A resolver that answers SERVFAIL, and answers with validation switched off.
struct Refusal<'c> {
    failed: Seen<'c, Dns>,
    /// The answer without validation, and what it says of the root.
    shown: [ObsId; 2],
}

impl Refusal<'_> {
    /// The extended error that says why, where the resolver gives one.
    fn error(&self) -> Option<&ExtendedError> {
        let DnsResult::Answered { ede, .. } = &self.failed.wire.result else { return None };
        ede.iter().find(|e| VALIDATION.contains(&e.code))
    }

    /// Without the resolver's own word another cause of the failure is possible: it may have been passing.
    fn basis(&self) -> Basis {
        if self.error().is_some() { Basis::ServerSaid } else { Basis::OwnMeasure }
    }
}

fn refusals<'c>(at: &At<'c, Domain>, found: &mut Found<'_>) -> Vec<Refusal<'c>> {
    let rtype = RecordType::Mx;
    let asked: Vec<(Via, Seen<'c, Dns>)> = at
        .case
        .every::<Records>()
        .filter(|seen| {
            seen.observation().vantage == at.from && seen.observation().subject == Subject::from(at.on.clone())
        })
        .filter_map(|seen| {
            let asked: Records = serde_json::from_value(seen.observation().asked.clone()).ok()?;
            (asked.rtype == rtype && seen.rcode() == Some("SERVFAIL")).then_some((asked.via, seen))
        })
        .collect();
    let mut refusals = Vec::new();
    for (via, failed) in asked {
        match at.ask(&Unchecked { rtype, via }) {
            Ok(unchecked) if unchecked.definite().is_some() => match root_by(at, via) {
                // What fails at the root is not the domain's: the resolver's clock or key, or the root that it was given.
                Ok(root) if root.rcode() == Some("SERVFAIL") => found.missed(Why::Denied(root.id())),
                Ok(root) => {
                    refusals.push(Refusal { failed, shown: [unchecked.id(), root.id()] });
                }
                Err(why) => found.missed(why),
            },
            Ok(unchecked) => found.missed(Why::Denied(unchecked.id())),
            Err(why) => found.missed(why),
        }
    }
    refusals
}

/// What the resolver says of the root, which everybody can validate.
fn root_by<'c>(at: &At<'c, Domain>, via: Via) -> Result<Seen<'c, Dns>, Why> {
    at.ask_of(&Records { rtype: RecordType::Soa, via }, &Domain::new("."))
}

fn by_resolver(at: &At<'_, Domain>, found: &mut Found<'_>, refusal: &Refusal<'_>) {
    let failed = &refusal.failed;
    let says = refusal.error().map(|e| {
        format!(" ({})", if e.text.is_empty() { format!("extended error {}", e.code) } else { e.text.clone() })
    });
    let finding = found
        .is(at.on.clone())
        .says(format!(
            "DNSSEC validation of {} fails: {} answers SERVFAIL, and with validation switched off (CD) it has the answer{}",
            at.on,
            failed.wire.server,
            says.unwrap_or_default()
        ))
        .detail("domain", at.on.as_str())
        .detail("resolver", failed.wire.server.ip().to_string())
        .proof(failed.id(), refusal.basis())
        .witnessed(refusal.shown[0])
        .witnessed(refusal.shown[1])
        .claims(failed.id(), Share::Whole, Basis::Witnessed);
    if let Some(error) = refusal.error() {
        finding.detail("error", error.code);
    }
}

/// What our own validation says of the answers that mail lives by.
enum Judged {
    /// One does not fit.
    Flawed(Box<Flawed>),
    /// They fit, or are proven to be unsigned: what shows it.
    Fits(Vec<ObsId>),
    /// It cannot be told.
    Untold,
}

/// An answer that does not fit.
struct Flawed {
    flaw: Flaw,
    /// Nobody who validates learns any more where the domain's mail goes.
    blocks: bool,
    /// The servers that give such an answer to the same question.
    servers: Vec<SocketAddr>,
    /// The answers of other servers to the same question that do fit.
    fitting: Vec<ObsId>,
    /// It is a zone above the domain's own that does not fit.
    above: bool,
}

/// The MX records first, then the keys at each server, then what the exchangers and the domain's policies stand on.
fn judge(at: &At<'_, Domain>, chain: &Chain) -> Judged {
    let mx = chain.verdicts(at.on.as_str(), RecordType::Mx);
    let zone = chain.zone_of(at.on.as_str()).map(|(zone, _)| zone.to_owned()).unwrap_or_default();
    let own = own_mx(at).ok();
    let named = own.iter().filter_map(|seen| seen.definite()).flat_map(|answer| answer.mx());
    let hosts = named.map(|(_, host)| host).filter(|host| !host.is_empty()).flat_map(|host| {
        let tlsa = dane::name_of(host);
        [(host.to_owned(), RecordType::A), (host.to_owned(), RecordType::Aaaa), (tlsa, RecordType::Tlsa)]
    });
    let others = std::iter::once((zone.clone(), RecordType::Dnskey))
        .chain(hosts)
        .chain([(at.on.as_str().to_owned(), RecordType::Txt)])
        .map(|(name, rtype)| (false, chain.verdicts(&name, rtype)));
    for (of_mx, verdicts) in std::iter::once((true, mx.clone())).chain(others) {
        let flawed = verdicts.iter().filter_map(|(server, _, verdict)| match verdict {
            Verdict::Bogus(flaw) => Some((*server, flaw.clone())),
            _ => None,
        });
        let (servers, flaws): (Vec<SocketAddr>, Vec<Flaw>) = flawed.unzip();
        if let Some(flaw) = flaws.into_iter().next() {
            let fitting = fitting(&verdicts);
            let above = flaw.zone != zone && lies_in(&zone, &flaw.zone);
            let blocks = of_mx && fitting.is_empty();
            return Judged::Flawed(Box::new(Flawed { blocks, above, flaw, servers, fitting }));
        }
    }
    match fitting(&mx) {
        none if none.is_empty() => Judged::Untold,
        shown => Judged::Fits(shown),
    }
}

fn fitting(verdicts: &[(SocketAddr, ObsId, Verdict)]) -> Vec<ObsId> {
    let fits = |verdict: &Verdict| matches!(verdict, Verdict::Secure | Verdict::Insecure);
    verdicts.iter().filter(|(_, _, verdict)| fits(verdict)).map(|(_, id, _)| *id).collect()
}

fn by_validation(at: &At<'_, Domain>, found: &mut Found<'_>, flawed: &Flawed, refusals: &[Refusal<'_>]) {
    let Flawed { flaw, blocks, servers, fitting, above } = flawed;
    let only = match fitting.as_slice() {
        [] => String::new(),
        _ => {
            let servers: Vec<String> = servers.iter().map(SocketAddr::to_string).collect();
            format!("; that is so at {}, and not at every server of the zone", servers.join(" and "))
        }
    };
    let finding = found
        .is(at.on.clone())
        .says(format!("DNSSEC validation of {} fails: {}{only}", at.on, flaw.in_words(at.case.now())))
        .severity(if *blocks { Severity::Blocker } else { Severity::Degraded })
        .detail("domain", at.on.as_str())
        .detail("zone", flaw.zone.as_str())
        .detail("records", format!("{} {}", flaw.name, flaw.rtype))
        .detail("reason", flaw.fault.kind())
        .detail("server", flaw.server.ip().to_string());
    match &flaw.fault {
        Fault::Expired { tag, until } => finding.detail("key_tag", *tag).detail("until", until.to_string()),
        Fault::NotYet { tag, from } => finding.detail("key_tag", *tag).detail("from", from.to_string()),
        Fault::Invalid { tag } => finding.detail("key_tag", *tag),
        Fault::NoKey { tag, keys } => finding.detail("key_tag", *tag).detail("keys", keys.clone()),
        Fault::NoMatch { ds, keys } => finding.detail("ds", ds.clone()).detail("keys", keys.clone()),
        Fault::NoKeys { ds } => finding.detail("ds", ds.clone()),
        Fault::Unsigned | Fault::NoProof | Fault::Beyond => finding,
    };
    if *above {
        finding.party(Party::ThirdParty);
    }
    for id in flaw.shown.iter().chain(fitting) {
        finding.witnessed(*id);
    }
    for refusal in refusals {
        // What fails is known: that resolvers refuse it is what follows.
        finding.witnessed(refusal.failed.id()).witnessed(refusal.shown[0]).witnessed(refusal.shown[1]);
        finding.claims(refusal.failed.id(), Share::Whole, Basis::Witnessed);
        finding.detail("resolver", refusal.failed.wire.server.ip().to_string());
        if let Some(error) = refusal.error() {
            finding.detail("error", error.code);
        }
    }
}
