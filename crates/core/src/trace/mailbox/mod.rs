//! Many messages at once: each traced as one alone would be, and a line of a table for each.

mod mbox;
mod model;
mod text;

pub use mbox::{Mbox, is_mbox};
pub use model::{Cause, Line, Mailbox, MailboxReport, MailboxSource, SCHEMA};
pub use text::render;
