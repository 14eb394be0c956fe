//! Postfix, Sendmail and OpenSMTPD, as syslog writes their lines.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::super::event::{Event, after, between, until};
use crate::questions::bounce::Action;
use crate::questions::host::opensmtpd::log::{self, Delivery, Ended};
use crate::stamp;

/// Finders that are built once: each is asked of every line.
static STATUS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(", status="));
static STAT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(", stat="));
static RESULT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(" result="));

/// Whether a line without a stamp is of a mail server: a part that somebody copied.
pub(super) fn is_bare(line: &[u8]) -> bool {
    let found = |mark: &[u8]| memchr::memmem::find(line, mark).is_some();
    found(b", status=bounced (") || found(b", status=deferred (") || found(b", status=sent (")
}

/// Whether what follows the stamp is of a mail server.
pub(super) fn is_mail(rest: &[u8]) -> bool {
    const NAMES: [&[u8]; 5] = [b" postfix", b" sendmail[", b" sm-mta[", b" smtpd[", b" mta["];
    let head = rest.get(..120).unwrap_or(rest);
    NAMES.iter().any(|name| memchr::memmem::find(head, name).is_some())
}

/// What a line tells of an attempt.
pub(super) fn event(line: &[u8]) -> Option<Event<'_>> {
    if let Some(at) = STATUS.find(line) {
        return postfix(line, at);
    }
    if let Some(at) = STAT.find(line) {
        return sendmail(line, at);
    }
    RESULT.find(line).and_then(|_| log::delivery(line)).map(|told| opensmtpd(line, &told))
}

/// Stamp, host and the message of a line.
fn head(line: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let (stamp, rest) = stamp::split(line);
    let logger = if stamp.is_empty() { &[][..] } else { until(rest, b" ") };
    // What journald keeps has neither stamp nor program before the message.
    let begun = if stamp.is_empty() { None } else { memchr::memmem::find(rest.get(..200).unwrap_or(rest), b"]: ") };
    let message = begun.and_then(|at| rest.get(at + 3..)).unwrap_or(rest);
    (stamp, logger, message)
}

/// `4F1X2Y3Z: to=<anna@example.net>, relay=mx.example.net[192.0.2.1]:25, …, dsn=5.1.1, status=bounced (host … said: …)`
fn postfix(line: &[u8], at: usize) -> Option<Event<'_>> {
    let (before, status) = line.split_at_checked(at)?;
    let status = status.strip_prefix(b", status=")?;
    let action = match until(status, b" ") {
        b"sent" => Action::Done,
        b"deferred" => Action::Delayed,
        b"bounced" | b"expired" => Action::Failed,
        _ => return None,
    };
    let (stamp, logger, message) = head(line);
    let text = after(status, b"(").unwrap_or_default();
    let relay = between(before, b", relay=", b"[").unwrap_or_default();
    Some(Event {
        stamp: Cow::Borrowed(stamp),
        logger,
        id: until(message, b":"),
        recipient: between(before, b"to=<", b">")?,
        server: until(relay, b", "),
        status: after(before, b", dsn=").map(|dsn| until(dsn, b",")).unwrap_or_default(),
        action,
        text: text.strip_suffix(b")").unwrap_or(text),
    })
}

/// `v3JBZmt1030310: to=<anna@example.net>, …, relay=mx.example.net. [192.0.2.1], dsn=5.1.1, reply=550 …, stat=User unknown`
fn sendmail(line: &[u8], at: usize) -> Option<Event<'_>> {
    let (before, stat) = line.split_at_checked(at)?;
    let stat = stat.strip_prefix(b", stat=")?;
    if let Some(told) = log::expired(line) {
        return Some(opensmtpd(line, &told));
    }
    let status = after(before, b", dsn=").map(|dsn| until(dsn, b",")).unwrap_or_default();
    let action = match status.first() {
        _ if stat.starts_with(b"Sent") => Action::Done,
        Some(b'2') => Action::Done,
        _ if stat.starts_with(b"Deferred") => Action::Delayed,
        Some(b'4') => Action::Delayed,
        _ if stat.starts_with(b"queued") => return None,
        _ => Action::Failed,
    };
    let (stamp, logger, message) = head(line);
    let recipient = until(after(before, b"to=")?, b",");
    let recipient = recipient.strip_prefix(b"<").unwrap_or(recipient);
    // Whatever a server says to RCPT with 550, Sendmail calls it "User unknown"; since 8.16 it quotes the reply as well.
    let reply = after(before, b", reply=").filter(|reply| reply.first().is_some_and(|b| matches!(b, b'4' | b'5')));
    Some(Event {
        stamp: Cow::Borrowed(stamp),
        logger,
        id: until(message, b":"),
        recipient: recipient.strip_suffix(b">").unwrap_or(recipient),
        server: after(before, b", relay=").map(|relay| until(relay, b" ,")).unwrap_or_default(),
        status,
        action,
        text: reply.or_else(|| stat.strip_prefix(b"Deferred: ")).unwrap_or(stat),
    })
}

/// A try to deliver of OpenSMTPD.
fn opensmtpd<'l>(line: &'l [u8], told: &Delivery<'l>) -> Event<'l> {
    let (stamp, logger, _) = head(line);
    Event {
        stamp: Cow::Borrowed(stamp),
        logger,
        id: told.envelope,
        recipient: told.recipient,
        // Without a host in brackets it is the domain, of whose servers none was reached.
        server: between(told.relay, b"(", b")").unwrap_or_default(),
        status: &[],
        action: match told.ended {
            Ended::Done => Action::Done,
            Ended::Later => Action::Delayed,
            Ended::Failed => Action::Failed,
        },
        text: told.said,
    }
}
