//! A program of this machine, run to be read: no shell, a clean environment, a deadline, bounded output.
//!
//! It runs in a process group of its own. When the deadline comes, when it says too much, or when nobody waits for
//! it any more, the whole group is killed, and the program is reaped.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// The most that is kept of what a program writes to one of its outputs, in octets, unless said otherwise.
pub const MAX_OUTPUT: usize = 4 * 1024 * 1024;

/// The most that is kept of its complaints, in octets: they are quoted, not read.
const MAX_COMPLAINT: usize = 16 * 1024;

/// Where the programs of mail servers lie. The caller's own `PATH` is not asked: what runs here may run as root.
const FOLDERS: [&str; 6] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What it wrote to its standard output; octets outside UTF-8 replaced.
    pub text: String,
    /// What it complained of on its standard error.
    pub complaint: String,
    /// Whether `text` is all of it; it may be less only after [`Program::beginning`].
    pub whole: bool,
}

/// Why nothing usable came of a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// It is not installed where such programs are.
    #[error("{0} is not installed")]
    Missing(String),
    /// It could not be started.
    #[error("{program} cannot be started: {error}")]
    NotStarted {
        /// The program.
        program: String,
        /// The system's words.
        error: String,
    },
    /// It was still running at its deadline, and was killed.
    #[error("{program} did not end within {limit_ms} ms")]
    TimedOut {
        /// The program.
        program: String,
        /// The deadline.
        limit_ms: u64,
    },
    /// It said more than is read, and was killed.
    #[error("{program} said more than {limit} octets")]
    TooMuch {
        /// The program.
        program: String,
        /// The bound.
        limit: usize,
    },
    /// It ended with a failure.
    #[error("{program} failed ({status}): {complaint}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: String,
        /// What it complained of.
        complaint: String,
    },
}

/// A program and its arguments.
#[derive(Debug, Clone)]
pub struct Program {
    name: String,
    arguments: Vec<String>,
    environment: Vec<(&'static str, &'static str)>,
    limit: Duration,
    most: usize,
    beginning: bool,
}

impl Program {
    /// A program by its name or its whole path, which may run for as long as `limit`.
    pub fn new(name: impl Into<String>, limit: Duration) -> Self {
        let (arguments, environment) = (Vec::new(), Vec::new());
        Self { name: name.into(), arguments, environment, limit, most: MAX_OUTPUT, beginning: false }
    }

    /// Adds arguments; each reaches the program as it is, for there is no shell.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds a variable to its environment, which is clean otherwise.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    /// Bounds its output to `octets` instead of [`MAX_OUTPUT`].
    #[must_use]
    pub fn at_most(mut self, octets: usize) -> Self {
        self.most = octets;
        self
    }

    /// Takes the beginning of an output that is longer than the bound, in the place of an error.
    #[must_use]
    pub fn beginning(mut self) -> Self {
        self.beginning = true;
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// [`RunError`] where it did not come to a good end; it does not run any more then.
    pub async fn run(&self) -> Result<Said, RunError> {
        let name = self.name.clone();
        let mut running = self.start()?;
        let ended = timeout(self.limit, Box::pin(running.finish(self.most))).await;
        if !matches!(ended, Ok(Ok(End { status: Some(_), .. }))) {
            running.end().await;
        }
        let limit_ms = crate::case::millis(self.limit);
        match ended {
            Err(_) => Err(RunError::TimedOut { program: name, limit_ms }),
            Ok(Err(error)) => Err(RunError::NotStarted { program: name, error: error.to_string() }),
            Ok(Ok(End { status: None, out, complaint })) if self.beginning => {
                Ok(Said { text: out, complaint, whole: false })
            }
            Ok(Ok(End { status: None, .. })) => Err(RunError::TooMuch { program: name, limit: self.most }),
            Ok(Ok(End { status: Some(status), out, complaint })) if status.success() => {
                Ok(Said { text: out, complaint, whole: true })
            }
            Ok(Ok(End { status: Some(status), complaint, .. })) => {
                Err(RunError::Failed { program: name, status: status.to_string(), complaint })
            }
        }
    }
}

impl Program {
    /// Runs it to its end, or until its time is up, and gives the lines of its complaints that `keep` makes something of, each with
    /// the time at which it came, and whether it ended by itself, whatever its status.
    ///
    /// # Errors
    /// [`RunError`] where it did not run, or said too much; it does not run any more then.
    pub async fn watch(
        &self,
        keep: impl Fn(&str) -> Option<&str>,
    ) -> Result<(Vec<(Duration, String)>, bool), RunError> {
        let began = Instant::now();
        let mut running = self.start()?;
        let mut lines = Vec::new();
        let ended = timeout(
            self.limit,
            running.listen(self.most, |line| {
                lines.extend(keep(line).map(|kept| (began.elapsed(), kept.to_owned())));
            }),
        )
        .await;
        running.end().await;
        match ended {
            Ok(Ok(true)) => Ok((lines, true)),
            Err(_) => Ok((lines, false)),
            Ok(Ok(false)) => Err(RunError::TooMuch { program: self.name.clone(), limit: self.most }),
            Ok(Err(error)) => Err(RunError::NotStarted { program: self.name.clone(), error: error.to_string() }),
        }
    }

