//! The settings by which a server leaves mail in its queue on purpose.

use super::super::At;
use crate::case::{ObsId, Seen};
use crate::questions::host::asks::Place;
use crate::questions::host::exim::Exim;
use crate::questions::host::log::Log;
use crate::questions::host::postfix::Postfix;
use crate::questions::host::queue::{MailServer, QueueWire, Queued};
use crate::subject::VantageId;

/// A setting that keeps mail back.
pub(super) struct KeptBack {
    /// Where it stands.
    pub(super) place: Place,
    /// The observation of the settings.
    pub(super) id: ObsId,
    /// What it does, in words.
    pub(super) does: &'static str,
}

/// The setting that keeps a message in the queue; `None` where something else does.
pub(super) fn kept_back(
    at: &At<'_, VantageId>,
    server: MailServer,
    queue: &Seen<'_, QueueWire>,
    message: &Queued,
) -> Option<KeptBack> {
    let says = |words: &str| message.reasons().any(|(_, reason)| reason.contains(words));
    match server {
        MailServer::Postfix => {
            let postfix =
                at.case.every::<Postfix>().find(|own| own.setting("defer_transports").is_some_and(is_given))?;
            says("deferred transport").then(|| KeptBack {
                place: postfix.place_in_main("defer_transports", None),
                id: postfix.id(),
                does: "names the transport of this mail: it waits until somebody sends it on",
            })
        }
        MailServer::Exim => {
            let exim = at.case.every::<Exim>().next()?;
            let (setting, does) = if says("queue_domains") {
                ("queue_domains", "names the domain of this mail: it is not even looked at before a queue run")
            } else if message.reasons().next().is_none() && exim.setting("queue_only") == Some("true") {
                ("queue_only", "is on: nothing is delivered before a queue run")
            } else if not_at_once(at, &message.id).is_some_and(|(_, why)| why.starts_with("load average")) {
                ("queue_only_load", "is passed: while the machine is that busy nothing is delivered before a queue run")
            } else {
                return None;
            };
            Some(KeptBack { place: exim.place(setting), id: exim.id(), does })
        }
        MailServer::OpenSmtpd => {
            // What was tried has a reason of its own.
            let part = queue.paused.iter().find(|_| message.reasons().next().is_none())?;
            let (setting, does) = match part.as_str() {
                "MDA" => {
                    ("smtpctl pause mda", "is in force: nothing is put into mailboxes before `smtpctl resume mda`")
                }
                "MTA" => ("smtpctl pause mta", "is in force: nothing is passed on before `smtpctl resume mta`"),
                _ => return None,
            };
            let place = Place { setting: setting.to_owned(), file: None, line: None };
            Some(KeptBack { place, id: queue.id(), does })
        }
    }
}

/// Why Exim did not try to deliver a message at once, as its log says, and the log.
pub(super) fn not_at_once<'c>(at: &At<'c, VantageId>, queue_id: &str) -> Option<(ObsId, &'c str)> {
    const SAID: &str = "no immediate delivery: ";
    let why = |line: &'c String| line.contains(queue_id).then(|| line.split_once(SAID)).flatten().map(|(_, why)| why);
    at.case.every::<Log>().find_map(|log| Some((log.id(), log.view().about.iter().find_map(why)?)))
}

fn is_given(value: &str) -> bool {
    !value.trim().is_empty()
}
