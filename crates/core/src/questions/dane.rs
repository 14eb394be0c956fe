//! TLSA records of a mail exchanger (RFC 6698, RFC 7672), and whether a chain of certificates fits them.

use jiff::Timestamp;
use sha2::{Digest, Sha256, Sha512};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::dns::{Data, Definite, from_hex, to_hex};
use super::tls::{Certificate, MAX_CHAIN};

/// The most records at one name that are looked at.
const MAX_RECORDS: usize = 64;

/// The name at which a mail exchanger's records stand (RFC 7672 section 2.2.3).
pub fn name_of(host: &str) -> String {
    format!("_25._tcp.{host}")
}

/// Why a chain of certificates does not fit a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misfit {
    /// It fits but for the dates of the server's certificate, which count with usage 2.
    Term,
    /// It fits but for the names of the server's certificate, which count with usage 2.
    Name,
    /// It is not what the record is of: why, in words.
    Other(&'static str),
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Misfit::Term => "the certificate is outside its term, which counts with usage 2",
            Misfit::Name => "the certificate is for another name, which counts with usage 2",
            Misfit::Other(why) => why,
        })
    }
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tlsa {
    /// Certificate usage: 2 for an authority of one's own (DANE-TA), 3 for the server's certificate (DANE-EE).
    pub usage: u8,
    /// 0 for the whole certificate, 1 for its public key.
    pub selector: u8,
    /// 0 for the thing itself, 1 for its SHA-256, 2 for its SHA-512.
    pub matching: u8,
    /// The association data.
    pub data: Vec<u8>,
}

impl std::fmt::Display for Tlsa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = to_hex(self.data.get(..6).unwrap_or(&self.data));
        let more = if self.data.len() > 6 { "…" } else { "" };
        write!(f, "{} {} {} {shown}{more}", self.usage, self.selector, self.matching)
    }
}

impl Tlsa {
    /// The records of an answer.
    pub fn of(answer: &Definite<'_>) -> Vec<Self> {
        let read = |data: &Data| match data {
            Data::Tlsa { usage, selector, matching, data } => Some(Self {
                usage: *usage,
                selector: *selector,
                matching: *matching,
                data: from_hex(data).unwrap_or_default(),
            }),
            _ => None,
        };
        answer.answers.iter().filter_map(|record| read(&record.data)).take(MAX_RECORDS).collect()
    }

    /// The record that a certificate would fit by its public key (`3 1 1`), as zone files have it.
    pub fn for_key_of(der: &[u8]) -> Option<String> {
        let key = selected(1, der)?;
        Some(format!("3 1 1 {}", to_hex(&Sha256::digest(key))))
    }

    /// Why senders pass the record over (RFC 7672 section 3.1.3 for usages 0 and 1); `None` where they do not.
    pub fn unusable(&self) -> Option<&'static str> {
        match (self.usage, self.selector, self.matching, self.data.len()) {
            (0 | 1, ..) => Some("usages 0 and 1 are not used in mail"),
            (4.., ..) => Some("its usage is unknown"),
            (_, 2.., ..) => Some("its selector is unknown"),
            (_, _, 3.., _) => Some("its matching type is unknown"),
            (_, _, 1, length) if length != 32 => Some("a SHA-256 has 32 octets"),
            (_, _, 2, length) if length != 64 => Some("a SHA-512 has 64 octets"),
            (_, _, 0, 0) => Some("it holds nothing"),
            _ => None,
        }
    }

    /// Whether a chain, the server's own certificate first, fits the record at a given time for one of the names.
    ///
    /// # Errors
    /// Why it does not.
    pub fn fits(&self, chain: &[Vec<u8>], names: &[&str], now: Timestamp) -> Result<(), Misfit> {
        let leaf = chain.first().ok_or(Misfit::Other("there is no certificate"))?;
        if self.usage == 3 {
            // Neither names nor dates count (RFC 7672 section 3.1.1).
            return if self.is_of(leaf) {
                Ok(())
            } else {
                Err(Misfit::Other("it is not that of the server's certificate"))
            };
        }
        let in_dns = (self.selector == 0 && self.matching == 0).then_some(&self.data);
        let Some(anchor) = chain.iter().skip(1).find(|der| self.is_of(der)).or(in_dns) else {
            return Err(Misfit::Other(if self.is_of(leaf) {
                "it is of usage 2, for an authority, and fits the server's own certificate, which wants usage 3"
            } else {
                "no authority in the chain that is sent fits it"
            }));
        };
        below(leaf, anchor, chain, now).map_err(Misfit::Other)?;
        let leaf = Certificate::of(leaf).ok_or(Misfit::Other("the server's certificate cannot be read"))?;
        if now < leaf.not_before || leaf.not_after < now {
            return Err(Misfit::Term);
        }
        if names.iter().any(|name| leaf.is_for(name)) { Ok(()) } else { Err(Misfit::Name) }
    }

    fn is_of(&self, der: &[u8]) -> bool {
        let Some(selected) = selected(self.selector, der) else { return false };
        match self.matching {
            0 => selected == self.data,
            1 => Sha256::digest(selected).as_slice() == self.data,
            2 => Sha512::digest(selected).as_slice() == self.data,
            _ => false,
        }
    }
}

fn selected(selector: u8, der: &[u8]) -> Option<Vec<u8>> {
    match selector {
        0 => Some(der.to_vec()),
        _ => X509Certificate::from_der(der).ok().map(|(_, x509)| x509.public_key().raw.to_vec()),
    }
}

