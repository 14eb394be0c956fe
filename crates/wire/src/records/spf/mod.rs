//! SPF records (RFC 7208): what they say, and where they say it wrongly.
//!
//! [`Record::parse`] reads one record. [`evaluate`] and [`tree`] work on records and the answers of the DNS;
//! what they still need to know they name as [`Ask`]s.

pub mod evaluate;
mod macros;
pub mod tree;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::{Flaw, MAX_RECORD};

pub use evaluate::{Evaluated, Identity, Verdict, evaluate};
pub use macros::DomainSpec;
pub use tree::{Node, Tree, tree};

/// The terms with lookups that one evaluation may need (RFC 7208 section 4.6.4).
pub const MAX_LOOKUPS: usize = 10;

/// The lookups that may come back with nothing (RFC 7208 section 4.6.4).
pub const MAX_VOID: usize = 2;

/// The exchangers of one `mx`, and the names of one `ptr`, that are looked at (RFC 7208 section 4.6.4).
pub const MAX_NAMES: usize = 10;

/// The kinds of records that SPF asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AskType {
    /// Policies and explanations.
    Txt,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail exchangers.
    Mx,
    /// The names of an address.
    Ptr,
}

/// A question to the DNS that must be answered first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ask {
    /// The name, without final dot.
    pub name: String,
    /// Which records.
    #[serde(rename = "type")]
    pub rtype: AskType,
}

impl Ask {
    fn new(name: &str, rtype: AskType) -> Self {
        Self { name: name.trim_end_matches('.').to_owned(), rtype }
    }
}

/// What the DNS said. A name that does not exist, and one without such records, are an empty list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The TXT records, each with its strings joined.
    Texts(Vec<String>),
    /// The addresses.
    Addresses(Vec<IpAddr>),
    /// The exchangers, or the names of an address; a null MX is no name.
    Names(Vec<String>),
    /// No answer that tells: SERVFAIL, silence.
    Failed,
}

/// What answers are looked up in: `None` for what was not asked yet.
pub type Answers<'a> = &'a dyn Fn(&Ask) -> Option<Answer>;

/// What a directive does when its mechanism matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Qualifier {
    /// `+`: the sender may.
    Pass,
    /// `-`: it may not.
    Fail,
    /// `~`: it probably may not.
    SoftFail,
    /// `?`: nothing is said.
    Neutral,
}

/// The prefix lengths of `a` and `mx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefixes {
    /// For IPv4.
    pub v4: u8,
    /// For IPv6.
    pub v6: u8,
}

/// What a sender is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mechanism {
    /// Everybody.
    All,
    /// Whoever another domain's record lets pass.
    Include(DomainSpec),
    /// The addresses of a name; the domain's own where there is none.
    A(Option<DomainSpec>, Prefixes),
    /// The addresses of the exchangers of a name.
    Mx(Option<DomainSpec>, Prefixes),
    /// The reverse name of the sender.
    Ptr(Option<DomainSpec>),
    /// An IPv4 network.
    Ip4(Ipv4Addr, u8),
    /// An IPv6 network.
    Ip6(Ipv6Addr, u8),
    /// Whether a name has an address.
    Exists(DomainSpec),
}

/// A part of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// A mechanism and what follows from it.
    Directive(Qualifier, Mechanism),
    /// Another domain's record in place of this one's end.
    Redirect(DomainSpec),
    /// Where the explanation of a refusal stands.
    Exp(DomainSpec),
    /// A modifier that nobody needs to know.
    Unknown,
}

/// One term of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Where it begins, in octets from 0.
    pub at: usize,
    /// As it was written.
    pub text: String,
    /// What it means.
    pub meaning: Meaning,
}

impl Term {
    /// Whether it costs one of the [`MAX_LOOKUPS`].
    pub fn looks_up(&self) -> bool {
        match &self.meaning {
            Meaning::Directive(_, mechanism) => {
                !matches!(mechanism, Mechanism::All | Mechanism::Ip4(..) | Mechanism::Ip6(..))
            }
            Meaning::Redirect(_) => true,
            Meaning::Exp(_) | Meaning::Unknown => false,
        }
    }
}

