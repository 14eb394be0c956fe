//! MTA-STS (RFC 8461): the record at `_mta-sts`, and the policy that is fetched over HTTPS.

use super::Flaw;
use super::tags::{Tags, shortened};

/// The longest policy that is read, in octets (RFC 8461 section 3.3 suggests this bound).
pub const MAX_POLICY: usize = 64 * 1024;

/// The most `mx:` lines that are kept.
pub const MAX_PATTERNS: usize = 256;

/// The longest time a policy may be kept, in seconds: a year and a quarter of a day (RFC 8461 section 3.2).
pub const MAX_AGE: u64 = 31_557_600;

/// A record as it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsRecord {
    /// The policy's number: senders fetch the policy anew when it changes.
    pub id: Option<String>,
    /// What is wrong with it.
    pub flaws: Vec<Flaw>,
}

/// Whether a text begins as a record must; senders pass over all others at the name (RFC 8461 section 3.1).
pub fn is_sts(text: &str) -> bool {
    text.strip_prefix("v=STSv1").is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with(';'))
}

/// Whether a text was meant to be a record and begins wrongly.
pub fn is_nearly_sts(text: &str) -> bool {
    let bare: String = text.chars().filter(|c| !c.is_whitespace() && *c != '"').take(5).collect();
    !is_sts(text) && bare.eq_ignore_ascii_case("v=sts")
}

impl StsRecord {
    /// Reads a record.
    pub fn parse(text: &str) -> Self {
        let mut tags = Tags::parse(text);
        if !is_sts(text) {
            tags.flaw(0, "the record must begin with `v=STSv1;`");
        }
        match tags.value("id") {
            None => tags.flaw(text.len(), "id= is missing: senders then take the domain for one without a policy"),
            Some(_) => tags.hold("id", "1 to 32 letters and digits", |id| {
                (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric())
            }),
        }
        Self { id: tags.value("id").map(str::to_owned), flaws: tags.flaws }
    }
}

/// What senders do with a server that breaks the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They do not deliver to it.
    Enforce,
    /// They deliver, and report it.
    Testing,
    /// Nothing: the domain is giving its policy up.
    None,
}

impl Mode {
    /// The word in policies.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Enforce => "enforce",
            Mode::Testing => "testing",
            Mode::None => "none",
        }
    }
}

/// A line of a policy that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFlaw {
    /// The line, from 1; `None` for what is not there at all.
    pub line: Option<usize>,
    /// What is wrong, as a sentence without its full stop.
    pub what: String,
}

impl std::fmt::Display for LineFlaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} (line {line})", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// A policy as it reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StsPolicy {
    /// The mode, where it can be read.
    pub mode: Option<Mode>,
    /// How long senders keep the policy, in seconds.
    pub max_age: Option<u64>,
    /// The `mx:` patterns, in order, in lower case.
    pub mx: Vec<String>,
    /// What is wrong with it, line by line.
    pub flaws: Vec<LineFlaw>,
}

