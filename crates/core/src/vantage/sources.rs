//! Which other address of this machine a peer would take for another client.

use std::net::IpAddr;

use maildoctor_wire::rdns::is_private;

use crate::chance;
use crate::questions::host::machine::{local_v4, local_v6};

/// Another address of this machine beside `usual`, from which `to` can be reached; one of them by chance where there are
/// several, so that not every run comes from the same.
pub(super) fn fresh(usual: IpAddr, to: IpAddr) -> Option<IpAddr> {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let own = match usual {
        IpAddr::V4(_) => local_v4(&text("/proc/net/fib_trie")),
        IpAddr::V6(_) => local_v6(&text("/proc/net/if_inet6")),
    };
    let fit = fitting(&own, usual, to);
    let place = usize::try_from(chance::number()).unwrap_or_default().checked_rem(fit.len())?;
    fit.get(place).copied()
}

/// Those of our addresses that lie in the network of the usual one, so that packets take the same way. None where the
/// peer is this machine itself, which knows all its addresses, nor where our addresses are translated on the way and
/// would look alike out there.
fn fitting(own: &[IpAddr], usual: IpAddr, to: IpAddr) -> Vec<IpAddr> {
    if usual.is_loopback() || own.contains(&to) || (is_private(usual) && !is_private(to)) {
        return Vec::new();
    }
    let mut fit: Vec<IpAddr> =
        own.iter().copied().filter(|ip| *ip != usual && network(*ip) == network(usual)).collect();
    fit.sort();
    fit.dedup();
    fit
}

/// The network in which addresses lie side by side: 24 bits of IPv4, 64 of IPv6.
fn network(ip: IpAddr) -> (bool, u128) {
    match ip {
        IpAddr::V4(v4) => (false, u128::from(v4.to_bits() >> 8)),
        IpAddr::V6(v6) => (true, v6.to_bits() >> 64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn fits(own: &[&str], usual: &str, to: &str) -> Vec<String> {
        fitting(&ips(own), usual.parse().unwrap(), to.parse().unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_address_beside_the_usual_one() {
        let own = ["127.0.0.1", "198.18.0.9", "198.18.0.10", "198.18.7.4"];
        assert_eq!(fits(&own, "198.18.0.9", "198.18.9.1"), ["198.18.0.10"]);
        assert!(fits(&own, "198.18.7.4", "198.18.9.1").is_empty());
        assert_eq!(
            fits(&["2a00:1:2:3::1", "2a00:1:2:3::9", "2a00:1:2:4::1"], "2a00:1:2:3::1", "2a00::1"),
            ["2a00:1:2:3::9"]
        );
    }

    #[test]
    fn none_where_it_would_be_no_stranger() {
        // The server itself, addresses behind NAT, and loopback.
        assert!(fits(&["10.0.0.2", "10.0.0.3"], "10.0.0.2", "10.0.0.3").is_empty());
        assert!(fits(&["10.0.0.2", "10.0.0.3"], "10.0.0.2", "8.8.8.8").is_empty());
        assert!(fits(&["127.0.0.1", "127.0.0.2"], "127.0.0.1", "127.0.0.9").is_empty());
        assert_eq!(fits(&["10.0.0.2", "10.0.0.3"], "10.0.0.2", "10.0.9.9"), ["10.0.0.3"]);
    }
}
