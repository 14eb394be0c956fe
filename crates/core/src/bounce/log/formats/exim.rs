//! Exim's main log: `**` failed, `==` deferred, `=>` and `->` delivered (specification chapter 52).

use std::borrow::Cow;

use super::super::event::{Event, after, until};
use crate::questions::bounce::Action;
use crate::stamp;

/// The message id at the beginning of a text: `1abCDE-000123-AB`, since 4.97 `1abCDE-00000001234-ABcd`.
pub(super) fn id(rest: &[u8]) -> Option<&[u8]> {
    let id = until(rest, b" ");
    let mut parts = id.split(|b| *b == b'-').map(|part| (part.len(), part.iter().all(u8::is_ascii_alphanumeric)));
    let shape = (parts.next()?, parts.next()?, parts.next()?, parts.next());
    matches!(shape, ((6, true), (6 | 11, true), (2 | 4, true), None)).then_some(id)
}

/// What a line tells of an attempt.
pub(super) fn event(line: &[u8]) -> Option<Event<'_>> {
    let (stamp, rest) = stamp::split(line);
    // With the process id logged: `[1234] `.
    let rest = if rest.starts_with(b"[") { after(rest, b"] ")? } else { rest };
    let id = id(rest)?;
    let tail = rest.get(id.len() + 1..)?;
    let (mark, tail) = tail.split_at_checked(3)?;
    let action = match mark {
        b"** " => Action::Failed,
        b"== " => Action::Delayed,
        b"=> " | b"-> " => Action::Done,
        _ => return None,
    };
    let recipient = until(tail, b" :");
    let server = after(tail, b" H=").map(|host| until(host, b" :")).unwrap_or_default();
    Some(Event {
        stamp: Cow::Borrowed(stamp),
        logger: &[],
        id,
        recipient,
        server: server.strip_prefix(b"[").map_or(server, |literal| until(literal, b"]")),
        status: &[],
        action,
        text: told(tail.get(recipient.len()..).unwrap_or_default()),
    })
}

/// What was said: behind the fields `R=`, `T=`, `H=` and so on, each of which is a word, up to the first `: `.
fn told(tail: &[u8]) -> &[u8] {
    let defer = memchr::memmem::find(tail, b" defer (").and_then(|at| tail.get(at..));
    let from = defer.unwrap_or(tail);
    // The first colon and blank behind the last field that is a name of Exim's own.
    let text = after(from, b": ").unwrap_or(from);
    text.trim_ascii()
}
