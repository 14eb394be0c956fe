//! Whether a set of records is signed by one of a zone's keys, now.

use std::sync::atomic::{AtomicU32, Ordering};

use hickory_proto::dnssec::rdata::{DNSKEY, RRSIG};
use hickory_proto::dnssec::{Algorithm, PublicKey, Verifier};
use hickory_proto::rr::{DNSClass, Name};
use jiff::{SignedDuration, Timestamp};

use super::Fault;
use super::message::Set;

/// The most signatures over one set that are looked at.
const MAX_SIGNATURES: usize = 8;

/// The most keys of one tag that are tried: tags are 16 bits, and two keys may share one by chance.
const MAX_SAME_TAG: usize = 2;

/// The most signatures that are checked for one case (KeyTrap, CVE-2023-50387): an honest one takes some dozens.
const MAX_CHECKS: u32 = 1024;

/// RSA moduli that can be checked here, in octets.
const RSA_OCTETS: std::ops::RangeInclusive<usize> = 128..=1024;

/// What is left of the checks that a case may cost, and the time that signatures are held against.
#[derive(Debug)]
pub(super) struct Clerk {
    now: Timestamp,
    left: AtomicU32,
}

/// A set that is signed.
pub(super) struct Signed {
    /// The name below which it was made up from a wildcard (RFC 4035 section 5.3.4).
    pub(super) from_wildcard_below: Option<Name>,
}

impl Clerk {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now, left: AtomicU32::new(MAX_CHECKS) }
    }

    /// Whether one of the keys of `zone` signed the set.
    pub(super) fn check(&self, set: &Set, zone: &Name, keys: &[DNSKEY]) -> Result<Signed, Fault> {
        let by_zone = set.signatures.iter().filter(|s| s.input().signer_name == *zone).take(MAX_SIGNATURES);
        let mut worst: Option<Fault> = None;
        for signature in by_zone {
            match self.one(set, signature, keys) {
                Ok(signed) => return Ok(signed),
                Err(fault) => {
                    // The fault of the signature that came nearest to being good says most.
                    worst = Some(worst.into_iter().chain([fault]).max_by_key(says_most).unwrap_or(Fault::Beyond));
                }
            }
        }
        Err(worst.unwrap_or(Fault::Unsigned))
    }

    fn one(&self, set: &Set, signature: &RRSIG, keys: &[DNSKEY]) -> Result<Signed, Fault> {
        let input = signature.input();
        let tag = input.key_tag;
        if !input.algorithm.is_supported() {
            return Err(Fault::Beyond);
        }
        let candidates: Vec<&DNSKEY> = keys
            .iter()
            .filter(|key| key.public_key().algorithm() == input.algorithm && key.calculate_key_tag().ok() == Some(tag))
            .take(MAX_SAME_TAG)
            .collect();
        if candidates.is_empty() {
            return Err(Fault::NoKey { tag, keys: tags(keys) });
        }
        if let Some(until) = self.is_before_now(input.sig_expiration.get()) {
            return Err(Fault::Expired { tag, until });
        }
        if let Some(from) = self.is_after_now(input.sig_inception.get()) {
            return Err(Fault::NotYet { tag, from });
        }
        for key in candidates {
            if !can_be_used(key) || !self.takes_one() {
                return Err(Fault::Beyond);
            }
            if key.verify_rrsig(&set.name, DNSClass::IN, signature, set.records.iter()).is_ok() {
                let made_up = input.num_labels < set.name.num_labels();
                return Ok(Signed {
                    from_wildcard_below: made_up.then(|| set.name.trim_to(usize::from(input.num_labels))),
                });
            }
        }
        Err(Fault::Invalid { tag })
    }

    fn takes_one(&self) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// The seconds from now to a time that is told modulo 2³² (RFC 4034 section 3.1.5).
    fn seconds_until(&self, told: u32) -> i64 {
        // The lower 32 bits are what is meant: the arithmetic of serial numbers (RFC 1982).
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "modulo 2^32 is what is wanted")]
        let now = self.now.as_second() as u32;
        i64::from(told.wrapping_sub(now).cast_signed())
    }

    fn at(&self, seconds: i64) -> Timestamp {
        let whole = Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
        whole.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(whole)
    }

    fn is_before_now(&self, told: u32) -> Option<Timestamp> {
        let seconds = self.seconds_until(told);
        (seconds < 0).then(|| self.at(seconds))
    }

    fn is_after_now(&self, told: u32) -> Option<Timestamp> {
        let seconds = self.seconds_until(told);
        (seconds > 0).then(|| self.at(seconds))
    }
}

/// The tags of keys, in order.
pub(super) fn tags(keys: &[DNSKEY]) -> Vec<u16> {
    let mut tags: Vec<u16> = keys.iter().filter_map(|key| key.calculate_key_tag().ok()).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// How much a fault says, the least first. What cannot be checked comes first of all: nothing is claimed beside it.
fn says_most(fault: &Fault) -> u8 {
    match fault {
        Fault::Beyond => 4,
        Fault::Expired { .. } | Fault::NotYet { .. } => 3,
        Fault::Invalid { .. } => 2,
        Fault::NoKey { .. } => 1,
        _ => 0,
    }
}

/// Whether the library can tell good signatures of a key from bad ones: shorter RSA keys it always refuses.
fn can_be_used(key: &DNSKEY) -> bool {
    let public = key.public_key();
    match u8::from(public.algorithm()) {
        5 | 7 | 8 | 10 => modulus(public.public_bytes()).is_some_and(|octets| RSA_OCTETS.contains(&octets)),
        _ => true,
    }
}

/// The length of an RSA key's modulus, in octets (RFC 3110 section 2).
fn modulus(key: &[u8]) -> Option<usize> {
    let (exponent, prefix) = match key {
        [0, high, low, ..] => (usize::from(u16::from_be_bytes([*high, *low])), 3),
        [length, ..] => (usize::from(*length), 1),
        [] => return None,
    };
    key.len().checked_sub(exponent.checked_add(prefix)?)
}

/// Whether signatures and digests of an algorithm can be checked.
pub(super) fn is_known(algorithm: Algorithm) -> bool {
    algorithm.is_supported()
}
