//! `maildoctor isolate` on a trial's machine, and what it said.

use std::{
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{WardError, program};

/// What `isolate` came to.
#[derive(Debug)]
pub struct Isolated {
    json: Value,
    exit: Option<i32>,
    progress: String,
}

fn command(arguments: &[&str]) -> Result<Command, WardError> {
    let mut command = Command::new(program::given()?);
    command.args(["isolate", "--control", "postfix", "--format", "json"]).args(arguments);
    Ok(command)
}

/// Runs `maildoctor isolate --control postfix` with `arguments` to its end.
///
/// # Errors
/// When the program does not run, or says something that is no JSON.
pub fn isolate(arguments: &[&str]) -> Result<Isolated, WardError> {
    let output = command(arguments)?.output().map_err(WardError::io("running isolate"))?;
    let progress = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout)
        .map_err(|error| WardError::Wrong(format!("no JSON ({error})\n{progress}")))?;
    Ok(Isolated { json, exit: output.status.code(), progress })
}

/// Runs it and kills it without mercy after a while.
///
/// # Errors
/// When the program does not run, or ended before.
pub fn isolate_killed_after(delay: Duration) -> Result<(), WardError> {
    let mut child =
        command(&[])?.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(WardError::io("running isolate"))?;
    thread::sleep(delay);
    let ended = child.try_wait().map_err(WardError::io("isolate"))?;
    child.kill().map_err(WardError::io("killing isolate"))?;
    child.wait().map_err(WardError::io("isolate"))?;
    match ended {
        Some(status) => Err(WardError::Wrong(format!("it had ended before it was killed ({status})"))),
        None => Ok(()),
    }
}

impl Isolated {
    /// Exactly these settings were found guilty, most of the wait explained; none: there was no wait.
    ///
    /// # Errors
    /// [`WardError::Wrong`] with what was said otherwise.
    pub fn convicts(&self, ids: &[&str]) -> Result<(), WardError> {
        let mut guilty: Vec<&str> = self
            .json
            .pointer("/isolation/culprits")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|culprit| culprit.get("settings")?.as_array())
            .flatten()
            .filter_map(|setting| setting.get("id")?.as_str())
            .collect();
        guilty.sort_unstable();
        let outcome = self.json.pointer("/isolation/outcome").and_then(Value::as_str);
        let (wanted, exit) = if ids.is_empty() { ("quick", 0) } else { ("explained", 1) };
        if guilty == ids && outcome == Some(wanted) && self.exit == Some(exit) {
            return Ok(());
        }
        Err(WardError::Wrong(format!(
            "{outcome:?}, exit {:?}: {guilty:?} and not {ids:?}\n{}",
            self.exit, self.progress
        )))
    }
}
