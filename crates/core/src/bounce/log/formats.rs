//! The formats of logs, told apart by their first lines.

mod exchange;
mod exim;
mod journal;
mod syslog;

use super::groups::Groups;
use crate::stamp;

/// How many of the first lines are looked at.
const LINES: usize = 200;

/// A log's format, with what it holds from line to line.
#[derive(Debug)]
pub(super) enum Format {
    /// Postfix, Sendmail and OpenSMTPD by way of syslog, or bare lines of theirs.
    Syslog,
    /// Exim's main log.
    Exim,
    /// Exchange's message tracking.
    Exchange(exchange::Columns),
    /// `journalctl -o export`.
    JournalExport(journal::Record),
    /// `journalctl -o json`.
    JournalJson,
}

impl Format {
    /// The format of a log by its first octets; `None` where it is none.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        if head.starts_with(b"#Software: Microsoft Exchange") || head.starts_with(b"#Fields: date-time") {
            return Some(Self::Exchange(exchange::Columns::default()));
        }
        if head.starts_with(b"__CURSOR=") || head.starts_with(b"__REALTIME_TIMESTAMP=") {
            return Some(Self::JournalExport(journal::Record::default()));
        }
        let mut lines = head.split(|b| *b == b'\n').take(LINES).filter(|line| !line.trim_ascii().is_empty());
        lines.find_map(|line| {
            if line.starts_with(b"{") && memchr::memmem::find(line, b"\"MESSAGE\"").is_some() {
                return Some(Self::JournalJson);
            }
            let (stamp, rest) = stamp::split(line);
            if !stamp.is_empty() && exim::id(rest).is_some() {
                return Some(Self::Exim);
            }
            let is_syslog = if stamp.is_empty() { syslog::is_bare(line) } else { syslog::is_mail(rest) };
            is_syslog.then_some(Self::Syslog)
        })
    }

    /// Takes in a line.
    pub(super) fn line(&mut self, line: &[u8], groups: &mut Groups) {
        match self {
            Self::Syslog => {
                if let Some(event) = syslog::event(line) {
                    groups.add(&event);
                }
            }
            Self::Exim => {
                if let Some(event) = exim::event(line) {
                    groups.add(&event);
                }
            }
            Self::Exchange(columns) => columns.line(line, groups),
            Self::JournalExport(record) => record.line(line, groups),
            Self::JournalJson => journal::json(line, groups),
        }
    }

    /// Takes in what the last line left open.
    pub(super) fn end(&mut self, groups: &mut Groups) {
        if let Self::JournalExport(record) = self {
            record.line(b"", groups);
        }
    }
}
