//! Exim as Debian packages it, with mailboxes of its own.

use std::{fs, os::unix::fs::chown, process::Command};

use crate::{
    Daemon, WardError,
    certificates::Identity,
    daemon::write,
    dovecot::MAIL,
    names::{DOMAIN, MX, MX_ADDRESS, PASSWORD, USER},
};

/// Settings of an Exim: main options, and a resolver configuration of its own.
#[derive(Clone, Debug)]
pub struct Exim {
    main: Vec<(String, String)>,
    /// What Exim alone finds in `/etc/resolv.conf`; `None`: what the machine has.
    pub resolv_conf: Option<String>,
    /// Statements of the ACL that each client goes through when it connects; `None`: there is no such ACL.
    pub connect_acl: Option<String>,
    /// What decides on a password, in Exim's own words; `None`: the user's right one.
    pub password_check: Option<String>,
}

impl Exim {
    /// A sound configuration.
    #[must_use]
    pub fn healthy() -> Self {
        let mut exim = Self { main: Vec::new(), resolv_conf: None, connect_acl: None, password_check: None };
        let settings = [
            ("primary_hostname", MX),
            ("local_interfaces", MX_ADDRESS),
            ("daemon_smtp_ports", "25 : 587 : 465"),
            ("tls_on_connect_ports", "465"),
            ("log_file_path", "/var/log/exim4/%slog"),
            ("spool_directory", "/var/spool/exim4"),
            ("smtp_banner", "$primary_hostname ESMTP Exim"),
            ("tls_advertise_hosts", "*"),
            ("tls_certificate", "/etc/exim4/exim.crt"),
            ("tls_privatekey", "/etc/exim4/exim.key"),
            ("auth_advertise_hosts", "${if and {{def:tls_in_cipher}{!={$received_port}{25}}} {*}{}}"),
            ("acl_smtp_mail", "acl_check_mail"),
            ("acl_smtp_rcpt", "acl_check_rcpt"),
            ("never_users", "root"),
            ("disable_ipv6", "true"),
            ("keep_environment", ""),
        ];
        for (name, value) in settings {
            exim.set(name, value);
        }
        exim
    }

    /// Sets a main option.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.main.retain(|(known, _)| known != name);
        self.main.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes the configuration and starts it.
    pub(crate) fn start(&self, identity: &Identity) -> Result<Daemon, WardError> {
        let mut main: String = self.main.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let connect = self.connect_acl.as_ref().map_or_else(String::new, |acl| {
            main.push_str("acl_smtp_connect = acl_check_connect\n");
            format!("acl_check_connect:\n  {acl}\n  accept\n")
        });
        // A password's own $ must reach Exim's expansion as a letter.
        let password = PASSWORD.replace('$', "\\\\\\$");
        let right = format!("${{if and {{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}");
        let check = self.password_check.as_ref().unwrap_or(&right);
        let config = format!(
            "{main}domainlist local_domains = {DOMAIN}\n\
             begin acl\n{connect}acl_check_mail:\n  accept condition = ${{if eq{{$received_port}}{{25}}}}\n  accept authenticated = *\n  deny message = authentication required\nacl_check_rcpt:\n  accept authenticated = *\n  require message = relay not permitted\n  \
             domains = +local_domains\n  require verify = recipient\n  accept\n\
             begin routers\nredirected:\n  driver = redirect\n  domains = +local_domains\n  local_parts = postmaster : abuse\n  \
             data = bert@{DOMAIN}\nmailbox:\n  driver = accept\n  domains = +local_domains\n  local_parts = anna : bert\n  \
             transport = maildir\n  cannot_route_message = Unknown user\n\
             begin transports\nmaildir:\n  driver = appendfile\n  directory = {MAIL}/${{local_part_data}}\n  maildir_format\n  \
             user = vmail\n  group = vmail\n  delivery_date_add\n  envelope_to_add\n  return_path_add\n\
             begin retry\n* * F,2h,15m\n\
             begin authenticators\nplain:\n  driver = plaintext\n  public_name = PLAIN\n  server_prompts = :\n  \
             server_condition = \"{check}\"\n  server_set_id = $auth2\n"
        );
        write("/etc/exim4/exim4.conf", config)?;
        write("/etc/exim4/exim.crt", &identity.chain)?;
        write("/etc/exim4/exim.key", &identity.key)?;
        let folders = [("/var/spool/exim4", 64006), ("/var/log/exim4", 64006), ("/run/exim4", 64006), (MAIL, 64005)];
        for (folder, owner) in folders {
            fs::create_dir_all(folder).map_err(WardError::io(folder))?;
            chown(folder, Some(owner), Some(owner)).map_err(WardError::io(folder))?;
        }
        chown("/etc/exim4/exim.key", Some(0), Some(64006)).map_err(WardError::io("exim.key"))?;
        let places: Vec<String> = [25, 587, 465].iter().map(|port| format!("{MX_ADDRESS}:{port}")).collect();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--", "sh", "-euc"]);
        match &self.resolv_conf {
            Some(text) => {
                write("/run/exim-resolv.conf", text)?;
                command.arg("mount --bind /run/exim-resolv.conf /etc/resolv.conf; exec /usr/sbin/exim4 -bdf -q30m");
            }
            None => {
                command.arg("exec /usr/sbin/exim4 -bdf -q30m");
            }
        }
        Daemon::start("exim", &mut command)?.bound_to(&places)
    }
}
