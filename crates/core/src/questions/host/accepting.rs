//! `host.accepting/1`: how long our own connections lay in the kernel until a process of the server took them.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::case::{Question, Span};
use crate::subject::Service;

/// `host.accepting/1`: our connections to a service of this host that nobody took at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepting;

/// A connection that lay there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lying {
    /// Our end.
    pub client: SocketAddr,
    /// When it was first seen without a process, in milliseconds since the run began.
    pub from_ms: u64,
    /// When it was first seen with one, or was gone; null where it lay there to the end.
    pub taken_ms: Option<u64>,
    /// The most sessions that processes had at that port meanwhile.
    pub served: u32,
    /// The most connections that lay there meanwhile.
    pub waiting: u32,
}

impl Lying {
    /// The part of a wait for which it lay there.
    pub fn within(&self, wait: Span) -> Option<Span> {
        Span { from_ms: self.from_ms, to_ms: self.taken_ms.unwrap_or(wait.to_ms) }.within(wait)
    }
}

/// The wire facts: what the kernel's list of sockets showed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptingWire {
    /// Connections that nobody took at once, in their order.
    pub lying: Vec<Lying>,
}

impl Question for Accepting {
    const PROBE: &'static str = "host.accepting/1";
    type On = Service;
    type Wire = AcceptingWire;
    type View = AcceptingWire;

    fn read(wire: AcceptingWire) -> Option<AcceptingWire> {
        Some(wire)
    }
}
