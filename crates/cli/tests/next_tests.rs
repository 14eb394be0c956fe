//! The next tests that a report names: each is a command of this program, and where the lab can show it, running it decides
//! what was unknown.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::collections::BTreeMap;
use std::process::Command;

use common::{PROGRAM, lab, report};
use serde_json::Value;

/// The commands that a report names, as they would be typed.
fn commands(report: &Value) -> Vec<String> {
    report["next_tests"].as_array().unwrap().iter().map(|test| test["command"].as_str().unwrap().to_owned()).collect()
}

/// Runs a command as it would be typed, with this program in the place of the one installed.
fn typed(command: &str, more: &str) -> std::process::Output {
    let words = command.strip_prefix("sudo ").unwrap_or(command).strip_prefix("maildoctor ").unwrap();
    Command::new("sh").args(["-c", &format!("exec {PROGRAM} {words} {more}")]).output().unwrap()
}

/// Code and subject of each check that came to an end, and how.
fn decided(report: &Value) -> BTreeMap<(String, String), String> {
    let checks = report["checks"].as_array().unwrap().iter();
    let ended = checks.filter(|check| check["state"] == "clear" || check["state"] == "found");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    ended.map(|check| ((text(&check["code"]), text(&check["subject"])), text(&check["state"]))).collect()
}

#[test]
fn each_is_a_command_with_options_that_there_are() {
    for fault in [
        &[][..],
        &["banner-slow"],
        &["dnsbl-timeout"],
        &["connect-timeout"],
        &["rcpt-timeout"],
        &["imap-unreachable"],
        &["auth-token-at-lost"],
        &["rcpt-rejected-dnsbl"],
        &["domain-not-found"],
    ] {
        let report = report(&lab(fault), &[]);
        let commands = commands(&report);
        for command in &commands {
            // The whole line is read before the help is shown.
            let output = typed(command, "--help");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{fault:?}: {command}\n{said}");
        }
    }
}

#[test]
fn running_one_decides_what_was_unknown() {
    for (fault, adds) in [(&[][..], "--send"), (&["banner-slow"], "--dnsbl="), (&["rcpt-rejected-dnsbl"], "--dnsbl=")] {
        let running = lab(fault);
        let before = report(&running, &[]);
        let commands = commands(&before);
        let command = commands.iter().find(|c| c.rsplit(' ').next().unwrap().starts_with(adds));
        let command = command.unwrap_or_else(|| panic!("{fault:?}: no {adds} among {commands:?}"));
        let output = typed(command, "");
        let after: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{command}: {e}: {}", String::from_utf8_lossy(&output.stderr)));
        let known = decided(&before);
        let new = decided(&after).into_iter().filter(|(check, _)| !known.contains_key(check)).count();
        assert!(new > 0, "{fault:?}: {command} decides nothing");
    }
}
