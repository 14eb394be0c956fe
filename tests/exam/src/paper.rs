//! One run of the program against a lab, and what it said.

use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use maildoctor_lab::net::Plan;
use maildoctor_lab::scenario::Scenario;
use maildoctor_lab::{Lab, LabError};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// What keeps a run from being judged.
#[derive(Debug, thiserror::Error)]
pub enum ExamError {
    /// The lab did not start.
    #[error("{0}")]
    Lab(#[from] LabError),
    /// The program could not be run.
    #[error("the program cannot be run: {0}")]
    Io(#[from] io::Error),
    /// It said something else than a report.
    #[error("there is no report ({error}): {said}")]
    NoReport {
        /// What keeps it from being read.
        error: serde_json::Error,
        /// What was said instead.
        said: String,
    },
}

/// A lab that runs as long as this lives.
pub struct Running {
    /// The lab.
    pub lab: Lab,
    _runtime: Runtime,
}

impl Running {
    /// Starts a lab with a story.
    ///
    /// # Errors
    /// Those of [`Lab::start`].
    pub fn start(story: &Scenario) -> Result<Self, ExamError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let lab = runtime.block_on(Lab::start(story))?;
        Ok(Self { lab, _runtime: runtime })
    }

    /// Checks the lab as a user would, with more arguments, and gives what the process did.
    ///
    /// # Errors
    /// Where it cannot be run.
    pub fn check(&self, program: &Path, more: &[&str]) -> io::Result<Output> {
        command(program).args(self.lab.check_arguments()).args(more).output()
    }

    /// Checks the lab and reads the report.
    ///
    /// # Errors
    /// [`ExamError`] where there is none.
    pub fn paper(&self, program: &Path, more: &[&str]) -> Result<Paper, ExamError> {
        let began = Instant::now();
        let output = self.check(program, &[more, &["--format", "json"]].concat())?;
        let report = serde_json::from_slice(&output.stdout).map_err(|error| ExamError::NoReport {
            error,
            said: [output.stdout, output.stderr].map(|o| String::from_utf8_lossy(&o).into_owned()).concat(),
        })?;
        Ok(Paper { report, took: began.elapsed(), plan: self.lab.plan().clone() })
    }
}

/// The program under test, with an environment that is the same everywhere.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_remove("MAILDOCTOR_PASSWORD").env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// What a run said.
#[derive(Debug)]
pub struct Paper {
    /// The report.
    pub report: Value,
    /// How long the process ran.
    pub took: Duration,
    plan: Plan,
}

impl Paper {
    /// Switches faults on and checks.
    ///
    /// # Errors
    /// [`ExamError`] where there is no report.
    pub fn of(program: &Path, faults: &[&str]) -> Result<Self, ExamError> {
        Running::start(&Scenario::with_faults(faults))?.paper(program, &[])
    }

    /// The same with no more than the codes of what was found, and the checks of these codes.
    #[must_use]
    pub fn about(self, codes: &[&str]) -> Self {
        let named = |key| self.list(key).filter_map(code).map(|code| json!({ "code": code })).collect::<Vec<_>>();
        let checks: Vec<&Value> =
            self.list("checks").filter(|check| code(check).is_some_and(|code| codes.contains(&code))).collect();
        let report = json!({
            "verdict": self.report.get("verdict"),
            "diagnosis": named("diagnosis"),
            "findings": named("findings"),
            "checks": checks,
        });
        Self { report, ..self }
    }

    /// Whether nothing is wrong, and nothing is advised.
    pub fn is_silent(&self) -> bool {
        self.report.get("verdict").and_then(Value::as_str) == Some("healthy") && self.roots().next().is_none()
    }

    fn list(&self, key: &str) -> impl Iterator<Item = &Value> {
        self.report.get(key).and_then(Value::as_array).into_iter().flatten()
    }

    /// The codes of the root causes, the first first.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.list("diagnosis").filter_map(code)
    }

    /// The codes of all findings.
    pub fn findings(&self) -> impl Iterator<Item = &str> {
        self.list("findings").filter_map(code)
    }

    /// The states of a code's checks, each with its subject in the lab's own words: `service:mx1:smtp`.
    pub fn states<'p>(&'p self, of: &'p str) -> impl Iterator<Item = (String, &'p str)> {
        self.list("checks")
            .filter(move |check| code(check) == Some(of))
            .filter_map(|check| Some((self.place(check.get("subject")?.as_str()?), check.get("state")?.as_str()?)))
    }

    /// A subject with the lab's addresses and ports, which differ in every run, as names.
    fn place(&self, subject: &str) -> String {
        let (plan, mut named) = (&self.plan, subject.to_owned());
        let hosts = [(plan.mx(1), "mx1"), (plan.mx(2), "mx2"), (plan.mail(), "mail"), (plan.resolver(), "resolver")];
        for (ip, name) in hosts {
            // Between its colons: 127.1.2.1 is no part of 127.1.2.11.
            named =
                format!("{named}:").replace(&format!(":{ip}:"), &format!(":{name}:")).trim_end_matches(':').to_owned();
        }
        let ports = [(plan.smtp, "smtp"), (plan.submission, "submission"), (plan.smtps, "smtps")];
        let mailboxes = [(plan.imap, "imap"), (plan.imaps, "imaps"), (plan.pop3, "pop3"), (plan.pop3s, "pop3s")];
        for (port, name) in ports.into_iter().chain(mailboxes) {
            if let Some(host) = named.strip_suffix(&format!(":{port}")) {
                named = format!("{host}:{name}");
            }
        }
        named
    }
}

fn code(of: &Value) -> Option<&str> {
    of.get("code")?.as_str()
}
