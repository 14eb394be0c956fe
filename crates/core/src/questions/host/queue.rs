//! The question what lies in a mail server's queue, and why.

use std::collections::BTreeMap;

use maildoctor_wire::octets::escape;
use serde::{Deserialize, Serialize};

use super::about::About;
use crate::case::Question;
use crate::subject::VantageId;

/// The most messages that are kept, the most recipients of each, and the most characters of a reason.
const MAX_MESSAGES: usize = 200;
const MAX_RECIPIENTS: usize = 10;
const MAX_REASON: usize = 500;

/// A mail server whose queue, log and settings are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailServer {
    /// Postfix.
    Postfix,
    /// Exim.
    Exim,
    /// OpenSMTPD.
    #[serde(rename = "opensmtpd")]
    OpenSmtpd,
}

impl MailServer {
    /// Its name, as people write it.
    pub fn name(self) -> &'static str {
        match self {
            MailServer::Postfix => "Postfix",
            MailServer::Exim => "Exim",
            MailServer::OpenSmtpd => "OpenSMTPD",
        }
    }
}

/// `host.queue/1`: the queue of one mail server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Whose.
    pub server: MailServer,
    /// The folder (Postfix) or file (Exim, OpenSMTPD) of its settings.
    pub settings: String,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is new, or being delivered.
    Active,
    /// It waits for the next try.
    Deferred,
    /// It is held back until somebody releases it (Postfix: hold; Exim: frozen; OpenSMTPD: suspend).
    Held,
}

/// A recipient to whom a message was not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The address.
    pub address: String,
    /// Why the last try failed, in the server's words.
    pub reason: Option<String>,
}

/// A message in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// Its queue id.
    pub id: String,
    /// Where it stands.
    pub standing: Standing,
    /// How long it has been there, in seconds.
    pub age_s: u64,
    /// Its envelope sender; empty for the null sender.
    pub sender: String,
    /// Whom it waits for.
    pub recipients: Vec<Waiting>,
}

/// A queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueWire {
    /// How many messages were listed, by where they stand.
    pub counts: BTreeMap<Standing, usize>,
    /// The messages for the recipients under test, then others, each the oldest first.
    pub messages: Vec<Queued>,
    /// Whether those are all.
    pub whole: bool,
    /// The parts of the server that somebody has paused, in its own words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paused: Vec<String>,
    /// Why it could not be read.
    pub flaw: Option<String>,
}

impl Question for Queue {
    const PROBE: &'static str = "host.queue/1";
    type On = VantageId;
    type Wire = QueueWire;
    type View = QueueWire;

    fn read(wire: QueueWire) -> Option<QueueWire> {
        wire.flaw.is_none().then_some(wire)
    }
}

impl QueueWire {
    /// What is kept of a listing, which was cut off where it is not `whole`.
    pub fn of(mut listed: Vec<Queued>, whole: bool, about: &About) -> Self {
        let mut counts = BTreeMap::new();
        for message in &listed {
            *counts.entry(message.standing).or_default() += 1;
        }
        let wanted = |message: &Queued| {
            about.is_in(&message.id) || message.recipients.iter().any(|waiting| about.is_in(&waiting.address))
        };
        listed.sort_by_cached_key(|message| (!wanted(message), std::cmp::Reverse(message.age_s)));
        let whole = whole && listed.len() <= MAX_MESSAGES;
        listed.truncate(MAX_MESSAGES);
        Self { counts, messages: listed, whole, ..Self::default() }
    }

    /// A queue that could not be read.
    pub fn unreadable(flaw: String) -> Self {
        Self { flaw: Some(flaw), ..Self::default() }
    }
}

impl Queued {
    /// Whether it waits for an address.
    pub fn is_for(&self, address: &str) -> bool {
        self.recipients.iter().any(|waiting| waiting.address.eq_ignore_ascii_case(address))
    }

