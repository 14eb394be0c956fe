//! What the process tests share: the program, a lab of its own for each test, and the report as JSON.

use std::process::{Command, Output, Stdio};

pub(crate) use maildoctor_exam::Running;
use maildoctor_lab::scenario::Scenario;
use serde_json::Value;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_maildoctor");

/// The program under test, with an environment that is the same everywhere.
pub(crate) fn maildoctor() -> Command {
    maildoctor_exam::command(PROGRAM.as_ref())
}

/// Starts a lab with faults.
#[allow(dead_code, reason = "each test file uses its own part of this module")]
pub(crate) fn lab(faults: &[&str]) -> Running {
    story(&Scenario::with_faults(faults))
}

/// Starts a lab with a story.
pub(crate) fn story(scenario: &Scenario) -> Running {
    Running::start(scenario).unwrap()
}

/// Checks a lab, with more arguments, and gives what the process did.
#[allow(dead_code, reason = "each test file uses its own part of this module")]
pub(crate) fn check(running: &Running, more: &[&str]) -> Output {
    running.check(PROGRAM.as_ref(), more).unwrap()
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

/// A process that is killed when this is dropped.
#[allow(dead_code, reason = "each test file uses its own part of this module")]
pub(crate) struct Killed(pub(crate) std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A lab as a process of its own.
#[allow(dead_code, reason = "each test file uses its own part of this module")]
pub(crate) struct LabProcess {
    pub(crate) process: Killed,
    /// The first exchanger.
    pub(crate) exchanger: String,
    /// Its folder.
    pub(crate) folder: std::path::PathBuf,
}

/// Starts a lab as a process.
#[allow(dead_code, reason = "each test file uses its own part of this module")]
pub(crate) fn lab_process(arguments: &[&str]) -> LabProcess {
    use std::io::BufRead;
    let mut child = maildoctor().arg("lab").args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let out = std::io::BufReader::new(child.stdout.take().unwrap());
    let (mut exchanger, mut folder) = (String::new(), std::path::PathBuf::new());
    let mut lines = out.lines();
    for line in lines.by_ref().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["mail", "exchangers", first, ..] => exchanger = (*first).to_owned(),
            ["files", path] => folder = std::path::PathBuf::from(path),
            ["maildoctor", "check", ..] => break,
            _ => {}
        }
    }
    std::thread::spawn(move || lines.for_each(drop));
    LabProcess { process: Killed(child), exchanger, folder }
}

/// The codes of the diagnosis, the first first.
#[allow(dead_code, reason = "each test file uses its own part of this module")]
pub(crate) fn diagnosis(report: &Value) -> Vec<String> {
    report["diagnosis"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect()
}
