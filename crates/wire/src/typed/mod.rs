//! A session that a person types, as a state machine: typed lines, octets and times in; octets to send and what is to
//! be shown out.
//!
//! Nothing is held back and nothing is changed but the line end, the dots that a message needs (RFC 5321 section
//! 4.5.2), and what is shown: secrets are taken out of that. What a strict server may object to is said beside it.

mod heard;
mod hearing;
mod note;
mod ours;
mod secret;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use crate::dialogue::Phase;
use crate::ehlo::Capabilities;
use crate::octets;
use crate::reply::Reply;
use crate::sasl::{Client, SaslError};

use hearing::Hearing;
use secret::Held;

pub use hearing::{MAX_MAILBOX_OCTETS, MAX_SHOWN_OCTETS};
pub use note::{MAX_COMMAND_OCTETS, MAX_TEXT_OCTETS, Note};
pub use secret::{SECRET, in_command};

/// The most commands that may await their replies; a person never has so many, a script waits for each.
const MAX_AWAITED: usize = 256;

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321.
    Smtp,
    /// RFC 9051.
    Imap,
    /// RFC 1939.
    Pop3,
}

/// What the next typed line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A command.
    Command,
    /// A line of a message, up to a lone dot in SMTP.
    Content,
    /// So many octets that BDAT announced are still to come (RFC 3030).
    Chunk(u64),
    /// The answer to a challenge of AUTH.
    Response,
}

/// A line that was sent, whose reply is awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The step that it belongs to; what has no step of its own counts as NOOP.
    pub phase: Phase,
    /// When it was sent.
    pub at: Duration,
    /// Its tag, in IMAP.
    tag: Option<String>,
    /// An answer of several lines follows, in POP3.
    several: bool,
    /// It was typed as it is: no handshake follows by itself.
    raw: bool,
}

/// What is to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Spoken {
    /// The octets.
    pub octets: Vec<u8>,
    /// How it is shown: secrets taken out.
    pub shown: String,
    /// There is a secret in it.
    pub secret: bool,
    /// What is worth saying about it.
    pub notes: Vec<Note>,
}

impl fmt::Debug for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spoken({:?}, {:?})", self.shown, self.notes)
    }
}

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it answers; `None` where nothing was asked.
    pub asked: Option<Asked>,
    /// `250`, `+OK`, `-ERR`, `OK`, `NO`, `BAD`, `BYE`, `+`; empty for what is no reply.
    pub status: String,
    /// The reply; its code is 0 in IMAP and POP3.
    pub reply: Reply,
    /// When its first octet came.
    pub first_octet_at: Duration,
    /// When its last line was whole.
    pub done_at: Duration,
}

impl Answer {
    /// The step that it belongs to.
    pub fn phase(&self) -> Phase {
        self.asked.as_ref().map_or(Phase::Noop, |asked| asked.phase)
    }
}

/// What came of octets that arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A line of the server's, or a piece of one that is too long.
    Line {
        /// Its text, harmless, secrets taken out.
        text: String,
        /// Nothing was asked.
        unasked: bool,
    },
    /// The line before ended a reply.
    Answer(Answer),
    /// This is to be sent: the mechanism of AUTH goes on.
    Say(Spoken),
    /// The server waits for the TLS handshake now.
    TlsNow,
    /// The mechanism cannot go on; what cancels it comes as [`Event::Say`].
    AuthFailed(SaslError),
    /// The server sent so much without an end that nothing more is read.
    Endless,
}

/// How a login goes on by itself.
enum Login {
    Sasl(Box<Client>),
    /// PASS follows USER.
    Pass(SecretString),
}

/// A session under way.
pub struct Conversation {
    protocol: Protocol,
    mode: Mode,
    hearing: Hearing,
    awaited: VecDeque<Asked>,
    login: Option<Login>,
    /// What the server asked for last in AUTH.
    challenge: String,
    capabilities: Option<Capabilities>,
    held: Held,
    tls: bool,
    at_line_start: bool,
    heard_something: bool,
}

impl Conversation {
    /// A session on a connection that stands since time 0, where the banner is awaited.
    pub fn new(protocol: Protocol, tls: bool) -> Self {
        let banner = Asked { phase: Phase::Banner, at: Duration::ZERO, tag: None, several: false, raw: false };
        Self {
            protocol,
            mode: Mode::Command,
            hearing: Hearing::new(protocol),
            awaited: VecDeque::from([banner]),
            login: None,
            challenge: String::new(),
            capabilities: None,
            held: Held::default(),
            tls,
            at_line_start: true,
            heard_something: false,
        }
    }

    /// What the next line is.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether a reply is awaited before a script goes on.
    pub fn awaits(&self) -> bool {
        !self.awaited.is_empty() && self.mode != Mode::Content
    }

    /// Whether the server has said anything.
    pub fn heard_something(&self) -> bool {
        self.heard_something
    }