    /// Whether it waits for anybody in a domain.
    pub fn is_for_domain(&self, domain: &str) -> bool {
        self.recipients
            .iter()
            .filter_map(|waiting| waiting.address.rsplit_once('@'))
            .any(|(_, own)| own.trim_end_matches('.').eq_ignore_ascii_case(domain.trim_end_matches('.')))
    }

    /// The reasons of its recipients, each with its address.
    pub fn reasons(&self) -> impl Iterator<Item = (&str, &str)> {
        self.recipients.iter().filter_map(|r| Some((r.address.as_str(), r.reason.as_deref()?)))
    }
}

/// What `postqueue -j` prints: a JSON object a line; a last line that was cut is left out. `now` is in seconds since 1970.
pub fn postqueue(printed: &str, now: i64) -> Vec<Queued> {
    #[derive(Deserialize)]
    struct Message {
        queue_name: String,
        queue_id: String,
        arrival_time: i64,
        #[serde(default)]
        sender: String,
        #[serde(default)]
        recipients: Vec<Recipient>,
    }
    #[derive(Deserialize)]
    struct Recipient {
        address: String,
        delay_reason: Option<String>,
    }
    let messages = printed.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    messages
        .map(|message| Queued {
            id: escape(message.queue_id.as_bytes()),
            standing: match message.queue_name.as_str() {
                "hold" => Standing::Held,
                "deferred" => Standing::Deferred,
                _ => Standing::Active,
            },
            age_s: u64::try_from(now.saturating_sub(message.arrival_time)).unwrap_or(0),
            sender: escape(message.sender.as_bytes()),
            recipients: message
                .recipients
                .into_iter()
                .take(MAX_RECIPIENTS)
                .map(|r| Waiting {
                    address: escape(r.address.as_bytes()),
                    reason: r.delay_reason.as_deref().map(bounded),
                })
                .collect(),
        })
        .collect()
}

/// What `exim -bp` prints: a line with age, size, id and sender, then a recipient a line; those who have it already are
/// marked with `D`.
pub fn exim_queue(printed: &str) -> Vec<Queued> {
    let mut found: Vec<Queued> = Vec::new();
    for line in printed.lines() {
        if let Some(message) = exim_message(line) {
            found.push(message);
        } else if let Some(message) = found.last_mut()
            && line.starts_with("          ")
            && message.recipients.len() < MAX_RECIPIENTS
        {
            message.recipients.push(Waiting { address: escape(line.trim().as_bytes()), reason: None });
        }
    }
    found
}

/// ` 25m  2.9K 1tABCD-0000xx-0a <sender@example.org> *** frozen ***`.
fn exim_message(line: &str) -> Option<Queued> {
    let mut words = line.split_whitespace();
    let (age, _size, id, sender) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let sender = sender.strip_prefix('<')?.strip_suffix('>')?;
    let (number, unit) = age.split_at_checked(age.len().checked_sub(1)?)?;
    let factor = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Queued {
        id: escape(id.as_bytes()),
        standing: if line.contains("*** frozen ***") { Standing::Held } else { Standing::Deferred },
        age_s: number.parse::<u64>().ok()?.checked_mul(factor)?,
        sender: escape(sender.as_bytes()),
        recipients: Vec::new(),
    })
}

/// The reason of the last failed try in Exim's log of a message (`exim -Mvl`): `… defer (111): Connection refused`, or
/// what was done to it: `frozen by root`.
pub fn exim_reason(log: &str, recipient: &str) -> Option<String> {
    let failed = |line: &&str| line.contains(recipient) && line.contains(" defer (");
    if let Some(line) = log.lines().rev().find(failed) {
        return Some(bounded(line.split_once(recipient)?.1.trim()));
    }
    let frozen = log.lines().rev().find(|line| line.to_ascii_lowercase().contains("frozen"))?;
    // The date and the time come first.
    Some(bounded(frozen.splitn(3, ' ').last()?.trim_matches([' ', '*'])))
}