    fn start(&self) -> Result<Running, RunError> {
        let path = find(&self.name).ok_or_else(|| RunError::Missing(self.name.clone()))?;
        let mut command = Command::new(path);
        command
            .args(&self.arguments)
            .env_clear()
            .env("LC_ALL", "C")
            .env("PATH", FOLDERS.join(":"))
            .envs(self.environment.iter().copied())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let started = command.spawn();
        started.map(Running).map_err(|e| RunError::NotStarted { program: self.name.clone(), error: e.to_string() })
    }
}

/// Where a program lies: a path as it is, a name in [`FOLDERS`].
pub fn find(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.is_absolute() {
        return path.is_file().then(|| path.to_owned());
    }
    FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

struct End {
    /// `None` where it said too much.
    status: Option<ExitStatus>,
    out: String,
    complaint: String,
}

/// A program under way; it and its children are killed with this value.
struct Running(Child);

impl Running {
    async fn finish(&mut self, most: usize) -> std::io::Result<End> {
        let (out, err) = (self.0.stdout.take(), self.0.stderr.take());
        let complaints = async { read(err, MAX_COMPLAINT, Beyond::Forget).await };
        let ((out, whole), (complaint, _)) = tokio::try_join!(read(out, most, Beyond::Stop), complaints)?;
        let complaint = complaint.trim().to_owned();
        let status = if whole { Some(self.0.wait().await?) } else { None };
        Ok(End { status, out, complaint })
    }

    /// Gives each line of its complaints until it has ended, and whether they were within the bound.
    async fn listen(&mut self, most: usize, mut line_by_line: impl FnMut(&str)) -> std::io::Result<bool> {
        let (out, Some(err)) = (self.0.stdout.take(), self.0.stderr.take()) else { return Ok(true) };
        let complaints = async {
            let bound = u64::try_from(most).unwrap_or(u64::MAX);
            let (mut from, mut line) = (BufReader::new(err).take(bound), Vec::new());
            while from.read_until(b'\n', &mut line).await? > 0 {
                line_by_line(String::from_utf8_lossy(&line).trim_end());
                line.clear();
            }
            Ok(from.limit() > 0)
        };
        let (_, within) = tokio::try_join!(read(out, 0, Beyond::Forget), complaints)?;
        Ok(within)
    }

    /// Ends it where it still runs, and takes note of its end: killed without mercy, this does not take long.
    async fn end(&mut self) {
        self.kill();
        let _ = self.0.wait().await;
    }

    fn kill(&self) {
        if let Some(group) = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            // It may have ended meanwhile; there is nothing left to kill then.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // `id` is gone once it was reaped. Where it was not, the runtime reaps what was killed here.
        self.kill();
    }
}

/// What to do with octets beyond the bound.
#[derive(Clone, Copy, PartialEq)]
enum Beyond {
    /// End there: what was cut may not be taken for the whole.
    Stop,
    /// Read on, so that the program does not block, and forget them.
    Forget,
}

/// Reads a stream to its end, and whether that was not beyond `most` where that matters.
async fn read(from: Option<impl AsyncRead + Unpin>, most: usize, beyond: Beyond) -> std::io::Result<(String, bool)> {
    let Some(mut from) = from else {
        return Ok((String::new(), true));
    };
    let mut kept = Vec::new();
    let bound = u64::try_from(most).unwrap_or(u64::MAX);
    (&mut from).take(bound).read_to_end(&mut kept).await?;
    let mut whole = true;
    if kept.len() == most {
        let mut rest = [0; 4096];
        while whole && from.read(&mut rest).await? > 0 {
            whole = beyond == Beyond::Forget;
        }
    }
    Ok((String::from_utf8_lossy(&kept).into_owned(), whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Program {
        Program::new("sh", limit).args(["-c", script])
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn what_it_says_and_complains_of_is_kept_apart() {
        let said = shell("echo \"$LC_ALL/$HOME\"; echo no good >&2", LONG).run().await.unwrap();
        assert_eq!(said, Said { text: "C/\n".to_owned(), complaint: "no good".to_owned(), whole: true });
    }

    #[tokio::test]
    async fn a_failure_tells_how_it_ended() {
        let error = shell("echo broken >&2; exit 3", LONG).run().await.unwrap_err();
        assert_eq!(error.to_string(), "sh failed (exit status: 3): broken");
        assert_eq!(Program::new("no-such-program", LONG).run().await, Err(RunError::Missing("no-such-program".into())));
    }

    #[tokio::test]
    async fn at_the_deadline_its_children_are_killed_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        let script = format!("sleep 600 & echo $! $$ > {}; wait", file.display());
        let error = shell(&script, Duration::from_millis(500)).run().await.unwrap_err();
        assert!(matches!(error, RunError::TimedOut { .. }), "{error}");
        let pids = std::fs::read_to_string(&file).unwrap();
        for pid in pids.split_whitespace() {
            // An orphan that was killed may wait for init to reap it, and a busy machine takes its time to end it.
            let gone = || {
                let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                status.is_empty() || status.contains(") Z ")
            };
            let began = std::time::Instant::now();
            while !gone() {
                assert!(began.elapsed() < LONG, "{pid} still runs");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    #[tokio::test]
    async fn what_it_complains_of_is_heard_as_it_comes() {
        fn keep(line: &str) -> Option<&str> {
            line.strip_prefix("> ")
        }
        let script = "echo '> out'; echo '> one' >&2; sleep 0.4; printf 'none\\n> two' >&2; exit 1";
        let (lines, whole) = shell(script, LONG).watch(keep).await.unwrap();
        assert!(whole);
        let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["one", "two"]);
        assert!(lines[1].0 >= lines[0].0 + Duration::from_millis(200), "{lines:?}");
        let cut = shell("echo '> one' >&2; sleep 600", Duration::from_millis(500)).watch(keep).await.unwrap();
        assert_eq!((cut.0.len(), cut.1), (1, false));
        let endless = shell("yes >&2", LONG).at_most(1000).watch(keep).await;
        assert_eq!(endless, Err(RunError::TooMuch { program: "sh".into(), limit: 1000 }));
    }

    #[tokio::test]
    async fn endless_output_is_cut_and_endless_complaint_forgotten() {
        let error = shell("yes", LONG).at_most(1000).run().await.unwrap_err();
        assert_eq!(error, RunError::TooMuch { program: "sh".into(), limit: 1000 });
        let begun = shell("yes", LONG).at_most(6).beginning().run().await.unwrap();
        assert_eq!((begun.text.as_str(), begun.whole), ("y\ny\ny\n", false));
        let said = shell("head -c 100000 /dev/zero >&2; echo done", LONG).run().await.unwrap();
        assert_eq!(said.text, "done\n");
        assert!(said.complaint.len() <= MAX_COMPLAINT);
    }
}
