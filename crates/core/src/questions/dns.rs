//! Questions to the DNS: records of a domain, addresses of a host, the name of an address, an entry of
//! a blacklist. All keep the same wire facts ([`DnsWire`]) and read through the same view ([`Dns`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::case::{Graph, Observation, Question};
use crate::subject::{Addr, Domain, Host, Resolver, VantageId, Zone};

/// The longest chain of aliases that is followed within one answer.
const MAX_ALIASES: usize = 16;

/// Which server was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// The resolver of the vantage.
    Own,
    /// A resolver out there.
    Foreign(SocketAddr),
    /// An authoritative server, asked without recursion.
    Authoritative(SocketAddr),
}

impl std::fmt::Display for Via {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Via::Own => f.write_str("own"),
            Via::Foreign(addr) => write!(f, "foreign:{addr}"),
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
}

/// `dns.domain/1`: records of a domain, or of a name below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// Which records.
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// Which server was asked.
    pub via: Via,
}

/// `dns.host/1`: the addresses of a host, A or AAAA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// [`RecordType::A`] or [`RecordType::Aaaa`].
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// Which server was asked.
    pub via: Via,
}

/// `dns.ptr/1`: the names of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReverseNames {
    /// Which server was asked.
    pub via: Via,
}

/// `dns.dnsbl/1`: whether a DNSBL has an entry for an address (RFC 5782).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListEntry {
    /// The address that is looked up in the zone; 127.0.0.1 and 127.0.0.2 are the test entries.
    pub address: IpAddr,
    /// [`RecordType::A`] for the listing, [`RecordType::Txt`] for its reason.
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// Which server was asked.
    pub via: Via,
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

/// An extended DNS error (RFC 8914).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtendedError {
    /// The info code.
    pub code: u16,
    /// The extra text.
    pub text: String,
}

/// UDP or TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
}

/// One query that was sent, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// How it was sent.
    pub transport: Transport,
    /// When, in milliseconds since the lookup began.
    pub at_ms: u64,
    /// How long until its answer or its end, in milliseconds.
    pub took_ms: u64,
    /// What became of it: `answer`, `truncated`, `timeout`, `refused`, `unreachable`, `garbage: …`.
    pub end: String,
}

/// What came of a lookup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum DnsResult {
    /// A whole message that answers the question, whatever its RCODE.
    Answered {
        /// The RCODE by its standard name: `NOERROR`, `NXDOMAIN`, `SERVFAIL`, `REFUSED` …
        rcode: String,
        /// Authoritative answer.
        aa: bool,
        /// Authenticated data.
        ad: bool,
        /// Recursion available.
        ra: bool,
        /// The answer section.
        answers: Vec<Record>,
        /// The authority section.
        authority: Vec<Record>,
        /// Extended errors.
        ede: Vec<ExtendedError>,
    },
    /// Only a truncated answer came: TCP could not be used.
    Truncated {
        /// What was in the way of TCP.
        tcp: String,
    },
    /// Silence to the limit.
    Silent {
        /// How long was waited in all, in milliseconds.
        waited_ms: u64,
    },
    /// An answer that answers nothing: wrong question, wrong id, no message at all.
    Garbage {
        /// What was wrong with it.
        flaw: String,
    },
    /// The server could not be reached: refused, unreachable.
    Unreachable {
        /// The error, in the system's words.
        error: String,
    },
}

/// The wire facts of a lookup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsWire {
    /// The name that was asked for.
    pub name: String,
    /// The server that was asked.
    pub server: SocketAddr,
    /// Every query that was sent.
    pub attempts: Vec<Attempt>,
    /// What came of it.
    #[serde(flatten)]
    pub result: DnsResult,
}

/// How a lookup reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// The wire facts.
    pub wire: DnsWire,
}

/// An answer from which absence can be told: NOERROR or NXDOMAIN, whole.
#[derive(Debug, Clone, Copy)]
pub struct Definite<'a> {
    /// The name does not exist at all.
    pub nxdomain: bool,
    /// The answer section.
    pub answers: &'a [Record],
    /// The name that was asked for.
    pub name: &'a str,
    /// Authenticated data.
    pub ad: bool,
}

impl Dns {
    /// The answer, where it is one from which presence and absence can be told.
    pub fn definite(&self) -> Option<Definite<'_>> {
        match &self.wire.result {
            DnsResult::Answered { rcode, answers, ad, .. } if rcode == "NOERROR" || rcode == "NXDOMAIN" => {
                Some(Definite { nxdomain: rcode == "NXDOMAIN", answers, name: &self.wire.name, ad: *ad })
            }
            _ => None,
        }
    }

    /// The RCODE, where a whole message came.
    pub fn rcode(&self) -> Option<&str> {
        match &self.wire.result {
            DnsResult::Answered { rcode, .. } => Some(rcode),
            _ => None,
        }
    }

    /// Whether the server was silent to the limit, or not to be reached at all.
    pub fn unanswered(&self) -> bool {
        matches!(self.wire.result, DnsResult::Silent { .. } | DnsResult::Unreachable { .. })
    }

    /// What came of it, in a few words for a person.
    pub fn in_words(&self) -> String {
        match &self.wire.result {
            DnsResult::Answered { rcode, answers, .. } if rcode == "NOERROR" && answers.is_empty() => {
                "no such record".to_owned()
            }
            DnsResult::Answered { rcode, .. } => rcode.clone(),
            DnsResult::Truncated { tcp } => format!("truncated, and TCP failed: {tcp}"),
            DnsResult::Silent { waited_ms } => format!("no answer within {waited_ms} ms"),
            DnsResult::Garbage { flaw } => format!("an unusable answer: {flaw}"),
            DnsResult::Unreachable { error } => format!("not reachable: {error}"),
        }
    }
}

