//! What a line of a log tells of one attempt to deliver.

use std::borrow::Cow;

use crate::questions::bounce::Action;

/// One attempt, in the octets of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event<'l> {
    /// When, as the log writes it.
    pub(super) stamp: Cow<'l, [u8]>,
    /// The host that wrote the line; empty where the log is of one host alone.
    pub(super) logger: &'l [u8],
    /// The queue id.
    pub(super) id: &'l [u8],
    /// The recipient.
    pub(super) recipient: &'l [u8],
    /// The server that was asked.
    pub(super) server: &'l [u8],
    /// The status code (RFC 3463), where the line has one of its own.
    pub(super) status: &'l [u8],
    /// What became of it.
    pub(super) action: Action,
    /// What was said.
    pub(super) text: &'l [u8],
}

impl Default for Event<'_> {
    fn default() -> Self {
        Self {
            stamp: Cow::Borrowed(&[]),
            logger: &[],
            id: &[],
            recipient: &[],
            server: &[],
            status: &[],
            action: Action::Delayed,
            text: &[],
        }
    }
}

/// What stands between the first `open` and the next `close` behind it.
pub(super) fn between<'l>(line: &'l [u8], open: &[u8], close: &[u8]) -> Option<&'l [u8]> {
    let after = after(line, open)?;
    let end = if close.is_empty() { after.len() } else { memchr::memmem::find(after, close)? };
    after.get(..end)
}

/// What stands behind the first `mark`.
pub(super) fn after<'l>(line: &'l [u8], mark: &[u8]) -> Option<&'l [u8]> {
    line.get(memchr::memmem::find(line, mark)? + mark.len()..)
}

/// The text up to the first of some octets.
pub(super) fn until<'l>(text: &'l [u8], ends: &[u8]) -> &'l [u8] {
    let end = text.iter().position(|b| ends.contains(b)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}
