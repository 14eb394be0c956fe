//! One entry: TOML between `+++` lines, then Markdown with fixed headings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Party, Severity};

/// The headings every entry has, in this order.
pub const HEADINGS: [&str; 6] =
    ["What is wrong", "What you see", "What looks alike", "Why it matters", "How to fix it", "Sources"];

/// What is wrong with an entry's text.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// There are no two `+++` lines around the facts.
    #[error("the facts must stand between two `+++` lines at the top")]
    NoFacts,
    /// The facts are no TOML of the expected keys.
    #[error("the facts cannot be read: {0}")]
    Facts(#[from] toml::de::Error),
    /// The headings are not those of [`HEADINGS`], in their order.
    #[error("the headings must be {HEADINGS:?}, and are {0:?}")]
    Headings(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    code: String,
    area: String,
    title: String,
    severity: Severity,
    party: Party,
    explains: Vec<String>,
    excuses: bool,
    signs: String,
    lab: String,
    #[serde(default)]
    detail: BTreeMap<String, String>,
}

/// One part of an entry: its text, and the parts below it (`### Postfix`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// The text before the first part, as Markdown.
    pub text: String,
    /// The parts: name and text.
    pub parts: Vec<(String, String)>,
}

/// What the catalogue says of a finding code.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The code: a stable identifier.
    pub code: String,
    /// Its area, which is also its folder.
    pub area: String,
    /// What is wrong, in a few words.
    pub title: String,
    /// The usual severity; a rule may raise or lower it.
    pub severity: Severity,
    /// Who must act, usually.
    pub party: Party,
    /// The codes that a claim of this one may explain.
    pub explains: Vec<String>,
    /// Whether it makes what it explains harmless.
    pub excuses: bool,
    /// By what it is recognised.
    pub signs: String,
    /// `fault`, or `cannot: …` with the reason why the lab cannot show it.
    pub lab: String,
    /// The keys of a finding's `detail`, and what each means.
    pub detail: BTreeMap<String, String>,
    /// The sections, in order.
    pub sections: Vec<Section>,
}

impl Entry {
    /// Reads an entry.
    ///
    /// # Errors
    /// [`EntryError`] where facts or headings are not as they must be.
    pub fn parse(text: &str) -> Result<Self, EntryError> {
        let after = text.strip_prefix("+++\n").ok_or(EntryError::NoFacts)?;
        let (facts, body) = after.split_once("\n+++\n").ok_or(EntryError::NoFacts)?;
        let facts: Facts = toml::from_str(facts)?;
        let sections = sections(body);
        let headings: Vec<String> = sections.iter().map(|s| s.heading.clone()).collect();
        if headings != HEADINGS {
            return Err(EntryError::Headings(headings));
        }
        Ok(Self {
            code: facts.code,
            area: facts.area,
            title: facts.title,
            severity: facts.severity,
            party: facts.party,
            explains: facts.explains,
            excuses: facts.excuses,
            signs: facts.signs,
            lab: facts.lab,
            detail: facts.detail,
            sections,
        })
    }

    /// A section by its heading.
    pub fn section(&self, heading: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.heading == heading)
    }

    /// The sources, one a line of the list.
    pub fn sources(&self) -> Vec<String> {
        let text = self.section("Sources").map(|s| s.text.as_str()).unwrap_or_default();
        text.lines().filter_map(|line| line.strip_prefix("- ")).map(str::to_owned).collect()
    }

    /// Placeholders in the remedy that `[detail]` does not declare.
    pub fn undeclared_placeholders(&self) -> Vec<String> {
        let fix = self.section("How to fix it");
        let texts = fix.into_iter().flat_map(|s| std::iter::once(&s.text).chain(s.parts.iter().map(|(_, text)| text)));
        texts
            .flat_map(|text| super::remedy::placeholders(text))
            .filter(|name| !self.detail.contains_key(name))
            .collect()
    }
}

fn sections(body: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut fenced = false;
    for line in body.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        if !fenced && let Some(heading) = line.strip_prefix("## ") {
            sections.push(Section { heading: heading.trim().to_owned(), text: String::new(), parts: Vec::new() });
            continue;
        }
        let Some(section) = sections.last_mut() else {
            continue;
        };
        if !fenced && let Some(part) = line.strip_prefix("### ") {
            section.parts.push((part.trim().to_owned(), String::new()));
            continue;
        }
        let text = section.parts.last_mut().map_or(&mut section.text, |(_, text)| text);
        text.push_str(line);
        text.push('\n');
    }
    for section in &mut sections {
        section.text = section.text.trim().to_owned();
        for (_, text) in &mut section.parts {
            *text = text.trim().to_owned();
        }
    }
    sections
}
