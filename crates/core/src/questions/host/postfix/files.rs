//! Postfix's files and the words in them, without I/O: `main.cf`, `master.cf`, and what `postconf` prints of both.
//!
//! What `postconf` says is what Postfix uses. The files are read for one thing only: at which line something stands.

use serde::{Deserialize, Serialize};

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number, from 1.
    pub number: u32,
    /// Its text.
    pub text: String,
}

/// A parameter as it stands in `main.cf`, with its continuation lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The parameter.
    pub name: String,
    /// Its lines; comments between them left out.
    pub lines: Vec<Line>,
}

/// The logical lines of `main.cf` or `master.cf`: a line that begins with a blank continues the one before it, comments and empty
/// lines do not count (postconf(5)).
pub fn logical_lines(text: &str) -> Vec<Vec<Line>> {
    let mut found: Vec<Vec<Line>> = Vec::new();
    for (number, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() || text.trim_start().starts_with('#') {
            continue;
        }
        let line = Line { number, text: text.to_owned() };
        match found.last_mut() {
            Some(open) if text.starts_with([' ', '\t']) => open.push(line),
            _ => found.push(vec![line]),
        }
    }
    found
}

/// The parameters of `main.cf`, in order; where one is written twice, the last counts.
pub fn written(main_cf: &str) -> Vec<Written> {
    logical_lines(main_cf)
        .into_iter()
        .filter_map(|lines| {
            let (name, _) = lines.first()?.text.split_once('=')?;
            Some(Written { name: name.trim().to_owned(), lines })
        })
        .collect()
}

/// The `name = value` lines of `postconf` and `postconf -n`.
pub fn parameters(printed: &str) -> impl Iterator<Item = (&str, &str)> {
    printed.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        Some((name.trim(), value.trim()))
    })
}

/// A service of `master.cf`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name: a port, a service name, with or without an address in front; or the name of its socket.
    pub name: String,
    /// `inet`, `unix`, `pass`, `fifo`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it runs in the queue directory as its root.
    pub chroot: bool,
    /// The most processes of it; absent for the default, 0 for no limit.
    pub limit: Option<u32>,
    /// The program, such as `smtpd`.
    pub command: String,
    /// What `-o` sets for it, in order.
    pub overrides: Vec<(String, String)>,
    /// The line of `master.cf` that it begins at.
    pub line: Option<u32>,
}

/// The services that `postconf -M` prints, one a line.
pub fn services(printed: &str) -> Vec<Service> {
    printed.lines().filter_map(service).collect()
}

fn service(line: &str) -> Option<Service> {
    let mut words = line.split_whitespace();
    let (name, kind) = (words.next()?, words.next()?);
    let (_private, _unprivileged, chroot) = (words.next()?, words.next()?, words.next()?);
    let (_wakeup, limit, command) = (words.next()?, words.next()?, words.next()?);
    Some(Service {
        name: name.to_owned(),
        kind: kind.to_owned(),
        chroot: chroot == "y",
        limit: limit.parse().ok(),
        command: command.to_owned(),
        overrides: Vec::new(),
        line: None,
    })
}

/// The lines of `postconf -P`: `submission/inet/smtpd_milters = …` as service, type, parameter and value.
pub fn overrides(printed: &str) -> impl Iterator<Item = (&str, &str, &str, &str)> {
    parameters(printed).filter_map(|(path, value)| {
        let (service, name) = path.rsplit_once('/')?;
        let (service, kind) = service.rsplit_once('/')?;
        Some((service, kind, name, value))
    })
}

/// The line at which a service begins in `master.cf`.
pub fn line_of(master_cf: &[Vec<Line>], name: &str, kind: &str) -> Option<u32> {
    master_cf.iter().filter_map(|lines| lines.first()).find_map(|line| {
        let mut words = line.text.split_whitespace();
        (words.next() == Some(name) && words.next() == Some(kind)).then_some(line.number)
    })
}

/// A word of a list of restrictions, milters or tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// A plain one.
    Plain(String),
    /// One in braces, with its own settings: its first word, and the rest.
    Braced(String, Vec<String>),
}

