//! What is read and watched on the server itself (`--on-host`), while the rest of the run looks at it from outside.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use std::time::Duration;

use futures::future::{join, join_all};
use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::captured::{Watching, smtp_ports, tried};
use crate::case::{Question, Recorder};
use crate::options::Options;
use crate::probe::host::accepting::Accepts;
use crate::probe::{Context, blacklist, host};
use crate::questions::dns::{RecordType, Records, Via};
use crate::questions::host::about::About;
use crate::questions::host::accepting::{Accepting, AcceptingWire};
use crate::questions::host::asks::{Asks, List, Socket, Spares, Stage};
use crate::questions::host::clients::Clients;
use crate::questions::host::complaint::Visit;
use crate::questions::host::dovecot::{Dovecot, DovecotWire};
use crate::questions::host::exim::EximWire;
use crate::questions::host::log::Log;
use crate::questions::host::lookups::Lookups;
use crate::questions::host::machine::{Disk, Machine};
use crate::questions::host::opensmtpd::OpenSmtpd;
use crate::questions::host::postfix::{Postfix, PostfixView};
use crate::questions::host::queue::Queue;
use crate::questions::host::resolv_conf::{RESOLV_CONF, ResolvConfView};
use crate::questions::host::rspamd::Rspamd;
use crate::questions::host::sockets::Listeners;
use crate::questions::smtp::Message;
use crate::questions::tcp::{Connect, ConnectWire, Opened};
use crate::subject::{Domain, VantageId};
use crate::target::Target;
use crate::vantage::Footprints;

/// The most lists of the server's settings that are asked for their test entries.
const MAX_LISTS: usize = 40;

/// How long before the run's end the queue and the log are read at the latest.
const BEFORE_THE_END: Duration = Duration::from_secs(5);

/// Reads this machine, where it is the server under test; the queue and the log once `visited` says that the look from
/// outside is over, for they tell what became of it.
pub(super) async fn look(host: Option<&OnHost>, context: Option<&Arc<Context>>, target: &Target, visited: &Notify) {
    let (Some(OnHost { instances, watching, .. }), Some(context)) = (host, context) else {
        return;
    };
    host::sockets::read(context).await;
    host::machine::read(context).await;
    host::units::read(context).await;
    let system = host::resolving::resolv_conf(context, RESOLV_CONF).await;
    let (exim, dovecot) = join(host::exim::settings(context), host::dovecot::settings(context)).await;
    let rspamd = host::rspamd::settings(context).await;
    let opensmtpd = host::opensmtpd::settings(context, instances.is_empty() && exim.is_none()).await;
    let smtpd_conf = opensmtpd.as_ref().map(|(file, _)| *file);
    let of_rspamd = rspamd.filter(|rspamd| {
        let of_postfix = instances.iter().flat_map(asks_of);
        let of_opensmtpd = opensmtpd.iter().flat_map(|(_, own)| own.ports().into_iter().map(|port| own.asks(port)));
        of_postfix.chain(of_opensmtpd).flat_map(|asks| asks.milters).any(|milter| rspamd.is(&milter))
    });
    disks(context, instances, exim.as_ref().map(|(_, settings)| settings)).await;
    let lists = join_all(instances.iter().map(|instance| one_postfix(context, target, instance, system.as_ref())));
    let mail = async {
        let kept_back = BEFORE_THE_END.min(context.options.deadline / 4);
        // Where the look takes until the end, there is still something to be read.
        let _ = timeout_at(context.deadline - kept_back, visited.notified()).await;
        if context.options.wants("server-config") {
            read_mail(context, target, instances, exim.as_ref(), dovecot.as_ref(), smtpd_conf).await;
        }
    };
    let of_exim = exim.as_ref().map(|(_, settings)| settings.asks().lists).unwrap_or_default();
    let others = of_exim.into_iter().chain(of_rspamd.iter().flat_map(|rspamd| rspamd.asked())).collect();
    let first = system.as_ref().and_then(|view| view.servers.first().copied());
    let rehearsal = rehearse(context, exim.as_ref(), watching.is_some());
    join(join(join(lists, ask_lists(context, others, first)), rehearsal), mail).await;
}