/// A record as it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The terms that can be read, in order.
    pub terms: Vec<Term>,
    /// What cannot; with any of them the whole record is void (RFC 7208 section 4.6).
    pub flaws: Vec<Flaw>,
}

/// Whether a TXT record is one of SPF (RFC 7208 section 4.5).
pub fn is_spf(text: &str) -> bool {
    text.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("v=spf1"))
        && text.get(6..).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

impl Record {
    /// Reads the text of a record of which [`is_spf`] is true.
    pub fn parse(text: &str) -> Self {
        let mut out = Self { terms: Vec::new(), flaws: Vec::new() };
        if text.len() > MAX_RECORD {
            out.flaws.push(Flaw::new(text, 0, "the record is longer than a TXT record can be"));
            return out;
        }
        let mut at = text.len().min(6);
        for word in text.get(at..).unwrap_or_default().split(' ') {
            if !word.is_empty() {
                match meaning(word) {
                    Ok(meaning) => out.add(text, Term { at, text: word.to_owned(), meaning }),
                    Err((offset, what)) => out.flaws.push(Flaw::new(text, at + offset, what)),
                }
            }
            at += word.len() + 1;
        }
        out
    }

    /// Takes a term in, unless it is a modifier that may stand once only (RFC 7208 section 6).
    fn add(&mut self, text: &str, term: Term) {
        let twice = match term.meaning {
            Meaning::Redirect(_) => self.redirect().is_some().then_some("redirect="),
            Meaning::Exp(_) => self.exp().is_some().then_some("exp="),
            _ => None,
        };
        match twice {
            Some(name) => self.flaws.push(Flaw::new(text, term.at, format!("{name} stands more than once"))),
            None => self.terms.push(term),
        }
    }

    /// The directives in order: term, qualifier and mechanism.
    pub fn directives(&self) -> impl Iterator<Item = (&Term, Qualifier, &Mechanism)> {
        self.terms.iter().filter_map(|term| match &term.meaning {
            Meaning::Directive(qualifier, mechanism) => Some((term, *qualifier, mechanism)),
            _ => None,
        })
    }

    /// Where the record goes on, unless it ends in `all`.
    pub fn redirect(&self) -> Option<&DomainSpec> {
        self.terms.iter().find_map(|term| if let Meaning::Redirect(to) = &term.meaning { Some(to) } else { None })
    }

    /// Where the explanation stands.
    pub fn exp(&self) -> Option<&DomainSpec> {
        self.terms.iter().find_map(|term| if let Meaning::Exp(at) = &term.meaning { Some(at) } else { None })
    }

    /// The qualifier of the first `all`.
    pub fn all(&self) -> Option<Qualifier> {
        self.directives().find(|(_, _, mechanism)| **mechanism == Mechanism::All).map(|(_, qualifier, _)| qualifier)
    }
}

/// A term's meaning, or where in the word it goes wrong and how.
fn meaning(word: &str) -> Result<Meaning, (usize, String)> {
    let name_end = word.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(word.len());
    let (name, rest) = word.split_at(name_end);
    if let Some(value) = rest.strip_prefix('=') {
        return modifier(name, value);
    }
    let (qualifier, body) = match word.chars().next() {
        Some('+') => (Qualifier::Pass, word.get(1..)),
        Some('-') => (Qualifier::Fail, word.get(1..)),
        Some('~') => (Qualifier::SoftFail, word.get(1..)),
        Some('?') => (Qualifier::Neutral, word.get(1..)),
        _ => (Qualifier::Pass, Some(word)),
    };
    let body = body.unwrap_or_default();
    let skipped = word.len() - body.len();
    mechanism(body)
        .map(|mechanism| Meaning::Directive(qualifier, mechanism))
        .map_err(|(offset, what)| (skipped + offset, what))
}

fn modifier(name: &str, value: &str) -> Result<Meaning, (usize, String)> {
    let begins = name.len() + 1;
    let shifted = |(offset, what): (usize, String)| (begins + offset, what);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err((0, format!("`{name}=` is no modifier: a name begins with a letter")));
    }
    match name.to_ascii_lowercase().as_str() {
        "redirect" => DomainSpec::parse(value).map(Meaning::Redirect).map_err(shifted),
        "exp" => DomainSpec::parse(value).map(Meaning::Exp).map_err(shifted),
        _ => macros::check_string(value).map(|()| Meaning::Unknown).map_err(shifted),
    }
}