/// Whether signatures lead from a certificate to an authority, every one above the first in its term.
fn below(leaf: &[u8], anchor: &[u8], chain: &[Vec<u8>], now: Timestamp) -> Result<(), &'static str> {
    const NOT_BELOW: &str = "the chain does not lead to the authority of the record";
    let read = |der| X509Certificate::from_der(der).ok().map(|(_, x509)| x509);
    let anchor = read(anchor).ok_or("the authority in the record is no certificate")?;
    let sent: Vec<X509Certificate<'_>> = chain.iter().filter_map(|der| read(der)).collect();
    let mut at = read(leaf).ok_or("the server's certificate cannot be read")?;
    for _ in 0..=MAX_CHAIN {
        if at.as_raw() == anchor.as_raw() {
            return Ok(());
        }
        let issued = |by: &X509Certificate<'_>| {
            by.subject() == at.issuer() && by.is_ca() && at.verify_signature(Some(by.public_key())).is_ok()
        };
        let next = std::iter::once(&anchor).chain(&sent).find(|by| by.as_raw() != at.as_raw() && issued(by)).cloned();
        at = next.ok_or(NOT_BELOW)?;
        let (from, to) = (at.validity().not_before.timestamp(), at.validity().not_after.timestamp());
        if !(from..=to).contains(&now.as_second()) {
            return Err("an authority of the chain is outside its term, which counts with usage 2");
        }
    }
    Err(NOT_BELOW)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    const NAMES: [&str; 2] = ["mx.example.org", "example.org"];

    /// A leaf for `name` and its authority, and the time at which they are good.
    fn chain(name: &str) -> (Vec<Vec<u8>>, Timestamp) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        (vec![leaf.der().to_vec(), issuer.der().to_vec()], "2026-11-25T00:00:00Z".parse().unwrap())
    }

    fn record(usage: u8, selector: u8, matching: u8, der: &[u8]) -> Tlsa {
        let selected = selected(selector, der).unwrap();
        let data = match matching {
            0 => selected,
            1 => Sha256::digest(selected).to_vec(),
            _ => Sha512::digest(selected).to_vec(),
        };
        Tlsa { usage, selector, matching, data }
    }

    #[test]
    fn every_selector_and_matching_type_fits_its_own_certificate_and_no_other() {
        let (sent, now) = chain("mx.example.org");
        let (other, _) = chain("mx.example.org");
        for (usage, place) in [(3, 0), (2, 1)] {
            for (selector, matching) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
                let own = record(usage, selector, matching, &sent[place]);
                assert_eq!((own.unusable(), own.fits(&sent, &NAMES, now)), (None, Ok(())), "{own}");
                assert!(own.fits(&other, &NAMES, now).is_err(), "{own}");
            }
        }
        // The zone file's text of the key.
        let by_key = record(3, 1, 1, &sent[0]);
        let hex: String = by_key.data.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(Tlsa::for_key_of(&sent[0]), Some(format!("3 1 1 {hex}")));
    }

    #[test]
    fn names_and_dates_count_with_usage_2_alone() {
        let (sent, now) = chain("www.example.net");
        assert!(record(3, 1, 1, &sent[0]).fits(&sent, &NAMES, now).is_ok());
        assert!(record(2, 0, 1, &sent[1]).fits(&sent, &NAMES, now) == Err(Misfit::Name));
        let (sent, _) = chain("mx.example.org");
        let long_after = "9999-01-01T00:00:00Z".parse().unwrap();
        assert!(record(3, 1, 1, &sent[0]).fits(&sent, &NAMES, long_after).is_ok());
        assert!(record(2, 0, 1, &sent[1]).fits(&sent, &NAMES, long_after).is_err());
    }

    #[test]
    fn an_authority_must_have_signed_and_be_one() {
        let (sent, now) = chain("mx.example.org");
        let (other, _) = chain("mx.example.org");
        // Somebody else's authority of the same name, sent along: its signature is not under the leaf.
        let mixed = vec![sent[0].clone(), other[1].clone()];
        assert!(record(2, 0, 1, &other[1]).fits(&mixed, &NAMES, now).is_err());
        assert!(
            record(2, 1, 1, &sent[0])
                .fits(&sent, &NAMES, now)
                .is_err_and(|why| why.to_string().contains("wants usage 3"))
        );
        // The whole authority stands in the record, and is not sent.
        assert!(record(2, 0, 0, &sent[1]).fits(&sent[..1], &NAMES, now).is_ok());
        assert!(record(2, 0, 1, &sent[1]).fits(&sent[..1], &NAMES, now).is_err());
    }

    #[test]
    fn what_senders_pass_over_is_said() {
        let of = |usage, selector, matching, length| Tlsa { usage, selector, matching, data: vec![0; length] };
        for (record, usable) in [
            (of(3, 1, 1, 32), true),
            (of(2, 0, 2, 64), true),
            (of(1, 1, 1, 32), false),
            (of(0, 0, 1, 32), false),
            (of(3, 2, 1, 32), false),
            (of(3, 1, 3, 32), false),
            (of(3, 1, 1, 31), false),
            (of(3, 1, 0, 0), false),
            (of(255, 255, 255, 1), false),
        ] {
            assert_eq!(record.unusable().is_none(), usable, "{record}");
        }
    }

    proptest! {
        #[test]
        fn junk_fits_nothing_and_breaks_nothing(
            (usage, selector, matching) in (any::<u8>(), any::<u8>(), any::<u8>()),
            data in proptest::collection::vec(any::<u8>(), 0..200),
            junk in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..4),
        ) {
            let record = Tlsa { usage, selector, matching, data };
            let _ = (record.unusable(), record.to_string());
            let fits = record.fits(&junk, &NAMES, Timestamp::UNIX_EPOCH);
            prop_assert!(fits.is_err() || (record.usage == 3 && record.selector == 0 && record.matching == 0), "{}", record);
        }
    }
}
