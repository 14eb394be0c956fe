//! The probes: they ask the world through a vantage, write down what they saw, and never judge.

pub mod autoconfig;
pub mod blacklist;
pub mod context;
pub mod dane;
pub mod dns;
pub mod envelope;
pub mod host;
pub mod mailbox;
pub mod message;
pub mod packets;
pub mod records;
pub mod session;
pub mod sts;
pub mod submission;
pub mod talk;
pub mod tls;
pub mod token;
pub mod trace;
pub mod walk;
pub mod xclient;

pub use context::Context;
