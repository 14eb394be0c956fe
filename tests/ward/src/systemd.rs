//! A systemd that a trial's machine has to itself: a manager of a user's services in the place of the system's, for the first
//! process of the machine is the trial. `systemctl` asks it as it would ask the other.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Daemon, WardError,
    daemon::{output_of, write},
};

const MANAGER: &str = "/usr/lib/systemd/systemd";
/// Where its sockets and its units lie.
const RUN: &str = "/run/ward-systemd";
/// The control groups that a manager keeps its services in: systemd's own of version 1, the unified ones beside it, or these alone.
const GROUPS: [&str; 3] = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/// Enters the control groups `$@` and becomes the manager.
const ENTER: &str =
    "for group; do echo $$ >\"$group/cgroup.procs\"; done; exec \"$MANAGER\" --user --log-target=console";

/// A manager that runs until this value is dropped.
#[derive(Debug)]
pub struct Systemd {
    manager: Option<Daemon>,
    groups: Vec<PathBuf>,
}

impl Systemd {
    /// Starts a manager with these units (name and text); `None` on a machine that has none, or on which control groups may not be
    /// made.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(units: &[(&str, &str)]) -> Result<Option<Self>, WardError> {
        let group = format!("ward-{}", fs::read_link("/proc/self/ns/pid").unwrap_or_default().display());
        let group = group.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let trees = GROUPS.iter().filter(|tree| Path::new(tree).join("cgroup.procs").is_file());
        let groups: Vec<PathBuf> = trees.map(|tree| Path::new(tree).join(&group)).collect();
        let made = groups.iter().all(|group| fs::create_dir(group).is_ok());
        let mut this = Self { manager: None, groups };
        if !made || this.groups.is_empty() || !Path::new(MANAGER).is_file() {
            // A word that nobody reads is no reason to fail.
            let _ = writeln!(std::io::stderr(), "no systemd can be run here: this trial is left out");
            return Ok(None);
        }
        for (name, text) in units {
            write(format!("{RUN}/units/{name}"), text)?;
        }
        for target in ["basic", "default", "shutdown"] {
            write(format!("{RUN}/units/{target}.target"), "[Unit]\nDescription=what every service leans on\n")?;
        }
        // By this it is seen that systemd runs the machine, and by the link where it is asked.
        fs::create_dir_all("/run/systemd/system").map_err(WardError::io("/run/systemd/system"))?;
        let mut command = Command::new("sh");
        command.args(["-c", ENTER, "enter"]).args(&this.groups);
        command.envs([("MANAGER", MANAGER), ("XDG_RUNTIME_DIR", RUN)]).env("SYSTEMD_UNIT_PATH", format!("{RUN}/units"));
        this.manager = Some(Daemon::start("systemd", &mut command)?.having_made(&format!("{RUN}/systemd/private"))?);
        std::os::unix::fs::symlink(format!("{RUN}/systemd/private"), "/run/systemd/private")
            .map_err(WardError::io("/run/systemd/private"))?;
        Ok(Some(this))
    }

    /// Starts a unit, whatever becomes of it.
    ///
    /// # Errors
    /// When systemd cannot be asked.
    pub fn run(&self, unit: &str) -> Result<(), WardError> {
        output_of(Command::new("systemctl").args(["start", "--no-block", unit])).map(drop)
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        // Killed, for asked to end it would wait for a target that is not there. It leaves its control groups behind.
        drop(self.manager.take());
        for group in self.groups.iter().filter(|group| group.exists()) {
            let _ =
                output_of(Command::new("find").arg(group).args(["-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]));
        }
    }
}
