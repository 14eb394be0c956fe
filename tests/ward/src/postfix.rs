//! Postfix as Debian packages it, for a domain whose mailboxes Dovecot keeps.

use std::{fs, os::unix::fs::chown, process::Command};

use crate::{
    Daemon, WardError,
    certificates::Identity,
    daemon::{output_of, write},
    names::{DOMAIN, MX, MX_ADDRESS},
};

/// Where master keeps its queue.
const QUEUE: &str = "/var/spool/postfix";

/// Settings of a Postfix: `main.cf`, and per service of `master.cf`.
#[derive(Clone, Debug)]
pub struct Postfix {
    main: Vec<(String, String)>,
    services: Vec<Service>,
}

#[derive(Clone, Debug)]
struct Service {
    /// `name type private unprivileged chroot wake-up limit command`
    line: &'static str,
    overrides: Vec<(String, String)>,
}

/// The services of a receiving system; those with a port come first.
const SERVICES: [&str; 23] = [
    "smtp inet n - n - - smtpd",
    "submission inet n - n - - smtpd",
    "smtps inet n - n - - smtpd",
    "pickup unix n - n 60 1 pickup",
    "cleanup unix n - n - 0 cleanup",
    "qmgr unix n - n 300 1 qmgr",
    "tlsmgr unix - - n 1000? 1 tlsmgr",
    "rewrite unix - - n - - trivial-rewrite",
    "bounce unix - - n - 0 bounce",
    "defer unix - - n - 0 bounce",
    "trace unix - - n - 0 bounce",
    "verify unix - - n - 1 verify",
    "flush unix n - n 1000? 0 flush",
    "proxymap unix - - n - - proxymap",
    "smtp unix - - n - - smtp",
    "lmtp unix - - n - - lmtp",
    "virtual unix - n n - - virtual",
    "error unix - - n - - error",
    "retry unix - - n - - error",
    "anvil unix - - n - 1 anvil",
    "scache unix - - n - 1 scache",
    "showq unix n - n - - showq",
    "postlog unix-dgram n - n - 1 postlogd",
];

impl Postfix {
    /// A sound configuration: mail for the domain on 25, authenticated submission on 587 and 465, TLS everywhere.
    #[must_use]
    pub fn healthy() -> Self {
        let mut postfix = Self {
            main: Vec::new(),
            services: SERVICES.into_iter().map(|line| Service { line, overrides: Vec::new() }).collect(),
        };
        let settings = [
            ("compatibility_level", "3.6"),
            ("maillog_file", "/var/log/mail.log"),
            ("inet_protocols", "ipv4"),
            ("inet_interfaces", MX_ADDRESS),
            ("myhostname", MX),
            ("myorigin", DOMAIN),
            ("mydestination", ""),
            ("mynetworks", "127.0.0.0/8"),
            ("alias_maps", ""),
            ("biff", "no"),
            ("smtpd_banner", "$myhostname ESMTP $mail_name (Debian/GNU)"),
            ("virtual_mailbox_domains", DOMAIN),
            ("virtual_mailbox_maps", "inline:{ anna@clinic.example=anna bert@clinic.example=bert }"),
            (
                "virtual_alias_maps",
                "inline:{ postmaster@clinic.example=bert@clinic.example abuse@clinic.example=bert@clinic.example }",
            ),
            ("virtual_transport", "lmtp:unix:private/dovecot-lmtp"),
            ("smtpd_relay_restrictions", "permit_mynetworks permit_sasl_authenticated reject_unauth_destination"),
            ("smtpd_tls_chain_files", "/etc/postfix/chain.pem"),
            ("smtpd_tls_security_level", "may"),
            ("smtpd_tls_auth_only", "yes"),
            ("smtpd_forbid_bare_newline", "normalize"),
            ("smtpd_sasl_type", "dovecot"),
            ("smtpd_sasl_path", "private/auth"),
            ("smtpd_sender_login_maps", "inline:{ anna@clinic.example=anna@clinic.example }"),
        ];
        for (name, value) in settings {
            postfix.set(name, value);
        }
        for service in ["submission", "smtps"] {
            postfix.set_on(service, "smtpd_sasl_auth_enable", "yes");
            postfix.set_on(service, "smtpd_relay_restrictions", "permit_sasl_authenticated reject");
        }
        postfix.set_on("submission", "smtpd_tls_security_level", "encrypt");
        postfix.set_on("smtps", "smtpd_tls_wrappermode", "yes");
        postfix
    }

