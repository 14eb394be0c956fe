//! The question how a service shakes hands, and with which certificates.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use maildoctor_wire::hello::HelloAnswer;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::smtp::Starttls;
use super::tcp::Connect;
use crate::case::{Case, Graph, Observation, Question, Why};
use crate::subject::{Cert, Service, VantageId};

/// The most certificates of a chain that are kept.
pub const MAX_CHAIN: usize = 16;

/// `tls.handshake/1`: the TLS handshake, after STARTTLS or at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshake;

/// Why a handshake failed where the peer sent octets that are no TLS.
pub const NO_TLS: &str = "the server sent something that is no TLS";

/// What came of the handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Shaken {
    /// It was completed.
    Done {
        /// `TLS 1.2`, `TLS 1.3`.
        version: String,
        /// The cipher suite.
        cipher: String,
    },
    /// It failed: an alert, garbage, or a disagreement.
    Failed {
        /// What failed, in words.
        error: String,
        /// Who ended it, and over what, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended: Option<HandshakeEnd>,
        /// What our own hello, which offers everything from SSLv3 on, was answered; absent where it
        /// was not sent or nothing came.
        hello: Option<HelloAnswer>,
    },
    /// No answer within the limit.
    Stalled {
        /// How long was waited, in milliseconds.
        waited_ms: u64,
    },
    /// The peer speaks plain SMTP where TLS was expected.
    PlainText {
        /// What it said.
        said: String,
    },
}

/// Who ended a handshake, and over what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandshakeEnd {
    /// The server, by an alert.
    Alert,
    /// We: the server chose what our TLS library does not know.
    Incompatible,
    /// We: by the key that the server showed its signature does not hold.
    BadSignature,
}

/// Whether the chain leads to a root that is trusted here; dates and names left aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "trust", rename_all = "kebab-case")]
pub enum Trust {
    /// It does.
    Anchored,
    /// The leaf is its own issuer.
    SelfSigned,
    /// The leaf was sent alone, and its issuer is unknown here.
    IssuerMissing {
        /// The issuer's name.
        issuer: String,
    },
    /// The chain is whole, and its root unknown here.
    UnknownRoot {
        /// The root's name.
        root: String,
    },
    /// Something else is wrong with it: a signature, a constraint, a purpose.
    Unusable {
        /// What, in words.
        error: String,
    },
}

/// The wire facts of a handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsWire {
    /// The name that was asked for (SNI), and that the certificate should carry.
    pub server_name: Option<String>,
    /// What came of it.
    #[serde(flatten)]
    pub shaken: Shaken,
    /// The certificates as sent, DER in base64, the leaf first.
    pub chain: Vec<String>,
    /// Whether the chain is trusted here.
    #[serde(flatten)]
    pub trust: Option<Trust>,
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of the DER, in hexadecimal.
    pub fingerprint: String,
    /// The subject's name.
    pub subject: String,
    /// The issuer's name.
    pub issuer: String,
    /// DNS names and addresses it is for.
    pub names: Vec<String>,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
}

/// A handshake as it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsView {
    /// The wire facts.
    pub wire: TlsWire,
    /// The certificates that could be read, the leaf first.
    pub chain: Vec<Certificate>,
}

impl Certificate {
    /// Reads a DER certificate.
    pub fn of(der: &[u8]) -> Option<Self> {
        let (_, x509) = X509Certificate::from_der(der).ok()?;
        let mut names: Vec<String> = Vec::new();
        if let Ok(Some(san)) = x509.subject_alternative_name() {
            for name in &san.value.general_names {
                match name {
                    GeneralName::DNSName(dns) => names.push((*dns).to_owned()),
                    GeneralName::IPAddress(octets) => names.extend(address(octets)),
                    _ => {}
                }
            }
        }
        let time = |t: x509_parser::time::ASN1Time| Timestamp::from_second(t.timestamp()).ok();
        Some(Self {
            fingerprint: fingerprint(der),
            subject: x509.subject().to_string(),
            issuer: x509.issuer().to_string(),
            names,
            not_before: time(x509.validity().not_before)?,
            not_after: time(x509.validity().not_after)?,
        })
    }

    /// The names that it is for, as a sentence has them.
    pub fn names_in_words(&self) -> String {
        if self.names.is_empty() { "no name at all".to_owned() } else { self.names.join(", ") }
    }

    /// Whether it is for a name or an address (RFC 6125 section 6.4: a wildcard stands for one whole
    /// label at the left).
    pub fn is_for(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.names.iter().any(|held| {
            let held = held.trim_end_matches('.').to_ascii_lowercase();
            match held.strip_prefix("*.") {
                Some(parent) => name
                    .split_once('.')
                    .is_some_and(|(first, rest)| !first.is_empty() && rest == parent && parent.contains('.')),
                None => held == name,
            }
        })
    }
}

fn address(octets: &[u8]) -> Option<String> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(|o| std::net::Ipv4Addr::from(o).to_string()),
        16 => <[u8; 16]>::try_from(octets).ok().map(|o| std::net::Ipv6Addr::from(o).to_string()),
        _ => None,
    }
}

/// The shortest RSA key that clients of today take, in bits (RFC 9325 section 4.5).
const SHORTEST_RSA_BITS: usize = 2048;

