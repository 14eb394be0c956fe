//! The questions: what each probe keeps of the wire, and how that reads.
//!
//! This is where facts get their types. Nothing here does I/O, and nothing here judges.

pub mod autoconfig;
pub mod bounce;
pub mod client;
pub mod dane;
mod describe;
pub mod dns;
pub mod dnssec;
pub mod host;
pub mod line_ends;
pub mod mailbox;
pub mod outbound;
pub mod packets;
pub mod place;
pub mod policies;
pub mod signing;
pub mod smtp;
pub mod sts;
pub mod tcp;
pub mod tls;
pub mod trace;
pub mod way;
pub mod xclient;

pub use describe::{describe, length};

use crate::case::{Graph, Observation, Question, link_as};

/// What each known probe teaches about how subjects hang together; unknown probes teach nothing.
pub(crate) fn link(observation: &Observation, graph: &mut Graph) {
    type Link = fn(&Observation, &mut Graph);
    const LINKS: &[(&str, Link)] = &[
        (dns::Records::PROBE, link_as::<dns::Records>),
        (dns::Addresses::PROBE, link_as::<dns::Addresses>),
        (tcp::Connect::PROBE, link_as::<tcp::Connect>),
        (smtp::Auth::PROBE, link_as::<smtp::Auth>),
        (tls::Handshake::PROBE, link_as::<tls::Handshake>),
        (outbound::Sending::PROBE, link_as::<outbound::Sending>),
        (host::lookups::Lookups::PROBE, link_as::<host::lookups::Lookups>),
        (host::clients::Clients::PROBE, link_as::<host::clients::Clients>),
    ];
    if let Some((_, link)) = LINKS.iter().find(|(probe, _)| *probe == observation.probe) {
        link(observation, graph);
    }
}
