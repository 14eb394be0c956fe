//! The question what a mail server's log says of this run's sender, recipient and messages, and what it warns of.

use std::collections::{BTreeSet, VecDeque};

use maildoctor_wire::octets::escape;
use serde::{Deserialize, Serialize};

use super::about::About;
use super::obstacle::{Obstacle, obstacle};
use super::opensmtpd;
use crate::case::Question;
use crate::subject::VantageId;

/// The most lines that are kept of each kind, the last ones; and the most characters of one.
const MAX_LINES: usize = 60;
const MAX_LINE: usize = 600;

/// The most queue ids that are followed.
const MAX_IDS: usize = 40;

/// The name of the journal, where a file's path would stand.
pub const JOURNAL: &str = "journal";

/// `host.log/1`: one log of the mail server, read from its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The file, or [`JOURNAL`].
    pub source: String,
}

/// What a log says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogWire {
    /// The lines about this run's addresses and messages, in order; control characters escaped.
    pub about: Vec<String>,
    /// The warnings and errors, in order.
    pub warnings: Vec<String>,
    /// What the processes that served this run complain of, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub complaints: Vec<String>,
    /// How many deliveries to port 25 of other machines succeeded.
    pub sent_outside: u32,
    /// How many tries met silence there.
    pub silent_outside: u32,
    /// Whether the log was read to its beginning.
    pub whole: bool,
    /// Why it could not be read.
    pub flaw: Option<String>,
}

impl Question for Log {
    const PROBE: &'static str = "host.log/1";
    type On = VantageId;
    type Wire = LogWire;
    type View = LogWire;

    fn read(wire: LogWire) -> Option<LogWire> {
        wire.flaw.is_none().then_some(wire)
    }
}

/// What tells in a line where a message went: Postfix's ends and what its checks of content do, Exim's arrows, and how
/// a try of OpenSMTPD's ended.
const ENDS: &[&str] = &[
    "status=",
    ": discard: ",
    ": redirect: ",
    ": hold: ",
    ": filter: ",
    " => ",
    " -> ",
    " ** ",
    " == ",
    " frozen",
    " result=",
    "stat=Envelope expired",
];

/// Whether the end of a message, in the words of the log, is that the server gave it up.
pub fn given_up(end: &str) -> bool {
    end.contains("status=bounced") || end.contains(" ** ") || opensmtpd::log::gave_up(end)
}

/// Whether it is that the server threw it away by its settings: Postfix's checks of content and its discard(8), Exim's
/// blackhole and its verb `discard`.
pub fn thrown_away(end: &str) -> bool {
    let nowhere = end.contains("status=sent") && end.contains("relay=none");
    nowhere || [": discard: ", "=> blackhole (", "=> :blackhole:"].iter().any(|words| end.contains(words))
}

impl LogWire {
    /// A log that could not be read.
    pub fn unreadable(flaw: String) -> Self {
        Self { flaw: Some(flaw), ..Self::default() }
    }

    /// The last line that holds a text.
    pub fn last_with(&self, text: &str) -> Option<&str> {
        self.about.iter().rev().find(|line| line.contains(text)).map(String::as_str)
    }

    /// The last line that tells where the message with this queue id went, from its id on.
    pub fn end_of(&self, queue_id: &str) -> Option<&str> {
        let told = |line: &&String| line.contains(queue_id) && ENDS.iter().any(|mark| line.contains(mark));
        let line = self.about.iter().rev().find(told)?;
        line.find(queue_id).and_then(|at| line.get(at..))
    }
}

/// Picks what matters out of a log: the lines that name what the run is about, and all lines of the messages that those
/// lines belong to; warnings; how deliveries to the outside ended.
pub fn pick(text: &str, about: &About, whole: bool) -> LogWire {
    let mut ids: VecDeque<&str> = VecDeque::new();
    for id in text.lines().filter(|line| about.is_in(line)).filter_map(message_id) {
        if !ids.contains(&id) {
            if ids.len() == MAX_IDS {
                ids.pop_front();
            }
            ids.push_back(id);
        }
    }
    let ids: BTreeSet<&str> = ids.into_iter().collect();
    let (mut picked, mut warnings) = (VecDeque::new(), VecDeque::new());
    let mut wire = LogWire { whole, ..LogWire::default() };
    for line in text.lines() {
        if message_id(line).is_some_and(|id| ids.contains(id)) || about.is_in(line) {
            push(&mut picked, line);
        } else if warns(line) {
            push(&mut warnings, line);
        }
        wire.sent_outside = wire.sent_outside.saturating_add(went_outside(line).into());
        wire.silent_outside = wire.silent_outside.saturating_add(met_silence(line).into());
    }
    wire.about = picked.into();
    wire.warnings = warnings.into();
    wire
}

