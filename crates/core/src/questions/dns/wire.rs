//! The wire facts of a lookup: every query that was sent, and the answer as it came.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::record::Record;

/// An extended DNS error (RFC 8914).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtendedError {
    /// The info code.
    pub code: u16,
    /// The extra text.
    pub text: String,
}

/// UDP or TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
}

/// One query that was sent, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// How it was sent.
    pub transport: Transport,
    /// When, in milliseconds since the lookup began.
    pub at_ms: u64,
    /// How long until its answer or its end, in milliseconds.
    pub took_ms: u64,
    /// What became of it: `answer`, `truncated`, `timeout`, `refused`, `unreachable`, `garbage: …`.
    pub end: String,
}

/// What came of a lookup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum DnsResult {
    /// A whole message that answers the question, whatever its RCODE.
    Answered {
        /// The RCODE by its standard name: `NOERROR`, `NXDOMAIN`, `SERVFAIL`, `REFUSED` …
        rcode: String,
        /// Authoritative answer.
        aa: bool,
        /// Authenticated data.
        ad: bool,
        /// Recursion available.
        ra: bool,
        /// The answer section.
        answers: Vec<Record>,
        /// The authority section.
        authority: Vec<Record>,
        /// The additional section, without EDNS.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        additional: Vec<Record>,
        /// Extended errors.
        ede: Vec<ExtendedError>,
        /// The message as it came, in base64: kept where signatures were asked for, so that they can be checked
        /// from the case.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw: Option<String>,
    },
    /// Only a truncated answer came: TCP could not be used.
    Truncated {
        /// What was in the way of TCP.
        tcp: String,
    },
    /// Silence to the limit.
    Silent {
        /// How long was waited in all, in milliseconds.
        waited_ms: u64,
    },
    /// An answer that answers nothing: wrong question, wrong id, no message at all.
    Garbage {
        /// What was wrong with it.
        flaw: String,
    },
    /// The server could not be reached: refused, unreachable.
    Unreachable {
        /// The error, in the system's words.
        error: String,
    },
}

/// The wire facts of a lookup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsWire {
    /// The name that was asked for.
    pub name: String,
    /// The server that was asked.
    pub server: SocketAddr,
    /// Every query that was sent.
    pub attempts: Vec<Attempt>,
    /// What came of it.
    #[serde(flatten)]
    pub result: DnsResult,
}
