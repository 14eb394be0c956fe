//! The report: what a case and its diagnosis come to, as JSON for programs and as text for people.
//!
//! A report decides nothing: it puts into words what the diagnosis says.

mod build;
mod model;
mod servers;
pub mod text;

pub use build::report;
pub use model::{Check, Claim, Exchanger, Finding, Report, SCHEMA, Server, State, Tool};
