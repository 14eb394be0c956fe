//! The client's side of POP3 (RFC 1939) as a state machine fed bytes.

/// The most octets of one answer that are kept.
pub const MAX_ANSWER_OCTETS: usize = 2 * 1024 * 1024;

/// The longest line that is kept whole.
const MAX_LINE_OCTETS: usize = 64 * 1024;

/// An answer of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `+OK` or not.
    pub ok: bool,
    /// The first line without `+OK` or `-ERR`.
    pub text: String,
    /// The lines of a multi-line answer, dots unstuffed.
    pub lines: Vec<Vec<u8>>,
}

/// Why a stream is no POP3.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Pop3Error {
    /// The first line begins with neither `+OK` nor `-ERR`.
    #[error("the server answers `{0}`, which is no POP3")]
    NotPop3(String),
    /// An answer of more than [`MAX_ANSWER_OCTETS`].
    #[error("the server's answer is longer than {MAX_ANSWER_OCTETS} octets")]
    TooLong,
}

/// Puts answers together from pieces of any size.
#[derive(Debug, Default)]
pub struct AnswerParser {
    held: Vec<u8>,
    octets: usize,
    first: Option<(bool, String)>,
    lines: Vec<Vec<u8>>,
}

impl AnswerParser {
    /// Takes octets; gives the answer once it is whole. `multi` says whether the command asked for an
    /// answer of several lines.
    ///
    /// # Errors
    /// [`Pop3Error`] where this is no POP3 or has no end.
    pub fn feed(&mut self, octets: &[u8], multi: bool) -> Result<Option<Answer>, Pop3Error> {
        self.held.extend_from_slice(octets);
        loop {
            let Some(end) = self.held.iter().position(|&b| b == b'\n') else {
                if self.held.len() > MAX_LINE_OCTETS {
                    return Err(Pop3Error::TooLong);
                }
                return Ok(None);
            };
            let mut line: Vec<u8> = self.held.drain(..=end).collect();
            self.octets += line.len();
            if self.octets > MAX_ANSWER_OCTETS {
                return Err(Pop3Error::TooLong);
            }
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            match &self.first {
                None => {
                    let (ok, text) = status(&line)?;
                    self.first = Some((ok, text));
                    if !(ok && multi) {
                        return Ok(self.done());
                    }
                }
                Some(_) if line == b"." => return Ok(self.done()),
                Some(_) => {
                    if line.first() == Some(&b'.') {
                        line.remove(0);
                    }
                    self.lines.push(line);
                }
            }
        }
    }

    fn done(&mut self) -> Option<Answer> {
        self.octets = 0;
        let (ok, text) = self.first.take()?;
        Some(Answer { ok, text, lines: std::mem::take(&mut self.lines) })
    }
}

fn status(line: &[u8]) -> Result<(bool, String), Pop3Error> {
    let text = crate::octets::escape(line);
    let split = |mark: &str| text.strip_prefix(mark).map(|rest| rest.trim_start().to_owned());
    if let Some(rest) = split("+OK") {
        Ok((true, rest))
    } else if let Some(rest) = split("-ERR") {
        Ok((false, rest))
    } else {
        Err(Pop3Error::NotPop3(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_line_and_several() {
        let mut parser = AnswerParser::default();
        assert!(parser.feed(b"+OK ready", false).unwrap().is_none());
        assert_eq!(parser.feed(b"\r\n", false).unwrap().unwrap().text, "ready");
        let answer = parser.feed(b"+OK\r\na\r\n..b\r\n.\r\n", true).unwrap().unwrap();
        assert_eq!(answer.lines, [b"a".to_vec(), b".b".to_vec()]);
        assert!(!parser.feed(b"-ERR no such message\r\n", true).unwrap().unwrap().ok);
        assert!(parser.feed(b"220 smtp\r\n", false).is_err());
    }

    proptest! {
        #[test]
        fn any_octets_are_taken(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..10)) {
            let mut parser = AnswerParser::default();
            for piece in &pieces {
                if parser.feed(piece, true).is_err() {
                    break;
                }
            }
        }
    }
}
