//! Whether it is proven that something is not there: NSEC (RFC 4035 section 5.4) and NSEC3 (RFC 5155 section 8).

use hickory_proto::dnssec::Nsec3HashAlgorithm;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, NSEC, NSEC3};
use hickory_proto::rr::{Name, RData, RecordType};

use super::Misfit;
use super::message::Sections;
use super::signature::Clerk;

/// The most iterations of an NSEC3 hash; with more the zone counts as not signed (RFC 9276 section 3.2).
const MAX_ITERATIONS: u16 = 100;

/// The longest salt, in octets.
const MAX_SALT: usize = 255;

/// The most labels of a name that are hashed.
const MAX_LABELS: usize = 24;

/// What is proven of a name and a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// It is not there.
    Proven,
    /// It may be there, and then it is not signed: opt-out, or hashes that nobody computes.
    Unsigned,
}

/// The records of a message that can prove absence, those alone whose signatures fit.
pub(super) struct Denial<'m> {
    zone: &'m Name,
    nsec: Vec<(&'m Name, &'m NSEC)>,
    nsec3: Vec<(String, &'m NSEC3)>,
}

impl<'m> Denial<'m> {
    /// Takes the signed proofs out of a message.
    ///
    /// # Errors
    /// The fault of a proof, or of the SOA beside it, that is not signed as it should be.
    pub(super) fn of(message: &'m Sections, zone: &'m Name, keys: &[DNSKEY], clerk: &Clerk) -> Result<Self, Misfit> {
        let mut denial = Self { zone, nsec: Vec::new(), nsec3: Vec::new() };
        for set in &message.authority {
            if !matches!(set.rtype, RecordType::NSEC | RecordType::NSEC3 | RecordType::SOA) || set.records.is_empty() {
                continue;
            }
            clerk.check(set, zone, keys).map_err(|fault| Misfit::of(&set.name, set.rtype, fault))?;
            for record in &set.records {
                match &record.data {
                    RData::DNSSEC(DNSSECRData::NSEC(nsec)) => denial.nsec.push((&set.name, nsec)),
                    RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) if set.name.base_name() == *zone => {
                        let hash = set.name.iter().next().unwrap_or_default();
                        denial.nsec3.push((String::from_utf8_lossy(hash).to_ascii_lowercase(), nsec3));
                    }
                    _ => {}
                }
            }
        }
        Ok(denial)
    }

    /// What is proven of a name, and of records of a type there.
    pub(super) fn of_records(&self, name: &Name, rtype: RecordType, nxdomain: bool) -> Option<Denied> {
        if !self.nsec.is_empty() {
            let proven = if nxdomain { self.no_name(name) } else { self.no_type(name, rtype) };
            return proven.then_some(Denied::Proven);
        }
        self.by_hash(name, rtype, nxdomain)
    }

    /// Whether it is proven that no name stands between a wildcard's and this one (RFC 4035 section 5.3.4).
    pub(super) fn nothing_closer(&self, name: &Name, encloser: &Name) -> bool {
        if self.nsec.iter().any(|(owner, nsec)| covers(owner, nsec, name)) {
            return true;
        }
        let next = name.trim_to(usize::from(encloser.num_labels()) + 1);
        matches!(self.hashes(), Ok(hashes) if self.covered(&hashes, &next).is_some())
            || matches!(self.hashes(), Err(Denied::Unsigned))
    }

    fn no_name(&self, name: &Name) -> bool {
        let Some((owner, nsec)) = self.nsec.iter().find(|(owner, nsec)| covers(owner, nsec, name)) else {
            return false;
        };
        let encloser = common(name, owner).max_by_labels(common(name, nsec.next_domain_name()));
        let wildcard = wildcard_below(&encloser);
        self.nsec.iter().any(|(owner, nsec)| covers(owner, nsec, &wildcard))
    }

    fn no_type(&self, name: &Name, rtype: RecordType) -> bool {
        if let Some((_, nsec)) = self.nsec.iter().find(|(owner, _)| *owner == name) {
            return lacks(nsec.type_set(), rtype);
        }
        let Some((owner, nsec)) = self.nsec.iter().find(|(owner, nsec)| covers(owner, nsec, name)) else {
            return false;
        };
        // A name that only has others below it (RFC 4035 section 5.4 with RFC 8020).
        if name.zone_of(nsec.next_domain_name()) {
            return true;
        }
        let encloser = common(name, owner).max_by_labels(common(name, nsec.next_domain_name()));
        let wildcard = wildcard_below(&encloser);
        self.nsec.iter().any(|(owner, nsec)| **owner == wildcard && lacks(nsec.type_set(), rtype))
    }

    /// Salt and iterations, which all NSEC3 records of an answer share.
    fn hashes(&self) -> Result<(&'m [u8], u16), Denied> {
        match self.nsec3.first() {
            Some((_, first)) if first.iterations() > MAX_ITERATIONS || first.salt().len() > MAX_SALT => {
                Err(Denied::Unsigned)
            }
            Some((_, first)) => Ok((first.salt(), first.iterations())),
            None => Ok((&[], 0)),
        }
    }

    fn by_hash(&self, name: &Name, rtype: RecordType, nxdomain: bool) -> Option<Denied> {
        self.nsec3.first()?;
        let hashes = match self.hashes() {
            Ok(hashes) => hashes,
            Err(unsigned) => return Some(unsigned),
        };
        if let Some(nsec3) = self.matching(&hashes, name) {
            return (!nxdomain && lacks(nsec3.type_set(), rtype)).then_some(Denied::Proven);
        }
        // The closest name above that exists, and the next one down, which does not (RFC 5155 section 8.3).
        let depth = usize::from(name.num_labels());
        let top = usize::from(self.zone.num_labels());
        let encloser = (top..depth)
            .rev()
            .take(MAX_LABELS)
            .find(|labels| self.matching(&hashes, &name.trim_to(*labels)).is_some())?;
        let covering = self.covered(&hashes, &name.trim_to(encloser + 1))?;
        if covering.opt_out() {
            return Some(Denied::Unsigned);
        }
        let wildcard = wildcard_below(&name.trim_to(encloser));
        match self.matching(&hashes, &wildcard) {
            Some(nsec3) => (!nxdomain && lacks(nsec3.type_set(), rtype)).then_some(Denied::Proven),
            None => (nxdomain && self.covered(&hashes, &wildcard).is_some()).then_some(Denied::Proven),
        }
    }

    fn matching(&self, hashes: &(&[u8], u16), name: &Name) -> Option<&'m NSEC3> {
        let hash = hashed(hashes, name)?;
        self.nsec3.iter().find(|(owner, nsec3)| *owner == hash && shares(nsec3, hashes)).map(|(_, nsec3)| *nsec3)
    }

    fn covered(&self, hashes: &(&[u8], u16), name: &Name) -> Option<&'m NSEC3> {
        let hash = hashed(hashes, name)?;
        self.nsec3
            .iter()
            .filter(|(_, nsec3)| shares(nsec3, hashes))
            .find(|(owner, nsec3)| {
                let next = base32(nsec3.next_hashed_owner_name());
                // The last of the zone leads back to the first.
                if *owner < next { *owner < hash && hash < next } else { hash > *owner || hash < next }
            })
            .map(|(_, nsec3)| *nsec3)
    }
}

