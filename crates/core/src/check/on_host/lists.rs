//! The DNS lists that the servers of the machine ask: asked for their test entries as the server would ask, and by a rehearsal.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use futures::future::{join, join_all};
use tokio::time::Instant;

use super::before_the_end;
use super::servers::{Servers, asks_of};
use crate::probe::{Context, blacklist, host};
use crate::questions::dns::{RecordType, Records, Via};
use crate::questions::host::asks::{List, Spares, Stage};
use crate::questions::host::postfix::PostfixView;
use crate::questions::host::resolv_conf::ResolvConfView;
use crate::subject::{Domain, VantageId};
use crate::target::Target;

/// The most lists of the server's settings that are asked for their test entries.
const MAX_LISTS: usize = 40;

/// Asks the lists of one Postfix by the resolver that it asks itself, and whether its resolvers answer where they are others than the
/// machine's.
pub(super) async fn of_postfix(
    context: &Context,
    target: &Target,
    instance: &PostfixView,
    system: Option<&ResolvConfView>,
) {
    let resolvers = match instance.chrooted_resolv_conf() {
        Some(path) => host::resolving::resolv_conf(context, &path).await,
        None => system.cloned(),
    };
    let resolver = resolvers.as_ref().and_then(|view| view.servers.first().copied());
    let lists = ask(context, asks_of(instance).flat_map(|asks| asks.lists).collect(), resolver);
    let chroot = async {
        if let (Some(own), Some(system)) = (&resolvers, system)
            && own.servers != system.servers
        {
            ask_resolvers(context, target, &own.servers).await;
        }
    };
    join(lists, chroot).await;
}

/// Asks the resolvers that differ from the system's whether they answer, from this machine alone.
async fn ask_resolvers(context: &Context, target: &Target, servers: &[SocketAddr]) {
    let record = target.record("", context.options.domain.as_deref());
    let Some(domain) = record.domain.or(record.host).filter(|_| context.vantage.id == VantageId::local()) else {
        return;
    };
    join_all(servers.iter().map(|server| {
        let via = Via::Server(*server);
        let (on, domain) = (Domain::new(&domain), &domain);
        async move {
            let question = Records { rtype: RecordType::Soa, via };
            context.lookup(&question, &on, via, domain, RecordType::Soa).await
        }
    }))
    .await;
}

/// Asks the lists that the settings name for their test entries, by the server's own resolver.
pub(super) async fn ask(context: &Context, lists: Vec<List>, resolver: Option<SocketAddr>) {
    let Some(resolver) = resolver.filter(|_| context.options.wants("reputation")) else {
        return;
    };
    let zones: BTreeSet<String> = lists.into_iter().filter(|list| list.by_address).map(|list| list.zone).collect();
    let same = resolver == context.vantage.resolver();
    let via = if same { Via::Own } else { Via::Server(resolver) };
    let new = zones.into_iter().filter(|zone| !(same && context.options.dnsbl.contains(zone))).take(MAX_LISTS);
    join_all(new.map(|zone| async move { blacklist::addresses(context, &zone, &[], via).await })).await;
}

/// Has Exim rehearse the connection of a stranger, where our own would not show how those are greeted: our address may be
/// exempt, or what is looked up about it is not seen. Otherwise nothing is asked that might be answered from a cache later.
pub(super) async fn rehearse(context: &Context, servers: &Servers<'_>, watched: bool) {
    let Some((program, settings)) = servers.exim.as_ref().filter(|(_, settings)| settings.changes.is_none()) else {
        return;
    };
    let asks = settings.asks();
    let at_connect = |list: &&List| list.stage == Stage::Connect;
    let mut spared = asks.lists.iter().filter(at_connect).filter(|list| list.spares != Spares::Nobody);
    let looks_up = asks.reverse.is_some() || asks.lists.iter().any(|list| at_connect(&list));
    if spared.next().is_some() || !watched && looks_up {
        let limit = before_the_end(context).saturating_duration_since(Instant::now());
        host::rehearsal::of_exim(context, program, limit).await;
    }
}
