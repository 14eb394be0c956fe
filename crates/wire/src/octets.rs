//! Octets from a peer as text, without loss and without harm.
//!
//! Printable UTF-8 stays as it is; a backslash is doubled; every control character and every octet that
//! is no UTF-8 becomes `\xNN`. The text can be turned back into the octets, and no terminal acts on it.

use std::borrow::Cow;

/// Text whose lines end with CR alone, as those of old Macintosh systems do, with LF in its place; any other as it is.
pub fn with_line_ends(octets: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if octets.contains(&b'\n') || !octets.contains(&b'\r') {
        return octets;
    }
    octets.iter().map(|&octet| if octet == b'\r' { b'\n' } else { octet }).collect()
}

/// The text form of octets.
pub fn escape(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c if harmful(c) => {
                    let mut buffer = [0; 4];
                    c.encode_utf8(&mut buffer).bytes().for_each(|b| push_hex(&mut out, b));
                }
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|&b| push_hex(&mut out, b));
    }
    out
}

/// The octets of a text that [`escape`] made; what is no escape is taken as it stands.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        if let Some(next) = after.strip_prefix('\\') {
            out.push(b'\\');
            rest = next;
        } else if let Some(octet) =
            after.strip_prefix('x').and_then(|hex| hex.get(..2)).and_then(|hex| u8::from_str_radix(hex, 16).ok())
        {
            out.push(octet);
            rest = after.get(3..).unwrap_or_default();
        } else {
            out.push(b'\\');
            rest = after;
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// A word as a POSIX shell takes it: bare where a shell can read nothing into it, quoted otherwise.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Control characters, and the marks that turn the direction of writing: what must not reach a terminal.
pub fn harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_hex(out: &mut String, octet: u8) {
    out.push_str(&format!("\\x{octet:02x}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn octets_come_back(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = escape(&octets);
            prop_assert!(!text.chars().any(harmful));
            prop_assert_eq!(unescape(&text), octets);
        }

        #[test]
        fn any_text_can_be_read(text in ".*") {
            let _ = unescape(&text);
        }
    }

    #[test]
    fn a_word_from_outside_cannot_leave_its_quotes() {
        assert_eq!(shell_word("example.org"), "example.org");
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("a'; rm -rf ~"), r"'a'\''; rm -rf ~'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn a_terminal_escape_is_made_harmless() {
        assert_eq!(escape(b"220 \x1b[31mred"), "220 \\x1b[31mred");
    }
}
