//! Octets of a server as lines, at once, and where a reply ends: that is another matter in each protocol.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Asked, Protocol};
use crate::dialogue::Phase;
use crate::octets;
use crate::reply::{MAX_REPLY_OCTETS, Reply, ReplyParser};

/// The longest piece of a line that is shown at once, in octets.
pub const MAX_SHOWN_OCTETS: usize = 4096;

/// The most octets that are taken from a mailbox server without a line of ours between: a large message.
pub const MAX_MAILBOX_OCTETS: usize = 16 * 1024 * 1024;

/// The most octets of a mailbox server's reply that are kept.
const MAX_KEPT_OCTETS: usize = 64 * 1024;

/// What came.
pub(super) enum Piece {
    /// A line without its end, or a piece of a long one.
    Line(Vec<u8>),
    /// The line before ended a reply.
    End(Ended),
    /// More than anybody sends.
    Endless,
}

/// A whole reply.
pub(super) struct Ended {
    /// The reply.
    pub(super) reply: Reply,
    /// Its first word.
    pub(super) status: String,
    /// When its first octet came.
    pub(super) first_octet_at: Duration,
    /// Which of the awaited it answers.
    pub(super) of: Option<usize>,
    /// It asks for more: `+` in IMAP and POP3.
    pub(super) goes_on: bool,
}

/// Reads what a server says.
pub(super) struct Hearing {
    protocol: Protocol,
    /// What arrived and was not read yet.
    arrived: Vec<u8>,
    /// How far it was read.
    read: usize,
    line: Vec<u8>,
    /// The line is a piece of a longer one.
    in_pieces: bool,
    /// Octets since our last line.
    heard: usize,
    first_at: Option<Duration>,
    smtp: ReplyParser,
    kept: Vec<String>,
    kept_octets: usize,
    /// Inside an answer of several lines (POP3).
    several: bool,
    /// Octets of a literal that are still to come (IMAP).
    literal: u64,
    /// The line began inside a literal.
    began_in_literal: bool,
    ended: Option<Ended>,
    tag: Option<String>,
}