/// How long the RSA key of a certificate is, in bits, where it is too short; the certificate is DER in Base64.
pub fn short_rsa_bits(certificate: &str) -> Option<usize> {
    let der = STANDARD.decode(certificate).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    match certificate.public_key().parsed().ok()? {
        PublicKey::RSA(key) => Some(key.key_size()).filter(|bits| *bits < SHORTEST_RSA_BITS),
        _ => None,
    }
}

/// SHA-256 in lower-case hexadecimal.
pub fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().map(|b| format!("{b:02x}")).collect()
}

impl TlsView {
    /// `Some` where the handshake was completed.
    pub fn done(&self) -> Option<()> {
        matches!(self.wire.shaken, Shaken::Done { .. }).then_some(())
    }

    /// The version that was agreed on, where the handshake was completed.
    pub fn version(&self) -> Option<&str> {
        match &self.wire.shaken {
            Shaken::Done { version, .. } => Some(version),
            _ => None,
        }
    }

    /// The server's own certificate.
    pub fn leaf(&self) -> Option<&Certificate> {
        self.chain.first()
    }

    /// The chain as it was sent, in DER.
    pub fn ders(&self) -> Vec<Vec<u8>> {
        self.wire.chain.iter().filter_map(|der| STANDARD.decode(der).ok()).collect()
    }

    /// Whether a client that verifies would go on: trusted, in its dates at `now`, and for the name.
    pub fn verified(&self, now: Timestamp) -> bool {
        self.distrust(now).is_none()
    }

    /// Why a client that verifies would not go on at `now`, in words; `None` where it would.
    pub fn distrust(&self, now: Timestamp) -> Option<String> {
        match &self.wire.shaken {
            Shaken::Done { .. } => {}
            Shaken::Failed { error, .. } => return Some(format!("the TLS handshake fails: {error}")),
            Shaken::Stalled { waited_ms } => return Some(format!("the TLS handshake stalls for {waited_ms} ms")),
            Shaken::PlainText { said } => return Some(format!("it speaks no TLS: \"{said}\"")),
        }
        let Some(leaf) = self.leaf() else { return Some("it shows no certificate that can be read".to_owned()) };
        let untrusted = match &self.wire.trust {
            Some(Trust::Anchored) => None,
            Some(Trust::SelfSigned) => Some("is its own issuer".to_owned()),
            Some(Trust::IssuerMissing { issuer }) => Some(format!("is sent without that of its issuer, {issuer}")),
            Some(Trust::UnknownRoot { root }) => Some(format!("leads to {root}, a root that is not trusted")),
            Some(Trust::Unusable { error }) => Some(format!("cannot be verified: {error}")),
            None => Some("cannot be verified".to_owned()),
        };
        let day = |when: Timestamp| when.strftime("%-d %B %Y").to_string();
        let wrong = untrusted
            .or_else(|| (leaf.not_after < now).then(|| format!("is valid until {} only", day(leaf.not_after))))
            .or_else(|| (now < leaf.not_before).then(|| format!("is not valid before {}", day(leaf.not_before))))
            .or_else(|| match self.wire.server_name.as_deref() {
                Some(name) if leaf.is_for(name) => None,
                Some(name) => Some(format!("is for {}, and not for {name}", leaf.names_in_words())),
                None => Some("was asked for without a name".to_owned()),
            })?;
        Some(format!("its certificate {wrong}"))
    }
}

/// `tls.small-segments/1`: a handshake that had stalled, tried again in segments so small that every path carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmallSegments;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmallSegmentsWire {
    /// The largest segment, in octets.
    pub segment: u32,
    /// The handshake came about.
    pub done: bool,
}

impl Question for SmallSegments {
    const PROBE: &'static str = "tls.small-segments/1";
    type On = Service;
    type Wire = SmallSegmentsWire;
    type View = SmallSegmentsWire;

    fn read(wire: SmallSegmentsWire) -> Option<SmallSegmentsWire> {
        Some(wire)
    }
}

impl Question for Handshake {
    const PROBE: &'static str = "tls.handshake/1";
    type On = Service;
    type Wire = TlsWire;
    type View = TlsView;

    fn read(wire: TlsWire) -> Option<TlsView> {
        let view = TlsView { wire, chain: Vec::new() };
        let chain = view.ders().iter().filter_map(|der| Certificate::of(der)).collect();
        Some(TlsView { chain, ..view })
    }

    fn needs(&self, case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
        let connect = case.ask(&Connect, on, from)?;
        connect.need(|c| c.open())?;
        if connect.role.implicit_tls() || !connect.role.speaks_smtp() {
            return Ok(());
        }
        case.ask(&Starttls, on, from)?.need(|s| s.reply().filter(|r| r.code == 220)).map(|_| ())
    }

    fn link(observation: &Observation, view: &TlsView, graph: &mut Graph) {
        if let (Some(service), Some(leaf)) = (crate::case::subject_of::<Service>(observation), view.leaf()) {
            graph.leans(service, &Cert(leaf.fingerprint.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let cert = Certificate {
            fingerprint: String::new(),
            subject: String::new(),
            issuer: String::new(),
            names: vec!["*.example.org".into(), "192.0.2.1".into()],
            not_before: Timestamp::UNIX_EPOCH,
            not_after: Timestamp::UNIX_EPOCH,
        };
        assert!(cert.is_for("MX.example.org.") && cert.is_for("192.0.2.1"));
        assert!(!cert.is_for("a.b.example.org") && !cert.is_for("example.org"));
    }
}
