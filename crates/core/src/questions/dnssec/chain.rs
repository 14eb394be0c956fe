//! From the trust anchor down: which zones are signed, with which keys, and what that makes of each answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS};
use hickory_proto::dnssec::{Algorithm, DigestType, PublicKey};
use hickory_proto::rr::{Name, RData, RecordType as WireType};

use super::denial::{Denial, Denied};
use super::message::{Sections, Set, name, text};
use super::signature::{Clerk, is_known, tags};
use super::{Fault, Flaw, Misfit, Verdict};
use crate::case::{Case, ObsId, Skip, Why};
use crate::questions::dns::walk::{Anchor, Authoritative, Walk, lies_in};
use crate::questions::dns::{RecordType, same_name};
use crate::subject::{Domain, Kind, VantageId};

/// The most DS records and keys of one zone that are held against each other.
const MAX_PAIRED: usize = 16;

/// The records whose answers are judged.
const JUDGED: [RecordType; 6] =
    [RecordType::Mx, RecordType::A, RecordType::Aaaa, RecordType::Txt, RecordType::Tlsa, RecordType::Dnskey];

/// The longest chain of aliases that is followed within one answer.
const MAX_ALIASES: usize = 8;

/// What is known of a zone's keys.
#[derive(Debug, Clone)]
pub enum Trust {
    /// These are its keys: the chain leads to them.
    Keys(Keys),
    /// It is proven that nothing signs it, or nothing that validators know; what shows that.
    Unsigned(Vec<ObsId>),
    /// The chain breaks here or above.
    Broken(Flaw),
    /// The chain was not seen whole.
    Unknown(Why),
}

/// The keys of a zone to which the chain leads.
#[derive(Debug, Clone)]
pub struct Keys {
    keys: Vec<DNSKEY>,
    /// What shows them: the DS records and the zone's own answer.
    pub shown: Vec<ObsId>,
}

impl Keys {
    /// Their tags, in order.
    pub fn tags(&self) -> Vec<u16> {
        tags(&self.keys)
    }
}

/// An answer of a server of a zone, as the walk heard it.
struct Heard {
    zone: String,
    name: String,
    rtype: RecordType,
    server: SocketAddr,
    id: ObsId,
    sections: Sections,
}

/// The walk's answers with what the trust anchor makes of them.
pub struct Chain {
    clerk: Clerk,
    heard: Vec<Heard>,
    trust: BTreeMap<String, Trust>,
    /// What each answer of a kind that mail lives by is worth, by its place among those heard.
    judged: BTreeMap<usize, Verdict>,
}

impl Chain {
    /// What was walked from a vantage, validated; a case is validated once.
    ///
    /// # Errors
    /// Why there is nothing to validate: no walk, or one that began without a trust anchor.
    pub fn of(case: &Case, from: &VantageId) -> Result<Arc<Self>, Why> {
        case.derive(&from.0, || Self::read(case, from).map(Arc::new))
    }

    fn read(case: &Case, from: &VantageId) -> Result<Self, Why> {
        let walk = case.every::<Walk>().find(|seen| seen.observation().vantage == *from);
        let Some(walk) = walk else {
            let domain = case.records_domain().ok_or(Why::NotPlanned)?;
            return Err(case.ask(&Walk, &domain, from).err().unwrap_or(Why::NotPlanned));
        };
        if walk.anchors.is_empty() {
            let because =
                "the walk began at root servers of your own, and nothing says which keys are theirs".to_owned();
            return Err(Why::Skipped(Skip { because, option: "--trust-anchor FILE".to_owned() }));
        }
        let heard = case.every::<Authoritative>().filter(|seen| seen.observation().vantage == *from);
        let heard = heard.filter_map(|seen| {
            let asked: Authoritative = serde_json::from_value(seen.observation().asked.clone()).ok()?;
            Some(Heard {
                zone: Domain::of(&seen.observation().subject)?.as_str().to_owned(),
                name: asked.name,
                rtype: asked.rtype,
                server: seen.wire.server,
                id: seen.id(),
                sections: Sections::of(&seen)?,
            })
        });
        let mut chain = Self {
            clerk: Clerk::new(case.now()),
            heard: heard.collect(),
            trust: BTreeMap::new(),
            judged: BTreeMap::new(),
        };
        chain.follow(&walk.anchors, walk.id());
        let wanted = chain.heard.iter().enumerate().filter(|(_, heard)| JUDGED.contains(&heard.rtype));
        chain.judged = wanted.map(|(place, heard)| (place, chain.verdict(heard))).collect();
        Ok(chain)
    }

