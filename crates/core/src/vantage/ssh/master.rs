//! The one ssh connection of a place: started, guarded, listened to, ended.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::log::MasterLog;
use super::{Destination, MAX_LINE};

/// How often it is looked whether the connection stands.
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// How long the master may take to say why a channel did not open, after its client was told that it did not.
const REASON_LIMIT: Duration = Duration::from_secs(2);

/// How long logging out may take before the master is killed.
const END_LIMIT: Duration = Duration::from_secs(2);

/// Ends the master and removes its folder once our end of the guard's standard input is gone: also when we were
/// killed and could not.
const GUARD: &str = r#"read -r _; kill "$1" 2>/dev/null; rm -rf -- "$2""#;

/// A connection that stands.
pub(super) struct Master {
    /// Holds the control socket; only we may enter it.
    folder: TempDir,
    processes: tokio::sync::Mutex<Processes>,
    heard: Arc<Heard>,
}

struct Processes {
    master: Child,
    guard: Option<Child>,
}

#[derive(Default)]
struct Heard {
    log: Mutex<MasterLog>,
    changed: Notify,
}

impl Heard {
    fn log(&self) -> MutexGuard<'_, MasterLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Master {
    /// Logs in.
    ///
    /// # Errors
    /// Why that did not come about, in a sentence.
    pub(super) async fn start(to: &Destination, limit: Duration) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("maildoctor-ssh-")
            .tempdir()
            .map_err(|e| format!("no folder can be made for the ssh connection: {e}"))?;
        let socket = folder.path().join("ssh");
        let mut command = ssh(&socket);
        command
            // Debug lines tell which channel leads where; see the log's own words.
            .args(["-N", "-M", "-o", "LogLevel=DEBUG1", "-o", "ControlPersist=no"])
            // A far machine that is gone is noticed sooner than a step ends.
            .args(["-o", "ServerAliveInterval=3", "-o", "ServerAliveCountMax=3", "-o"])
            .arg(format!("ConnectTimeout={}", limit.as_secs().max(1)));
        if let Some(user) = &to.user {
            command.args(["-l", user]);
        }
        if let Some(port) = to.port {
            command.args(["-p", &port.to_string()]);
        }
        command.args(["--", &to.host]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut master = command.spawn().map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => "the program ssh is not installed; install openssh-client".to_owned(),
            _ => format!("ssh cannot be started: {e}"),
        })?;
        let guard = guard(&master, folder.path());
        let heard = Arc::<Heard>::default();
        let listener = master.stderr.take().map(|stderr| tokio::spawn(listen(stderr, heard.clone())));
        let until = Instant::now() + limit;
        // ssh makes the socket once it has logged in.
        while !socket.exists() {
            match timeout_at(until, timeout(LOOK_EVERY, master.wait())).await {
                Ok(Err(_)) => {}
                Ok(Ok(_)) => {
                    if let Some(listener) = listener {
                        let _ = timeout(REASON_LIMIT, listener).await;
                    }
                    let said = heard.log().last_words().unwrap_or("nothing").trim_end_matches('.').to_owned();
                    return Err(format!("ssh says \"{}\"; {}", said, must_work(to)));
                }
                Err(_) => {
                    return Err(format!("ssh did not log in within {} s; {}", limit.as_secs().max(1), must_work(to)));
                }
            }
        }
        Ok(Self { folder, processes: tokio::sync::Mutex::new(Processes { master, guard }), heard })
    }

    /// A client over this connection; it never opens one of its own, and reads no configuration.
    pub(super) fn client(&self) -> Command {
        let mut command = ssh(&self.folder.path().join("ssh"));
        command.args(["-F", "none", "-o", "ControlMaster=no", "-o", "ProxyCommand=false"]);
        command
    }

    /// The master's words so far.
    pub(super) fn log(&self) -> MutexGuard<'_, MasterLog> {
        self.heard.log()
    }

    /// Why a channel did not open that was asked for as number `since` or later.
    pub(super) async fn why_not(&self, target: &str, since: u64) -> Option<String> {
        let said = async {
            loop {
                let changed = self.heard.changed.notified();
                if let Some(reason) = self.log().failure(target, since) {
                    return reason;
                }
                changed.await;
            }
        };
        timeout(REASON_LIMIT, said).await.ok()
    }

    /// The last thing that ssh had to say.
    pub(super) fn last_words(&self) -> String {
        self.log().last_words().map_or_else(
            || "the connection could not be opened, and ssh does not say why".to_owned(),
            |said| format!("it says \"{}\"", said.trim_end_matches('.')),
        )
    }

    /// Logs out, and waits until the process is gone.
    pub(super) async fn end(&self) {
        let mut processes = self.processes.lock().await;
        if let Some(mut guard) = processes.guard.take() {
            let _ = guard.kill().await;
        }
        let exit = self
            .client()
            .args(["-O", "exit", "--", "maildoctor"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let gone = async {
            let _ = exit.await;
            processes.master.wait().await
        };
        if timeout(END_LIMIT, gone).await.is_err() {
            let _ = processes.master.kill().await;
        }
    }
}

/// What every ssh of ours has in common: it asks nothing, does only what it is told here, ends with us, and does not
/// hear the terminal's Ctrl-C, for ending it is our business.
fn ssh(socket: &Path) -> Command {
    let mut command = Command::new("ssh");
    command
        .env("LC_ALL", "C")
        .process_group(0)
        .kill_on_drop(true)
        .arg("-S")
        .arg(socket)
        .args(["-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no"])
        .args(["-o", "RemoteCommand=none", "-o", "RequestTTY=no", "-a", "-x"]);
    command
}

fn must_work(to: &Destination) -> String {
    let user = to.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let port = to.port.map(|port| format!("-p {port} ")).unwrap_or_default();
    format!("`ssh {port}{user}{} true` must work without a question first", to.host)
}

fn guard(master: &Child, folder: &Path) -> Option<Child> {
    Command::new("sh")
        .args(["-c", GUARD, "maildoctor-guard", &master.id()?.to_string()])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .ok()
}

/// Reads what the master says until it ends.
async fn listen(stderr: ChildStderr, heard: Arc<Heard>) {
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line).await {
            Ok(length) if length > 0 => heard.log().hear(&String::from_utf8_lossy(&line)),
            _ => break,
        }
        heard.changed.notify_waiters();
    }
    heard.changed.notify_waiters();
}
