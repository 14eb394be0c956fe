//! The replies of large providers and filters, from a table with a source and a sample each.

use std::sync::OnceLock;

use maildoctor_wire::reply::Reply;
use maildoctor_wire::wording::Meaning;
use serde::Deserialize;

/// A reply that a provider gives.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// Whose it is.
    pub provider: String,
    /// It is one of theirs where one of these stands in the reply or in the host's name; any server's without.
    #[serde(default)]
    marks: Vec<String>,
    /// All of these stand in the reply.
    #[serde(default)]
    words: Vec<String>,
    /// The enhanced code less its class is one of these.
    #[serde(default)]
    status: Vec<String>,
    /// The finding's code, of those that are about providers.
    pub(super) code: Option<String>,
    /// What it means, where that is one of the common meanings.
    pub(super) meaning: Option<Meaning>,
    /// Where that can be read.
    pub source: String,
    /// Replies that fit: for tests.
    #[cfg_attr(not(test), allow(dead_code, reason = "the samples are for tests"))]
    samples: Vec<String>,
}

#[derive(Deserialize)]
struct Table {
    reply: Vec<Pattern>,
}

/// The table.
pub(super) fn all() -> &'static [Pattern] {
    static TABLE: OnceLock<Vec<Pattern>> = OnceLock::new();
    // The text is ours: a test holds that it reads.
    TABLE.get_or_init(|| toml::from_str::<Table>(include_str!("providers.toml")).map(|t| t.reply).unwrap_or_default())
}

/// The first pattern that a negative reply of a host fits.
pub(super) fn recognise(host: Option<&str>, reply: &Reply) -> Option<&'static Pattern> {
    if !matches!(reply.class(), 4 | 5) {
        return None;
    }
    let text = reply.text().to_lowercase();
    let host = host.unwrap_or_default().to_lowercase();
    let kind = reply.enhanced().map(|e| format!("{}.{}", e.1, e.2)).unwrap_or_default();
    all().iter().find(|p| {
        (p.marks.is_empty() || p.marks.iter().any(|mark| text.contains(mark) || host.contains(mark)))
            && p.words.iter().all(|word| text.contains(word))
            && (p.status.is_empty() || p.status.contains(&kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounce::read::quoted::quoted;

    #[test]
    fn every_sample_is_recognised_by_its_own_pattern() {
        assert!(all().len() >= 20, "the table does not read");
        for pattern in all() {
            assert!(!pattern.samples.is_empty(), "{} has no sample", pattern.source);
            assert!(pattern.code.is_some() != pattern.meaning.is_some(), "{}: code or meaning", pattern.source);
            for sample in &pattern.samples {
                let reply = quoted(sample).reply.unwrap_or_else(|| panic!("{sample}"));
                let found = recognise(None, &reply).unwrap_or_else(|| panic!("{sample}"));
                assert!(std::ptr::eq(found, pattern), "{sample}: {found:?}");
            }
        }
    }

    #[test]
    fn the_marks_and_words_are_in_lower_case() {
        for word in all().iter().flat_map(|p| p.marks.iter().chain(&p.words)) {
            assert_eq!(*word, word.to_lowercase());
        }
    }

    #[test]
    fn others_do_not_pass_for_a_provider() {
        for text in ["5.1.1 user unknown", "5.7.1 relay access denied", "4.2.1 try later", "5.7.28 no"] {
            assert!(recognise(Some("mx.example.net"), &Reply::line(550, text)).is_none(), "{text}");
        }
        let gmail = Reply::line(421, "4.7.28 unusual rate");
        assert!(recognise(Some("gmail-smtp-in.l.google.com"), &gmail).is_some());
    }
}
