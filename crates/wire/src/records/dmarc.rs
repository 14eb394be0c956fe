//! DMARC records (RFC 9989, before it RFC 7489) and the walk up the tree that finds them.

use serde::{Deserialize, Serialize};

use super::Flaw;
use super::tags::{Tags, addresses};

/// The questions of one walk up the tree (RFC 9989 section 4.10).
pub const MAX_WALK: usize = 8;

/// What receivers are asked to do with mail that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Nothing: reports only.
    None,
    /// Treat it as suspicious.
    Quarantine,
    /// Refuse it.
    Reject,
}

impl Policy {
    /// The word in the record.
    pub fn name(self) -> &'static str {
        match self {
            Policy::None => "none",
            Policy::Quarantine => "quarantine",
            Policy::Reject => "reject",
        }
    }

    fn of(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "none" => Some(Policy::None),
            "quarantine" => Some(Policy::Quarantine),
            "reject" => Some(Policy::Reject),
            _ => None,
        }
    }
}

/// A record as it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dmarc {
    /// `p=`; where it is missing or wrong and reports are asked for, `none` (RFC 9989 section 4.7).
    pub policy: Policy,
    /// `sp=`, for subdomains; `p=` where it is missing.
    pub subdomains: Policy,
    /// `np=`, for names that do not exist; `sp=` where it is missing.
    pub absent: Policy,
    /// DKIM must match the domain exactly.
    pub strict_dkim: bool,
    /// SPF must match the domain exactly.
    pub strict_spf: bool,
    /// `t=y`, or a `pct=` below 100: the policy is not wholly in force.
    pub partly: bool,
    /// `psd=`: `Some(true)` for a public suffix, `Some(false)` for the organisational domain itself.
    pub psd: Option<bool>,
    /// Where aggregate reports go.
    pub rua: Vec<String>,
    /// Where failure reports go.
    pub ruf: Vec<String>,
    /// What is wrong with it.
    pub flaws: Vec<Flaw>,
}

/// Whether a text begins as a DMARC record must: only those are policies (RFC 9989 section 4.10).
pub fn is_dmarc(text: &str) -> bool {
    let first = text.split(';').next().unwrap_or_default();
    let Some((name, value)) = first.split_once('=') else { return false };
    name.trim().eq_ignore_ascii_case("v") && value.trim() == "DMARC1"
}

/// Whether a text was meant to be a DMARC record and begins wrongly.
pub fn is_nearly_dmarc(text: &str) -> bool {
    let bare: String = text.chars().filter(|c| !c.is_whitespace() && *c != '"').take(8).collect();
    !is_dmarc(text) && bare.to_ascii_lowercase().starts_with("v=dmarc")
}

impl Dmarc {
    /// Reads a record.
    pub fn parse(text: &str) -> Self {
        let mut tags = Tags::parse(text);
        if !is_dmarc(text) {
            tags.flaw(0, "the record must begin with `v=DMARC1;`");
        }
        let one_of = "none, quarantine or reject";
        for name in ["p", "sp", "np"] {
            tags.hold(name, one_of, |v| Policy::of(v).is_some());
        }
        tags.hold("adkim", "r or s", |v| ["r", "s"].contains(&v.to_ascii_lowercase().as_str()));
        tags.hold("aspf", "r or s", |v| ["r", "s"].contains(&v.to_ascii_lowercase().as_str()));
        tags.hold("psd", "y, n or u", |v| ["y", "n", "u"].contains(&v.to_ascii_lowercase().as_str()));
        tags.hold("t", "y or n", |v| ["y", "n"].contains(&v.to_ascii_lowercase().as_str()));
        tags.hold("pct", "a number from 0 to 100", |v| v.parse::<u8>().is_ok_and(|n| n <= 100));
        tags.hold("fo", "a list of 0, 1, d and s", |v| {
            v.split(':').all(|part| ["0", "1", "d", "s"].contains(&part.trim().to_ascii_lowercase().as_str()))
        });
        let rua = addresses(&mut tags, "rua", &["mailto", "https", "http"]);
        let ruf = addresses(&mut tags, "ruf", &["mailto", "https", "http"]);
        if tags.get("p").is_none() && rua.is_empty() {
            tags.flaw(text.len(), "p= is missing, and so is rua=: the record asks for nothing");
        }
        let policy = tags.value("p").and_then(Policy::of).unwrap_or(Policy::None);
        let subdomains = tags.value("sp").and_then(Policy::of).unwrap_or(policy);
        let is = |name: &str, wanted: &str| tags.value(name).is_some_and(|v| v.eq_ignore_ascii_case(wanted));
        Self {
            policy,
            subdomains,
            absent: tags.value("np").and_then(Policy::of).unwrap_or(subdomains),
            strict_dkim: is("adkim", "s"),
            strict_spf: is("aspf", "s"),
            partly: is("t", "y") || tags.value("pct").and_then(|v| v.parse::<u8>().ok()).is_some_and(|n| n < 100),
            psd: if is("psd", "y") { Some(true) } else { is("psd", "n").then_some(false) },
            rua,
            ruf,
            flaws: tags.flaws,
        }
    }
}

/// The domains whose `_dmarc` name is asked, the domain itself first (RFC 9989 section 4.10): of a long name
/// only the last seven labels follow.
pub fn walk(domain: &str) -> Vec<String> {
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = domain.split('.').filter(|label| !label.is_empty()).collect();
    let first = if labels.len() > MAX_WALK { labels.len() - (MAX_WALK - 1) } else { 1 };
    let parents = (first..labels.len()).map(|from| labels.get(from..).unwrap_or_default().join("."));
    std::iter::once(labels.join(".")).chain(parents).filter(|name| !name.is_empty()).collect()
}