/// What `smtpctl show queue` prints: an envelope a line, of which those of one message that stand alike are put
/// together. `paused` are the parts of the server that rest: what is theirs waits.
pub fn smtpctl_queue(printed: &str, paused: &[String], now: i64) -> Vec<Queued> {
    let mut found: Vec<Queued> = Vec::new();
    for envelope in printed.lines().filter_map(|line| smtpctl_envelope(line, paused, now)) {
        let same = |known: &&mut Queued| known.id == envelope.id && known.standing == envelope.standing;
        match found.iter_mut().rev().take(MAX_RECIPIENTS).find(same) {
            Some(known) if known.recipients.len() < MAX_RECIPIENTS => known.recipients.extend(envelope.recipients),
            Some(_) => {}
            None => found.push(envelope),
        }
    }
    found
}

/// `2d018d704ce31dd6|inet4|mta|suspend|a@x|y@z|y@z|1796073044|1796073044|0|1|pending|385|Network error on destination
/// MXs`: number, how it came, who delivers it, flags, sender, recipient, destination, when it came, expiry, last try,
/// tries, state, and why the last one failed.
fn smtpctl_envelope(line: &str, paused: &[String], now: i64) -> Option<Queued> {
    let fields: Vec<&str> = line.splitn(14, '|').collect();
    let [id, _, agent, flags, sender, recipient, _, came, _, _, tries, state, _, reason] = fields.as_slice() else {
        return None;
    };
    let id = id.get(..8).filter(|_| id.len() == 16 && id.bytes().all(|octet| octet.is_ascii_hexdigit()))?;
    let rests = paused.iter().any(|part| part.eq_ignore_ascii_case(agent));
    let untried = tries.parse::<u32>().ok()? == 0 && reason.is_empty();
    let standing = if flags.split(',').any(|flag| flag == "suspend") {
        Standing::Held
    } else if *state == "inflight" || (untried && !rests) {
        Standing::Active
    } else {
        Standing::Deferred
    };
    let age = now.saturating_sub(came.parse().ok()?);
    Some(Queued {
        id: id.to_owned(),
        standing,
        age_s: u64::try_from(age).unwrap_or(0),
        sender: if *sender == "@" { String::new() } else { escape(sender.as_bytes()) },
        recipients: vec![Waiting {
            address: escape(recipient.as_bytes()),
            reason: (!reason.is_empty()).then(|| bounded(reason)),
        }],
    })
}

/// The parts that rest by `smtpctl show status`: `MTA paused`.
pub fn smtpctl_paused(printed: &str) -> Vec<String> {
    let parts = printed.lines().filter_map(|line| line.strip_suffix(" paused"));
    parts.filter(|part| ["MDA", "MTA", "SMTP"].contains(part)).map(str::to_owned).collect()
}