fn mechanism(body: &str) -> Result<Mechanism, (usize, String)> {
    let end = body.find([':', '/']).unwrap_or(body.len());
    let (name, rest) = body.split_at(end);
    let value = rest.strip_prefix(':');
    let begins = end + 1;
    let shifted = |(offset, what): (usize, String)| (begins + offset, what);
    let needed = |what: &str| value.ok_or_else(|| (0, format!("`{name}` needs {what} after a colon")));
    match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Ok(Mechanism::All),
        "all" => Err((end, "nothing may follow `all`".to_owned())),
        "include" => DomainSpec::parse(needed("a domain")?).map(Mechanism::Include).map_err(shifted),
        "exists" => DomainSpec::parse(needed("a domain")?).map(Mechanism::Exists).map_err(shifted),
        "a" => target(rest, end).map(|(name, prefixes)| Mechanism::A(name, prefixes)),
        "mx" => target(rest, end).map(|(name, prefixes)| Mechanism::Mx(name, prefixes)),
        "ptr" if rest.is_empty() => Ok(Mechanism::Ptr(None)),
        "ptr" => DomainSpec::parse(needed("a domain")?).map(|d| Mechanism::Ptr(Some(d))).map_err(shifted),
        "ip4" => network(needed("an address")?, 32).map(|(ip, n)| Mechanism::Ip4(ip, n)).map_err(shifted),
        "ip6" => network(needed("an address")?, 128).map(|(ip, n)| Mechanism::Ip6(ip, n)).map_err(shifted),
        _ => Err((0, unknown(name))),
    }
}

/// What to say of a word that is no mechanism; common slips are named.
fn unknown(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "ip" | "ipv4" => format!("`{name}` is no mechanism; an IPv4 address is written `ip4:`"),
        "ipv6" => format!("`{name}` is no mechanism; an IPv6 address is written `ip6:`"),
        "includes" => format!("`{name}` is no mechanism; it is written `include:`"),
        _ if name.parse::<Ipv4Addr>().is_ok() => format!("`{name}` stands alone; an address is written `ip4:{name}`"),
        _ => format!("`{name}` is no mechanism of SPF"),
    }
}

/// What follows `a` and `mx`: `[:domain][/n][//m]`; `at` is where it begins in the word.
fn target(rest: &str, at: usize) -> Result<(Option<DomainSpec>, Prefixes), (usize, String)> {
    let cut = prefix_start(rest);
    let (name, prefix) = rest.split_at(cut);
    let domain = match name.strip_prefix(':') {
        Some(spec) => Some(DomainSpec::parse(spec).map_err(|(offset, what)| (at + 1 + offset, what))?),
        None => None,
    };
    let mut out = Prefixes { v4: 32, v6: 128 };
    let (four, six) = match prefix.find("//") {
        Some(place) => (prefix.get(..place).unwrap_or_default(), prefix.get(place + 2..)),
        None => (prefix, None),
    };
    let wrong = |text: &str, most: u8| (at + cut, format!("`{text}` is no prefix length between 0 and {most}"));
    if let Some(text) = four.strip_prefix('/') {
        out.v4 = prefix_length(text, 32).ok_or_else(|| wrong(text, 32))?;
    }
    if let Some(text) = six {
        out.v6 = prefix_length(text, 128).ok_or_else(|| wrong(text, 128))?;
    }
    Ok((domain, out))
}

/// Where `/n//m` at the end begins. A slash may also stand in a domain-spec, and within a macro.
fn prefix_start(rest: &str) -> usize {
    let digits = |text: &str| text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    if rest.starts_with('/') {
        return 0;
    }
    let end = rest.len();
    let last = digits(rest);
    let Some(before) = rest.get(..last).and_then(|t| t.strip_suffix('/')) else { return end };
    match before.strip_suffix('/') {
        // `//m`, perhaps with `/n` before it.
        Some(before) => {
            let n = digits(before);
            match before.get(..n).and_then(|t| t.strip_suffix('/')) {
                Some(name) if n < before.len() => name.len(),
                _ => before.len(),
            }
        }
        None => before.len(),
    }
}

