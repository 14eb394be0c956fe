//! What journald holds: its export format, and one JSON object a line (systemd, Journal Export Formats).

use std::borrow::Cow;

use serde::Deserialize;

use super::super::event::Event;
use super::super::groups::Groups;
use super::{exim, syslog};

/// The longest message that is kept until its record ends, in octets.
const MAX_MESSAGE_OCTETS: usize = 64 * 1024;

/// A record of the export format, as far as it was read.
#[derive(Debug, Default)]
pub(in super::super) struct Record {
    message: Vec<u8>,
    host: Vec<u8>,
    micros: Vec<u8>,
}

impl Record {
    /// Takes in a line; an empty one ends the record.
    pub(super) fn line(&mut self, line: &[u8], groups: &mut Groups) {
        if line.is_empty() {
            tell(&self.message, &self.host, &self.micros, groups);
            self.message.clear();
            self.host.clear();
            self.micros.clear();
        } else if let Some(message) = line.strip_prefix(b"MESSAGE=") {
            keep(&mut self.message, message);
        } else if let Some(host) = line.strip_prefix(b"_HOSTNAME=") {
            keep(&mut self.host, host);
        } else if let Some(micros) = line.strip_prefix(b"__REALTIME_TIMESTAMP=") {
            keep(&mut self.micros, micros);
        }
    }
}

fn keep(into: &mut Vec<u8>, octets: &[u8]) {
    into.clear();
    into.extend_from_slice(octets.get(..MAX_MESSAGE_OCTETS).unwrap_or(octets));
}

#[derive(Deserialize)]
struct Json<'j> {
    #[serde(borrow, rename = "MESSAGE")]
    message: Cow<'j, str>,
    #[serde(borrow, default, rename = "_HOSTNAME")]
    host: Cow<'j, str>,
    #[serde(borrow, default, rename = "__REALTIME_TIMESTAMP")]
    micros: Cow<'j, str>,
}

/// Takes in an object of `journalctl -o json`. A message that is no text is an array there, and none of a mail server.
pub(super) fn json(line: &[u8], groups: &mut Groups) {
    // Most lines are of other programs: JSON is read only where a delivery may stand in it.
    let marks: [&[u8]; 5] = [b"status=", b"stat=", b"result=", b" ** ", b" == "];
    if marks.iter().any(|mark| memchr::memmem::find(line, mark).is_some())
        && let Ok(read) = serde_json::from_slice::<Json<'_>>(line)
    {
        tell(read.message.as_bytes(), read.host.as_bytes(), read.micros.as_bytes(), groups);
    }
}

fn tell(message: &[u8], host: &[u8], micros: &[u8], groups: &mut Groups) {
    if let Some(event) = syslog::event(message).or_else(|| exim::event(message)) {
        let stamp = Cow::Borrowed(micros);
        groups.add(&Event { stamp, logger: host, ..event });
    }
}
