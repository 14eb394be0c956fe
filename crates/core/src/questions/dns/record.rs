//! Records as a case keeps them: which type, whose name, for how long, and what they hold.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::RecordType as WireType;
use serde::{Deserialize, Serialize};

/// The record types that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// IPv4 address.
    A,
    /// IPv6 address.
    Aaaa,
    /// Mail exchanger.
    Mx,
    /// Name server.
    Ns,
    /// Start of authority.
    Soa,
    /// Text.
    Txt,
    /// Service location.
    Srv,
    /// Name of an address.
    Ptr,
    /// TLS certificate association.
    Tlsa,
    /// Digest of a child zone's key (RFC 4034 section 5).
    Ds,
    /// Key of a zone (RFC 4034 section 2).
    Dnskey,
    /// SPF's own type 99, which was given up (RFC 7208 section 3.1).
    Spf,
}

impl RecordType {
    /// Its mnemonic, as zone files have it.
    pub fn name(self) -> &'static str {
        match self {
            RecordType::A => "A",
            RecordType::Aaaa => "AAAA",
            RecordType::Mx => "MX",
            RecordType::Ns => "NS",
            RecordType::Soa => "SOA",
            RecordType::Txt => "TXT",
            RecordType::Srv => "SRV",
            RecordType::Ptr => "PTR",
            RecordType::Tlsa => "TLSA",
            RecordType::Ds => "DS",
            RecordType::Dnskey => "DNSKEY",
            RecordType::Spf => "SPF",
        }
    }

    /// Its number, as hickory has it.
    pub(crate) fn on_the_wire(self) -> WireType {
        match self {
            RecordType::A => WireType::A,
            RecordType::Aaaa => WireType::AAAA,
            RecordType::Mx => WireType::MX,
            RecordType::Ns => WireType::NS,
            RecordType::Soa => WireType::SOA,
            RecordType::Txt => WireType::TXT,
            RecordType::Srv => WireType::SRV,
            RecordType::Ptr => WireType::PTR,
            RecordType::Tlsa => WireType::TLSA,
            RecordType::Ds => WireType::DS,
            RecordType::Dnskey => WireType::DNSKEY,
            RecordType::Spf => WireType::Unknown(99),
        }
    }
}

/// The data of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "UPPERCASE")]
pub enum Data {
    /// IPv4 address.
    A {
        /// The address.
        address: Ipv4Addr,
    },
    /// IPv6 address.
    Aaaa {
        /// The address.
        address: Ipv6Addr,
    },
    /// Mail exchanger.
    Mx {
        /// The lower is tried first.
        preference: u16,
        /// The host, without final dot; empty for the null MX.
        exchange: String,
    },
    /// Name server.
    Ns {
        /// The host.
        host: String,
    },
    /// Alias.
    Cname {
        /// What it stands for.
        target: String,
    },
    /// Name of an address.
    Ptr {
        /// The name.
        host: String,
    },
    /// Start of authority.
    Soa {
        /// The primary server.
        primary: String,
        /// The serial number.
        serial: u32,
        /// The negative-caching time, in seconds.
        minimum: u32,
    },
    /// Text, its strings joined; octets outside UTF-8 replaced.
    Txt {
        /// The joined strings.
        text: String,
    },
    /// Service location.
    Srv {
        /// The lower is tried first.
        priority: u16,
        /// The share among equals.
        weight: u16,
        /// The port.
        port: u16,
        /// The host; empty where the service is not offered.
        target: String,
    },
    /// TLS certificate association (RFC 6698).
    Tlsa {
        /// Certificate usage.
        usage: u8,
        /// Selector.
        selector: u8,
        /// Matching type.
        matching: u8,
        /// The association data, in hexadecimal.
        data: String,
    },
    /// Digest of a child zone's key; the digest itself is in the message.
    Ds {
        /// The key's tag.
        tag: u16,
        /// The key's algorithm.
        algorithm: u8,
        /// The kind of digest.
        digest: u8,
    },
    /// Key of a zone; the key itself is in the message.
    Dnskey {
        /// The flags: 257 for a key that signs keys, 256 for one that signs the zone.
        flags: u16,
        /// The algorithm.
        algorithm: u8,
        /// The tag by which DS and RRSIG name it.
        tag: u16,
    },
    /// Signature over the records of one type; the signature itself is in the message.
    Rrsig {
        /// The number of the type it covers.
        covers: u16,
        /// The algorithm.
        algorithm: u8,
        /// The tag of the key that made it.
        tag: u16,
        /// The zone that signed.
        signer: String,
        /// From when it is valid, in seconds since 1970 modulo 2³² (RFC 4034 section 3.1.5).
        inception: u32,
        /// Until when it is valid, likewise.
        expiration: u32,
    },
    /// Any other record, by its number.
    Other {
        /// The type's number.
        number: u16,
    },
}

/// One record of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The owner name, without final dot.
    pub name: String,
    /// The time to live, in seconds.
    pub ttl: u32,
    /// The data.
    #[serde(flatten)]
    pub data: Data,
}

/// The octets of a text in hexadecimal; `None` where it is no such text.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok().filter(|p| p.len() == 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// Octets as a text in lower-case hexadecimal.
pub(crate) fn to_hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Whether two DNS names are the same (RFC 4343).
pub fn same_name(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_record_comes_back_from_a_case() {
        let all = [
            Data::A { address: Ipv4Addr::LOCALHOST },
            Data::Aaaa { address: Ipv6Addr::LOCALHOST },
            Data::Mx { preference: 10, exchange: "mx.example".into() },
            Data::Ns { host: "ns.example".into() },
            Data::Cname { target: "c.example".into() },
            Data::Ptr { host: "p.example".into() },
            Data::Soa { primary: "ns.example".into(), serial: 1, minimum: 2 },
            Data::Txt { text: "v=spf1".into() },
            Data::Srv { priority: 0, weight: 1, port: 587, target: "s.example".into() },
            Data::Tlsa { usage: 3, selector: 1, matching: 1, data: "ab".into() },
            Data::Ds { tag: 20326, algorithm: 8, digest: 2 },
            Data::Dnskey { flags: 257, algorithm: 13, tag: 7 },
            Data::Rrsig { covers: 6, algorithm: 13, tag: 7, signer: String::new(), inception: 1, expiration: 2 },
            Data::Other { number: 99 },
        ];
        for data in all {
            let record = Record { name: "owner.example".into(), ttl: 60, data };
            let text = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record, "{text}");
        }
    }
}
