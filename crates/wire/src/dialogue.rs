//! The client's side of an SMTP dialogue as a state machine: bytes and times in, bytes and exchanges out.
//!
//! It keeps the order of RFC 5321: nothing is said before the banner is whole, nothing ahead of a reply
//! unless PIPELINING was offered (RFC 2920), and after STARTTLS whatever plaintext is still buffered is
//! dropped and named (RFC 3207 section 4.2). Every reply is kept with its wait.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::ehlo::Capabilities;
use crate::octets;
use crate::reply::{Flaw, Reply, ReplyParser, TimedReply};

/// Commands that a server refused, after which no more are sent in one session: servers such as Exim
/// and Postfix tarpit or hang up at ten.
pub const MAX_REJECTED: usize = 9;

/// The longest command line, CRLF included (RFC 5321 section 4.5.3.1.4, with room for AUTH as in
/// RFC 4954 section 4).
pub const MAX_COMMAND_OCTETS: usize = 12_288;

/// The step of the dialogue that an exchange belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The server's greeting.
    Banner,
    /// EHLO.
    Ehlo,
    /// HELO.
    Helo,
    /// STARTTLS.
    Starttls,
    /// AUTH and what follows it.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA up to 354.
    Data,
    /// The message up to the reply after the final dot.
    Content,
    /// RSET.
    Rset,
    /// VRFY.
    Vrfy,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The reply is whole.
    Complete,
    /// The peer closed the connection first.
    Closed,
    /// The connection was reset.
    Reset,
    /// The peer was silent to the limit.
    TimedOut,
}

/// One command and its reply, with times in milliseconds since the connection stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The step.
    pub phase: Phase,
    /// The command as sent, secrets replaced; `None` for the banner.
    pub command: Option<String>,
    /// When the command was sent; 0 for the banner.
    pub sent_ms: u64,
    /// When the reply's first octet came.
    pub first_octet_ms: Option<u64>,
    /// When the reply's last line was whole, or the wait for it ended.
    pub done_ms: u64,
    /// The reply, as far as it came.
    pub reply: Option<Reply>,
    /// How it ended.
    pub end: End,
}

impl Exchange {
    /// The whole reply, where one came.
    pub fn whole(&self) -> Option<&Reply> {
        self.reply.as_ref().filter(|_| self.end == End::Complete)
    }

    /// How long the reply took to its last line.
    pub fn wait_ms(&self) -> u64 {
        self.done_ms.saturating_sub(self.sent_ms)
    }

    /// The reply as a person would quote it, or how the wait for it ended.
    pub fn in_words(&self) -> String {
        match (self.end, &self.reply) {
            (End::Complete, Some(reply)) => reply.quoted(),
            (End::Closed, _) => "connection closed without a reply".to_owned(),
            (End::Reset, _) => "connection reset".to_owned(),
            (End::TimedOut, _) | (End::Complete, None) => {
                format!("no reply within {} ms", self.wait_ms())
            }
        }
    }
}

