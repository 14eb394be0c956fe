//! The TXT records that a mail domain lives by: SPF, DKIM keys, DMARC, MTA-STS, TLS reporting, BIMI.
//!
//! Readers are pure: text in, meaning out, with every flaw and where in the text it stands. What needs
//! further questions to the DNS (SPF) names them and is run again once they are answered.

pub mod bimi;
pub mod dkim;
pub mod dmarc;
pub mod mtasts;
pub mod spf;
pub mod tags;
pub mod tlsrpt;

use serde::{Deserialize, Serialize};

/// The longest record that is read, in octets: the longest TXT record there can be.
pub const MAX_RECORD: usize = 65_535;

/// What is wrong with a record, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flaw {
    /// The place in the text, in characters from 1, as people count.
    pub at: usize,
    /// What is wrong there, as a sentence without its full stop.
    pub what: String,
}

impl Flaw {
    fn new(text: &str, octet: usize, what: impl Into<String>) -> Self {
        let before = text.get(..octet).unwrap_or(text);
        Self { at: before.chars().count() + 1, what: what.into() }
    }
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (at character {})", self.what, self.at)
    }
}