    /// What the server said it can do, in its last EHLO reply.
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.capabilities.as_ref()
    }

    /// Whether TLS stands.
    pub fn is_secure(&self) -> bool {
        self.tls
    }

    /// The part of a line, as it stands on the keyboard now, that must not be shown or kept.
    pub fn secret_in(&self, line: &[u8]) -> Option<std::ops::Range<usize>> {
        secret_in(self.protocol, self.mode, self.auth_is_open(), line)
    }

    /// Whether AUTH was sent and not answered yet: what is typed ahead of the challenge is a secret too.
    pub fn auth_is_open(&self) -> bool {
        self.awaited.back().is_some_and(|asked| asked.phase == Phase::Auth)
    }

    /// A typed line without its end.
    pub fn line(&mut self, line: &[u8], now: Duration) -> Spoken {
        self.hearing.turn();
        match self.mode {
            Mode::Content => self.text(line, now),
            Mode::Chunk(left) => self.chunk(line, left, now),
            Mode::Command | Mode::Response => self.command(line, now),
        }
    }

    /// Octets that are sent as they are.
    pub fn raw(&mut self, octets: &[u8], now: Duration) -> Spoken {
        self.hearing.turn();
        let mut secret = false;
        for line in octets.split(|&b| b == b'\n') {
            let line = line.trim_ascii_end();
            if let Some(part) = self.secret_in(line).and_then(|range| line.get(range)) {
                self.held.hold(part, false);
                secret = true;
            }
        }
        let shown = octets::escape(&self.held.taken_out(octets));
        let mut notes = Vec::new();
        let bare =
            octets.iter().enumerate().any(|(at, &b)| b == b'\n' && octets.get(at.wrapping_sub(1)) != Some(&b'\r'));
        if bare {
            notes.push(Note::BareLf);
        }
        match self.mode {
            Mode::Content if self.protocol == Protocol::Smtp => {
                let ends = octets.windows(5).any(|w| w == b"\r\n.\r\n")
                    || (self.at_line_start && octets.starts_with(b".\r\n"));
                self.at_line_start = octets.ends_with(b"\r\n");
                if ends {
                    self.mode = Mode::Command;
                    self.await_one(Phase::Content, now, None, false, true);
                }
            }
            Mode::Content => {}
            Mode::Chunk(left) => self.chunk_goes_on(left, octets.len(), now),
            Mode::Command | Mode::Response => {
                for line in octets.split_inclusive(|&b| b == b'\n').filter(|line| line.ends_with(b"\n")) {
                    let asked = self.asks(line.trim_ascii_end());
                    self.await_one(asked.0, now, asked.1, asked.2, true);
                }
            }
        }
        Spoken { octets: octets.to_vec(), shown, secret, notes }
    }

    /// A line of a message.
    fn text(&mut self, line: &[u8], now: Duration) -> Spoken {
        let eight_bit = self.capabilities.as_ref().is_none_or(|c| c.offers("8BITMIME"));
        if self.protocol != Protocol::Smtp {
            return self.spoken([line, b"\r\n"].concat(), line, None, Vec::new());
        }
        if line == b"." {
            self.mode = Mode::Command;
            self.await_one(Phase::Content, now, None, false, false);
            return self.spoken(b".\r\n".to_vec(), line, None, Vec::new());
        }
        let mut notes = note::on_text(line, eight_bit);
        notes.extend(control(line));
        let stuffed = line.first() == Some(&b'.');
        let dot: &[u8] = if stuffed { b"." } else { b"" };
        if stuffed {
            notes.push(Note::Stuffed);
        }
        self.at_line_start = true;
        self.spoken([dot, line, b"\r\n"].concat(), &[dot, line].concat(), None, notes)
    }

    /// A line of what BDAT announced.
    fn chunk(&mut self, line: &[u8], left: u64, now: Duration) -> Spoken {
        let octets = [line, b"\r\n"].concat();
        let length = octets.len() as u64;
        let notes = if length > left { vec![Note::TooLongForChunk(length - left)] } else { Vec::new() };
        self.chunk_goes_on(left, octets.len(), now);
        self.spoken(octets, line, None, notes)
    }

    fn chunk_goes_on(&mut self, left: u64, length: usize, now: Duration) {
        match left.saturating_sub(length as u64) {
            0 => {
                self.mode = Mode::Command;
                self.await_one(Phase::Content, now, None, false, false);
            }
            left => self.mode = Mode::Chunk(left),
        }
    }

    /// A command, or the answer to a challenge.
    fn command(&mut self, line: &[u8], now: Duration) -> Spoken {
        let secret = self.secret_in(line);
        let mut notes = self.notes(line, secret.is_some());
        notes.extend(control(line));
        if let Some(part) = secret.clone().and_then(|range| line.get(range)) {
            let password =
                STANDARD.decode(self.challenge.trim()).is_ok_and(|c| c.to_ascii_lowercase().starts_with(b"pass"));
            self.held.hold(part, password);
        }
        let (phase, tag, several) = if self.mode == Mode::Response || (secret.is_some() && self.auth_is_open()) {
            (
                Phase::Auth,
                self.awaited.back().and_then(|asked| asked.tag.clone()).or_else(|| self.hearing.open_tag()),
                false,
            )
        } else {
            self.asks(line)
        };
        self.mode = Mode::Command;
        match chunk_size(self.protocol, line) {
            Some(left) if left > 0 => self.mode = Mode::Chunk(left),
            _ => self.await_one(phase, now, tag, several, false),
        }
        self.spoken([line, b"\r\n"].concat(), line, secret.as_ref(), notes)
    }

    fn notes(&self, line: &[u8], secret: bool) -> Vec<Note> {
        let mut notes = if self.mode == Mode::Response {
            Vec::new()
        } else if self.protocol == Protocol::Smtp {
            note::on_command(line, self.capabilities.as_ref().is_some_and(|c| c.offers("SMTPUTF8")))
        } else {
            note::on_mailbox_command(self.protocol, line)
        };
        let pipelined = self.capabilities.as_ref().is_some_and(|c| c.offers("PIPELINING"));
        match self.awaited.front().map(|asked| asked.phase) {
            Some(Phase::Banner) => notes.push(Note::BeforeBanner),
            Some(_) if self.protocol == Protocol::Smtp && !pipelined => notes.push(Note::TooEarly),
            _ => {}
        }
        if secret && !self.tls && line != b"*" {
            notes.push(Note::SecretInTheClear);
        }
        notes
    }

    /// The step of a command, its tag, and whether an answer of several lines follows.
    fn asks(&self, line: &[u8]) -> (Phase, Option<String>, bool) {
        let text = String::from_utf8_lossy(line).to_ascii_uppercase();
        let mut words = text.split_whitespace();
        let first = words.next().unwrap_or_default();
        let second = words.next();
        match self.protocol {
            Protocol::Smtp => (smtp_phase(first), None, false),
            Protocol::Pop3 => {
                let several = match first {
                    "LIST" | "UIDL" => second.is_none(),
                    "RETR" | "TOP" | "CAPA" => true,
                    _ => false,
                };
                let phase = match first {
                    "STLS" => Phase::Starttls,
                    "USER" | "PASS" | "APOP" | "AUTH" => Phase::Auth,
                    "QUIT" => Phase::Quit,
                    _ => Phase::Noop,
                };
                (phase, None, several)
            }
            Protocol::Imap => {
                let phase = match second {
                    Some("STARTTLS") => Phase::Starttls,
                    Some("LOGIN" | "AUTHENTICATE") => Phase::Auth,
                    Some("LOGOUT") => Phase::Quit,
                    _ => Phase::Noop,
                };
                let tag = String::from_utf8_lossy(line).split_whitespace().next().map(str::to_owned);
                (phase, tag, false)
            }
        }
    }

    fn await_one(&mut self, phase: Phase, at: Duration, tag: Option<String>, several: bool, raw: bool) {
        if self.awaited.len() < MAX_AWAITED {
            self.awaited.push_back(Asked { phase, at, tag, several, raw });
        }
    }

    fn spoken(
        &self,
        octets: Vec<u8>,
        line: &[u8],
        secret: Option<&std::ops::Range<usize>>,
        notes: Vec<Note>,
    ) -> Spoken {
        let shown = match secret.and_then(|range| line.get(..range.start)) {
            Some(before) => format!("{}{SECRET}", octets::escape(before)),
            None => octets::escape(&self.held.taken_out(line)),
        };
        Spoken { octets, shown, secret: secret.is_some(), notes }
    }
}

