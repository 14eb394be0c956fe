//! Which part of a typed line is a secret, and taking secrets out of what is shown.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretSlice};

use super::Protocol;

/// What stands in the place of a secret.
pub const SECRET: &str = "(secret)";

/// The shortest secret that is looked for in what the server says: shorter ones would be found everywhere.
const MIN_OCTETS: usize = 4;

/// The most secrets of a session that are looked for.
const MAX_HELD: usize = 64;

/// The octets of a command line that are a secret: the initial response of AUTH, the password of LOGIN or PASS,
/// or an AUTH PLAIN token wherever it stands.
pub fn in_command(protocol: Protocol, line: &[u8]) -> Option<Range<usize>> {
    let words = words(line);
    let word = |n: usize| words.get(n).and_then(|range| line.get(range.clone())).unwrap_or_default();
    let is = |n: usize, verb: &str| word(n).eq_ignore_ascii_case(verb.as_bytes());
    let from = |n: usize| words.get(n).map(|range| range.start..line.len());
    let by_verb = match protocol {
        Protocol::Smtp if is(0, "AUTH") => from(2),
        Protocol::Pop3 if is(0, "AUTH") || is(0, "APOP") => from(2),
        Protocol::Pop3 if is(0, "PASS") => from(1),
        Protocol::Imap if is(1, "LOGIN") => from(2).map(|rest| after_string(line, rest)),
        Protocol::Imap if is(0, "LOGIN") => from(1).map(|rest| after_string(line, rest)),
        Protocol::Imap if is(1, "AUTHENTICATE") => from(3),
        _ => None,
    };
    by_verb.filter(|range| !range.is_empty() && line.get(range.clone()) != Some(b"=")).or_else(|| {
        words.into_iter().find(|range| line.get(range.clone()).is_some_and(is_token)).map(|r| r.start..line.len())
    })
}

/// What follows an IMAP string, quoted or not, and the blanks behind it.
fn after_string(line: &[u8], rest: Range<usize>) -> Range<usize> {
    let text = line.get(rest.clone()).unwrap_or_default();
    let length = if text.first() == Some(&b'"') {
        let mut escaped = false;
        let end = text.iter().skip(1).position(|&b| {
            let ends = b == b'"' && !escaped;
            escaped = b == b'\\' && !escaped;
            ends
        });
        end.map_or(text.len(), |at| at + 2)
    } else {
        text.iter().position(|b| b.is_ascii_whitespace()).unwrap_or(text.len())
    };
    let blanks = text.iter().skip(length).take_while(|b| b.is_ascii_whitespace()).count();
    rest.start + length + blanks..rest.end
}