    /// From the root down, each zone after the one above it.
    fn follow(&mut self, anchors: &[Anchor], walk: ObsId) {
        let mut zones: Vec<String> = self.heard.iter().map(|heard| heard.zone.clone()).collect();
        zones.sort_by_key(|zone| (labels(zone), zone.clone()));
        zones.dedup();
        for zone in zones {
            let trust = if zone == "." { self.root(anchors, walk) } else { self.below_its_parent(&zone, walk) };
            self.trust.insert(zone, trust);
        }
    }

    fn root(&self, anchors: &[Anchor], walk: ObsId) -> Trust {
        let ds: Vec<DS> = anchors.iter().filter_map(ds_of).collect();
        match self.keys_of(".", &ds, &[], walk) {
            // Whatever does not fit at the root is not the domain's: another root than the anchor's, a middlebox that takes
            // signatures out, or our own clock.
            Trust::Broken(flaw) => Trust::Unknown(Why::Denied(flaw.shown.first().copied().unwrap_or(walk))),
            trust => trust,
        }
    }

    fn below_its_parent(&self, zone: &str, walk: ObsId) -> Trust {
        let parents = self.trust.iter().filter(|(above, _)| lies_in(zone, above) && above.as_str() != zone);
        let Some((parent, trust)) = parents.max_by_key(|(above, _)| labels(above)) else {
            return Trust::Unknown(Why::Denied(walk));
        };
        let Trust::Keys(keys) = trust else { return trust.clone() };
        let (Some(at), Some(above)) = (name(zone), name(parent)) else { return Trust::Unknown(Why::Denied(walk)) };
        let mut broken: Option<Flaw> = None;
        let mut unsigned: Option<Trust> = None;
        for heard in self.heard.iter().filter(|heard| heard.zone == *parent && heard.leads_to(zone, &at)) {
            match self.delegated(heard, &at, &above, keys) {
                Ok(Some(ds)) => {
                    let shown = [keys.shown.as_slice(), &[heard.id]].concat();
                    return self.keys_of(zone, &ds, &shown, walk);
                }
                Ok(None) => unsigned = unsigned.or(Some(Trust::Unsigned(vec![heard.id]))),
                Err(misfit) => {
                    let flaw = heard.flaw(parent, misfit, &keys.shown);
                    // The answer to the very question for the DS records says more than what came along with a referral.
                    let better = broken.is_none() || heard.rtype == RecordType::Ds;
                    broken = if better { Some(flaw) } else { broken };
                }
            }
        }
        match (unsigned, broken) {
            (Some(unsigned), _) => unsigned,
            (None, Some(flaw)) if flaw.fault == Fault::Beyond => Trust::Unknown(Why::Denied(flaw.last_shown(walk))),
            (None, Some(flaw)) => Trust::Broken(flaw),
            (None, None) => Trust::Unknown(Why::Denied(walk)),
        }
    }

    /// What the zone above says of a zone: its DS records, or, proven, that it has none.
    fn delegated(&self, heard: &Heard, at: &Name, above: &Name, keys: &Keys) -> Result<Option<Vec<DS>>, Misfit> {
        let wrong = |fault| Misfit::of(at, WireType::DS, fault);
        if let Some(set) = heard.sections.anywhere(at, WireType::DS).filter(|set| !set.records.is_empty()) {
            self.clerk.check(set, above, &keys.keys).map_err(wrong)?;
            let ds: Vec<DS> = set.records.iter().filter_map(ds_in).take(MAX_PAIRED).collect();
            // Only with what validators know can anything be signed for them (RFC 4035 section 5.2).
            return Ok(ds.iter().any(is_usable).then_some(ds));
        }
        // A server of both zones may answer from the zone below, which knows nothing of its DS records.
        if heard.sections.authority.iter().flat_map(|set| &set.signatures).any(|s| s.input().signer_name == *at) {
            return Err(wrong(Fault::Beyond));
        }
        let denial = Denial::of(&heard.sections, above, &keys.keys, &self.clerk)?;
        match denial.of_records(at, WireType::DS, false) {
            Some(Denied::Proven | Denied::Unsigned) => Ok(None),
            None => Err(wrong(Fault::NoProof)),
        }
    }

