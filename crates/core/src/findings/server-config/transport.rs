//! Mail that the server cannot hand to the agent which delivers it: transport-broken.

use super::super::host::complained;
use super::super::{At, Basis, Found, Key, Rule, Share, Told};
use super::dovecot;
use super::queue::{counted, explains_what_is_missed, log_proof, queues};
use crate::case::Case;
use crate::questions::host::asks::Place;
use crate::questions::host::complaint::{Complaint, message};
use crate::questions::host::log::Log;
use crate::questions::host::obstacle::{Obstacle, obstacle, socket};
use crate::questions::host::postfix::{Postfix, PostfixView};
use crate::questions::host::queue::{MailServer, Queued, Standing};
use crate::subject::VantageId;

pub(super) const RULES: &[Rule] = &[Rule::vantage(&["transport-broken"], transport).over_all_vantages()];

fn transport(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    for looked in queues(at)? {
        let fails = |message: &&Queued| {
            message.standing != Standing::Held
                && looked.waits_too_long(at, message)
                && message.reasons().any(|(_, reason)| obstacle(reason) == Obstacle::Agent)
        };
        let failing: Vec<&Queued> = looked.queue.view().messages.iter().filter(fails).collect();
        let Some(oldest) = failing.iter().max_by_key(|message| message.age_s) else {
            continue;
        };
        let reason = oldest.reasons().map(|(_, reason)| reason).find(|reason| obstacle(reason) == Obstacle::Agent);
        let reason = reason.unwrap_or_default();
        let recipient = oldest.recipients.first().map_or("", |waiting| waiting.address.as_str());
        let complaint = complained(at.case, &[Complaint::Delivery]).filter(|(_, line)| concerns(line, recipient));
        // The agent works, and has no room: disk-full says so.
        if complaint.is_some_and(|(_, line)| obstacle(line) == Obstacle::Disk) {
            continue;
        }
        let finding = found.is(Key::Named("agent".to_owned()));
        finding
            .says(format!(
                "{} in the server's queue, for it cannot hand {} to its delivery agent: \"{reason}\"",
                counted(failing.len(), "waits", "wait"),
                if failing.len() == 1 { "it" } else { "them" }
            ))
            .detail("count", failing.len())
            .detail("queue_id", oldest.id.as_str())
            .detail("reason", reason)
            .witnessed(looked.queue.id())
            .owes_step(looked.queue.id())
            .claims(looked.queue.id(), Share::Whole, Basis::Witnessed);
        explains_what_is_missed(at, finding, &failing);
        log_proof(at, finding, oldest);
        if let Some((id, line)) = complaint {
            let says = format!("{}; Dovecot's log says \"{}\"", finding.says, message(line));
            finding.says(says).detail("log", line).witnessed(id);
        }
        let named = at.case.every::<Postfix>().filter(|_| looked.server == Some(MailServer::Postfix)).find_map(|p| {
            let place = names_agent(&p, reason, missing_service(at.case))?;
            Some((place, p.id()))
        });
        // A filter is somebody else's.
        let mailboxes = named.as_ref().is_none_or(|(place, _)| place.setting != "content_filter");
        let unserved = socket(reason).filter(|_| mailboxes);
        let unserved = unserved.and_then(|socket| dovecot::not_served(at.case, "lmtp", socket));
        if let Some(unserved) = &unserved {
            let says = format!("{}; {}", finding.says, unserved.why);
            finding.says(says).witnessed(unserved.id);
        }
        if let Some(place) = unserved.and_then(|unserved| unserved.place) {
            finding.stands_at(&place);
        } else if let Some((place, id)) = named {
            finding.stands_at(&place).witnessed(id);
        }
    }
    found.state()
}

/// Whether a complaint of Dovecot's is about a recipient, or about all.
fn concerns(line: &str, recipient: &str) -> bool {
    line.contains(recipient) || message(line).starts_with("Fatal: ")
}

/// The service of master.cf that Postfix's queue manager did not find, in the words of its log.
fn missing_service<'c>(case: &'c Case) -> Option<&'c str> {
    let named = |line: &'c String| line.split_once("connect to transport private/")?.1.split(':').next();
    case.every::<Log>().find_map(|log| log.view().warnings.iter().rev().find_map(named))
}

/// The setting of Postfix that names the agent which a reason complains of.
fn names_agent(postfix: &PostfixView, reason: &str, missing: Option<&str>) -> Option<Place> {
    const NAMING: [&str; 6] = [
        "virtual_transport",
        "mailbox_transport",
        "local_transport",
        "relay_transport",
        "default_transport",
        "content_filter",
    ];
    let runs = |service: &str| postfix.wire.services.iter().any(|own| own.name == service && own.kind == "unix");
    let complained_of = |value: &str| {
        // `lmtp:unix:private/dovecot-lmtp`, `lmtp:[127.0.0.1]:24`, or `dovecot:` for a service of master.cf.
        let (service, hop) = value.split_once(':').unwrap_or((value, ""));
        let hop = hop.trim_start_matches("unix:").trim_start_matches("inet:");
        let host = hop.trim_start_matches('[').split([']', ':']).next().unwrap_or(hop);
        let unavailable = reason.contains("mail transport unavailable")
            && missing.map_or_else(|| !runs(service), |missing| missing == service);
        unavailable || (!host.is_empty() && reason.contains(host))
    };
    NAMING.into_iter().find_map(|name| {
        let value = postfix.setting(name).filter(|value| !value.is_empty())?;
        complained_of(value).then(|| postfix.place_in_main(name, None))
    })
}
