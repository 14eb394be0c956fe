//! The way from a target to a report: target → plan → probe → case → finding → diagnosis → report.
//!
//! Everything is an arrow to the right. A probe never judges, a rule does no I/O, a report decides nothing.

pub mod bounce;
pub mod case;
pub mod catalogue;
mod chance;
pub mod check;
pub mod compare;
pub mod console;
pub mod diagnosis;
pub mod findings;
pub mod isolate;
pub mod options;
pub mod probe;
pub mod questions;
pub mod report;
pub mod roots;
pub mod stamp;
pub mod subject;
pub mod target;
pub mod trace;
pub mod typed;
pub mod vantage;