    /// The keys of a zone, of which DS records name one at least.
    fn keys_of(&self, zone: &str, ds: &[DS], shown: &[ObsId], walk: ObsId) -> Trust {
        let Some(at) = name(zone) else { return Trust::Unknown(Why::Denied(walk)) };
        let ds = strongest(ds);
        let mut broken = None;
        let answers =
            |heard: &&Heard| heard.rtype == RecordType::Dnskey && same_name(&heard.name, zone) && heard.zone == zone;
        for heard in self.heard.iter().filter(answers) {
            match self.paired(heard, &at, &ds) {
                Ok(keys) => return Trust::Keys(Keys { keys, shown: [shown, &[heard.id]].concat() }),
                Err(fault) => {
                    broken = broken.or_else(|| Some(heard.flaw(zone, Misfit::of(&at, WireType::DNSKEY, fault), shown)));
                }
            }
        }
        match broken {
            Some(flaw) if flaw.fault == Fault::Beyond => Trust::Unknown(Why::Denied(flaw.last_shown(walk))),
            Some(flaw) => Trust::Broken(flaw),
            None => Trust::Unknown(Why::Denied(walk)),
        }
    }

    fn paired(&self, heard: &Heard, at: &Name, ds: &[&DS]) -> Result<Vec<DNSKEY>, Fault> {
        let mut named: Vec<u16> = ds.iter().map(|ds| ds.key_tag()).collect();
        named.sort_unstable();
        named.dedup();
        let set = heard.sections.in_answer(at, WireType::DNSKEY).filter(|set| !set.records.is_empty());
        let Some(set) = set else { return Err(Fault::NoKeys { ds: named }) };
        let keys: Vec<DNSKEY> = set.records.iter().filter_map(key_in).take(MAX_PAIRED).collect();
        let is_named = |key: &&DNSKEY| {
            key.calculate_key_tag().is_ok_and(|tag| {
                ds.iter().any(|ds| {
                    ds.key_tag() == tag
                        && ds.algorithm() == key.public_key().algorithm()
                        && ds.covers(at, key).unwrap_or(false)
                })
            })
        };
        let entry: Vec<DNSKEY> = keys.iter().filter(is_named).cloned().collect();
        if entry.is_empty() {
            return Err(Fault::NoMatch { ds: named, keys: tags(&keys) });
        }
        match self.clerk.check(set, at, &entry) {
            Ok(_) => Ok(keys),
            Err(Fault::NoKey { tag, .. }) => Err(Fault::NoKey { tag, keys: tags(&entry) }),
            Err(fault) => Err(fault),
        }
    }

    /// The deepest zone that a name lies in, as far as was walked.
    pub fn zone_of(&self, name: &str) -> Option<(&str, &Trust)> {
        let zones = self.trust.iter().filter(|(zone, _)| lies_in(name, zone));
        zones.max_by_key(|(zone, _)| labels(zone)).map(|(zone, trust)| (zone.as_str(), trust))
    }

    /// What each server's answer to the question for records of a name is worth: MX, addresses, TXT, TLSA, and the keys of a zone.
    pub fn verdicts(&self, name: &str, rtype: RecordType) -> Vec<(SocketAddr, ObsId, Verdict)> {
        let told = self.judged.iter().filter_map(|(place, verdict)| Some((self.heard.get(*place)?, verdict)));
        told.filter(|(heard, _)| heard.rtype == rtype && same_name(&heard.name, name))
            .map(|(heard, verdict)| (heard.server, heard.id, verdict.clone()))
            .collect()
    }

