//! What a run of `check` may do, and with what: every option of the contract as a typed value.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::case::Outbound;
use crate::questions::tcp::Role;

pub use crate::vantage::VantageSpec;

/// An option whose text cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}; give {example}")]
pub struct OptionError {
    /// What was expected.
    pub what: &'static str,
    /// The text as it was given.
    pub text: String,
    /// What would be right.
    pub example: &'static str,
}

pub(crate) fn bad(what: &'static str, text: &str, example: &'static str) -> OptionError {
    OptionError { what, text: text.to_owned(), example }
}

/// The ports of the services, by name; `--port` moves any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(BTreeMap<&'static str, u16>);

impl Default for Ports {
    fn default() -> Self {
        Self(BTreeMap::from([
            ("smtp", 25),
            ("submission", 587),
            ("smtps", 465),
            ("imap", 143),
            ("imaps", 993),
            ("pop3", 110),
            ("pop3s", 995),
            ("https", 443),
            ("dns", 53),
        ]))
    }
}

impl Ports {
    /// The port of a role.
    pub fn of(&self, role: Role) -> u16 {
        self.named(role.name()).unwrap_or(25)
    }

    /// The port by its name.
    pub fn named(&self, name: &str) -> Option<u16> {
        self.0.get(name).copied()
    }

    /// Takes `NAME=N` parts, separated by commas.
    ///
    /// # Errors
    /// [`OptionError`] for a name or a number that is not one.
    pub fn set(&mut self, text: &str) -> Result<(), OptionError> {
        for part in text.split(',') {
            let wrong = || {
                bad(
                    "port setting",
                    part,
                    "NAME=N, such as smtp=2525, with one of smtp, submission, smtps, imap, imaps, pop3, pop3s, https, dns",
                )
            };
            let (name, number) = part.split_once('=').ok_or_else(wrong)?;
            let slot =
                self.0.iter_mut().find(|(known, _)| **known == name.trim()).map(|(_, port)| port).ok_or_else(wrong)?;
            *slot = number.trim().parse().ok().filter(|&n| n > 0).ok_or_else(wrong)?;
        }
        Ok(())
    }
}

/// Where the test message must turn up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailboxSpec {
    /// By IMAP or POP3.
    Server {
        /// The protocol, and whether TLS comes first.
        role: Role,
        /// The user, where the URL names one.
        user: Option<String>,
        /// The host or address.
        host: String,
        /// The port, where the URL names one.
        port: Option<u16>,
    },
    /// In a Maildir folder.
    Maildir(PathBuf),
}

impl MailboxSpec {
    /// Reads `imap(s)://[user@]host[:port]`, `pop3(s)://…` or `maildir:PATH`.
    ///
    /// # Errors
    /// [`OptionError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, OptionError> {
        let wrong =
            || bad("mailbox", text, "imaps://[user@]host[:port], imap://…, pop3s://…, pop3://… or maildir:PATH");
        if let Some(path) = text.strip_prefix("maildir:") {
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Maildir(PathBuf::from(path))) };
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let role = match scheme {
            "imap" => Role::Imap,
            "imaps" => Role::Imaps,
            "pop3" => Role::Pop3,
            "pop3s" => Role::Pop3s,
            _ => return Err(wrong()),
        };
        let rest = rest.trim_end_matches('/');
        let (user, server) = match rest.rsplit_once('@') {
            Some((user, server)) => (Some(user.replace("%40", "@")), server),
            None => (None, rest),
        };
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse().map_err(|_| wrong())?))
            }
            _ => (server, None),
        };
        let host = host.trim_matches(['[', ']']);
        if host.is_empty() { Err(wrong()) } else { Ok(Self::Server { role, user, host: host.to_owned(), port }) }
    }
}

/// A user name and its password.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// An outside provider through which a message is sent as well.
#[derive(Debug, Clone)]
pub struct Outside {
    /// The host.
    pub host: String,
    /// Submission, with or without implicit TLS.
    pub role: Role,
    /// The port, where one was given.
    pub port: Option<u16>,
    /// The account there.
    pub login: Login,
}

