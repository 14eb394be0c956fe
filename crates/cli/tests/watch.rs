//! A check that is repeated: the whole report once, then only what changed, until Ctrl-C.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use common::{lab, maildoctor};
use maildoctor_lab::DOMAIN;
use maildoctor_lab::dns::data;

/// A process that ends with the test, also with one that fails.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn only_what_changed_is_printed_and_ctrl_c_gives_the_last_verdict() {
    let running = lab(&[]);
    let mut command = maildoctor();
    command.args(running.lab.check_arguments()).args(["--watch", "5s"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut watching = Watching(command.spawn().unwrap());
    let mut lines = BufReader::new(watching.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().starts_with("HEALTHY: "));
    assert!(lines.any(|line| line.starts_with("Looked from local")), "the first report is whole");

    // A second exchanger with the same name as the first: advice, and a change of the table.
    running.lab.zones().lock().unwrap().add(DOMAIN, data::mx(30, &format!("mx1.{DOMAIN}")));
    let outcome = lines.find(|line| !line.is_empty()).unwrap();
    assert!(outcome.starts_with("WORSE: ") || outcome.starts_with("CHANGED: "), "{outcome}");
    let change = lines.find(|line| line.contains("mx-duplicate")).unwrap();
    assert!(change.contains("new:"), "{change}");

    Command::new("kill").args(["-INT", &watching.0.id().to_string()]).status().unwrap();
    assert_eq!(watching.0.wait().unwrap().code(), Some(0), "advice is no fault");
}

#[test]
fn a_watch_that_would_be_a_burden_or_make_no_sense_is_refused() {
    for (arguments, says) in [
        (["--watch", "1s"].as_slice(), "would be a burden"),
        (&["--watch", "soon"], "is no duration"),
        (&["--watch", "10s", "--send"], "cannot be used with"),
    ] {
        let output = maildoctor().args(["check", "lab.example"]).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(says), "{said}");
    }
}
