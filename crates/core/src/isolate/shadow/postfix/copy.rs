//! What a shadow of Postfix is made of.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown, symlink};
use std::path::Path;

use super::restrictions::{Out, sites_without, to_its_end, without};
use super::{Off, PostfixShadows};
use crate::isolate::shadow::cannot;
use crate::isolate::{ControlError, Kind};
use crate::probe::host::files::read_text;
use crate::questions::host::asks::Socket;
use crate::questions::host::postfix::files::{Service, words};

/// The lists of restrictions that a client meets up to RCPT.
const RESTRICTIONS: [&str; 5] = [
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
];

/// The shadow's last word at RCPT.
const REFUSED: &str = "check_recipient_access static:{554 5.7.1 maildoctor shadow: nothing is accepted here}, reject";

/// Services that smtpd needs; cleanup is there only to fail at once, so that nothing can reach a queue. There is no postlogd: it
/// writes into the socket that it reads, and where ten messages wait there before it has begun, all wait for each other.
const HELPERS: &str = "\
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
dnsblog unix - - n - 0 dnsblog
cleanup unix n n n - 0 spawn user=nobody argv=/bin/false
";

/// What is the same in every shadow: nothing goes out, nothing is remembered or shared, no TLS and no AUTH.
const ALWAYS: &str = "\
maillog_file_prefixes = /run
syslog_name = maildoctor-shadow
inet_interfaces = 127.0.0.1
multi_instance_enable = no
multi_instance_directories =
multi_instance_wrapper =
alternate_config_directories =
default_transport = error:maildoctor shadow delivers nothing
relay_transport = error:maildoctor shadow delivers nothing
local_transport = error:maildoctor shadow delivers nothing
virtual_transport = error:maildoctor shadow delivers nothing
transport_maps =
content_filter =
smtpd_proxy_filter =
smtpd_data_restrictions = reject
smtpd_end_of_data_restrictions = reject
smtpd_reject_unlisted_recipient = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
postscreen_client_connection_count_limit = 1000
smtp_tls_session_cache_database =
lmtp_tls_session_cache_database =
smtpd_tls_session_cache_database =
address_verify_map =
postscreen_cache_map = btree:$data_directory/postscreen_cache
";

/// What no service of a shadow may have otherwise.
const ON_SERVICES: &str = " -o smtpd_tls_security_level=none -o smtpd_tls_wrappermode=no -o smtpd_use_tls=no \
-o smtpd_enforce_tls=no -o smtpd_sasl_auth_enable=no -o smtpd_proxy_filter= -o content_filter= \
-o postscreen_tls_security_level=none -o postscreen_use_tls=no -o postscreen_enforce_tls=no";

impl PostfixShadows {
    /// Writes a shadow that listens on `place` and has `off` switched off.
    pub(super) fn lay_out(&self, folder: &Path, place: SocketAddr, off: &Off) -> Result<(), ControlError> {
        for name in ["config", "queue", "data"] {
            make(&folder.join(name), if name == "config" { 0o700 } else { 0o755 })?;
        }
        let owner = self.mail_owner;
        let owned = |path: &Path| chown(path, Some(owner.0), Some(owner.1)).map_err(|error| cannot(path, &error));
        owned(&folder.join("data"))?;
        for name in ["active", "incoming", "maildrop", "private", "public", "pid"] {
            let path = folder.join("queue").join(name);
            make(&path, if name == "private" { 0o700 } else { 0o755 })?;
            if name != "pid" {
                owned(&path)?;
            }
        }
        self.lead_to_sockets(&folder.join("queue"))?;
        self.lead_to_tables(&folder.join("config"))?;
        write(&folder.join("config/main.cf"), &self.main_cf(folder, off)?)?;
        write(&folder.join("config/master.cf"), &self.master_cf(place, off)?)
    }

