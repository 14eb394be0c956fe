//! Logs of mail servers, of any size: read once, line by line, and grouped by cause.
//!
//! Memory is bounded whatever the log holds: lines are cut, groups and open messages are counted, and what goes
//! beyond the bounds is told as left out. Two lines belong together by host and queue id, never by time alone.

mod event;
mod formats;
mod groups;
mod lines;

use std::io::{self, Read};

use super::read::{Kind, Reading};
use crate::questions::bounce::ReturnedWire;
use crate::stamp::Clock;
use formats::Format;
use groups::Groups;

/// How many octets of a text tell whether it is a log.
pub const HEAD_OCTETS: usize = 64 * 1024;

/// Whether a text is a mail log, by its first octets.
pub fn is_log(head: &[u8]) -> bool {
    Format::of(head).is_some()
}

/// What a log came to.
#[derive(Debug)]
pub struct Summary {
    /// The causes, the most frequent first.
    pub reading: Reading,
    /// How many attempts delivered the message.
    pub delivered: u64,
    /// How many octets were read.
    pub octets: u64,
}

/// Reads a log to its end. `head` are the octets that were read already; `progress` is told how many octets are done.
///
/// # Errors
/// What reading gives.
pub fn read(head: &[u8], rest: &mut dyn Read, clock: &Clock, progress: &mut dyn FnMut(u64)) -> io::Result<Summary> {
    let mut format = Format::of(head).unwrap_or(Format::Syslog);
    let mut groups = Groups::default();
    let octets = lines::each(head, rest, progress, |line| format.line(line, &mut groups))?;
    format.end(&mut groups);
    let delivered = groups.delivered();
    let (said, left_out) = groups.finish(clock);
    let whole = ReturnedWire::default();
    Ok(Summary { reading: Reading { kind: Kind::Log, said, whole, left_out }, delivered, octets })
}

#[cfg(test)]
mod tests;
