//! What is worth saying about a typed line. It is sent as it was typed all the same.

use super::Protocol;

/// The longest command line that every server must take, CRLF included (RFC 5321 section 4.5.3.1.4).
pub const MAX_COMMAND_OCTETS: usize = 512;

/// The longest line of a message, CRLF included (RFC 5321 section 4.5.3.1.6).
pub const MAX_TEXT_OCTETS: usize = 1000;

/// Something about a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// `MAIL FROM: <x>`.
    BlankAfterColon,
    /// `MAIL FROM :<x>`.
    BlankBeforeColon,
    /// `MAIL FROM:x`.
    NoBrackets,
    /// `MAIL <x>`: the word before the address is missing.
    NoKeyword(&'static str),
    /// A blank in front of the command.
    LeadingBlank,
    /// A blank at the end of the line.
    TrailingBlank,
    /// EHLO or HELO without a name.
    NoName,
    /// EHLO or HELO with a name that is neither whole nor an address literal.
    ShortName(String),
    /// An argument where the command has none.
    Argument(&'static str),
    /// CR, LF or NUL in the line.
    Control,
    /// LF without CR.
    BareLf,
    /// A command line of so many octets.
    LongCommand(usize),
    /// A line of a message of so many octets.
    LongText(usize),
    /// Octets above 127 in a command, without SMTPUTF8.
    EightBitCommand,
    /// Octets above 127 in a message, without 8BITMIME.
    EightBitText,
    /// A dot was put in front of a line that begins with one.
    Stuffed,
    /// A reply is outstanding, and PIPELINING was not offered.
    TooEarly,
    /// The banner is outstanding.
    BeforeBanner,
    /// A secret goes over a connection without TLS.
    SecretInTheClear,
    /// A lone dot where no message is under way.
    LoneDot,
    /// An IMAP command without a tag.
    NoTag,
    /// More octets than BDAT announced.
    TooLongForChunk(u64),
}

impl Note {
    /// The note as a sentence.
    pub fn in_words(&self) -> String {
        match self {
            Note::BlankAfterColon => {
                "a blank after the colon: RFC 5321 section 3.3 has none there, and strict servers refuse it".to_owned()
            }
            Note::BlankBeforeColon => "a blank before the colon: strict servers refuse it".to_owned(),
            Note::NoBrackets => {
                "no <> around the address: RFC 5321 section 4.1.1.2 wants them, and strict servers refuse it without"
                    .to_owned()
            }
            Note::NoKeyword(word) => format!("the word {word} is missing before the address"),
            Note::LeadingBlank => "a blank in front of the command: servers do not know it then".to_owned(),
            Note::TrailingBlank => "a blank at the end of the line: strict servers refuse it".to_owned(),
            Note::NoName => {
                "no name: RFC 5321 section 4.1.1.1 wants our host name or an address literal such as [192.0.2.1]"
                    .to_owned()
            }
            Note::ShortName(name) => format!(
                "{name} is no whole host name: strict servers want one with a dot, or an address literal such as [192.0.2.1]"
            ),
            Note::Argument(verb) => format!("{verb} takes no argument: strict servers refuse it with one"),
            Note::Control => {
                "a CR, LF or NUL in the middle of the line: it may be read as another line, or refused".to_owned()
            }
            Note::BareLf => {
                "a line that ends in LF without CR: strict servers refuse it, or wait for the CRLF".to_owned()
            }
            Note::LongCommand(octets) => {
                format!("{octets} octets: no server has to take a command line of more than {MAX_COMMAND_OCTETS}")
            }
            Note::LongText(octets) => format!(
                "{octets} octets: a line of a message has at most {MAX_TEXT_OCTETS}, and servers break or refuse longer ones"
            ),
            Note::EightBitCommand => {
                "octets above 127: only servers that offer SMTPUTF8 take them in a command".to_owned()
            }
            Note::EightBitText => "octets above 127, and the server did not offer 8BITMIME".to_owned(),
            Note::Stuffed => {
                "sent with a second dot in front (RFC 5321 section 4.5.2); the receiver takes it away again".to_owned()
            }
            Note::TooEarly => {
                "sent while a reply is outstanding, and the server did not offer PIPELINING: strict servers refuse that"
                    .to_owned()
            }
            Note::BeforeBanner => {
                "sent before the banner: strict servers refuse or punish clients that talk first".to_owned()
            }
            Note::SecretInTheClear => "a secret without TLS: whoever is on the way can read it".to_owned(),
            Note::LoneDot => "a dot alone ends a message, and none is under way".to_owned(),
            Note::NoTag => "IMAP wants a tag in front of each command, such as `a1 CAPABILITY`".to_owned(),
            Note::TooLongForChunk(octets) => {
                format!("{octets} octets more than BDAT announced: the server takes them for a command")
            }
        }
    }
}

/// The notes on an SMTP command line without its end. `utf8`: SMTPUTF8 was offered.
pub(super) fn on_command(line: &[u8], utf8: bool) -> Vec<Note> {
    let mut notes = Vec::new();
    let text = String::from_utf8_lossy(line);
    let trimmed = text.trim();
    if text.starts_with([' ', '\t']) && !trimmed.is_empty() {
        notes.push(Note::LeadingBlank);
    }
    if text.ends_with([' ', '\t']) && !trimmed.is_empty() {
        notes.push(Note::TrailingBlank);
    }
    let (verb, argument) = trimmed.split_once([' ', '\t']).unwrap_or((trimmed, ""));
    let argument = argument.trim_start();
    match verb.to_ascii_uppercase().as_str() {
        "MAIL" => notes.extend(on_path(argument, "FROM")),
        "RCPT" => notes.extend(on_path(argument, "TO")),
        "EHLO" | "HELO" => notes.extend(on_name(argument)),
        "DATA" if !argument.is_empty() => notes.push(Note::Argument("DATA")),
        "RSET" if !argument.is_empty() => notes.push(Note::Argument("RSET")),
        "QUIT" if !argument.is_empty() => notes.push(Note::Argument("QUIT")),
        "STARTTLS" if !argument.is_empty() => notes.push(Note::Argument("STARTTLS")),
        "." => notes.push(Note::LoneDot),
        _ => {}
    }
    if line.len() + 2 > MAX_COMMAND_OCTETS && !verb.eq_ignore_ascii_case("AUTH") {
        notes.push(Note::LongCommand(line.len() + 2));
    }
    if !line.is_ascii() && !utf8 {
        notes.push(Note::EightBitCommand);
    }
    notes
}

/// The notes on what follows MAIL or RCPT.
fn on_path(argument: &str, keyword: &'static str) -> Vec<Note> {
    let mut notes = Vec::new();
    let Some((before, after)) = argument.split_once(':').filter(|(b, _)| b.trim().eq_ignore_ascii_case(keyword)) else {
        return vec![Note::NoKeyword(if keyword == "FROM" { "FROM:" } else { "TO:" })];
    };
    if before.ends_with([' ', '\t']) {
        notes.push(Note::BlankBeforeColon);
    }
    if after.starts_with([' ', '\t']) {
        notes.push(Note::BlankAfterColon);
    }
    let after = after.trim_start();
    if !(after.starts_with('<') && after.contains('>')) {
        notes.push(Note::NoBrackets);
    }
    notes
}

/// The notes on the name after EHLO or HELO.
fn on_name(name: &str) -> Option<Note> {
    if name.is_empty() {
        return Some(Note::NoName);
    }
    let whole = name.starts_with('[') || name.trim_end_matches('.').contains('.');
    (!whole).then(|| Note::ShortName(crate::octets::escape(name.as_bytes())))
}

/// The notes on a line of a message. `eight_bit`: 8BITMIME was offered.
pub(super) fn on_text(line: &[u8], eight_bit: bool) -> Vec<Note> {
    let mut notes = Vec::new();
    if line.len() + 2 > MAX_TEXT_OCTETS {
        notes.push(Note::LongText(line.len() + 2));
    }
    if !line.is_ascii() && !eight_bit {
        notes.push(Note::EightBitText);
    }
    notes
}

/// The notes on a command of a mailbox protocol.
pub(super) fn on_mailbox_command(protocol: Protocol, line: &[u8]) -> Vec<Note> {
    let text = String::from_utf8_lossy(line);
    let mut notes = Vec::new();
    if text.starts_with([' ', '\t']) && !text.trim().is_empty() {
        notes.push(Note::LeadingBlank);
    }
    let first = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    let verbs = [
        "CAPABILITY",
        "LOGIN",
        "LOGOUT",
        "NOOP",
        "SELECT",
        "EXAMINE",
        "LIST",
        "STARTTLS",
        "AUTHENTICATE",
        "FETCH",
        "SEARCH",
    ];
    if protocol == Protocol::Imap && verbs.contains(&first.as_str()) {
        notes.push(Note::NoTag);
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(line: &str) -> Vec<Note> {
        on_command(line.as_bytes(), false)
    }

    #[test]
    fn what_strict_servers_object_to_is_said() {
        assert_eq!(on("mail from: <nospam@jms1.net>"), [Note::BlankAfterColon]);
        assert_eq!(on("MAIL FROM :<a@b.example>"), [Note::BlankBeforeColon]);
        assert_eq!(on("rcpt to:anna@lab.example"), [Note::NoBrackets]);
        assert_eq!(on("rcpt to: anna@lab.example"), [Note::BlankAfterColon, Note::NoBrackets]);
        assert_eq!(on("MAIL <a@b.example>"), [Note::NoKeyword("FROM:")]);
        assert_eq!(on("ehlo testing"), [Note::ShortName("testing".to_owned())]);
        assert_eq!(on("EHLO"), [Note::NoName]);
        assert_eq!(on(" DATA"), [Note::LeadingBlank]);
        assert_eq!(on("QUIT "), [Note::TrailingBlank]);
        assert_eq!(on("."), [Note::LoneDot]);
        assert_eq!(on("RSET now"), [Note::Argument("RSET")]);
        assert_eq!(on("RCPT TO:<bücher@lab.example>"), [Note::EightBitCommand]);
    }

    #[test]
    fn what_is_right_is_left_alone() {
        for line in [
            "EHLO client.example",
            "EHLO [192.0.2.1]",
            "MAIL FROM:<>",
            "MAIL FROM:<a@b.example> SIZE=10",
            "RCPT TO:<\"a b\"@lab.example>",
            "DATA",
            "QUIT",
            "Rset",
            "NOOP whatever",
            "",
        ] {
            assert_eq!(on(line), [], "{line}");
        }
    }
}