    fn verdict(&self, heard: &Heard) -> Verdict {
        self.verdict_across(heard, MAX_ALIASES)
    }

    /// The same, with so many zones to which aliases may still lead.
    fn verdict_across(&self, heard: &Heard, zones: usize) -> Verdict {
        let unknown = || Verdict::Unknown(Why::Denied(heard.id));
        let Some(mut owner) = name(&heard.name) else { return unknown() };
        if !heard.sections.authoritative {
            return unknown();
        }
        let wanted = heard.rtype.on_the_wire();
        let mut so_far = Verdict::Secure;
        for _ in 0..MAX_ALIASES {
            let held = |rtype| heard.sections.in_answer(&owner, rtype).filter(|set| !set.records.is_empty());
            let set = held(wanted).or_else(|| held(WireType::CNAME));
            match self.judge(heard, &owner, set) {
                Verdict::Secure => {}
                Verdict::Insecure => so_far = Verdict::Insecure,
                otherwise => return otherwise,
            }
            // Each alias on the way counts, and what it stands for.
            match set.and_then(alias).filter(|_| wanted != WireType::CNAME) {
                Some(target) if lies_in(&text(&target), &heard.zone) => owner = target,
                Some(_) if so_far == Verdict::Insecure => return so_far,
                Some(target) => return self.elsewhere(heard, &text(&target), zones).unwrap_or_else(unknown),
                None => return so_far,
            }
        }
        unknown()
    }

    /// What the end of an alias is worth that lies in another zone, where that was asked. What does not fit there is the other
    /// zone's flaw, and says nothing of the answer that leads there.
    fn elsewhere(&self, heard: &Heard, target: &str, zones: usize) -> Option<Verdict> {
        let zones = zones.checked_sub(1)?;
        let answers = |other: &&Heard| other.rtype == heard.rtype && same_name(&other.name, target);
        // One answer for each zone on the way: however many there are, a circle of aliases costs little.
        let there = self.heard.iter().filter(answers).find(|other| other.sections.authoritative)?;
        let verdict = self.verdict_across(there, zones);
        matches!(verdict, Verdict::Secure | Verdict::Insecure).then_some(verdict)
    }

    /// One set of an answer, or its absence.
    fn judge(&self, heard: &Heard, owner: &Name, set: Option<&Set>) -> Verdict {
        let unknown = || Verdict::Unknown(Why::Denied(heard.id));
        let zone = self.signer(heard, owner, set);
        let keys = match self.trust.get(&zone) {
            Some(Trust::Keys(keys)) => keys,
            Some(Trust::Unsigned(_)) => return Verdict::Insecure,
            Some(Trust::Broken(flaw)) => return Verdict::Bogus(flaw.clone()),
            Some(Trust::Unknown(why)) => return Verdict::Unknown(why.clone()),
            None => return unknown(),
        };
        let Some(apex) = name(&zone) else { return unknown() };
        let judged = match set {
            Some(set) => self.signed(heard, set, &apex, keys),
            None => self.absent(heard, owner, heard.rtype.on_the_wire(), &apex, keys),
        };
        match judged {
            Ok(verdict) => verdict,
            Err(Misfit { fault: Fault::Beyond, .. }) => unknown(),
            // Below the zone's own name there may be another zone, which nothing signs, on the same server.
            Err(Misfit { fault: Fault::Unsigned | Fault::NoProof, .. }) if *owner != apex => unknown(),
            Err(misfit) => Verdict::Bogus(heard.flaw(&zone, misfit, &keys.shown)),
        }
    }

    fn signed(&self, heard: &Heard, set: &Set, apex: &Name, keys: &Keys) -> Result<Verdict, Misfit> {
        let wrong = |fault| Misfit::of(&set.name, set.rtype, fault);
        let signed = self.clerk.check(set, apex, &keys.keys).map_err(wrong)?;
        let Some(encloser) = signed.from_wildcard_below else { return Ok(Verdict::Secure) };
        let denial = Denial::of(&heard.sections, apex, &keys.keys, &self.clerk)?;
        if denial.nothing_closer(&set.name, &encloser) { Ok(Verdict::Secure) } else { Err(wrong(Fault::NoProof)) }
    }

