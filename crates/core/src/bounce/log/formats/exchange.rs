//! Exchange's message tracking log: comma-separated, its columns named by `#Fields:` (Microsoft Learn, Message tracking).

use std::borrow::Cow;

use super::super::event::{Event, between};
use super::super::groups::Groups;
use crate::questions::bounce::Action;

/// The most columns of a row that are read.
const MAX_COLUMNS: usize = 64;

/// Where the columns stand that tell of a delivery.
#[derive(Debug)]
pub(in super::super) struct Columns {
    time: usize,
    event: usize,
    server: usize,
    host: usize,
    id: usize,
    recipients: usize,
    status: usize,
    row: Vec<Vec<u8>>,
}

impl Default for Columns {
    /// The columns as Exchange 2013 and later write them.
    fn default() -> Self {
        Self { time: 0, event: 8, server: 2, host: 4, id: 9, recipients: 12, status: 13, row: Vec::new() }
    }
}

impl Columns {
    /// Takes in a row, or the line that names the columns.
    pub(super) fn line(&mut self, line: &[u8], groups: &mut Groups) {
        if let Some(fields) = line.strip_prefix(b"#Fields: ") {
            self.name(fields);
            return;
        }
        // Rows of other events are most of the log.
        let marks: [&[u8]; 4] = [b",FAIL,", b",DEFER,", b",SENDEXTERNAL,", b",DELIVER,"];
        if line.starts_with(b"#") || marks.iter().all(|mark| memchr::memmem::find(line, mark).is_none()) {
            return;
        }
        split(line, &mut self.row);
        let at = |column: usize| self.row.get(column).map(Vec::as_slice).unwrap_or_default();
        let action = match at(self.event) {
            b"FAIL" => Action::Failed,
            b"DEFER" => Action::Delayed,
            b"SENDEXTERNAL" | b"DELIVER" => Action::Done,
            _ => return,
        };
        let statuses: Vec<&[u8]> = at(self.status).split(|b| *b == b'\'').filter(|s| s.len() > 3).collect();
        for (place, recipient) in at(self.recipients).split(|b| *b == b';').enumerate() {
            let status = statuses.get(place).or_else(|| statuses.first()).copied().unwrap_or(at(self.status));
            // `[{LRT=…};{LED=550 5.1.1 …};{FQDN=mx.example.net};{IP=…}]`
            let text = between(status, b"{LED=", b"}").unwrap_or(status);
            let server = between(status, b"{FQDN=", b"}").unwrap_or_else(|| at(self.host));
            groups.add(&Event {
                stamp: Cow::Borrowed(at(self.time)),
                logger: at(self.server),
                id: at(self.id),
                recipient,
                server,
                status: &[],
                action,
                text,
            });
        }
    }

    fn name(&mut self, fields: &[u8]) {
        let column = |name: &[u8]| fields.split(|b| *b == b',').position(|field| field.trim_ascii() == name);
        let mut set = |slot: fn(&mut Self) -> &mut usize, name: &[u8]| {
            if let Some(found) = column(name) {
                *slot(self) = found;
            }
        };
        set(|c| &mut c.time, b"date-time");
        set(|c| &mut c.event, b"event-id");
        set(|c| &mut c.server, b"client-hostname");
        set(|c| &mut c.host, b"server-hostname");
        set(|c| &mut c.id, b"internal-message-id");
        set(|c| &mut c.recipients, b"recipient-address");
        set(|c| &mut c.status, b"recipient-status");
    }
}

/// The fields of a row: quoted where a comma stands in them, a quote doubled (RFC 4180).
fn split(line: &[u8], row: &mut Vec<Vec<u8>>) {
    row.clear();
    let mut field = Vec::new();
    let mut quoted = false;
    let mut octets = line.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        match octet {
            b'"' if quoted && octets.peek() == Some(&b'"') => field.extend(octets.next()),
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                row.push(std::mem::take(&mut field));
                if row.len() >= MAX_COLUMNS {
                    return;
                }
            }
            other => field.push(other),
        }
    }
    row.push(field);
}
