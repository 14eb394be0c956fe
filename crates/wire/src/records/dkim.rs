//! DKIM key records (RFC 6376 section 3.6.1, RFC 8463).

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurpose;
use base64::{alphabet, engine::DecodePaddingMode, engine::GeneralPurposeConfig};

use super::Flaw;
use super::tags::Tags;

/// Base64 as verifiers take it: with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The length of an Ed25519 public key, in octets.
const ED25519_OCTETS: usize = 32;

/// The algorithm of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA.
    Rsa,
    /// Ed25519.
    Ed25519,
}

/// A key record as it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The algorithm; `None` for one that nobody knows.
    pub algorithm: Option<Algorithm>,
    /// The public key as it was published; empty where it is revoked or cannot be read.
    pub data: Vec<u8>,
    /// `p=` is empty: the key was taken back.
    pub revoked: bool,
    /// `t=y`: the domain is only testing.
    pub testing: bool,
    /// What keeps verifiers from using the key.
    pub flaws: Vec<Flaw>,
}

/// Whether a TXT record looks like a key at all: at a wildcard other things may stand.
pub fn is_key(text: &str) -> bool {
    let tags = Tags::parse(text);
    tags.get("p").is_some() && tags.value("v").is_none_or(|v| v.eq_ignore_ascii_case("DKIM1"))
}

impl Key {
    /// Reads a record.
    pub fn parse(text: &str) -> Self {
        let mut tags = Tags::parse(text);
        if let Some(v) = tags.get("v") {
            if v.value != "DKIM1" {
                tags.flaw(v.value_at, format!("v={} is not v=DKIM1", super::tags::shortened(v.value)));
            } else if tags.list.first() != Some(&v) {
                tags.flaw(v.at, "v=DKIM1 must stand first");
            }
        }
        let algorithm = match tags.value("k").map(str::to_ascii_lowercase).as_deref() {
            None | Some("rsa") => Some(Algorithm::Rsa),
            Some("ed25519") => Some(Algorithm::Ed25519),
            Some(_) => None,
        };
        tags.hold("k", "rsa or ed25519", |_| algorithm.is_some());
        let lists = |value: &str, wanted: &[&str]| value.split(':').any(|part| wanted.contains(&part.trim()));
        tags.hold("h", "a list with sha256, so that no signature can be verified (RFC 8301)", |v| {
            lists(v, &["sha256"])
        });
        tags.hold("s", "a list with email or *, so that the key is not for mail", |v| lists(v, &["email", "*"]));
        let testing = tags.value("t").is_some_and(|flags| lists(flags, &["y"]));
        let (data, revoked) = public_key(&mut tags, algorithm);
        Self { algorithm, data, revoked, testing, flaws: tags.flaws }
    }
}

/// The octets of `p=`, and whether it is empty.
fn public_key(tags: &mut Tags<'_>, algorithm: Option<Algorithm>) -> (Vec<u8>, bool) {
    let Some(p) = tags.get("p") else {
        tags.flaw(0, "there is no p=, so there is no key");
        return (Vec::new(), false);
    };
    let bare: String = p.value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    if bare.is_empty() {
        return (Vec::new(), true);
    }
    if bare.contains("BEGIN") {
        tags.flaw(p.value_at, "p= holds the PEM lines around the key; only the Base64 between them belongs there");
        return (Vec::new(), false);
    }
    match BASE64.decode(&bare) {
        Ok(data) if algorithm == Some(Algorithm::Ed25519) && data.len() != ED25519_OCTETS => {
            tags.flaw(p.value_at, format!("the Ed25519 key has {} octets and must have {ED25519_OCTETS}", data.len()));
            (Vec::new(), false)
        }
        Ok(data) => (data, false),
        Err(_) => {
            let foreign = p
                .value
                .char_indices()
                .find(|(_, c)| !(c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "+/=".contains(*c)));
            match foreign {
                Some((place, c)) => tags.flaw(p.value_at + place, format!("`{c}` is no character of Base64 in p=")),
                None => tags.flaw(p.value_at, "p= is no Base64: a part of the key is missing"),
            }
            (Vec::new(), false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The key of RFC 8463 appendix A.2.
    const ED25519: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    #[test]
    fn keys_of_the_standards_are_read() {
        let key = Key::parse(ED25519);
        assert_eq!((key.algorithm, key.data.len(), key.flaws.len()), (Some(Algorithm::Ed25519), 32, 0));
        // RFC 8463 appendix A.3, with the strings of the record joined.
        let rsa = Key::parse(
            "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
        );
        assert_eq!((rsa.algorithm, rsa.data.len(), rsa.flaws.len()), (Some(Algorithm::Rsa), 162, 0));
    }

    #[test]
    fn a_key_may_be_revoked_or_tested() {
        let key = Key::parse("v=DKIM1; p=");
        assert!(key.revoked && key.flaws.is_empty());
        assert!(Key::parse("v=DKIM1; t=s:y; p=MQ==").testing);
    }

    #[test]
    fn each_fault_is_named_with_its_place() {
        for (text, at, what) in [
            ("v=DKIM1; k=rsa", 1, "no p="),
            ("v=DKIM2; p=MQ==", 3, "not v=DKIM1"),
            ("p=MQ==; v=DKIM1", 9, "must stand first"),
            ("v=DKIM1; k=dsa; p=MQ==", 12, "rsa or ed25519"),
            ("v=DKIM1; h=sha1; p=MQ==", 12, "RFC 8301"),
            ("v=DKIM1; s=tlsrpt; p=MQ==", 12, "not for mail"),
            ("v=DKIM1; p=M*==", 13, "no character of Base64"),
            ("v=DKIM1; p=-----BEGIN PUBLIC KEY-----MQ==", 12, "PEM"),
            ("v=DKIM1; k=ed25519; p=MQ==", 23, "1 octets"),
            ("v=DKIM1; p=MQ==; p=Mg==", 18, "more than once"),
        ] {
            let key = Key::parse(text);
            assert!(key.flaws.iter().any(|f| f.at == at && f.what.contains(what)), "{text}: {:?}", key.flaws);
        }
    }

    #[test]
    fn other_texts_are_no_keys() {
        assert!(!is_key("v=spf1 -all") && !is_key("google-site-verification=x") && is_key("p=MQ=="));
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in ".{0,200}") {
            let _ = (is_key(&text), Key::parse(&text));
        }
    }
}
