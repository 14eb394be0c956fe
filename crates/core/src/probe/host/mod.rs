//! What this machine itself says: read, never changed.

pub mod command;
