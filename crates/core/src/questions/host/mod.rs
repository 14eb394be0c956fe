//! Questions to the machine itself: its settings, sockets, queue and log, as they were read on it, and its packets, as
//! they were captured on it.

pub mod about;
pub mod accepting;
pub mod asks;
pub mod clients;
pub mod complaint;
pub(super) mod describe;
pub mod dovecot;
pub mod exim;
pub mod log;
pub mod lookups;
pub mod machine;
pub mod network;
pub mod obstacle;
pub mod opensmtpd;
pub mod postfix;
pub mod queue;
pub mod rehearsal;
pub mod resolv_conf;
pub mod rspamd;
pub mod sockets;
pub mod units;