impl Word {
    /// The word itself, without what is set for it.
    pub fn text(&self) -> &str {
        match self {
            Word::Plain(text) | Word::Braced(text, _) => text,
        }
    }
}

/// Splits a value at blanks and commas, `{ … }` kept together (postconf(5), "Other properties").
pub fn words(value: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut rest = value.trim_start_matches(is_gap);
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('{') {
            let (inner, after) = braced(inner);
            let mut parts = plain_words(inner);
            if !parts.is_empty() {
                let first = parts.remove(0);
                // `{ check_policy_service inet:…, timeout=5s }` is a restriction and its argument.
                found.push(Word::Braced(first, parts));
            }
            rest = after;
        } else {
            let end = rest.find(is_gap).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            found.push(Word::Plain(word.to_owned()));
            rest = after;
        }
        rest = rest.trim_start_matches(is_gap);
    }
    found
}

fn is_gap(c: char) -> bool {
    c == ',' || c.is_whitespace()
}

fn plain_words(text: &str) -> Vec<String> {
    text.split(is_gap).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// What stands before the closing brace, and what after it; braces within count.
fn braced(text: &str) -> (&str, &str) {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let (inner, after) = text.split_at(at);
            return (inner, after.strip_prefix('}').unwrap_or(after));
        }
    }
    (text, "")
}

/// A time as Postfix writes it, `5s`, `2m`, in milliseconds; a bare number is in `unit`.
pub fn time_ms(text: &str, unit: char) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.chars().last().filter(char::is_ascii_alphabetic).unwrap_or(unit);
    let factor: u64 = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        'w' => 604_800_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_parameter_keeps_its_lines_and_no_comment() {
        let text = "# first\na = 1\nlists = x,\n  # within\n  y\n\nb=2\n";
        let found = written(text);
        let names: Vec<_> = found.iter().map(|w| w.name.as_str()).collect();
        assert_eq!(names, ["a", "lists", "b"]);
        let lines: Vec<u32> = found.iter().flat_map(|w| w.lines.iter().map(|l| l.number)).collect();
        assert_eq!(lines, [2, 3, 5, 7]);
    }

    #[test]
    fn services_and_what_is_set_for_them() {
        let found = services(
            "smtp       inet  n       -       n       -       5       smtpd\npickup unix n - y 60 1 pickup -o a=b\n",
        );
        let [smtp, pickup] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((smtp.limit, smtp.chroot, smtp.command.as_str()), (Some(5), false, "smtpd"));
        assert!(pickup.chroot);
        let set: Vec<_> = overrides("submission/inet/smtpd_milters = inet:127.0.0.1:1234\n").collect();
        assert_eq!(set, [("submission", "inet", "smtpd_milters", "inet:127.0.0.1:1234")]);
        let master = logical_lines("# x\nsmtp inet n - n - - smtpd\n  -o a=b\nsubmission inet n - n - - smtpd\n");
        assert_eq!(line_of(&master, "submission", "inet"), Some(4));
    }

    #[test]
    fn braces_keep_a_word_together() {
        let found = words("permit_mynetworks, { check_policy_service inet:127.0.0.1:1, timeout=5s } reject");
        let texts: Vec<&str> = found.iter().map(Word::text).collect();
        assert_eq!(texts, ["permit_mynetworks", "check_policy_service", "reject"]);
        assert_eq!(
            found.get(1),
            Some(&Word::Braced("check_policy_service".into(), vec!["inet:127.0.0.1:1".into(), "timeout=5s".into()]))
        );
    }

    #[test]
    fn times() {
        assert_eq!(
            (time_ms("6s", 's'), time_ms("2m", 's'), time_ms("10", 's')),
            (Some(6_000), Some(120_000), Some(10_000))
        );
        assert_eq!((time_ms("", 's'), time_ms("${x}s", 's')), (None, None));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n\t{}$,]{0,200}") {
            let lines = logical_lines(&text);
            prop_assert!(lines.iter().all(|l| !l.is_empty()));
            let _ = (written(&text), services(&text), words(&text), overrides(&text).count(), time_ms(&text, 's'));
        }
    }
}
