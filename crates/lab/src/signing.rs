//! DNSSEC of the lab: the root and the domain have a key each, and their servers sign what they say as they say it.
//!
//! What is not there is denied by NSEC records made up around the name that was asked for (RFC 4470).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hickory_proto::dnssec::crypto::EcdsaSigningKey;
use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, NSEC, RRSIG};
use hickory_proto::dnssec::{Algorithm, DigestType, SigningKey, TBS};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};

use crate::LabError;

const ALGORITHM: Algorithm = Algorithm::ECDSAP256SHA256;

/// The flags of a key that signs the zone and that a DS record may name (RFC 4034 section 2.1.1).
const KEY_FLAGS: u16 = 257;

/// From how long ago, and for how long, a signature is valid.
const AGO: Duration = Duration::from_secs(3600);
const TERM: Duration = Duration::from_secs(7 * 86_400);

/// A zone's key.
pub struct ZoneKey {
    zone: Name,
    key: EcdsaSigningKey,
    public: DNSKEY,
    tag: u16,
}

/// What is wrong with a zone's signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signatures {
    /// They are as they should be.
    #[default]
    Good,
    /// They ran out three days ago.
    Expired,
}

fn failed(error: impl std::fmt::Display) -> LabError {
    LabError::Certificates(error.to_string())
}

impl ZoneKey {
    /// Makes a key.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub fn new(zone: Name) -> Result<Arc<Self>, LabError> {
        let pkcs8 = EcdsaSigningKey::generate_pkcs8(ALGORITHM).map_err(failed)?;
        let key = EcdsaSigningKey::from_pkcs8(&pkcs8, ALGORITHM).map_err(failed)?;
        let public = DNSKEY::with_flags(KEY_FLAGS, key.to_public_key().map_err(failed)?);
        let tag = public.calculate_key_tag().map_err(failed)?;
        Ok(Arc::new(Self { zone, key, public, tag }))
    }

    /// The key as the zone publishes it.
    pub fn dnskey(&self) -> RData {
        RData::DNSSEC(DNSSECRData::DNSKEY(self.public.clone()))
    }

    /// Its digest, as the zone above publishes it.
    ///
    /// # Errors
    /// Where it cannot be computed.
    pub fn ds(&self) -> Result<RData, LabError> {
        let digest = self.public.to_digest(&self.zone, DigestType::SHA256).map_err(failed)?;
        let ds = DS::new(self.tag, ALGORITHM, DigestType::SHA256, digest.as_ref().to_vec());
        Ok(RData::DNSSEC(DNSSECRData::DS(ds)))
    }

    /// A section of an answer with a signature after each set that is the zone's own to sign.
    pub(crate) fn sign(&self, section: Vec<Record>, quality: Signatures) -> Vec<Record> {
        let mut sets: Vec<Vec<Record>> = Vec::new();
        for record in section {
            match sets.iter_mut().find(|set| set.first().is_some_and(|first| same_set(first, &record))) {
                Some(set) => set.push(record),
                None => sets.push(vec![record]),
            }
        }
        let signed = sets.into_iter().flat_map(|set| {
            let signature = set.first().and_then(|first| self.signature(first, &set, quality));
            set.into_iter().chain(signature)
        });
        signed.collect()
    }

    fn signature(&self, first: &Record, set: &[Record], quality: Signatures) -> Option<Record> {
        let cut = first.record_type() == RecordType::NS && first.name != self.zone;
        if cut || !self.zone.zone_of(&first.name) {
            return None;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let until = match quality {
            Signatures::Good => now + TERM,
            Signatures::Expired => now.checked_sub(Duration::from_secs(3 * 86_400))?,
        };
        let from = now.min(until).checked_sub(AGO)?;
        let input = SigInput {
            type_covered: first.record_type(),
            algorithm: ALGORITHM,
            num_labels: first.name.num_labels(),
            original_ttl: first.ttl,
            sig_expiration: SerialNumber::new(u32::try_from(until.as_secs()).ok()?),
            sig_inception: SerialNumber::new(u32::try_from(from.as_secs()).ok()?),
            key_tag: self.tag,
            signer_name: self.zone.clone(),
        };
        let tbs = TBS::from_input(&first.name, DNSClass::IN, &input, set.iter()).ok()?;
        let rrsig = RRSIG::from_sig(input, self.key.sign(&tbs).ok()?);
        Some(Record::from_rdata(first.name.clone(), first.ttl, RData::DNSSEC(DNSSECRData::RRSIG(rrsig))))
    }
}

fn same_set(one: &Record, other: &Record) -> bool {
    one.name == other.name && one.record_type() == other.record_type()
}

/// The NSEC records that deny a name, or all types but those that it has.
pub(crate) fn denial(name: &Name, types: Option<Vec<RecordType>>, ttl: u32) -> Vec<Record> {
    let nsec = |owner: Name, next: Name, types: Vec<RecordType>| {
        let types = types.into_iter().chain([RecordType::NSEC, RecordType::RRSIG]);
        Record::from_rdata(owner, ttl, RData::DNSSEC(DNSSECRData::NSEC(NSEC::new(next, types))))
    };
    let above = name.base_name();
    match types {
        Some(types) => {
            let next = below(name, &[0]);
            next.map(|next| nsec(name.clone(), next, types)).into_iter().collect()
        }
        None => {
            let label = name.iter().next().unwrap_or_default();
            let after = [label, &[0]].concat();
            // Just before the name, and just before where a wildcard would stand (`)` and `+` are the neighbours of `*`).
            let before = label.split_last().map(|(last, head)| [head, &[last.saturating_sub(1), b'~']].concat());
            let covering =
                before.and_then(|before| Some(nsec(below(&above, &before)?, below(&above, &after)?, vec![])));
            let wildcard = below(&above, b")").zip(below(&above, b"+")).map(|(from, to)| nsec(from, to, vec![]));
            covering.into_iter().chain(wildcard).collect()
        }
    }
}

fn below(name: &Name, label: &[u8]) -> Option<Name> {
    name.prepend_label(label).ok()
}
