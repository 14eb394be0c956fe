//! What a shadow of Exim is made of: its main options and ACLs, and nothing that could deliver.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use super::acl::{Out, head, varied};

/// The ACLs that a client meets up to RCPT.
pub(super) const MET: [&str; 4] = ["acl_smtp_connect", "acl_smtp_helo", "acl_smtp_mail", "acl_smtp_rcpt"];

/// The beginning of the names of our own ACLs.
const OURS: &str = "maildoctor_shadow";

/// The shadow's last word at RCPT, and its only one at DATA.
const REFUSED: &str = "deny message = maildoctor shadow: nothing is accepted here";

/// Every address is taken to exist, and none is delivered to: a router that only verifies, and no transport.
const ROUTER: &str = "\nbegin routers\n\nmaildoctor_shadow:\n  driver = accept\n  verify_only\n";

/// Main options that a shadow has otherwise, where this Exim knows them.
const ALWAYS: [(&str, &str); 10] = [
    // The certificate stays: without one Exim makes a key at its start, which takes as long as a wait.
    ("tls_advertise_hosts", ""),
    ("tls_on_connect_ports", ""),
    ("tls_verify_certificates", ""),
    ("auth_advertise_hosts", ""),
    ("chunking_advertise_hosts", ""),
    ("queue_only", "true"),
    ("smtp_accept_max", "0"),
    ("check_spool_space", "0"),
    ("check_spool_inodes", "0"),
    ("check_log_space", "0"),
];

/// Main options that a shadow does without: they tell others of a client, name files or sockets of the server, or bound what is
/// unbounded in it.
const DROPPED: [&str; 18] = [
    "daemon_smtp_ports",
    "daemon_smtp_port",
    "deliver_queue_load_max",
    "event_action",
    "local_interfaces",
    "local_scan_path",
    "notifier_socket",
    "prdr_enable",
    "process_log_path",
    "queue_only_load",
    "queue_only_file",
    "smtp_accept_max_per_host",
    "smtp_accept_queue",
    "smtp_accept_reserve",
    "smtp_etrn_command",
    "smtp_load_reserve",
    "smtp_reserve_hosts",
    "system_filter",
];

/// An Exim's settings, as `exim -bP config` and `exim -bP` print them.
#[derive(Debug)]
pub(super) struct Original {
    /// The file in one piece: macros replaced, others included, a logical line on each line.
    pub(super) config: String,
    /// Every main option that this Exim knows, with what is in force.
    pub(super) options: BTreeMap<String, String>,
}

impl Original {
    /// An option in force.
    pub(super) fn option(&self, name: &str) -> &str {
        self.options.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The lines of all ACLs that are met up to RCPT or asked by those, each with the name of its ACL, or of the option that has it as
    /// its value.
    pub(super) fn acl_lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let inline = MET.into_iter().filter_map(|name| Some((name, self.inline(name)?)));
        inline.chain(self.named_acl_lines())
    }

    /// The ACL that is written where others are named.
    fn inline(&self, option: &str) -> Option<&str> {
        let value = self.options.get(option)?.as_str();
        (value.contains(char::is_whitespace) && !value.starts_with(['$', '/'])).then_some(value)
    }

