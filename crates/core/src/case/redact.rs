//! A case without the names and addresses of the people it came from, and with the same diagnosis.
//!
//! Each name and address becomes another of its kind, the same one everywhere. Public addresses become
//! addresses of the ranges kept for benchmarks (RFC 2544, RFC 5180), private ones stay private. Certificates,
//! whole DNS messages and fetched policies are left out, for names stand in them: what rests on them becomes unknown.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use maildoctor_wire::rdns;
use serde_json::Value;

use super::{Case, CaseError};
use crate::subject::Subject;

/// Words such as `example.org.` that stand for a name are found by this: letters, digits and what joins them.
fn joins(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '@' | '+' | '%')
}

#[derive(Default)]
struct Names {
    names: HashMap<String, String>,
    locals: HashMap<String, String>,
    addresses: HashMap<IpAddr, IpAddr>,
}

impl Case {
    /// The case with names and addresses replaced.
    ///
    /// # Errors
    /// [`CaseError`] where the case cannot be written and read back.
    pub fn redacted(&self) -> Result<Case, CaseError> {
        let mut names = Names::default();
        for observation in &self.observations {
            match &observation.subject {
                Subject::Domain(d) => names.learn(d.as_str()),
                Subject::Host(h) => names.learn(h.as_str()),
                _ => {}
            }
            learn_from(&observation.outcome, &mut names);
        }
        let sender = self.terms.outbound.as_ref().map(|outbound| &outbound.domain);
        for domain in self.target.domain.iter().chain(sender) {
            names.learn(domain);
        }
        let mut value = serde_json::to_value(self)?;
        replace(&mut value, &mut names);
        Case::from_json(&value.to_string())
    }
}

/// Learns host names from the fields in which probes keep them.
fn learn_from(value: &Value, names: &mut Names) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match (key.as_str(), inner) {
                    (
                        "name" | "exchange" | "host" | "target" | "primary" | "server_name" | "signer",
                        Value::String(name),
                    ) => {
                        names.learn(name);
                    }
                    _ => learn_from(inner, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| learn_from(item, names)),
        _ => {}
    }
}

fn replace(value: &mut Value, names: &mut Names) {
    match value {
        Value::String(text) => *text = names.in_text(text),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, names)),
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                match key.as_str() {
                    "chain" => *inner = Value::Array(Vec::new()),
                    "raw" | "body" => *inner = Value::Null,
                    "probe" | "schema" | "tool" | "started_at" | "phase" | "result" | "type" => {}
                    _ => replace(inner, names),
                }
            }
        }
        _ => {}
    }
}

/// Splits what services put before a domain (`_dmarc.`, `2026a._domainkey.`) from the domain itself.
fn below(name: &str) -> (&str, &str) {
    let labels = name.match_indices("._").map(|(at, _)| at + 1).chain(name.starts_with('_').then_some(0));
    let end = labels.max().and_then(|last| name.get(last..)?.find('.').map(|dot| last + dot + 1)).unwrap_or(0);
    name.split_at_checked(end).unwrap_or(("", name))
}

/// Whether a word before a colon is the kind of what follows, and no part of an address.
fn is_kind(word: &str) -> bool {
    let word = word.strip_prefix(['+', '-']).unwrap_or(word);
    word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.chars().all(|c| c.is_ascii_alphanumeric())
}

impl Names {
    fn learn(&mut self, name: &str) {
        let name = below(name.trim_end_matches('.')).1.to_ascii_lowercase();
        if name.contains('.')
            && name.parse::<IpAddr>().is_err()
            && !name.ends_with(".arpa")
            && !self.names.contains_key(&name)
        {
            let number = self.names.len() + 1;
            self.names.insert(name, format!("name{number}.redacted.example"));
        }
    }

