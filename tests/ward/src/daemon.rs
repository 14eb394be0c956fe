//! Processes of a trial: run to their end, or kept until the trial's.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::WardError;

/// How long a server may take to come up, on a machine that is busy with builds.
const READY_WITHIN: Duration = Duration::from_secs(40);
/// How often is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(15);
/// Where the servers' own words are kept.
pub(crate) const LOGS: &str = "/var/log/ward";

/// A server that runs until this value is dropped. What it forks ends with the trial's process namespace.
#[derive(Debug)]
pub struct Daemon {
    name: &'static str,
    child: Child,
}

impl Daemon {
    /// Starts `command`, its output going to a log that a failed trial prints.
    ///
    /// # Errors
    /// When the program or its log cannot be opened.
    pub fn start(name: &'static str, command: &mut Command) -> Result<Self, WardError> {
        fs::create_dir_all(LOGS).map_err(WardError::io(LOGS))?;
        let log = File::create(Path::new(LOGS).join(name)).map_err(WardError::io(format!("the log of {name}")))?;
        let second = log.try_clone().map_err(WardError::io(format!("the log of {name}")))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(second)
            .spawn()
            .map_err(WardError::io(format!("starting {name}")))?;
        Ok(Self { name, child })
    }

    /// Waits until something accepts connections at each of `places` (`address:port`).
    ///
    /// # Errors
    /// [`WardError::NotReady`] when the server ended, or is not up in time.
    pub fn listening_on(mut self, places: &[String]) -> Result<Self, WardError> {
        for place in places {
            self.wait_for(place, || place.parse::<SocketAddr>().is_ok_and(|at| TcpStream::connect(at).is_ok()))?;
        }
        Ok(self)
    }

    /// Waits until somebody listens at each of `places` (`address:port`), by what the kernel says: no connection is made that the
    /// server would log, count, or remember.
    ///
    /// # Errors
    /// As [`Daemon::listening_on`].
    pub fn bound_to(mut self, places: &[String]) -> Result<Self, WardError> {
        for place in places {
            self.wait_for(place, || {
                let listing = output_of(Command::new("ss").args(["--no-header", "--listening", "--tcp", "--numeric"]));
                listing.is_ok_and(|listing| listing.split_whitespace().any(|word| word == place))
            })?;
        }
        Ok(self)
    }

    /// Waits until `path` is there.
    ///
    /// # Errors
    /// As [`Daemon::listening_on`].
    pub fn having_made(mut self, path: &str) -> Result<Self, WardError> {
        self.wait_for(path, || Path::new(path).exists())?;
        Ok(self)
    }

    /// Asks the server to end, with all that it forked, and waits for it.
    pub(crate) fn terminate(mut self) -> Result<(), WardError> {
        output_of(Command::new("kill").arg(self.child.id().to_string()))?;
        self.child.wait().map_err(WardError::io(self.name)).map(drop)
    }

    fn wait_for(&mut self, place: &str, ready: impl Fn() -> bool) -> Result<(), WardError> {
        let began = Instant::now();
        loop {
            if ready() {
                return Ok(());
            }
            let ended = self.child.try_wait().map_err(WardError::io(self.name))?.is_some();
            if ended || began.elapsed() > READY_WITHIN {
                return Err(WardError::NotReady { server: self.name.to_owned(), place: place.to_owned() });
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Nothing can be done about a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// When it cannot be started or ends with a failure; then with all it said.
pub fn output_of(command: &mut Command) -> Result<String, WardError> {
    let line = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().map_err(WardError::io(line.clone()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(said)
    } else {
        let output = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
        Err(WardError::Command { command: line, output })
    }
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: impl AsRef<Path>, text: impl AsRef<[u8]>) -> Result<(), WardError> {
    let path = path.as_ref();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(WardError::io(folder.display().to_string()))?;
    }
    fs::write(path, text).map_err(WardError::io(path.display().to_string()))
}
