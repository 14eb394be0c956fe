//! Causes, counted: each attempt goes to the group of its cause, by a hash where the same was said before.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use maildoctor_wire::octets::escape;

use super::event::Event;
use crate::bounce::judge::{self, Fault};
use crate::bounce::read::MAX_ANSWERS;
use crate::bounce::read::quoted::quoted;
use crate::questions::bounce::{Action, Said};
use crate::stamp::{self, Clock};

/// The most causes that are told apart; what comes later is counted as left out.
const MAX_GROUPS: usize = 2_000;

/// The most wordings that are remembered with their group; others are judged each time they come.
const MAX_WORDINGS: usize = 100_000;

/// The most messages that are followed from a deferral to their end.
const MAX_OPEN: usize = 200_000;

/// The most recipients that a group names.
const MAX_RECIPIENTS: usize = 5;

/// How much of what was said is kept and judged, in octets.
const MAX_TEXT_OCTETS: usize = 2_048;

/// One cause.
#[derive(Debug)]
struct Group {
    said: Said,
    first: Vec<u8>,
    last: Vec<u8>,
}

/// What makes two answers the same cause: what became of it, the code, what it means, and where that matters whose
/// domain it is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Cause {
    action: Action,
    code: &'static str,
    means: &'static str,
    place: String,
}

/// The groups of a log.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    by_cause: HashMap<Cause, usize>,
    by_wording: HashMap<u64, usize>,
    /// Host, queue id and recipient, hashed → the group of the last deferral.
    open: HashMap<u64, usize>,
    delivered: u64,
    left_out: u64,
}

impl Groups {
    /// Takes in an attempt.
    pub(super) fn add(&mut self, event: &Event<'_>) {
        let message = hash((event.logger, event.id, event.recipient));
        if event.action == Action::Done {
            self.delivered += 1;
            let before = if event.id.is_empty() { None } else { self.open.remove(&message) };
            if let Some(group) = before.and_then(|group| self.groups.get_mut(group)) {
                group.said.delivered_later += 1;
            }
            return;
        }
        let Some(place) = self.place(event) else {
            self.left_out += 1;
            return;
        };
        if event.action == Action::Failed {
            self.open.remove(&message);
        } else if !event.id.is_empty() && (self.open.len() < MAX_OPEN || self.open.contains_key(&message)) {
            self.open.insert(message, place);
        }
        if let Some(group) = self.groups.get_mut(place) {
            group.said.count += 1;
            if group.said.recipients.len() < MAX_RECIPIENTS {
                let recipient = escape(event.recipient.get(..320).unwrap_or(event.recipient));
                if !recipient.is_empty() && !group.said.recipients.contains(&recipient) {
                    group.said.recipients.push(recipient);
                }
            }
            if group.first.is_empty() {
                kept(&mut group.first, &event.stamp);
            }
            kept(&mut group.last, &event.stamp);
        }
    }

    /// How many attempts delivered a message.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// The causes, the most frequent first, and how many attempts are in none of them.
    pub(super) fn finish(mut self, clock: &Clock) -> (Vec<Said>, u64) {
        for place in self.open.values() {
            if let Some(group) = self.groups.get_mut(*place) {
                group.said.waiting += 1;
            }
        }
        let read = |group: Group| Said {
            first: stamp::read(&group.first, clock),
            last: stamp::read(&group.last, clock),
            ..group.said
        };
        let mut all: Vec<Said> = self.groups.into_iter().map(read).collect();
        all.sort_by_key(|said| std::cmp::Reverse(said.count));
        let beyond: u64 = all.iter().skip(MAX_ANSWERS).map(|said| said.count).sum();
        all.truncate(MAX_ANSWERS);
        (all, self.left_out + beyond)
    }

    /// The group of an attempt, made where it is the first of its cause; `None` where there are too many.
    fn place(&mut self, event: &Event<'_>) -> Option<usize> {
        let text = event.text.get(..MAX_TEXT_OCTETS).unwrap_or(event.text);
        let domain = domain(event.recipient);
        let wording = wording(event.action, domain, text);
        if let Some(place) = self.by_wording.get(&wording) {
            return Some(*place);
        }
        let said = said(event, text);
        let cause = cause(event.action, &said, domain);
        let place = match self.by_cause.get(&cause) {
            Some(place) => *place,
            None if self.groups.len() >= MAX_GROUPS => return None,
            None => {
                self.groups.push(Group { said, first: Vec::new(), last: Vec::new() });
                self.by_cause.insert(cause, self.groups.len() - 1);
                self.groups.len() - 1
            }
        };
        if self.by_wording.len() < MAX_WORDINGS {
            self.by_wording.insert(wording, place);
        }
        Some(place)
    }
}

/// What an attempt was answered, as a bounce would have it.
fn said(event: &Event<'_>, text: &[u8]) -> Said {
    // Exim writes the end of a line as a backslash and an n.
    let text = String::from_utf8_lossy(text).replace("\\n", "\n");
    let mut said = quoted(&text);
    if said.reply.is_none() {
        said.words = Some(escape(text.as_bytes()));
    }
    let server = String::from_utf8_lossy(event.server);
    let server = server.trim_matches(['.', '[', ']']);
    if !server.is_empty() && server != "none" && server != "local" {
        said.host = Some(escape(server.as_bytes()));
    }
    said.status = std::str::from_utf8(event.status).ok().and_then(|status| status.parse().ok()).or(said.status);
    Said { recipients: Vec::new(), count: 0, action: Some(event.action), ..said }
}

fn cause(action: Action, said: &Said, domain: &[u8]) -> Cause {
    let judged = judge::judge(said);
    let (code, means, fault) = judged.map_or(("", "", Fault::Unknown), |j| (j.code, j.sense.means, j.sense.fault));
    // What is the matter with a recipient or a message is the same at every domain.
    let anywhere = matches!(fault, Fault::Recipient | Fault::YourMessage | Fault::Nobody);
    let provider = judged.and_then(|j| j.provider).map(|p| p.provider.clone());
    let place = if anywhere { String::new() } else { provider.unwrap_or_else(|| escape(domain).to_lowercase()) };
    Cause { action, code, means, place }
}

fn domain(recipient: &[u8]) -> &[u8] {
    memchr::memrchr(b'@', recipient).and_then(|at| recipient.get(at + 1..)).unwrap_or_default()
}

fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// A hash of what was said without what differs from message to message: numbers, and words with an @ or a digit
/// in them, except the reply and status codes.
fn wording(action: Action, domain: &[u8], text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (action, domain).hash(&mut hasher);
    for word in text.split(|b| matches!(b, b' ' | b'\n' | b'<' | b'>' | b'(' | b')')) {
        let is_code = word.len() <= 9 && word.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'#'));
        if is_code || !word.iter().any(|b| b.is_ascii_digit() || *b == b'@') {
            hasher.write(word);
            hasher.write_u8(b' ');
        }
    }
    hasher.finish()
}

fn kept(into: &mut Vec<u8>, stamp: &[u8]) {
    into.clear();
    into.extend_from_slice(stamp.get(..stamp::MAX_OCTETS).unwrap_or(stamp));
}