/// A reason that a peer may have worded, made harmless and no longer than is kept.
fn bounded(reason: &str) -> String {
    escape(reason.chars().take(MAX_REASON).collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn postfix_queues_are_read_and_a_cut_line_left_out() {
        let text = r#"{"queue_name": "deferred", "queue_id": "4F1", "arrival_time": 1000, "message_size": 333, "forced_expire": false, "sender": "a@x.example", "recipients": [{"address": "anna@clinic.example", "delay_reason": "mail transport unavailable"}]}
{"queue_name": "hold", "queue_id": "4F2", "arrival_time": 1060, "sender": "", "recipients": [{"address": "bert@clinic.example"}]}
{"queue_name": "hold", "queue_"#;
        let found = postqueue(text, 1100);
        let [deferred, held] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((deferred.standing, deferred.age_s), (Standing::Deferred, 100));
        assert!(deferred.is_for("Anna@clinic.example") && deferred.is_for_domain("clinic.example."));
        assert!(!deferred.is_for_domain("x.example"));
        assert_eq!((held.standing, held.reasons().count()), (Standing::Held, 0));
    }

    #[test]
    fn exim_queues_are_read() {
        let text = " 25m  2.9K 1tABCD-0000xx-0a <a@x.example> *** frozen ***\n          anna@clinic.example\n        D \
                    done@clinic.example\n\n  3d   310 1tABCD-0000xy-0b <>\n          bert@clinic.example\n";
        let found = exim_queue(text);
        let [frozen, other] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((frozen.standing, frozen.age_s, frozen.recipients.len()), (Standing::Held, 1500, 1));
        assert_eq!((other.standing, other.age_s, other.sender.as_str()), (Standing::Deferred, 259_200, ""));
        let log = "2026-11-24 20:14:33 Received from a@x.example\n2026-11-24 20:14:33 anna@clinic.example R=local T=lmtp \
                   defer (111): Connection refused\n2026-11-24 20:15:00 *** Frozen by root ***\n";
        assert_eq!(exim_reason(log, "anna@clinic.example").unwrap(), "R=local T=lmtp defer (111): Connection refused");
        assert_eq!(exim_reason(log, "bert@clinic.example").unwrap(), "Frozen by root");
    }

    #[test]
    fn opensmtpd_queues_are_read_message_by_message() {
        let text = "2d018d704ce31dd6|inet4|mta|suspend|a@x.example|y@z.example|y@z.example|1000|1000|0|1|pending|385|Network error\n\
                    5fad93b8cafb75ca|inet4|mta||@|x@z.example|x@z.example|1000|1000|1000|0|inflight|4|\n\
                    6fad93b8cafb75ca|inet4|mta||a@x.example|b@z.example|b@z.example|1040|1040|0|2|pending|9|451 a|b\n\
                    6fad93b8cafb75cb|inet4|mta||a@x.example|c@z.example|c@z.example|1040|1040|0|2|pending|9|451 a|b\n\
                    7fad93b8cafb75cb|local|mda||a@x.example|d@z.example|d@z.example|1040|1040|0|0|pending|-3|\nodd|line\n";
        let found = smtpctl_queue(text, &[], 1100);
        let told: Vec<_> = found.iter().map(|m| (m.id.as_str(), m.standing, m.age_s, m.recipients.len())).collect();
        assert_eq!(
            told,
            [
                ("2d018d70", Standing::Held, 100, 1),
                ("5fad93b8", Standing::Active, 100, 1),
                ("6fad93b8", Standing::Deferred, 60, 2),
                ("7fad93b8", Standing::Active, 60, 1),
            ]
        );
        assert_eq!((found[1].sender.as_str(), found[2].reasons().next().unwrap().1), ("", "451 a|b"));
        let paused = smtpctl_paused("MDA paused\nMTA running\nSMTP running\n");
        assert_eq!(paused, ["MDA"]);
        assert_eq!(smtpctl_queue(text, &paused, 1100)[3].standing, Standing::Deferred);
    }

    #[test]
    fn what_the_run_is_about_is_kept_before_what_is_older() {
        let message = |id: &str, age_s| Queued {
            id: id.to_owned(),
            standing: Standing::Deferred,
            age_s,
            sender: String::new(),
            recipients: vec![Waiting { address: format!("{id}@x.example"), reason: None }],
        };
        let many: Vec<Queued> = (0..=MAX_MESSAGES as u64).map(|n| message(&format!("m{n}"), n)).collect();
        let mut about = About::default();
        about.address("m0@x.example");
        let wire = QueueWire::of(many, true, &about);
        assert_eq!((wire.counts[&Standing::Deferred], wire.messages.len(), wire.whole), (MAX_MESSAGES + 1, 200, false));
        assert_eq!((wire.messages[0].id.as_str(), wire.messages[1].id.as_str()), ("m0", "m200"));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n]{0,200}", now: i64) {
            let _ = (postqueue(&text, now), exim_queue(&text), exim_reason(&text, "a@b"), smtpctl_queue(&text, &[], now));
        }
    }
}