/// Where the words of a line stand.
fn words(line: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, octet) in line.iter().enumerate() {
        match (octet.is_ascii_whitespace(), start) {
            (false, None) => start = Some(at),
            (true, Some(from)) => {
                found.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    found.extend(start.map(|from| from..line.len()));
    found
}

/// Base64 with two NULs in it: an AUTH PLAIN token.
fn is_token(word: &[u8]) -> bool {
    word.len() >= 8 && STANDARD.decode(word).is_ok_and(|octets| octets.iter().filter(|&&b| b == 0).count() == 2)
}

/// The secrets of a session, to be taken out of what the server says.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<SecretSlice<u8>>);

impl Held {
    /// Holds a secret, and the password inside where it is base64. `password`: the server asked for one, so all
    /// that is inside is it; otherwise what stands last in a PLAIN token. A user name is none.
    pub(super) fn hold(&mut self, secret: &[u8], password: bool) {
        self.hold_one(secret);
        let Ok(inside) = STANDARD.decode(secret.trim_ascii()) else { return };
        let parts: Vec<&[u8]> = inside.split(|&b| b == 0).collect();
        match parts.as_slice() {
            [_, _, last] => self.hold_one(last),
            _ if password => self.hold_one(&inside),
            _ => {}
        }
    }

    fn hold_one(&mut self, secret: &[u8]) {
        if secret.len() < MIN_OCTETS || self.0.iter().any(|held| held.expose_secret() == secret) {
            return;
        }
        if self.0.len() == MAX_HELD {
            self.0.remove(0);
        }
        self.0.push(secret.to_vec().into());
        // The longest first: a token goes before the user name in it.
        self.0.sort_by_key(|held| std::cmp::Reverse(held.expose_secret().len()));
    }

    /// The octets with every secret replaced.
    pub(super) fn taken_out(&self, octets: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(octets.len());
        let mut rest = octets;
        while let Some((&octet, after)) = rest.split_first() {
            match self.0.iter().find(|held| rest.starts_with(held.expose_secret())) {
                Some(held) => {
                    out.extend_from_slice(SECRET.as_bytes());
                    rest = rest.get(held.expose_secret().len()..).unwrap_or_default();
                }
                None => {
                    out.push(octet);
                    rest = after;
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(protocol: Protocol, line: &str) -> Option<&str> {
        in_command(protocol, line.as_bytes()).map(|range| &line[range])
    }

    #[test]
    fn secrets_are_found_where_people_type_them() {
        use Protocol::{Imap, Pop3, Smtp};
        assert_eq!(part(Smtp, "AUTH PLAIN AGFubmEAc2VjcmV0"), Some("AGFubmEAc2VjcmV0"));
        assert_eq!(part(Smtp, "auth\tplain  x y"), Some("x y"));
        assert_eq!(part(Smtp, "AUTH PLAIN"), None);
        assert_eq!(part(Smtp, "AUTH EXTERNAL ="), None);
        assert_eq!(part(Smtp, "MAIL FROM:<anna@lab.example>"), None);
        // A token on a line of its own, or behind a word that is misspelt.
        assert_eq!(part(Smtp, "AGFubmEAc2VjcmV0"), Some("AGFubmEAc2VjcmV0"));
        assert_eq!(part(Smtp, "AUHT PLAIN AGFubmEAc2VjcmV0"), Some("AGFubmEAc2VjcmV0"));
        assert_eq!(part(Pop3, "PASS a b "), Some("a b "));
        assert_eq!(part(Pop3, "USER anna"), None);
        assert_eq!(part(Imap, "a1 LOGIN anna geheim"), Some("geheim"));
        assert_eq!(part(Imap, r#"a1 LOGIN "anna \"x\" b" "ge heim""#), Some(r#""ge heim""#));
        assert_eq!(part(Imap, "a1 AUTHENTICATE PLAIN AGEAYg=="), Some("AGEAYg=="));
        assert_eq!(part(Imap, "a1 SELECT INBOX"), None);
    }

    #[test]
    fn a_server_that_repeats_a_secret_is_not_shown_doing_so() {
        let mut held = Held::default();
        held.hold(b"AGFubmEAc2VjcmV0", false);
        assert_eq!(held.taken_out(b"500 what is AGFubmEAc2VjcmV0?"), b"500 what is (secret)?");
        assert_eq!(held.taken_out(b"535 wrong password secret"), b"535 wrong password (secret)");
        assert_eq!(held.taken_out(b"550 <anna@lab.example>"), b"550 <anna@lab.example>");
        held.hold(b"aHVudGVyMg==", true);
        assert_eq!(held.taken_out(b"535 hunter2"), b"535 (secret)");
        assert!(!format!("{held:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn any_line_can_be_looked_at(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            for protocol in [Protocol::Smtp, Protocol::Imap, Protocol::Pop3] {
                if let Some(range) = in_command(protocol, &line) {
                    prop_assert!(line.get(range).is_some_and(|part| !part.is_empty()));
                }
            }
        }

        #[test]
        fn no_secret_is_left(before in "[a-z ]{0,20}", after in "[a-z ]{0,20}") {
            let mut held = Held::default();
            held.hold(b"CANARY42", false);
            let out = held.taken_out(format!("{before}CANARY42{after}CANARY42").as_bytes());
            prop_assert!(!String::from_utf8_lossy(&out).contains("CANARY42"));
        }
    }
}