    fn in_text(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let word_end = rest.find(|c| !joins(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(word_end);
            out.push_str(&self.word(word));
            let gap_end = after.find(joins).unwrap_or(after.len());
            let (gap, next) = after.split_at(gap_end);
            out.push_str(gap);
            rest = next;
        }
        out
    }

    fn word(&mut self, word: &str) -> String {
        if let Some((local, domain)) = word.split_once('@').filter(|(l, d)| !l.is_empty() && !d.is_empty()) {
            let number = self.locals.len() + 1;
            let known = ["postmaster", "abuse"].contains(&local);
            let (kind, bare) = local.split_once(':').map_or(("", local), |(k, b)| (k, b));
            let local = if known {
                bare.to_owned()
            } else {
                self.locals.entry(bare.to_owned()).or_insert_with(|| format!("user{number}")).clone()
            };
            let separator = if kind.is_empty() { "" } else { ":" };
            return format!("{kind}{separator}{local}@{}", self.word(domain));
        }
        if let Ok(address) = word.parse::<IpAddr>() {
            return self.address(address).to_string();
        }
        // `service:192.0.2.1:25`, `foreign:192.0.2.1:53`, and SPF's `a:mail.example.org` and `-ip4:192.0.2.1`.
        if let Some((kind, value)) = word.split_once(':').filter(|(k, _)| is_kind(k)) {
            return format!("{kind}:{}", self.word(value));
        }
        // Behind a macro of SPF: `%{i}._spf.example.org`.
        if let Some(rest) = word.strip_prefix('.') {
            return format!(".{}", self.word(rest));
        }
        if let Some((address, port)) = word.rsplit_once(':').and_then(|(a, p)| Some((a.parse::<Ipv4Addr>().ok()?, p))) {
            return format!("{}:{port}", self.address(address.into()));
        }
        if let Some(address) = rdns::parse_ptr(word) {
            return rdns::ptr_name(self.address(address));
        }
        let (service, word) = below(word);
        let bare = word.trim_end_matches('.');
        match self.names.get(&bare.to_ascii_lowercase()) {
            Some(other) => format!("{service}{other}{}", word.get(bare.len()..).unwrap_or_default()),
            None => format!("{service}{word}"),
        }
    }

    fn address(&mut self, address: IpAddr) -> IpAddr {
        if address.is_loopback() || address.is_unspecified() {
            return address;
        }
        let number = u32::try_from(self.addresses.len() + 1).unwrap_or(u32::MAX) & 0xffff;
        let private = rdns::is_private(address);
        *self.addresses.entry(address).or_insert_with(|| match (address, private) {
            (IpAddr::V4(_), false) => Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + number).into(),
            (IpAddr::V4(_), true) => Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + number).into(),
            (IpAddr::V6(_), false) => {
                Ipv6Addr::from(u128::from(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0)) + u128::from(number)).into()
            }
            (IpAddr::V6(_), true) => {
                Ipv6Addr::from(u128::from(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0)) + u128::from(number)).into()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_becomes_the_same_everywhere() {
        let mut names = Names::default();
        names.learn("mx1.example.org");
        let text = names.in_text(
            "550 <anna@mx1.example.org> at mx1.example.org (203.0.113.9), service:8.8.8.8:25, foreign:8.8.8.8:53",
        );
        assert!(!text.contains("example.org>") && !text.contains("anna") && !text.contains("8.8.8.8"), "{text}");
        assert_eq!(text.matches("name1.redacted.example").count(), 2);
        assert_eq!(text.matches("198.18.0.").count(), 2);
    }

    #[test]
    fn what_stands_below_a_domain_stays_below_it() {
        let mut names = Names::default();
        names.learn("default._domainkey.example.org");
        names.learn("example.org");
        assert_eq!(names.word("_dmarc.example.org"), "_dmarc.name1.redacted.example");
        assert_eq!(
            names.word("example.net._report._dmarc.example.org"),
            "example.net._report._dmarc.name1.redacted.example"
        );
        let spf = names
            .in_text("v=spf1 a:example.org ?exists:%{i}._spf.example.org -ip4:203.0.113.0/24 ip6:2001:db8:1::/48 -all");
        assert!(spf.contains("a:name1.redacted.example") && spf.contains("%{i}._spf.name1.redacted.example"), "{spf}");
        assert!(!spf.contains("203.0.113") && !spf.contains("db8:1::"), "{spf}");
        assert_eq!(names.word("mailto:anna@example.org"), "mailto:user1@name1.redacted.example");
    }

    #[test]
    fn private_stays_private_and_loopback_itself() {
        let mut names = Names::default();
        assert!(names.word("192.168.1.1").starts_with("10."));
        assert_eq!(names.word("127.0.0.1:25"), "127.0.0.1:25");
    }
}
