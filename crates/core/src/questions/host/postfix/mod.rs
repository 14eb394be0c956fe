//! The settings of a Postfix instance, as `postconf` says them.

pub(crate) mod asks;
pub mod files;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::asks::Place;
use crate::case::Question;
use crate::subject::VantageId;
use files::{Service, Written};

/// `host.postfix/1`: the settings of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postfix {
    /// The folder that holds its `main.cf` and `master.cf`.
    pub folder: String,
}

/// The settings that are kept, by name. Others stay on the host: some hold passwords.
pub const KEPT: [&str; 66] = [
    "config_directory",
    "content_filter",
    "default_process_limit",
    "default_transport",
    "defer_transports",
    "inet_interfaces",
    "inet_protocols",
    "local_transport",
    "mail_spool_directory",
    "mail_version",
    "mailbox_transport",
    "maillog_file",
    "message_size_limit",
    "milter_command_timeout",
    "milter_connect_timeout",
    "milter_content_timeout",
    "milter_default_action",
    "multi_instance_directories",
    "multi_instance_enable",
    "multi_instance_name",
    "mydestination",
    "mydomain",
    "myhostname",
    "mynetworks",
    "postscreen_access_list",
    "postscreen_bare_newline_enable",
    "postscreen_denylist_action",
    "postscreen_dnsbl_action",
    "postscreen_dnsbl_allowlist_threshold",
    "postscreen_dnsbl_sites",
    "postscreen_dnsbl_threshold",
    "postscreen_dnsbl_timeout",
    "postscreen_greet_action",
    "postscreen_greet_banner",
    "postscreen_greet_wait",
    "postscreen_non_smtp_command_enable",
    "postscreen_pipelining_enable",
    "postscreen_upstream_proxy_protocol",
    "proxy_interfaces",
    "queue_directory",
    "queue_minfree",
    "relay_transport",
    "relayhost",
    "smtp_host_lookup",
    "smtpd_authorized_xclient_hosts",
    "smtpd_banner",
    "smtpd_client_connection_count_limit",
    "smtpd_client_restrictions",
    "smtpd_data_restrictions",
    "smtpd_delay_reject",
    "smtpd_end_of_data_restrictions",
    "smtpd_error_sleep_time",
    "smtpd_helo_required",
    "smtpd_helo_restrictions",
    "smtpd_milters",
    "smtpd_peername_lookup",
    "smtpd_policy_service_timeout",
    "smtpd_recipient_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_restriction_classes",
    "smtpd_sender_restrictions",
    "smtpd_upstream_proxy_protocol",
    "syslog_name",
    "transport_maps",
    "virtual_mailbox_base",
    "virtual_transport",
];

/// What was read of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostfixWire {
    /// The settings in force, defaults too, macros expanded: those of [`KEPT`], and the restriction classes.
    pub settings: BTreeMap<String, String>,
    /// Where those that are set stand in `main.cf`.
    pub main_cf: Vec<Written>,
    /// The services of `master.cf`; what is set for one is kept where it is of [`KEPT`].
    pub services: Vec<Service>,
    /// Why something could not be read, in the words of who refused.
    pub flaws: Vec<String>,
}

/// How an instance's settings read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostfixView {
    /// The wire facts.
    pub wire: PostfixWire,
}

impl Question for Postfix {
    const PROBE: &'static str = "host.postfix/1";
    type On = VantageId;
    type Wire = PostfixWire;
    type View = PostfixView;

    fn read(wire: PostfixWire) -> Option<PostfixView> {
        // Without the settings in force nothing can be told, least of all that something is not set.
        wire.settings.contains_key("config_directory").then_some(PostfixView { wire })
    }
}

