//! Enhanced status codes (RFC 3463), as RFC 2034 puts them before the text and qmail behind it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::reply::Reply;

/// `class.subject.detail`, such as 5.7.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedCode(pub u16, pub u16, pub u16);

impl EnhancedCode {
    /// The code of a reply: at the head of its first or last line, or at the end as `(#5.7.0)`. A code
    /// whose class contradicts the reply's is not one.
    pub fn of(reply: &Reply) -> Option<Self> {
        let heads =
            reply.lines.iter().filter_map(|line| line.split([' ', ':']).next()).filter_map(|word| word.parse().ok());
        let tails = reply.lines.iter().rev().filter_map(|line| {
            let (_, tail) = line.rsplit_once("(#")?;
            tail.split_once(')')?.0.parse().ok()
        });
        heads.chain(tails).find(|code: &Self| code.0 == reply.class())
    }

    /// Subject and detail without the class: `(7, 1)` for 5.7.1 and 4.7.1 alike.
    pub fn kind(self) -> (u16, u16) {
        (self.1, self.2)
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl FromStr for EnhancedCode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.trim_matches(['(', ')', '#', '[', ']']).splitn(3, '.').map(|part| {
            let digits = !part.is_empty() && part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        });
        match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten()) {
            (Some(class @ (2 | 4 | 5)), Some(subject), Some(detail)) => Ok(Self(class, subject, detail)),
            _ => Err(()),
        }
    }
}

impl Serialize for EnhancedCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EnhancedCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|()| serde::de::Error::custom("no enhanced status code"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: u16, text: &str) -> Option<String> {
        Reply::line(code, text).enhanced().map(|e| e.to_string())
    }

    #[test]
    fn at_the_head_or_at_the_end() {
        assert_eq!(of(550, "5.1.1 <anna@example.org>: Recipient address rejected").as_deref(), Some("5.1.1"));
        assert_eq!(of(535, "authorization failed (#5.7.0)").as_deref(), Some("5.7.0"));
        assert_eq!(of(535, "5.7.139 Authentication unsuccessful").as_deref(), Some("5.7.139"));
    }

    #[test]
    fn an_address_or_a_version_is_none() {
        assert_eq!(of(554, "192.0.2.1 is blocked"), None);
        assert_eq!(of(250, "5.7.1 of another class"), None);
        assert_eq!(of(550, "5.1 too short"), None);
    }
}
