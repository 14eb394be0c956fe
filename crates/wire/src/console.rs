//! What the lab's console and those who drive it tell each other, as JSON over HTTP.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::dnsbl;

/// The file in the lab's folder that says how its console is reached; only its owner can read it.
pub const ACCESS_FILE: &str = "console.json";

/// The most blacklist servers that the receiver asks.
pub const MAX_BLACKLISTS: usize = 64;

/// The most clients on the whitelist.
pub const MAX_WHITELIST: usize = 256;

/// The header field by which a run that changes several things says which run it is: [`RUN_LENGTH`] octets at most.
pub const RUN_HEADER: &str = "Maildoctor-Run";

/// The longest name of a run, in octets.
pub const RUN_LENGTH: usize = 64;

/// How a console is reached: the content of [`ACCESS_FILE`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Access {
    /// Where it listens.
    pub address: SocketAddr,
    /// What must be shown with every request, as a bearer token (RFC 6750).
    pub token: String,
}

/// What the receiver does before it greets a client that it does not know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// "Perform a lookup for the SMTP host in the DNS": it asks for the reverse name.
    pub reverse_lookup: bool,
    /// The blacklist servers, asked one after the other in this order.
    pub blacklists: Vec<String>,
    /// Clients that are not looked up.
    pub whitelist: Vec<IpAddr>,
}

/// What is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No name of a zone.
    #[error("`{0}` is no name of a blacklist zone such as dnsbl.example.net")]
    Zone(String),
    /// It stands twice.
    #[error("`{0}` stands there twice")]
    Twice(String),
    /// Too many.
    #[error("there are more than {0} {1}")]
    TooMany(usize, &'static str),
}

impl Settings {
    /// Whether the receiver can work by these.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.blacklists.len() > MAX_BLACKLISTS {
            return Err(SettingsError::TooMany(MAX_BLACKLISTS, "blacklist servers"));
        }
        if self.whitelist.len() > MAX_WHITELIST {
            return Err(SettingsError::TooMany(MAX_WHITELIST, "whitelisted clients"));
        }
        if let Some(zone) = self.blacklists.iter().find(|zone| !dnsbl::is_zone(zone)) {
            return Err(SettingsError::Zone(zone.escape_debug().to_string()));
        }
        let twice = |place: usize, zone: &String| self.blacklists.iter().skip(place + 1).any(|z| z == zone);
        if let Some((_, zone)) = self.blacklists.iter().enumerate().find(|(place, zone)| twice(*place, zone)) {
            return Err(SettingsError::Twice(zone.clone()));
        }
        match self
            .whitelist
            .iter()
            .enumerate()
            .find(|(place, ip)| self.whitelist.iter().skip(place + 1).any(|i| i == *ip))
        {
            Some((_, ip)) => Err(SettingsError::Twice(ip.to_string())),
            None => Ok(()),
        }
    }
}

/// The settings as the console holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What is set.
    pub settings: Settings,
    /// Names this content: another content has another revision, the same content the same.
    pub revision: String,
    /// The file that keeps them.
    pub file: PathBuf,
}

/// The SMTP service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// It takes connections.
    pub running: bool,
    /// How often it has been started.
    pub starts: u64,
    /// The mail exchangers: the servers that look clients up.
    pub exchangers: Vec<SocketAddr>,
}

/// A client that need not be looked up again until the service stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cached {
    /// The client.
    pub client: IpAddr,
    /// How long ago it was looked up, in milliseconds.
    pub age_ms: u64,
    /// The blacklist that lists it.
    pub listed: Option<String>,
}

/// A client that is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The server's own name.
    pub server: String,
    /// The client.
    pub client: SocketAddr,
    /// How long it has been connected, in milliseconds.
    pub age_ms: u64,
    /// What it did last: a command without its argument, `CONNECT` before the banner.
    pub last: String,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number, counted from 1.
    pub number: u64,
    /// When it happened (RFC 3339).
    pub at: String,
    /// What happened.
    pub text: String,
}

/// What is said where something is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What is wrong, in one sentence.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(blacklists: &[&str]) -> Settings {
        Settings { blacklists: blacklists.iter().map(|z| (*z).to_owned()).collect(), ..Settings::default() }
    }

    #[test]
    fn settings_that_nothing_could_work_by_are_refused() {
        assert_eq!(settings(&["a.example", "b.example"]).check(), Ok(()));
        assert_eq!(settings(&["a.example", "a.example"]).check(), Err(SettingsError::Twice("a.example".to_owned())));
        assert!(matches!(settings(&["a..example"]).check(), Err(SettingsError::Zone(_))));
        let many: Vec<String> = (0..=MAX_BLACKLISTS).map(|n| format!("l{n}.example")).collect();
        assert!(matches!(
            settings(&many.iter().map(String::as_str).collect::<Vec<_>>()).check(),
            Err(SettingsError::TooMany(..))
        ));
        let twice = Settings { whitelist: vec![[127, 0, 0, 1].into(); 2], ..Settings::default() };
        assert_eq!(twice.check(), Err(SettingsError::Twice("127.0.0.1".to_owned())));
    }
}