/// The organisational domain of the domain a walk began at (RFC 9989 section 4.10.2): `records` holds each
/// domain of the walk that has a policy, in the order of the walk.
pub fn organisational<'a>(start: &'a str, records: &'a [(String, Dmarc)]) -> &'a str {
    let mut out = start;
    for (domain, record) in records {
        match record.psd {
            Some(false) => return domain,
            // The domain one label below the public suffix; the start itself where that is the suffix.
            Some(true) if domain != start => return one_below(start, domain),
            _ => out = domain,
        }
    }
    out
}

/// Of `start`, the labels of `suffix` and one more.
fn one_below<'a>(start: &'a str, suffix: &str) -> &'a str {
    let Some(head) = start.strip_suffix(suffix).and_then(|head| head.strip_suffix('.')) else { return start };
    head.rfind('.').and_then(|dot| start.get(dot + 1..)).unwrap_or(start)
}

/// The host of a `mailto:` address, without a size limit behind it.
pub fn report_host(uri: &str) -> Option<&str> {
    let address = uri.split_once(':').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("mailto"))?.1;
    let (_, host) = address.rsplit_once('@')?;
    Some(host.split(['!', '?']).next().unwrap_or(host))
}

/// Whether a host belongs to an organisational domain.
pub fn belongs(host: &str, organisation: &str) -> bool {
    let (host, organisation) = (host.trim_end_matches('.').to_ascii_lowercase(), organisation.to_ascii_lowercase());
    host.strip_suffix(&organisation).is_some_and(|head| head.is_empty() || head.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with(domain: &str, text: &str) -> (String, Dmarc) {
        (domain.to_owned(), Dmarc::parse(text))
    }

    #[test]
    fn records_of_the_standard_are_read() {
        // RFC 9989 appendix B.2 has such records.
        let record = Dmarc::parse("v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com,mailto:x@third.example!10m");
        assert_eq!((record.policy, record.rua.len(), record.flaws.len()), (Policy::None, 2, 0));
        assert_eq!(report_host(&record.rua[1]), Some("third.example"));
        let record = Dmarc::parse("v=DMARC1; p=quarantine; aspf=r; adkim=s; sp=reject; np=none; t=y; fo=1:d");
        assert_eq!((record.subdomains, record.absent, record.partly), (Policy::Reject, Policy::None, true));
        assert!(record.strict_dkim && !record.strict_spf && record.flaws.is_empty());
    }

    #[test]
    fn faults_are_named_with_their_places() {
        for (text, at, what) in [
            ("v=DMARC1; p=block", 13, "not none, quarantine or reject"),
            ("v=DMARC1; sp=none", 18, "p= is missing"),
            ("v=DMARC1; p=none; p=reject", 19, "more than once"),
            ("v=DMARC1; p=none; rua=dmarc@example.org", 23, "mailto:"),
            ("v=DMARC1; p=none; pct=200", 23, "0 to 100"),
            ("p=none; v=DMARC1", 1, "must begin"),
            ("v=DMARC1; p=none rua=mailto:a@example.org", 13, "none, quarantine"),
            ("v=dmarc1; p=none", 1, "must begin"),
        ] {
            let record = Dmarc::parse(text);
            assert!(record.flaws.iter().any(|f| f.at == at && f.what.contains(what)), "{text}: {:?}", record.flaws);
        }
        assert!(
            is_nearly_dmarc("v=dmarc1; p=none")
                && is_nearly_dmarc("\"v=DMARC1; p=none\"")
                && !is_nearly_dmarc("v=spf1")
        );
    }

    #[test]
    fn the_walk_is_that_of_the_standard() {
        assert_eq!(walk("mail.Example.com."), ["mail.example.com", "example.com", "com"]);
        // RFC 9989 section 4.10: of ten labels the last seven come after the name itself.
        let long = walk("a.b.c.d.e.f.g.h.i.mail.example.com");
        assert_eq!((long.len(), long[1].as_str()), (8, "f.g.h.i.mail.example.com"));
        assert!(walk("").is_empty());
    }

    #[test]
    fn the_organisation_is_found() {
        let plain = [with("a.mail.example.com", "v=DMARC1; p=none"), with("example.com", "v=DMARC1; p=reject")];
        assert_eq!(organisational("a.mail.example.com", &plain), "example.com");
        let suffix = [with("bank.example", "v=DMARC1; p=none"), with("example", "v=DMARC1; p=reject; psd=y")];
        assert_eq!(organisational("www.bank.example", &suffix[1..]), "bank.example");
        assert_eq!(organisational("bank.example", &suffix), "bank.example");
        let stop = [with("mail.example.com", "v=DMARC1; p=none; psd=n"), with("example.com", "v=DMARC1; p=reject")];
        assert_eq!(organisational("a.mail.example.com", &stop), "mail.example.com");
        assert_eq!(organisational("nothing.example", &[]), "nothing.example");
    }

    #[test]
    fn reporters_of_the_same_organisation_need_no_leave() {
        assert!(belongs("dmarc.example.org", "example.org") && belongs("example.org.", "Example.org"));
        assert!(!belongs("notexample.org", "example.org"));
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in ".{0,200}") {
            let record = Dmarc::parse(&text);
            let _ = is_nearly_dmarc(&text);
            for uri in &record.rua {
                let _ = report_host(uri);
            }
        }

        #[test]
        fn a_walk_is_short_and_ends_at_the_top(name in "([a-z]{1,5}\\.){0,40}[a-z]{1,5}") {
            let names = walk(&name);
            prop_assert!(names.len() <= MAX_WALK);
            prop_assert!(names.iter().all(|n| belongs(&name, n)));
            prop_assert!(!names.last().unwrap().contains('.'));
        }
    }
}