/// Keeps the last ones.
fn push(lines: &mut VecDeque<String>, line: &str) {
    if lines.len() == MAX_LINES {
        lines.pop_front();
    }
    lines.push_back(short(line));
}

/// A line that is not too long, its control characters escaped.
pub(super) fn short(line: &str) -> String {
    let start: String = line.chars().take(MAX_LINE).collect();
    escape(start.as_bytes())
}

/// The queue id that a line is about: after Postfix's `program[123]: `, or Exim's third word.
pub fn message_id(line: &str) -> Option<&str> {
    postfix_id(line).or_else(|| exim_id(line)).or_else(|| opensmtpd::log::message_id(line))
}

fn postfix_id(line: &str) -> Option<&str> {
    let (_, after) = line.split_once("]: ")?;
    let (id, _) = after.split_once(": ")?;
    let plain = id.len() >= 6 && id.len() <= 20 && id.bytes().all(|octet| octet.is_ascii_alphanumeric());
    // A long queue id is mixed, a short one hexadecimal; words such as `warning` hold no digit.
    (plain && id.bytes().any(|octet| octet.is_ascii_digit())).then_some(id)
}

fn exim_id(line: &str) -> Option<&str> {
    line.split_whitespace().take(4).find(|word| {
        let lengths: Vec<usize> = word.split('-').map(str::len).collect();
        matches!(lengths.as_slice(), [6, 6, 2] | [6, 11, 4])
            && word.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
            && word.bytes().any(|octet| octet.is_ascii_alphabetic())
    })
}

fn warns(line: &str) -> bool {
    ["warning: ", "error: ", "fatal: ", "panic: ", "warn: "].iter().any(|mark| line.contains(mark))
}

fn went_outside(line: &str) -> bool {
    let postfix = line.contains("status=sent") && line.contains("]:25,");
    let exim = line.contains(" => ") && line.contains(" H=") && !line.contains("[127.");
    postfix || exim
}

fn met_silence(line: &str) -> bool {
    let deferred = line.contains("status=deferred") || line.contains(" == ");
    deferred && matches!(obstacle(line), Obstacle::Silent(_))
}

