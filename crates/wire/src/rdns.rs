//! Reverse names of addresses, and how a name betrays a dial-up line.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address with its octets or nibbles reversed, dots between (RFC 1035 section 3.5, RFC 3596 section 2.5).
pub fn reversed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(v6) => {
            let bits = u128::from(v6);
            let nibbles: Vec<String> = (0..32).map(|place| format!("{:x}", (bits >> (place * 4)) & 0xf)).collect();
            nibbles.join(".")
        }
    }
}

/// The name at which the PTR record of an address stands.
pub fn ptr_name(address: IpAddr) -> String {
    let suffix = if address.is_ipv4() { "in-addr.arpa" } else { "ip6.arpa" };
    format!("{}.{suffix}", reversed(address))
}

/// The address of a PTR name.
pub fn parse_ptr(name: &str) -> Option<IpAddr> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let (address, zone) = crate::dnsbl::parse(&name)?;
    match (address, zone) {
        (IpAddr::V4(_), "in-addr.arpa") | (IpAddr::V6(_), "ip6.arpa") => Some(address),
        _ => None,
    }
}

/// Words by which providers mark lines that are handed out.
const LINE_WORDS: [&str; 22] = [
    "dyn",
    "dynamic",
    "dynip",
    "pool",
    "pools",
    "dhcp",
    "dsl",
    "adsl",
    "xdsl",
    "vdsl",
    "cable",
    "cpe",
    "ppp",
    "pppoe",
    "dialup",
    "dial",
    "broadband",
    "customer",
    "cust",
    "client",
    "catv",
    "ftth",
];

/// Whether a reverse name looks like one given to any line of a range. The whole address in the name
/// is needed, or half of it together with a word such as `dyn` or `pool`: digits alone (`mail-1-2`) are
/// no sign.
pub fn looks_generic(name: &str, address: IpAddr) -> bool {
    let name = name.to_ascii_lowercase();
    let labels: Vec<&str> = name.split(['.', '-', '_']).collect();
    let line_word =
        labels.iter().any(|label| LINE_WORDS.contains(&label.trim_end_matches(|c: char| c.is_ascii_digit())));
    match address {
        IpAddr::V4(v4) => {
            let octets = v4.octets();
            all_octets(&labels, octets) || compact(&name, octets) || (line_word && half(&labels, octets))
        }
        IpAddr::V6(v6) => {
            let tail: String = reversed(v6.into()).split('.').take(8).collect::<Vec<_>>().into_iter().rev().collect();
            let bare: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            bare.contains(&tail) && tail.trim_start_matches('0').len() >= 4
        }
    }
}

/// All four octets as neighbouring labels, in either order.
fn all_octets(labels: &[&str], octets: [u8; 4]) -> bool {
    let numbers: Vec<Option<u8>> = labels.iter().map(|label| number(label)).collect();
    numbers.windows(4).any(|run| {
        let forward = run.iter().zip(octets).all(|(n, o)| *n == Some(o));
        let backward = run.iter().rev().zip(octets).all(|(n, o)| *n == Some(o));
        forward || backward
    })
}

/// The number at the end of a label such as `ip192`, with or without leading zeros.
fn number(label: &str) -> Option<u8> {
    let digits = label.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let digits = digits.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    (!digits.is_empty()).then(|| digits.parse().ok()).flatten()
}

/// The address written without separators: twelve digits, or eight hexadecimal ones.
fn compact(name: &str, octets: [u8; 4]) -> bool {
    let [a, b, c, d] = octets;
    name.contains(&format!("{a:03}{b:03}{c:03}{d:03}")) || name.contains(&format!("{a:02x}{b:02x}{c:02x}{d:02x}"))
}

/// The last two octets as labels of their own.
fn half(labels: &[&str], octets: [u8; 4]) -> bool {
    let [.., c, d] = octets;
    let has = |wanted| labels.iter().any(|label| number(label) == Some(wanted));
    has(c) && has(d)
}

/// Whether the address is one that cannot be reached from outside its own network (RFC 6890).
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_private_v4(v4),
            None => is_private_v6(v6),
        },
    }
}

fn is_private_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    let shared = a == 100 && (64..128).contains(&b);
    a == 0
        || v4.is_private()
        || shared
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_documentation()
        || v4.is_multicast()
        || a >= 240
}

fn is_private_v6(v6: Ipv6Addr) -> bool {
    let head = v6.segments().first().copied().unwrap_or_default();
    let unique_local = head & 0xfe00 == 0xfc00;
    let link_local = head & 0xffc0 == 0xfe80;
    let documentation = matches!(v6.segments(), [0x2001, 0xdb8, ..]);
    v6.is_loopback() || v6.is_unspecified() || unique_local || link_local || v6.is_multicast() || documentation
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn generic(name: &str, address: &str) -> bool {
        looks_generic(name, address.parse().unwrap())
    }

    #[test]
    fn names_of_lines_and_names_of_servers() {
        assert!(generic("192-0-2-7.dyn.example.net", "192.0.2.7"));
        assert!(generic("ip007.002.pool.example.net", "192.0.2.7"));
        assert!(generic("7.2.0.192.example.net", "192.0.2.7"));
        assert!(generic("c0000207.example.net", "192.0.2.7"));
        assert!(generic("cpe-2-7.cable.example.net", "192.0.2.7"));
        assert!(!generic("mail-2-7.example.net", "192.0.2.7"));
        assert!(!generic("mx1.example.net", "192.0.2.7"));
        assert!(!generic("client-mail.example.net", "192.0.2.7"));
        assert!(!generic("dynamics.example.net", "192.0.2.7"));
    }

    #[test]
    fn addresses_the_outside_cannot_reach() {
        for private in [
            "10.1.2.3",
            "100.64.0.1",
            "169.254.1.1",
            "192.168.1.1",
            "172.31.0.1",
            "127.0.0.1",
            "0.1.2.3",
            "240.0.0.1",
            "224.0.0.1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2a00::1"] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }

    proptest! {
        #[test]
        fn ptr_names_come_back(v4 in any::<u32>(), v6 in any::<u128>()) {
            for address in [IpAddr::from(Ipv4Addr::from(v4)), IpAddr::from(Ipv6Addr::from(v6))] {
                prop_assert_eq!(parse_ptr(&ptr_name(address)), Some(address));
            }
        }

        #[test]
        fn any_name_can_be_looked_at(name in ".{0,80}", v4 in any::<u32>(), v6 in any::<u128>()) {
            let _ = looks_generic(&name, Ipv4Addr::from(v4).into());
            let _ = looks_generic(&name, Ipv6Addr::from(v6).into());
        }
    }
}
