//! The exam: every fault of the lab switched on, alone and in pairs, the real program run as a process against it, and
//! what it names compared with the truth. With no fault, nothing may be said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::collections::BTreeSet;

use common::{check, diagnosis, lab, report};
use maildoctor_core::catalogue;
use maildoctor_exam::{Sitting, every_pair, some_of};
use maildoctor_lab::faults;
use serde_json::Value;

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
    for test in report["next_tests"].as_array().unwrap() {
        let command = test["command"].as_str().unwrap();
        let to_be_filled_in = |word: &str| word.len() > 1 && word.bytes().all(|b| b.is_ascii_uppercase());
        if command.split([' ', '=', ':', '@']).any(to_be_filled_in) {
            wrong.push(format!("{code}: `{command}` cannot be run as it stands"));
        }
    }
    wrong
}

/// Pairs that are tried beside those of the core, and the seed that chooses them where `MAILDOCTOR_EXAM_SEED` does not.
const BY_CHANCE: usize = 64;
const SEED: u64 = 25;

/// The part of the pairs by chance that must be complete, in percent. Of the core all must be, and nothing may ever be
/// invented or denied.
const COMPLETE: usize = 95;

#[test]
fn faults_alone_and_in_pairs_are_named_and_a_healthy_system_not_at_all() {
    let seed = std::env::var("MAILDOCTOR_EXAM_SEED").map_or(SEED, |text| text.parse().expect("a number as seed"));
    println!("the pairs are those of MAILDOCTOR_EXAM_SEED={seed}");
    let output = common::maildoctor().args(["schema", "report"]).output().unwrap();
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let faults: Vec<&'static faults::Fault> = faults::all().collect();
    let core = maildoctor_exam::CORE.map(|pair| pair.map(|code| faults::find(code).unwrap()));
    // Two waits at once take long; `cargo xtask exam --pairs` has the patience.
    let quick = every_pair().into_iter().filter(|pair| pair.iter().any(|fault| !fault.place.waits())).collect();
    let pairs = [&core[..], &some_of(quick, BY_CHANCE, seed)].concat();
    let sitting = Sitting::of(common::PROGRAM.as_ref(), &faults, &pairs, &|| ());

    let mut wrong = Vec::new();
    for single in &sitting.singles {
        let code = single.fault.code;
        match &single.paper {
            Ok(paper) => {
                wrong.extend(hold_to_the_contract(code, &paper.report, &schema));
                if !single.is_right() {
                    let roots: Vec<&str> = paper.roots().collect();
                    wrong.push(format!(
                        "{code}: {} should stand first, and the diagnosis is {roots:?}",
                        single.fault.expect
                    ));
                }
            }
            Err(error) => wrong.push(format!("{code}: {error}")),
        }
    }
    let mut incomplete = 0;
    for (place, double) in sitting.doubles.iter().enumerate() {
        let [a, b] = double.pair.map(|fault| fault.code);
        match &double.mark {
            Ok(mark) if mark.is_right() => {}
            Ok(mark) if place >= core.len() && mark.denied.is_empty() && mark.invented.is_empty() => {
                println!("{a} and {b}: {mark}");
                incomplete += 1;
            }
            Ok(mark) => wrong.push(format!("{a} and {b}: {mark}")),
            Err(error) => wrong.push(format!("{a} and {b}: {error}")),
        }
    }
    if incomplete * 100 > BY_CHANCE * (100 - COMPLETE) {
        wrong.push(format!("{incomplete} of {BY_CHANCE} pairs are not complete"));
    }
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