/// The lines of `journalctl -o json`: who, and what; others are left out.
pub fn journal(printed: &str) -> String {
    #[derive(Deserialize)]
    struct Entry {
        #[serde(rename = "MESSAGE")]
        message: String,
        #[serde(rename = "SYSLOG_IDENTIFIER", default)]
        who: String,
        #[serde(rename = "SYSLOG_PID", default)]
        pid: String,
        #[serde(rename = "__REALTIME_TIMESTAMP", default)]
        at: String,
    }
    let entries = printed.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok());
    let mut out = String::new();
    for entry in entries {
        let at = entry.at.parse::<i64>().ok().and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
        let at = at.map(|at| format!("{at:.0} ")).unwrap_or_default();
        let pid = if entry.pid.is_empty() { "-" } else { &entry.pid };
        out.push_str(&format!("{at}{}[{pid}]: {}\n", entry.who, entry.message.replace('\n', " ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POSTFIX: &str = "Nov 24 20:14:33 mx1 postfix/smtpd[1]: 4F1A2B3C4D: client=unknown[192.0.2.9]\n\
        Nov 24 20:14:33 mx1 postfix/qmgr[2]: 4F1A2B3C4D: from=<a@x.example>, size=300, nrcpt=1 (queue active)\n\
        Nov 24 20:14:34 mx1 postfix/lmtp[3]: 4F1A2B3C4D: to=<anna@clinic.example>, relay=none, status=deferred\n\
        Nov 24 20:14:35 mx1 postfix/lmtp[3]: 5F1A2B3C4D: to=<joanna@clinic.example>, status=sent\n\
        Nov 24 20:14:35 mx1 postfix/smtp[4]: 6F1A2B3C4D: to=<b@y.example>, relay=mx.y.example[192.0.2.25]:25, delay=1, status=sent (250 ok)\n\
        Nov 24 20:14:35 mx1 postfix/smtp[4]: 7F1A2B3C4D: to=<b@z.example>, relay=none, status=deferred (connect to mx.z.example[192.0.2.26]:25: Connection timed out)\n\
        Nov 24 20:14:36 mx1 postfix/master[5]: warning: service \"smtp\" (25) has reached its process limit \"5\"\n";

    fn about(address: &str) -> About {
        let mut about = About::default();
        about.address(address);
        about
    }

    #[test]
    fn where_a_message_went_stands_in_its_last_line_but_one() {
        let lines = [
            "Nov 25 22:36:22 mx1 postfix/smtpd[7]: A3E226D: client=client.outside.example[198.18.25.99]",
            "Nov 25 22:36:22 mx1 postfix/cleanup[9]: A3E226D: redirect: header Subject: test: bert@clinic.example",
            "Nov 25 22:36:22 mx1 postfix/lmtp[8]: A3E226D: to=<bert@clinic.example>, status=sent (250 2.0.0 Saved)",
            "Nov 25 22:36:22 mx1 postfix/qmgr[5]: A3E226D: removed",
        ];
        let wire = LogWire { about: lines.map(str::to_owned).to_vec(), ..LogWire::default() };
        assert_eq!(wire.end_of("A3E226D"), Some("A3E226D: to=<bert@clinic.example>, status=sent (250 2.0.0 Saved)"));
        assert_eq!(wire.end_of("B3E226D"), None);
        let exim = "2026-11-25 22:36:22 1xWLbA-000017-1S => blackhole (DATA ACL discarded recipients)".to_owned();
        let wire = LogWire { about: vec![exim], ..LogWire::default() };
        assert_eq!(
            wire.end_of("1xWLbA-000017-1S"),
            Some("1xWLbA-000017-1S => blackhole (DATA ACL discarded recipients)")
        );
    }

    #[test]
    fn every_line_of_a_message_is_picked_and_no_other() {
        let wire = pick(POSTFIX, &about("Anna@Clinic.example"), true);
        assert_eq!(wire.about.len(), 3, "{:?}", wire.about);
        assert_eq!((wire.warnings.len(), wire.sent_outside, wire.silent_outside), (1, 1, 1));
        assert!(wire.last_with("4F1A2B3C4D").unwrap().contains("status=deferred"));
        let mut by_id = About::default();
        by_id.queue_id("5F1A2B3C4D");
        assert_eq!(pick(POSTFIX, &by_id, true).about.len(), 1);
    }

    #[test]
    fn exim_lines_are_followed_by_their_id() {
        let text = "2026-11-24 20:14:33 1vNabc-000000001aB-2cDe <= a@x.example H=(x) [192.0.2.9]\n\
                    2026-11-24 20:14:34 1vNabc-000000001aB-2cDe == anna@clinic.example R=r T=t defer (111): Connection refused\n\
                    2026-11-24 20:14:34 1tABCD-0000xx-0a Completed\n";
        assert_eq!(pick(text, &about("anna@clinic.example"), true).about.len(), 2);
    }

    #[test]
    fn what_steers_a_terminal_is_escaped_and_lines_are_bounded() {
        let text = format!("mx postfix/smtpd[1]: warning: \x1b[2J{}\n", "x".repeat(5000));
        let wire = pick(&text, &About::default(), true);
        assert!(wire.warnings[0].contains("\\x1b[2J") && wire.warnings[0].chars().count() <= MAX_LINE + 3);
        let many = text.repeat(MAX_LINES * 2);
        assert_eq!(pick(&many, &About::default(), true).warnings.len(), MAX_LINES);
    }

    #[test]
    fn the_journal_reads_as_a_log() {
        let text = r#"{"__REALTIME_TIMESTAMP":"1764015273000000","SYSLOG_IDENTIFIER":"postfix/smtpd","SYSLOG_PID":"7","MESSAGE":"4F1A2B3C4D: client=unknown"}
{"MESSAGE":[1,2]}"#;
        assert_eq!(journal(text), "2025-11-24T20:14:33Z postfix/smtpd[7]: 4F1A2B3C4D: client=unknown\n");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n]{0,300}", word in "[a-z@.]{0,10}") {
            let _ = (pick(&text, &about(&word), true), journal(&text));
        }
    }
}
