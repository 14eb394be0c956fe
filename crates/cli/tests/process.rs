//! The program as a process: what it says to good, bad and absurd arguments, and what it keeps to itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::io::Write;
use std::process::Stdio;

use common::{check, lab, maildoctor};
use maildoctor_lab::scenario::Scenario;
use secrecy::ExposeSecret;

fn said(args: &[&str]) -> (Option<i32>, String, String) {
    let output = maildoctor().args(args).output().unwrap();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn bad_usage_ends_with_3_and_one_clear_sentence() {
    for (args, words) in [
        (vec!["check"], "required"),
        (vec!["check", ""], "the target is empty"),
        (vec!["check", "a b@example.org"], "before the @"),
        (vec!["check", "http://example.org"], "no scheme for mail"),
        (vec!["check", "example.org:99999"], "no port"),
        (vec!["check", "example.org", "--timeout", "5"], "500ms"),
        (vec!["check", "example.org", "--port", "ftp=21"], "NAME=N"),
        (vec!["check", "example.org", "--only", "nonsense"], "no area"),
        (vec!["check", "example.org", "--at", "soon"], "such as 30"),
        (vec!["check", "example.org", "--user", "anna"], "--password-file"),
        (vec!["check", "example.org", "--user", "anna", "--password-file", "/nowhere"], "/nowhere"),
        (vec!["check", "example.org", "--relay-rcpt", "a@b\r\nRCPT TO:<c@d>"], "--relay-rcpt"),
        (vec!["check", "example.org", "--from", "carrier-pigeon"], "socks5://"),
        (vec!["check", "example.org", "--format", "text,json"], "--output DIR"),
        (vec!["check", "anna@"], "`anna@` names no domain"),
        (vec!["check", "example.org", "--bind", "203.0.113.1"], "an address of this machine"),
        (vec!["check", "example.org", "--mailbox", "maildir:/no/where"], "no Maildir"),
        (vec!["check", "example.org", "--mailbox", "maildir:/etc"], "no Maildir"),
        (vec!["check", "example.org", "--ca-file", "/nowhere"], "/nowhere"),
        (vec!["check", "example.org", "--ca-file", "/etc/hostname"], "PEM"),
        (vec!["diagnose", "/nowhere"], "/nowhere"),
        (vec!["diagnose", "/etc/hostname"], "no maildoctor case"),
        (vec!["explain", "dnsbl-timeot"], "dnsbl-timeout"),
        (vec!["catalogue", "--area", "nonsense"], "no area"),
        (vec!["lab", "--fault", "nonsense"], "nonsense"),
        (vec!["no-such-command"], "no-such-command"),
    ] {
        let (code, out, err) = said(&args);
        assert_eq!(code, Some(3), "{args:?}: {err}");
        assert!(err.contains(words), "{args:?} says {err}");
        assert!(out.is_empty() && !err.contains("panicked"), "{args:?}");
    }
}

#[test]
fn help_and_lists_are_no_errors() {
    for args in [
        vec!["--help"],
        vec!["--version"],
        vec!["check", "--help"],
        vec!["catalogue"],
        vec!["lab", "--list"],
        vec!["schema", "case"],
        vec!["completions", "bash"],
        vec!["man"],
    ] {
        let (code, out, _) = said(&args);
        assert_eq!(code, Some(0), "{args:?}");
        assert!(!out.is_empty(), "{args:?}");
    }
    let (_, out, _) = said(&["check", "--help"]);
    assert!(out.contains("Examples:"));
}

#[test]
fn every_code_can_be_explained() {
    for code in maildoctor_core::catalogue::codes() {
        let (status, out, _) = said(&["explain", code]);
        assert!(status == Some(0) && out.contains("How to fix it"), "{code}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = maildoctor().arg("catalogue").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

fn decode(token: &str, more: &[&str]) -> (Option<i32>, String) {
    let mut child =
        maildoctor().args(["token", "decode"]).args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn tokens_are_made_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "not.my.real.password\n").unwrap();
    let path = file.to_str().unwrap();
    let (code, token, _) = said(&["token", "plain", "--user", "jms1@jms1.net", "--password-file", path]);
    assert_eq!((code, token.as_str()), (Some(0), "AGptczFAam1zMS5uZXQAbm90Lm15LnJlYWwucGFzc3dvcmQ=\n"));
    assert_eq!(decode(&token, &[]).0, Some(0));
    // "\0jms1@jms1.net\0..." as perl makes it of double quotes without a backslash: \0 is whole, @jms1 is lost.
    let (code, out) =
        decode("AGptczEubmV0AG5vdC5teS5yZWFsLnBhc3N3b3Jk", &["--user", "jms1@jms1.net", "--password-file", path]);
    assert!(code == Some(1) && out.contains("auth-token-at-lost (proven)") && !out.contains("real.password"), "{out}");
    let (code, _, err) = said(&["token", "decode", "AGEAYg=="]);
    assert!(code == Some(3) && err.contains("--insecure-argument"));
}

#[test]
fn a_password_stands_in_no_output_case_or_error() {
    let running = lab(&["auth-rejected"]);
    let canary = "kanarienvogel-0815";
    let folder = tempfile::tempdir().unwrap();
    let (file, case) = (folder.path().join("password"), folder.path().join("case.json"));
    std::fs::write(&file, format!("{canary}\n")).unwrap();
    let mut arguments = running.lab.check_arguments();
    let place = arguments.iter().position(|a| a == "--password-file").unwrap() + 1;
    arguments[place] = file.display().to_string();
    let token = maildoctor_wire::token::encode("anna@lab.example", &canary.to_owned().into(), "");
    for format in ["text", "json"] {
        let output = maildoctor()
            .args(&arguments)
            .args(["--format", format, "--save", case.to_str().unwrap()])
            .output()
            .unwrap();
        for (what, octets) in
            [("output", &output.stdout), ("errors", &output.stderr), ("case", &std::fs::read(&case).unwrap())]
        {
            let text = String::from_utf8_lossy(octets);
            assert!(
                !text.contains(canary) && !text.contains(token.expose_secret()),
                "the password stands in the {what}"
            );
        }
    }
}

#[test]
fn text_reports_name_verdict_and_cause_in_the_first_line() {
    let output = check(&lab(&["cert-expired"]), &["--color", "never"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let head: String = text.lines().take(2).collect();
    assert!(head.starts_with("AT-RISK: ") && head.contains("expired on"), "{head}");
    assert!(!text.contains('\u{1b}'), "colour where none was asked for");
}

#[test]
fn every_entry_has_a_rule_and_a_fault_or_a_reason_why_not() {
    let mut ruled: Vec<&str> = maildoctor_core::findings::all().iter().flat_map(|rule| rule.codes).copied().collect();
    ruled.sort_unstable();
    ruled.dedup();
    let codes: Vec<&str> = maildoctor_core::catalogue::codes().collect();
    assert_eq!(codes, ruled, "entries and rules name different codes");
    for entry in maildoctor_core::catalogue::all() {
        let shown = maildoctor_lab::faults::find(&entry.code)
            .or_else(|| maildoctor_lab::faults::find_of_sender(&entry.code))
            .is_some();
        let reason = entry.lab.strip_prefix("cannot: ").is_some_and(|why| !why.is_empty());
        assert!(
            shown != reason,
            "{}: lab = {:?}, and the lab {} it",
            entry.code,
            entry.lab,
            if shown { "shows" } else { "does not show" }
        );
    }
}

#[test]
fn a_mailbox_that_cannot_be_read_leaves_open_whether_the_message_was_delivered() {
    let running = lab(&[]);
    let folder = tempfile::tempdir().unwrap();
    let mailbox = format!("maildir:{}", folder.path().join("to-come").display());
    let mut arguments = running.lab.check_arguments();
    arguments.extend(["--send", "--mailbox", &mailbox, "--deadline", "4s"].map(str::to_owned));
    let output = maildoctor().args(&arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("INCONCLUSIVE") && text.contains("is no Maildir"), "{text}");
    assert_eq!(output.status.code(), Some(3));
}

/// The lab's certificates are valid for 90 days.
#[test]
fn certificates_are_judged_as_they_will_be() {
    let running = lab(&[]);
    for (days, code, words) in [
        ("0", None, ""),
        ("85", Some("cert-expires-soon"), "will have"),
        ("120d", Some("cert-expired"), "will have expired"),
    ] {
        let report = common::report(&running, &["--at", days]);
        let roots = report["diagnosis"].as_array().unwrap();
        assert_eq!(roots.first().map(|root| root["code"].as_str().unwrap()), code, "{days}: {roots:#?}");
        assert!(code.is_none() || roots[0]["cause"].as_str().unwrap().contains(words), "{roots:#?}");
        assert!(report["as_of"].as_str().unwrap() > report["started_at"].as_str().unwrap());
    }
    let text = String::from_utf8(check(&running, &["--at", "85"]).stdout).unwrap();
    assert!(text.contains("judged as they will be on 20"), "{text}");
}

#[test]
fn only_and_skip_are_obeyed() {
    let running = lab(&["cert-expired"]);
    let report = common::report(&running, &["--only", "dns"]);
    assert_eq!(report["verdict"], "healthy", "{:?}", common::diagnosis(&report));
    let talked =
        report["observations"].as_array().unwrap().iter().any(|o| !o["probe"].as_str().unwrap().starts_with("dns."));
    assert!(!talked, "something else than the DNS was asked");
    let report = common::report(&running, &["--skip", "tls"]);
    assert!(common::diagnosis(&report).is_empty(), "{:?}", common::diagnosis(&report));
}

#[test]
fn nothing_waits_for_what_it_does_not_need() {
    let kinds = ["BANNER", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "RSET", "VRFY", "QUIT"];
    let slow: String = kinds.map(|on| format!("[[rule]]\non = \"{on}\"\ndelay = \"60ms\"\n")).concat();
    let running = common::story(&Scenario::from_toml(&slow).unwrap());
    let report = common::report(&running, &[]);
    let steps = report["observations"].as_array().unwrap();
    let of = |probe: &str| steps.iter().filter(|o| o["probe"] == probe).collect::<Vec<_>>();
    let began = |o: &serde_json::Value| o["at_ms"].as_u64().unwrap();
    // The account is tried when its service is known, not when the exchangers are done: ten replies later.
    let asked = of("smtp.vrfy/1").iter().map(|o| began(o)).min().unwrap();
    assert!(of("smtp.auth/1").iter().all(|o| began(o) < asked), "AUTH waited for the exchangers");
    assert!(of("smtp.visit/1").iter().all(|o| o["asked"]["errand"] != "auth"), "AUTH took a connection too many");
    // The run is as long as its longest session.
    let exchanger = &of("smtp.vrfy/1")[0]["subject"];
    let session = ["banner", "ehlo", "starttls", "mail", "rcpt", "rset", "vrfy", "quit"];
    let session = session.iter().flat_map(|name| of(&format!("smtp.{name}/1"))).filter(|o| o["subject"] == *exchanger);
    let long: u64 = session.map(|o| o["took_ms"].as_u64().unwrap()).sum();
    let whole = report["duration_ms"].as_u64().unwrap();
    assert!(whole * 10 < long * 14, "{whole} ms for a session of {long} ms");
}
