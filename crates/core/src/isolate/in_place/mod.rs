//! In place: the settings of the one server there is are changed, and put back.
//!
//! Before each change it is written down, and waited until that is on disk; so what was changed can be put back at the end, on an
//! error, when we are told to stop, and by [`restore`] after we were killed. What somebody else set meanwhile is never overwritten:
//! every change names the revision that it was made from.

mod journal;
mod lab;
mod merge;
mod undo;

use std::path::PathBuf;

pub use lab::LabInPlace;
pub use undo::{Back, journals, restore, usual_state};

use crate::console::ConsoleError;

/// Why settings could not be changed, or not be put back.
#[derive(Debug, thiserror::Error)]
pub enum InPlaceError {
    /// Another run is under way.
    #[error("another run works on the lab in {}; wait until it has ended", .0.display())]
    Busy(PathBuf),
    /// An earlier run was killed.
    #[error("an earlier run was ended before it had put everything back (its journal is {}); first run `maildoctor isolate --restore`{}", .0.display(), .1)]
    Unfinished(PathBuf, String),
    /// The journal cannot be kept, so nothing is changed.
    #[error("{} cannot be written ({why}), and without it nothing is changed; give a folder with --state", path.display())]
    Journal {
        /// The journal, or the lock.
        path: PathBuf,
        /// What is the matter.
        why: String,
    },
    /// A journal that cannot be read.
    #[error("the journal {} cannot be read: {why}", path.display())]
    Unreadable {
        /// The journal.
        path: PathBuf,
        /// What is the matter.
        why: String,
    },
    /// The lab of the journal does not run.
    #[error("the lab whose settings {} keeps is not running; start it with `maildoctor lab --settings {}`, then run `maildoctor isolate --restore` again", .0.display(), .0.display())]
    NotRunning(PathBuf),
    /// There is nothing to measure.
    #[error("{what}; {next}")]
    Unfit {
        /// What is the matter.
        what: String,
        /// What to do next.
        next: String,
    },
    /// The console.
    #[error(transparent)]
    Console(#[from] ConsoleError),
}
