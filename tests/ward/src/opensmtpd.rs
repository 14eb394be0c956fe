//! OpenSMTPD as Debian packages it, with the mailboxes that Dovecot shows.

use std::{fs, os::unix::fs::chown, process::Command};

use crate::{
    Daemon, WardError,
    daemon::{output_of, write},
    dovecot::MAIL,
    names::{DOMAIN, MX, MX_ADDRESS},
    relays,
};

/// Where the mail log lies to which it writes by way of syslog.
const LOG: &str = "/var/log/mail.log";

/// Settings of an OpenSMTPD.
#[derive(Clone, Debug)]
pub struct OpenSmtpd {
    /// Statements before all others: filters, tables.
    pub first: String,
    /// Options of the statement that listens on port 25.
    pub on_port_25: String,
    /// What it listens on for strangers.
    pub address: String,
    /// What is done to it once it is up, in the words of a shell.
    pub then: Option<String>,
    /// Whether it comes up; otherwise nobody waits for that.
    pub comes_up: bool,
}

impl OpenSmtpd {
    /// A sound configuration.
    #[must_use]
    pub fn healthy() -> Self {
        Self {
            first: String::new(),
            on_port_25: String::new(),
            address: MX_ADDRESS.to_owned(),
            then: None,
            comes_up: true,
        }
    }

    /// Writes the configuration and starts it, without TLS: the handshakes of what Debian builds fail with this
    /// OpenSSL.
    pub(crate) fn start(&self) -> Result<Daemon, WardError> {
        let Self { first, on_port_25, address, .. } = self;
        let people =
            ["anna", "bert", "postmaster", "abuse"].map(|name| format!("\"{name}@{DOMAIN}\" = vmail")).join(", ");
        let config = format!(
            "{first}\ntable users {{ {people} }}\nlisten on {address} port 25 hostname {MX} {on_port_25}\n\
             action \"mailbox\" maildir \"{MAIL}/%{{rcpt.user}}\" virtual <users>\naction \"out\" relay helo {MX}\n\
             match from any for domain \"{DOMAIN}\" action \"mailbox\"\nmatch from local for any action \"out\"\n"
        );
        write("/etc/smtpd.conf", config)?;
        for folder in ["", "/anna", "/anna/new", "/anna/cur", "/anna/tmp"].map(|below| format!("{MAIL}{below}")) {
            fs::create_dir_all(&folder).map_err(WardError::io(&folder))?;
            chown(&folder, Some(64005), Some(64005)).map_err(WardError::io(&folder))?;
        }
        relays::keep_log(LOG, "mx1")?;
        let script = concat!(include_str!("relays/smtpd_folders.sh"), include_str!("opensmtpd.sh"));
        output_of(Command::new("sh").args(["-euc", script]))?;
        let mut command = Command::new("sh");
        let started = Daemon::start("opensmtpd", command.args(["-uc", "/usr/sbin/smtpd; exec sleep infinity"]))?;
        let place = format!("{address}:25");
        let daemon = if self.comes_up { started.bound_to(&[place])?.having_made("/run/smtpd.sock")? } else { started };
        if let Some(then) = &self.then {
            output_of(Command::new("sh").args(["-euc", then]))?;
        }
        Ok(daemon)
    }
}
