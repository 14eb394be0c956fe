//! What lies in the server's queue, and why: queue-stuck, queue-held, outbound-port25-blocked.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::host::{every, is_under_test, sent};
use super::super::{At, Basis, Finding, Found, Key, Rule, Share, Told};
use super::kept_back::{kept_back, not_at_once};
use crate::case::{ObsId, Seen, Why};
use crate::catalogue::Severity;
use crate::questions::host::asks::Place;
use crate::questions::host::log::{JOURNAL, Log};
use crate::questions::host::obstacle::{Obstacle, obstacle, outside_answered};
use crate::questions::host::postfix::Postfix;
use crate::questions::host::queue::{MailServer, Queue, QueueWire, Queued, Standing};
use crate::questions::mailbox::{Arrival, Arrived};
use crate::subject::VantageId;

pub(super) const RULES: &[Rule] = &[
    Rule::vantage(&["queue-stuck"], stuck).over_all_vantages(),
    Rule::vantage(&["queue-held"], held).over_all_vantages(),
    Rule::vantage(&["outbound-port25-blocked"], outbound).over_all_vantages(),
];

/// Mail for the recipient under test that is younger is on its way, in seconds.
const YOUNG_S: u64 = 300;

/// Mail for others of the domain that is younger may be greylisted, or wait for somebody who empties a mailbox, in seconds.
const PATIENT_S: u64 = 3600;

/// Mail that is held for less may be looked at by a scanner, in seconds.
const SCANNED_S: u64 = 600;

/// Where so many servers outside do not answer, and none does, port 25 outside is what is blocked.
const MANY: usize = 3;

/// The queue of one mail server, with what is asked of it again and again.
pub(super) struct Looked<'c> {
    pub(super) queue: Seen<'c, QueueWire>,
    pub(super) server: Option<MailServer>,
    /// The messages that this run sent.
    sent: Vec<String>,
    /// None of the servers outside answers.
    shut_in: Option<ShutIn>,
}

/// The servers outside that do not answer, and the domains that mail waits for.
struct ShutIn {
    servers: BTreeSet<IpAddr>,
    domains: BTreeSet<String>,
    example: String,
    logs: Vec<ObsId>,
}

pub(super) fn queues<'c>(at: &At<'c, VantageId>) -> Result<Vec<Looked<'c>>, Why> {
    let like = Queue { server: MailServer::Postfix, settings: String::new() };
    let sent = sent(at.case);
    let look = |queue: Seen<'c, QueueWire>| {
        let asked = serde_json::from_value::<Queue>(queue.observation().asked.clone());
        Looked { shut_in: shut_in(at, &queue), server: asked.ok().map(|asked| asked.server), sent: sent.clone(), queue }
    };
    Ok(every(at, &like)?.into_iter().map(look).collect())
}

impl<'c> Looked<'c> {
    fn messages(&self, standing: Standing) -> impl Iterator<Item = &'c Queued> {
        self.queue.view().messages.iter().filter(move |message| message.standing == standing)
    }

    fn sent_by_us(&self, message: &Queued) -> bool {
        self.sent.contains(&message.id)
    }

    /// Whether a message waits for the recipients under test for longer than it should.
    pub(super) fn waits_too_long(&self, at: &At<'_, VantageId>, message: &Queued) -> bool {
        let patience = if at.case.target.address.is_some() { YOUNG_S } else { PATIENT_S };
        let under_test = message.recipients.iter().any(|waiting| is_under_test(at.case, &waiting.address));
        self.sent_by_us(message) || (under_test && message.age_s >= patience)
    }

    /// Whether another finding says what is in the way of a message.
    fn has_a_cause(&self, message: &Queued) -> bool {
        message.reasons().any(|(_, reason)| match obstacle(reason) {
            Obstacle::Agent | Obstacle::Disk => true,
            Obstacle::Silent(_) => self.shut_in.is_some(),
            Obstacle::Other => false,
        })
    }
}

fn stuck(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    for looked in queues(at)? {
        let waiting: Vec<&Queued> =
            looked.messages(Standing::Deferred).filter(|message| looked.waits_too_long(at, message)).collect();
        // What has a cause of its own is that cause's symptom; whatever else waits is told apart from it.
        let (caused, plain): (Vec<&Queued>, Vec<&Queued>) =
            waiting.into_iter().partition(|message| looked.has_a_cause(message));
        let whose = [("queue", plain, false), ("queue, with a cause", caused, true)];
        for (key, messages, caused) in whose {
            let Some(oldest) = messages.iter().max_by_key(|message| message.age_s) else {
                continue;
            };
            let untried = || not_at_once(at, &oldest.id).map_or("the queue gives no reason", |(_, why)| why);
            let (recipient, reason) = oldest.reasons().next().unwrap_or_else(|| ("", untried()));
            let kept = looked.server.and_then(|server| kept_back(at, server, &looked.queue, oldest));
            let why = match &kept {
                Some(kept) => format!("{} {}", kept.place.setting, kept.does),
                None => format!("\"{reason}\""),
            };
            let finding = found.is(Key::Named(key.to_owned()));
            finding
                .says(format!(
                    "{} in the server's queue, the oldest ({}) for {}: {why}",
                    counted(messages.len(), "waits", "wait"),
                    oldest.id,
                    age(oldest.age_s)
                ))
                .detail("count", messages.len())
                .detail("queue_id", oldest.id.as_str())
                .detail("age_s", oldest.age_s)
                .detail("reason", reason)
                .known("recipient", Some(recipient))
                .witnessed(looked.queue.id());
            if caused {
                finding.owes_step(looked.queue.id());
            }
            if let Some(kept) = kept {
                finding.stands_at(&kept.place).witnessed(kept.id);
            }
            if at.case.target.address.is_none() && !messages.iter().any(|message| looked.sent_by_us(message)) {
                // Some of a domain's mail waits, and the rest may well arrive.
                finding.severity(Severity::Degraded);
            }
            explains_what_is_missed(at, finding, &messages);
            log_proof(at, finding, oldest);
        }
    }
    found.state()
}

