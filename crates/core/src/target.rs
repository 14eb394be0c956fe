//! What the user typed, read: a domain, an address, a host with a port, a URL, or an IP address.

use std::net::IpAddr;

use crate::case::TargetRecord;
use crate::options::Ports;
use crate::questions::tcp::Role;

/// The longest target that is read, in octets.
const MAX_TARGET_OCTETS: usize = 512;

/// A text that names nothing to test.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing was given.
    #[error(
        "the target is empty; give a domain, an address or a server, such as example.org, anna@example.org or mail.example.org:25"
    )]
    Empty,
    /// It is far too long.
    #[error("the target is longer than {MAX_TARGET_OCTETS} octets, and no domain or address is")]
    TooLong,
    /// There is nothing where the domain or the server should stand.
    #[error(
        "`{0}` names no domain and no server; give one, such as example.org, anna@example.org or mail.example.org:25"
    )]
    Nothing(String),
    /// The domain part is no domain name.
    #[error("`{0}` is no domain name; give one such as example.org")]
    Domain(String),
    /// The local part is no local part.
    #[error("`{0}` has no usable part before the @; give an address such as anna@example.org")]
    LocalPart(String),
    /// The port is no port.
    #[error("`{0}` is no port; give a number from 1 to 65535")]
    Port(String),
    /// Mail is read at that port, and not taken.
    #[error(
        "port {0} is for reading mail ({1}), and no server takes mail there; leave it out, and look into a mailbox with --mailbox {1}://HOST"
    )]
    Reading(u16, &'static str),
    /// The URL's scheme is not one of ours.
    #[error("`{0}://` is no scheme for mail; use smtp://, smtps:// or submission://")]
    Scheme(String),
}

/// What to test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A mail domain, by its MX.
    Domain(String),
    /// An address: its domain, and it as recipient.
    Address {
        /// The whole address, the domain in A-label form.
        address: String,
        /// The domain.
        domain: String,
    },
    /// One service of a named host.
    Host {
        /// The host.
        host: String,
        /// What the service is for.
        role: Role,
        /// The port, where one was given.
        port: Option<u16>,
    },
    /// One service of an IP address.
    Ip {
        /// The address.
        ip: IpAddr,
        /// What the service is for.
        role: Role,
        /// The port, where one was given.
        port: Option<u16>,
    },
}

impl Target {
    /// Sees that mail is taken at the port, and not read.
    ///
    /// # Errors
    /// [`TargetError::Reading`] otherwise.
    pub fn takes_mail(&self, ports: &Ports) -> Result<(), TargetError> {
        let (Self::Host { port: Some(port), .. } | Self::Ip { port: Some(port), .. }) = self else { return Ok(()) };
        let reading = [Role::Imap, Role::Imaps, Role::Pop3, Role::Pop3s];
        let reads = reading.into_iter().find(|role| ports.of(*role) == *port);
        reads.map_or(Ok(()), |role| Err(TargetError::Reading(*port, role.name())))
    }

    /// Reads a target.
    ///
    /// # Errors
    /// [`TargetError`], a sentence that says what was wrong and what would be right.
    pub fn parse(input: &str) -> Result<Self, TargetError> {
        Self::read(input).map_err(|error| match error {
            TargetError::Domain(name) if name.is_empty() => TargetError::Nothing(input.trim().to_owned()),
            other => other,
        })
    }

    fn read(input: &str) -> Result<Self, TargetError> {
        let text = input.trim();
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if text.len() > MAX_TARGET_OCTETS {
            return Err(TargetError::TooLong);
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let role = match scheme.to_ascii_lowercase().as_str() {
                "smtp" => Role::Smtp,
                "smtps" | "submissions" => Role::Smtps,
                "submission" => Role::Submission,
                other => return Err(TargetError::Scheme(other.to_owned())),
            };
            let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
            return server(rest, role);
        }
        if let Some((local, domain)) = text.rsplit_once('@') {
            let plain =
                |c: char| !c.is_control() && (!c.is_whitespace() || local.starts_with('"')) && !matches!(c, '<' | '>');
            let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
            let bare = !local.is_empty() && !local.contains(['"', '(', ')', ',', ';', ':', '\\', '[', ']', '@']);
            if local.len() > 64 || !local.chars().all(plain) || !(quoted || bare) {
                return Err(TargetError::LocalPart(text.to_owned()));
            }
            let domain = domain_name(domain)?;
            return Ok(Target::Address { address: format!("{local}@{domain}"), domain });
        }
        if text.contains(':') || text.starts_with('[') || text.parse::<IpAddr>().is_ok() {
            return server(text, Role::Smtp);
        }
        domain_name(text).map(Target::Domain)
    }

    /// The mail domain under test, where there is one.
    pub fn domain(&self) -> Option<&str> {
        match self {
            Target::Domain(domain) | Target::Address { domain, .. } => Some(domain),
            Target::Host { .. } | Target::Ip { .. } => None,
        }
    }

