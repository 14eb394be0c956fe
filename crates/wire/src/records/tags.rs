//! Lists of `tag=value`, separated by semicolons: how DKIM, DMARC, TLS reporting and BIMI write their records
//! (RFC 6376 section 3.2).

use super::{Flaw, MAX_RECORD};

/// One tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// Its name, as it was written.
    pub name: &'a str,
    /// Its value, without the blanks around it.
    pub value: &'a str,
    /// Where the name begins, in octets from 0.
    pub at: usize,
    /// Where the value begins, in octets from 0.
    pub value_at: usize,
}

/// The tags of a record, in order, and what is no tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags<'a> {
    text: &'a str,
    /// Every tag that can be read.
    pub list: Vec<Tag<'a>>,
    /// Parts that are no tags, and tags that stand twice.
    pub flaws: Vec<Flaw>,
}

fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

impl<'a> Tags<'a> {
    /// Reads a list.
    pub fn parse(text: &'a str) -> Self {
        let mut out = Self { text, list: Vec::new(), flaws: Vec::new() };
        if text.len() > MAX_RECORD {
            out.flaws.push(Flaw::new(text, 0, "the record is longer than a TXT record can be"));
            return out;
        }
        let mut begins = 0;
        for part in text.split(';') {
            let at = begins + (part.len() - part.trim_start_matches(blank).len());
            out.part(part.trim_matches(blank), at);
            begins += part.len() + 1;
        }
        out
    }

    fn part(&mut self, part: &'a str, at: usize) {
        if part.is_empty() {
            return;
        }
        let Some((name, value)) = part.split_once('=') else {
            self.flaw(at, format!("`{}` is no tag: an equals sign is missing", shortened(part)));
            return;
        };
        let value_at = at + name.len() + 1 + (value.len() - value.trim_start_matches(blank).len());
        let (name, value) = (name.trim_end_matches(blank), value.trim_matches(blank));
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            self.flaw(at, format!("`{}` is no name of a tag; is a semicolon missing before it?", shortened(name)));
        } else if self.get(name).is_some() {
            self.flaw(at, format!("{name}= stands more than once"));
        } else {
            self.list.push(Tag { name, value, at, value_at });
        }
    }

    /// A tag by its name; names are compared as they are written.
    pub fn get(&self, name: &str) -> Option<Tag<'a>> {
        self.list.iter().find(|tag| tag.name == name).copied()
    }

    /// A tag's value.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.get(name).map(|tag| tag.value)
    }

    /// Notes what is wrong at an octet of the text.
    pub fn flaw(&mut self, octet: usize, what: impl Into<String>) {
        self.flaws.push(Flaw::new(self.text, octet, what));
    }

    /// Notes a tag whose value is not as `fits` wants it.
    pub fn hold(&mut self, name: &str, wanted: &str, fits: impl Fn(&str) -> bool) {
        if let Some(tag) = self.get(name).filter(|tag| !fits(tag.value)) {
            self.flaw(tag.value_at, format!("{name}={} is not {wanted}", shortened(tag.value)));
        }
    }
}

/// A part of a record, short enough to stand in a sentence.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 40;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain("…".chars()).collect()
}

/// The addresses of a list such as that of `rua=`, and a flaw for each that is none of `schemes`.
pub(super) fn addresses(tags: &mut Tags<'_>, name: &str, schemes: &[&str]) -> Vec<String> {
    let Some(tag) = tags.get(name) else { return Vec::new() };
    let mut out = Vec::new();
    let mut at = tag.value_at;
    for part in tag.value.split(',') {
        let uri = part.trim_matches(blank);
        let begins = at + (part.len() - part.trim_start_matches(blank).len());
        at += part.len() + 1;
        let scheme = uri.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        let known = scheme.as_deref().filter(|scheme| schemes.contains(scheme));
        let rest = uri.split_once(':').map(|(_, rest)| rest).unwrap_or_default();
        let complete = match known {
            Some("mailto") => rest.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.')),
            Some(_) => rest.len() > 2 && rest.starts_with("//"),
            None => false,
        };
        if complete {
            out.push(uri.to_owned());
        } else if uri.contains('@') && scheme.is_none() {
            tags.flaw(begins, format!("{name}= needs `mailto:` before {}", shortened(uri)));
        } else {
            tags.flaw(begins, format!("{name}= holds `{}`, which is no address for reports", shortened(uri)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_keep_their_places() {
        let tags = Tags::parse("v=DMARC1 ; p = none;; sp=reject;");
        assert_eq!(tags.value("p"), Some("none"));
        assert_eq!(tags.get("p").map(|t| (t.at, t.value_at)), Some((11, 15)));
        assert!(tags.flaws.is_empty() && tags.list.len() == 3);
    }

    #[test]
    fn what_is_no_tag_is_said_with_its_place() {
        let tags = Tags::parse("v=DMARC1; none; p=none; p=reject");
        let said: Vec<_> = tags.flaws.iter().map(|f| f.at).collect();
        assert_eq!(said, [11, 25]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_places_lie_within_it(text in ".{0,200}") {
            let tags = Tags::parse(&text);
            for tag in &tags.list {
                prop_assert_eq!(text.get(tag.value_at..tag.value_at + tag.value.len()), Some(tag.value));
            }
            prop_assert!(tags.flaws.iter().all(|f| f.at <= text.chars().count() + 1));
        }
    }
}
