//! Names in blacklist zones, and what their answers mean (RFC 5782).

mod known;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use known::{Holds, Known, is_named_in, known, read};

/// The entry that every working list of IPv4 addresses has (RFC 5782 section 5).
pub const TEST_LISTED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The entry that no list may have.
pub const TEST_UNLISTED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);

/// The entry that every list of domains has (RFC 5782 section 5), where it documents no other.
pub const TEST_DOMAIN: &str = "test";

/// The domain that no list may have (RFC 5782 section 5).
pub const TEST_NO_DOMAIN: &str = "invalid";

/// The longest name of a zone: before it stand up to 32 nibbles of an address, each a label, and a name has
/// at most 253 characters (RFC 1035 section 2.3.4).
const MAX_ZONE: usize = 253 - 64;

/// Whether a text can be the name of a zone: labels of letters, digits, `-` and `_`, in lower case, no
/// address.
pub fn is_zone(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    let number = text.rsplit('.').next().is_none_or(|last| last.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= MAX_ZONE && text.contains('.') && !number && text.split('.').all(label)
}

/// The name under which a zone lists an address: octets or nibbles reversed, then the zone.
pub fn query_name(address: IpAddr, zone: &str) -> String {
    format!("{}.{}", crate::rdns::reversed(address), zone.trim_matches('.'))
}

/// Address and zone of a query name. Four labels that are octets are read as IPv4, thirty-two that are
/// nibbles as IPv6.
pub fn parse(name: &str) -> Option<(IpAddr, &str)> {
    parse_v6(name).or_else(|| parse_v4(name))
}

fn parse_v4(name: &str) -> Option<(IpAddr, &str)> {
    let mut octets = [0; 4];
    let mut rest = name;
    for octet in octets.iter_mut().rev() {
        let (label, after) = rest.split_once('.')?;
        let plain = !label.is_empty() && label.len() <= 3 && label.bytes().all(|b| b.is_ascii_digit());
        *octet = plain.then(|| label.parse().ok()).flatten()?;
        rest = after;
    }
    (!rest.is_empty()).then(|| (Ipv4Addr::from(octets).into(), rest))
}

fn parse_v6(name: &str) -> Option<(IpAddr, &str)> {
    let mut bits: u128 = 0;
    let mut rest = name;
    for place in 0..32 {
        let (label, after) = rest.split_once('.')?;
        let nibble = (label.len() == 1).then(|| u128::from_str_radix(label, 16).ok()).flatten()?;
        bits |= nibble << (place * 4);
        rest = after;
    }
    (!rest.is_empty()).then(|| (Ipv6Addr::from(bits).into(), rest))
}

/// The name under which a zone lists a domain.
pub fn domain_query_name(domain: &str, zone: &str) -> String {
    format!("{}.{}", domain.trim_matches('.'), zone.trim_matches('.'))
}

/// What the A record of an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// What was asked for is listed.
    Listed,
    /// It is listed as one that should not send directly (a policy list).
    Policy,
    /// It is listed as a good one.
    Welcome,
    /// The list refuses the resolver that asked: no statement about what was asked for.
    Refused,
    /// Not in 127.0.0.0/8: no answer of a list at all, such as a parked zone's wildcard.
    NotAList,
}

/// Whether an answer of a zone speaks against what was asked for.
pub fn is_listing(zone: &str, answer: Ipv4Addr) -> bool {
    matches!(read(zone, answer).0, Meaning::Listed | Meaning::Policy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_as_in_rfc_5782() {
        let v4: IpAddr = "192.0.2.99".parse().unwrap();
        assert_eq!(query_name(v4, "bad.example.com"), "99.2.0.192.bad.example.com");
        let v6: IpAddr = "2001:db8:1:2:3:4:567:89ab".parse().unwrap();
        let name = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example.com";
        assert_eq!(query_name(v6, "ugly.example.com"), name);
    }

    #[test]
    fn what_can_be_a_zone() {
        for zone in ["dnsbl.example.net", "b.barracuda_central.org", "xn--e1afmkfd.example"] {
            assert!(is_zone(zone), "{zone}");
        }
        let long = format!("{}.example", ["a"; 100].join("."));
        for other in
            ["", "example", ".example", "a..example", "-a.example", "192.0.2.1", "a b.example", "A.example", &long]
        {
            assert!(!is_zone(other), "{other}");
        }
    }

    #[test]
    fn a_domain_stands_before_the_zone() {
        assert_eq!(domain_query_name("example.org", "dbl.example.net"), "example.org.dbl.example.net");
    }

    proptest! {
        #[test]
        fn names_come_back(v4 in any::<u32>(), v6 in any::<u128>()) {
            for address in [IpAddr::from(Ipv4Addr::from(v4)), IpAddr::from(Ipv6Addr::from(v6))] {
                let name = query_name(address, "dnsbl.example.net");
                prop_assert_eq!(parse(&name), Some((address, "dnsbl.example.net")));
            }
        }

        #[test]
        fn any_name_can_be_read(name in ".{0,100}") {
            let _ = parse(&name);
        }
    }
}
