//! Which server was asked.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Which server was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// The resolver of the vantage.
    Own,
    /// A resolver out there.
    Foreign(SocketAddr),
    /// The resolver of the server under test, asked on its own host.
    Server(SocketAddr),
    /// An authoritative server, asked without recursion.
    Authoritative(SocketAddr),
}

impl std::fmt::Display for Via {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Via::Own => f.write_str("own"),
            Via::Foreign(addr) => write!(f, "foreign:{addr}"),
            Via::Server(addr) => write!(f, "server:{addr}"),
            Via::Authoritative(addr) => write!(f, "authoritative:{addr}"),
        }
    }
}

impl std::str::FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let server = |addr: &str| addr.parse().map_err(|_| format!("`{addr}` is no address and port"));
        match text.split_once(':') {
            None if text == "own" => Ok(Via::Own),
            Some(("foreign", addr)) => server(addr).map(Via::Foreign),
            Some(("server", addr)) => server(addr).map(Via::Server),
            Some(("authoritative", addr)) => server(addr).map(Via::Authoritative),
            _ => Err(format!("`{text}` names no way to ask the DNS")),
        }
    }
}

impl Serialize for Via {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Via {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_to_ask_prints_and_parses_back() {
        for text in ["own", "foreign:192.0.2.53:53", "server:127.0.0.1:53", "authoritative:[2001:db8::53]:53"] {
            assert_eq!(text.parse::<Via>().unwrap().to_string(), text);
        }
    }
}
