//! `host.clients/1`: how long the server let its real clients wait for the banner, and what it looked up about each:
//! captured on its host, with no session of ours.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::lookups::{Ended, IdentSeen, Lookup, Quality, Sought};
use crate::case::{Graph, Observation, Question, Span};
use crate::subject::{Service, Zone};

/// `host.clients/1`: the clients of a service of this host while the capture ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clients;

/// One client's wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Who it is.
    pub address: IpAddr,
    /// When it asked for the connection, in milliseconds since the run began.
    pub at_ms: u64,
    /// When the first octet of the banner left.
    pub first_ms: Option<u64>,
    /// When the banner's last line left.
    pub banner_ms: Option<u64>,
    /// When the client went, or the capture ended.
    pub ended_ms: u64,
    /// What was looked up about its address while it waited.
    pub lookups: Vec<Lookup>,
    /// Connections to its ident port meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idents: Vec<IdentSeen>,
}

impl Client {
    /// The time it waited for the whole banner, or in vain.
    pub fn wait(&self) -> Span {
        let to_ms = self.banner_ms.unwrap_or(self.ended_ms);
        Span { from_ms: self.at_ms.min(to_ms), to_ms }
    }
}

/// How a blacklist answered the host, over all its clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSeen {
    /// The zone.
    pub zone: String,
    /// How many addresses it was asked about.
    pub asked: u32,
    /// How many of these lookups were answered in time, and not by a failure.
    pub answered: u32,
    /// The longest of these lookups, in milliseconds.
    pub longest_ms: u64,
}

/// What was captured of the clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientsWire {
    /// How well it was seen.
    pub quality: Quality,
    /// How many connections other than ours there were.
    pub connections: u32,
    /// Those that waited longest, the longest wait first.
    pub clients: Vec<Client>,
    /// The blacklists that were asked about any of them.
    pub lists: Vec<ListSeen>,
}

impl ClientsWire {
    /// The lists of some lookups.
    pub fn lists_of<'l>(lookups: impl IntoIterator<Item = &'l Lookup>) -> Vec<ListSeen> {
        let mut lists: Vec<ListSeen> = Vec::new();
        for lookup in lookups {
            let Sought::Listing(_, zone) = lookup.sought() else { continue };
            let place = lists.iter().position(|l| l.zone == zone).unwrap_or_else(|| {
                lists.push(ListSeen { zone: zone.to_owned(), asked: 0, answered: 0, longest_ms: 0 });
                lists.len() - 1
            });
            if let Some(list) = lists.get_mut(place) {
                list.asked += 1;
                list.answered += u32::from(lookup.ended() == Ended::Answered);
                list.longest_ms = list.longest_ms.max(lookup.span().length_ms());
            }
        }
        lists.sort_by_key(|list| (std::cmp::Reverse(list.longest_ms), list.zone.clone()));
        lists
    }
}

impl Question for Clients {
    const PROBE: &'static str = "host.clients/1";
    type On = Service;
    type Wire = ClientsWire;
    type View = ClientsWire;

    fn read(wire: ClientsWire) -> Option<ClientsWire> {
        Some(wire)
    }

    fn link(observation: &Observation, view: &ClientsWire, graph: &mut Graph) {
        let Some(service) = crate::case::subject_of::<Service>(observation) else { return };
        for list in &view.lists {
            graph.leans(service, &Zone::new(&list.zone));
        }
    }
}
