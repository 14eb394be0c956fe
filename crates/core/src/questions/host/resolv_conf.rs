//! Which resolvers a program on this machine asks: `resolv.conf` (resolv.conf(5)), and the copies of it that
//! programs in a chroot read.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::case::Question;
use crate::subject::VantageId;

/// Where the system names its resolvers.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The most name servers that the C library asks (resolv.conf(5)).
const MAX_SERVERS: usize = 3;

/// `host.resolv-conf/1`: a resolv.conf, by its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvConf {
    /// Where it lies.
    pub path: String,
}

/// A resolv.conf as it lies there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvConfWire {
    /// Its text; absent where there is no such file.
    pub text: Option<String>,
    /// Why it could not be read, though it is there.
    pub flaw: Option<String>,
}

/// How it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvConfView {
    /// Whether there is such a file.
    pub is_there: bool,
    /// Whom the C library asks, each once, in order: at most three, and the machine itself where none is named.
    pub servers: Vec<SocketAddr>,
    /// How long it waits for an answer, in milliseconds, where that is said.
    pub timeout_ms: Option<u64>,
}

impl Question for ResolvConf {
    const PROBE: &'static str = "host.resolv-conf/1";
    type On = VantageId;
    type Wire = ResolvConfWire;
    type View = ResolvConfView;

    fn read(wire: ResolvConfWire) -> Option<ResolvConfView> {
        if wire.flaw.is_some() {
            return None;
        }
        let is_there = wire.text.is_some();
        Some(ResolvConfView { is_there, ..ResolvConfView::of(&wire.text.unwrap_or_default()) })
    }
}

impl ResolvConfView {
    /// How a text reads.
    pub fn of(text: &str) -> Self {
        let mut servers: Vec<SocketAddr> = Vec::new();
        for server in nameservers(text) {
            if servers.len() < MAX_SERVERS && !servers.contains(&server) {
                servers.push(server);
            }
        }
        if servers.is_empty() {
            servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 53));
        }
        Self { is_there: true, servers, timeout_ms: timeout_ms(text) }
    }
}

/// The last `options timeout:N` of a resolv.conf; the C library caps it at 30 s.
fn timeout_ms(text: &str) -> Option<u64> {
    let options = text
        .lines()
        .map(str::split_whitespace)
        .filter_map(|mut words| (words.next() == Some("options")).then_some(words));
    let mut seconds = options.flatten().filter_map(|word| word.strip_prefix("timeout:")?.parse::<u64>().ok());
    seconds.next_back().map(|seconds| seconds.min(30) * 1000)
}

/// The `nameserver` lines of a resolv.conf, in order; a zone index behind `%` is left off.
pub fn nameservers(text: &str) -> impl Iterator<Item = SocketAddr> + '_ {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|w| *w == "nameserver").and_then(|_| words.next())?;
        let ip: IpAddr = address.split('%').next()?.parse().ok()?;
        Some(SocketAddr::new(ip, 53))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usable_lines_count_in_their_order() {
        let text = "# nameserver 192.0.2.1\nsearch example.org\nnameserver nonsense\nnameserver 192.0.2.53\nnameserver \
                    fe80::1%eth0\n";
        let found: Vec<_> = nameservers(text).collect();
        assert_eq!(found, ["192.0.2.53:53".parse().unwrap(), "[fe80::1]:53".parse().unwrap()]);
        assert_eq!(nameservers("options ndots:1").next(), None);
    }

    #[test]
    fn without_a_file_the_machine_itself_is_asked() {
        let view = ResolvConf::read(ResolvConfWire { text: None, flaw: None }).unwrap();
        assert_eq!((view.is_there, view.servers), (false, vec!["127.0.0.1:53".parse().unwrap()]));
        let twice =
            "nameserver 192.0.2.53\nnameserver 192.0.2.53\noptions ndots:1 timeout:2 attempts:2\noptions timeout:90\n";
        let view = ResolvConfView::of(twice);
        assert_eq!((view.servers, view.timeout_ms), (vec!["192.0.2.53:53".parse().unwrap()], Some(30_000)));
        assert!(ResolvConf::read(ResolvConfWire { text: None, flaw: Some("no".into()) }).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n%]{0,200}") {
            let _ = ResolvConfView::of(&text);
        }
    }
}
