//! Bounces as a user has them: a file, standard input, a reply in quotes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const DSN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/src/bounce/samples/postfix.eml");

fn bounce(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_maildoctor"))
        .arg("bounce")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that has said its word already need not read on.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn json(arguments: &[&str], input: &[u8]) -> (Option<i32>, Value) {
    let output = bounce(&[arguments, &["--format", "json"]].concat(), input);
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report)
}

#[test]
fn a_delivery_report_names_recipient_host_reply_and_fault() {
    let (code, report) = json(&[DSN], b"");
    assert_eq!(code, Some(2));
    let answer = &report["answers"][0];
    assert_eq!(answer["recipients"][0], "anna@example.net");
    assert_eq!(answer["host"], "mx.example.net");
    assert_eq!(answer["reply"]["enhanced_code"], "5.1.1");
    assert_eq!(answer["code"], "recipient-unknown");
    assert_eq!((&answer["fault"], &answer["retry"]), (&"recipient".into(), &"no".into()));
    let schema = Command::new(env!("CARGO_BIN_EXE_maildoctor")).args(["schema", "bounce"]).output().unwrap();
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    jsonschema::validator_for(&schema).unwrap().validate(&report).unwrap();
}

#[test]
fn a_reply_may_come_from_anywhere() {
    let reply = "550 5.7.26 This mail has been blocked because the sender is unauthenticated. abc - gsmtp";
    for (arguments, input) in [(&["-"][..], reply.as_bytes()), (&[reply], b"")] {
        let (code, report) = json(arguments, input);
        assert_eq!((code, &report["answers"][0]["code"]), (Some(2), &"bounce-provider-auth".into()));
        assert_eq!(report["answers"][0]["provider"], "Gmail");
    }
    let (code, report) = json(&["-"], b"452 4.3.1 Insufficient system storage");
    assert_eq!((code, &report["answers"][0]["outcome"]), (Some(1), &"temporary".into()));
    let (code, _) = json(&["-"], b"451 4.7.1 Greylisted, try again later");
    assert_eq!(code, Some(0), "greylisting harms nobody who tries again");
}

#[test]
fn what_was_never_ours_is_forged() {
    let (code, report) = json(&[DSN, "--ours", "mx.example.com"], b"");
    assert_eq!((code, &report["answers"][0]["code"]), (Some(0), &"bounce-forged".into()));
    let (code, report) = json(&[DSN, "--ours", "example.org"], b"");
    assert_eq!((code, &report["answers"][0]["code"]), (Some(2), &"recipient-unknown".into()));
}

#[test]
fn a_kept_case_is_diagnosed_alike() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case.json");
    bounce(&[DSN, "--save", case.to_str().unwrap()], b"");
    let output = Command::new(env!("CARGO_BIN_EXE_maildoctor")).arg("diagnose").arg(&case).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("recipient-unknown") && text.contains("anna@example.net"), "{text}");
}

#[test]
fn what_is_no_bounce_is_said_in_one_line() {
    let deep = "Content-Type: multipart/mixed; boundary=x\nFrom: a@b\n\n--x\n".repeat(20_000);
    for (arguments, input) in [
        (&["-"][..], &b""[..]),
        (&["-"], b"\0\0\0"),
        (&["-"], b"\x1f\x8b\x08\x00\x00garbage"),
        (&["-"], b"Dear all, lunch is at noon."),
        (&["/does/not/exist"], b""),
        (&["/"], b""),
        (&["-"], deep.as_bytes()),
        (&["-", "--format", "text,json"], b"550 no"),
    ] {
        let output = bounce(arguments, input);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{arguments:?} {error}");
        assert!(error.starts_with("error: ") && error.lines().count() == 1, "{arguments:?} {error}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_terminal_is_not_steered_by_what_a_bounce_holds() {
    let output = bounce(&["-"], b"550 5.1.1 \x1b]0;owned\x07 \xe2\x80\xaeevil");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(['\x1b', '\x07', '\u{202e}']), "{text}");
}

/// `bounce --check` of a reply about a mailbox of a lab with faults, told to look there.
fn checked(faults: &[&str], reply: &str, format: &[&str]) -> (Option<i32>, String) {
    let running = common::lab(faults);
    // `check`, the target, then the options that look at the lab.
    let options: Vec<String> = running.lab.check_arguments().split_off(2);
    let mut command = common::maildoctor();
    command.args(["bounce", reply, "--check"]).args(format).arg("--").args(options);
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!error.contains("error:"), "{error}{text}");
    (output.status.code(), text)
}

#[test]
fn the_live_test_tells_what_the_bounce_could_not() {
    let late = "452 4.3.1 <anna@lab.example>: Insufficient system storage";
    let (code, text) = checked(&["connect-refused"], late, &[]);
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} is missing: {text}"));
    assert!(at("Insufficient system storage") < at("\nmaildoctor check anna@lab.example\n"), "{text}");
    assert!(at("\nmaildoctor check anna@lab.example\n") < at("connect-refused"), "{text}");
    assert_eq!(code, Some(2), "the worse of 1 and 2: {text}");
}

#[test]
fn a_bounce_and_its_live_test_are_two_documents_of_json() {
    let refused = "550 5.1.1 <anna@lab.example>: User unknown";
    let (code, text) = checked(&[], refused, &["--format", "json"]);
    let documents: Vec<Value> =
        serde_json::Deserializer::from_str(&text).into_iter().collect::<Result<_, _>>().unwrap();
    let [bounce, check] = documents.as_slice() else { panic!("{text}") };
    assert_eq!(bounce["answers"][0]["test"], "maildoctor check anna@lab.example");
    assert_eq!((&bounce["schema"], &check["verdict"]), (&"maildoctor/bounce/1".into(), &"healthy".into()));
    assert_eq!(code, Some(2), "the mailbox was refused, whatever is so now");
}
