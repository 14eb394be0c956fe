//! Peers that lie, stall, flood and cut: no hang past the deadline, no panic, bounded memory, an honest outcome.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod dns;
mod login;
mod mailbox;
mod memory;
mod peer;
mod policies;
mod smtp;
mod steps;
mod talk;
mod walk;
