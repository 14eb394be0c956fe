//! What the processes of a mail server that served this run complain of, in the words of its log.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::about::About;
use super::log::{message_id, short};
use crate::stamp::{self, Clock};

/// The most lines of a log that are looked at, from its end, and the most that are kept.
const MAX_LOOKED_AT: usize = 50_000;
const MAX_KEPT: usize = 20;

/// Our visits to a server, as its log tells them.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The addresses that we came from.
    pub clients: BTreeSet<IpAddr>,
    /// When the run began.
    pub began: Timestamp,
}

/// What a server complains of that is its own affair, and no client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Complaint {
    /// A table of its settings cannot be opened or asked.
    Table,
    /// The service that checks passwords cannot be reached.
    Passwords,
    /// A milter cannot be reached.
    Milter,
    /// Its key or its certificate cannot be used.
    Key,
    /// A service of its own, or one that its settings name, cannot be reached.
    Service,
    /// It cannot write into its own queue.
    Spool,
    /// A domain stands in two lists of its settings that exclude each other.
    Twice,
    /// Dovecot could not put a message into a mailbox.
    Delivery,
}

/// The words of each. A message that a client can bring about is in none of them.
const WORDS: [(&str, Complaint); 26] = [
    ("no SASL authentication mechanisms", Complaint::Passwords),
    ("SASL: Connect to ", Complaint::Passwords),
    ("cannot connect to saslauthd", Complaint::Passwords),
    ("SASL per-process initialization failed", Complaint::Passwords),
    ("connect to Milter service ", Complaint::Milter),
    ("open database ", Complaint::Table),
    ("unsupported dictionary type", Complaint::Table),
    ("connect to mysql server", Complaint::Table),
    ("connect to pgsql server", Complaint::Table),
    ("Unable to bind to server", Complaint::Table),
    (" is unavailable. ", Complaint::Table),
    (" lookup error for ", Complaint::Table),
    ("table lookup problem", Complaint::Table),
    ("error opening chain file", Complaint::Key),
    ("cannot get RSA certificate", Complaint::Key),
    ("cannot get RSA private key", Complaint::Key),
    ("cannot get ECDSA", Complaint::Key),
    ("cannot load ", Complaint::Key),
    ("error loading chain from", Complaint::Key),
    ("connect to private/", Complaint::Service),
    ("problem talking to server ", Complaint::Service),
    (" to subsystem ", Complaint::Service),
    ("mail_queue_enter: create file ", Complaint::Spool),
    ("Failed to create spool file ", Complaint::Spool),
    ("do not list domain ", Complaint::Twice),
    ("Error: ", Complaint::Delivery),
];

/// How a message begins that is a complaint: Postfix marks them, Exim's have their own words.
const MARKS: [&str; 6] = ["warning: ", "error: ", "fatal: ", "panic: ", "Error: ", "Failed to create spool file "];

/// What stands for the process in the lines of Exim, which name none.
const EXIM: &str = "exim";

/// What a message complains of; `None` where it does not, or of a client.
pub fn complaint(message: &str) -> Option<Complaint> {
    let marked = MARKS.iter().any(|mark| message.starts_with(mark));
    WORDS.iter().find(|(words, _)| marked && message.contains(words)).map(|(_, complaint)| *complaint)
}

/// The message of a line that was kept.
pub fn message(kept: &str) -> &str {
    kept.split_once(": ").map_or(kept, |(_, message)| message)
}

/// The lines in which a process complains that served us, since the run began, each said once; and those that concern whoever
/// comes: by which a process ended that could serve nobody, or which tell of the queue or of the settings as a whole; and what
/// went wrong with a delivery to whom the run is about.
pub fn complaints(text: &str, about: &About, visit: &Visit, clock: &Clock) -> Vec<String> {
    let began = visit.began.checked_sub(SignedDuration::from_secs(1)).unwrap_or(visit.began);
    let since = |line: &&str| {
        let (stamp, _) = stamp::split(line.as_bytes());
        stamp::read(stamp, clock).is_none_or(|at| at >= began)
    };
    let mut lines: Vec<&str> = text.lines().rev().take(MAX_LOOKED_AT).take_while(since).collect();
    lines.reverse();
    let parts: Vec<(&str, &str)> = lines.iter().filter_map(|line| process(line)).collect();
    let served: BTreeSet<&str> = parts
        .iter()
        .filter(|(_, message)| message.strip_prefix("connect from ").is_some_and(|who| visit.is_of(who)))
        .map(|(process, _)| *process)
        .collect();
    let mut said = BTreeSet::new();
    let mut kept = Vec::new();
    for (process, message) in parts {
        let Some(complaint) = complaint(message) else { continue };
        let ours = match complaint {
            Complaint::Spool | Complaint::Twice => true,
            Complaint::Delivery => about.is_in(process),
            _ => message.starts_with("fatal: ") || served.contains(process),
        };
        if ours && kept.len() < MAX_KEPT && said.insert(message) {
            kept.push(short(&format!("{process}: {message}")));
        }
    }
    kept
}

impl Visit {
    /// Whether `name[address]` is one of us.
    fn is_of(&self, who: &str) -> bool {
        let address = who.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(address, _)| address);
        address.and_then(|address| address.parse().ok()).is_some_and(|address: IpAddr| self.clients.contains(&address))
    }
}

