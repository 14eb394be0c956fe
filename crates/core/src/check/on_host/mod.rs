//! What is read and watched on the server itself (`--on-host`), while the rest of the run looks at it from outside.

mod lists;
mod mail;
mod servers;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, join4};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use self::servers::{Servers, asks_of};
use super::captured::{Watching, smtp_ports, tried};
use crate::case::{Question, Recorder};
use crate::options::Options;
use crate::probe::host::accepting::Accepts;
use crate::probe::{Context, host};
use crate::questions::host::accepting::{Accepting, AcceptingWire};
use crate::questions::host::asks::Socket;
use crate::questions::host::clients::Clients;
use crate::questions::host::dovecot::Dovecot;
use crate::questions::host::log::Log;
use crate::questions::host::lookups::Lookups;
use crate::questions::host::machine::{Disk, Machine};
use crate::questions::host::opensmtpd::OpenSmtpd;
use crate::questions::host::postfix::{Postfix, PostfixView};
use crate::questions::host::queue::Queue;
use crate::questions::host::resolv_conf::RESOLV_CONF;
use crate::questions::host::rspamd::Rspamd;
use crate::questions::host::sockets::Listeners;
use crate::subject::VantageId;
use crate::target::Target;
use crate::vantage::Footprints;

/// How long before the run's end what takes long on the host is over at the latest.
const BEFORE_THE_END: Duration = Duration::from_secs(5);

/// When that is: a short run has a quarter of its time for what comes then.
fn before_the_end(context: &Context) -> Instant {
    context.deadline - BEFORE_THE_END.min(context.options.deadline / 4)
}

/// Reads this machine, where it is the server under test; the queue and the log once `visited` says that the look from
/// outside is over, for they tell what became of it.
pub(super) async fn look(host: Option<&OnHost>, context: Option<&Arc<Context>>, target: &Target, visited: &Notify) {
    let (Some(OnHost { instances, watching, .. }), Some(context)) = (host, context) else {
        return;
    };
    host::sockets::read(context).await;
    host::machine::read(context).await;
    let system = host::resolving::resolv_conf(context, RESOLV_CONF).await;
    let servers = Servers::read(context, instances).await;
    let mail = async {
        // Where the look takes until the end, there is still something to be read.
        let _ = timeout_at(before_the_end(context), visited.notified()).await;
        if context.options.wants("server-config") {
            mail::read(context, target, &servers).await;
        }
    };
    let first = system.as_ref().and_then(|view| view.servers.first().copied());
    let of_postfix = instances.iter().map(|instance| lists::of_postfix(context, target, instance, system.as_ref()));
    let of_others = lists::ask(context, servers.lists(), first);
    let rehearsal = lists::rehearse(context, &servers, watching.is_some());
    join4(join_all(of_postfix), of_others, rehearsal, mail).await;
}

/// What runs on the host while the look goes on.
pub(super) struct OnHost {
    watching: Option<Watching>,
    accepts: Accepts,
    instances: Vec<PostfixView>,
}

/// Begins what has to be under way before the first connection; `None` where the host is not to be looked at.
pub(super) async fn begin(options: &Options, target: &Target, contexts: &[Arc<Context>]) -> Option<OnHost> {
    let first = contexts.first().filter(|_| options.on_host)?;
    let ports = smtp_ports(options, target);
    let accepts = Accepts::begin(ports.clone(), first.recorder.start());
    // The settings come first: they name the ports of what the server asks.
    let instances = host::postfix::instances(first, options.mta_config.as_deref()).await;
    let watching = match Watching::begin(options, &ports, programs(&instances), contexts).await {
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
    Some(OnHost { watching, accepts, instances })
}

impl OnHost {
    /// Ends it, and writes down what was seen.
    pub(super) async fn end(self, contexts: &[Arc<Context>]) {
        if let Some(watching) = self.watching {
            watching.end(contexts).await;
        }
        let Ok(seen) = tokio::task::spawn_blocking(|| self.accepts.end()).await else { return };
        let Some(recorder) = contexts.first().map(|context| &context.recorder) else { return };
        let own = Footprints::together(contexts.iter().map(|context| &context.vantage.footprints));
        for service in tried(recorder).into_keys() {
            // A service that none of our connections came in to does not stand here.
            if let Some(lying) = seen.of(service.0, |client| own.connected(client)) {
                let times = (Duration::ZERO, recorder.now());
                recorder.record(&Accepting, &service, &VantageId::local(), times, &AcceptingWire { lying });
            }
        }
    }
}

/// The TCP ports of the policy services and milters that the settings name.
fn programs(instances: &[PostfixView]) -> Vec<u16> {
    let asks = instances.iter().flat_map(asks_of);
    let ports =
        asks.flat_map(|asks| asks.policies.into_iter().chain(asks.milters)).filter_map(|endpoint| match endpoint.at {
            Socket::Tcp(_, port) => Some(port),
            Socket::Unix(_) | Socket::Pipe(_) => None,
        });
    ports.collect::<BTreeSet<u16>>().into_iter().collect()
}

/// Says that this machine was not read.
pub(super) fn leave_out(recorder: &Recorder) {
    skip(recorder, "what a server looks up is seen only on its own host", "");
    for probe in [
        Accepting::PROBE,
        Listeners::PROBE,
        Machine::PROBE,
        Disk::PROBE,
        Postfix::PROBE,
        Dovecot::PROBE,
        OpenSmtpd::PROBE,
        Rspamd::PROBE,
        Queue::PROBE,
        Log::PROBE,
    ] {
        recorder.skip(probe, None, "a server's settings, sockets, queue and log are read only on its own host", "");
    }
}

/// Says why the capture's questions have no answer; `option` is what would bring one.
pub(super) fn skip(recorder: &Recorder, because: &str, option: &str) {
    for probe in [Lookups::PROBE, Clients::PROBE] {
        recorder.skip(probe, None, because, option);
    }
}
