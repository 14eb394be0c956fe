//! Networks as settings write them: `192.0.2.0/24`, `[2001:db8::]/32`, a single address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether an address lies in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        let (own, other, width) = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (u128::from(own.to_bits()), u128::from(other.to_bits()), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let dropped = width - u32::from(self.bits);
        own.checked_shr(dropped) == other.checked_shr(dropped)
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| ())?)),
            None => (text, None),
        };
        let address: IpAddr = address.trim_matches(['[', ']']).parse().map_err(|_| ())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        if bits > width { Err(()) } else { Ok(Self { address, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_lies_in_its_network_and_in_no_other() {
        assert!(network("198.51.100.0/24").holds("198.51.100.9".parse().unwrap()));
        assert!(!network("198.51.100.0/25").holds("198.51.100.200".parse().unwrap()));
        assert!(network("[2001:db8::]/32").holds("2001:db8:1::1".parse().unwrap()));
        assert!(network("0.0.0.0/0").holds("192.0.2.1".parse().unwrap()));
        assert!(!network("0.0.0.0/0").holds("::1".parse().unwrap()));
        assert!(network("127.0.0.1").holds("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_none() {
        for text in ["", "192.0.2.0/33", "hash:/etc/postfix/networks", "192.0.2/24", "::/129"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_address_lies_in_every_network_around_it(address: u32, bits in 0u8..=32) {
            let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(address));
            let network = Network { address, bits };
            prop_assert!(network.holds(address));
        }

        #[test]
        fn any_text_is_survived(text in ".{0,60}") {
            let _ = text.parse::<Network>();
        }
    }
}