fn held(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    for looked in queues(at)? {
        let under_test =
            |message: &Queued| message.recipients.iter().any(|waiting| is_under_test(at.case, &waiting.address));
        let held: Vec<&Queued> = looked
            .messages(Standing::Held)
            .filter(|message| looked.sent_by_us(message) || (under_test(message) && message.age_s >= SCANNED_S))
            .collect();
        let Some(oldest) = held.iter().max_by_key(|message| message.age_s) else {
            continue;
        };
        let recipient = oldest.recipients.first().map_or("nobody", |waiting| waiting.address.as_str());
        let them = if held.len() == 1 { "it" } else { "them" };
        let finding = found.is(Key::Named("held".to_owned()));
        finding
            .says(format!(
                "{} on hold in the server's queue, the oldest ({}, for {recipient}) for {}: nobody delivers {them} until \
                 somebody releases {them}",
                counted(held.len(), "stands", "stand"),
                oldest.id,
                age(oldest.age_s),
            ))
            .detail("count", held.len())
            .detail("queue_id", oldest.id.as_str())
            .detail("age_s", oldest.age_s)
            .known("reason", oldest.reasons().next().map(|(_, reason)| reason))
            .detail("recipient", recipient)
            .witnessed(looked.queue.id());
        explains_what_is_missed(at, finding, &held);
        log_proof(at, finding, oldest);
        if looked.server == Some(MailServer::Postfix)
            && let Some((place, id)) = what_holds(at)
        {
            finding.stands_at(&place).witnessed(id);
        }
    }
    found.state()
}

/// The setting of Postfix that names the action HOLD itself; tables that may do so are not read.
fn what_holds(at: &At<'_, VantageId>) -> Option<(Place, ObsId)> {
    at.case.every::<Postfix>().find_map(|postfix| {
        let written =
            postfix.wire.main_cf.iter().rev().find(|w| w.lines.iter().any(|line| line.text.contains("HOLD")))?;
        Some((postfix.place_in_main(&written.name, Some("HOLD")), postfix.id()))
    })
}

fn outbound(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    every(at, &Log { source: JOURNAL.to_owned() })?;
    for looked in queues(at)? {
        let Some(shut_in) = looked.shut_in else {
            continue;
        };
        let finding = found.is(Key::Named("outbound".to_owned()));
        finding
            .says(format!(
                "none of {} mail servers outside, of {} domains, answers this server on port 25, and no message got out: \
                 \"{}\"",
                shut_in.servers.len(),
                shut_in.domains.len(),
                shut_in.example
            ))
            .detail("servers", shut_in.servers.len())
            .detail("domains", shut_in.domains.into_iter().take(5).collect::<Vec<_>>())
            .detail("reason", shut_in.example)
            .witnessed(looked.queue.id())
            .claims(looked.queue.id(), Share::Whole, Basis::Witnessed);
        for log in shut_in.logs {
            finding.witnessed(log);
        }
    }
    found.state()
}

/// Whether nothing gets out: many servers of many domains are silent, none says a word, and the log knows of no success.
/// One that got through shows that the way out is open, whatever keeps the others from answering.
fn shut_in(at: &At<'_, VantageId>, queue: &Seen<'_, QueueWire>) -> Option<ShutIn> {
    let logs: Vec<_> = at.case.every::<Log>().collect();
    let (sent, silent) = logs.iter().fold((0, 0), |(s, q), log| (s + log.sent_outside, q + log.silent_outside));
    let mut found =
        ShutIn { servers: BTreeSet::new(), domains: BTreeSet::new(), example: String::new(), logs: Vec::new() };
    for (address, reason) in queue.view().messages.iter().flat_map(Queued::reasons) {
        if outside_answered(reason) {
            return None;
        }
        if let Obstacle::Silent(server) = obstacle(reason) {
            found.servers.insert(server);
            found.domains.insert(address.rsplit_once('@').map_or(address, |(_, d)| d).to_ascii_lowercase());
            found.example = reason.to_owned();
        }
    }
    found.logs = logs.iter().map(Seen::id).collect();
    let enough = found.servers.len() >= MANY && found.domains.len() >= MANY && silent as usize >= MANY;
    (enough && sent == 0).then_some(found)
}

/// A message of ours that did not arrive, and is one of these.
pub(super) fn explains_what_is_missed(at: &At<'_, VantageId>, finding: &mut Finding, messages: &[&Queued]) {
    for arrival in at.case.every::<Arrival>() {
        let missing = matches!(arrival.arrived, Arrived::Missing { .. });
        let is_one = |id: &String| messages.iter().any(|message| message.id == *id);
        if missing && arrival.queue_id.as_ref().is_some_and(is_one) {
            finding.claims(arrival.id(), Share::Whole, Basis::Witnessed);
        }
    }
}

/// The log that speaks of a message proves it as well.
pub(super) fn log_proof(at: &At<'_, VantageId>, finding: &mut Finding, message: &Queued) {
    for log in at.case.every::<Log>() {
        if let Some(line) = log.last_with(&message.id) {
            finding.detail("log", line).witnessed(log.id());
        }
    }
}

pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 message {one}") } else { format!("{count} messages {many}") }
}

fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
