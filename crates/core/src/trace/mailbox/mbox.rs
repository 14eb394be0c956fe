//! An mbox: messages in one file, each after a line that begins with `From ` (RFC 4155 appendix A).
//!
//! Such a line opens a message only after an empty line and with a month and a time in it, as every program writes it: text
//! that was put there without the `>` of quoting is no new message. Files may be longer than the memory: one message is held at once.

use std::io::{self, BufRead, Read};

use super::super::{MAX_MESSAGE_OCTETS, NoMessage};

/// How much of a line is read at once.
const PIECE_OCTETS: u64 = 64 * 1024;

const OPENING: &[u8] = b"From ";

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Whether what begins so is an mbox.
pub fn is_mbox(head: &[u8]) -> bool {
    opens(head.trim_ascii_start().split(|octet| *octet == b'\n').next().unwrap_or_default())
}

/// The messages of an mbox, in order.
#[derive(Debug)]
pub struct Mbox<R> {
    reader: R,
    /// Whether the line that opens the next message has been read.
    opened: bool,
}

impl<R: BufRead> Mbox<R> {
    /// Reads what [`is_mbox`] takes for one.
    pub fn new(reader: R) -> Self {
        Self { reader, opened: false }
    }
}

impl<R: BufRead> Iterator for Mbox<R> {
    /// A message without the line before it and without the marks of quoting; or why it is none.
    type Item = io::Result<Result<Vec<u8>, NoMessage>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut message = Vec::new();
        let mut too_long = false;
        let mut piece = Vec::new();
        // At the beginning of the file there is no line before.
        let (mut after_empty, mut at_start) = (true, true);
        loop {
            piece.clear();
            match self.reader.by_ref().take(PIECE_OCTETS).read_until(b'\n', &mut piece) {
                Ok(0) if !std::mem::take(&mut self.opened) => return None,
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
            if at_start && after_empty && opens(&piece) {
                if std::mem::replace(&mut self.opened, true) {
                    break;
                }
                (after_empty, at_start) = (false, piece.ends_with(b"\n"));
                continue;
            }
            let text = if at_start { unquoted(&piece) } else { &piece };
            after_empty = at_start && piece.trim_ascii().is_empty();
            at_start = piece.ends_with(b"\n");
            if !self.opened && after_empty {
                // Empty lines before the first message.
                continue;
            }
            too_long |= (message.len() + text.len()) as u64 > MAX_MESSAGE_OCTETS;
            if !too_long {
                message.extend_from_slice(text);
            }
        }
        // The empty line before the next message is the file's.
        for ending in [&b"\n"[..], b"\r"] {
            if after_empty && message.ends_with(ending) {
                message.truncate(message.len() - ending.len());
            }
        }
        Some(Ok(if too_long { Err(NoMessage::TooLong) } else { Ok(message) }))
    }
}

/// Whether a line opens a message: nothing more stands in it, or a month and a time of day.
fn opens(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(OPENING) else { return false };
    let is_time = |word: &[u8]| {
        let mut parts = word.split(|octet| *octet == b':');
        let number = |part: &[u8]| matches!(part.len(), 1..=2) && part.iter().all(u8::is_ascii_digit);
        parts.next().is_some_and(number) && parts.next().is_some_and(number)
    };
    let is_month = |word: &[u8]| MONTHS.iter().any(|month| word.eq_ignore_ascii_case(month));
    let words = || rest.split(|octet| octet.is_ascii_whitespace() || *octet == b',');
    rest.trim_ascii().is_empty() || words().any(is_time) && words().any(is_month)
}

/// A line without the mark that quoted it: `>From`, and `>>From` where that was there before.
fn unquoted(line: &[u8]) -> &[u8] {
    let quoted = line.iter().position(|octet| *octet != b'>').and_then(|at| line.get(at..)).unwrap_or_default();
    match line {
        [b'>', rest @ ..] if quoted.starts_with(OPENING) => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<String> {
        Mbox::new(text.as_bytes()).map(|m| String::from_utf8(m.unwrap().unwrap()).unwrap()).collect()
    }

    #[test]
    fn lines_that_open_a_message_and_lines_that_do_not() {
        for line in [
            "From anna@example.net Tue Nov 24 13:00:00 2026",
            "From - Tue Nov 24 13:00:00 2026\r",
            "From 1793@xxx Tue Nov 24 13:00:00 +0000 2026",
            "From MAILER-DAEMON Tue Nov  4 9:00 2026",
            "From ",
        ] {
            assert!(is_mbox(line.as_bytes()), "{line}");
        }
        for line in [
            "From: anna@example.net",
            "From here we walk: at noon",
            "From now on, at 13:00,",
            "from a Nov 24 13:00",
            "",
            ">From a Nov 24 13:00",
        ] {
            assert!(!is_mbox(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn what_looks_like_an_opening_within_a_text_is_none() {
        let text = "From a@b Tue Nov 24 13:00:00 2026\nA: 1\n\nOn we go.\n\nFrom then on, at 13:00,\n>From here\n>>From there\n> From afar\n\nFrom c Tue Nov 24 13:01:00 2026\nB: 2\n\n";
        let first = "A: 1\n\nOn we go.\n\nFrom then on, at 13:00,\nFrom here\n>From there\n> From afar\n";
        assert_eq!(read(text), [first, "B: 2\n"]);
    }

    #[test]
    fn an_empty_file_and_one_of_openings_alone() {
        assert!(read("").is_empty());
        assert_eq!(read("From a Nov 24 13:00\n"), [""]);
        assert_eq!(read("From a Nov 24 13:00\n\nFrom b Nov 24 13:00\n"), ["", ""]);
        assert_eq!(read("\n\r\nFrom a Nov 24 13:00\nA: 1\n\nFrom b Nov 24 13:00\nB: 2\n"), ["A: 1\n", "B: 2\n"]);
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(bodies in prop::collection::vec("[ -~]{0,80}(\n[ -~>]{0,80}){0,5}", 1..5)) {
            let quoted = |body: &String| {
                let line = |l: &str| if l.trim_start_matches('>').starts_with("From ") { format!(">{l}") } else { l.to_owned() };
                body.split('\n').map(line).collect::<Vec<_>>().join("\n")
            };
            let text: String = bodies.iter().map(|body| format!("From a Nov 24 13:00:00\n{}\n\n", quoted(body))).collect();
            let expected: Vec<String> = bodies.iter().map(|body| format!("{body}\n")).collect();
            prop_assert_eq!(read(&text), expected);
        }

        #[test]
        fn no_octets_are_too_odd(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
            for message in Mbox::new(&octets[..]) {
                prop_assert!(message.unwrap().unwrap().len() <= octets.len());
            }
        }
    }
}
