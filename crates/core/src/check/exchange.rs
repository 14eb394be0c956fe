//! The mail exchangers of a domain, each visited once: session, envelope, and what looks behind a slow banner
//! or a dead port.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use futures::future::{join, join_all, join3};

use super::{MAX_WAYS, Visited};
use crate::probe::dns::{self, Exchanger};
use crate::probe::envelope::Envelope;
use crate::probe::session::{self, SECOND_VISIT_FROM, Way};
use crate::probe::{Context, blacklist};
use crate::questions::dns::Via;
use crate::questions::tcp::Role;

/// What was visited and asked already: two resolvers may lead to the same server.
#[derive(Default)]
pub(super) struct Known {
    ways: Mutex<BTreeSet<SocketAddr>>,
    listed: Mutex<BTreeSet<IpAddr>>,
}

/// The addresses of an exchanger, each visited unless it was before.
pub(super) async fn exchange_host(
    context: &Context,
    exchanger: &Exchanger,
    via: Via,
    envelope: &Envelope,
    known: &Known,
) -> Vec<Visited> {
    let addresses = dns::addresses(context, &exchanger.host, via).await;
    let port = context.options.ports.of(Role::Smtp);
    let new: Vec<IpAddr> = {
        let mut visited = known.ways.lock().unwrap_or_else(PoisonError::into_inner);
        addresses
            .into_iter()
            .filter(|ip| visited.len() < MAX_WAYS && visited.insert(SocketAddr::new(*ip, port)))
            .collect()
    };
    join_all(new.into_iter().map(|ip| async move {
        let way = Way {
            service: SocketAddr::new(ip, port),
            host: Some(exchanger.host.clone()),
            role: Role::Smtp,
            expected: true,
        };
        let service = way.service;
        let (mut visited, (), ()) = join3(
            exchange_service(context, way, envelope),
            dns::reverse(context, ip),
            blacklists(context, service, known),
        )
        .await;
        visited.preference = exchanger.preference;
        visited
    }))
    .await
}

/// One mail exchanger: session and envelope, and what looks behind a slow banner or a dead port.
pub(super) async fn exchange_service(context: &Context, way: Way, envelope: &Envelope) -> Visited {
    if !context.options.talks() {
        return Visited { way, preference: None, offers_auth: false, took_target: false };
    }
    let visit = session::first_visit(context, &way).await;
    let mut visited = Visited { way: way.clone(), preference: None, offers_auth: false, took_target: false };
    if !visit.open {
        alive(context, &way).await;
        return visited;
    }
    let starttls = visit.session.as_ref().is_some_and(|s| s.channel == crate::questions::smtp::Channel::Tls);
    let session = match visit.session {
        Some(session) => Some(session),
        None if visit.tls_failed => session::later_visit(context, &way, false).await,
        None => None,
    };
    let envelope_tests = async {
        let Some(mut session) = session else { return };
        visited.offers_auth = session.capabilities.as_ref().is_some_and(|c| !c.mechanisms().is_empty());
        visited.took_target = envelope.as_stranger(context, &way, &mut session).await.accepted;
        session.talk.quit().await;
    };
    let own_name = async {
        let host = way.host.as_deref().unwrap_or_default();
        if let Some(name) = visit.greets_as.as_deref().filter(|n| !n.eq_ignore_ascii_case(host) && !n.starts_with('['))
        {
            dns::addresses(context, name, Via::Own).await;
        }
    };
    let look_again = async {
        if visit.greeted && visit.banner >= SECOND_VISIT_FROM {
            session::second_banner(context, &way).await;
        }
    };
    let injected = async {
        if starttls && context.options.wants("tls") {
            session::injection(context, &way).await;
        }
    };
    join3(envelope_tests, look_again, join(injected, own_name)).await;
    visited
}

/// Whether anything else of a host answers: a host that is down is told from a port that is filtered.
async fn alive(context: &Context, way: &Way) {
    let ports = [context.options.ports.named("https").unwrap_or(443), context.options.ports.of(Role::Submission), 80];
    join_all(ports.into_iter().filter(|port| *port != way.service.port()).map(|port| async move {
        let knock = Way {
            service: SocketAddr::new(way.service.ip(), port),
            host: way.host.clone(),
            role: Role::Alive,
            expected: false,
        };
        session::knock(context, &knock).await
    }))
    .await;
}

/// The blacklists that were named, for a server's address and our own; each address once.
pub(super) async fn blacklists(context: &Context, way: SocketAddr, known: &Known) {
    let source = context.vantage.source_for(way);
    let new: Vec<IpAddr> = {
        let mut listed = known.listed.lock().unwrap_or_else(PoisonError::into_inner);
        [Some(way.ip()), source].into_iter().flatten().filter(|ip| listed.insert(*ip)).collect()
    };
    if new.is_empty() {
        return;
    }
    let lists = join_all(context.options.dnsbl.iter().map(|zone| blacklist::addresses(context, zone, &new, Via::Own)));
    // With a name given for EHLO nobody else looks our own name up, and a slow one may be what is waited for.
    let own = async {
        if let Some(ip) = source.filter(|ip| context.options.helo.is_some() && new.contains(ip)) {
            dns::reverse(context, ip).await;
        }
    };
    join(lists, own).await;
}
