//! SMTP replies (RFC 5321 section 4.2), arriving in pieces.
//!
//! What is malformed is kept and named, never dropped: a broken reply is a finding, not a parse error.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::enhanced::EnhancedCode;
use crate::octets;

/// The most octets of one reply that are kept; a peer that sends more is cut off.
pub const MAX_REPLY_OCTETS: usize = 64 * 1024;

/// The longest reply line that RFC 5321 section 4.5.3.1.5 allows, CRLF included.
pub const MAX_LINE_OCTETS: usize = 512;

/// A way in which a reply breaks the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// Lines of one reply carry different codes.
    MixedCodes,
    /// A line ends in LF without CR.
    BareLf,
    /// Octets above 127 (allowed only under SMTPUTF8, and not in a banner).
    EightBit,
    /// A line of more than 512 octets.
    LongLine,
    /// A NUL octet.
    Nul,
    /// A code outside 2xx to 5xx.
    CodeRange,
    /// A line that does not begin with three digits and a space or hyphen.
    NoCode,
    /// The peer sent more than 64 KiB without an end.
    Endless,
}

impl Flaw {
    /// What is wrong, in a few words.
    pub fn in_words(self) -> &'static str {
        match self {
            Flaw::MixedCodes => "different codes in one reply",
            Flaw::BareLf => "a line that ends in LF without CR",
            Flaw::EightBit => "octets above 127",
            Flaw::LongLine => "a line of more than 512 octets",
            Flaw::Nul => "a NUL octet",
            Flaw::CodeRange => "a code outside 2xx to 5xx",
            Flaw::NoCode => "a line without a reply code",
            Flaw::Endless => "more than 64 KiB without an end",
        }
    }
}

/// A reply: code and lines. Lines are kept in the form of [`octets::escape`], without code and CRLF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The three-digit code of the last line; 0 where there is none.
    pub code: u16,
    /// The text of each line.
    pub lines: Vec<String>,
    /// How it breaks the protocol, each way once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaws: Vec<Flaw>,
}

impl Reply {
    /// A well-formed reply of one line, for tests and for building cases.
    pub fn line(code: u16, text: &str) -> Self {
        Self { code, lines: vec![text.to_owned()], flaws: Vec::new() }
    }

    /// The first digit: 2 done, 3 go on, 4 not now, 5 no.
    pub fn class(&self) -> u16 {
        self.code / 100
    }

    /// 2xx or 3xx.
    pub fn is_positive(&self) -> bool {
        matches!(self.class(), 2 | 3)
    }

    /// The text of all lines, joined by spaces.
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// The reply as a person would quote it: code and text in one line.
    pub fn quoted(&self) -> String {
        if self.code == 0 { self.text() } else { format!("{} {}", self.code, self.text()).trim_end().to_owned() }
    }

    /// The enhanced status code (RFC 2034, or qmail's form at the end).
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        EnhancedCode::of(self)
    }
}

/// A reply with its times since the start of the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedReply {
    /// The reply.
    pub reply: Reply,
    /// When its first octet arrived.
    pub first_octet_at: Duration,
    /// When its last line was whole.
    pub done_at: Duration,
}

/// Puts replies together from pieces of any size.
#[derive(Debug, Clone, Default)]
pub struct ReplyParser {
    line: Vec<u8>,
    held: Vec<u8>,
    octets: usize,
    first_at: Option<Duration>,
    lines: Vec<String>,
    code: Option<u16>,
    flaws: Vec<Flaw>,
}

impl ReplyParser {
    /// Takes octets that arrived at `now`, and gives the next reply once it is whole. Octets after it
    /// are held: call again with nothing to read on.
    pub fn feed(&mut self, octets: &[u8], now: Duration) -> Option<TimedReply> {
        self.held.extend_from_slice(octets);
        let held = std::mem::take(&mut self.held);
        let mut pieces = held.as_slice();
        while let Some((&octet, rest)) = pieces.split_first() {
            pieces = rest;
            self.first_at.get_or_insert(now);
            self.octets += 1;
            if octet != b'\n' {
                self.line.push(octet);
            }
            let done = if octet == b'\n' { self.end_line() } else { false };
            if done || self.octets >= MAX_REPLY_OCTETS {
                if !done {
                    self.flaw(Flaw::Endless);
                    self.end_line();
                }
                self.held = pieces.to_vec();
                return Some(self.finish(now));
            }
        }
        None
    }

    /// When the first octet of the unfinished reply arrived.
    pub fn first_octet_at(&self) -> Option<Duration> {
        self.first_at
    }

    /// Octets that arrived after the last whole reply.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// Drops everything that has arrived and was not read: what RFC 3207 section 4.2 demands after TLS.
    pub fn discard(&mut self) -> Vec<u8> {
        let mut dropped = std::mem::take(&mut self.line);
        dropped.append(&mut self.held);
        *self = Self::default();
        dropped
    }

    /// The unfinished reply as far as it came, for a connection that was cut.
    pub fn cut(&mut self, now: Duration) -> Option<TimedReply> {
        self.first_at?;
        if !self.line.is_empty() {
            self.end_line();
        }
        Some(self.finish(now))
    }

