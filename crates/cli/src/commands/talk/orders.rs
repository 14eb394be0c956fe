//! Lines that begin with a colon: they are ours and not the server's.

use std::time::Duration;

use maildoctor_core::options;
use maildoctor_wire::octets;
use maildoctor_wire::sasl::Mechanism;

use super::expect::Expected;

/// What can be ordered, and how it is described.
pub(super) const ORDERS: [(&str, &str); 11] = [
    (
        ":auth [MECHANISM] [USER]",
        "log in: plain, login, cram-md5, scram-sha-1, scram-sha-256 or xoauth2; the password is not shown",
    ),
    (":cert", "show the certificate again"),
    (":close", "close the connection without QUIT, and end"),
    (":expect CODE [TEXT]", "the last reply has to be this; otherwise end with exit code 2"),
    (":explain", "say what the last reply means"),
    (":help", "this list"),
    (":raw TEXT", "send exactly this, no line end added: \\r, \\n, \\t, \\0, \\\\ and \\xNN stand for octets"),
    (":reconnect", "connect again"),
    (":starttls", "TLS in this connection"),
    (":wait D", "listen for so long, such as 5s, before the next line"),
    (":: or ::TEXT", "send a line that begins with a colon"),
];

/// A line, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// It is sent as it is.
    Send(Vec<u8>),
    /// It is ours.
    Order(Order),
    /// It is ours and makes no sense; why, in a sentence.
    Wrong(String),
}

/// What is ours to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    Auth { mechanism: Option<Mechanism>, user: Option<String> },
    Certificate,
    Close,
    Expect(Expected),
    Explain,
    Help,
    Raw(Vec<u8>),
    Reconnect,
    Starttls,
    Wait(Duration),
}

/// Reads a line without its end. A colon before anything but a letter is no order: a message may begin a line with it.
pub(super) fn read(line: &[u8]) -> Line {
    let Some(rest) = line.strip_prefix(b":") else { return Line::Send(line.to_vec()) };
    if rest.first() == Some(&b':') {
        return Line::Send(rest.to_vec());
    }
    if !rest.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'?') {
        return Line::Send(line.to_vec());
    }
    let text = String::from_utf8_lossy(rest);
    let (word, argument) = text.split_once(' ').unwrap_or((&text, ""));
    order(&word.to_ascii_lowercase(), argument).map_or_else(Line::Wrong, Line::Order)
}

fn order(word: &str, argument: &str) -> Result<Order, String> {
    let trimmed = argument.trim();
    let alone =
        |order: Order| if trimmed.is_empty() { Ok(order) } else { Err(format!(":{word} takes nothing behind it")) };
    match word {
        "auth" => auth(trimmed),
        "cert" => alone(Order::Certificate),
        "close" => alone(Order::Close),
        "explain" => alone(Order::Explain),
        "help" | "?" => alone(Order::Help),
        "reconnect" => alone(Order::Reconnect),
        "starttls" => alone(Order::Starttls),
        "expect" => Expected::parse(trimmed).map(Order::Expect),
        "raw" => Ok(Order::Raw(unescaped(argument))),
        "wait" => options::parse_duration(trimmed).map(Order::Wait).map_err(|e| e.to_string()),
        other => Err(format!(
            ":{} is no order of ours, and was not sent; :help lists them, and a second colon in front sends it",
            octets::escape(other.as_bytes())
        )),
    }
}

/// `:auth`, with a mechanism, a user, or both.
fn auth(argument: &str) -> Result<Order, String> {
    let known = |word: &str| {
        Mechanism::WITH_PASSWORD.into_iter().chain([Mechanism::Xoauth2]).find(|m| m.name().eq_ignore_ascii_case(word))
    };
    let words: Vec<&str> = argument.split_whitespace().collect();
    let (mechanism, user) = match words.as_slice() {
        [] => (None, None),
        [one] => match known(one) {
            Some(mechanism) => (Some(mechanism), None),
            None if one.contains('@') => (None, Some(*one)),
            None => return Err(unknown_mechanism(one)),
        },
        [one, user] => (Some(known(one).ok_or_else(|| unknown_mechanism(one))?), Some(*user)),
        // The rest is not repeated: somebody may have put the password there.
        _ => return Err(":auth takes a mechanism and a user name, and asks for the password".to_owned()),
    };
    Ok(Order::Auth { mechanism, user: user.map(str::to_owned) })
}

fn unknown_mechanism(word: &str) -> String {
    format!(
        "`{}` is no mechanism of ours; give plain, login, cram-md5, scram-sha-1, scram-sha-256 or xoauth2, and the user name behind it",
        octets::escape(word.as_bytes())
    )
}

/// `\r`, `\n`, `\t`, `\0` and what [`octets::unescape`] knows.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('r') => out.push_str("\\x0d"),
            Some('n') => out.push_str("\\x0a"),
            Some('t') => out.push_str("\\x09"),
            Some('0') => out.push_str("\\x00"),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    octets::unescape(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_colon_before_a_letter_is_ours() {
        for line in ["QUIT", "Received: x", "R", ":-)", ":", "", " :help", ": a"] {
            assert_eq!(read(line.as_bytes()), Line::Send(line.as_bytes().to_vec()), "{line}");
        }
        assert_eq!(read(b"::help"), Line::Send(b":help".to_vec()));
        assert_eq!(read(b"::"), Line::Send(b":".to_vec()));
        assert_eq!(read(b":STARTTLS"), Line::Order(Order::Starttls));
        assert!(matches!(read(b":quit"), Line::Wrong(_)));
        assert!(matches!(read(b":starttls now"), Line::Wrong(_)));
    }

    #[test]
    fn logins_are_read() {
        let auth =
            |mechanism, user: Option<&str>| Line::Order(Order::Auth { mechanism, user: user.map(str::to_owned) });
        assert_eq!(read(b":auth"), auth(None, None));
        assert_eq!(read(b":auth plain"), auth(Some(Mechanism::Plain), None));
        assert_eq!(read(b":auth Cram-MD5 anna"), auth(Some(Mechanism::CramMd5), Some("anna")));
        assert_eq!(read(b":auth anna@lab.example"), auth(None, Some("anna@lab.example")));
        let Line::Wrong(why) = read(b":auth plain anna hunter2") else { panic!() };
        assert!(!why.contains("hunter2"));
    }

    #[test]
    fn raw_octets_are_as_they_are_written() {
        assert_eq!(read(b":raw NOOP\\r\\n"), Line::Order(Order::Raw(b"NOOP\r\n".to_vec())));
        assert_eq!(read(b":raw a\\n\\0\\\\n\\xff "), Line::Order(Order::Raw(b"a\n\0\\n\xff ".to_vec())));
    }
}
