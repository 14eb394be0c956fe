//! `--outbound`: the sender under test. What the receiver's servers can know of it is looked up as they would, and
//! where we stand on the sending host their own replies to its envelope are asked for, never past RCPT.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all, join4};
use maildoctor_wire::wording::named_zone;

use super::look::control;
use crate::case::Outbound;
use crate::probe::dns::{self, Exchanger};
use crate::probe::envelope::Envelope;
use crate::probe::session::{self, Way};
use crate::probe::{Context, blacklist, records};
use crate::questions::dns::{RecordType, Via};
use crate::questions::outbound::{Known, Sending, SendingWire, Source};
use crate::questions::smtp::{Banner, Errand, Mail, Rcpt};
use crate::questions::tcp::Role;

/// The most exchangers of one family that are tried until one answers: a sender stops there too, and comes back later.
const MAX_TRIES: usize = 3;

/// The most lists that are asked because the receiver names them.
const MAX_NAMED_LISTS: usize = 4;

/// What is asked of the receiver's domain besides its MX: where mail goes without one, and whose zone it is.
const THEIRS: [RecordType; 4] = [RecordType::A, RecordType::Aaaa, RecordType::Ns, RecordType::Soa];

/// Addresses of the world outside, one a family, for the way that leads there; nothing is sent to them.
const OUTSIDE: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(198, 41, 0, 4)),
    IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30)),
];

/// Looks at the sender, and asks the receiver.
pub(super) async fn look(context: &Arc<Context>, outbound: &Outbound, recipient: &str, theirs: &str) {
    let options = &context.options;
    context.recorder.skip("dns.walk/1", None, "the receiver's zone is not walked to", "");
    let ways = receiver(context, theirs).await;
    let sources = sources(context, outbound, &ways);
    let addresses: Vec<IpAddr> = sources.iter().map(|source| source.address).collect();
    let wire = SendingWire { addresses: sources, helo: options.helo.clone() };
    let at = context.recorder.now();
    context.record(&Sending, &context.vantage.id, (at, Duration::ZERO), &wire);
    let exchange = async {
        if outbound.talks && options.talks() {
            deliver(context, outbound, recipient, &ways, &addresses).await;
        } else {
            let because = "the sending address is not one of this machine's, so the receiver's replies to it cannot be seen from here";
            for probe in ["tcp.connect/1", "smtp.banner/1", "smtp.ehlo/1", "smtp.mail/1", "smtp.rcpt/1"] {
                context.recorder.skip(probe, None, because, "");
            }
        }
    };
    let sender = async {
        join4(
            domain(context, outbound, &addresses),
            join_all(addresses.iter().map(|ip| dns::reverse(context, *ip))),
            async {
                if let Some(helo) = options.helo.as_deref().filter(|helo| !helo.starts_with('[')) {
                    dns::addresses(context, helo, Via::Own).await;
                }
            },
            lists(context, outbound, &addresses),
        )
        .await;
    };
    let control = async {
        if outbound.talks {
            control(context).await;
        }
    };
    join(join(exchange, control), sender).await;
    named_lists(context, &addresses).await;
}

/// The receiver's exchangers as our resolver sees them, in the order in which a sender tries them; and what the
/// resolvers out there say of them.
async fn receiver(context: &Context, theirs: &str) -> Vec<(Exchanger, IpAddr)> {
    let foreign = context.options.foreign_resolvers.iter().map(|addr| Via::Foreign(*addr));
    let elsewhere = join_all(foreign.map(|via| async move {
        let exchangers = async {
            let found = dns::exchangers(context, theirs, via).await;
            join_all(found.iter().map(|exchanger| dns::addresses(context, &exchanger.host, via))).await;
        };
        join(exchangers, dns::some_records(context, theirs, via, &THEIRS)).await
    }));
    let here = async {
        let mut exchangers = dns::exchangers(context, theirs, Via::Own).await;
        exchangers.sort_by_key(|exchanger| exchanger.preference);
        join_all(exchangers.into_iter().map(|exchanger| async move {
            let addresses = dns::addresses(context, &exchanger.host, Via::Own).await;
            addresses.into_iter().map(|ip| (exchanger.clone(), ip)).collect::<Vec<_>>()
        }))
        .await
        .concat()
    };
    let (ways, _, ()) =
        futures::future::join3(here, elsewhere, dns::some_records(context, theirs, Via::Own, &THEIRS)).await;
    ways
}

