//! Questions to the DNS: records of a domain, addresses of a host, the name of an address, an entry of
//! a blacklist. All keep the same wire facts ([`DnsWire`]) and read through the same view ([`Dns`]).

mod answer;
mod record;
mod via;
pub mod walk;
mod wire;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use answer::{Definite, Dns};
pub use record::{Data, Record, RecordType, same_name};
pub(crate) use record::{from_hex, to_hex};
pub use via::Via;
pub use wire::{Attempt, DnsResult, DnsWire, ExtendedError, Transport};

use crate::case::{Graph, Observation, Question};
use crate::subject::{Addr, Domain, Host, Resolver, VantageId, Zone};

/// `dns.domain/1`: records of a domain, or of a name below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// Which records.
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// Which server was asked.
    pub via: Via,
}

/// `dns.host/1`: the addresses of a host, A or AAAA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// [`RecordType::A`] or [`RecordType::Aaaa`].
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// Which server was asked.
    pub via: Via,
}

/// `dns.ptr/1`: the names of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReverseNames {
    /// Which server was asked.
    pub via: Via,
}

/// `dns.dnsbl/1`: whether a DNSBL has an entry for an address (RFC 5782).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListEntry {
    /// The address that is looked up in the zone; 127.0.0.1 and 127.0.0.2 are the test entries.
    pub address: IpAddr,
    /// [`RecordType::A`] for the listing, [`RecordType::Txt`] for its reason.
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// Which server was asked.
    pub via: Via,
}

/// `dns.dnsbl-domain/1`: whether a DNSBL has an entry for a domain (RFC 5782 section 2.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedDomain {
    /// The domain that is looked up in the zone; `invalid` and one that the list documents are the test entries.
    pub name: String,
    /// [`RecordType::A`] for the listing, [`RecordType::Txt`] for its reason.
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// Which server was asked.
    pub via: Via,
}

/// `dns.followed/1`: records of a name that a policy of the domain is looked for at, or leads to: SPF includes,
/// DKIM selectors, DMARC up the tree. What such names hold is nobody's mail exchange, so nothing hangs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    /// Which records.
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// Which server was asked.
    pub via: Via,
}

macro_rules! asks_the_dns {
    ($question:ident, $probe:literal, $on:ident, $link:expr) => {
        impl Question for $question {
            const PROBE: &'static str = $probe;
            type On = $on;
            type Wire = DnsWire;
            type View = Dns;

            fn read(wire: DnsWire) -> Option<Dns> {
                Some(Dns { wire })
            }

            fn link(observation: &Observation, view: &Dns, graph: &mut Graph) {
                if observation.asked.get("via").and_then(|v| v.as_str()) == Some("own") {
                    graph.leans::<VantageId, Resolver>(&observation.vantage, &Resolver(view.wire.server));
                }
                let link: fn(&Observation, &Dns, &mut Graph) = $link;
                link(observation, view, graph);
            }
        }
    };
}

asks_the_dns!(Records, "dns.domain/1", Domain, |observation, view, graph| {
    let (Some(domain), Some(answer)) = (crate::case::subject_of::<Domain>(observation), view.definite()) else {
        return;
    };
    let asked_for_mx = observation.asked.get("type").and_then(|t| t.as_str()) == Some(RecordType::Mx.name());
    if asked_for_mx && answer.mx().is_empty() && !answer.nxdomain {
        // The implicit MX (RFC 5321 section 5.1).
        graph.leans(domain, &Host::new(domain.as_str()));
    }
    for (_, exchange) in answer.mx() {
        if !exchange.is_empty() {
            graph.leans(domain, &Host::new(exchange));
        }
    }
    for record in answer.answers {
        if let Data::Srv { target, .. } = &record.data
            && !target.is_empty()
        {
            graph.leans(domain, &Host::new(target));
        }
    }
});

asks_the_dns!(Addresses, "dns.host/1", Host, |observation, view, graph| {
    let (Some(host), Some(answer)) = (crate::case::subject_of::<Host>(observation), view.definite()) else {
        return;
    };
    for address in answer.addresses() {
        graph.leans(host, &Addr(address));
    }
});

asks_the_dns!(Followed, "dns.followed/1", Domain, |_, _, _| {});
asks_the_dns!(ReverseNames, "dns.ptr/1", Addr, |_, _, _| {});
asks_the_dns!(ListEntry, "dns.dnsbl/1", Zone, |_, _, _| {});
asks_the_dns!(ListedDomain, "dns.dnsbl-domain/1", Zone, |_, _, _| {});
