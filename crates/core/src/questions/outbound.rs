//! The question from which addresses a sender sends (`check --outbound`).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::case::{Graph, Observation, Question};
use crate::subject::{Addr, VantageId};

/// `outbound.sending/1`: from which addresses mail leaves this place, and by which name it greets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending;

/// How an address is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// It was named.
    Given,
    /// Connections to the receiver leave from it, as the routes of this place are.
    Routed,
}

/// One address that mail is sent from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The address.
    pub address: IpAddr,
    /// How it is known.
    pub known: Known,
}

/// What is sent from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingWire {
    /// The addresses, one a family at most.
    pub addresses: Vec<Source>,
    /// The name that was given for EHLO.
    pub helo: Option<String>,
}

impl Question for Sending {
    const PROBE: &'static str = "outbound.sending/1";
    type On = VantageId;
    type Wire = SendingWire;
    type View = SendingWire;

    fn read(wire: SendingWire) -> Option<SendingWire> {
        Some(wire)
    }

    fn link(_: &Observation, view: &SendingWire, graph: &mut Graph) {
        for source in &view.addresses {
            graph.note(Addr(source.address).into());
        }
    }
}