fn shares(nsec3: &NSEC3, (salt, iterations): &(&[u8], u16)) -> bool {
    nsec3.salt() == *salt && nsec3.iterations() == *iterations
}

fn hashed((salt, iterations): &(&[u8], u16), name: &Name) -> Option<String> {
    let digest = Nsec3HashAlgorithm::SHA1.hash(salt, name, *iterations).ok()?;
    Some(base32(digest.as_ref()))
}

/// Base 32 with the extended hex alphabet (RFC 4648 section 7), which keeps the order of what it stands for.
pub(super) fn base32(octets: &[u8]) -> String {
    const ALPHABET: [char; 32] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l',
        'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
    ];
    octets
        .chunks(5)
        .flat_map(|chunk| {
            let bits = chunk.iter().fold(0_u64, |bits, octet| bits << 8 | u64::from(*octet)) << (8 * (5 - chunk.len()));
            let letters = (chunk.len() * 8).div_ceil(5);
            (0..letters).map(move |place| usize::try_from(bits >> (35 - 5 * place) & 31).unwrap_or_default())
        })
        .filter_map(|place| ALPHABET.get(place))
        .collect()
}

/// Whether a bit map shows that there are no records of a type. What stands on the zone above at a cut speaks of DS alone
/// (RFC 6840 section 4.1), and so does the zone below of everything else.
fn lacks(types: &hickory_proto::rr::RecordTypeSet, rtype: RecordType) -> bool {
    let cut = types.contains(RecordType::NS) && !types.contains(RecordType::SOA);
    let speaks = if rtype == RecordType::DS { cut } else { !cut };
    speaks && !types.contains(rtype) && !types.contains(RecordType::CNAME)
}

/// Whether a name would stand between an NSEC record's and the next.
fn covers(owner: &Name, nsec: &NSEC, name: &Name) -> bool {
    let next = nsec.next_domain_name();
    // A cut above the name speaks for nothing below it.
    if owner.zone_of(name) && owner != name && nsec.is_ancestor_delegation() {
        return false;
    }
    owner < name && (name < next || next <= owner)
}

/// The longest name that both lie in.
fn common(one: &Name, other: &Name) -> Name {
    let most = one.num_labels().min(other.num_labels());
    (0..=usize::from(most)).rev().map(|labels| one.trim_to(labels)).find(|name| name.zone_of(other)).unwrap_or_default()
}

trait Deeper {
    fn max_by_labels(self, other: Self) -> Self;
}

impl Deeper for Name {
    fn max_by_labels(self, other: Self) -> Self {
        if other.num_labels() > self.num_labels() { other } else { self }
    }
}

fn wildcard_below(name: &Name) -> Name {
    name.prepend_label("*").unwrap_or_else(|_| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_32_is_that_of_rfc_4648() {
        for (plain, encoded) in [("", ""), ("f", "co"), ("fo", "cpng"), ("foo", "cpnmu"), ("foobar", "cpnmuoj1e8")] {
            assert_eq!(base32(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn a_name_is_hashed_as_in_rfc_5155_appendix_a() {
        let name = Name::from_ascii("a.Example.").unwrap();
        assert_eq!(hashed(&(&[0xaa, 0xbb, 0xcc, 0xdd], 12), &name).unwrap(), "35mthgpgcu1qg68fab165klnsnk3dpvl");
    }
}
