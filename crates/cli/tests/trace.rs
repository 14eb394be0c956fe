//! Received messages as a user has them: a file, standard input, a kept case.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const LATE: &str = "\
Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=anna@example.net; dmarc=pass header.from=example.net
Received: from mx.example.org ([192.0.2.7]) by store.example.org with LMTP id 3; Tue, 24 Nov 2026 13:31:08 +0000
Received: from mail.example.net (mail.example.net [198.51.100.9]) by mx.example.org (Postfix) with ESMTPS id 2; Tue, 24 Nov 2026 13:00:07 +0000
From: Anna <anna@example.net>
Date: Tue, 24 Nov 2026 13:00:00 +0000
Message-ID: <1@example.net>

At noon.
";

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_maildoctor"))
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

#[test]
fn a_late_message_names_the_hop_in_words_and_json_and_again_from_its_case() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case.json");
    let case = case.to_str().unwrap();
    let output = run(&["trace", "-", "--offline", "--save", case], LATE.as_bytes());
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("store.example.org got the message 31 min after mx.example.org had it"), "{text}");
    let again = run(&["diagnose", case], b"");
    assert_eq!((again.status.code(), again.stdout), (Some(1), output.stdout));
    let json = run(&["diagnose", case, "--format", "json"], b"");
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&report["hops"][1]["slowest"], &report["hops"][1]["delay_s"]), (&true.into(), &1861.into()));
    let schema: Value = serde_json::from_slice(&run(&["schema", "trace"], b"").stdout).unwrap();
    jsonschema::validator_for(&schema).unwrap().validate(&report).unwrap();
}

#[test]
fn what_is_no_message_is_said_in_one_line() {
    for (arguments, input) in [
        (&["trace", "-"][..], &b""[..]),
        (&["trace", "-"], b"Dear all,\nlunch is at noon.\n"),
        (&["trace", "/does/not/exist"], b""),
        (&["trace", "/"], b""),
        (&["trace", "-", "--format", "text,json"], b"A: b\n"),
    ] {
        let output = run(arguments, input);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{arguments:?} {error}");
        assert!(error.starts_with("error: ") && error.lines().count() == 1, "{arguments:?} {error}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_hostile_header_is_bounded_and_steers_no_terminal() {
    let evil = "Received: from \x1b]0;owned\x07 by \u{202e}evil; Tue, 24 Nov 2026 13:00:05 +0000\nX-Spam-Status: Yes, score=9\nSubject: \x1b[2J\n";
    let output = run(&["trace", "-", "--offline"], evil.repeat(20_000).as_bytes());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(['\x1b', '\x07', '\u{202e}']), "{text}");
    assert!(text.lines().count() < 500 && output.status.code() == Some(1));
}

/// A message that nothing is wrong with.
fn sound(from: &str) -> String {
    LATE.replace("13:31:08", "13:00:09").replace("Anna <anna@example.net>", from)
}

#[test]
fn an_mbox_is_a_table_and_each_message_of_it_can_be_told_in_full() {
    let opening = "From anna@example.net Tue Nov 24 13:00:00 2026\n";
    let mbox = format!("{opening}{}\n{opening}{LATE}\n{opening}no header at all\n\n", sound("bob@example.net"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old mail");
    std::fs::write(&file, &mbox).unwrap();
    let file = file.to_str().unwrap();
    let output = run(&["trace", file, "--offline"], b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let begin = "DEGRADED: something is wrong with 1 of 2 messages; the slowest was number 2, with 31 min; 1 could";
    assert!(text.starts_with(begin), "{text}");
    for line in [
        " 1  2026-11-24 13:00        2 s  pass   -      pass   -     bob@example.net\n",
        " 2  2026-11-24 13:31     31 min  pass   -      pass   -     anna@example.net  hop-slow\n",
        " 3  it does not begin with a header",
        "One hop kept the message: 1 message",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let suggested = format!("maildoctor trace '{file}' --message 2");
    assert!(text.contains(&suggested), "{text}");
    let full = run(&["trace", file, "--offline", "--message", "2"], b"");
    assert!(String::from_utf8_lossy(&full.stdout).contains("store.example.org got the message 31 min after"));
    let piped = run(&["trace", "-", "--offline", "--format", "json"], mbox.as_bytes());
    let report: Value = serde_json::from_slice(&piped.stdout).unwrap();
    assert_eq!((&report["source"], &report["messages"][1]["took_s"]), (&"mbox".into(), &1861.into()));
    assert_eq!(report["causes"][0]["messages"], serde_json::json!([2]));
    let schema: Value = serde_json::from_slice(&run(&["schema", "mailbox"], b"").stdout).unwrap();
    jsonschema::validator_for(&schema).unwrap().validate(&report).unwrap();
    for wrong in [&["--message", "3"][..], &["--message", "4"], &["--message", "0"], &["--save", "x.json"]] {
        let output = run(&[&["trace", file, "--offline"], wrong].concat(), b"");
        assert_eq!(output.status.code(), Some(3), "{wrong:?}");
        assert!(output.stdout.is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_maildir_and_a_folder_of_saved_messages_are_tables_and_one_message_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let maildir = folder.path().join("Maildir");
    for part in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(maildir.join(part)).unwrap();
    }
    std::fs::write(maildir.join("new/200.b.mail"), LATE).unwrap();
    std::fs::write(maildir.join("cur/100.a.mail:2,S"), sound("carol@example.net")).unwrap();
    std::fs::write(maildir.join("tmp/300.c.mail"), LATE).unwrap();
    let saved = folder.path().join("saved");
    std::fs::create_dir(&saved).unwrap();
    std::fs::write(saved.join("one.eml"), LATE).unwrap();
    std::fs::write(saved.join("notes.txt"), "no mail").unwrap();
    for (path, source, files) in
        [(&maildir, "maildir", &["100.a.mail:2,S", "200.b.mail"][..]), (&saved, "folder", &["one.eml"])]
    {
        let output = run(&["trace", path.to_str().unwrap(), "--offline", "--format", "json"], b"");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found: Vec<&str> =
            report["messages"].as_array().unwrap().iter().map(|m| m["file"].as_str().unwrap()).collect();
        assert_eq!((report["source"].as_str(), &found[..]), (Some(source), files));
    }
    let one = run(&["trace", "-", "--offline"], format!("From a Tue Nov 24 13:00:00 2026\n{LATE}\n").as_bytes());
    assert!(String::from_utf8_lossy(&one.stdout).contains("Hops"), "an mbox of one message is that message");
}
