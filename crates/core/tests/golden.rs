//! Cases as older programs saved them: never edited, and diagnosed as they were. `NAME.1.json` is a case of
//! schema version 1, `NAME.txt` the text report that a person reads today.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

use std::fs;
use std::path::PathBuf;

use maildoctor_core::case::Case;
use maildoctor_core::diagnosis::diagnose;
use maildoctor_core::report::{report, text};

/// Set to write the texts anew; then read what changed before you commit it.
const UPDATE: &str = "UPDATE_GOLDEN";

/// Symptoms whose root stands first.
const ROOTS: [(&str, &str); 1] = [("mx-primary-down", "connect-refused")];

/// The case in which nothing is wrong.
const HEALTHY: &str = "healthy";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The text without the numbers of checks: every new rule would change them, and no reader minds.
fn uncounted(text: &str) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    for place in 1..words.len() {
        let number = words[place - 1].trim_start_matches('(');
        let counted = words[place].starts_with("checks") || words[place].starts_with("more");
        if counted && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
            words[place - 1] = words[place - 1].replace(number, "N");
        }
    }
    words.join(" ")
}

#[test]
fn old_cases_are_read_and_diagnosed_as_they_were() {
    let mut seen = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(code) = name.strip_suffix(".1.json") else { continue };
        let case = Case::from_json(&fs::read_to_string(&path).unwrap()).unwrap();
        let diagnosis = diagnose(&case);
        let root = ROOTS.iter().find(|(c, _)| *c == code).map_or(code, |(_, root)| root);
        let first = diagnosis.roots().next().map(|f| f.finding.code);
        let truth = (code != HEALTHY).then_some(root);
        assert_eq!(first, truth, "{name}");
        assert!(diagnosis.findings.iter().any(|f| Some(f.finding.code) == truth) || truth.is_none(), "{name}");
        let now = uncounted(&text::render(&report(&case, &diagnosis), text::Style::PLAIN));
        let golden = path.with_file_name(format!("{code}.txt"));
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&golden, &now).unwrap();
        }
        assert_eq!(now, fs::read_to_string(&golden).unwrap_or_default(), "{name}: the text report has changed");
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} golden cases were found");
}

#[test]
fn a_case_survives_being_written_and_read() {
    let text = fs::read_to_string(folder().join("cert-expired.1.json")).unwrap();
    let case = Case::from_json(&text).unwrap();
    let again = Case::from_json(&case.to_json().unwrap()).unwrap();
    let codes = |case: &Case| diagnose(case).findings.iter().map(|f| f.finding.code).collect::<Vec<_>>();
    assert_eq!(codes(&case), codes(&again));
}

#[test]
fn what_is_no_case_is_an_error_and_no_panic() {
    for text in [
        "",
        "{}",
        "[]",
        "{\"schema\": 7}",
        "{\"schema\": \"maildoctor/case/9\"}",
        "{\"schema\": \"maildoctor/case/1\"}",
    ] {
        assert!(Case::from_json(text).is_err(), "{text}");
    }
}
