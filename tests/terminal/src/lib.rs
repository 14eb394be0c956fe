//! A person at a terminal, and a script behind a pipe, for tests of commands that are typed at.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use rexpect::process::WaitStatus;
use rexpect::session::{PtySession, spawn_command};

/// How long a busy machine may take for a step.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with `maildoctor talk` on it, and everything that it showed.
pub struct Terminal {
    session: PtySession,
    shown: String,
}

impl Terminal {
    /// Starts the command, and waits for the banner and the prompt.
    pub fn of(mut command: Command) -> Self {
        command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR").stdin(Stdio::inherit());
        let limit = u64::try_from(PATIENCE.as_millis()).unwrap();
        let mut it = Self { session: spawn_command(command, Some(limit)).unwrap(), shown: String::new() };
        it.sees("banner after");
        it.sees("> ");
        it
    }

    /// Waits until a text is shown.
    pub fn sees(&mut self, text: &str) {
        match self.session.exp_string(text) {
            Ok(before) => self.shown.push_str(&(before + text)),
            Err(error) => panic!("no {text:?}: {error}\nbefore: {}", self.shown),
        }
    }

    /// Types a line, waits for what must be shown, and then for the next prompt.
    pub fn types(&mut self, line: &str, then: &str) {
        self.session.send_line(line).unwrap();
        self.sees(then);
        self.sees("> ");
    }

    /// Types a line.
    pub fn sends(&mut self, line: &str) {
        self.session.send_line(line).unwrap();
    }

    /// Types the beginning of a line, and no more of it yet.
    pub fn begins(&mut self, text: &str) {
        self.session.send(text).unwrap();
        self.session.flush().unwrap();
    }

    /// Presses Ctrl-D.
    pub fn leaves(&mut self) {
        self.session.send_control('d').unwrap();
    }

    /// The rest until the program ends with this exit code; everything that was shown.
    pub fn ends(mut self, code: i32) -> String {
        self.shown.push_str(&self.session.exp_eof().unwrap());
        let status = self.session.process().wait().unwrap();
        assert!(matches!(status, WaitStatus::Exited(_, with) if with == code), "{status:?}: {}", self.shown);
        self.shown
    }
}

/// A run with a script: exit code, standard output, standard error.
pub fn script(mut command: Command, lines: &str) -> (i32, String, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}
