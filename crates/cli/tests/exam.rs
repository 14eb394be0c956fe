//! The exam: every fault of the lab switched on, the real program run as a process against it, the first
//! root cause compared with the truth. With no fault, nothing may be said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::collections::BTreeSet;
use std::sync::Mutex;

use common::{check, diagnosis, lab, report};
use maildoctor_core::catalogue;
use maildoctor_lab::faults;
use serde_json::Value;

/// How many labs run at once: most of an exam's time is waiting on purpose.
const AT_ONCE: usize = 6;

/// What every report must hold, whatever was found.
fn hold_to_the_contract(code: &str, report: &Value, schema: &jsonschema::Validator) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Err(error) = schema.validate(report) {
        wrong.push(format!("{code}: the report breaks its schema: {error}"));
    }
    let observations: BTreeSet<&str> =
        report["observations"].as_array().unwrap().iter().map(|o| o["id"].as_str().unwrap()).collect();
    for finding in report["findings"].as_array().unwrap() {
        let name = finding["code"].as_str().unwrap();
        let entry = catalogue::entry(name).unwrap();
        let evidence = finding["evidence"].as_array().unwrap();
        if evidence.is_empty() {
            wrong.push(format!("{code}: {name} has no evidence"));
        }
        for id in evidence {
            if !observations.contains(id.as_str().unwrap()) {
                wrong.push(format!("{code}: {name} rests on {id}, which is not in the report"));
            }
        }
        for key in finding["detail"].as_object().unwrap().keys() {
            if !entry.detail.contains_key(key) {
                wrong.push(format!("{code}: {name} carries the detail `{key}`, which its entry does not list"));
            }
        }
        for symptom in finding["explains"].as_array().unwrap() {
            let symptom = report["findings"].as_array().unwrap().iter().find(|f| f["id"] == *symptom).unwrap();
            let explained = symptom["code"].as_str().unwrap();
            if !entry.explains.iter().any(|c| c == explained) {
                wrong.push(format!("{code}: {name} explains {explained}, which its entry does not allow"));
            }
        }
        if finding["remedy"]["summary"].as_str().unwrap_or_default().is_empty() {
            wrong.push(format!("{code}: {name} has no remedy"));
        }
    }
    wrong
}

#[test]
fn every_fault_is_named_first_and_a_healthy_system_not_at_all() {
    let output = common::maildoctor().args(["schema", "report"]).output().unwrap();
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let waiting = Mutex::new(faults::all().collect::<Vec<_>>());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(fault) = waiting.lock().unwrap().pop() else { return };
                    let running = lab(&[fault.code]);
                    let report = report(&running, &[]);
                    let mut said = hold_to_the_contract(fault.code, &report, &schema);
                    let roots = diagnosis(&report);
                    if roots.first().map(String::as_str) != Some(fault.expect) {
                        said.push(format!(
                            "{}: {} should stand first, and the diagnosis is {roots:?}",
                            fault.code, fault.expect
                        ));
                    }
                    let all: Vec<&str> =
                        report["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
                    if !all.contains(&fault.code) {
                        said.push(format!("{}: it is not among the findings {all:?}", fault.code));
                    }
                    wrong.lock().unwrap().extend(said);
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    let healthy = lab(&[]);
    let silent = report(
        &healthy,
        &["--send", "--mailbox", &format!("maildir:{}", healthy.lab.maildir("anna@lab.example").display())],
    );
    wrong.extend(hold_to_the_contract("healthy", &silent, &schema));
    if silent["verdict"] != "healthy" || !diagnosis(&silent).is_empty() {
        wrong.push(format!("a healthy system is said to have {:?}", diagnosis(&silent)));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_message_is_followed_into_the_mailbox_and_removed_again() {
    for protocol in ["imaps", "imap", "pop3s", "pop3"] {
        let running = lab(&[]);
        let report = report(&running, &["--send", "--mailbox", &format!("{protocol}://mail.lab.example")]);
        assert!(diagnosis(&report).is_empty(), "{protocol}: {:?}", diagnosis(&report));
        let arrived: Vec<&Value> =
            report["observations"].as_array().unwrap().iter().filter(|o| o["probe"] == "mailbox.arrival/1").collect();
        assert_eq!(arrived.len(), 2, "{protocol}: one by the exchanger and one by submission");
        for arrival in arrived {
            assert_eq!(arrival["outcome"]["result"], "found", "{protocol}: {arrival}");
            assert_eq!(arrival["outcome"]["removed"], true, "{protocol}: {arrival}");
        }
        let left = std::fs::read_dir(running.lab.maildir("anna@lab.example").join("new")).unwrap().count();
        assert_eq!(left, 0, "{protocol}: a test message was left behind");
    }
}

#[test]
fn two_faults_that_have_nothing_to_do_with_each_other_are_both_named() {
    for pair in [
        ["cert-expired", "mx-split-horizon"],
        ["auth-rejected", "banner-no-hostname"],
        ["relay-open", "ptr-missing"],
        ["submission-closed", "recipient-mailbox-full"],
        ["starttls-not-offered", "auth-backend-down"],
    ] {
        let running = lab(&pair);
        let report = report(&running, &[]);
        let roots: BTreeSet<String> = diagnosis(&report).into_iter().collect();
        let wanted: BTreeSet<String> = pair.iter().map(|code| faults::find(code).unwrap().expect.to_owned()).collect();
        assert_eq!(roots, wanted, "{pair:?}");
    }
}

#[test]
fn what_a_fault_hides_is_said_to_be_unknown() {
    let running = lab(&["connect-refused", "cert-expired"]);
    let report = report(&running, &[]);
    let states: BTreeSet<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| {
            c["code"] == "cert-expired"
                && c["subject"].as_str().unwrap().ends_with(&format!(":{}", running.lab.plan().smtp))
        })
        .map(|c| c["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, BTreeSet::from(["unknown"]));
}

#[test]
fn a_saved_case_gives_the_same_diagnosis_offline() {
    let running = lab(&["cert-chain-incomplete"]);
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case.json");
    let live = report(&running, &["--save", case.to_str().unwrap()]);
    drop(running);
    let output = common::maildoctor().args(["diagnose", case.to_str().unwrap(), "--format", "json"]).output().unwrap();
    let later: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(live, later);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_redacted_case_holds_no_name_and_the_same_faults() {
    let running = lab(&["mx-split-horizon"]);
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case.json");
    let live = report(&running, &["--save", case.to_str().unwrap(), "--redact"]);
    let text = std::fs::read_to_string(&case).unwrap();
    assert!(!text.contains("lab.example") && !text.contains("anna"), "a name is left");
    let output = common::maildoctor().args(["diagnose", case.to_str().unwrap(), "--format", "json"]).output().unwrap();
    let later: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(diagnosis(&live), diagnosis(&later));
}

#[test]
fn the_exit_code_follows_the_verdict() {
    for (fault, code) in
        [(None, 0), (Some("cert-expired"), 1), (Some("recipient-unknown"), 2), (Some("resolver-unreachable"), 3)]
    {
        let faults: Vec<&str> = fault.into_iter().collect();
        let output = check(&lab(&faults), &[]);
        assert_eq!(output.status.code(), Some(code), "{fault:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
