//! The program, built for release, and a lab of it as a process.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

/// Builds the program and gives its path.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let built = Command::new(cargo).args(["build", "--release", "--package", "maildoctor"]).status()?;
    if !built.success() {
        bail!("the program does not build");
    }
    let root = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    Ok(root.join("release").join("maildoctor"))
}

/// A lab that runs as long as this lives.
pub(crate) struct Running {
    child: Child,
    /// The arguments that check it, quoted for a shell.
    pub(crate) check: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        // A lab that is told to end removes its folder; one that is already gone needs nothing.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// Starts a lab with these options; without any it is healthy.
pub(crate) fn start(program: &PathBuf, options: &[&str]) -> anyhow::Result<Running> {
    let mut command = Command::new(program);
    command.arg("lab").args(options).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("the lab cannot be started")?;
    let out = child.stdout.take().context("the lab has no output")?;
    let mut lines = BufReader::new(out).lines();
    let check = loop {
        let line = lines.next().context("the lab ended before it said how to check it")??;
        if let Some(check) = line.strip_prefix("  maildoctor ") {
            break check.to_owned();
        }
    };
    // What it says later must not fill the pipe.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    Ok(Running { child, check })
}
