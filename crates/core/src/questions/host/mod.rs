//! Questions to the machine itself: its settings, sockets, queue and log, as they were read on it.

pub mod asks;
pub mod network;
pub mod postfix;
pub mod resolv_conf;
pub mod sockets;
