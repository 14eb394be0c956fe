//! Whom to talk to: `host:port`, or a URL of SMTP, IMAP or POP3.

use std::net::IpAddr;

use maildoctor_wire::typed::Protocol;

use crate::target::{Target, TargetError};

/// A peer that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// There is no server.
    #[error("`{0}` names no server; give host:port, such as mail.example.org:25")]
    Nothing(String),
    /// Host or port.
    #[error(transparent)]
    Server(#[from] TargetError),
    /// The scheme.
    #[error("`{0}://` is no scheme to talk to; use smtp, smtps, submission, submissions, imap, imaps, pop3 or pop3s")]
    Scheme(String),
    /// An address of a person.
    #[error("`{0}` is an address and no server; give host:port, such as mail.example.org:25")]
    Address(String),
}

/// Whom to talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The name or address, as it was given; the name in A-label form.
    pub host: String,
    /// The address, where one was given.
    pub ip: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// What is spoken.
    pub protocol: Protocol,
    /// TLS comes before the first reply.
    pub implicit_tls: bool,
}

impl Peer {
    /// Reads `host`, `host:port` or a URL. Without a scheme the usual port of a protocol tells it; SMTP otherwise.
    ///
    /// # Errors
    /// [`PeerError`], a sentence that says what would be right.
    pub fn parse(text: &str) -> Result<Self, PeerError> {
        let text = text.trim();
        let (scheme, server) = match text.split_once("://") {
            Some((scheme, server)) => (Some(scheme.to_ascii_lowercase()), server),
            None => (None, text),
        };
        let known = match scheme.as_deref() {
            None => None,
            Some("smtp") => Some((Protocol::Smtp, false, 25)),
            Some("submission") => Some((Protocol::Smtp, false, 587)),
            Some("smtps" | "submissions") => Some((Protocol::Smtp, true, 465)),
            Some("imap") => Some((Protocol::Imap, false, 143)),
            Some("imaps") => Some((Protocol::Imap, true, 993)),
            Some("pop3") => Some((Protocol::Pop3, false, 110)),
            Some("pop3s") => Some((Protocol::Pop3, true, 995)),
            Some(other) => return Err(PeerError::Scheme(other.to_owned())),
        };
        if server.is_empty() {
            return Err(PeerError::Nothing(text.to_owned()));
        }
        if server.contains('@') {
            return Err(PeerError::Address(text.to_owned()));
        }
        let (host, ip, port) = match Target::parse(&format!("smtp://{server}"))? {
            Target::Host { host, port, .. } => (host, None, port),
            Target::Ip { ip, port, .. } => (ip.to_string(), Some(ip), port),
            Target::Domain(_) | Target::Address { .. } => return Err(PeerError::Address(text.to_owned())),
        };
        let (protocol, implicit_tls, usual) = known.unwrap_or_else(|| by_port(port.unwrap_or(25)));
        Ok(Self { host, ip, port: port.unwrap_or(usual), protocol, implicit_tls })
    }
}

/// What is spoken on the usual ports.
fn by_port(port: u16) -> (Protocol, bool, u16) {
    match port {
        465 => (Protocol::Smtp, true, port),
        143 => (Protocol::Imap, false, port),
        993 => (Protocol::Imap, true, port),
        110 => (Protocol::Pop3, false, port),
        995 => (Protocol::Pop3, true, port),
        _ => (Protocol::Smtp, false, port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (String, u16, Protocol, bool) {
        let peer = Peer::parse(text).unwrap();
        (peer.host, peer.port, peer.protocol, peer.implicit_tls)
    }

    #[test]
    fn what_people_type() {
        assert_eq!(read("Mail.example.org:25"), ("mail.example.org".into(), 25, Protocol::Smtp, false));
        assert_eq!(read("mail.example.org"), ("mail.example.org".into(), 25, Protocol::Smtp, false));
        assert_eq!(read("localhost:2525"), ("localhost".into(), 2525, Protocol::Smtp, false));
        assert_eq!(read("mail.example.org:465"), ("mail.example.org".into(), 465, Protocol::Smtp, true));
        assert_eq!(read("192.0.2.1:993"), ("192.0.2.1".into(), 993, Protocol::Imap, true));
        assert_eq!(read("[2001:db8::1]:110"), ("2001:db8::1".into(), 110, Protocol::Pop3, false));
        assert_eq!(read("submission://mail.example.org"), ("mail.example.org".into(), 587, Protocol::Smtp, false));
        assert_eq!(read("IMAPS://mail.example.org:9930/"), ("mail.example.org".into(), 9930, Protocol::Imap, true));
        assert_eq!(read("smtp://mail.example.org:465"), ("mail.example.org".into(), 465, Protocol::Smtp, false));
    }

    #[test]
    fn what_is_absurd() {
        for text in ["", "http://a.example", "anna@example.org", "mail.example.org:0", "a b", "smtp://", "a:b:c"] {
            assert!(Peer::parse(text).is_err(), "{text:?}");
        }
        assert!(Peer::parse("").unwrap_err().to_string().contains("names no server"));
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in ".{0,60}") {
            let _ = Peer::parse(&text);
        }
    }
}