    /// How it stands in the case.
    pub fn record(&self, input: &str, domain: Option<&str>) -> TargetRecord {
        TargetRecord {
            input: input.to_owned(),
            domain: self.domain().or(domain).map(str::to_owned),
            address: match self {
                Target::Address { address, .. } => Some(address.clone()),
                _ => None,
            },
            host: match self {
                Target::Host { host, .. } => Some(host.clone()),
                Target::Ip { ip, .. } => Some(ip.to_string()),
                _ => None,
            },
        }
    }
}

fn server(text: &str, role: Role) -> Result<Target, TargetError> {
    if let Ok(ip) = text.parse() {
        return Ok(Target::Ip { ip, role, port: None });
    }
    if let Some((inside, after)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let ip = inside.trim_start_matches("IPv6:").parse().map_err(|_| TargetError::Domain(inside.to_owned()))?;
        let port = match after.strip_prefix(':') {
            Some(port) => Some(port_number(port)?),
            None if after.is_empty() => None,
            None => return Err(TargetError::Port(after.to_owned())),
        };
        return Ok(Target::Ip { ip, role: role_of(role, port), port });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port_number(port)?)),
        None => (text, None),
    };
    let role = role_of(role, port);
    match host.parse() {
        Ok(ip) => Ok(Target::Ip { ip, role, port }),
        Err(_) => Ok(Target::Host { host: domain_name(host)?, role, port }),
    }
}

/// `host:587` means submission and `host:465` implicit TLS, as everybody expects of these ports.
fn role_of(role: Role, port: Option<u16>) -> Role {
    match (role, port) {
        (Role::Smtp, Some(587)) => Role::Submission,
        (Role::Smtp, Some(465)) => Role::Smtps,
        _ => role,
    }
}

fn port_number(text: &str) -> Result<u16, TargetError> {
    text.parse().ok().filter(|&port| port > 0).ok_or_else(|| TargetError::Port(text.to_owned()))
}

/// A domain name in A-label form, lower case, without final dot (RFC 5890, RFC 1035 section 2.3.4).
///
/// # Errors
/// [`TargetError::Domain`] for what is no domain name.
pub fn domain_name(text: &str) -> Result<String, TargetError> {
    let bad = || TargetError::Domain(text.to_owned());
    let name = idna::domain_to_ascii(text.trim_end_matches('.')).map_err(|_| bad())?;
    let label_ok = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let all_digits = name.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    if name.is_empty() || name.len() > 253 || all_digits || !name.split('.').all(label_ok) {
        return Err(bad());
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_type() {
        for nothing in ["anna@", "smtp://", "@", ".", ":25"] {
            let error = Target::parse(nothing).unwrap_err();
            assert!(!error.to_string().contains("``"), "{nothing}: {error}");
        }
        assert_eq!(Target::parse("Example.ORG.").unwrap(), Target::Domain("example.org".into()));
        assert_eq!(Target::parse("bücher.example").unwrap(), Target::Domain("xn--bcher-kva.example".into()));
        assert_eq!(Target::parse("anna@example.org").unwrap().domain(), Some("example.org"));
        assert_eq!(
            Target::parse("mail.example.org:25").unwrap(),
            Target::Host { host: "mail.example.org".into(), role: Role::Smtp, port: Some(25) }
        );
        assert_eq!(
            Target::parse("mail.example.org:587").unwrap(),
            Target::Host { host: "mail.example.org".into(), role: Role::Submission, port: Some(587) }
        );
        assert_eq!(
            Target::parse("smtps://mail.example.org").unwrap(),
            Target::Host { host: "mail.example.org".into(), role: Role::Smtps, port: None }
        );
        assert_eq!(
            Target::parse("192.0.2.7").unwrap(),
            Target::Ip { ip: "192.0.2.7".parse().unwrap(), role: Role::Smtp, port: None }
        );
        assert_eq!(
            Target::parse("[2001:db8::1]:2525").unwrap(),
            Target::Ip { ip: "2001:db8::1".parse().unwrap(), role: Role::Smtp, port: Some(2525) }
        );
        assert_eq!(
            Target::parse("2001:db8::1").unwrap(),
            Target::Ip { ip: "2001:db8::1".parse().unwrap(), role: Role::Smtp, port: None }
        );
    }

    #[test]
    fn what_is_absurd() {
        for text in [
            "",
            " ",
            "@example.org",
            "a b@example.org",
            "a@@b",
            "example..org",
            "-x.example",
            "http://example.org",
            "mail.example.org:0",
            "mail.example.org:99999",
            "1.2.3",
            "a@b\r\nRCPT",
            "exa mple.org",
            "[1.2.3]",
        ] {
            assert!(Target::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn ports_where_mail_is_read() {
        for text in ["mail.example.org:993", "smtp://mail.example.org:143", "192.0.2.7:110", "[2001:db8::1]:995"] {
            let told = Target::parse(text).unwrap().takes_mail(&Ports::default());
            assert!(matches!(told, Err(TargetError::Reading(..))), "{text}");
        }
        for text in ["example.org", "anna@example.org", "mail.example.org:25", "192.0.2.7"] {
            assert_eq!(Target::parse(text).unwrap().takes_mail(&Ports::default()), Ok(()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in ".{0,80}") {
            let _ = Target::parse(&text);
        }
    }
}