    /// Sockets named below the queue directory are asked where they are.
    fn lead_to_sockets(&self, queue: &Path) -> Result<(), ControlError> {
        for endpoint in self.asks.policies.iter().chain(&self.asks.milters) {
            let Socket::Unix(path) = &endpoint.at else { continue };
            let Ok(below) = Path::new(path).strip_prefix(self.view.queue()) else { continue };
            let link = queue.join(below);
            if let Some(parent) = link.parent() {
                fs::create_dir_all(parent).map_err(|error| cannot(parent, &error))?;
            }
            match symlink(path, &link) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(cannot(&link, &error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Tables named below the configuration directory are read where they are.
    fn lead_to_tables(&self, config: &Path) -> Result<(), ControlError> {
        let from = Path::new(self.view.folder());
        for entry in fs::read_dir(from).map_err(|error| cannot(from, &error))?.flatten() {
            let name = entry.file_name();
            if name != "main.cf" && name != "master.cf" {
                let link = config.join(&name);
                symlink(entry.path(), &link).map_err(|error| cannot(&link, &error))?;
            }
        }
        Ok(())
    }

    /// The server's own settings, and behind them what the shadow has otherwise: the last one counts.
    fn main_cf(&self, folder: &Path, off: &Off) -> Result<String, ControlError> {
        let path = Path::new(self.view.folder()).join("main.cf");
        let original = read_text(&path)
            .map_err(|error| ControlError::unusable(error, "give the folder of main.cf by --mta-config"))?;
        let mut text = format!("{original}\n# What the shadow has otherwise.\n{ALWAYS}");
        let at = folder.display();
        let _ = writeln!(text, "queue_directory = {at}/queue\ndata_directory = {at}/data\nmaillog_file = {at}/log");
        let out = self.out(off);
        let classes = words(self.view.setting("smtpd_restriction_classes").unwrap_or_default());
        let classes = classes.iter().map(|word| word.text());
        for name in RESTRICTIONS.into_iter().chain(["smtpd_milters", "postscreen_dnsbl_sites"]).chain(classes) {
            if let Some(value) = self.view.setting(name) {
                let _ = writeln!(text, "{name} = {}", varied(name, value, &out));
            }
        }
        for (name, value) in self.switches(off) {
            let _ = writeln!(text, "{name} = {value}");
        }
        Ok(text)
    }

    /// Settings that switch a candidate off as a whole.
    fn switches(&self, off: &Off) -> Vec<(&'static str, &'static str)> {
        let mut set = Vec::new();
        if self.is_off(off, Kind::ReverseLookup) {
            set.push(("smtpd_peername_lookup", "no"));
        }
        if self.is_off(off, Kind::Postscreen) {
            // The shortest that postscreen takes.
            set.push(("postscreen_greet_wait", "1s"));
        }
        set
    }

    fn master_cf(&self, place: SocketAddr, off: &Off) -> Result<String, ControlError> {
        let lost = || ControlError::unusable("the service on port 25 is not in `postconf -M`", "see master.cf");
        let front = self.view.service_on(super::PORT).ok_or_else(lost)?;
        let screened = front.command == "postscreen";
        let proxied = if screened { "postscreen_upstream_proxy_protocol" } else { "smtpd_upstream_proxy_protocol" };
        let mut text = self.service(front, &format!("{place} inet"), off).ok_or_else(lost)?;
        let _ = writeln!(text, " -o {proxied}=haproxy");
        if screened {
            let behind = self.view.wire.services.iter().find(|s| s.kind == "pass" && s.command == "smtpd");
            let behind = behind.ok_or_else(lost)?;
            let _ = writeln!(text, "{}", self.service(behind, &format!("{} pass", behind.name), off).ok_or_else(lost)?);
        }
        Ok(text + HELPERS)
    }

    /// A service as it stands in `master.cf`, with its own `-o`, and behind them what the shadow has otherwise.
    fn service(&self, service: &Service, head: &str, off: &Off) -> Option<String> {
        let line = self.services.lines().find(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(service.name.as_str()) && words.next() == Some(service.kind.as_str())
        })?;
        let mut rest = line;
        for _ in 0..7 {
            rest = rest.trim_start();
            rest = rest.split_at(rest.find(char::is_whitespace)?).1;
        }
        let command = rest.trim_start();
        let limit = if service.command == "postscreen" { "1" } else { "-" };
        let mut text = format!("{head} n - n - {limit} {command}{ON_SERVICES}");
        let out = self.out(off);
        for (name, value) in &service.overrides {
            let known =
                RESTRICTIONS.contains(&name.as_str()) || name == "smtpd_milters" || name == "postscreen_dnsbl_sites";
            if known {
                let _ = write!(text, " -o {{ {name} = {} }}", varied(name, value, &out));
            }
        }
        for (name, value) in self.switches(off) {
            let _ = write!(text, " -o {name}={value}");
        }
        for name in ["smtpd_data_restrictions", "smtpd_end_of_data_restrictions"] {
            let _ = write!(text, " -o {name}=reject");
        }
        Some(text)
    }
}

/// A list as a shadow has it.
fn varied(name: &str, value: &str, out: &Out) -> String {
    match name {
        "postscreen_dnsbl_sites" => sites_without(value, out),
        "smtpd_milters" => without(value, out),
        "smtpd_recipient_restrictions" => {
            let kept = to_its_end(&without(value, out));
            if kept.is_empty() { REFUSED.to_owned() } else { format!("{kept}, {REFUSED}") }
        }
        "smtpd_relay_restrictions" => {
            // Postfix wants to see that mail to anywhere is refused, also where the shadow only warns.
            let kept = to_its_end(&without(value, out));
            if kept.is_empty() { "permit".to_owned() } else { kept }
        }
        _ => to_its_end(&without(value, out)),
    }
}

fn make(path: &Path, mode: u32) -> Result<(), ControlError> {
    DirBuilder::new().mode(mode).create(path).map_err(|error| cannot(path, &error))
}

/// Writes a file that only root reads: settings may hold passwords.
fn write(path: &Path, text: &str) -> Result<(), ControlError> {
    use std::io::Write as _;
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| cannot(path, &error))
}
