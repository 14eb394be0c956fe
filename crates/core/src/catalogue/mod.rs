//! The catalogue: one entry a finding code, written in Markdown beside its rule and embedded here.
//!
//! Entries are parsed one by one when they are first asked for, so that starting the program costs
//! nothing for the hundred entries a run does not need.

mod entry;
mod remedy;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};

pub use entry::{Entry, EntryError, HEADINGS, Section};
pub use remedy::{Remedy, Step};

static FINDINGS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/findings");

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Better otherwise; mail arrives.
    Advice,
    /// Mail arrives now, and something may keep it from arriving.
    Risk,
    /// Mail arrives late, in part or by one way of several.
    Degraded,
    /// Mail does not arrive.
    Blocker,
}

impl Severity {
    /// The word for reports.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Advice => "advice",
            Severity::Risk => "risk",
            Severity::Degraded => "degraded",
            Severity::Blocker => "blocker",
        }
    }
}

/// Who must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// Those who run the server or the domain under test.
    Target,
    /// Those who run the network in between.
    Path,
    /// Those who run the place we look from.
    Here,
    /// The user of the account, or the client's settings.
    Client,
    /// Somebody the target depends on, such as a blacklist.
    ThirdParty,
}

impl Party {
    /// The word for reports.
    pub fn name(self) -> &'static str {
        match self {
            Party::Target => "target",
            Party::Path => "path",
            Party::Here => "here",
            Party::Client => "client",
            Party::ThirdParty => "third-party",
        }
    }
}

type Slot = (&'static str, OnceLock<Option<Entry>>);

/// Code → text and, once asked for, entry.
fn slots() -> &'static BTreeMap<&'static str, Slot> {
    static SLOTS: OnceLock<BTreeMap<&'static str, Slot>> = OnceLock::new();
    SLOTS.get_or_init(|| {
        FINDINGS
            .dirs()
            .flat_map(Dir::files)
            .filter(|file| file.path().extension().is_some_and(|e| e == "md"))
            .filter_map(|file| Some((file.path().file_stem()?.to_str()?, (file.contents_utf8()?, OnceLock::new()))))
            .collect()
    })
}

/// The entry of a code, or `None` where the catalogue does not have it.
pub fn entry(code: &str) -> Option<&'static Entry> {
    let (text, slot) = slots().get(code)?;
    slot.get_or_init(|| Entry::parse(text).ok()).as_ref()
}

/// Every code, in alphabetical order.
pub fn codes() -> impl Iterator<Item = &'static str> {
    slots().keys().copied()
}

/// Every entry, by code.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    codes().filter_map(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_reads_and_stands_where_its_name_says() {
        for dir in FINDINGS.dirs() {
            for file in dir.files().filter(|f| f.path().extension().is_some_and(|e| e == "md")) {
                let path = file.path().display();
                let entry = Entry::parse(file.contents_utf8().unwrap()).unwrap_or_else(|e| panic!("{path}: {e}"));
                assert_eq!(Some(entry.code.as_str()), file.path().file_stem().unwrap().to_str(), "{path}");
                assert_eq!(entry.area, dir.path().to_str().unwrap(), "{path}");
                let undeclared = entry.undeclared_placeholders();
                assert!(undeclared.is_empty(), "{path}: placeholders without a [detail] key: {undeclared:?}");
                let parts: Vec<_> =
                    entry.section("How to fix it").unwrap().parts.iter().map(|(name, _)| name.as_str()).collect();
                assert_eq!(parts.last(), Some(&"In general"), "{path}");
            }
        }
    }

    #[test]
    fn what_explains_what_has_no_circle() {
        for start in all() {
            let mut todo: Vec<&str> = start.explains.iter().map(String::as_str).collect();
            let mut been = std::collections::BTreeSet::new();
            while let Some(code) = todo.pop() {
                assert_ne!(code, start.code, "{code} explains itself in the end");
                if been.insert(code) {
                    todo.extend(entry(code).into_iter().flat_map(|e| e.explains.iter().map(String::as_str)));
                }
            }
        }
    }
}