/// What the client says next.
#[derive(Debug)]
pub enum Command<'a> {
    /// EHLO with our name.
    Ehlo(&'a str),
    /// HELO with our name.
    Helo(&'a str),
    /// XCLIENT, by which a server that trusts us takes this address for its client's; it greets anew (Postfix).
    Xclient(IpAddr),
    /// STARTTLS.
    Starttls,
    /// AUTH with a mechanism and, where it has one, an initial response in base64.
    Auth(&'a str, Option<&'a SecretString>),
    /// The answer to a 334 challenge, in base64.
    AuthResponse(&'a SecretString),
    /// MAIL FROM with a reverse-path; empty is the null sender.
    Mail(&'a str),
    /// RCPT TO with a forward-path.
    Rcpt(&'a str),
    /// DATA.
    Data,
    /// A message; the dots are stuffed and the end is added here.
    Content(&'a [u8]),
    /// A message whose octets are sent as they are, its end included: to see how a server reads ends.
    RawContent(&'a [u8]),
    /// RSET.
    Rset,
    /// VRFY with a mailbox.
    Vrfy(&'a str),
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
}

/// Why a command was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A reply is outstanding and PIPELINING was not offered, or the command must wait for it.
    #[error("a reply is outstanding, and this command has to wait for it")]
    ReplyOutstanding,
    /// So many commands were rejected that the server may punish the next.
    #[error("the server has rejected {MAX_REJECTED} commands of this session, and one more may get us punished")]
    TooManyRejected,
    /// A CR, LF or NUL in an argument would smuggle a command.
    #[error("an argument with a line break or NUL cannot be sent in a command")]
    ControlInArgument,
    /// The command line is too long.
    #[error("the command line is longer than {MAX_COMMAND_OCTETS} octets")]
    TooLong,
    /// The session is over.
    #[error("the session is over")]
    Over,
}

/// A dialogue under way.
#[derive(Debug)]
pub struct Dialogue {
    parser: ReplyParser,
    pending: VecDeque<(Phase, Option<String>, u64)>,
    exchanges: Vec<Exchange>,
    capabilities: Option<Capabilities>,
    over: bool,
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Default for Dialogue {
    fn default() -> Self {
        Self::new()
    }
}

impl Dialogue {
    /// A dialogue on a connection that stands: the banner is awaited since time 0.
    pub fn new() -> Self {
        Self {
            parser: ReplyParser::default(),
            pending: VecDeque::from([(Phase::Banner, None, 0)]),
            exchanges: Vec::new(),
            capabilities: None,
            over: false,
        }
    }

    /// The octets to send for a command.
    ///
    /// # Errors
    /// [`Refusal`], and then nothing changed.
    pub fn say(&mut self, command: &Command<'_>, now: Duration) -> Result<Vec<u8>, Refusal> {
        if self.over {
            return Err(Refusal::Over);
        }
        if !self.pending.is_empty() && !self.may_pipeline(command) {
            return Err(Refusal::ReplyOutstanding);
        }
        if self.rejected() >= MAX_REJECTED && !matches!(command, Command::Quit) {
            return Err(Refusal::TooManyRejected);
        }
        let (phase, shown, octets) = written(command)?;
        self.pending.push_back((phase, shown, ms(now)));
        Ok(octets)
    }

    /// RFC 2920 section 3.1: these may stand anywhere in a group, if all before them may too.
    fn may_pipeline(&self, command: &Command<'_>) -> bool {
        let offered = self.capabilities.as_ref().is_some_and(|c| c.offers("PIPELINING"));
        let groups = self.pending.iter().all(|(phase, ..)| matches!(phase, Phase::Mail | Phase::Rcpt | Phase::Rset));
        offered && groups && matches!(command, Command::Mail(_) | Command::Rcpt(_) | Command::Rset | Command::Data)
    }

    /// Takes octets that arrived, and gives the exchanges that they ended.
    pub fn hear(&mut self, octets: &[u8], now: Duration) -> Vec<Exchange> {
        let mut ended = Vec::new();
        let mut octets = octets;
        while !self.pending.is_empty() {
            let Some(timed) = self.parser.feed(octets, now) else {
                return ended;
            };
            octets = b"";
            ended.extend(self.end(Some(timed), End::Complete, now));
        }
        // Nothing is awaited: what comes now is early talk, and is kept for `early`.
        if !octets.is_empty() {
            let _ = self.parser.feed(octets, now);
        }
        ended
    }

    /// Notes that the wait for the pending reply is over without it.
    pub fn give_up(&mut self, end: End, now: Duration) -> Option<Exchange> {
        self.over = true;
        let timed = self.parser.cut(now);
        self.end(timed, end, now)
    }

    fn end(&mut self, timed: Option<TimedReply>, end: End, now: Duration) -> Option<Exchange> {
        let (phase, command, sent_ms) = self.pending.pop_front()?;
        let exchange = Exchange {
            phase,
            command,
            sent_ms,
            first_octet_ms: timed.as_ref().map(|t| ms(t.first_octet_at)),
            done_ms: ms(timed.as_ref().map_or(now, |t| t.done_at)).max(sent_ms),
            reply: timed.map(|t| t.reply),
            end,
        };
        if let Some(reply) = exchange.whole() {
            match phase {
                Phase::Ehlo => self.capabilities = Capabilities::of(reply),
                Phase::Quit => self.over = true,
                _ => {}
            }
            self.over |= reply.code == 421 || reply.flaws.contains(&Flaw::Endless);
        }
        self.exchanges.push(exchange.clone());
        Some(exchange)
    }

    /// Octets that came without being asked for: after the banner, or after a reply.
    pub fn early(&self) -> &[u8] {
        self.parser.held()
    }

    /// TLS stands: plaintext that came behind the 220 is dropped and handed back to be named, and the
    /// capabilities are forgotten.
    pub fn tls_begins(&mut self) -> Option<String> {
        self.capabilities = None;
        let dropped = self.parser.discard();
        (!dropped.is_empty()).then(|| octets::escape(&dropped))
    }

    /// Whether a reply is awaited.
    pub fn awaits(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether the session is over: after QUIT, a 421, or a cut.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What the server said it can do, in its last EHLO reply.
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.capabilities.as_ref()
    }

    /// Every exchange so far.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// How many commands the server has rejected.
    pub fn rejected(&self) -> usize {
        let rejected = |e: &&Exchange| e.whole().is_some_and(|r| r.class() >= 4) && e.command.is_some();
        self.exchanges.iter().filter(rejected).count()
    }
}

/// Phase, text for the record and octets of a command.
fn written(command: &Command<'_>) -> Result<(Phase, Option<String>, Vec<u8>), Refusal> {
    let line = |phase, text: String| {
        if text.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return Err(Refusal::ControlInArgument);
        }
        if text.len() + 2 > MAX_COMMAND_OCTETS {
            return Err(Refusal::TooLong);
        }
        let octets = format!("{text}\r\n").into_bytes();
        Ok((phase, Some(text), octets))
    };
    let secret = |shown: String, text: String| {
        let (phase, _, octets) = line(Phase::Auth, text)?;
        Ok((phase, Some(shown), octets))
    };
    match command {
        Command::Ehlo(name) => line(Phase::Ehlo, format!("EHLO {name}")),
        Command::Helo(name) => line(Phase::Helo, format!("HELO {name}")),
        Command::Starttls => line(Phase::Starttls, "STARTTLS".to_owned()),
        Command::Auth(mechanism, None) => line(Phase::Auth, format!("AUTH {mechanism}")),
        Command::Auth(mechanism, Some(response)) => {
            secret(format!("AUTH {mechanism} (secret)"), format!("AUTH {mechanism} {}", response.expose_secret()))
        }
        Command::AuthResponse(response) => secret("(secret)".to_owned(), response.expose_secret().to_owned()),
        Command::Xclient(IpAddr::V4(client)) => {
            line(Phase::Banner, format!("XCLIENT NAME=[UNAVAILABLE] ADDR={client}"))
        }
        Command::Xclient(IpAddr::V6(client)) => {
            line(Phase::Banner, format!("XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:{client}"))
        }
        Command::Mail(path) => line(Phase::Mail, format!("MAIL FROM:<{path}>")),
        Command::Rcpt(path) => line(Phase::Rcpt, format!("RCPT TO:<{path}>")),
        Command::Data => line(Phase::Data, "DATA".to_owned()),
        Command::Content(message) => {
            Ok((Phase::Content, Some(format!("({} octets)", message.len())), stuffed(message)))
        }
        Command::RawContent(octets) => {
            Ok((Phase::Content, Some(format!("({} octets)", octets.len())), octets.to_vec()))
        }
        Command::Rset => line(Phase::Rset, "RSET".to_owned()),
        Command::Vrfy(mailbox) => line(Phase::Vrfy, format!("VRFY {mailbox}")),
        Command::Noop => line(Phase::Noop, "NOOP".to_owned()),
        Command::Quit => line(Phase::Quit, "QUIT".to_owned()),
    }
}

/// A message with CRLF line ends, dots doubled at line starts (RFC 5321 section 4.5.2), and its end.
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    let mut lines = message.split(|&b| b == b'\n').peekable();
    while let Some(line) = lines.next() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if lines.peek().is_none() && line.is_empty() {
            break;
        }
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: Duration = Duration::ZERO;

    fn greeted() -> Dialogue {
        let mut d = Dialogue::new();
        assert_eq!(d.hear(b"220 mx.example.org ESMTP\r\n", T).len(), 1);
        d
    }

    #[test]
    fn nothing_is_said_before_the_banner_or_ahead_of_a_reply() {
        let mut d = Dialogue::new();
        assert_eq!(d.say(&Command::Ehlo("c.example"), T), Err(Refusal::ReplyOutstanding));
        let mut d = greeted();
        d.say(&Command::Ehlo("c.example"), T).unwrap();
        assert_eq!(d.say(&Command::Mail(""), T), Err(Refusal::ReplyOutstanding));
        d.hear(b"250-mx\r\n250 PIPELINING\r\n", T);
        d.say(&Command::Mail(""), T).unwrap();
        d.say(&Command::Rcpt("anna@example.org"), T).unwrap();
        assert_eq!(d.say(&Command::Starttls, T), Err(Refusal::ReplyOutstanding));
        assert_eq!(d.hear(b"250 ok\r\n550 5.1.1 no\r\n", T).len(), 2);
    }

    #[test]
    fn plaintext_behind_starttls_is_dropped_and_named() {
        let mut d = greeted();
        d.say(&Command::Starttls, T).unwrap();
        d.hear(b"220 go\r\n250 injected\r\n", T);
        assert_eq!(d.tls_begins().as_deref(), Some("250 injected\\x0d\\x0a"));
        d.say(&Command::Ehlo("c.example"), T).unwrap();
        let ended = d.hear(b"250 mx\r\n", T);
        assert_eq!(ended[0].reply.as_ref().unwrap().lines, ["mx"]);
    }

    #[test]
    fn waits_are_told_from_first_octet_to_last_line() {
        let mut d = Dialogue::new();
        assert!(d.hear(b"220-", Duration::from_millis(5)).is_empty());
        let ended = d.hear(b"mx\r\n220 mx\r\n", Duration::from_secs(6));
        assert_eq!((ended[0].first_octet_ms, ended[0].wait_ms()), (Some(5), 6000));
    }

    #[test]
    fn secrets_are_sent_and_not_recorded() {
        let mut d = greeted();
        let octets = d.say(&Command::Auth("PLAIN", Some(&"AGEAYg==".to_owned().into())), T).unwrap();
        assert_eq!(octets, b"AUTH PLAIN AGEAYg==\r\n");
        d.hear(b"535 no\r\n", T);
        assert!(!format!("{d:?}").contains("AGEAYg"));
    }

    #[test]
    fn a_client_is_named_in_the_form_of_its_family() {
        let mut d = greeted();
        let four = d.say(&Command::Xclient("192.0.2.7".parse().unwrap()), T).unwrap();
        assert_eq!(four, b"XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.7\r\n");
        assert_eq!(d.hear(b"220 mx\r\n", T)[0].phase, Phase::Banner);
        let six = d.say(&Command::Xclient("2001:db8::7".parse().unwrap()), T).unwrap();
        assert_eq!(six, b"XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7\r\n");
    }

    #[test]
    fn a_line_break_in_an_argument_sends_nothing() {
        let mut d = greeted();
        assert_eq!(d.say(&Command::Rcpt("a@b>\r\nRCPT TO:<c"), T), Err(Refusal::ControlInArgument));
        assert!(!d.awaits());
    }

    #[test]
    fn after_nine_rejected_commands_only_quit_is_left() {
        let mut d = greeted();
        for _ in 0..MAX_REJECTED {
            d.say(&Command::Noop, T).unwrap();
            d.hear(b"502 no\r\n", T);
        }
        assert_eq!(d.say(&Command::Noop, T), Err(Refusal::TooManyRejected));
        assert!(d.say(&Command::Quit, T).is_ok());
    }

    #[test]
    fn a_cut_in_the_middle_keeps_what_came() {
        let mut d = Dialogue::new();
        d.hear(b"220-mx", T);
        let cut = d.give_up(End::Closed, T).unwrap();
        assert!(cut.whole().is_none());
        assert_eq!(cut.reply.unwrap().lines, ["mx"]);
    }

    #[test]
    fn dots_are_stuffed() {
        assert_eq!(stuffed(b"a\n.b\r\n..\n"), b"a\r\n..b\r\n...\r\n.\r\n");
        assert_eq!(stuffed(b""), b".\r\n");
    }

    proptest! {
        #[test]
        fn any_octets_are_taken(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..10)) {
            let mut d = Dialogue::new();
            for piece in &pieces {
                let _ = d.hear(piece, T);
                let _ = d.say(&Command::Noop, T);
            }
        }
    }
}
