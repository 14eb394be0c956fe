//! What a server says it can do (RFC 5321 section 4.1.1.1).

use std::collections::BTreeMap;

use crate::reply::{Flaw, Reply};

/// The capabilities of a whole EHLO reply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// The name in the first line.
    pub greeting: String,
    /// Keyword in upper case → parameters, in the order of the reply. `AUTH` holds the mechanisms of the
    /// standard form alone.
    keywords: BTreeMap<String, Vec<String>>,
    /// The mechanisms of an old `AUTH=` line.
    legacy_auth: Vec<String>,
}

impl Capabilities {
    /// Reads a 250 reply to EHLO; `None` for any other.
    pub fn of(reply: &Reply) -> Option<Self> {
        // What was cut off lists only a part: nothing may be said to be missing in it.
        if reply.code != 250 || reply.flaws.contains(&Flaw::Endless) {
            return None;
        }
        let mut lines = reply.lines.iter();
        let mut out = Self {
            greeting: lines.next().and_then(|line| line.split_whitespace().next()).unwrap_or_default().to_owned(),
            ..Self::default()
        };
        for line in lines {
            let mut words = line.split_whitespace();
            let Some(keyword) = words.next() else {
                continue;
            };
            let parameters = words.map(str::to_ascii_uppercase);
            let keyword = keyword.to_ascii_uppercase();
            if let Some(first) = keyword.strip_prefix("AUTH=") {
                out.legacy_auth.extend((!first.is_empty()).then(|| first.to_owned()).into_iter().chain(parameters));
            } else {
                out.keywords.entry(keyword).or_default().extend(parameters);
            }
        }
        Some(out)
    }

    /// Whether a keyword is offered, in any case.
    pub fn offers(&self, keyword: &str) -> bool {
        self.keywords.contains_key(&keyword.to_ascii_uppercase())
    }

    /// The parameters of a keyword.
    pub fn parameters(&self, keyword: &str) -> &[String] {
        self.keywords.get(&keyword.to_ascii_uppercase()).map(Vec::as_slice).unwrap_or_default()
    }

    /// The mechanisms of `AUTH` and `AUTH=` together, each once, in upper case.
    pub fn mechanisms(&self) -> Vec<&str> {
        let mut out: Vec<&str> = Vec::new();
        for mechanism in self.parameters("AUTH").iter().chain(&self.legacy_auth) {
            if !out.contains(&mechanism.as_str()) {
                out.push(mechanism);
            }
        }
        out
    }

    /// Whether AUTH is announced in the old form only.
    pub fn auth_in_old_form_only(&self) -> bool {
        !self.legacy_auth.is_empty() && !self.offers("AUTH")
    }

    /// The limit of RFC 1870 in octets; `Some(0)` is no limit, `None` no announcement.
    pub fn size_limit(&self) -> Option<u64> {
        if !self.offers("SIZE") {
            return None;
        }
        Some(self.parameters("SIZE").first().and_then(|n| n.parse().ok()).unwrap_or(0))
    }

    /// Keywords that something on the way has turned into X's: `XXXXXXXA`, `XXXXXXXX`.
    pub fn masked(&self) -> Vec<&str> {
        self.keywords.keys().map(String::as_str).filter(|k| is_masked(k)).collect()
    }

    /// Whether a masked keyword has the length of STARTTLS.
    pub fn starttls_masked(&self) -> bool {
        self.masked().iter().any(|k| k.len() == "STARTTLS".len())
    }

    /// Every keyword, in alphabetical order.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        self.keywords.keys().map(String::as_str)
    }
}

/// At least three X's and at most one other letter at the end, as PIX and ASA firewalls leave it.
fn is_masked(keyword: &str) -> bool {
    let xs = keyword.trim_start_matches('X');
    keyword.len() - xs.len() >= 3 && xs.len() <= 1 && xs.bytes().all(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(lines: &[&str]) -> Capabilities {
        let lines = lines.iter().map(|l| (*l).to_owned()).collect();
        Capabilities::of(&Reply { code: 250, lines, flaws: vec![] }).unwrap()
    }

    #[test]
    fn keywords_parameters_and_old_auth() {
        let c = of(&["mx.example.org Hello", "SIZE 10240000", "auth plain LOGIN", "AUTH=PLAIN CRAM-MD5", "STARTTLS"]);
        assert_eq!(c.greeting, "mx.example.org");
        assert_eq!(c.size_limit(), Some(10_240_000));
        assert_eq!(c.mechanisms(), ["PLAIN", "LOGIN", "CRAM-MD5"]);
        assert!(c.offers("starttls") && !c.auth_in_old_form_only());
        assert!(of(&["mx", "AUTH=LOGIN"]).auth_in_old_form_only());
    }

    #[test]
    fn what_a_firewall_masked() {
        let c = of(&["mx", "XXXXXXXA", "XXXX", "X-EXPS", "XCLIENT", "XXXB"]);
        assert_eq!(c.masked(), ["XXXB", "XXXX", "XXXXXXXA"]);
        assert!(c.starttls_masked());
    }

    proptest! {
        #[test]
        fn any_lines_can_be_read(lines in proptest::collection::vec(".{0,40}", 0..10)) {
            let c = Capabilities::of(&Reply { code: 250, lines, flaws: vec![] }).unwrap();
            let _ = (c.mechanisms(), c.masked(), c.size_limit());
        }
    }
}
