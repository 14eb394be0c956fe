//! What the processes of a mail server that served this run complain of, in the words of its log.

mod words;

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::about::About;
use super::log::{message_id, short};
use crate::stamp::{self, Clock};

pub use words::Complaint;
use words::{Concerns, Tongue, heard};

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

/// A line of a log: who says what.
#[derive(Debug, Clone, Copy)]
struct Line<'l> {
    tongue: Tongue,
    /// `postfix/smtpd[123]`, `lmtp(anna@clinic.example)`, or [`EXIM`], whose lines name no process.
    process: &'l str,
    message: &'l str,
}

/// What stands for the process in lines of Exim.
const EXIM: &str = "exim";

/// How the processes of OpenSMTPD are called; Postfix's have its own name in front.
const OPENSMTPD: &str = "smtpd[";

/// What a line that was kept complains of.
pub fn complaint(kept: &str) -> Option<Complaint> {
    let (process, message) = kept.split_once(": ")?;
    let tongue = match process {
        EXIM => Tongue::Exim,
        _ if process.starts_with(OPENSMTPD) => Tongue::OpenSmtpd,
        _ if process.contains('[') => Tongue::Postfix,
        _ => Tongue::Dovecot,
    };
    heard(tongue, process, message).map(|(complaint, _)| complaint)
}

/// The message of a line that was kept.
pub fn message(kept: &str) -> &str {
    kept.split_once(": ").map_or(kept, |(_, message)| message)
}

/// The lines in which, since the run began, a process complains that served us, or of a delivery to whom the run is about, and
/// then those that concern everybody; each said once.
pub fn complaints(text: &str, about: &About, visit: &Visit, clock: &Clock) -> Vec<String> {
    let began = visit.began.checked_sub(SignedDuration::from_secs(1)).unwrap_or(visit.began);
    let since = |line: &&str| {
        let (stamp, _) = stamp::split(line.as_bytes());
        stamp::read(stamp, clock).is_none_or(|at| at >= began)
    };
    let mut lines: Vec<&str> = text.lines().rev().take(MAX_LOOKED_AT).take_while(since).collect();
    lines.reverse();
    let lines: Vec<Line<'_>> = lines.iter().filter_map(|line| Line::of(line)).collect();
    let served: BTreeSet<&str> = lines
        .iter()
        .filter(|line| line.message.strip_prefix("connect from ").is_some_and(|who| visit.is_of(who)))
        .map(|line| line.process)
        .collect();
    let mut said = BTreeSet::new();
    let (mut ours, mut general) = (Vec::new(), Vec::new());
    for line in lines {
        let Some((_, concerns)) = heard(line.tongue, line.process, line.message) else { continue };
        let is_ours = match line.tongue {
            Tongue::Postfix => served.contains(line.process),
            Tongue::Exim => visit.is_of(line.message),
            // What it complains of concerns everybody.
            Tongue::OpenSmtpd => false,
            Tongue::Dovecot => about.is_in(line.process) || about.is_in(line.message),
        };
        let kept = if is_ours { &mut ours } else { &mut general };
        // Before that stands the client, which may be a long story.
        let from = line.message.find("temporarily rejected ").filter(|_| line.tongue == Tongue::Exim).unwrap_or(0);
        let message = line.message.get(from..).unwrap_or(line.message);
        if (is_ours || concerns == Concerns::All) && kept.len() < MAX_KEPT && said.insert(message) {
            kept.push(short(&format!("{}: {message}", line.process)));
        }
    }
    ours.extend(general);
    ours.truncate(MAX_KEPT);
    ours
}

impl Visit {
    /// Whether the first `[address]` is one of ours.
    fn is_of(&self, who: &str) -> bool {
        let address = who.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(address, _)| address);
        address.and_then(|address| address.parse().ok()).is_some_and(|address: IpAddr| self.clients.contains(&address))
    }
}

impl<'l> Line<'l> {
    fn of(line: &'l str) -> Option<Self> {
        Self::of_dovecot(line).or_else(|| Self::of_postfix(line)).or_else(|| Self::of_exim(line))
    }

    /// `lmtp(anna@clinic.example)<107><…>: Error: …`, `auth: Error: …`
    fn of_dovecot(line: &'l str) -> Option<Self> {
        let at = line.find(": Error: ").or_else(|| line.find(": Fatal: "))?;
        let (head, message) = line.split_at_checked(at)?;
        let program = |word: &&str| ["lmtp(", "lda(", "auth"].iter().any(|name| word.starts_with(name));
        let process = head.rsplit(' ').next().filter(program)?;
        let process = process.split('<').next().unwrap_or(process);
        Some(Self { tongue: Tongue::Dovecot, process, message: message.trim_start_matches(": ") })
    }

