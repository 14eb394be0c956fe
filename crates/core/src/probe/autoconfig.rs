//! Where SRV records tell mail programs to read mail (RFC 6186, RFC 8314): whether somebody is there. Where they tell them to
//! send it is visited as a service of its own.

use std::net::SocketAddr;

use futures::future::join_all;

use super::session::{self, Way};
use super::{Context, dns};
use crate::questions::autoconfig::{READING, targets};
use crate::questions::dns::{Dns, RecordType, Records, Via};
use crate::questions::tcp::Role;
use crate::subject::Domain;

/// The most addresses of one target that are tried.
const MAX_ADDRESSES: usize = 4;

/// Asks for the records and for the addresses of what they name, and where that is wanted knocks there.
pub async fn look(context: &Context, domain: &str, knocks: bool) {
    join_all(READING.iter().map(|service| async move {
        let name = format!("{service}.{domain}");
        let question = Records { rtype: RecordType::Srv, via: Via::Own };
        let wire = context.lookup(&question, &Domain::new(&name), Via::Own, &name, RecordType::Srv).await;
        let named = targets(&Dns { wire });
        join_all(named.into_iter().map(|(host, port)| async move { one(context, &host, port, knocks).await })).await
    }))
    .await;
}

async fn one(context: &Context, host: &str, port: u16, knocks: bool) {
    let addresses = dns::addresses(context, host, Via::Own).await;
    if !knocks {
        return;
    }
    let ways: Vec<Way> = addresses
        .into_iter()
        .take(MAX_ADDRESSES)
        .map(|ip| Way {
            service: SocketAddr::new(ip, port),
            host: Some(host.to_owned()),
            role: Role::Alive,
            expected: false,
        })
        .collect();
    join_all(ways.iter().map(|way| session::knock(context, way))).await;
}
