//! What is typed while no line is read must not be shown by the terminal itself: it may be a secret, and the line
//! editor shows it when its turn comes.

use std::io;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// A terminal that shows nothing by itself until this is dropped.
pub(super) struct Quiet(Option<Termios>);

impl Quiet {
    /// Keeps the terminal of standard input quiet.
    pub(super) fn keyboard() -> Self {
        let before = tcgetattr(io::stdin()).ok();
        if let Some(mut quiet) = before.clone() {
            quiet.local_modes.remove(LocalModes::ECHO);
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &quiet);
        }
        Self(before)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}
