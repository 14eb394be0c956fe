//! Domains and macros of SPF records (RFC 7208 section 7).

use std::net::IpAddr;

/// The longest name there can be.
const MAX_NAME: usize = 253;

/// A part of a macro string.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Macro { letter: char, escape: bool, keep: Option<usize>, reverse: bool, delimiters: String },
}

/// A domain that may hold macros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainSpec {
    text: String,
    parts: Vec<Part>,
}

/// What macros stand for in one evaluation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) ip: IpAddr,
    pub(super) helo: &'a str,
    /// Local part and domain of the sender.
    pub(super) sender: (&'a str, &'a str),
    /// The domain whose record is read.
    pub(super) domain: &'a str,
    /// The validated reverse name, or `unknown`.
    pub(super) validated: &'a str,
}

impl DomainSpec {
    /// Reads a domain-spec.
    ///
    /// # Errors
    /// Where in the text it goes wrong, in octets, and how.
    pub(super) fn parse(text: &str) -> Result<Self, (usize, String)> {
        if text.is_empty() {
            return Err((0, "a domain is missing".to_owned()));
        }
        let parts = parts(text, "slodiphv")?;
        if matches!(parts.last(), Some(Part::Literal(_))) && !ends_well(text) {
            return Err((0, format!("`{text}` is no domain name")));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it stands for the same name for every sender.
    pub fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Literal(_)))
    }

    /// Whether the validated reverse name of the sender must be known.
    pub fn needs_reverse_name(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Macro { letter: 'p', .. }))
    }

    /// The name for one sender, shortened from the left to what a name can be.
    pub(super) fn expand(&self, values: &Values<'_>) -> String {
        let whole = expand(&self.parts, values);
        let mut name = whole.trim_end_matches('.');
        while name.len() > MAX_NAME {
            match name.split_once('.') {
                Some((_, rest)) => name = rest,
                None => break,
            }
        }
        name.to_owned()
    }

    /// The name where it is the same for every sender.
    pub fn plain(&self) -> Option<String> {
        let literal = |part: &Part| if let Part::Literal(text) = part { Some(text.clone()) } else { None };
        self.parts.iter().map(literal).collect::<Option<String>>().map(|name| name.trim_end_matches('.').to_owned())
    }
}

/// The text of an explanation with its macros replaced; `None` where it is none.
pub(super) fn explanation(text: &str, values: &Values<'_>) -> Option<String> {
    // The words of an explanation are separated by blanks, which a macro string itself cannot hold.
    let words: Option<Vec<String>> =
        text.split(' ').map(|word| Some(expand(&parts(word, "slodiphvcrt").ok()?, values))).collect();
    words.map(|words| words.join(" "))
}

/// Whether a text is a macro string.
pub(super) fn check_string(text: &str) -> Result<(), (usize, String)> {
    parts(text, "slodiphv").map(|_| ())
}

/// Whether a name ends in a top label that is no number, with a dot before it.
fn ends_well(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let Some((before, top)) = text.rsplit_once('.') else { return false };
    !before.is_empty()
        && !top.is_empty()
        && top.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !top.bytes().all(|b| b.is_ascii_digit())
        && !top.starts_with('-')
        && !top.ends_with('-')
}

fn parts(text: &str, letters: &str) -> Result<Vec<Part>, (usize, String)> {
    let mut out: Vec<Part> = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let at = text.len() - rest.len();
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        if c != '%' {
            if !('\x21'..='\x7e').contains(&c) {
                return Err((at, "only printable ASCII may stand here".to_owned()));
            }
            literal.push(c);
            rest = after;
            continue;
        }
        let two = after.chars().next();
        rest = after.get(1..).unwrap_or_default();
        match two {
            Some('%') => literal.push('%'),
            Some('_') => literal.push(' '),
            Some('-') => literal.push_str("%20"),
            Some('{') => {
                let wrong = || (at, "the macro is not well formed".to_owned());
                let (inner, behind) = rest.split_once('}').ok_or_else(wrong)?;
                let part = one_macro(inner, letters).ok_or_else(wrong)?;
                if !literal.is_empty() {
                    out.push(Part::Literal(std::mem::take(&mut literal)));
                }
                out.push(part);
                rest = behind;
            }
            _ => return Err((at, "a percent sign must begin a macro".to_owned())),
        }
    }
    if !literal.is_empty() {
        out.push(Part::Literal(literal));
    }
    Ok(out)
}

/// What stands between the braces: letter, digits, `r`, delimiters.
fn one_macro(inner: &str, letters: &str) -> Option<Part> {
    let first = inner.chars().next()?;
    let letter = first.to_ascii_lowercase();
    if !letters.contains(letter) {
        return None;
    }
    let rest = inner.get(1..)?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(end);
    let keep = match digits {
        "" => None,
        // As many digits as fit: more labels than a name can have are all of them.
        _ => Some(digits.parse::<usize>().unwrap_or(usize::MAX)).filter(|&n| n > 0),
    };
    if !digits.is_empty() && keep.is_none() {
        return None;
    }
    let (reverse, rest) = match rest.strip_prefix(['r', 'R']) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    rest.chars().all(|c| ".-+,/_=".contains(c)).then(|| Part::Macro {
        letter,
        escape: first.is_ascii_uppercase(),
        keep,
        reverse,
        delimiters: if rest.is_empty() { ".".to_owned() } else { rest.to_owned() },
    })
}

fn expand(parts: &[Part], values: &Values<'_>) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Literal(text) => out.push_str(text),
            Part::Macro { letter, escape, keep, reverse, delimiters } => {
                let value = value(*letter, values);
                let mut labels: Vec<&str> = value.split(|c| delimiters.contains(c)).collect();
                if *reverse {
                    labels.reverse();
                }
                let from = keep.map_or(0, |n| labels.len().saturating_sub(n));
                let text = labels.get(from..).unwrap_or_default().join(".");
                if *escape { out.extend(text.bytes().map(url_escaped)) } else { out.push_str(&text) }
            }
        }
    }
    out
}

fn url_escaped(octet: u8) -> String {
    match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(octet).to_string(),
        _ => format!("%{octet:02X}"),
    }
}

fn value(letter: char, values: &Values<'_>) -> String {
    let (local, domain) = values.sender;
    match letter {
        's' => format!("{local}@{domain}"),
        'l' => local.to_owned(),
        'o' => domain.to_owned(),
        'd' => values.domain.to_owned(),
        'i' => match values.ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => {
                let nibbles = ip.octets().into_iter().flat_map(|b| [b >> 4, b & 15]);
                nibbles.map(|n| format!("{n:x}")).collect::<Vec<_>>().join(".")
            }
        },
        'p' => values.validated.to_owned(),
        'h' => values.helo.to_owned(),
        'v' => if values.ip.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
        'c' => values.ip.to_string(),
        // The receiver's own name is nobody's business here, and the time is no fact of the record.
        'r' => "unknown".to_owned(),
        't' => "0".to_owned(),
        _ => String::new(),
    }
}
