//! What a mail server asks of others while it serves a client, and when: read from its settings, whatever the server.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::network::Network;

/// When in a session a server asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// In front of the server proper, before the whole banner is sent (postscreen).
    Screen,
    /// Before the banner.
    Connect,
    /// At EHLO or HELO.
    Helo,
    /// At MAIL.
    Mail,
    /// At RCPT.
    Rcpt,
    /// At DATA, before its 354.
    Data,
    /// After the message, before its reply.
    Content,
}

impl Stage {
    /// When that is, as words for a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Stage::Screen | Stage::Connect => "before the banner",
            Stage::Helo => "at EHLO",
            Stage::Mail => "at MAIL",
            Stage::Rcpt => "at RCPT",
            Stage::Data => "at DATA",
            Stage::Content => "after the message",
        }
    }
}

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Place {
    /// The setting's name, such as `smtpd_client_restrictions`.
    pub setting: String,
    /// The file; absent where the value is the default, or the place is not known.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u32>,
}

impl Place {
    /// `smtpd_client_restrictions in /etc/postfix/main.cf, line 12`.
    pub fn in_words(&self) -> String {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{} in {file}, line {line}", self.setting),
            (Some(file), None) => format!("{} in {file}", self.setting),
            _ => self.setting.clone(),
        }
    }
}

/// A DNS list that is asked about each client, or about a name in its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The zone, without final dot.
    pub zone: String,
    /// Whether it is asked for the client's address; otherwise for a domain name.
    pub by_address: bool,
    /// Whether it lists those who are welcome.
    pub welcomes: bool,
    /// Whether whoever is listed is refused for it, at least in part; otherwise the listing is only noted.
    pub refuses: bool,
    /// When it is asked.
    pub stage: Stage,
    /// Where it is named.
    pub place: Place,
    /// Which clients are let pass before it is asked.
    pub spares: Spares,
}

/// Which clients a list is not asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spares {
    /// It is asked about everybody.
    Nobody,
    /// The networks of [`Asks::spared`].
    OwnNetworks,
    /// Some, by a condition on their address that is not worked out here.
    Some,
}

/// A program that the server asks while it serves: a policy service, a milter or a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is reached.
    pub at: Socket,
    /// As it stands in the settings.
    pub named: String,
    /// When it is asked first.
    pub stage: Stage,
    /// Where it is named.
    pub place: Place,
}

/// A wait on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// How long it is, in milliseconds.
    pub ms: u64,
    /// When it is made.
    pub stage: Stage,
    /// Where it is set.
    pub place: Place,
}

/// The other end of a socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Socket {
    /// Host or address, and port.
    Tcp(String, u16),
    /// The path, absolute where that is known.
    Unix(String),
    /// A program that the server has started itself, by its path: they speak over a pipe.
    Pipe(String),
}

/// Everything that a server asks while it serves a client at one of its ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asks {
    /// The DNS lists, in the order in which they are asked.
    pub lists: Vec<List>,
    /// The client's name is looked up.
    pub reverse: Option<(Stage, Place)>,
    /// The client's ident service is asked, for at most so many milliseconds.
    pub ident: Option<(u64, Place)>,
    /// Where the client is made to wait on purpose.
    pub pauses: Vec<Pause>,
    /// Policy services.
    pub policies: Vec<Endpoint>,
    /// Milters, and the filters of servers that have those instead.
    pub milters: Vec<Endpoint>,
    /// Networks that are let pass without being asked about.
    pub spared: Vec<(Network, Place)>,
}

impl Asks {
    /// The setting by which a client at this address is let pass without being asked about; what is asked nevertheless (its name,
    /// say) is asked all the same.
    pub fn spares(&self, client: IpAddr) -> Option<&Place> {
        self.spared.iter().find(|(network, _)| network.holds(client)).map(|(_, place)| place)
    }
}
