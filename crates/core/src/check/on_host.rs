//! What is read and watched on the server itself (`--on-host`), while the rest of the run looks at it from outside.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::join_all;

use super::captured::Watching;
use crate::case::{Question, Recorder};
use crate::options::Options;
use crate::probe::{Context, blacklist, host};
use crate::questions::dns::Via;
use crate::questions::host::clients::Clients;
use crate::questions::host::lookups::Lookups;
use crate::questions::host::postfix::PostfixView;
use crate::questions::host::resolv_conf::{RESOLV_CONF, ResolvConfView};
use crate::target::Target;

/// The most lists of the server's settings that are asked for their test entries.
const MAX_LISTS: usize = 40;

/// Reads this machine, where it is the server under test.
pub(super) async fn look(context: Option<&Arc<Context>>) {
    let Some(context) = context.filter(|context| context.options.on_host) else {
        return;
    };
    host::sockets::read(context).await;
    let system = host::resolving::resolv_conf(context, RESOLV_CONF).await;
    let instances = host::postfix::instances(context, context.options.mta_config.as_deref()).await;
    join_all(instances.iter().map(|instance| one_postfix(context, instance, system.as_ref()))).await;
}

async fn one_postfix(context: &Context, instance: &PostfixView, system: Option<&ResolvConfView>) {
    let resolvers = match instance.chrooted_resolv_conf() {
        Some(path) => host::resolving::resolv_conf(context, &path).await,
        None => system.cloned(),
    };
    let resolver = resolvers.and_then(|view| view.servers.first().copied());
    let lists = async {
        if let Some(resolver) = resolver.filter(|_| context.options.wants("reputation")) {
            ask_lists(context, instance, resolver).await;
        }
    };
    lists.await;
}

/// Asks the lists that the settings name for their test entries, by the server's own resolver.
async fn ask_lists(context: &Context, instance: &PostfixView, resolver: SocketAddr) {
    let ports = instance.listening().filter_map(|(_, port)| instance.asks(port?));
    let zones: BTreeSet<String> =
        ports.flat_map(|asks| asks.lists).filter(|list| list.by_address).map(|list| list.zone).collect();
    let same = resolver == context.vantage.resolver();
    let via = if same { Via::Own } else { Via::Server(resolver) };
    let new = zones.into_iter().filter(|zone| !(same && context.options.dnsbl.contains(zone))).take(MAX_LISTS);
    join_all(new.map(|zone| async move { blacklist::addresses(context, &zone, &[], via).await })).await;
}

/// What runs on the host while the look goes on.
pub(super) struct OnHost {
    watching: Option<Watching>,
}

/// Begins what has to be under way before the first connection; `None` where the host is not to be looked at.
pub(super) async fn begin(options: &Options, target: &Target, contexts: &[Arc<Context>]) -> Option<OnHost> {
    let first = contexts.first().filter(|_| options.on_host)?;
    let watching = match Watching::begin(options, target, contexts).await {
        Ok(watching) => Some(watching),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            skip(
                &first.recorder,
                "what the server looks up was not seen, for this run may not read packets (CAP_NET_RAW); run it by sudo, or allow it once by `setcap cap_net_raw+ep` on the program",
                "sudo",
            );
            None
        }
        Err(error) => {
            skip(&first.recorder, &format!("the host's packets cannot be read: {error}"), "");
            None
        }
    };
    Some(OnHost { watching })
}

impl OnHost {
    /// Ends it, and writes down what was seen.
    pub(super) async fn end(self, contexts: &[Arc<Context>]) {
        if let Some(watching) = self.watching {
            watching.end(contexts).await;
        }
    }
}

/// Says why the capture's questions have no answer; `option` is what would bring one.
pub(super) fn skip(recorder: &Recorder, because: &str, option: &str) {
    for probe in [Lookups::PROBE, Clients::PROBE] {
        recorder.skip(probe, None, because, option);
    }
}