    fn absent(
        &self,
        heard: &Heard,
        owner: &Name,
        rtype: WireType,
        apex: &Name,
        keys: &Keys,
    ) -> Result<Verdict, Misfit> {
        let denial = Denial::of(&heard.sections, apex, &keys.keys, &self.clerk)?;
        match denial.of_records(owner, rtype, heard.sections.nxdomain) {
            Some(Denied::Proven) => Ok(Verdict::Secure),
            Some(Denied::Unsigned) => Ok(Verdict::Insecure),
            None => Err(Misfit::of(owner, rtype, Fault::NoProof)),
        }
    }

    /// The zone whose keys an answer should be signed with: that of the server, or one below it that the answer names.
    fn signer(&self, heard: &Heard, owner: &Name, set: Option<&Set>) -> String {
        let signatures = match set {
            Some(set) => set.signatures.iter().collect::<Vec<_>>(),
            None => heard.sections.authority.iter().flat_map(|set| &set.signatures).collect(),
        };
        let named = signatures.into_iter().map(|signature| text(&signature.input().signer_name));
        named
            .filter(|zone| lies_in(zone, &heard.zone) && lies_in(&text(owner), zone))
            .max_by_key(|zone| labels(zone))
            .unwrap_or_else(|| heard.zone.clone())
    }
}

impl Heard {
    /// Whether the answer may hold what its zone says of one below.
    fn leads_to(&self, zone: &str, at: &Name) -> bool {
        (self.rtype == RecordType::Ds && same_name(&self.name, zone))
            || self.sections.anywhere(at, WireType::DS).is_some()
            || self.sections.authority.iter().any(|set| set.rtype == WireType::NS && set.name == *at)
    }

    fn flaw(&self, zone: &str, misfit: Misfit, shown: &[ObsId]) -> Flaw {
        let Misfit { name, rtype, fault } = misfit;
        let shown = [&[self.id], shown].concat();
        Flaw { zone: zone.to_owned(), name, rtype, fault, server: self.server, shown }
    }
}

impl Flaw {
    fn last_shown(&self, walk: ObsId) -> ObsId {
        self.shown.first().copied().unwrap_or(walk)
    }
}

fn labels(zone: &str) -> usize {
    zone.split('.').filter(|label| !label.is_empty()).count()
}

fn ds_of(anchor: &Anchor) -> Option<DS> {
    let digest = crate::questions::dns::from_hex(&anchor.data)?;
    Some(DS::new(anchor.tag, Algorithm::from_u8(anchor.algorithm), DigestType::from(anchor.digest), digest))
}

fn ds_in(record: &hickory_proto::rr::Record) -> Option<DS> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::DS(ds)) => Some(ds.clone()),
        _ => None,
    }
}

/// What the alias in a set stands for.
fn alias(set: &Set) -> Option<Name> {
    set.records.iter().find_map(|record| match &record.data {
        RData::CNAME(target) => Some(target.0.clone()),
        _ => None,
    })
}

/// A key that may sign the zone: the zone key flag is set and it is not revoked (RFC 4034 section 2.1.1, RFC 5011).
fn key_in(record: &hickory_proto::rr::Record) -> Option<DNSKEY> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) if key.zone_key() && !key.revoke() => Some(key.clone()),
        _ => None,
    }
}

fn is_usable(ds: &DS) -> bool {
    is_known(ds.algorithm()) && ds.digest_type().is_supported()
}

/// The DS records that count: where there are better digests those by SHA-1 do not (RFC 4509 section 3).
fn strongest(ds: &[DS]) -> Vec<&DS> {
    let usable: Vec<&DS> = ds.iter().filter(|ds| is_usable(ds)).collect();
    let better = |ds: &&&DS| ds.digest_type() != DigestType::SHA1;
    if usable.iter().any(|ds| better(&ds)) { usable.into_iter().filter(|ds| better(&ds)).collect() } else { usable }
}