/// The areas of checks, as `--only` and `--skip` name them.
pub const AREAS: [&str; 13] = [
    "dns",
    "connect",
    "banner",
    "ehlo",
    "tls",
    "auth",
    "relay",
    "envelope",
    "delivery",
    "mailbox",
    "reputation",
    "records",
    "server-config",
];

/// Everything that a run of `check` was told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The mail domain, where the target names only a server.
    pub domain: Option<String>,
    /// Certificates, TLSA records and policies are judged as of so many days later.
    pub at_days: Option<u32>,
    /// The resolver of "here"; the system's where absent.
    pub resolver: Option<SocketAddr>,
    /// Resolvers "out there".
    pub foreign_resolvers: Vec<SocketAddr>,
    /// Where the walk through the DNS begins; the root servers of the Internet where absent.
    pub root_hints: Option<PathBuf>,
    /// The keys of the root that are trusted; those of the Internet where neither is given.
    pub trust_anchor: Option<PathBuf>,
    /// The account.
    pub login: Option<Login>,
    /// A token to be sent as it is.
    pub token: Option<SecretString>,
    /// The user name given, also where there is no password.
    pub user: Option<String>,
    /// Where the message must turn up.
    pub mailbox: Option<MailboxSpec>,
    /// The mailbox's own account, where it differs.
    pub mailbox_login: Option<Login>,
    /// Real messages are allowed.
    pub send: bool,
    /// An outside provider to send through.
    pub outside: Option<Outside>,
    /// Mail is sent to the target, and the sender is under test.
    pub outbound: Option<Outbound>,
    /// Our EHLO name.
    pub helo: Option<String>,
    /// The envelope sender.
    pub mail_from: Option<String>,
    /// The recipient under test.
    pub rcpt: Option<String>,
    /// The outside recipient of the relay test.
    pub relay_rcpt: Option<String>,
    /// Where to look from; the first is "here".
    pub vantages: Vec<VantageSpec>,
    /// How long its clients are watched, at least.
    pub listen: Option<Duration>,
    /// The password at the SOCKS proxies whose URL names a user.
    pub socks_password: Option<SecretString>,
    /// Our source address.
    pub bind: Option<IpAddr>,
    /// This machine is the server under test: its settings, queue, log and sockets are read as well, and its packets.
    pub on_host: bool,
    /// Where the mail server's settings lie, where they are not to be looked for.
    pub mta_config: Option<PathBuf>,
    /// A server known to be up.
    pub control_mx: Option<String>,
    /// Blacklists to time and ask.
    pub dnsbl: Vec<String>,
    /// Selectors whose DKIM keys must be there.
    pub dkim_selectors: Vec<String>,
    /// One AUTH try with wrong credentials.
    pub probe_auth: bool,
    /// A password may travel over unverified or no TLS.
    pub insecure_auth: bool,
    /// The ports.
    pub ports: Ports,
    /// Roots that are trusted as well.
    pub ca_file: Option<PathBuf>,
    /// The areas that are checked.
    pub areas: Vec<&'static str>,
    /// One step's bound.
    pub timeout: Duration,
    /// The run's bound.
    pub deadline: Duration,
    /// The test message stays in the mailbox.
    pub keep_message: bool,
    /// The arguments of the run, secrets left out.
    pub arguments: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            domain: None,
            at_days: None,
            resolver: None,
            foreign_resolvers: Vec::new(),
            root_hints: None,
            trust_anchor: None,
            login: None,
            token: None,
            user: None,
            mailbox: None,
            mailbox_login: None,
            send: false,
            outside: None,
            outbound: None,
            helo: None,
            mail_from: None,
            rcpt: None,
            relay_rcpt: None,
            vantages: vec![VantageSpec::Local],
            listen: None,
            socks_password: None,
            bind: None,
            on_host: false,
            mta_config: None,
            control_mx: None,
            dnsbl: Vec::new(),
            dkim_selectors: Vec::new(),
            probe_auth: false,
            insecure_auth: false,
            ports: Ports::default(),
            ca_file: None,
            areas: AREAS.to_vec(),
            timeout: Duration::from_secs(35),
            deadline: Duration::from_secs(120),
            keep_message: false,
            arguments: Vec::new(),
        }
    }
}

