//! What a reply has to be, in scripts.

use maildoctor_wire::octets;
use maildoctor_wire::typed::Answer;

/// How `:expect` and `--expect` are written.
const EXAMPLE: &str = "250, 25, 4xx, 250|251, +OK or NO, and with :expect a text that has to be in it";

/// What a reply has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    /// One of these statuses, or the first digits of one.
    statuses: Vec<String>,
    /// A text in it, in any case.
    text: Option<String>,
}

impl Expected {
    /// Reads `CODE [TEXT]`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (codes, text) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let statuses: Option<Vec<String>> = codes.split('|').map(status).collect();
        let wrong = || format!("`{}` is nothing to expect; give {EXAMPLE}", octets::escape(codes.as_bytes()));
        let text = Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self { statuses: statuses.ok_or_else(wrong)?, text })
    }

    /// Whether a reply is this.
    pub(super) fn fits(&self, answer: &Answer) -> bool {
        let digits = |s: &String| s.chars().all(|c| c.is_ascii_digit());
        let status = self.statuses.iter().any(|wanted| {
            if digits(wanted) {
                answer.status.starts_with(wanted.as_str())
            } else {
                answer.status.eq_ignore_ascii_case(wanted)
            }
        });
        let lower = |text: &str| text.to_lowercase();
        status
            && self
                .text
                .as_ref()
                .is_none_or(|text| answer.reply.lines.iter().any(|line| lower(line).contains(&lower(text))))
    }

    /// How it is said.
    pub(super) fn in_words(&self) -> String {
        let codes = self.statuses.join(" or ");
        self.text
            .as_ref()
            .map_or_else(|| codes.clone(), |text| format!("{codes} with \"{}\"", octets::escape(text.as_bytes())))
    }
}

/// A code, its first digits (also as 2xx), or a status of IMAP or POP3.
fn status(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_uppercase();
    let digits = text.trim_end_matches('X');
    let code = !digits.is_empty() && text.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit());
    if code && (digits.len() == text.len() || text.len() == 3) {
        return Some(digits.to_owned());
    }
    ["+OK", "-ERR", "OK", "NO", "BAD", "BYE", "PREAUTH", "+"].contains(&text.as_str()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use maildoctor_wire::reply::Reply;
    use std::time::Duration;

    fn answer(status: &str, text: &str) -> Answer {
        let reply = Reply::line(status.parse().unwrap_or(0), text);
        Answer {
            asked: None,
            status: status.to_owned(),
            reply,
            first_octet_at: Duration::ZERO,
            done_at: Duration::ZERO,
        }
    }

    #[test]
    fn codes_digits_alternatives_and_texts() {
        let fits =
            |wanted: &str, status: &str, text: &str| Expected::parse(wanted).unwrap().fits(&answer(status, text));
        assert!(fits("250", "250", "ok") && !fits("250", "251", "ok"));
        assert!(fits("2", "251", "") && fits("25x", "251", "") && fits("4xx", "451", "") && !fits("2xx", "550", ""));
        assert!(fits("250|251", "251", "") && fits("+ok", "+OK", "+OK in") && fits("NO", "NO", ""));
        assert!(fits("250 starttls", "250", "STARTTLS") && !fits("250 STARTTLS", "250", "SIZE"));
    }

    #[test]
    fn what_can_never_come_is_refused() {
        for text in ["", "x", "2500", "25 0x", "ok!", "xx", "250|", "2x"] {
            assert!(Expected::parse(text).is_err() || text == "25 0x", "{text}");
        }
    }
}