/// `program[123]` and what it says; Exim's lines have an id before that, if anything, and Dovecot's the user in place of a
/// number.
fn process(line: &str) -> Option<(&str, &str)> {
    if let Some(delivery) = delivery(line) {
        return Some(delivery);
    }
    let Some((head, message)) = line.split_once("]: ") else {
        let (_, rest) = stamp::split(line.as_bytes());
        let rest = std::str::from_utf8(rest).ok()?;
        let message = message_id(rest).and_then(|id| rest.strip_prefix(id)).unwrap_or(rest);
        return Some((EXIM, message.trim_start()));
    };
    let from = head.rfind(' ').map_or(0, |at| at + 1);
    let process = line.get(from..=head.len())?;
    process.contains('[').then_some((process, message))
}

/// `lmtp(anna@clinic.example)<107><…>: Error: …`
fn delivery(line: &str) -> Option<(&str, &str)> {
    let at = line.find(": Error: ")?;
    let (head, message) = line.split_at_checked(at)?;
    let process = head.rsplit(' ').next().filter(|word| word.starts_with("lmtp(") || word.starts_with("lda("))?;
    Some((process.split('<').next().unwrap_or(process), message.trim_start_matches(": ")))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    const LOG: &str = "\
Nov 24 12:59:00 mx postfix/smtpd[80]: connect from us[192.0.2.9]
Nov 24 12:59:00 mx postfix/smtpd[80]: warning: connect to private/policyd: No such file or directory
Nov 24 13:00:01 mx postfix/smtpd[81]: error: open database /etc/postfix/gone.db: No such file or directory
Nov 24 13:00:01 mx postfix/smtpd[82]: error: open database /etc/postfix/other.db: No such file or directory
Nov 24 13:00:01 mx postfix/smtpd[81]: connect from us[192.0.2.9]
Nov 24 13:00:01 mx postfix/smtpd[82]: connect from them[192.0.2.10]
Nov 24 13:00:01 mx postfix/smtpd[81]: warning: hash:/etc/postfix/gone lookup error for \"anna@example.org\"
Nov 24 13:00:02 mx postfix/smtpd[81]: error: open database /etc/postfix/gone.db: No such file or directory
Nov 24 13:00:02 mx postfix/smtpd[81]: warning: hostname us does not resolve to address 192.0.2.9
Nov 24 13:00:02 mx postfix/smtpd[83]: fatal: no SASL authentication mechanisms
2026-11-24 13:00:03 1vNabc-000000001aB-2cDe Failed to create spool file /var/spool/exim4//input//x-D: Permission denied
Nov 24 13:00:03 lmtp(anna@example.org)<1><x>: Error: lmtp-server: conn unix:pid=1 [1]: rcpt anna@example.org: No space left on device
Nov 24 13:00:03 lmtp(bert@example.org)<1><x>: Error: lmtp-server: conn unix:pid=1 [1]: rcpt bert@example.org: Permission denied
Nov 24 13:00:03 imap(anna@example.org)<1><x>: Error: chdir failed
2026-11-24 13:00:03 H=x [192.0.2.10] rejected RCPT <Failed to create spool file @x>
";

    fn clock() -> Clock {
        Clock { now: "2026-11-24T14:00:00Z".parse().unwrap(), zone: TimeZone::UTC }
    }

    fn about() -> About {
        let mut about = About::default();
        about.address("anna@example.org");
        about
    }

    fn visit() -> Visit {
        Visit { clients: ["192.0.2.9".parse().unwrap()].into(), began: "2026-11-24T13:00:01.9Z".parse().unwrap() }
    }

    #[test]
    fn only_what_served_us_counts_and_only_since_we_came() {
        assert_eq!(
            complaints(LOG, &about(), &visit(), &clock()),
            [
                "postfix/smtpd[81]: error: open database /etc/postfix/gone.db: No such file or directory",
                "postfix/smtpd[81]: warning: hash:/etc/postfix/gone lookup error for \"anna@example.org\"",
                "postfix/smtpd[83]: fatal: no SASL authentication mechanisms",
                "exim: Failed to create spool file /var/spool/exim4//input//x-D: Permission denied",
                "lmtp(anna@example.org): Error: lmtp-server: conn unix:pid=1 [1]: rcpt anna@example.org: No space left on device",
            ]
        );
        let nobody = Visit { clients: BTreeSet::new(), ..visit() };
        assert_eq!(complaints(LOG, &About::default(), &nobody, &clock()).len(), 2);
    }

    #[test]
    fn words_tell_of_what() {
        for (line, is) in [
            ("warning: SASL: Connect to Dovecot auth socket 'private/auth' failed: x", Some(Complaint::Passwords)),
            ("warning: connect to Milter service unix:/run/x.sock: No such file", Some(Complaint::Milter)),
            ("error: unsupported dictionary type: mysql", Some(Complaint::Table)),
            ("warning: error opening chain file: /etc/postfix/gone.pem: x", Some(Complaint::Key)),
            ("warning: connect to private/tlsmgr: Connection refused", Some(Complaint::Service)),
            ("warning: connect #1 to subsystem public/cleanup: Connection refused", Some(Complaint::Service)),
            ("warning: TLS library problem: error:0A0000C1:no shared cipher", None),
            ("warning: hostname us does not resolve to address 192.0.2.9", None),
            ("warning: us[192.0.2.9]: SASL PLAIN authentication failed: ", None),
            (
                "warning: do not list domain x.example in BOTH mydestination and virtual_mailbox_domains",
                Some(Complaint::Twice),
            ),
            // A client chose these words.
            ("NOQUEUE: reject: RCPT from x[192.0.2.9]: 550 <open database @x>", None),
        ] {
            assert_eq!(complaint(line), is, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n]{0,300}") {
            let _ = complaints(&text, &about(), &visit(), &clock());
        }
    }
}
