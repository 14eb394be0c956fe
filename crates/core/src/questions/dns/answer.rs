//! How a lookup reads: what a whole answer says, and what came in the place of one.

use std::net::IpAddr;

use super::record::{Data, Record, same_name};
use super::wire::{DnsResult, DnsWire};

/// The longest chain of aliases that is followed within one answer.
const MAX_ALIASES: usize = 16;

/// How a lookup reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// The wire facts.
    pub wire: DnsWire,
}

/// An answer from which absence can be told: NOERROR or NXDOMAIN, whole.
#[derive(Debug, Clone, Copy)]
pub struct Definite<'a> {
    /// The name does not exist at all.
    pub nxdomain: bool,
    /// The answer section.
    pub answers: &'a [Record],
    /// The name that was asked for.
    pub name: &'a str,
    /// Authenticated data.
    pub ad: bool,
}

impl Dns {
    /// The answer, where it is one from which presence and absence can be told.
    pub fn definite(&self) -> Option<Definite<'_>> {
        match &self.wire.result {
            DnsResult::Answered { rcode, answers, ad, .. } if rcode == "NOERROR" || rcode == "NXDOMAIN" => {
                Some(Definite { nxdomain: rcode == "NXDOMAIN", answers, name: &self.wire.name, ad: *ad })
            }
            _ => None,
        }
    }

    /// The RCODE, where a whole message came.
    pub fn rcode(&self) -> Option<&str> {
        match &self.wire.result {
            DnsResult::Answered { rcode, .. } => Some(rcode),
            _ => None,
        }
    }

    /// Whether the server was silent to the limit, or not to be reached at all.
    pub fn unanswered(&self) -> bool {
        matches!(self.wire.result, DnsResult::Silent { .. } | DnsResult::Unreachable { .. })
    }

    /// What came of it, in a few words for a person.
    pub fn in_words(&self) -> String {
        match &self.wire.result {
            DnsResult::Answered { rcode, answers, .. } if rcode == "NOERROR" && answers.is_empty() => {
                "no such record".to_owned()
            }
            DnsResult::Answered { rcode, .. } => rcode.clone(),
            DnsResult::Truncated { tcp } => format!("truncated, and TCP failed: {tcp}"),
            DnsResult::Silent { waited_ms } => format!("no answer within {waited_ms} ms"),
            DnsResult::Garbage { flaw } => format!("an unusable answer: {flaw}"),
            DnsResult::Unreachable { error } => format!("not reachable: {error}"),
        }
    }
}

impl<'a> Definite<'a> {
    /// The name at the end of the chain of aliases in the answer.
    pub fn final_name(&self) -> &'a str {
        let mut name = self.name;
        for _ in 0..MAX_ALIASES {
            let next = self.answers.iter().find_map(|r| match &r.data {
                Data::Cname { target } if same_name(&r.name, name) => Some(target.as_str()),
                _ => None,
            });
            match next {
                Some(target) => name = target,
                None => break,
            }
        }
        name
    }

    /// The target of the alias that stands at the name itself.
    pub fn alias(&self) -> Option<&'a str> {
        let last = self.final_name();
        (!same_name(last, self.name)).then_some(last)
    }

    /// The MX records: preference and host, the lowest preference first; an empty host is the null MX.
    pub fn mx(&self) -> Vec<(u16, &'a str)> {
        let mut found: Vec<_> = self
            .answers
            .iter()
            .filter_map(|r| match &r.data {
                Data::Mx { preference, exchange } => Some((*preference, exchange.as_str())),
                _ => None,
            })
            .collect();
        found.sort();
        found
    }

    /// The addresses, in order.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut found: Vec<IpAddr> = self
            .answers
            .iter()
            .filter_map(|r| match &r.data {
                Data::A { address } => Some((*address).into()),
                Data::Aaaa { address } => Some((*address).into()),
                _ => None,
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// The names a PTR question gave, in order.
    pub fn names(&self) -> Vec<&'a str> {
        self.answers
            .iter()
            .filter_map(|r| match &r.data {
                Data::Ptr { host } => Some(host.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The TXT records, each with its strings joined.
    pub fn texts(&self) -> Vec<&'a str> {
        self.answers
            .iter()
            .filter_map(|r| match &r.data {
                Data::Txt { text } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cname(name: &str, target: &str) -> Record {
        Record { name: name.into(), ttl: 60, data: Data::Cname { target: target.into() } }
    }

    #[test]
    fn aliases_are_followed_and_a_circle_of_them_ends() {
        let answers = [cname("a.example", "b.example"), cname("b.example", "A.example.")];
        let answer = Definite { nxdomain: false, answers: &answers, name: "a.example", ad: false };
        assert!(!answer.final_name().is_empty());
        let answers = [cname("a.example", "b.example")];
        let answer = Definite { nxdomain: false, answers: &answers, name: "A.example", ad: false };
        assert_eq!(answer.alias(), Some("b.example"));
    }
}
