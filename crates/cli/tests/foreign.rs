//! swaks, a client that is not ours, against the lab's servers in each of its modes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::{Running, lab};
use secrecy::ExposeSecret;

const ANNA: &str = "anna@lab.example";

/// Exit codes of swaks, as its manual has them: no recipient was taken, and no login succeeded.
const NO_RECIPIENT: i32 = 24;
const NO_LOGIN: i32 = 28;

/// What swaks says and its exit code, against a port of the first exchanger or of the mailbox server.
fn swaks(at: (std::net::IpAddr, u16), arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("swaks");
    command.args(["--server", &at.0.to_string(), "--port", &at.1.to_string(), "--helo", "client.visitor.example"]);
    command.args(["--to", ANNA]).args(arguments);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|o| String::from_utf8_lossy(&o).into_owned()).concat();
    (output.status.code(), said)
}

/// Holds that a session ends as it should, and what is said in it.
fn ends(at: (std::net::IpAddr, u16), arguments: &[&str], code: i32, said: &[&str]) {
    let (got, text) = swaks(at, arguments);
    assert_eq!(got, Some(code), "{arguments:?}\n{text}");
    for part in said {
        assert!(text.contains(part), "{arguments:?}: {part} is missing\n{text}");
    }
}

fn exchanger(running: &Running) -> (std::net::IpAddr, u16) {
    let plan = running.lab.plan();
    (plan.mx(1), plan.smtp)
}

#[test]
fn an_exchanger_serves_a_stranger() {
    let running = lab(&[]);
    let at = exchanger(&running);
    let from = ["--from", "sam@visitor.example"];
    let with = |more: &[&'static str]| [&from[..], more].concat();
    ends(at, &with(&[]), 0, &["250-PIPELINING", "queued as"]);
    ends(at, &with(&["--tls"]), 0, &["TLS started with cipher", "queued as"]);
    ends(at, &with(&["--pipeline"]), 0, &["queued as"]);
    ends(at, &with(&["--tls", "--pipeline"]), 0, &["TLS started with cipher", "queued as"]);
    ends(at, &["--from", "<>"], 0, &["MAIL FROM:<>", "queued as"]);
    for (stage, last) in [
        ("CONNECT", "220 mx1.lab.example"),
        ("FIRST-EHLO", "250-PIPELINING"),
        ("TLS", "TLS started with cipher"),
        ("MAIL", "250 2.1.0"),
        ("RCPT", "250 2.1.5"),
    ] {
        let mut arguments = with(&["--quit-after", stage]);
        if stage == "TLS" {
            arguments.push("--tls");
        }
        ends(at, &arguments, 0, &[last, "221 "]);
    }
    ends(at, &with(&["--to", "nobody@lab.example"]), NO_RECIPIENT, &["550 5.1.1"]);
    ends(at, &with(&["--to", "somebody@elsewhere.example"]), NO_RECIPIENT, &["554 5.7.1"]);
    // One of two is known: swaks goes on with that one, also when all was sent at once.
    let some = "anna@lab.example,nobody@lab.example";
    ends(at, &with(&["--to", some]), 0, &["550 5.1.1", "queued as"]);
    ends(at, &with(&["--to", some, "--pipeline"]), 0, &["550 5.1.1", "queued as"]);
}

#[test]
fn a_large_message_with_dots_and_octets_arrives_as_it_was_sent() {
    let running = lab(&[]);
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("body");
    let lines: String = (0..60_000).map(|n| format!(".line {n} mit Umlauten: äöü\n")).collect();
    std::fs::write(&body, &lines).unwrap();
    let body = format!("@{}", body.display());
    ends(exchanger(&running), &["--from", "sam@visitor.example", "--body", &body, "--silent", "2"], 0, &[]);
    let path = running.lab.maildir(ANNA).join("new");
    let until = Instant::now() + Duration::from_secs(30);
    let message = loop {
        let mut files = std::fs::read_dir(&path).into_iter().flatten().flatten();
        match files.next() {
            Some(file) => break std::fs::read_to_string(file.path()).unwrap(),
            None if Instant::now() > until => panic!("nothing arrived in {}", path.display()),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let (_, arrived) = message.split_once("\r\n\r\n").or_else(|| message.split_once("\n\n")).unwrap();
    assert_eq!(arrived.replace("\r\n", "\n").trim_end(), lines.trim_end());
}

#[test]
fn a_user_logs_in_by_every_mechanism() {
    let running = lab(&[]);
    let plan = running.lab.plan();
    let password = running.lab.accounts()[ANNA].expose_secret().to_owned();
    for (port, tls) in [(plan.submission, "--tls"), (plan.smtps, "--tls-on-connect")] {
        let at = (plan.mail(), port);
        let from = ["--from", ANNA, "--auth-user", ANNA, tls];
        for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
            let right = [&from[..], &["--auth", mechanism, "--auth-password", &password]].concat();
            ends(at, &right, 0, &["235 2.7.0", "queued as"]);
            let wrong = [&from[..], &["--auth", mechanism, "--auth-password", "wrong"]].concat();
            ends(at, &wrong, NO_LOGIN, &["535 5.7.8"]);
        }
        ends(at, &[&from[..], &["--quit-after", "AUTH", "--auth-password", &password]].concat(), 0, &["235 2.7.0"]);
    }
}
