//! The line that is being typed: what it could go on with, and its secrets as stars.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use maildoctor_wire::ehlo::Capabilities;
use maildoctor_wire::typed::{Conversation, Mode, Protocol, secret_in};
use rustyline::completion::Completer;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use unicode_width::UnicodeWidthChar;

use super::orders::ORDERS;

/// SMTP commands that every server knows.
const SMTP: [&str; 13] = [
    "AUTH ",
    "DATA",
    "EHLO ",
    "EXPN ",
    "HELO ",
    "HELP",
    "MAIL FROM:<",
    "NOOP",
    "QUIT",
    "RCPT TO:<",
    "RSET",
    "STARTTLS",
    "VRFY ",
];

/// POP3 commands.
const POP3: [&str; 14] = [
    "APOP ", "AUTH ", "CAPA", "DELE ", "LIST", "NOOP", "PASS ", "QUIT", "RETR ", "RSET", "STAT", "STLS", "TOP ", "UIDL",
];

/// IMAP commands, behind their tag.
const IMAP: [&str; 17] = [
    "AUTHENTICATE ",
    "CAPABILITY",
    "CLOSE",
    "EXAMINE ",
    "FETCH ",
    "ID NIL",
    "IDLE",
    "LIST \"\" \"*\"",
    "LOGIN ",
    "LOGOUT",
    "NOOP",
    "SEARCH ",
    "SELECT ",
    "STARTTLS",
    "STATUS ",
    "STORE ",
    "UID ",
];

/// What the keyboard has to know of the session.
#[derive(Debug)]
pub(super) struct Typing {
    protocol: Protocol,
    mode: Mode,
    auth_is_open: bool,
    /// What the server offers beyond the usual: commands, and mechanisms behind AUTH.
    offered: Vec<String>,
    /// A line of the session is typed, and no answer to a question of ours.
    pub(super) is_line: bool,
}

impl Typing {
    /// Before the session.
    pub(super) fn new(protocol: Protocol) -> Self {
        Self { protocol, mode: Mode::Command, auth_is_open: false, offered: Vec::new(), is_line: true }
    }

    /// What has become of it.
    pub(super) fn follow(&mut self, conversation: &Conversation) {
        self.mode = conversation.mode();
        self.auth_is_open = conversation.auth_is_open();
        self.offered = conversation.capabilities().map(offered).unwrap_or_default();
    }

    fn secret(&self, line: &str) -> Option<std::ops::Range<usize>> {
        // An order of ours holds none.
        let ours = self.mode != Mode::Response && line.starts_with(':');
        if ours || !self.is_line {
            None
        } else {
            secret_in(self.protocol, self.mode, self.auth_is_open, line.as_bytes())
        }
    }

    /// Where the completed part begins, and what can stand there.
    fn candidates(&self, line: &str) -> (usize, Vec<String>) {
        if !self.is_line || (self.mode != Mode::Command && !line.starts_with(':')) {
            return (0, Vec::new());
        }
        let fitting = |from: usize, all: Vec<String>| {
            let begun = line.get(from..).unwrap_or_default().to_ascii_uppercase();
            (from, all.into_iter().filter(|word| word.to_ascii_uppercase().starts_with(&begun)).collect())
        };
        if line.starts_with(':') {
            let words = ORDERS.iter().filter_map(|(form, _)| form.split(' ').next()).filter(|word| *word != "::");
            return fitting(0, words.map(str::to_owned).collect());
        }
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        match self.protocol {
            Protocol::Smtp => fitting(0, [words(&SMTP), self.offered.clone()].concat()),
            Protocol::Pop3 => fitting(0, words(&POP3)),
            Protocol::Imap => match line.find(' ') {
                Some(tag) => fitting(tag + 1, words(&IMAP)),
                None => (0, Vec::new()),
            },
        }
    }
}

/// Commands of extensions, and AUTH with each mechanism.
fn offered(capabilities: &Capabilities) -> Vec<String> {
    let mut found: Vec<String> =
        capabilities.mechanisms().iter().map(|mechanism| format!("AUTH {mechanism} ")).collect();
    found.extend(capabilities.offers("CHUNKING").then(|| "BDAT ".to_owned()));
    found.extend(capabilities.offers("ETRN").then(|| "ETRN ".to_owned()));
    found
}

/// The helper of the line editor.
pub(super) struct Keyboard(Arc<Mutex<Typing>>);

impl Keyboard {
    pub(super) fn new(typing: Arc<Mutex<Typing>>) -> Self {
        Self(typing)
    }
}

impl Completer for Keyboard {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(typing.candidates(line.get(..pos).unwrap_or(line)))
    }
}

impl Highlighter for Keyboard {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        let typing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(secret) = typing.secret(line) else { return Cow::Borrowed(line) };
        let (before, rest) = line.split_at_checked(secret.start).unwrap_or(("", line));
        let stars: String = rest.chars().map(|c| "*".repeat(c.width().unwrap_or(1))).collect();
        Cow::Owned(format!("{before}{stars}"))
    }

    // A line editor that writes a letter without asking would show the secret's.
    fn highlight_char(&self, line: &str, _: usize, _: CmdKind) -> bool {
        let typing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        typing.secret(line).is_some()
    }
}

impl Hinter for Keyboard {
    type Hint = String;
}

impl Validator for Keyboard {}
impl Helper for Keyboard {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_stars_as_they_are_typed() {
        let mut typing = Typing::new(Protocol::Smtp);
        typing.mode = Mode::Command;
        let keyboard = Keyboard::new(Arc::new(Mutex::new(typing)));
        assert_eq!(keyboard.highlight("AUTH PLAIN AGEAYg==", 0), "AUTH PLAIN ********");
        assert_eq!(keyboard.highlight("MAIL FROM:<a@b.example>", 0), "MAIL FROM:<a@b.example>");
        assert!(keyboard.highlight_char("AUTH PLAIN A", 12, CmdKind::Other));
        keyboard.0.lock().unwrap().mode = Mode::Response;
        assert_eq!(keyboard.highlight("pässword", 0), "********");
    }

    #[test]
    fn commands_are_completed_as_the_server_offers_them() {
        let mut typing = Typing::new(Protocol::Smtp);
        let reply = maildoctor_wire::reply::Reply {
            code: 250,
            lines: vec!["mx".into(), "AUTH PLAIN".into()],
            flaws: Vec::new(),
        };
        typing.offered = offered(&Capabilities::of(&reply).unwrap());
        assert_eq!(typing.candidates("mai"), (0, vec!["MAIL FROM:<".to_owned()]));
        assert_eq!(typing.candidates("auth p").1, ["AUTH PLAIN "]);
        assert_eq!(typing.candidates(":st").1, [":starttls"]);
        typing.mode = Mode::Content;
        assert!(typing.candidates("R").1.is_empty());
        let imap = Typing::new(Protocol::Imap);
        assert_eq!(imap.candidates("a1 log").1, ["LOGIN ", "LOGOUT"]);
    }
}
