//! The exam: the real program, run as a process, against the lab with faults switched on, alone and in pairs.

mod choice;
mod judge;
mod paper;
mod queue;
mod sitting;

pub use choice::{CORE, Pair, every_pair, go_together, some_of};
pub use judge::{Alone, Mark, mark};
pub use paper::{ExamError, Paper, Running, command};
pub use queue::all_at_once;
pub use sitting::{Double, Single, Sitting};