fn prefix_length(text: &str, most: u8) -> Option<u8> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|&n: &u8| plain && n <= most)
}

/// `address[/n]`.
fn network<A: std::str::FromStr>(value: &str, most: u8) -> Result<(A, u8), (usize, String)> {
    let (address, prefix) = match value.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (value, None),
    };
    let kind = if most == 32 { "IPv4" } else { "IPv6" };
    let ip = address.parse().map_err(|_| (0, format!("`{address}` is no {kind} address")))?;
    match prefix {
        None => Ok((ip, most)),
        Some(text) => prefix_length(text, most)
            .map(|n| (ip, n))
            .ok_or_else(|| (address.len() + 1, format!("`{text}` is no prefix length between 0 and {most}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flaws(text: &str) -> Vec<(usize, String)> {
        Record::parse(text).flaws.into_iter().map(|f| (f.at, f.what)).collect()
    }

    #[test]
    fn a_usual_record_is_read() {
        let record =
            Record::parse("v=spf1 ip4:192.0.2.0/24 a:mail.example.org/28//64 mx include:_spf.example.net ~all");
        assert!(record.flaws.is_empty() && record.terms.len() == 5);
        assert_eq!(record.all(), Some(Qualifier::SoftFail));
        assert_eq!(record.terms.iter().filter(|t| t.looks_up()).count(), 3);
    }

    #[test]
    fn slips_are_named_with_their_places() {
        for (text, at, what) in [
            ("v=spf1 ip4:192.0.2.256 -all", 12, "no IPv4 address"),
            ("v=spf1 ip4:192.0.2.0/33 -all", 22, "prefix length"),
            ("v=spf1 ipv4:192.0.2.1 -all", 8, "`ip4:`"),
            ("v=spf1 192.0.2.1 -all", 8, "`ip4:192.0.2.1`"),
            ("v=spf1 include:_spf.example -all -al", 35, "no mechanism"),
            ("v=spf1 include -all", 8, "needs a domain"),
            ("v=spf1 a:%{x}.example -all", 10, "macro"),
            ("v=spf1 redirect=a.example redirect=b.example", 27, "more than once"),
            ("v=spf1 mx -all;", 12, "no mechanism"),
            ("v=spf1 a/33 -all", 9, "prefix length"),
        ] {
            let found = flaws(text);
            assert!(found.iter().any(|(place, said)| *place == at && said.contains(what)), "{text}: {found:?}");
        }
    }

    #[test]
    fn every_flaw_of_a_record_is_told() {
        assert_eq!(flaws("v=spf1 foo ip4:x bar -all").len(), 3);
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in ".{0,200}") {
            let whole = format!("v=spf1 {text}");
            for term in Record::parse(&whole).terms {
                let here = whole.get(term.at..).unwrap_or_default();
                prop_assert!(here.starts_with(&term.text), "{} in {}", term.text, whole);
            }
        }

        #[test]
        fn terms_of_the_grammar_are_taken(n in 0_u8..=32, m in 0_u8..=128, label in "[a-z][a-z0-9]{0,10}") {
            let text = format!("v=spf1 a:{label}.example/{n}//{m} mx/{n} ip4:192.0.2.1/{n} ?exists:%{{ir}}.{label}.example -all");
            prop_assert!(Record::parse(&text).flaws.is_empty(), "{text}");
        }

        #[test]
        fn an_evaluation_ends_whatever_the_dns_says(policy in "( ?(a|mx|ptr|[+?~-]all|include:x.example|exists:%\\{i\\}.x.example|redirect=x.example)){0,14}") {
            let text = format!("v=spf1 {policy}");
            let answers = |ask: &Ask| Some(match ask.rtype {
                AskType::Txt => Answer::Texts(vec![text.clone()]),
                AskType::A | AskType::Aaaa => Answer::Addresses(Vec::new()),
                AskType::Mx | AskType::Ptr => Answer::Names(vec!["x.example".to_owned()]),
            });
            let who = Identity { ip: "192.0.2.1".parse().unwrap(), helo: "x.example", mail_from: "a@x.example" };
            prop_assert!(evaluate(&who, &answers).is_ok());
            prop_assert!(tree("x.example", &answers).is_ok());
        }
    }
}
