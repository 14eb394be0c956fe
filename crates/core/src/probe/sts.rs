//! Fetching an MTA-STS policy as senders do: a connection, a certificate for the host, one GET, no redirect
//! (RFC 8461 section 3.3).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use maildoctor_wire::octets::escape;
use maildoctor_wire::records::mtasts::MAX_POLICY;

use super::{Context, tls};
use crate::case::Question;
use crate::questions::sts::{Fetch, FetchWire, Fetched, PATH, Try, host_of};
use crate::questions::tls::{Handshake, TlsWire};
use crate::subject::Domain;
use crate::vantage::{Connection, http};

/// How long one connection is tried.
const CONNECT_LIMIT: Duration = Duration::from_secs(8);

/// How long the whole fetch may take; the standard suggests a minute, and a sender's patience is not ours.
const FETCH_LIMIT: Duration = Duration::from_secs(20);

/// The most addresses that are tried.
const MAX_TRIES: usize = 4;

/// The longest value of a header field that is kept, in characters.
const MAX_FIELD: usize = 200;

/// Fetches the policy of a domain from one of the addresses of its policy host.
pub async fn fetch(context: &Context, domain: &str, addresses: &[IpAddr]) {
    let host = host_of(domain);
    let _step = context.recorder.step(format!("MTA-STS policy of {domain}"));
    let at = context.recorder.now();
    let limit = FETCH_LIMIT.min(context.limit());
    let mut tries = Vec::new();
    let whole = async {
        match connect(context, addresses, &mut tries).await {
            Some(connection) => ask(context, connection, &host, limit).await,
            None => (None, Fetched::Unreachable),
        }
    };
    let (tls, fetched) = tokio::time::timeout(limit, whole)
        .await
        .unwrap_or_else(|_| (None, Fetched::Failed { error: format!("no whole answer within {limit:?}") }));
    let took = context.recorder.now() - at;
    let wire = FetchWire { host, tries, tls, fetched };
    context.record(&Fetch, &Domain::new(domain), (at, took), &wire);
}

/// The first address that takes the connection.
async fn connect(context: &Context, addresses: &[IpAddr], tries: &mut Vec<Try>) -> Option<Connection> {
    let port = context.options.ports.named("https").unwrap_or(443);
    for ip in addresses.iter().take(MAX_TRIES) {
        let service = SocketAddr::new(*ip, port);
        match context.vantage.connect(service, CONNECT_LIMIT.min(context.limit())).await {
            Ok(connection) => return Some(connection),
            Err(opened) => tries.push(Try { service, opened }),
        }
    }
    None
}

async fn ask(context: &Context, connection: Connection, host: &str, limit: Duration) -> (Option<TlsWire>, Fetched) {
    let (wire, stream) = tls::shake(&context.trusted, connection.stream, Some(host), limit).await;
    let safe = <Handshake as Question>::read(wire.clone()).is_some_and(|view| view.verified(Timestamp::now()));
    let (Some(stream), true) = (stream, safe) else {
        return (Some(wire), Fetched::Unsafe);
    };
    let port = context.options.ports.named("https").unwrap_or(443);
    let authority = if port == 443 { host.to_owned() } else { format!("{host}:{port}") };
    let request = http::Request {
        headers: &[("Accept", "text/plain"), ("User-Agent", concat!("maildoctor/", env!("CARGO_PKG_VERSION")))],
        ..http::Request::get(&authority, PATH)
    };
    let bounds = http::Bounds { time: limit, body: MAX_POLICY };
    let fetched = match http::exchange(stream, request, bounds).await {
        Ok(reply) => Fetched::Answered {
            status: reply.status,
            content_type: reply.header("content-type").map(harmless),
            location: reply.location().map(harmless),
            date: reply.header("date").map(harmless),
            body: Some(escape(&reply.body)),
        },
        Err(error) => Fetched::Failed { error: error.to_string() },
    };
    (Some(wire), fetched)
}

fn harmless(value: &str) -> String {
    escape(value.chars().take(MAX_FIELD).collect::<String>().as_bytes())
}
