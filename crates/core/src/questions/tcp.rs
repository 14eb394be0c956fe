//! The question whether a TCP service can be reached, and what role it has.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::case::{Graph, Observation, Question};
use crate::subject::{Addr, Service};

/// What a service is for. The port number does not tell: `--port` may move any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Mail exchange, port 25.
    Smtp,
    /// Message submission, port 587 (RFC 6409).
    Submission,
    /// Message submission with implicit TLS, port 465 (RFC 8314).
    Smtps,
    /// IMAP, port 143.
    Imap,
    /// IMAP with implicit TLS, port 993.
    Imaps,
    /// POP3, port 110.
    Pop3,
    /// POP3 with implicit TLS, port 995.
    Pop3s,
    /// Another port of the same host, asked only to see whether the host is alive.
    Alive,
    /// A server known to be up, asked to see whether our own way out is open (`--control-mx`).
    Control,
}

impl Role {
    /// Whether SMTP is spoken there, for exchange or submission.
    pub fn speaks_smtp(self) -> bool {
        matches!(self, Role::Smtp | Role::Submission | Role::Smtps)
    }

    /// Whether TLS comes before the first reply.
    pub fn implicit_tls(self) -> bool {
        matches!(self, Role::Smtps | Role::Imaps | Role::Pop3s)
    }

    /// The name by which `--port` knows it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Smtp => "smtp",
            Role::Submission => "submission",
            Role::Smtps => "smtps",
            Role::Imap => "imap",
            Role::Imaps => "imaps",
            Role::Pop3 => "pop3",
            Role::Pop3s => "pop3s",
            Role::Alive => "alive",
            Role::Control => "control",
        }
    }
}

/// `tcp.connect/1`: opens a connection. The first visit is the session; the second shows what a cache
/// or a whitelist makes of a client that has been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect;

/// What came of opening a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Opened {
    /// The handshake was completed.
    Open {
        /// Our own address and port.
        local: Option<SocketAddr>,
    },
    /// RST in answer to SYN: nothing listens.
    Refused,
    /// No answer to SYN within the limit.
    TimedOut,
    /// ICMP said that host, network or port cannot be reached, or there is no route.
    Unreachable {
        /// `host`, `network`, `prohibited`.
        what: String,
    },
    /// The handshake was cut.
    Reset,
    /// We have no address of that family, so nothing was sent: this says nothing about the target.
    NoRouteHere {
        /// The error, in the system's words.
        error: String,
    },
    /// The vantage itself failed (a proxy that does not answer, a limit of this machine).
    Failed {
        /// What failed.
        error: String,
    },
}

impl std::fmt::Display for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Opened::Open { .. } => f.write_str("open"),
            Opened::Refused => f.write_str("refused"),
            Opened::TimedOut => f.write_str("no answer to SYN"),
            Opened::Unreachable { what } => write!(f, "{what} unreachable"),
            Opened::Reset => f.write_str("reset"),
            Opened::NoRouteHere { error } | Opened::Failed { error } => f.write_str(error),
        }
    }
}

/// The wire facts of a connection attempt; the observation's `took_ms` is the handshake's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectWire {
    /// What the service is for.
    pub role: Role,
    /// The host name by which we came to the address, where there was one.
    pub host: Option<String>,
    /// Whether the path led over IPv6.
    pub ipv6: bool,
    /// What came of it.
    #[serde(flatten)]
    pub opened: Opened,
}

impl Question for Connect {
    const PROBE: &'static str = "tcp.connect/1";
    type On = Service;
    type Wire = ConnectWire;
    type View = ConnectWire;

    fn read(wire: ConnectWire) -> Option<ConnectWire> {
        Some(wire)
    }

    fn link(observation: &Observation, _: &ConnectWire, graph: &mut Graph) {
        if let Some(service) = crate::case::subject_of::<Service>(observation) {
            graph.leans(&Addr(service.0.ip()), service);
        }
    }
}

impl ConnectWire {
    /// `Some` where the connection stood.
    pub fn open(&self) -> Option<()> {
        matches!(self.opened, Opened::Open { .. }).then_some(())
    }

    /// Whether somebody took the connection, and be it to cut it at once: how far that got before we looked is chance.
    pub fn taken(&self) -> bool {
        matches!(self.opened, Opened::Open { .. } | Opened::Reset)
    }

    /// Whether the target's side, or the path to it, was in the way; `false` also where we cannot tell.
    pub fn kept_out(&self) -> bool {
        matches!(self.opened, Opened::Refused | Opened::TimedOut | Opened::Unreachable { .. } | Opened::Reset)
    }
}