impl PostfixView {
    /// A setting in force; absent where it was not kept.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.wire.settings.get(name).map(String::as_str)
    }

    /// A setting as a service has it: from its `-o`, or from `main.cf`.
    pub fn setting_of<'v>(&'v self, service: &'v Service, name: &str) -> Option<&'v str> {
        let own = service.overrides.iter().rev().find(|(known, _)| known == name);
        own.map(|(_, value)| value.as_str()).or_else(|| self.setting(name))
    }

    /// Whether a setting is `yes`.
    pub fn is_on(&self, service: &Service, name: &str) -> bool {
        self.setting_of(service, name) == Some("yes")
    }

    /// The folder of `main.cf`.
    pub fn folder(&self) -> &str {
        self.setting("config_directory").unwrap_or("/etc/postfix")
    }

    /// The queue directory.
    pub fn queue(&self) -> &str {
        self.setting("queue_directory").unwrap_or("/var/spool/postfix")
    }

    /// The services that listen for clients, with the port of each as far as it can be told.
    pub fn listening(&self) -> impl Iterator<Item = (&Service, Option<u16>)> {
        self.wire.services.iter().filter(|s| s.kind == "inet").map(|s| (s, port(&s.name)))
    }

    /// The service that listens on a port.
    pub fn service_on(&self, port: u16) -> Option<&Service> {
        self.listening().find(|(_, own)| *own == Some(port)).map(|(service, _)| service)
    }

    /// Where a setting of a service stands; `word` narrows it down to the line that holds it, in a macro of its own too.
    pub fn place(&self, service: &Service, name: &str, word: Option<&str>) -> Place {
        if service.overrides.iter().any(|(known, _)| known == name) {
            return Place { setting: name.to_owned(), file: Some(self.file("master.cf")), line: service.line };
        }
        self.place_in_main(name, word)
    }

    /// Where a setting of the whole instance stands, with `word` as in [`PostfixView::place`].
    pub fn place_in_main(&self, name: &str, word: Option<&str>) -> Place {
        let file = || Some(self.file("main.cf"));
        let holds = |written: &Written| {
            let word = word?;
            let line = written.lines.iter().find(|line| line.text.contains(word))?;
            Some((written.name.clone(), line.number))
        };
        let own = self.wire.main_cf.iter().rev().find(|written| written.name == name);
        let exact = own.and_then(holds).or_else(|| self.wire.main_cf.iter().rev().find_map(holds));
        match (exact, own) {
            (Some((setting, line)), _) => Place { setting, file: file(), line: Some(line) },
            (None, Some(written)) => {
                Place { setting: name.to_owned(), file: file(), line: written.lines.first().map(|line| line.number) }
            }
            (None, None) => Place { setting: name.to_owned(), file: None, line: None },
        }
    }

    /// One of its files, by its whole path.
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.folder())
    }

    /// The copy of resolv.conf that the services which ask about clients read, where those run in a chroot.
    pub fn chrooted_resolv_conf(&self) -> Option<String> {
        let asks = |service: &&Service| matches!(service.command.as_str(), "smtpd" | "dnsblog" | "smtp");
        let chrooted = self.wire.services.iter().filter(asks).any(|service| service.chroot);
        chrooted.then(|| format!("{}/etc/resolv.conf", self.queue()))
    }

    /// How many processes of a service may run at once; `None` for no limit.
    pub fn process_limit(&self, service: &Service) -> Option<u32> {
        let general = || self.setting("default_process_limit").and_then(|text| text.parse().ok());
        service.limit.or_else(general).filter(|limit| *limit > 0)
    }
}

/// The port of an `inet` service: `25`, `smtp`, `127.0.0.1:10025`, `[::1]:smtp`.
fn port(name: &str) -> Option<u16> {
    let last = name.rsplit(':').next()?;
    last.parse().ok().or(match last {
        "smtp" => Some(25),
        "submission" => Some(587),
        "submissions" | "smtps" => Some(465),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_by_name_and_number() {
        assert_eq!((port("smtp"), port("127.0.0.1:10025"), port("[::1]:smtps")), (Some(25), Some(10025), Some(465)));
        assert_eq!(port("flush"), None);
    }

    #[test]
    fn what_is_kept_is_sorted_and_holds_no_secret() {
        assert!(KEPT.is_sorted());
        assert!(!KEPT.iter().any(|name| name.contains("pass") || name.contains("secret")));
    }
}
