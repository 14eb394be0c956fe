//! The mail exchangers of a domain, each visited once: session, envelope, and what looks behind a slow banner
//! or a dead port.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::{join, join_all, join3, join4};
use tokio::sync::{OnceCell, oneshot};

use super::MAX_WAYS;
use super::board::{Entry, Search};
use super::look::Look;
use crate::probe::dns::{self, Exchanger, Located};
use crate::probe::session::{self, SECOND_VISIT_FROM, Way};
use crate::probe::{Context, blacklist, dane, xclient};
use crate::questions::dns::Via;
use crate::questions::smtp::{Channel, Errand};
use crate::questions::tcp::Role;

/// What was visited and asked already: two resolvers may lead to the same server.
#[derive(Default)]
pub(super) struct Known {
    ways: Mutex<BTreeSet<SocketAddr>>,
    listed: Mutex<BTreeSet<IpAddr>>,
    hosts: Mutex<BTreeSet<String>>,
    /// The exchangers by the resolver here.
    exchangers: OnceCell<Vec<Exchanger>>,
}

/// The exchangers of the domain under test as one server sees them; the resolver here is asked once.
pub(super) async fn exchangers(look: &Look<'_>, domain: &str, via: Via) -> Vec<Exchanger> {
    let asked = || dns::exchangers(look.context, domain, via);
    if via == Via::Own { look.known.exchangers.get_or_init(asked).await.clone() } else { asked().await }
}

/// The addresses of an exchanger, each visited unless it was before. `search` ends when they are known.
pub(super) async fn exchange_host(look: &Look<'_>, exchanger: &Exchanger, via: Via, search: Search<'_>) {
    let context = look.context;
    let Located { addresses, alias_of } = dns::locate(context, &exchanger.host, via).await;
    let port = context.options.ports.of(Role::Smtp);
    let new: Vec<IpAddr> = {
        let mut visited = look.known.ways.lock().unwrap_or_else(PoisonError::into_inner);
        addresses
            .into_iter()
            .filter(|ip| visited.len() < MAX_WAYS && visited.insert(SocketAddr::new(*ip, port)))
            .collect()
    };
    let visits: Vec<_> = new
        .into_iter()
        .map(|ip| {
            let service = SocketAddr::new(ip, port);
            let way = Way { service, host: Some(exchanger.host.clone()), role: Role::Smtp, expected: true };
            let entry = look.board.enter(&way, exchanger.preference);
            join3(exchange_service(look, way, entry), dns::reverse(context, ip), blacklists(look, service))
        })
        .collect();
    drop(search);
    join(join_all(visits), promises(look, &exchanger.host, alias_of.as_deref())).await;
}

/// What the TLSA records of a host promise, and of what it is an alias of; asked once for each host.
pub(super) async fn promises(look: &Look<'_>, host: &str, alias_of: Option<&str>) {
    let new = look.known.hosts.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned());
    if new && look.context.options.wants("records") && host.parse::<IpAddr>().is_err() {
        dane::look(look.context, host, alias_of).await;
    }
}

/// One mail exchanger: session and envelope, and what looks behind a slow banner or a dead port.
pub(super) async fn exchange_service(look: &Look<'_>, way: Way, entry: Entry<'_>) {
    let context = look.context;
    if !context.options.talks() {
        return;
    }
    let Some(arrived) = session::arrive(context, &way, Errand::Look).await else {
        drop(entry);
        alive(context, &way).await;
        return;
    };
    let slow = arrived.greeted && arrived.banner >= SECOND_VISIT_FROM;
    let quick = arrived.greeted && !slow;
    let patience = slow.then(|| session::once_more(context, arrived.banner));
    let greets_as = arrived.greets_as.clone();
    let (stands, under_tls) = oneshot::channel();
    let first = async {
        let visit = arrived.introduce(true).await;
        let secure = visit.session.as_ref().is_some_and(|s| s.channel == Channel::Tls);
        // Nobody listens where nothing waits for it.
        let _ = stands.send(secure && context.options.wants("tls"));
        let session = match visit.session {
            None if visit.tls_failed => session::later_visit(context, &way, Errand::WithoutTls, false).await,
            session => session,
        };
        let Some(mut session) = session else {
            drop(entry);
            return;
        };
        entry.offers_auth(session.offers_auth());
        let hung_up = look.envelope.as_stranger(context, &way, &mut session, |yes| entry.took_target(yes)).await;
        if hung_up && let Some(mut later) = session::later_visit(context, &way, Errand::Sender, secure).await {
            look.envelope.as_sender(context, &way, &mut later).await;
            later.leave(context, &way).await;
        }
        drop(entry);
        let as_another = context.options.on_host && xclient::is_offered(&session);
        session.leave(context, &way).await;
        if as_another {
            xclient::as_a_stranger(context, &way, look.envelope.target.as_deref()).await;
        }
    };
    let own_name = async {
        let host = way.host.as_deref().unwrap_or_default();
        if let Some(name) = greets_as.as_deref().filter(|n| !n.eq_ignore_ascii_case(host) && !n.starts_with('[')) {
            dns::addresses(context, name, Via::Own).await;
        }
    };
    let as_a_stranger = async {
        if quick {
            session::as_a_stranger(context, &way).await;
        }
    };
    let again = look_again(context, &way, patience, under_tls);
    join4(Box::pin(first), Box::pin(again), Box::pin(as_a_stranger), own_name).await;
}

/// The second connection to a server: its banner once more where the first was slow (`patience`), and a command
/// pipelined behind STARTTLS where TLS came about.
async fn look_again(context: &Context, way: &Way, patience: Option<Duration>, under_tls: oneshot::Receiver<bool>) {
    if let Some(patience) = patience {
        let Some(arrived) = session::arrive_within(context, way, Errand::Again, patience).await else {
            return;
        };
        if arrived.greeted && under_tls.await == Ok(true) {
            session::injection(arrived).await;
        } else {
            arrived.leave().await;
        }
    } else if under_tls.await == Ok(true)
        && let Some(arrived) = session::arrive(context, way, Errand::Injection).await
    {
        session::injection(arrived).await;
    }
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
pub(super) async fn blacklists(look: &Look<'_>, way: SocketAddr) {
    let context = look.context;
    let source = context.vantage.source_for(way);
    let new: Vec<IpAddr> = {
        let mut listed = look.known.listed.lock().unwrap_or_else(PoisonError::into_inner);
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
