//! `check --outbound`: a sender with each fault the lab can give it, held against the lab's exchangers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use common::{Running, diagnosis, maildoctor, report, story};
use maildoctor_lab::faults;
use maildoctor_lab::scenario::Scenario;
use serde_json::Value;

fn sender(faults: &[&str]) -> Running {
    story(&Scenario { outbound: true, ..Scenario::with_faults(faults) })
}

fn first(report: &Value, key: &str) -> String {
    report["diagnosis"][0][key].as_str().unwrap_or_default().to_owned()
}

#[test]
fn every_fault_of_a_sender_is_named_first_and_is_the_senders_own() {
    let mut wrong = Vec::new();
    for fault in faults::of_sender() {
        let report = report(&sender(&[fault.code]), &[]);
        let party = first(&report, "party");
        let theirs = ["dnsbl-lists-everyone"].contains(&fault.code);
        if first(&report, "code") != fault.expect || (party == "target") == theirs {
            wrong.push(format!("{}: {:?}, party {party}", fault.code, diagnosis(&report)));
        }
        if report["verdict"] == "healthy" {
            wrong.push(format!("{}: healthy", fault.code));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_the_receiver_refuses_for_is_explained_and_makes_the_verdict() {
    for (code, symptom) in [
        ("ptr-missing", "recipient-refused"),
        ("spf-excludes-server", "recipient-refused"),
        ("helo-unresolvable", "helo-rejected"),
        ("ip-listed", "rcpt-rejected-dnsbl"),
        ("ip-listed-pbl", "rcpt-rejected-dnsbl"),
        ("domain-listed", "rcpt-rejected-dnsbl"),
    ] {
        let report = report(&sender(&[code]), &[]);
        assert_eq!((first(&report, "code").as_str(), report["verdict"].as_str()), (code, Some("broken")), "{report:#}");
        assert_eq!(report["diagnosis"][0]["confidence"], "proven", "{code}");
        let explained = report["findings"].as_array().unwrap().iter().find(|f| f["code"] == symptom).unwrap();
        assert_eq!(explained["explained_by"], serde_json::json!([report["diagnosis"][0]["id"]]), "{code}");
    }
}

#[test]
fn a_sender_as_it_should_be_is_accepted_and_nothing_is_said_of_the_receiver() {
    let report = report(&sender(&[]), &[]);
    assert!(diagnosis(&report).is_empty(), "{:?}", diagnosis(&report));
    assert_eq!(
        report["summary"],
        "Mail from sam@visitor.example to anna@lab.example is accepted there: no fault was found."
    );
    let asked: Vec<&str> =
        report["observations"].as_array().unwrap().iter().map(|o| o["probe"].as_str().unwrap()).collect();
    assert!(asked.contains(&"smtp.rcpt/1") && !asked.contains(&"smtp.message/1") && !asked.contains(&"smtp.vrfy/1"));
    // One exchanger answered: a sender tries no other.
    assert_eq!(asked.iter().filter(|probe| **probe == "smtp.rcpt/1").count(), 1);
}

#[test]
fn the_receivers_own_faults_are_a_third_partys() {
    for code in ["connect-refused", "recipient-mailbox-full", "mx-null"] {
        let report = report(&sender(&[code]), &[]);
        assert_eq!((first(&report, "code").as_str(), first(&report, "party").as_str()), (code, "third-party"));
        assert_eq!(report["verdict"], "broken", "{code}");
    }
}

#[test]
fn another_machines_address_is_looked_up_and_nobody_is_connected_to() {
    let running = sender(&["spf-excludes-server"]);
    let words = running.lab.check_arguments();
    let bind = words.iter().position(|word| word == "--bind").unwrap();
    let (mut given, elsewhere) = (words.clone(), "198.18.25.77");
    given.splice(bind..=bind + 1, ["--source-ip".to_owned(), elsewhere.to_owned()]);
    let output = maildoctor().args(given).args(["--format", "json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = diagnosis(&report);
    assert!(found.contains(&"spf-excludes-server".to_owned()), "{found:?}");
    assert!(report["observations"].as_array().unwrap().iter().all(|o| o["probe"] != "tcp.connect/1"));
}

#[test]
fn a_redacted_case_of_a_sender_names_nobody() {
    let running = sender(&["spf-excludes-server"]);
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case.json");
    let live = report(&running, &["--save", case.to_str().unwrap(), "--redact"]);
    let text = std::fs::read_to_string(&case).unwrap();
    assert!(!text.contains("visitor.example") && !text.contains("sam@") && !text.contains("anna@"), "a name is left");
    let output = maildoctor().args(["diagnose", case.to_str().unwrap(), "--format", "json"]).output().unwrap();
    assert_eq!(diagnosis(&live), diagnosis(&serde_json::from_slice(&output.stdout).unwrap()));
}

#[test]
fn what_makes_no_sense_is_said_in_a_sentence() {
    for (arguments, said) in [
        (&["--outbound", "nobody", "you@theirs.example"][..], "--outbound wants the sender's address"),
        (&["--outbound", "me@mine.example", "theirs.example"], "the target is the recipient's address"),
        (
            &["--outbound", "me@mine.example", "you@theirs.example", "--source-ip", "0.0.0.0"],
            "nothing can be sent from",
        ),
        (&["--outbound", "me@mine.example", "you@theirs.example", "--source-ip", "10.0.0.5"], "is private"),
        (&["--outbound", "me@mine.example", "you@theirs.example", "--user", "me"], "cannot be used with"),
        (&["you@theirs.example", "--source-ip", "192.0.2.1"], "--outbound"),
        (
            &["--outbound", "me@mine.example", "you@theirs.example", "--from", "local", "--from", "ssh:a.example"],
            "mail leaves from one place",
        ),
    ] {
        let output = maildoctor().arg("check").args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}

#[test]
fn an_address_of_ours_on_a_list_is_our_own_affair() {
    // Not the sender is looked at here, but the lab as a receiver, from an address that it refuses.
    let running = sender(&["ip-listed"]);
    let words = running.lab.check_arguments();
    let place = |word: &str| words.iter().position(|known| known == word).unwrap();
    let bind = words[place("--bind") + 1].clone();
    let mut given: Vec<String> = words[..place("--outbound")].to_vec();
    given.extend(["--bind".to_owned(), bind, "--dnsbl=dnsbl.lab.example".to_owned()]);
    let output = maildoctor().args(given).args(["--format", "json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (first(&report, "code").as_str(), first(&report, "party").as_str()),
        ("ip-listed", "here"),
        "{report:#}"
    );
    assert_eq!((report["verdict"].as_str(), output.status.code()), (Some("inconclusive"), Some(3)));
}