impl Options {
    /// Whether any server is to be talked to: the DNS alone needs no connection.
    pub fn talks(&self) -> bool {
        self.areas.iter().any(|area| !matches!(*area, "dns" | "records" | "reputation" | "server-config"))
    }

    /// Whether an area is checked.
    pub fn wants(&self, area: &str) -> bool {
        self.areas.contains(&area)
    }
}

/// Reads `500ms`, `35s`, `2m`.
///
/// # Errors
/// [`OptionError`] for anything else, and for more than a day.
pub fn parse_duration(text: &str) -> Result<Duration, OptionError> {
    let wrong = || bad("duration", text, "a number with a unit, such as 500ms, 35s or 2m");
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    millis.filter(|&ms| ms > 0 && ms <= 86_400_000).map(Duration::from_millis).ok_or_else(wrong)
}

/// The furthest day that is looked at: ten years.
const MAX_DAYS: u32 = 3650;

/// Reads `30` or `30d`: days.
///
/// # Errors
/// [`OptionError`] for anything else, and for more than ten years.
pub fn parse_days(text: &str) -> Result<u32, OptionError> {
    let days = text.strip_suffix('d').unwrap_or(text).parse().ok().filter(|days| *days <= MAX_DAYS);
    days.ok_or_else(|| bad("number of days", text, "a number from 0 to 3650, such as 30"))
}

/// Reads `ADDR` or `ADDR:PORT`, brackets around IPv6 where a port follows.
///
/// # Errors
/// [`OptionError`] for anything else.
pub fn parse_resolver(text: &str, port: u16) -> Result<SocketAddr, OptionError> {
    text.parse::<SocketAddr>()
        .or_else(|_| text.trim_matches(['[', ']']).parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port)))
        .map_err(|_| bad("resolver", text, "an address with or without a port, such as 192.0.2.53 or 192.0.2.53:5353"))
}

/// Reads a list of areas, separated by commas.
///
/// # Errors
/// [`OptionError`] for an area that there is not.
pub fn parse_areas(text: &str) -> Result<Vec<&'static str>, OptionError> {
    text.split(',')
        .map(|part| {
            let wanted = part.trim();
            AREAS.iter().copied().find(|area| *area == wanted).ok_or_else(|| {
                bad("area", wanted, "some of dns, connect, banner, ehlo, tls, auth, relay, envelope, delivery, mailbox, reputation, records, server-config")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        assert_eq!((parse_days("30").unwrap(), parse_days("30d").unwrap()), (30, 30));
        for text in ["", "d", "-1", "30w", "99999", "1e3"] {
            assert!(parse_days(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(parse_duration("2m").unwrap(), Duration::from_secs(120));
        for text in ["", "5", "s", "0s", "-1s", "1d", "99999999999999999999s", "9999h", "5 s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ports_and_mailboxes() {
        let mut ports = Ports::default();
        ports.set("smtp=2525,imaps=9930").unwrap();
        assert_eq!((ports.of(Role::Smtp), ports.of(Role::Imaps), ports.of(Role::Submission)), (2525, 9930, 587));
        assert!(ports.set("ftp=21").is_err() && ports.set("smtp=0").is_err());
        let mailbox = MailboxSpec::parse("imaps://anna%40example.org@mail.example.org:993/").unwrap();
        assert_eq!(
            mailbox,
            MailboxSpec::Server {
                role: Role::Imaps,
                user: Some("anna@example.org".into()),
                host: "mail.example.org".into(),
                port: Some(993)
            }
        );
        assert!(MailboxSpec::parse("http://x").is_err() && MailboxSpec::parse("imap://").is_err());
    }
}
