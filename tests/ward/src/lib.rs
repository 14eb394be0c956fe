//! Real mail and DNS servers for the trials in `tests/`: Postfix, Exim, Dovecot, NSD, Knot and Unbound from Debian, healthy or with a
//! fault in them, and the real `maildoctor check` run against them as a process.
//!
//! Each trial has a machine to itself ([`isolation`]): network, process and mount namespaces in which the real ports are free, in
//! which the servers stand where their packages would put them ([`debian`]), and with which everything ends that was started.
//! [`MailSystem`] is what stands on that machine; a trial takes the healthy [`Plan`], breaks one thing, starts it, and says which
//! diagnosis must come first.

mod bounces;
mod certificates;
mod daemon;
mod debian;
mod dovecot;
mod error;
mod exim;
mod firewall;
mod isolate;
mod isolation;
mod load;
mod name_servers;
mod names;
mod opensmtpd;
mod outside;
mod policy_service;
mod postfix;
mod program;
mod relays;
mod report;
mod rspamd;
mod sender;
mod silent_dns;
mod slow_programs;
mod system;
mod systemd;
mod tree;
mod zones;

pub use bounces::{bounce, logged, refusing_server, returned, send, send_through};
pub use certificates::{Authority, Identity};
pub use daemon::{Daemon, output_of};
pub use dovecot::Dovecot;
pub use error::WardError;
pub use exim::Exim;
pub use firewall::{
    drop_dns_datagrams_to, drop_packets_to, drop_what_is_said_to, masking_firewall, narrow_path_only_to, narrow_path_to,
};
pub use isolate::{Isolated, Untouched, isolate, isolate_killed_after, isolate_killed_at};
pub use isolation::{answer_to, isolated};
pub use load::Load;
pub use names::*;
pub use opensmtpd::OpenSmtpd;
pub use outside::{Outside, processes_with};
pub use policy_service::greylisting_policy;
pub use postfix::Postfix;
pub use relays::{RELAY_LOG, Relay};
pub use report::Report;
pub use rspamd::{RSPAMD_MILTER, rspamd};
pub use sender::{SENDER, SENDING_HOST, SendingPostfix};
pub use silent_dns::{DnsManner, dns_responder};
pub use slow_programs::{slow_milter, slow_policy};
pub use system::{MailSystem, Mta, Plan};
pub use systemd::Systemd;
pub use tree::{Branch, Manner, NameServer, Signing, Software, TREE_ADDRESSES, TREE_NOBODY, Tree, WAYS, Way};
pub use zones::{Zone, Zones};

/// Declares trials: tests whose body runs as root on a machine of its own. The body is a block that ends in `Result<(), WardError>`.
#[macro_export]
macro_rules! trial {
    ($($(#[$attribute:meta])* $name:ident $body:block)+) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() -> Result<(), $crate::WardError> {
            $crate::isolated(stringify!($name), || $body)
        }
    )+};
}
