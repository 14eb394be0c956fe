//! What the process tests share: the program, a lab of its own for each test, and the report as JSON.

use std::process::{Command, Output, Stdio};

use maildoctor_lab::Lab;
use maildoctor_lab::scenario::Scenario;
use serde_json::Value;
use tokio::runtime::Runtime;

/// The program under test, with an environment that is the same everywhere.
pub(crate) fn maildoctor() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maildoctor"));
    command.env_remove("MAILDOCTOR_PASSWORD").env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// A lab that runs as long as this lives.
pub(crate) struct Running {
    pub(crate) lab: Lab,
    _runtime: Runtime,
}

/// Starts a lab with faults.
#[allow(dead_code, reason = "each test file uses its own part of this module")]
pub(crate) fn lab(faults: &[&str]) -> Running {
    story(&Scenario::with_faults(faults))
}

/// Starts a lab with a story.
pub(crate) fn story(scenario: &Scenario) -> Running {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let lab = runtime.block_on(Lab::start(scenario)).unwrap();
    Running { lab, _runtime: runtime }
}

/// Checks a lab, with more arguments, and gives what the process did.
#[allow(dead_code, reason = "each test file uses its own part of this module")]
pub(crate) fn check(running: &Running, more: &[&str]) -> Output {
    maildoctor().args(running.lab.check_arguments()).args(more).output().unwrap()
}

/// The report of a check in JSON.
#[allow(dead_code, reason = "each test file uses its own part of this module")]
pub(crate) fn report(running: &Running, more: &[&str]) -> Value {
    let output = check(running, &[more, &["--format", "json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
        panic!(
            "no report ({e}): {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// The codes of the diagnosis, the first first.
#[allow(dead_code, reason = "each test file uses its own part of this module")]
pub(crate) fn diagnosis(report: &Value) -> Vec<String> {
    report["diagnosis"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect()
}
