//! What may make a server wait, as its settings name it.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::questions::host::asks::Place;

/// The kinds of things that a server waits for before it answers a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A DNS list that is asked about the client or a name it gave.
    List,
    /// The name of the client's address.
    ReverseLookup,
    /// A question to the client's port 113 (RFC 1413).
    Ident,
    /// Postscreen's wait before the banner.
    Postscreen,
    /// A wait that the settings ask for.
    GreetPause,
    /// A policy service.
    PolicyService,
    /// A milter.
    Milter,
}

impl Kind {
    /// The first half of an identifier.
    pub fn name(self) -> &'static str {
        match self {
            Kind::List => "list",
            Kind::ReverseLookup => "reverse-lookup",
            Kind::Ident => "ident",
            Kind::Postscreen => "postscreen",
            Kind::GreetPause => "greet-pause",
            Kind::PolicyService => "policy-service",
            Kind::Milter => "milter",
        }
    }

    /// What it is, before its name.
    pub fn in_words(self) -> &'static str {
        match self {
            Kind::List => "DNS list",
            Kind::ReverseLookup => "lookup of the client's name",
            Kind::Ident => "ident query",
            Kind::Postscreen => "postscreen's greet wait",
            Kind::GreetPause => "pause",
            Kind::PolicyService => "policy service",
            Kind::Milter => "milter",
        }
    }
}

/// A candidate by its name: `list:dnsbl.example.net`, `reverse-lookup`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct CandidateId(pub String);

impl fmt::Display for CandidateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that can be switched off alone. A list that several settings name is one candidate: it is out only when it is out
/// everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Candidate {
    /// Its name in experiments and reports.
    pub id: CandidateId,
    /// What it is.
    pub kind: Kind,
    /// Which one, where there may be several: a zone, a socket.
    pub what: Option<String>,
    /// Where it is set.
    pub places: Vec<Place>,
}

impl Candidate {
    /// A candidate that is set at `places`.
    pub fn new(kind: Kind, what: Option<&str>, places: Vec<Place>) -> Self {
        let id = match what {
            Some(what) => format!("{}:{what}", kind.name()),
            None => kind.name().to_owned(),
        };
        Self { id: CandidateId(id), kind, what: what.map(str::to_owned), places }
    }

    /// It, as a person would name it.
    pub fn in_words(&self) -> String {
        match &self.what {
            Some(what) => format!("{} {what}", self.kind.in_words()),
            None => self.kind.in_words().to_owned(),
        }
    }
}

/// What is switched off in a measurement.
pub type Off = BTreeSet<CandidateId>;
