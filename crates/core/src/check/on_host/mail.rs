//! The queues and the logs of the machine: what became of the mail that the run is about.

use std::collections::BTreeSet;

use futures::future::{join, join_all};

use super::servers::Servers;
use crate::probe::{Context, host};
use crate::questions::host::about::About;
use crate::questions::host::complaint::Visit;
use crate::questions::smtp::Message;
use crate::questions::tcp::{Connect, ConnectWire, Opened};
use crate::target::Target;

/// Reads the queues and the logs for what the run is about.
pub(super) async fn read(context: &Context, target: &Target, servers: &Servers<'_>) {
    let (about, visit) = (&about(context, target), &visit(context));
    let queues = servers.postfix.iter().map(|instance| host::queue::of_postfix(context, instance.folder(), about));
    let mut logs: BTreeSet<Option<String>> = servers
        .postfix
        .iter()
        .map(|instance| instance.setting("maillog_file").filter(|path| path.starts_with('/')).map(str::to_owned))
        .collect();
    let of_exim = async {
        if let Some((program, settings)) = &servers.exim {
            host::queue::of_exim(context, program, &settings.file, about).await;
        }
    };
    let of_opensmtpd = async {
        if let Some((file, _)) = &servers.opensmtpd {
            host::queue::of_opensmtpd(context, file, about).await;
        }
    };
    logs.extend(servers.exim.iter().map(|(_, settings)| settings.main_log()));
    // It knows syslog alone.
    logs.extend(servers.opensmtpd.iter().map(|_| None));
    logs.extend(servers.dovecot.iter().map(|settings| settings.log().map(str::to_owned)));
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
