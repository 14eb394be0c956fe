//! What only the server itself can tell: its queue, its log, its sockets, its disks, its settings. Its clock is told by its
//! banner as well.

mod chroot;
pub(super) mod clock;
mod disk;
pub(super) mod dovecot;
mod kept_back;
mod opensmtpd;
mod processes;
mod programs;
pub(super) mod proxied;
mod queue;
mod service;
mod startup;
mod transport;

use super::Rule;

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    [
        startup::RULES,
        queue::RULES,
        transport::RULES,
        service::RULES,
        dovecot::RULES,
        disk::RULES,
        chroot::RULES,
        clock::RULES,
        programs::RULES,
        processes::RULES,
    ]
    .concat()
}
