//! A mail server's queue, read with its own tools.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;

use super::command::{Program, RunError, Said};
use crate::probe::Context;
use crate::questions::host::about::About;
use crate::questions::host::queue::{
    MailServer, Queue, QueueWire, Queued, Standing, exim_queue, exim_reason, postqueue, smtpctl_paused, smtpctl_queue,
};

/// How long a listing of the queue may take; large queues take seconds.
const LIMIT: Duration = Duration::from_secs(15);

/// The most messages of an Exim whose own logs are read: each is a program of its own.
const MAX_LOGS: usize = 20;

/// What this run sent is given a moment to be delivered or to fail: how often is looked again, and when.
const LOOKS: u32 = 8;
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The queue of the Postfix whose settings are in `folder`.
pub async fn of_postfix(context: &Context, folder: &str, about: &About) {
    let program = Program::new("postqueue", LIMIT.min(context.left())).args(["-c", folder, "-j"]).beginning();
    let read = settled(context, about, || async {
        listed(program.run().await, about, |text| postqueue(text, Timestamp::now().as_second()))
    });
    let (wire, times) = context.timed(read).await;
    note(context, MailServer::Postfix, folder, times, &wire);
}

/// The queue of Exim, with the reasons from the messages' own logs.
pub async fn of_exim(context: &Context, program: &str, settings: &str, about: &About) {
    let listing = Program::new(program, LIMIT.min(context.left())).args(["-bp"]).beginning();
    let read = async {
        let mut wire = settled(context, about, || async { listed(listing.run().await, about, exim_queue) }).await;
        let wanted = wire.messages.iter_mut().take(MAX_LOGS);
        join_all(wanted.map(|message| with_reasons(context, program, message))).await;
        wire
    };
    let (wire, times) = context.timed(read).await;
    note(context, MailServer::Exim, settings, times, &wire);
}

/// The queue of OpenSMTPD, and which of its parts rest.
pub async fn of_opensmtpd(context: &Context, settings: &str, about: &About) {
    let ask = |what: &'static str| Program::new("smtpctl", LIMIT.min(context.left())).args(["show", what]).beginning();
    let (status, queue) = (ask("status"), ask("queue"));
    let read = settled(context, about, || async {
        // A server that does not run has a queue, and nothing that rests.
        let paused = status.run().await.map(|said| smtpctl_paused(&said.text)).unwrap_or_default();
        let read = |text: &str| smtpctl_queue(text, &paused, Timestamp::now().as_second());
        QueueWire { paused: paused.clone(), ..listed(queue.run().await, about, read) }
    });
    let (wire, times) = context.timed(read).await;
    note(context, MailServer::OpenSmtpd, settings, times, &wire);
}

/// Looks until no message of this run is on its way any more.
async fn settled<L: Future<Output = QueueWire>>(context: &Context, about: &About, look: impl Fn() -> L) -> QueueWire {
    let mut wire = look().await;
    for _ in 1..LOOKS {
        let ours = wire.messages.iter().any(|m| m.standing == Standing::Active && about.is_in(&m.id));
        if !ours || context.left() < LOOK_EVERY {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        wire = look().await;
    }
    wire
}

fn listed(said: Result<Said, RunError>, about: &About, read: impl Fn(&str) -> Vec<Queued>) -> QueueWire {
    match said {
        Ok(said) => QueueWire::of(read(&said.text), said.whole, about),
        Err(error) => QueueWire::unreadable(error.to_string()),
    }
}

async fn with_reasons(context: &Context, program: &str, message: &mut Queued) {
    let log = Program::new(program, LIMIT.min(context.left())).args(["-Mvl", &message.id]);
    // A message that went meanwhile has no log any more.
    let Ok(log) = log.run().await else {
        return;
    };
    for waiting in &mut message.recipients {
        waiting.reason = exim_reason(&log.text, &waiting.address);
    }
}

fn note(context: &Context, server: MailServer, settings: &str, times: (Duration, Duration), wire: &QueueWire) {
    if wire.flaw.is_some() {
        super::ask_as_root::<Queue>(context, "the queue can be listed by root alone");
    }
    super::record(context, &Queue { server, settings: settings.to_owned() }, times, wire);
}
