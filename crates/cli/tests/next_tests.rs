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
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{PROGRAM, Running, lab, report};
use serde_json::Value;

/// The commands that a report names, as they would be typed.
fn commands(report: &Value) -> Vec<String> {
    report["next_tests"].as_array().unwrap().iter().map(|test| test["command"].as_str().unwrap().to_owned()).collect()
}

/// Runs a command as it would be typed, with this program in the place of the one installed, and without other rights.
fn typed(command: &str, more: &str) -> std::process::Output {
    let words = command.split_once("maildoctor ").unwrap().1;
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
        &["connect-refused"],
        &["accepted-not-delivered"],
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

/// How often each kind of next test is run; what it adds to the command is its kind.
const RUNS: usize = 3;

/// Faults that are looked at side by side: most of the time goes by in waiting.
const SIDES: usize = 6;

/// Whether a next test can be run beside a lab: one on the host looks at this machine, which is not the lab's. The ward runs
/// those, where there is a server to stand on.
fn can_be_run(command: &str) -> bool {
    !command.starts_with("sudo ")
}

/// The server outside that a control test names.
const CONTROL: &str = "gmail-smtp-in.l.google.com";

/// An address of the lab's network that leads to the receiver of another lab: port 25 of a server that is up.
fn leads_elsewhere(here: &Running, elsewhere: &Running) -> IpAddr {
    let door = SocketAddr::new(here.lab.plan().nobody(), here.lab.plan().smtp);
    let behind = SocketAddr::new(elsewhere.lab.plan().mx(1), elsewhere.lab.plan().smtp);
    let listener = TcpListener::bind(door).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(behind).unwrap();
            let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
            for (mut from, mut to) in [(client, server), back] {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    door.ip()
}

/// What is wrong with a next test of a report, once it was run.
fn wrong_with(before: &Value, command: &str) -> Option<String> {
    let output = typed(command, "");
    let Ok(after) = serde_json::from_slice::<Value>(&output.stdout) else {
        return Some(format!("no report: {}", String::from_utf8_lossy(&output.stderr)));
    };
    let known = decided(before);
    let new = decided(&after).into_keys().filter(|check| !known.contains_key(check)).count();
    (new == 0).then(|| "it decides nothing".to_owned())
}

#[test]
fn whatever_the_exam_suggests_decides_something_when_it_is_run() {
    let elsewhere = lab(&[]);
    let faults: Vec<&str> = maildoctor_lab::faults::all().map(|fault| fault.code).collect();
    let (next, runs, wrong) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..SIDES {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let running = lab(&[fault]);
                    let before = report(&running, &[]);
                    for command in commands(&before).iter().filter(|command| can_be_run(command)) {
                        let mut command = command.clone();
                        if command.contains(CONTROL) {
                            command = command.replace(CONTROL, &leads_elsewhere(&running, &elsewhere).to_string());
                        }
                        let kind = command.rsplit(" --").next().unwrap().split(['=', ' ']).next().unwrap().to_owned();
                        let turn = {
                            let mut runs = runs.lock().unwrap();
                            let turn = runs.entry(kind).or_insert(0_usize);
                            *turn += 1;
                            *turn
                        };
                        if turn <= RUNS
                            && let Some(what) = wrong_with(&before, &command)
                        {
                            wrong.lock().unwrap().push(format!("{fault}: {command}: {what}"));
                        }
                    }
                }
            });
        }
    });
    let (runs, wrong) = (runs.into_inner().unwrap(), wrong.into_inner().unwrap());
    println!("kinds of next tests, and how often they were suggested: {runs:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for kind in ["send", "dnsbl", "control-mx"] {
        assert!(runs.contains_key(kind), "nothing suggests --{kind} any more: {runs:?}");
    }
}
