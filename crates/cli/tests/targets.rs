//! What the target is taken for, and what follows where it is a server and no domain.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use common::{diagnosis, lab, maildoctor};
use serde_json::Value;

/// Checks a lab with another target, and gives text or JSON.
fn said_of(target: &str, faults: &[&str], more: &[&str]) -> String {
    let running = lab(faults);
    let mut arguments = running.lab.check_arguments();
    arguments[1] = target.replace("{smtp}", &running.lab.plan().smtp.to_string());
    let output = maildoctor().args(&arguments).args(more).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_bare_name_that_the_mx_above_names_is_taken_as_a_server_and_said_to_be() {
    let text = said_of("mx1.lab.example", &[], &[]);
    assert!(text.contains("was taken as a server"), "{text}");
    assert!(!text.contains("mx-missing"), "{text}");
}

#[test]
fn an_address_is_a_server_without_further_words() {
    let arguments =
        ["check", "127.0.0.1", "--port", "smtp=1", "--resolver", "127.0.0.1:1", "--foreign-resolver", "none"];
    let output = maildoctor().args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("was taken as a server"), "{text}");
}

#[test]
fn a_resolver_that_fails_is_named_where_a_server_is_looked_at_as_where_a_domain_is() {
    for fault in ["resolver-unreachable", "resolver-servfail"] {
        let text = said_of("mx1.lab.example:{smtp}", &[fault], &["--format", "json"]);
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(diagnosis(&report), [fault]);
        assert_eq!(report["verdict"], "inconclusive");
    }
}

#[test]
fn of_a_server_named_for_port_25_nobody_expects_that_users_send_by_it() {
    let text = said_of("mx1.lab.example:{smtp}", &[], &["--format", "json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(diagnosis(&report), [""; 0]);
    let summary = report["summary"].as_str().unwrap();
    assert!(summary.contains("is received as it should be; whether anna@lab.example can send"), "{summary}");
}

#[test]
fn of_a_domain_that_does_not_exist_no_records_are_missed() {
    let text = said_of("nowhere.lab.example", &[], &["--color", "never"]);
    assert!(text.contains("does not exist") && !text.contains("no record"), "{text}");
}
