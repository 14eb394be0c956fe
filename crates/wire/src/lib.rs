//! Mail protocols between bytes and meaning.
//!
//! Everything here is sans-I/O: bytes and times go in, meaning and bytes come out. No sockets, no clock
//! of its own, no async runtime; so every parser can be fed any bytes, split anywhere, in a test.

pub mod auth_results;
pub mod banner;
pub mod console;
pub mod dialogue;
pub mod dnsbl;
pub mod ehlo;
pub mod enhanced;
pub mod hello;
pub mod message;
pub mod octets;
pub mod pop3;
pub mod queue_id;
pub mod rdns;
pub mod received;
pub mod records;
pub mod registry;
pub mod reply;
pub mod sasl;
pub mod software;
pub mod token;
pub mod typed;
pub mod wording;
