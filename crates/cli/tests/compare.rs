//! Two runs held against each other, as a user does it: by files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::path::{Path, PathBuf};

use common::{check, lab, maildoctor};
use serde_json::Value;

/// Saves the case of a lab with faults.
fn saved(folder: &Path, name: &str, faults: &[&str]) -> PathBuf {
    let path = folder.join(name);
    check(&lab(faults), &["--save", path.to_str().unwrap()]);
    path
}

fn compared(before: &Path, after: &Path) -> (Option<i32>, Value) {
    let output = maildoctor().arg("compare").args([before, after]).args(["--format", "json"]).output().unwrap();
    let comparison = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), comparison)
}

fn changes(comparison: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    comparison["changes"].as_array().unwrap().iter().map(|c| (text(&c["way"]), text(&c["code"]))).collect()
}

#[test]
fn a_fault_that_comes_is_worse_and_one_that_goes_is_better() {
    let folder = tempfile::tempdir().unwrap();
    let healthy = saved(folder.path(), "healthy.json", &[]);
    let expired = saved(folder.path(), "expired.json", &["cert-expired"]);
    let unknown = saved(folder.path(), "unknown.json", &["recipient-unknown"]);

    let (code, worse) = compared(&healthy, &expired);
    assert_eq!(code, Some(1), "{worse}");
    assert!(changes(&worse).contains(&("worse".into(), "cert-expired".into())), "{worse}");

    let (code, better) = compared(&expired, &healthy);
    assert_eq!(code, Some(0), "{better}");
    assert_eq!(changes(&better)[0], ("better".into(), "cert-expired".into()), "{better}");

    let (code, _) = compared(&healthy, &unknown);
    assert_eq!(code, Some(2), "mail that was fine is broken");

    let (code, same) = compared(&expired, &expired);
    assert_eq!((code, changes(&same)), (Some(0), Vec::new()));
}

#[test]
fn what_the_later_run_could_not_see_is_not_called_better() {
    let folder = tempfile::tempdir().unwrap();
    let expired = saved(folder.path(), "expired.json", &["cert-expired"]);
    let shut = saved(folder.path(), "shut.json", &["connect-refused"]);
    let (code, comparison) = compared(&expired, &shut);
    assert_eq!(code, Some(2));
    let changes = changes(&comparison);
    assert!(changes.contains(&("worse".into(), "connect-refused".into())), "{comparison}");
    assert!(changes.contains(&("untold".into(), "cert-expired".into())), "{comparison}");
}

#[test]
fn cases_and_reports_mix_and_the_text_begins_with_the_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let case = saved(folder.path(), "case.json", &["ptr-missing"]);
    let output = maildoctor().arg("diagnose").arg(&case).args(["--format", "json"]).output().unwrap();
    let report = folder.path().join("report.json");
    std::fs::write(&report, &output.stdout).unwrap();
    let (code, comparison) = compared(&report, &case);
    assert_eq!((code, changes(&comparison)), (Some(0), Vec::new()));
    let output = maildoctor().arg("compare").args([&case, &report]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("SAME: at-risk as before."), "{output:?}");
}

#[test]
fn a_comparison_keeps_its_schema() {
    let folder = tempfile::tempdir().unwrap();
    let healthy = saved(folder.path(), "healthy.json", &[]);
    let expired = saved(folder.path(), "expired.json", &["cert-expired"]);
    let schema = maildoctor().args(["schema", "comparison"]).output().unwrap();
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    let (_, comparison) = compared(&healthy, &expired);
    jsonschema::validator_for(&schema).unwrap().validate(&comparison).unwrap();
}

#[test]
fn what_cannot_be_compared_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["", "{}", "[1]", "{\"schema\": \"other/1\"}", "{\"schema\": \"maildoctor/report/1\"}", "\u{0}"] {
        let file = folder.path().join("file.json");
        std::fs::write(&file, text).unwrap();
        let output = maildoctor().arg("compare").args([&file, &file]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{text:?}: {said}");
        assert!(said.starts_with("error: ") && said.lines().count() == 1, "{text:?}: {said}");
    }
}