    /// Sets a parameter of `main.cf`.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.main.retain(|(known, _)| known != name);
        self.main.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a parameter for one service with a port: `smtp`, `submission` or `smtps`.
    pub fn set_on(&mut self, service: &str, name: &str, value: &str) -> &mut Self {
        let start = format!("{service} inet ");
        for service in self.services.iter_mut().filter(|known| known.line.starts_with(&start)) {
            service.overrides.retain(|(known, _)| known != name);
            service.overrides.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Nothing listens on a service's port.
    pub fn close(&mut self, service: &str) -> &mut Self {
        let start = format!("{service} inet ");
        self.services.retain(|known| !known.line.starts_with(&start));
        self
    }

    /// Another server on port 2526 of the same address, which greets by a name of its own and knows no TLS: what a provider's
    /// proxy shows.
    pub fn with_a_proxy(&mut self, name: &str) -> &mut Self {
        let overrides = [("myhostname", name), ("smtpd_tls_security_level", "none")];
        self.services.push(Service {
            line: "2526 inet n - n - - smtpd",
            overrides: overrides.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        });
        self
    }

    /// The same server on port 2526 of the same address, with a certificate of another authority: what a box shows that reads along.
    ///
    /// # Errors
    /// When its key cannot be written.
    pub fn with_a_box_that_reads(&mut self, identity: &Identity) -> Result<&mut Self, WardError> {
        write("/etc/postfix/box.pem", format!("{}{}", identity.key, identity.chain))?;
        let overrides = vec![("smtpd_tls_chain_files".to_owned(), "/etc/postfix/box.pem".to_owned())];
        self.services.push(Service { line: "2526 inet n - n - - smtpd", overrides });
        Ok(self)
    }

    /// Lets smtpd on port 25 run in the queue directory as its root.
    pub fn in_chroot(&mut self) -> &mut Self {
        self.close("smtp");
        self.services.push(Service { line: "smtp inet n - y - - smtpd", overrides: Vec::new() });
        self
    }

    /// Serves at most two clients of port 25 at once.
    pub fn two_clients_at_once(&mut self) -> &mut Self {
        for service in &mut self.services {
            if service.line.starts_with("smtp inet ") {
                service.line = "smtp inet n - n - 2 smtpd";
            }
        }
        self
    }

    /// Puts postscreen in front of port 25.
    pub fn behind_postscreen(&mut self) -> &mut Self {
        self.close("smtp");
        for line in [
            "smtp inet n - n - 1 postscreen",
            "smtpd pass - - n - - smtpd",
            "dnsblog unix - - n - 0 dnsblog",
            "tlsproxy unix - - n - 0 tlsproxy",
        ] {
            self.services.push(Service { line, overrides: Vec::new() });
        }
        self
    }

    /// Writes the configuration and starts it.
    pub(crate) fn start(&self, identity: &Identity) -> Result<Daemon, WardError> {
        let main: String = self.main.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let mut master = String::new();
        for service in &self.services {
            master.push_str(service.line);
            for (name, value) in &service.overrides {
                master.push_str(&format!("\n  -o {{ {name} = {value} }}"));
            }
            master.push('\n');
        }
        write("/etc/postfix/main.cf", main)?;
        write("/etc/postfix/master.cf", master)?;
        write("/etc/postfix/chain.pem", format!("{}{}", identity.key, identity.chain))?;
        folders(QUEUE, "/var/lib/postfix")?;
        let ports = [("smtp", 25), ("submission", 587), ("smtps", 465)];
        let places: Vec<String> = ports
            .into_iter()
            .filter(|(service, _)| {
                self.services.iter().any(|known| known.line.starts_with(&format!("{service} inet ")))
            })
            .map(|(_, port)| format!("{MX_ADDRESS}:{port}"))
            .collect();
        // A connection just to see whether somebody listens would stand in the log and use up postscreen's first visit: sockets are
        // looked at from the kernel's side.
        Daemon::start("postfix", Command::new("/usr/lib/postfix/sbin/master").arg("-d"))?
            .having_made("/var/spool/postfix/public/pickup")?
            .bound_to(&places)
    }

    /// Puts every message that is received from now on into the hold queue.
    pub fn hold_everything(&mut self) -> &mut Self {
        self.set("smtpd_recipient_restrictions", "check_recipient_access static:HOLD")
    }

    /// How many messages lie in the queue `name`, such as `hold`.
    ///
    /// # Errors
    /// When `postqueue` does not run.
    pub fn queued(name: &str) -> Result<usize, WardError> {
        let listing = output_of(Command::new("postqueue").arg("-j"))?;
        let wanted = format!("\"queue_name\": \"{name}\"");
        Ok(listing.lines().filter(|line| line.contains(&wanted)).count())
    }
}

/// The folders of a queue, and the one of what Postfix remembers, which the package's script would have made.
pub(crate) fn folders(queue: &str, data: &str) -> Result<(), WardError> {
    for (name, group) in [
        ("active", None),
        ("bounce", None),
        ("corrupt", None),
        ("defer", None),
        ("deferred", None),
        ("flush", None),
        ("hold", None),
        ("incoming", None),
        ("private", None),
        ("saved", None),
        ("trace", None),
        ("maildrop", Some(64002)),
        ("public", Some(64002)),
    ] {
        let folder = format!("{queue}/{name}");
        fs::create_dir_all(&folder).map_err(WardError::io(folder.clone()))?;
        chown(&folder, Some(64001), group.or(Some(0))).map_err(WardError::io(folder.clone()))?;
        let mode = match name {
            "maildrop" => "1730",
            "public" => "2710",
            _ => "0700",
        };
        output_of(Command::new("chmod").args([mode, &folder]))?;
    }
    let pid = format!("{queue}/pid");
    for folder in [pid.as_str(), data] {
        fs::create_dir_all(folder).map_err(WardError::io(folder))?;
    }
    chown(data, Some(64001), Some(64001)).map_err(WardError::io(data))
}