/// The address that was named, or those from which connections to the receiver leave, one a family.
fn sources(context: &Context, outbound: &Outbound, ways: &[(Exchanger, IpAddr)]) -> Vec<Source> {
    if let Some(address) = outbound.source {
        return vec![Source { address, known: Known::Given }];
    }
    let port = context.options.ports.of(Role::Smtp);
    let towards = |ip: IpAddr| context.vantage.source_for(SocketAddr::new(ip, port));
    let reached: Vec<IpAddr> = ways.iter().map(|(_, ip)| *ip).collect();
    let to = if reached.is_empty() { OUTSIDE.to_vec() } else { reached };
    let mut out: Vec<Source> = Vec::new();
    for address in to.into_iter().filter_map(towards) {
        if !out.iter().any(|known| known.address.is_ipv4() == address.is_ipv4()) {
            out.push(Source { address, known: Known::Routed });
        }
    }
    out
}

/// Tries the receiver's exchangers as a sender does, each family on its own, until one answers.
async fn deliver(
    context: &Context,
    outbound: &Outbound,
    recipient: &str,
    ways: &[(Exchanger, IpAddr)],
    sources: &[IpAddr],
) {
    let port = context.options.ports.of(Role::Smtp);
    let envelope = Envelope::of_sender(&outbound.sender, recipient);
    // A named address may be what the world sees of a private one: then every way is tried.
    let hidden = outbound.source.is_some_and(|source| context.options.bind != Some(source));
    join_all([true, false].map(|v4| {
        let envelope = &envelope;
        let family = sources.iter().any(|source| source.is_ipv4() == v4) || hidden;
        let ways = ways.iter().filter(move |(_, ip)| ip.is_ipv4() == v4 && family);
        async move {
            for (exchanger, ip) in ways.take(MAX_TRIES) {
                let way = Way {
                    service: SocketAddr::new(*ip, port),
                    host: Some(exchanger.host.clone()),
                    role: Role::Smtp,
                    expected: true,
                };
                if answers(context, &way, envelope).await {
                    break;
                }
            }
        }
    }))
    .await;
}

/// One session; whether the server gave an answer with which a sender is done for now.
async fn answers(context: &Context, way: &Way, envelope: &Envelope) -> bool {
    let visit = session::first_visit(context, way).await;
    let session = match visit.session {
        Some(session) => Some(session),
        // A sender that meets broken TLS goes on without, unless it is told not to.
        None if visit.tls_failed => session::later_visit(context, way, Errand::WithoutTls, false).await,
        None => None,
    };
    let Some(mut session) = session else { return false };
    let said = envelope.as_sender(context, way, &mut session).await;
    session.leave(context, way).await;
    said
}

/// The records of the sender's domain, and what SPF makes of each address.
async fn domain(context: &Context, outbound: &Outbound, addresses: &[IpAddr]) {
    let views =
        std::iter::once(Via::Own).chain(context.options.foreign_resolvers.iter().map(|addr| Via::Foreign(*addr)));
    let exists = join_all(views.map(|via| dns::exchangers(context, &outbound.domain, via)));
    let policies = async {
        if context.options.wants("records") {
            let helo = context.options.helo.as_deref().unwrap_or_default();
            let clients = addresses.iter().map(|ip| (*ip, helo.to_owned())).collect();
            join(records::look(context, &outbound.domain), records::follow_senders(context, clients, &outbound.sender))
                .await;
        }
    };
    join(exists, policies).await;
}

/// The lists that were named, for every address and for the domain.
async fn lists(context: &Context, outbound: &Outbound, addresses: &[IpAddr]) {
    if !context.options.wants("reputation") {
        return;
    }
    join_all(context.options.dnsbl.iter().map(|zone| async move {
        join(
            blacklist::addresses(context, zone, addresses, Via::Own),
            blacklist::domain(context, zone, &outbound.domain),
        )
        .await
    }))
    .await;
}

/// The lists that the receiver names as its reason, and that were not asked yet.
async fn named_lists(context: &Context, addresses: &[IpAddr]) {
    if !context.options.wants("reputation") {
        return;
    }
    let recorder = &context.recorder;
    let banners = recorder.so_far::<Banner>().into_iter().filter_map(|(_, wire)| wire.exchange.reply);
    let mails = recorder.so_far::<Mail>().into_iter().filter_map(|(_, wire)| wire.exchange.reply);
    let rcpts = recorder.so_far::<Rcpt>().into_iter().filter_map(|(_, wire)| wire.exchange.reply);
    let zones: BTreeSet<String> = banners
        .chain(mails)
        .chain(rcpts)
        .filter(|reply| matches!(reply.class(), 4 | 5))
        .filter_map(|reply| named_zone(&reply.text()))
        .filter(|zone| maildoctor_wire::dnsbl::is_zone(zone) && !context.options.dnsbl.contains(zone))
        .collect();
    join_all(zones.iter().take(MAX_NAMED_LISTS).map(|zone| blacklist::addresses(context, zone, addresses, Via::Own)))
        .await;
}
