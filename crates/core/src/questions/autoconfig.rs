//! SRV records by which mail programs set themselves up (RFC 6186, RFC 8314 section 5.1).

use super::dns::{Data, Dns};

/// The services by which mail is sent.
pub const SENDING: [&str; 2] = ["_submission._tcp", "_submissions._tcp"];

/// The services by which it is read.
pub const READING: [&str; 4] = ["_imaps._tcp", "_imap._tcp", "_pop3s._tcp", "_pop3._tcp"];

/// The most targets of one service that are read.
const MAX_TARGETS: usize = 4;

/// The hosts and ports that an answer names. A target of `.` says that the service is not offered (RFC 2782), and names none.
pub fn targets(answer: &Dns) -> Vec<(String, u16)> {
    let records = answer.definite().map(|answer| answer.answers).unwrap_or_default().iter();
    records
        .filter_map(|record| match &record.data {
            Data::Srv { port, target, .. } if !target.is_empty() && target != "." => Some((target.clone(), *port)),
            _ => None,
        })
        .take(MAX_TARGETS)
        .collect()
}