impl Hearing {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            arrived: Vec::new(),
            read: 0,
            line: Vec::new(),
            in_pieces: false,
            heard: 0,
            first_at: None,
            smtp: ReplyParser::default(),
            kept: Vec::new(),
            kept_octets: 0,
            several: false,
            literal: 0,
            began_in_literal: false,
            ended: None,
            tag: None,
        }
    }

    /// A line of ours was sent.
    pub(super) fn turn(&mut self) {
        self.heard = 0;
    }

    /// The tag of the command whose challenge was heard.
    pub(super) fn open_tag(&self) -> Option<String> {
        self.tag.clone()
    }

    pub(super) fn keep_tag(&mut self, tag: Option<String>) {
        self.tag = tag;
    }

    pub(super) fn take(&mut self, octets: &[u8]) {
        self.arrived.drain(..self.read.min(self.arrived.len()));
        self.read = 0;
        self.arrived.extend_from_slice(octets);
    }

    /// Drops what was not read, and gives it back.
    pub(super) fn discard(&mut self) -> Vec<u8> {
        let mut dropped = std::mem::take(&mut self.line);
        dropped.extend_from_slice(self.arrived.get(self.read..).unwrap_or_default());
        let tag = self.tag.take();
        *self = Self::new(self.protocol);
        self.tag = tag;
        dropped
    }

    /// The next piece, in the light of what is awaited.
    pub(super) fn next(&mut self, now: Duration, awaited: &VecDeque<Asked>) -> Option<Piece> {
        if let Some(ended) = self.ended.take() {
            return Some(Piece::End(ended));
        }
        let most = if self.protocol == Protocol::Smtp { MAX_REPLY_OCTETS } else { MAX_MAILBOX_OCTETS };
        while let Some(rest) = self.arrived.get(self.read..).filter(|rest| !rest.is_empty()) {
            self.first_at.get_or_insert(now);
            let room = rest.get(..MAX_SHOWN_OCTETS - self.line.len()).unwrap_or(rest);
            let length = room.iter().position(|&b| b == b'\n').map_or(room.len(), |at| at + 1);
            self.line.extend_from_slice(room.get(..length).unwrap_or(room));
            self.read += length;
            self.heard += length;
            self.literal = self.literal.saturating_sub(length as u64);
            if self.heard > most {
                self.arrived.clear();
                return Some(Piece::Endless);
            }
            if self.line.last() == Some(&b'\n') {
                let line = std::mem::take(&mut self.line);
                self.ended = self.end_of_line(&line, now, awaited);
                self.in_pieces = false;
                self.began_in_literal = self.literal > 0;
                return Some(Piece::Line(without_end(&line).to_vec()));
            }
            if self.line.len() >= MAX_SHOWN_OCTETS {
                let piece = std::mem::take(&mut self.line);
                if self.protocol == Protocol::Smtp {
                    // It cannot end a reply: it has no line end.
                    let _ = self.smtp.feed(&piece, now);
                } else if !self.in_pieces {
                    self.keep(&piece);
                }
                self.in_pieces = true;
                return Some(Piece::Line(piece));
            }
        }
        None
    }

    fn keep(&mut self, line: &[u8]) {
        if self.kept_octets < MAX_KEPT_OCTETS {
            self.kept_octets += line.len();
            self.kept.push(octets::escape(without_end(line)));
        }
    }

    fn end_of_line(&mut self, line: &[u8], now: Duration, awaited: &VecDeque<Asked>) -> Option<Ended> {
        match self.protocol {
            Protocol::Smtp => {
                let timed = self.smtp.feed(line, now)?;
                let first_octet_at = self.first_at.take().unwrap_or(now);
                let status = if timed.reply.code == 0 { String::new() } else { format!("{:03}", timed.reply.code) };
                let of = (!awaited.is_empty()).then_some(0);
                Some(Ended { status, reply: timed.reply, first_octet_at, of, goes_on: false })
            }
            Protocol::Pop3 => {
                let piece = self.in_pieces;
                if !piece {
                    self.keep(line);
                }
                self.pop3(without_end(line), piece, now, awaited)
            }
            Protocol::Imap => {
                let plain = !self.in_pieces && !self.began_in_literal;
                if plain {
                    self.keep(line);
                }
                if self.literal == 0 {
                    self.literal = literal_length(without_end(line));
                }
                let whole = plain && self.literal == 0;
                if whole { self.imap(without_end(line), now, awaited) } else { None }
            }
        }
    }

    fn pop3(&mut self, line: &[u8], piece: bool, now: Duration, awaited: &VecDeque<Asked>) -> Option<Ended> {
        if self.several {
            return (line == b"." && !piece)
                .then(|| self.ended_as("+OK", (!awaited.is_empty()).then_some(0), false, now));
        }
        let front = awaited.front();
        let of = front.map(|_| 0);
        if line.starts_with(b"+OK") {
            if front.is_some_and(|asked| asked.several) {
                self.several = true;
                return None;
            }
            return Some(self.ended_as("+OK", of, false, now));
        }
        if line.starts_with(b"-ERR") {
            return Some(self.ended_as("-ERR", of, false, now));
        }
        let goes_on = line.first() == Some(&b'+') && front.is_some_and(|asked| asked.phase == Phase::Auth);
        Some(self.ended_as(if goes_on { "+" } else { "" }, of, goes_on, now))
    }

    fn imap(&mut self, line: &[u8], now: Duration, awaited: &VecDeque<Asked>) -> Option<Ended> {
        let text = String::from_utf8_lossy(line).into_owned();
        let mut words = text.split_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().to_ascii_uppercase());
        let front = awaited.front();
        match first {
            "+" => Some(self.ended_as("+", front.map(|_| 0), front.is_some(), now)),
            "*" if front.is_some_and(|asked| asked.phase == Phase::Banner) => {
                Some(self.ended_as(&second, Some(0), false, now))
            }
            // It could not even read a tag.
            "*" if second == "BAD" && front.is_some() => Some(self.ended_as("BAD", Some(0), false, now)),
            "*" if front.is_none() => {
                self.forget();
                None
            }
            tag => {
                let of = awaited.iter().position(|asked| asked.tag.as_deref() == Some(tag))?;
                Some(self.ended_as(&second, Some(of), false, now))
            }
        }
    }

    fn ended_as(&mut self, status: &str, of: Option<usize>, goes_on: bool, now: Duration) -> Ended {
        let first_octet_at = self.first_at.unwrap_or(now);
        let reply = Reply { code: 0, lines: std::mem::take(&mut self.kept), flaws: Vec::new() };
        self.forget();
        Ended { reply, status: status.to_owned(), first_octet_at, of, goes_on }
    }

    fn forget(&mut self) {
        self.kept.clear();
        self.kept_octets = 0;
        self.several = false;
        self.first_at = None;
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The length of the literal that a line announces at its end (RFC 9051 section 4.3); 0 where it announces none.
fn literal_length(line: &[u8]) -> u64 {
    let number = || {
        let text = std::str::from_utf8(line).ok()?;
        let (_, length) = text.strip_suffix('}')?.rsplit_once('{')?;
        length.trim_end_matches('+').parse().ok()
    };
    number().unwrap_or(0)
}