    fn finish(&mut self, now: Duration) -> TimedReply {
        let held = std::mem::take(&mut self.held);
        let done = std::mem::take(self);
        self.held = held;
        TimedReply {
            first_octet_at: done.first_at.unwrap_or(now),
            done_at: now,
            reply: Reply { code: done.code.unwrap_or(0), lines: done.lines, flaws: done.flaws },
        }
    }

    /// Reads the finished line; true where it ends the reply.
    fn end_line(&mut self) -> bool {
        let mut line = std::mem::take(&mut self.line);
        if line.len() + 1 > MAX_LINE_OCTETS {
            self.flaw(Flaw::LongLine);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        } else {
            self.flaw(Flaw::BareLf);
        }
        if line.contains(&0) {
            self.flaw(Flaw::Nul);
        }
        if !line.is_ascii() {
            self.flaw(Flaw::EightBit);
        }
        let Some((code, more, text)) = split(&line) else {
            self.flaw(Flaw::NoCode);
            self.lines.push(octets::escape(&line));
            // In the middle of a reply a line without a code is taken as text; alone it is all there is.
            return self.code.is_none();
        };
        if !(200..=559).contains(&code) {
            self.flaw(Flaw::CodeRange);
        }
        if self.code.is_some_and(|held| held != code) {
            self.flaw(Flaw::MixedCodes);
        }
        self.code = Some(code);
        self.lines.push(octets::escape(text));
        !more
    }

    fn flaw(&mut self, flaw: Flaw) {
        if !self.flaws.contains(&flaw) {
            self.flaws.push(flaw);
        }
    }
}

/// Code, whether more lines follow, and text of a reply line.
fn split(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = digits.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
    match rest.split_first() {
        None => Some((code, false, rest)),
        Some((b' ', text)) => Some((code, false, text)),
        Some((b'-', text)) => Some((code, true, text)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(octets: &[u8]) -> Vec<Reply> {
        let mut parser = ReplyParser::default();
        let mut replies = Vec::new();
        let mut next = parser.feed(octets, Duration::ZERO);
        while let Some(timed) = next {
            replies.push(timed.reply);
            next = parser.feed(b"", Duration::ZERO);
        }
        replies.extend(parser.cut(Duration::ZERO).map(|t| t.reply));
        replies
    }

    #[test]
    fn a_reply_of_several_lines() {
        let replies = all(b"250-mx.example.org\r\n250-SIZE 1000\r\n250 STARTTLS\r\n");
        assert_eq!(replies.len(), 1);
        assert_eq!(replies[0].lines, ["mx.example.org", "SIZE 1000", "STARTTLS"]);
        assert!(replies[0].flaws.is_empty());
    }

    #[test]
    fn what_is_malformed_is_kept_and_named() {
        let one = |octets: &[u8]| all(octets).remove(0);
        assert_eq!(one(b"220-a\r\n221 b\r\n").flaws, [Flaw::MixedCodes]);
        assert_eq!(one(b"220 a\n").flaws, [Flaw::BareLf]);
        assert_eq!(one(b"220 \xe4\r\n").flaws, [Flaw::EightBit]);
        assert_eq!(one(b"220 a\0b\r\n").lines, ["a\\x00b"]);
        assert_eq!(one(b"720 a\r\n").flaws, [Flaw::CodeRange]);
        let ssh = one(b"SSH-2.0-OpenSSH_9.2\r\n");
        assert_eq!((ssh.code, ssh.flaws.as_slice()), (0, [Flaw::NoCode].as_slice()));
        let long = [b"220 ".as_slice(), &[b'a'; 600], b"\r\n"].concat();
        assert_eq!(one(&long).flaws, [Flaw::LongLine]);
    }

    #[test]
    fn an_endless_reply_is_cut_off() {
        let mut parser = ReplyParser::default();
        let mut fed = 0;
        loop {
            fed += 1000;
            if let Some(timed) = parser.feed(&[b'x'; 1000], Duration::ZERO) {
                assert!(timed.reply.flaws.contains(&Flaw::Endless));
                break;
            }
            assert!(fed < 2 * MAX_REPLY_OCTETS);
        }
    }

    #[test]
    fn postscreen_teases_with_a_first_line_and_ends_later() {
        let mut parser = ReplyParser::default();
        assert!(parser.feed(b"220-mx.example.org ESMTP\r\n", Duration::from_millis(3)).is_none());
        let timed = parser.feed(b"220 mx.example.org ESMTP\r\n", Duration::from_secs(6)).unwrap();
        assert_eq!((timed.first_octet_at, timed.done_at), (Duration::from_millis(3), Duration::from_secs(6)));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_a_reply_is_split(
            octets in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'2'), Just(b'5'), Just(b'-'), Just(b' '), any::<u8>()], 0..300),
            at in any::<prop::sample::Index>(),
        ) {
            let whole = all(&octets);
            let cut = at.index(octets.len() + 1);
            let mut parser = ReplyParser::default();
            let mut pieces = Vec::new();
            for piece in [&octets[..cut], &octets[cut..]] {
                let mut next = parser.feed(piece, Duration::ZERO);
                while let Some(timed) = next {
                    pieces.push(timed.reply);
                    next = parser.feed(b"", Duration::ZERO);
                }
            }
            pieces.extend(parser.cut(Duration::ZERO).map(|t| t.reply));
            prop_assert_eq!(whole, pieces);
        }
    }
}