/// Has Exim rehearse the connection of a stranger, where our own would not show how those are greeted: our address may be
/// exempt, or what is looked up about it is not seen. Otherwise nothing is asked that might be answered from a cache later.
async fn rehearse(context: &Context, exim: Option<&(&'static str, EximWire)>, watched: bool) {
    let Some((program, settings)) = exim.filter(|(_, settings)| settings.changes.is_none()) else { return };
    let asks = settings.asks();
    let at_connect = |list: &&List| list.stage == Stage::Connect;
    let mut spared = asks.lists.iter().filter(at_connect).filter(|list| list.spares != Spares::Nobody);
    let looks_up = asks.reverse.is_some() || asks.lists.iter().any(|list| at_connect(&list));
    if spared.next().is_some() || !watched && looks_up {
        let limit = (context.deadline - BEFORE_THE_END).saturating_duration_since(tokio::time::Instant::now());
        host::rehearsal::of_exim(context, program, limit).await;
    }
}

/// Reads the queues and the logs for what the run is about.
async fn read_mail(
    context: &Context,
    target: &Target,
    instances: &[PostfixView],
    exim: Option<&(&'static str, EximWire)>,
    dovecot: Option<&DovecotWire>,
    smtpd_conf: Option<&str>,
) {
    let (about, visit) = (&about(context, target), &visit(context));
    let queues = instances.iter().map(|instance| host::queue::of_postfix(context, instance.folder(), about));
    let mut logs: BTreeSet<Option<String>> = instances
        .iter()
        .map(|instance| instance.setting("maillog_file").filter(|path| path.starts_with('/')).map(str::to_owned))
        .collect();
    let of_exim = async {
        if let Some((program, settings)) = exim {
            host::queue::of_exim(context, program, &settings.file, about).await;
        }
    };
    let of_opensmtpd = async {
        if let Some(file) = smtpd_conf {
            host::queue::of_opensmtpd(context, file, about).await;
        }
    };
    logs.extend(exim.map(|(_, settings)| settings.main_log()));
    // It knows syslog alone.
    logs.extend(smtpd_conf.map(|_| None));
    logs.extend(dovecot.map(|settings| settings.log().map(str::to_owned)));
    if logs.is_empty() {
        // Another server's lines stand where mail is usually logged.
        logs.insert(None);
    }
    let logs = async {
        for log in &logs {
            host::log::read(context, log.as_deref(), about, visit).await;
        }
    };
    join(join(join_all(queues), of_exim), of_opensmtpd).await;
    // The queue waits for what is under way; the log then holds how that ended.
    logs.await;
}

/// Whose mail this run is about: the recipients under test, the account, and the messages that it sent.
fn about(context: &Context, target: &Target) -> About {
    let options = &context.options;
    let mut about = About::default();
    let record = target.record("", options.domain.as_deref());
    match (&record.address, &record.domain) {
        (Some(address), _) => about.address(address),
        (None, Some(domain)) => about.domain(domain),
        (None, None) => {}
    }
    for address in [&options.user, &options.mail_from, &options.rcpt].into_iter().flatten() {
        about.address(address);
    }
    for (_, message) in context.recorder.so_far::<Message>() {
        about.queue_id(&message.queue_id.unwrap_or_default());
    }
    about
}

/// From where this run came to the server, and since when.
fn visit(context: &Context) -> Visit {
    let local = |(_, connect): (_, ConnectWire)| match connect.opened {
        Opened::Open { local } => local.map(|local| local.ip()),
        _ => None,
    };
    let ago = jiff::SignedDuration::try_from(context.recorder.now()).unwrap_or_default();
    let now = jiff::Timestamp::now();
    Visit {
        clients: context.recorder.so_far::<Connect>().into_iter().filter_map(local).collect(),
        began: now.checked_sub(ago).unwrap_or(now),
    }
}

/// How full the disks are on which queues and mailboxes lie, each once.
async fn disks(context: &Context, instances: &[PostfixView], exim: Option<&EximWire>) {
    let of_postfix = |postfix: &PostfixView| {
        let mailboxes = ["mail_spool_directory", "virtual_mailbox_base"].map(|name| postfix.setting(name));
        let paths = std::iter::once(Some(postfix.queue())).chain(mailboxes).flatten();
        paths.map(str::to_owned).collect::<Vec<String>>()
    };
    let mut paths: Vec<String> = instances.iter().flat_map(of_postfix).collect();
    paths.extend(exim.and_then(|exim| exim.setting("spool_directory")).map(str::to_owned));
    let mut known = BTreeSet::new();
    for path in paths.iter().filter(|path| path.starts_with('/')) {
        if host::machine::device(path).is_some_and(|device| known.insert(device)) {
            host::machine::disk(context, path).await;
        }
    }
}

/// What a Postfix asks, port by port.
fn asks_of(instance: &PostfixView) -> impl Iterator<Item = Asks> + '_ {
    instance.listening().filter_map(|(_, port)| instance.asks(port?))
}

async fn one_postfix(context: &Context, target: &Target, instance: &PostfixView, system: Option<&ResolvConfView>) {
    let resolvers = match instance.chrooted_resolv_conf() {
        Some(path) => host::resolving::resolv_conf(context, &path).await,
        None => system.cloned(),
    };
    let resolver = resolvers.as_ref().and_then(|view| view.servers.first().copied());
    let lists = ask_lists(context, asks_of(instance).flat_map(|asks| asks.lists).collect(), resolver);
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
async fn ask_lists(context: &Context, lists: Vec<List>, resolver: Option<SocketAddr>) {
    let Some(resolver) = resolver.filter(|_| context.options.wants("reputation")) else {
        return;
    };
    let zones: BTreeSet<String> = lists.into_iter().filter(|list| list.by_address).map(|list| list.zone).collect();
    let same = resolver == context.vantage.resolver();
    let via = if same { Via::Own } else { Via::Server(resolver) };
    let new = zones.into_iter().filter(|zone| !(same && context.options.dnsbl.contains(zone))).take(MAX_LISTS);
    join_all(new.map(|zone| async move { blacklist::addresses(context, &zone, &[], via).await })).await;
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