/// The part of a line that is a secret; see [`Conversation::secret_in`].
pub fn secret_in(protocol: Protocol, mode: Mode, auth_is_open: bool, line: &[u8]) -> Option<std::ops::Range<usize>> {
    match mode {
        Mode::Content | Mode::Chunk(_) => None,
        Mode::Response => (!line.is_empty() && line != b"*").then_some(0..line.len()),
        // A single word ahead of the challenge is the answer to it; POP3's USER awaits no challenge.
        Mode::Command if auth_is_open && protocol != Protocol::Pop3 && !line.is_empty() && !line.contains(&b' ') => {
            Some(0..line.len())
        }
        Mode::Command => in_command(protocol, line),
    }
}

fn control(line: &[u8]) -> Option<Note> {
    line.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)).then_some(Note::Control)
}

/// The octets that BDAT announces (RFC 3030 section 2).
fn chunk_size(protocol: Protocol, line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok().filter(|_| protocol == Protocol::Smtp)?;
    let mut words = text.split_whitespace();
    words.next().filter(|verb| verb.eq_ignore_ascii_case("BDAT"))?;
    words.next()?.parse().ok()
}

fn smtp_phase(verb: &str) -> Phase {
    match verb {
        "EHLO" => Phase::Ehlo,
        "HELO" => Phase::Helo,
        "STARTTLS" => Phase::Starttls,
        "AUTH" => Phase::Auth,
        "MAIL" => Phase::Mail,
        "RCPT" => Phase::Rcpt,
        "DATA" => Phase::Data,
        "BDAT" => Phase::Content,
        "RSET" => Phase::Rset,
        "VRFY" | "EXPN" => Phase::Vrfy,
        "QUIT" => Phase::Quit,
        _ => Phase::Noop,
    }
}

#[cfg(test)]
mod tests;
