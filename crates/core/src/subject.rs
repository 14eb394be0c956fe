//! What a finding, a question or an observation is about: one newtype a kind, so that a question
//! cannot be asked of the wrong thing.
//!
//! A subject prints and parses as `kind:value` (`service:192.0.2.7:25`, `domain:example.org`), which is
//! how it stands in a case and in a report.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that names no subject of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {kind}")]
pub struct SubjectError {
    /// The kind that was expected.
    pub kind: &'static str,
    /// The text as it was given.
    pub text: String,
}

/// A kind of subject: what a question can be asked of.
pub trait Kind: Clone + Ord + fmt::Display + Into<Subject> + Send + Sync + 'static {
    /// The word before the colon.
    const NAME: &'static str;

    /// The subject as this kind, or `None` where it is of another.
    fn of(subject: &Subject) -> Option<&Self>;
}

/// The lower-case form without the root dot, in which DNS names are compared (RFC 4343); the root itself is `.`.
fn canonical(name: &str) -> String {
    match name.trim() {
        "." => ".".to_owned(),
        name => name.trim_end_matches('.').to_ascii_lowercase(),
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $kind:ident),+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $kind(String);

        impl $kind {
            /// The name in its canonical form: lower case, no final dot.
            pub fn new(name: &str) -> Self {
                Self(canonical(name))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

names! {
    /// A mail domain, a name below it that holds its records (`_dmarc.example.org`), or a zone on the way to it.
    Domain,
    /// A host name: the target of an MX record, or a server named by the user.
    Host,
    /// The zone of a DNSBL, or any other zone a server asks.
    Zone
}

/// An IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr(pub IpAddr);

/// A TCP service: address and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service(pub SocketAddr);

/// A DNS resolver or authoritative server, by address and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resolver(pub SocketAddr);

/// A certificate, by the SHA-256 of its DER, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cert(pub String);

/// An account: the user name as given, case kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account(pub String);

/// One answer that a bounce or a log quotes, by its number in the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Answer(pub String);

/// A message that was received, by its number in what was given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mail(pub String);

/// A place to look from, by the name it was given (`local`, `socks5://…`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VantageId(pub String);

impl VantageId {
    /// The machine the program runs on.
    pub fn local() -> Self {
        Self("local".to_owned())
    }
}

macro_rules! shown_as_inner {
    ($($kind:ident),+) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}
shown_as_inner!(Addr, Service, Resolver, Cert, Account, Answer, Mail, VantageId);

/// Any subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A mail domain.
    Domain(Domain),
    /// A host name.
    Host(Host),
    /// An IP address.
    Addr(Addr),
    /// A TCP service.
    Service(Service),
    /// A DNS resolver or authoritative server.
    Resolver(Resolver),
    /// A zone that a server asks.
    Zone(Zone),
    /// A certificate.
    Cert(Cert),
    /// An account.
    Account(Account),
    /// An answer in a bounce or a log.
    Answer(Answer),
    /// A message that was received.
    Mail(Mail),
    /// A place to look from.
    Vantage(VantageId),
}

macro_rules! kinds {
    ($($variant:ident($kind:ident) = $name:literal),+ $(,)?) => {
        $(
            impl Kind for $kind {
                const NAME: &'static str = $name;

                fn of(subject: &Subject) -> Option<&Self> {
                    match subject {
                        Subject::$variant(inner) => Some(inner),
                        _ => None,
                    }
                }
            }

            impl From<$kind> for Subject {
                fn from(inner: $kind) -> Self {
                    Subject::$variant(inner)
                }
            }
        )+

        impl fmt::Display for Subject {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Subject::$variant(inner) => write!(f, concat!($name, ":{}"), inner),)+
                }
            }
        }
    };
}

kinds! {
    Domain(Domain) = "domain",
    Host(Host) = "host",
    Addr(Addr) = "addr",
    Service(Service) = "service",
    Resolver(Resolver) = "resolver",
    Zone(Zone) = "zone",
    Cert(Cert) = "cert",
    Account(Account) = "account",
    Answer(Answer) = "answer",
    Mail(Mail) = "mail",
    Vantage(VantageId) = "vantage",
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let bad = |kind| SubjectError { kind, text: text.to_owned() };
        let (kind, value) = text.split_once(':').ok_or_else(|| bad("subject"))?;
        Ok(match kind {
            "domain" => Domain::new(value).into(),
            "host" => Host::new(value).into(),
            "addr" => Addr(value.parse().map_err(|_| bad("IP address"))?).into(),
            "service" => Service(value.parse().map_err(|_| bad("address and port"))?).into(),
            "resolver" => Resolver(value.parse().map_err(|_| bad("address and port"))?).into(),
            "zone" => Zone::new(value).into(),
            "cert" => Cert(value.to_owned()).into(),
            "account" => Account(value.to_owned()).into(),
            "answer" => Answer(value.to_owned()).into(),
            "mail" => Mail(value.to_owned()).into(),
            "vantage" => VantageId(value.to_owned()).into(),
            _ => return Err(bad("kind of subject")),
        })
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Subject {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Subject".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(domain|host|addr|service|resolver|zone|cert|account|answer|mail|vantage):",
            "description": "What this is about, as kind:value."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_prints_and_parses_back() {
        for text in [
            "domain:example.org",
            "host:mx1.example.org",
            "addr:2001:db8::1",
            "service:192.0.2.7:25",
            "service:[2001:db8::1]:25",
            "resolver:192.0.2.53:53",
            "zone:dnsbl.example.net",
            "cert:ab12",
            "account:anna@example.org",
            "answer:3",
            "mail:1",
            "vantage:socks5://192.0.2.1:1080",
        ] {
            let subject: Subject = text.parse().unwrap();
            assert_eq!(subject.to_string(), text);
        }
    }

    #[test]
    fn names_are_compared_without_case_and_root_dot() {
        assert_eq!(Host::new("MX1.Example.ORG."), Host::new("mx1.example.org"));
    }

    #[test]
    fn what_names_no_subject_is_an_error() {
        for text in ["", "example.org", "addr:example.org", "service:192.0.2.7", "planet:mars"] {
            assert!(text.parse::<Subject>().is_err(), "{text}");
        }
    }
}
