//! Shadows: second instances of the real server, each with one thing varied, on loopback, in folders of their own.
//!
//! Every shadow lives in a folder below [`base`], and every process of it has that folder as its working directory or in its
//! arguments: by that it is found and ended, at the end, on error, and at the next run when this one was killed.

pub mod exim;
pub mod postfix;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use tokio::process::Command;

use super::ControlError;
use crate::probe::host::sockets::pids;

/// Where shadows live.
const BASE: &str = "/run/maildoctor-shadows";

/// The file in a shadow's folder that says whose it is.
const OWNER: &str = "owner";

/// The file in a shadow's folder that its processes complain into.
const COMPLAINT: &str = "complaint";

/// How often is looked whether the killed are gone, and how long between.
const LOOKS: usize = 100;
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The folder of one shadow; with this value end its processes and its files.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes one.
    pub(super) fn make() -> Result<Self, ControlError> {
        let base = base()?;
        let path = base.join(format!("{:016x}", crate::chance::number()));
        let this = std::process::id();
        fs::DirBuilder::new().mode(0o711).create(&path).map_err(|error| cannot(&path, &error))?;
        let folder = Self(path);
        let owner = format!("{this} {}\n", started(this).unwrap_or_default());
        fs::write(folder.0.join(OWNER), owner).map_err(|error| cannot(&folder.0, &error))?;
        Ok(folder)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        end(&self.0);
    }
}

/// Ends the shadows of runs that were killed, and gives how many there were.
///
/// # Errors
/// [`ControlError`] where the folder of shadows is not ours.
pub fn clean() -> Result<usize, ControlError> {
    let base = base()?;
    let entries = fs::read_dir(&base).map_err(|error| cannot(&base, &error))?;
    let dead: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| !is_owned(path)).collect();
    dead.iter().for_each(|path| end(path));
    Ok(dead.len())
}

/// Whether the run that made a shadow still lives: its process, and not another one with the same number.
fn is_owned(folder: &Path) -> bool {
    let owner = fs::read_to_string(folder.join(OWNER)).unwrap_or_default();
    let mut words = owner.split_whitespace();
    let (Some(pid), Some(since)) = (words.next().and_then(|word| word.parse().ok()), words.next()) else {
        return false;
    };
    started(pid).as_deref() == Some(since)
}

/// When a process started, in the kernel's ticks (proc_pid_stat(5), field 22).
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(19).map(str::to_owned)
}

/// Kills what runs in a shadow's folder, and removes it.
fn end(folder: &Path) {
    for _ in 0..LOOKS {
        let running: Vec<u32> = pids().into_iter().filter(|pid| runs_in(*pid, folder)).collect();
        if running.is_empty() {
            break;
        }
        for pid in running.into_iter().filter_map(|pid| i32::try_from(pid).ok()).filter_map(Pid::from_raw) {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let _ = fs::remove_dir_all(folder);
}

/// Whether a process works in a folder or was given it as an argument. A zombie does neither.
fn runs_in(pid: u32, folder: &Path) -> bool {
    if pid == std::process::id() {
        return false;
    }
    let works = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
    works || {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = arguments.split(|octet| *octet == 0);
        words.any(|word| std::str::from_utf8(word).is_ok_and(|word| Path::new(word).starts_with(folder)))
    }
}

/// The folder of shadows: root's own, and no link.
fn base() -> Result<PathBuf, ControlError> {
    let base = PathBuf::from(BASE);
    match fs::DirBuilder::new().mode(0o711).create(&base) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(cannot(&base, &error)),
        _ => {}
    }
    let meta = fs::symlink_metadata(&base).map_err(|error| cannot(&base, &error))?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(ControlError::unusable(format!("{BASE} is no folder of ours"), "remove it and run this again"));
    }
    Ok(base)
}

fn cannot(path: &Path, error: &std::io::Error) -> ControlError {
    ControlError::unusable(
        format!("{} cannot be made or read: {error}", path.display()),
        "a shadow needs root and a little room below /run",
    )
}

/// A process of the copy that lies in `folder`: a clean environment, its complaints beside its settings.
pub(super) fn prepared(command: &mut Command, folder: &Path) -> Result<(), ControlError> {
    let complaint = folder.join(COMPLAINT);
    let errors = fs::File::create(&complaint).map_err(|error| cannot(&complaint, &error))?;
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .kill_on_drop(true);
    Ok(())
}

/// Why a copy ended before it was measured: its last complaint, or how it ended.
pub(super) fn ended_at_once(named: &str, folder: &Path, status: std::io::Result<ExitStatus>) -> ControlError {
    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    let said = fs::read_to_string(folder.join(COMPLAINT)).unwrap_or_default();
    let why = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or(&status).trim();
    ControlError::unusable(
        format!("the copy of {named} ended at once ({why})"),
        "see whether the server itself starts with these settings",
    )
}

/// A copy could not be started at all.
pub(super) fn not_started(named: &str, error: &std::io::Error) -> ControlError {
    ControlError::unusable(format!("{named} cannot be started: {error}"), "see whether it is installed whole")
}

/// A loopback address and port that nobody has: of the whole 127.0.0.0/8, so that no two runs meet.
pub(super) fn free_place() -> Result<SocketAddr, ControlError> {
    let [a, b, ..] = crate::chance::number().to_be_bytes();
    let ip = Ipv4Addr::new(127, 64 | (a & 63), b, 1);
    let taken = TcpListener::bind((ip, 0)).and_then(|socket| socket.local_addr());
    taken.map_err(|error| {
        ControlError::unusable(format!("no port is free on {ip}: {error}"), "see that the loopback interface is up")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_whose_run_has_ended_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let this = std::process::id();
        fs::write(folder.path().join(OWNER), format!("{this} {}\n", started(this).unwrap())).unwrap();
        assert!(is_owned(folder.path()));
        fs::write(folder.path().join(OWNER), format!("{this} 1\n")).unwrap();
        assert!(!is_owned(folder.path()));
        fs::write(folder.path().join(OWNER), "").unwrap();
        assert!(!is_owned(folder.path()));
    }

    #[test]
    fn what_runs_in_the_folder_ends_with_it_and_nothing_else_does() {
        let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let sleeper =
            |folder: &Path| std::process::Command::new("sleep").arg("600").current_dir(folder).spawn().unwrap();
        let (mut inside, mut outside) = (sleeper(ours.path()), sleeper(other.path()));
        end(&ours.path().canonicalize().unwrap());
        assert!(!inside.wait().unwrap().success() && outside.try_wait().unwrap().is_none());
        outside.kill().unwrap();
        outside.wait().unwrap();
    }
}