    /// `postfix/smtpd[123]: …`
    fn of_postfix(line: &'l str) -> Option<Self> {
        let (head, message) = line.split_once("]: ")?;
        let from = head.rfind(' ').map_or(0, |at| at + 1);
        let process = line.get(from..=head.len()).filter(|process| process.contains('['))?;
        let tongue = if process.starts_with(OPENSMTPD) { Tongue::OpenSmtpd } else { Tongue::Postfix };
        Some(Self { tongue, process, message })
    }

    /// What follows stamp and id.
    fn of_exim(line: &'l str) -> Option<Self> {
        let (_, rest) = stamp::split(line.as_bytes());
        let rest = std::str::from_utf8(rest).ok()?;
        let message = message_id(rest).and_then(|id| rest.strip_prefix(id)).unwrap_or(rest).trim_start();
        Some(Self { tongue: Tongue::Exim, process: EXIM, message })
    }
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
Nov 24 13:00:03 mx dovecot: auth: Error: passwd-file /etc/dovecot/users: open failed: No such file or directory
2026-11-24 13:00:03 H=x [192.0.2.10] rejected RCPT <Failed to create spool file @x>
2026-11-24 13:00:03 H=them [192.0.2.10] temporarily rejected RCPT <x@y>: failed to expand ACL string \"${lookup}\"
2026-11-24 13:00:03 H=us [192.0.2.9] temporarily rejected RCPT <x@y>: failed to expand ACL string \"${lookup}\"
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
                "lmtp(anna@example.org): Error: lmtp-server: conn unix:pid=1 [1]: rcpt anna@example.org: No space left on device",
                "exim: temporarily rejected RCPT <x@y>: failed to expand ACL string \"${lookup}\"",
                "postfix/smtpd[82]: error: open database /etc/postfix/other.db: No such file or directory",
                "postfix/smtpd[83]: fatal: no SASL authentication mechanisms",
                "exim: Failed to create spool file /var/spool/exim4//input//x-D: Permission denied",
                "auth: Error: passwd-file /etc/dovecot/users: open failed: No such file or directory",
            ]
        );
        let nobody = Visit { clients: BTreeSet::new(), ..visit() };
        assert_eq!(complaints(LOG, &About::default(), &nobody, &clock()).len(), 5);
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
            ("fatal: parameter smtpd_timeout: bad time value or unit: abc", Some(Complaint::Setting)),
            ("fatal: master_spawn: exec /usr/lib/postfix/sbin/smtpdd: No such file", Some(Complaint::Setting)),
            // A client chose these words.
            ("NOQUEUE: reject: RCPT from x[192.0.2.9]: 550 <open database @x>", None),
        ] {
            assert_eq!(complaint(&format!("postfix/smtpd[1]: {line}")), is, "{line}");
        }
    }

    #[test]
    fn exim_dovecot_and_opensmtpd_have_their_own_words() {
        for (line, is) in [
            ("smtpd[186]: warn: lost processor: f exited abnormally", Some(Complaint::Milter)),
            ("smtpd[140]: pony express: smtpd: bind: Address already in use", Some(Complaint::Setting)),
            ("smtpd[7]: 0bf6 smtp failed-command command=\"warn: not enough \" result=\"500 x\"", None),
            ("exim: TLS error on connection from [192.0.2.9] (cert/key setup: cert=/x): Error", Some(Complaint::Key)),
            ("exim: malware acl condition: clamd /x : unable to connect to UNIX socket", Some(Complaint::Milter)),
            ("exim: unable to expand message_size_limit: failed to open /gone", Some(Complaint::Setting)),
            ("exim: H=x [192.0.2.9] rejected RCPT <unable to expand @x>: Unknown user", None),
            ("lmtp(103): Fatal: Plugin 'gone' not found", Some(Complaint::Delivery)),
            ("auth: Error: passwd-file /x: open(/x) failed: No such file", Some(Complaint::Passwords)),
            ("auth-worker(7): Error: mysql(db): Connect failed to database (mail)", Some(Complaint::Passwords)),
            ("auth: Error: auth client 0 disconnected with 1 pending requests", None),
            ("auth: Error: read(anvil-auth-penalty) failed: EOF", None),
            ("auth: Error: pam(anna): pam_authenticate() failed: Authentication failure", None),
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
