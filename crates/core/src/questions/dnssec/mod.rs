//! DNSSEC, checked from what the walk recorded (RFC 4033 to 4035): from the trust anchor down to an answer, each step with
//! the messages that show it. The cryptography is hickory's; the chain and its verdicts stand here, since a verdict must say
//! which record, which key and which time, and must come out the same from a saved case.
//!
//! Nothing here can be made to work without end: signatures, keys and hashes are counted (CVE-2023-50387, RFC 9276).

mod chain;
mod denial;
mod message;
mod signature;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use hickory_proto::rr::{Name, RecordType};
use jiff::Timestamp;

use crate::case::{ObsId, Why};

pub use chain::{Chain, Trust};

/// What DNSSEC says of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Signatures lead from the trust anchor to it.
    Secure,
    /// It is proven that nothing signs it, or it is signed with what validators do not know (RFC 4035 section 5.2).
    Insecure,
    /// It should be signed, and does not fit.
    Bogus(Flaw),
    /// That cannot be told.
    Unknown(Why),
}

/// Where a chain of signatures breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The zone that should have signed; `.` is the root.
    pub zone: String,
    /// Whose records do not fit.
    pub name: String,
    /// Their type, as zone files have it.
    pub rtype: String,
    /// What is wrong.
    pub fault: Fault,
    /// The server that gave them.
    pub server: SocketAddr,
    /// The answer that shows it, and those that it is held against.
    pub shown: Vec<ObsId>,
}

/// Records that do not fit, before it is known who gave them.
#[derive(Debug)]
struct Misfit {
    name: String,
    rtype: String,
    fault: Fault,
}

impl Misfit {
    fn of(owner: &Name, rtype: RecordType, fault: Fault) -> Self {
        Self { name: message::text(owner), rtype: rtype.to_string(), fault }
    }
}

/// What is wrong with records that should be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The signature's time is over.
    Expired {
        /// The tag of the key that made it.
        tag: u16,
        /// Until when it was valid.
        until: Timestamp,
    },
    /// The signature's time has not begun.
    NotYet {
        /// The tag of the key that made it.
        tag: u16,
        /// From when it is valid.
        from: Timestamp,
    },
    /// The signature is not one over these records.
    Invalid {
        /// The tag of the key that should have made it.
        tag: u16,
    },
    /// The signature is by a key that the zone does not publish.
    NoKey {
        /// That key's tag.
        tag: u16,
        /// The tags of the keys that it publishes.
        keys: Vec<u16>,
    },
    /// There is no signature.
    Unsigned,
    /// The zone publishes no key, and the zone above says that it is signed.
    NoKeys {
        /// The key tags in the DS records.
        ds: Vec<u16>,
    },
    /// No key of the zone is the one that the DS records of the zone above name.
    NoMatch {
        /// The key tags in the DS records.
        ds: Vec<u16>,
        /// The tags of the keys that the zone publishes.
        keys: Vec<u16>,
    },
    /// Something is said not to be there, and nothing proves it (NSEC, NSEC3).
    NoProof,
    /// It cannot be told here: an algorithm or a key that is not known, or more to check than is reasonable.
    Beyond,
}

impl Flaw {
    /// The flaw as a sentence part that names the records: "the signature over the MX records of … expired on …".
    pub fn in_words(&self, now: Timestamp) -> String {
        let records = format!("the {} records of {}", self.rtype, self.name);
        let tags = |tags: &[u16]| match tags {
            [] => "none".to_owned(),
            some => some.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
        };
        match &self.fault {
            Fault::Expired { tag, until } => {
                format!(
                    "the signature over {records} (key tag {tag}) expired on {}, {}",
                    date(*until),
                    since(*until, now)
                )
            }
            Fault::NotYet { tag, from } => {
                format!("the signature over {records} (key tag {tag}) is not valid before {}", date(*from))
            }
            Fault::Invalid { tag } => {
                format!("the signature over {records} (key tag {tag}) does not fit them")
            }
            Fault::NoKey { tag, keys } => {
                format!("{records} are signed by the key {tag}, and {} publishes the keys {}", self.zone, tags(keys))
            }
            Fault::Unsigned => format!("{records} carry no signature, though the zone is signed"),
            Fault::NoKeys { ds } => format!(
                "the zone above holds a DS record for the key {} of {}, which publishes no key at all",
                tags(ds),
                self.name
            ),
            Fault::NoMatch { ds, keys } => format!(
                "the zone above holds a DS record for the key {} of {}, which publishes the keys {}",
                tags(ds),
                self.name,
                tags(keys)
            ),
            Fault::NoProof => format!("nothing proves that there are no {} records of {}", self.rtype, self.name),
            Fault::Beyond => format!("the signature over {records} cannot be checked here"),
        }
    }
}

impl Fault {
    /// One word for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Expired { .. } => "signature-expired",
            Fault::NotYet { .. } => "signature-not-yet-valid",
            Fault::Invalid { .. } => "signature-invalid",
            Fault::NoKey { .. } => "key-not-published",
            Fault::Unsigned => "signature-missing",
            Fault::NoKeys { .. } => "ds-without-key",
            Fault::NoMatch { .. } => "ds-mismatch",
            Fault::NoProof => "denial-not-proven",
            Fault::Beyond => "not-checked",
        }
    }
}

fn date(at: Timestamp) -> String {
    at.strftime("%-d %B %Y at %H:%M UTC").to_string()
}

fn since(then: Timestamp, now: Timestamp) -> String {
    let hours = now.duration_since(then).as_hours();
    match (hours, hours / 24) {
        (_, 2..) => format!("{} days ago", hours / 24),
        (1.., _) => format!("{hours} hours ago"),
        _ => "within the last hour".to_owned(),
    }
}
