//! Whose mail a run is about: what is picked out of a queue or a log that holds other people's mail as well.

use std::collections::BTreeSet;

/// The addresses, domains and queue ids of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    words: BTreeSet<String>,
}

impl About {
    /// An address.
    pub fn address(&mut self, address: &str) {
        if address.contains('@') {
            self.words.insert(address.to_ascii_lowercase());
        }
    }

    /// Every address of a domain.
    pub fn domain(&mut self, domain: &str) {
        if !domain.is_empty() {
            self.words.insert(format!("@{}", domain.trim_end_matches('.').to_ascii_lowercase()));
        }
    }

    /// A message in the queue.
    pub fn queue_id(&mut self, id: &str) {
        if !id.is_empty() {
            self.words.insert(id.to_ascii_lowercase());
        }
    }

    /// Whether a text names one of them.
    pub fn is_in(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.words.iter().any(|word| holds_word(&text, word))
    }
}

/// Whether a text holds a word that nothing continues: `anna@x.example` is not in `joanna@x.example`, and in neither of
/// them is `@example`. What begins with `@` may have anything in front of it.
fn holds_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '@');
    let mut rest = text;
    let mut before: Option<char> = None;
    while let Some(at) = rest.find(word) {
        let (skipped, from) = rest.split_at(at);
        before = skipped.chars().next_back().or(before);
        let after = from.strip_prefix(word).unwrap_or_default();
        // A dot may end a sentence, or a name that is written whole.
        let ends = after.strip_prefix('.').unwrap_or(after).chars().next().is_none_or(|c| !part(c));
        if ends && (word.starts_with('@') || !before.is_some_and(part)) {
            return true;
        }
        let mut chars = from.chars();
        before = chars.next();
        rest = chars.as_str();
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn about(address: &str, domain: &str) -> About {
        let mut about = About::default();
        about.address(address);
        about.domain(domain);
        about
    }

    #[test]
    fn only_whole_words_count() {
        let anna = about("Anna@x.example", "");
        assert!(anna.is_in("to=<anna@X.example>, relay=none") && anna.is_in("for anna@x.example."));
        assert!(!anna.is_in("joanna@x.example") && !anna.is_in("anna@x.example.org") && !anna.is_in("anna@x.examples"));
        // A first place that does not count hides no second one.
        assert!(anna.is_in("joanna@x.example anna@x.example"));
        let all = about("", "x.example");
        assert!(all.is_in("bert@x.example") && !all.is_in("bert@mx.x.example") && !all.is_in("mx.x.example"));
        assert!(!About::default().is_in("anything"));
    }

    proptest! {
        #[test]
        fn what_is_put_between_blanks_is_found(before in ".{0,20}", after in ".{0,20}", word in "[a-z]{1,9}@[a-z.]{1,9}[a-z]") {
            let found = about(&word, "").is_in(&format!("{before} {word} {after}"));
            prop_assert!(found);
        }
    }
}
