//! BIMI assertion records (draft-brand-indicators-for-message-identification).

use super::Flaw;
use super::tags::Tags;

/// A record as it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bimi {
    /// Where the indicator is; `None` where the domain declines to show one.
    pub indicator: Option<String>,
    /// Where the evidence for it is.
    pub evidence: Option<String>,
    /// What is wrong with it.
    pub flaws: Vec<Flaw>,
}

/// Whether a text begins as a record must.
pub fn is_bimi(text: &str) -> bool {
    let first = text.split(';').next().unwrap_or_default();
    first.split_once('=').is_some_and(|(name, value)| name.trim() == "v" && value.trim() == "BIMI1")
}

impl Bimi {
    /// Reads a record.
    pub fn parse(text: &str) -> Self {
        let mut tags = Tags::parse(text);
        if !is_bimi(text) {
            tags.flaw(0, "the record must begin with `v=BIMI1;`");
        }
        if tags.get("l").is_none() {
            tags.flaw(text.len(), "l= is missing: there is no indicator");
        }
        let secure = |v: &str| v.is_empty() || v.get(..8).is_some_and(|head| head.eq_ignore_ascii_case("https://"));
        tags.hold("l", "an https:// address", secure);
        tags.hold("a", "an https:// address", |v| secure(v) || v == "self");
        let path = |v: &str| v.split(['?', '#']).next().unwrap_or(v).to_ascii_lowercase();
        tags.hold("l", "the address of an .svg or .svgz file", |v| {
            !secure(v) || v.is_empty() || path(v).ends_with(".svg") || path(v).ends_with(".svgz")
        });
        let given = |name: &str| tags.value(name).filter(|v| !v.is_empty()).map(str::to_owned);
        Self { indicator: given("l"), evidence: given("a"), flaws: tags.flaws }
    }

    /// Whether the domain only says that it shows nothing: an empty `l=` (a declination to publish).
    pub fn declines(&self) -> bool {
        self.indicator.is_none() && self.flaws.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_of_the_draft_are_read() {
        let record = Bimi::parse("v=BIMI1; l=https://example.org/logo.svg; a=https://example.org/vmc.pem");
        assert!(record.flaws.is_empty() && record.evidence.is_some() && !record.declines());
        assert!(Bimi::parse("v=BIMI1; l=; a=;").declines());
    }

    #[test]
    fn faults_are_named() {
        for (text, what) in [
            ("v=BIMI1; l=http://example.org/logo.svg", "https://"),
            ("v=BIMI1; l=https://example.org/logo.png", ".svg"),
            ("v=BIMI1", "l= is missing"),
        ] {
            let record = Bimi::parse(text);
            assert!(record.flaws.iter().any(|f| f.what.contains(what)), "{text}: {:?}", record.flaws);
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in ".{0,200}") {
            let _ = Bimi::parse(&text);
        }
    }
}