impl StsPolicy {
    /// Reads a policy. Unknown keys are passed over, and of a key that stands twice the first counts (RFC 8461
    /// section 3.2).
    pub fn parse(text: &str) -> Self {
        let mut out = Self::default();
        if text.len() > MAX_POLICY {
            out.flaw(None, format!("the policy is longer than {MAX_POLICY} octets"));
            return out;
        }
        let mut version = None;
        let mut mode = None;
        for (number, line) in text.split('\n').enumerate().map(|(at, line)| (at + 1, line)) {
            let line = line.strip_suffix('\r').unwrap_or(line).trim_matches([' ', '\t']);
            if line.is_empty() {
                continue;
            }
            let Some((key, value)) = line.split_once(':') else {
                out.flaw(number, format!("`{}` is no `key: value`", shortened(line)));
                continue;
            };
            let (key, value) = (key.trim_end_matches([' ', '\t']), value.trim_matches([' ', '\t']));
            match key {
                "version" if version.is_none() => version = Some((number, value.to_owned())),
                "mode" if mode.is_none() => mode = Some((number, value.to_owned())),
                "max_age" if out.max_age.is_none() => out.age(number, value),
                "mx" => out.pattern(number, value),
                "version" | "mode" | "max_age" => out.flaw(number, format!("{key} stands more than once")),
                _ if ["version", "mode", "max_age", "mx"].iter().any(|known| key.eq_ignore_ascii_case(known)) => {
                    out.flaw(number, format!("`{key}` must be written in lower case"));
                }
                _ => {}
            }
        }
        match version {
            None => out.flaw(None, "`version: STSv1` is missing"),
            Some((line, value)) if value != "STSv1" => {
                out.flaw(line, format!("version is `{}`, and must be STSv1", shortened(&value)));
            }
            Some(_) => {}
        }
        match mode {
            None => out.flaw(None, "mode is missing"),
            Some((line, value)) => {
                out.mode = [Mode::Enforce, Mode::Testing, Mode::None].into_iter().find(|mode| mode.name() == value);
                if out.mode.is_none() {
                    out.flaw(line, format!("mode is `{}`, and must be enforce, testing or none", shortened(&value)));
                }
            }
        }
        if out.max_age.is_none() && !out.flaws.iter().any(|flaw| flaw.what.starts_with("max_age")) {
            out.flaw(None, "max_age is missing");
        }
        if out.mx.is_empty() && out.mode != Some(Mode::None) && !out.flaws.iter().any(|f| f.what.starts_with("mx ")) {
            out.flaw(None, "no mx line names a server");
        }
        out
    }

    fn flaw(&mut self, line: impl Into<Option<usize>>, what: impl Into<String>) {
        self.flaws.push(LineFlaw { line: line.into(), what: what.into() });
    }

    fn age(&mut self, line: usize, value: &str) {
        let digits = !value.is_empty() && value.len() <= 10 && value.bytes().all(|b| b.is_ascii_digit());
        match value.parse::<u64>().ok().filter(|_| digits) {
            Some(age) if age <= MAX_AGE => self.max_age = Some(age),
            Some(_) => self.flaw(line, format!("max_age is {value}, and may be {MAX_AGE} seconds at most")),
            None => self.flaw(line, format!("max_age is `{}`, and must be a number of seconds", shortened(value))),
        }
    }

