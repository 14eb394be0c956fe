//! The settings of Exim, as `exim -bP` says them, and where they stand.

pub mod acl;
pub mod effects;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use acl::{Delay, DnsLists};

use super::asks::Place;
use super::postfix::files::{Line, Written};
use crate::case::Question;
use crate::subject::VantageId;

/// `host.exim/1`: the settings of the Exim of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exim {
    /// The program, by its name or path.
    pub program: String,
}

/// The main options that are kept, by name. Others stay on the host: some hold passwords.
pub const KEPT: [&str; 26] = [
    "acl_smtp_connect",
    "acl_smtp_data",
    "acl_smtp_helo",
    "acl_smtp_mail",
    "acl_smtp_predata",
    "acl_smtp_rcpt",
    "check_log_space",
    "check_spool_inodes",
    "check_spool_space",
    "daemon_smtp_ports",
    "host_lookup",
    "hosts_proxy",
    "local_interfaces",
    "log_file_path",
    "message_size_limit",
    "primary_hostname",
    "queue_domains",
    "queue_only",
    "queue_only_load",
    "rfc1413_hosts",
    "rfc1413_query_timeout",
    "smtp_accept_max",
    "smtp_accept_queue",
    "smtp_accept_reserve",
    "spool_directory",
    "tls_on_connect_ports",
];

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EximWire {
    /// The file with its settings.
    pub file: String,
    /// The options in force, defaults too: those of [`KEPT`]. A switch that is on is `true`, one that is off `false`.
    pub settings: BTreeMap<String, String>,
    /// Where those that are set stand in the file.
    pub written: Vec<Written>,
    /// The DNS lists that its ACLs name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dnslists: Vec<DnsLists>,
    /// The pauses that its ACLs make.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delays: Vec<Delay>,
    /// Why going through what is done for a connection might change something; absent where it only reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<String>,
    /// Why something could not be read, in the words of who refused.
    pub flaws: Vec<String>,
}

impl Question for Exim {
    const PROBE: &'static str = "host.exim/1";
    type On = VantageId;
    type Wire = EximWire;
    type View = EximWire;

    fn read(wire: EximWire) -> Option<EximWire> {
        // Without the options in force nothing can be told, least of all that one is not set.
        wire.settings.contains_key("spool_directory").then_some(wire)
    }
}

impl EximWire {
    /// An option in force; absent where it was not kept.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// Where an option stands.
    pub fn place(&self, name: &str) -> Place {
        let written = self.written.iter().rev().find(|written| written.name == name);
        Place {
            setting: name.to_owned(),
            file: written.map(|_| self.file.clone()),
            line: written.and_then(|written| written.lines.first()).map(|line| line.number),
        }
    }

    /// The file that Exim writes its main log to; `None` where it goes to syslog alone, or has the date in its name.
    pub fn main_log(&self) -> Option<String> {
        // A list, with `:` between; `%s` stands for the kind of log.
        let paths = self.setting("log_file_path")?.split(':').map(str::trim);
        let path = paths.into_iter().find(|path| path.starts_with('/'))?.replace("%s", "main");
        (!path.contains('%')).then_some(path)
    }
}

/// The lines of `exim -bP`: `name = value`, or `name` and `no_name` for switches.
pub fn options(printed: &str) -> impl Iterator<Item = (&str, &str)> {
    printed.lines().filter_map(|line| match line.split_once('=') {
        Some((name, value)) => Some((name.trim(), value.trim())),
        None => match line.trim() {
            "" => None,
            name => Some(name.strip_prefix("no_").map_or((name, "true"), |off| (off, "false"))),
        },
    })
}

/// The main options that a file sets, each with its first line: those before the first `begin`.
pub fn written(text: &str) -> Vec<Written> {
    (1..)
        .zip(text.lines())
        .take_while(|(_, line)| line.split_whitespace().next() != Some("begin"))
        .filter_map(|(number, text)| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            let name = name.trim().trim_start_matches("hide ").trim();
            // A switch stands alone.
            let name = if value.is_empty() { name.trim_start_matches("no_") } else { name };
            let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            plain.then(|| Written { name: name.to_owned(), lines: vec![Line { number, text: text.to_owned() }] })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn options_and_switches_are_read() {
        let found: Vec<_> = options("spool_directory = /var/spool/exim4\nno_queue_only\ndisable_ipv6\n\n").collect();
        assert_eq!(found, [("spool_directory", "/var/spool/exim4"), ("queue_only", "false"), ("disable_ipv6", "true")]);
        assert!(KEPT.is_sorted());
    }

    #[test]
    fn a_setting_stands_at_a_line_of_the_main_part() {
        let text = "# spool_directory = x\nlocal_interfaces = 127.0.0.1\nbegin acl\n  x = local_interfaces\n";
        let wire = EximWire { file: "/etc/exim4/exim4.conf".to_owned(), written: written(text), ..EximWire::default() };
        let place = wire.place("local_interfaces");
        assert_eq!((place.file.as_deref(), place.line), (Some("/etc/exim4/exim4.conf"), Some(2)));
        assert_eq!(wire.place("spool_directory").line, None);
        let switches = EximWire { written: written("queue_only\nno_local_from_check\n"), ..EximWire::default() };
        assert_eq!((switches.place("queue_only").line, switches.place("local_from_check").line), (Some(1), Some(2)));
    }

    #[test]
    fn the_main_log_is_a_file_with_a_fixed_name() {
        let log = |path: &str| {
            let settings = BTreeMap::from([("log_file_path".to_owned(), path.to_owned())]);
            EximWire { settings, ..EximWire::default() }.main_log()
        };
        assert_eq!(log("syslog : /var/log/exim4/%slog").as_deref(), Some("/var/log/exim4/mainlog"));
        assert_eq!((log("syslog"), log("/var/log/exim/%slog-%D")), (None, None));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n]{0,200}") {
            let _ = (options(&text).count(), written(&text));
        }
    }
}
