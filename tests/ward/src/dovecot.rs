//! Dovecot: the mailboxes, their IMAP and POP3, delivery by LMTP, and the passwords, for Postfix as well.

use std::{fs, os::unix::fs::chown, process::Command};

use crate::{
    Daemon, WardError,
    certificates::Identity,
    daemon::{output_of, write},
    names::{MX_ADDRESS, PASSWORD, USER},
};

/// Where the mailboxes are: one Maildir a user.
pub(crate) const MAIL: &str = "/var/vmail";

/// Settings of a Dovecot.
#[derive(Clone, Debug)]
pub struct Dovecot {
    /// How much a mailbox may hold, in octets; `None`: any.
    pub quota: Option<u64>,
    /// The protocols it speaks.
    pub protocols: String,
    /// The file with the passwords.
    pub passwords: String,
    /// Lines put at the end of the configuration.
    pub extra: String,
}

impl Dovecot {
    /// Everything in order, no quota.
    #[must_use]
    pub fn healthy() -> Self {
        Self {
            quota: None,
            protocols: "imap pop3 lmtp".to_owned(),
            passwords: "/etc/dovecot/users".to_owned(),
            extra: String::new(),
        }
    }

    /// Writes the configuration and starts it.
    pub(crate) fn start(&self, identity: &Identity) -> Result<Daemon, WardError> {
        write("/etc/dovecot/chain.pem", &identity.chain)?;
        write("/etc/dovecot/key.pem", &identity.key)?;
        write("/etc/dovecot/users", format!("{USER}:{{PLAIN}}{PASSWORD}\nbert@clinic.example:{{PLAIN}}other\n"))?;
        let quota = self.quota.map_or_else(String::new, |octets| {
            format!(
                "mail_plugins = $mail_plugins quota\nplugin {{\n  quota = maildir:User quota\n  quota_rule = *:bytes={octets}\n  \
                 quota_grace = 0\n  quota_status_success = DUNNO\n  quota_status_nouser = DUNNO\n  \
                 quota_status_overquota = 552 5.2.2 Mailbox is full\n}}\nservice quota-status {{\n  \
                 executable = /usr/lib/dovecot/quota-status -p postfix\n  client_limit = 1\n  \
                 unix_listener /var/spool/postfix/private/quota-status {{\n    user = postfix\n    group = postfix\n    \
                 mode = 0660\n  }}\n}}\n"
            )
        });
        let config = format!(
            "protocols = {}\nlisten = {MX_ADDRESS}\nlog_path = /var/log/dovecot.log\nssl = required\n\
             ssl_cert = </etc/dovecot/chain.pem\nssl_key = </etc/dovecot/key.pem\ndisable_plaintext_auth = yes\n\
             auth_mechanisms = plain login\nmail_location = maildir:{MAIL}/%n\nfirst_valid_uid = 1000\n\
             passdb {{\n  driver = passwd-file\n  args = scheme=PLAIN username_format=%u /etc/dovecot/users\n}}\n\
             userdb {{\n  driver = static\n  args = uid=vmail gid=vmail home={MAIL}/%n\n}}\n\
             namespace inbox {{\n  inbox = yes\n  mailbox Junk {{\n    auto = create\n    special_use = \\Junk\n  }}\n}}\n\
             service auth {{\n  unix_listener /var/spool/postfix/private/auth {{\n    mode = 0660\n    user = postfix\n    \
             group = postfix\n  }}\n}}\n\
             service lmtp {{\n  unix_listener /var/spool/postfix/private/dovecot-lmtp {{\n    mode = 0600\n    user = postfix\n    \
             group = postfix\n  }}\n}}\n{quota}{}",
            self.protocols, self.extra
        );
        write("/etc/dovecot/dovecot.conf", config.replace("/etc/dovecot/users", &self.passwords))?;
        for user in ["anna", "bert"] {
            let home = format!("{MAIL}/{user}");
            fs::create_dir_all(&home).map_err(WardError::io(home.clone()))?;
            chown(&home, Some(64005), Some(64005)).map_err(WardError::io(home.clone()))?;
        }
        let ports = [("imap", 143), ("imap", 993), ("pop3", 110), ("pop3", 995)];
        let spoken = ports.iter().filter(|(protocol, _)| self.protocols.split(' ').any(|spoken| spoken == *protocol));
        let places: Vec<String> = spoken.map(|(_, port)| format!("{MX_ADDRESS}:{port}")).collect();
        Daemon::start("dovecot", Command::new("/usr/sbin/dovecot").arg("-F"))?.bound_to(&places)
    }
}

/// Every message in a user's Maildir, as text.
pub(crate) fn messages(user: &str) -> String {
    let folders = ["new", "cur"].map(|folder| fs::read_dir(format!("{MAIL}/{user}/{folder}")));
    let files = folders.into_iter().flatten().flatten().flatten();
    files.filter_map(|file| fs::read_to_string(file.path()).ok()).collect()
}

/// Puts a message of `octets` into a user's Maildir, as delivery would have done.
pub(crate) fn put_message(user: &str, octets: usize) -> Result<(), WardError> {
    let home = format!("{MAIL}/{user}");
    for folder in ["cur", "new", "tmp"] {
        fs::create_dir_all(format!("{home}/{folder}")).map_err(WardError::io(home.clone()))?;
    }
    let start = "Subject: something big\n\n";
    let text = format!("{start}{}", "x".repeat(octets.saturating_sub(start.len())));
    write(format!("{home}/cur/1.M1P1.mx1,S={octets}:2,S"), text)?;
    output_of(Command::new("chown").args(["-R", "vmail:vmail", &home])).map(drop)
}