    fn pattern(&mut self, line: usize, value: &str) {
        let host = value.strip_prefix("*.").unwrap_or(value);
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !l.starts_with('-')
        };
        let wrong = if host.parse::<std::net::IpAddr>().is_ok() {
            Some("is an address, and must be a host name")
        } else if host.ends_with('.') {
            Some("ends in a dot, which senders do not take off")
        } else if host.len() > 253 || !host.split('.').all(label) {
            Some("is no host name, nor `*.` before one")
        } else {
            None
        };
        match wrong {
            Some(wrong) => self.flaw(line, format!("mx `{}` {wrong}", shortened(value))),
            None if self.mx.len() < MAX_PATTERNS => self.mx.push(value.to_ascii_lowercase()),
            None => {}
        }
    }

    /// The pattern that a server's name fits; a `*` stands for one whole label at the left (RFC 8461 section 4.1).
    pub fn covers(&self, host: &str) -> Option<&str> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.mx.iter().map(String::as_str).find(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(first, rest)| !first.is_empty() && rest == parent),
            None => host == **pattern,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_of_the_standard_are_read() {
        // RFC 8461 section 3.1.
        let record = StsRecord::parse("v=STSv1; id=20160831085700Z;");
        assert_eq!((record.id.as_deref(), record.flaws.len()), (Some("20160831085700Z"), 0));
        assert!(is_sts("v=STSv1; id=1") && is_sts("v=STSv1 ;id=1") && !is_sts("v=STSv10; id=1") && !is_sts("v=spf1"));
        assert!(is_nearly_sts("v=STS1; id=1") && is_nearly_sts("V=STSv1; id=1") && !is_nearly_sts("v=TLSRPTv1"));
    }

    #[test]
    fn faults_of_a_record_are_named() {
        for (text, what) in [
            ("v=STSv1;", "id= is missing"),
            ("v=STSv1; id=2026-11-24", "1 to 32 letters"),
            ("v=STSv1; id=", "1 to 32 letters"),
            ("v=STSv1; id=1; id=2", "more than once"),
            ("v=STS1; id=1", "must begin"),
        ] {
            let record = StsRecord::parse(text);
            assert!(record.flaws.iter().any(|f| f.what.contains(what)), "{text}: {:?}", record.flaws);
        }
    }

    const EXAMPLE: &str = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\n\
                           mx: backupmx.example.com\r\nmax_age: 604800\r\n";

    #[test]
    fn the_policy_of_the_standard_is_read_with_either_line_end() {
        // RFC 8461 section 3.2.
        for text in [EXAMPLE.to_owned(), EXAMPLE.replace("\r\n", "\n"), format!("{EXAMPLE}later: what\n\n")] {
            let policy = StsPolicy::parse(&text);
            assert!(policy.flaws.is_empty(), "{:?}", policy.flaws);
            assert_eq!((policy.mode, policy.max_age, policy.mx.len()), (Some(Mode::Enforce), Some(604_800), 3));
            assert_eq!(policy.covers("MAIL.example.com."), Some("mail.example.com"));
            assert_eq!(policy.covers("a.example.net"), Some("*.example.net"));
            assert_eq!((policy.covers("a.b.example.net"), policy.covers("example.net")), (None, None));
        }
        let over = StsPolicy::parse("version: STSv1\nmode: none\nmax_age: 86400\n");
        assert!(over.flaws.is_empty() && over.mode == Some(Mode::None));
    }

    #[test]
    fn faults_of_a_policy_are_named_with_their_lines() {
        let but = |from: &str, to: &str| StsPolicy::parse(&EXAMPLE.replace(from, to)).flaws;
        for (from, to, line, what) in [
            ("version: STSv1\r\n", "", None, "`version: STSv1` is missing"),
            ("STSv1", "STSv2", Some(1), "must be STSv1"),
            ("mode: enforce\r\n", "", None, "mode is missing"),
            ("enforce", "Enforce", Some(2), "must be enforce, testing or none"),
            ("mode", "Mode", Some(2), "lower case"),
            ("mode:", "mode", Some(2), "no `key: value`"),
            ("mail.example.com", "192.0.2.1", Some(3), "is an address"),
            ("mail.example.com", "mail.example.com.", Some(3), "ends in a dot"),
            ("mail.example.com", "mail.*.com", Some(3), "no host name"),
            ("mail.example.com", "10 mail.example.com", Some(3), "no host name"),
            ("max_age: 604800", "max_age: a week", Some(6), "number of seconds"),
            ("max_age: 604800", "max_age: 99999999", Some(6), "at most"),
            ("max_age: 604800\r\n", "", None, "max_age is missing"),
            ("max_age: 604800", "max_age: 604800\r\nmax_age: 1", Some(7), "more than once"),
        ] {
            let flaws = but(from, to);
            assert!(flaws.iter().any(|f| f.line == line && f.what.contains(what)), "{from} -> {to}: {flaws:?}");
        }
        let page = StsPolicy::parse("<!DOCTYPE html>\n<html><title>Welcome</title></html>\n");
        assert!(page.mode.is_none() && page.flaws.len() >= 4, "{:?}", page.flaws);
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "(version|mode|mx|max_age|[ :\\*\\.\\r\\na-zA-Z0-9]|.){0,80}") {
            let policy = StsPolicy::parse(&text);
            let lines = text.split('\n').count();
            prop_assert!(policy.flaws.iter().all(|f| f.line.is_none_or(|line| (1..=lines).contains(&line))));
            prop_assert!(policy.mx.len() <= MAX_PATTERNS);
            let _ = (StsRecord::parse(&text), is_nearly_sts(&text));
        }

        #[test]
        fn a_policy_that_is_written_reads_back(
            mode in 0_usize..3,
            age in 0..=MAX_AGE,
            hosts in proptest::collection::vec("(\\*\\.)?[a-z][a-z0-9]{0,8}\\.example", 1..5),
        ) {
            let mode = [Mode::Enforce, Mode::Testing, Mode::None][mode];
            let mut text = format!("version: STSv1\nmode: {}\nmax_age: {age}\n", mode.name());
            hosts.iter().for_each(|host| text.push_str(&format!("mx: {host}\n")));
            let policy = StsPolicy::parse(&text);
            prop_assert_eq!(policy, StsPolicy { mode: Some(mode), max_age: Some(age), mx: hosts, flaws: Vec::new() });
        }
    }
}
