//! `maildoctor isolate` on a trial's machine, and what it said.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{WardError, daemon::output_of, program};

/// Where shadows lie while they run.
const SHADOWS: &str = "/run/maildoctor-shadows";

/// A server as it stands on disk and runs: what `isolate` must leave alone.
#[derive(Debug, PartialEq, Eq)]
pub struct Untouched {
    folders: Vec<String>,
    /// Every file by its content; sockets and links by name.
    files: BTreeMap<String, Vec<u8>>,
    /// The processes of all mail servers, by number and command line.
    processes: String,
}

impl Untouched {
    /// Looks at what lies in `folders` and at what runs.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn now(folders: &[&str]) -> Result<Self, WardError> {
        let mut files = BTreeMap::new();
        for folder in folders {
            walk(Path::new(folder), &mut files).map_err(WardError::io(*folder))?;
        }
        let listing = output_of(Command::new("ps").args(["-e", "-o", "pid=,args="]))?;
        // What has ended stays in the list here, for the trial is the first process and collects nobody.
        let ours = |line: &&str| {
            !line.ends_with("<defunct>") && ["postfix", "exim", "maildoctor"].iter().any(|name| line.contains(name))
        };
        let processes = listing.lines().filter(ours).collect::<Vec<_>>().join("\n");
        Ok(Self { folders: folders.iter().map(|folder| (*folder).to_owned()).collect(), files, processes })
    }

    /// All is as it was, and no shadow is left.
    ///
    /// # Errors
    /// [`WardError::Wrong`] with what is not.
    pub fn still(&self) -> Result<(), WardError> {
        let folders: Vec<&str> = self.folders.iter().map(String::as_str).collect();
        let after = Self::now(&folders)?;
        if *self != after {
            let names = self.files.keys().chain(after.files.keys());
            let changed: Vec<_> = names.filter(|name| self.files.get(*name) != after.files.get(*name)).collect();
            return Err(WardError::Wrong(format!(
                "the server was touched: {changed:?}\n{}\n{}",
                self.processes, after.processes
            )));
        }
        let left = fs::read_dir(SHADOWS).map_err(WardError::io(SHADOWS))?.count();
        if left > 0 { Err(WardError::Wrong(format!("{left} shadows are left"))) } else { Ok(()) }
    }
}

fn walk(path: &Path, into: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    let kind = fs::symlink_metadata(path)?.file_type();
    if !kind.is_dir() {
        let content = if kind.is_file() { fs::read(path)? } else { Vec::new() };
        into.insert(path.display().to_string(), content);
        return Ok(());
    }
    fs::read_dir(path)?.try_for_each(|entry| walk(&entry?.path(), into))
}

/// What `isolate` came to.
#[derive(Debug)]
pub struct Isolated {
    json: Value,
    exit: Option<i32>,
    progress: String,
}

fn command(control: &str) -> Result<Command, WardError> {
    let mut command = Command::new(program::given()?);
    command.args(["isolate", "--control", control, "--format", "json"]);
    Ok(command)
}

/// Runs `maildoctor isolate` with a control to its end.
///
/// # Errors
/// When the program does not run, or says something that is no JSON.
pub fn isolate(control: &str) -> Result<Isolated, WardError> {
    let output = command(control)?.output().map_err(WardError::io("running isolate"))?;
    let progress = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout)
        .map_err(|error| WardError::Wrong(format!("no JSON ({error})\n{progress}")))?;
    Ok(Isolated { json, exit: output.status.code(), progress })
}

/// Runs it and kills it without mercy after a while.
///
/// # Errors
/// When the program does not run, or ended before.
pub fn isolate_killed_after(control: &str, delay: Duration) -> Result<(), WardError> {
    let mut child = command(control)?
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(WardError::io("running isolate"))?;
    thread::sleep(delay);
    let ended = child.try_wait().map_err(WardError::io("isolate"))?;
    child.kill().map_err(WardError::io("killing isolate"))?;
    child.wait().map_err(WardError::io("isolate"))?;
    match ended {
        Some(status) => Err(WardError::Wrong(format!("it had ended before it was killed ({status})"))),
        None => Ok(()),
    }
}

/// Runs it again and again, and kills it without mercy at one of `steps` each time, until a run comes to its end before; gives how
/// many were killed. A step is a change among the folders of shadows, the files in them, and the processes below the run.
///
/// # Errors
/// When the program does not run.
pub fn isolate_killed_at(control: &str, steps: impl IntoIterator<Item = usize>) -> Result<usize, WardError> {
    let mut killed = 0;
    for step in steps {
        let mut command = command(control)?;
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.map_err(WardError::io("running isolate"))?;
        let (mut last, mut taken) = (shadows(child.id()), 0);
        while taken < step {
            let now = shadows(child.id());
            if last == now {
                thread::sleep(LOOK_EVERY);
            } else {
                (last, taken) = (now, taken + 1);
            }
            if child.try_wait().map_err(WardError::io("isolate"))?.is_some() {
                return Ok(killed);
            }
        }
        child.kill().map_err(WardError::io("killing isolate"))?;
        child.wait().map_err(WardError::io("isolate"))?;
        killed += 1;
    }
    Ok(killed)
}

/// How often is looked whether a run has taken a step.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What there is of shadows: their folders with what lies in each, and how many processes the run has below it.
fn shadows(run: u32) -> (Vec<PathBuf>, usize) {
    let inside = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    let folders: Vec<PathBuf> = inside(Path::new(SHADOWS));
    let mut all: Vec<PathBuf> =
        folders.iter().flat_map(|folder| -> Vec<PathBuf> { inside(folder) }).chain(folders.clone()).collect();
    all.sort();
    let tasks = fs::read_to_string(format!("/proc/{run}/task/{run}/children")).unwrap_or_default();
    (all, tasks.split_whitespace().count())
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

    /// Runs what is said to be the remedy.
    ///
    /// # Errors
    /// When there is none, or a command fails.
    pub fn apply_remedy(&self) -> Result<(), WardError> {
        let steps = self.json.get("remedy").and_then(Value::as_array).into_iter().flatten();
        let commands: Vec<&str> =
            steps.filter_map(|step| step.get("commands")?.as_array()).flatten().filter_map(Value::as_str).collect();
        if commands.is_empty() {
            return Err(WardError::Wrong("there is no remedy".to_owned()));
        }
        commands.iter().try_for_each(|command| output_of(Command::new("sh").args(["-ec", command])).map(drop))
    }
}