impl<'a> Definite<'a> {
    /// The name at the end of the chain of aliases in the answer.
    pub fn final_name(&self) -> &'a str {
        let mut name = self.name;
        for _ in 0..MAX_ALIASES {
            let next = self.answers.iter().find_map(|r| match &r.data {
                Data::Cname { target } if same_name(&r.name, name) => Some(target.as_str()),
                _ => None,
            });
            match next {
                Some(target) => name = target,
                None => break,
            }
        }
        name
    }

    /// The target of the alias that stands at the name itself.
    pub fn alias(&self) -> Option<&'a str> {
        let last = self.final_name();
        (!same_name(last, self.name)).then_some(last)
    }

    /// The MX records: preference and host, the lowest preference first; an empty host is the null MX.
    pub fn mx(&self) -> Vec<(u16, &'a str)> {
        let mut found: Vec<_> = self
            .answers
            .iter()
            .filter_map(|r| match &r.data {
                Data::Mx { preference, exchange } => Some((*preference, exchange.as_str())),
                _ => None,
            })
            .collect();
        found.sort();
        found
    }

    /// The addresses, in order.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut found: Vec<IpAddr> = self
            .answers
            .iter()
            .filter_map(|r| match &r.data {
                Data::A { address } => Some((*address).into()),
                Data::Aaaa { address } => Some((*address).into()),
                _ => None,
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// The names a PTR question gave, in order.
    pub fn names(&self) -> Vec<&'a str> {
        self.answers
            .iter()
            .filter_map(|r| match &r.data {
                Data::Ptr { host } => Some(host.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The TXT records, each with its strings joined.
    pub fn texts(&self) -> Vec<&'a str> {
        self.answers
            .iter()
            .filter_map(|r| match &r.data {
                Data::Txt { text } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }
}

/// Whether two DNS names are the same (RFC 4343).
pub fn same_name(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}

macro_rules! asks_the_dns {
    ($question:ident, $probe:literal, $on:ident, $link:expr) => {
        impl Question for $question {
            const PROBE: &'static str = $probe;
            type On = $on;
            type Wire = DnsWire;
            type View = Dns;

            fn read(wire: DnsWire) -> Option<Dns> {
                Some(Dns { wire })
            }

            fn link(observation: &Observation, view: &Dns, graph: &mut Graph) {
                if observation.asked.get("via").and_then(|v| v.as_str()) == Some("own") {
                    graph.leans::<VantageId, Resolver>(&observation.vantage, &Resolver(view.wire.server));
                }
                let link: fn(&Observation, &Dns, &mut Graph) = $link;
                link(observation, view, graph);
            }
        }
    };
}

asks_the_dns!(Records, "dns.domain/1", Domain, |observation, view, graph| {
    let (Some(domain), Some(answer)) = (crate::case::subject_of::<Domain>(observation), view.definite()) else {
        return;
    };
    for (_, exchange) in answer.mx() {
        if !exchange.is_empty() {
            graph.leans(domain, &Host::new(exchange));
        }
    }
    for record in answer.answers {
        if let Data::Srv { target, .. } = &record.data
            && !target.is_empty()
        {
            graph.leans(domain, &Host::new(target));
        }
    }
});

asks_the_dns!(Addresses, "dns.host/1", Host, |observation, view, graph| {
    let (Some(host), Some(answer)) = (crate::case::subject_of::<Host>(observation), view.definite()) else {
        return;
    };
    for address in answer.addresses() {
        graph.leans(host, &Addr(address));
    }
});

asks_the_dns!(ReverseNames, "dns.ptr/1", Addr, |_, _, _| {});
asks_the_dns!(ListEntry, "dns.dnsbl/1", Zone, |_, _, _| {});

#[cfg(test)]
mod tests {
    use super::*;

    fn cname(name: &str, target: &str) -> Record {
        Record { name: name.into(), ttl: 60, data: Data::Cname { target: target.into() } }
    }

    #[test]
    fn aliases_are_followed_and_a_circle_of_them_ends() {
        let answers = [cname("a.example", "b.example"), cname("b.example", "A.example.")];
        let answer = Definite { nxdomain: false, answers: &answers, name: "a.example", ad: false };
        assert!(!answer.final_name().is_empty());
        let answers = [cname("a.example", "b.example")];
        let answer = Definite { nxdomain: false, answers: &answers, name: "A.example", ad: false };
        assert_eq!(answer.alias(), Some("b.example"));
    }

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
            Data::Other { number: 99 },
        ];
        for data in all {
            let record = Record { name: "owner.example".into(), ttl: 60, data };
            let text = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record, "{text}");
        }
    }

    #[test]
    fn a_way_to_ask_prints_and_parses_back() {
        for text in ["own", "foreign:192.0.2.53:53", "authoritative:[2001:db8::53]:53"] {
            assert_eq!(text.parse::<Via>().unwrap().to_string(), text);
        }
    }
}
