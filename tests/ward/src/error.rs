//! What can go wrong with a trial.

use std::{fmt, io, path::PathBuf};

/// Why a trial failed or could not be made.
#[derive(thiserror::Error)]
pub enum WardError {
    /// A file or a process could not be handled.
    #[error("{what}: {source}")]
    Io {
        /// What was to be done.
        what: String,
        /// Why it was not.
        source: io::Error,
    },
    /// A command of the set-up ended with a failure.
    #[error("`{command}` failed: {output}")]
    Command {
        /// The command line.
        command: String,
        /// What it said.
        output: String,
    },
    /// A server did not come up.
    #[error("{server} was not ready on {place} in time")]
    NotReady {
        /// Which.
        server: String,
        /// The address or file that was waited for.
        place: String,
    },
    /// Trials need root for namespaces and mounts.
    #[error("trials need root, or sudo without a password; `./test --quick` leaves them out")]
    NotRoot,
    /// A certificate could not be made.
    #[error("making a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The program under test is missing.
    #[error("there is no program to test at {}; `cargo build -p maildoctor` makes it", .0.display())]
    NoProgram(PathBuf),
    /// The program under test said something else than it must.
    #[error("{0}")]
    Wrong(String),
}

impl WardError {
    /// An [`WardError::Io`] that says what was to be done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// The test runner prints a failed trial's error by `Debug`; people read sentences.
impl fmt::Debug for WardError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}