    /// The lines of the named ACLs; heads are left out.
    fn named_acl_lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let (mut section, mut acl) = ("main", "");
        self.lines().filter_map(move |line| {
            if let Some(next) = line.strip_prefix("begin ") {
                section = next.trim();
                return None;
            }
            if section != "acl" {
                return None;
            }
            match head(line) {
                Some(name) => {
                    acl = name;
                    None
                }
                None => Some((acl, line)),
            }
        })
    }

    /// The named ACLs that a client meets themselves, and not by way of another.
    fn met(&self) -> BTreeSet<&str> {
        let asked: BTreeSet<&str> = self
            .acl_lines()
            .map(|(_, line)| super::acl::Line::read(line))
            .filter(|line| line.name == "acl")
            .filter_map(|line| line.value?.split_whitespace().next())
            .collect();
        MET.iter().map(|name| self.option(name)).filter(|name| !asked.contains(name)).collect()
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        self.config.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    }

    /// The settings of a shadow in `folder`.
    pub(super) fn copy(&self, folder: &Path, out: &Out) -> String {
        let at = folder.display();
        let mut ours: Vec<(&str, String)> = vec![
            ("spool_directory", format!("{at}/spool")),
            ("log_file_path", format!("{at}/log/%slog")),
            ("pid_file_path", format!("{at}/pid")),
        ];
        ours.extend(ALWAYS.iter().map(|(name, value)| (*name, (*value).to_owned())));
        if out.reverse {
            let lookups = ["host_lookup", "helo_verify_hosts", "helo_try_verify_hosts"];
            ours.extend(lookups.map(|name| (name, String::new())));
        }
        ours.retain(|(name, _)| self.options.contains_key(*name));
        let goes = |name: &str| {
            name.starts_with("acl_") || DROPPED.contains(&name) || ours.iter().any(|(ours, _)| *ours == name)
        };
        let mut text = String::new();
        for line in self.lines().take_while(|line| !line.starts_with("begin ")) {
            if !goes(option_name(line)) {
                let _ = writeln!(text, "{line}");
            }
        }
        for (name, value) in &ours {
            let _ = writeln!(text, "{name} = {value}");
        }
        text.push_str(&self.acls(out));
        text + ROUTER
    }

    /// The ACLs, and around each that a client meets one of ours that goes on whatever it says.
    fn acls(&self, out: &Out) -> String {
        let (mut options, mut ours) = (String::new(), String::new());
        for name in MET {
            let stage = name.trim_start_matches("acl_smtp_");
            let value = self.option(name);
            let last = if name == "acl_smtp_rcpt" { REFUSED } else { "accept" };
            let asks = match value {
                "" => String::new(),
                text if self.inline(name).is_some() => {
                    let acl = format!("{OURS}_{stage}_inline");
                    if let Some(line) = varied(name, text, true, out) {
                        let _ = writeln!(ours, "\n{acl}:\n  {line}");
                    }
                    format!("  warn acl = {acl}\n")
                }
                named => format!("  warn acl = {named}\n"),
            };
            let _ = writeln!(options, "{name} = {OURS}_{stage}");
            let _ = writeln!(ours, "\n{OURS}_{stage}:\n{asks}  {last}");
        }
        for stage in ["predata", "data"] {
            let _ = writeln!(options, "acl_smtp_{stage} = {OURS}_nothing");
        }
        let _ = writeln!(ours, "\n{OURS}_nothing:\n  {REFUSED}");
        let met = self.met();
        let mut theirs = String::new();
        let mut current = "";
        for (acl, line) in self.named_acl_lines() {
            if acl != current {
                let _ = writeln!(theirs, "\n{acl}:");
                current = acl;
            }
            if let Some(line) = varied(acl, line, met.contains(acl), out) {
                let _ = writeln!(theirs, "  {line}");
            }
        }
        format!("{options}\nbegin acl\n{ours}{theirs}")
    }
}

/// The name of the option that a line of the main part sets: `hide name = …`, `name`, `no_name`.
fn option_name(line: &str) -> &str {
    let name = line.split_once('=').map_or(line, |(name, _)| name).trim();
    let name = name.strip_prefix("hide ").unwrap_or(name).trim();
    name.strip_prefix("not_").or_else(|| name.strip_prefix("no_")).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "# Exim Configuration (4.96)\n# 1 \"/etc/exim4/exim4.conf\"\nspool_directory = /var/spool/exim4\n\
        hide mysql_servers = secret\nno_local_from_check\nacl_smtp_connect = a\nacl_smtp_rcpt = b\nhost_lookup = *\n\
        acl_smtp_mail = accept hosts = *\ndomainlist local = x.example\n\nbegin acl\n\n  a:\n    deny acl = c\n    \
        dnslists = l.example\n\n  b:\n    accept domains = +local\n\n  c:\n    deny hosts = 192.0.2.1\n    accept\n\n\
        begin routers\n\n  r:\n    driver = accept\n    transport = t\n\nbegin transports\n\n  t:\n    driver = pipe\n";

    fn original() -> Original {
        let options = [
            ("acl_smtp_connect", "a"),
            ("acl_smtp_mail", "accept hosts = *"),
            ("acl_smtp_rcpt", "b"),
            ("host_lookup", "*"),
            ("spool_directory", "/var/spool/exim4"),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Original { config: CONFIG.to_owned(), options }
    }

    #[test]
    fn a_shadow_keeps_what_is_asked_and_nothing_that_delivers() {
        let copy = original().copy(Path::new("/run/s"), &Out::default());
        for kept in [
            "spool_directory = /run/s/spool\n",
            "hide mysql_servers = secret\n",
            "no_local_from_check\n",
            "domainlist local = x.example\n",
            "acl_smtp_connect = maildoctor_shadow_connect\n",
            "maildoctor_shadow_rcpt:\n  warn acl = b\n  deny message",
            "maildoctor_shadow_mail_inline:\n  accept hosts = *\n",
            "\na:\n  warn acl = c\n  dnslists = l.example\n",
            "\nc:\n  deny hosts = 192.0.2.1\n  accept\n",
            "host_lookup = *\n",
        ] {
            assert!(copy.contains(kept), "{kept} in {copy}");
        }
        for gone in ["/var/spool", "transport", "pipe", "acl_smtp_rcpt = b", "queue_only"] {
            assert!(!copy.contains(gone), "{gone} in {copy}");
        }
    }

    #[test]
    fn what_is_off_is_off_as_a_whole() {
        let out = Out { reverse: true, zones: ["l.example".to_owned()].into(), ..Out::default() };
        let copy = original().copy(Path::new("/run/s"), &out);
        assert!(copy.contains("host_lookup = \n") && copy.contains("dnslists =\n") && !copy.contains("l.example"));
        // This Exim knows of no such option.
        assert!(!copy.contains("helo_verify_hosts"));
    }
}
