//! The walk from the root: who is said to serve each zone on the way down to the domain, and what those
//! servers say when they are asked themselves.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::answer::Dns;
use super::record::{Data, Record, RecordType, same_name};
use super::via::Via;
use super::wire::{DnsResult, DnsWire, Transport};
use crate::case::Question;
use crate::subject::Domain;

/// `dns.authoritative/1`: what a name server of a zone (the subject) says when it is asked itself, without
/// recursion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authoritative {
    /// The name that was asked for.
    pub name: String,
    /// Which records.
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// The server.
    pub via: Via,
    /// Over UDP, with TCP where the answer was truncated, or over TCP at once.
    pub transport: Transport,
}

/// `dns.unchecked/1`: what a resolver answers when it is told not to validate (CD), asked where it had failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unchecked {
    /// Which records.
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// The resolver.
    pub via: Via,
}

/// `dns.again/1`: a resolver asked again, later on and twice, to see whether its TTL counts down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// Which records.
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// The resolver.
    pub via: Via,
    /// The first of the two questions, or the second.
    pub turn: u8,
}

/// `dns.walk/1`: the way from the root down to the domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk;

/// From where the addresses of a name server are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The root hints.
    Hints,
    /// The parent gave them along.
    Glue,
    /// They were looked up, from the root as well.
    LookedUp,
    /// They cannot be looked up: the host lies in a zone that leads back to the one it serves.
    Loop,
    /// Nobody has any.
    None,
}

/// A name server as the zone above names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameServer {
    /// Its name.
    pub host: String,
    /// Its addresses, as far as they were needed.
    pub addresses: Vec<IpAddr>,
    /// From where those are known.
    pub source: Source,
}

/// A zone on the way, and who serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The zone; `.` is the root.
    pub zone: String,
    /// Its name servers.
    pub servers: Vec<NameServer>,
    /// The server of the zone above that named them; `None` for the root.
    pub told_by: Option<SocketAddr>,
    /// The server of this zone that showed the way on.
    pub asked: Option<SocketAddr>,
}

/// A key of the root that is trusted, by its digest as a DS record has it (RFC 4034 section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The key's tag.
    pub tag: u16,
    /// The key's algorithm.
    pub algorithm: u8,
    /// The kind of digest.
    pub digest: u8,
    /// The digest, in hexadecimal.
    pub data: String,
}

/// How the walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// At the zone that holds the domain.
    Reached,
    /// The last zone's servers say that the domain does not exist.
    NoSuchName,
    /// No server of the last zone showed the way on.
    DeadEnd,
    /// Time or questions ran out.
    Unfinished,
}

/// The wire facts of the walk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalkWire {
    /// The zones from the root down, each below the one before.
    pub cuts: Vec<Cut>,
    /// How it ended.
    pub ended: Ended,
    /// The port that was asked.
    pub port: u16,
    /// How many questions it took.
    pub questions: usize,
    /// The keys of the root that DNSSEC was checked from; empty where it was not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anchors: Vec<Anchor>,
}

impl WalkWire {
    /// The zone that holds the domain; `None` where the walk did not come that far.
    pub fn zone(&self) -> Option<&Cut> {
        self.cuts.last().filter(|_| matches!(self.ended, Ended::Reached | Ended::DeadEnd))
    }
}

impl Cut {
    /// The zone as a subject.
    pub fn domain(&self) -> Domain {
        Domain::new(&self.zone)
    }

    /// The servers by host and address.
    pub fn places(&self, port: u16) -> Vec<(&str, SocketAddr)> {
        self.servers
            .iter()
            .flat_map(|s| s.addresses.iter().map(move |ip| (s.host.as_str(), SocketAddr::new(*ip, port))))
            .collect()
    }
}

/// What a server's answer to the question for a zone's SOA says of it as a server of that zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It serves the zone.
    Serves {
        /// The zone's serial number.
        serial: u32,
        /// The primary server that the SOA names.
        primary: String,
    },
    /// It answers, and does not serve the zone: in a few words, what it says instead.
    Lame(String),
    /// It does not answer.
    Silent,
}

/// Where an answer of a server of `zone` leads on the way to a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To a zone below, served by these hosts.
    Referral {
        /// That zone.
        zone: String,
        /// The hosts, in order.
        hosts: Vec<String>,
    },
    /// The server answers for the name itself, from the zone whose SOA or NS it shows.
    Here {
        /// The zone's own name, where the answer shows it.
        apex: Option<String>,
    },
    /// The server is authoritative, and the name does not exist.
    NoSuchName,
    /// Nothing that leads anywhere.
    Astray,
}

/// Whether `name` is `zone` or lies below it.
pub fn lies_in(name: &str, zone: &str) -> bool {
    let (name, zone) = (name.trim_end_matches('.').to_ascii_lowercase(), zone.trim_end_matches('.'));
    zone.is_empty()
        || name.strip_suffix(&zone.to_ascii_lowercase()).is_some_and(|head| head.is_empty() || head.ends_with('.'))
}

impl Dns {
    /// Whether a server of `zone` serves it, by its answer to the question for the SOA.
    pub fn standing(&self, zone: &str) -> Standing {
        let DnsResult::Answered { rcode, aa, answers, authority, .. } = &self.wire.result else {
            return match &self.wire.result {
                DnsResult::Garbage { .. } => Standing::Lame(self.in_words()),
                _ => Standing::Silent,
            };
        };
        let soa = answers.iter().find_map(|r| match &r.data {
            Data::Soa { primary, serial, .. } if same_name(&r.name, zone) => Some((primary.clone(), *serial)),
            _ => None,
        });
        match soa {
            _ if rcode != "NOERROR" => Standing::Lame(rcode.clone()),
            Some((primary, serial)) if *aa => Standing::Serves { serial, primary },
            Some(_) => Standing::Lame("an answer without authority (no AA)".to_owned()),
            None if authority.iter().any(|r| matches!(r.data, Data::Ns { .. })) => {
                Standing::Lame("a referral elsewhere".to_owned())
            }
            None => Standing::Lame("no SOA of the zone".to_owned()),
        }
    }

    /// Where the answer of a server of `zone` leads on the way to `name`.
    pub fn step(&self, zone: &str, name: &str) -> Step {
        let DnsResult::Answered { rcode, aa, answers, authority, .. } = &self.wire.result else {
            return Step::Astray;
        };
        let below = |r: &&Record| lies_in(name, &r.name) && lies_in(&r.name, zone) && !same_name(&r.name, zone);
        let delegated = authority.iter().filter(|r| matches!(r.data, Data::Ns { .. })).find(below);
        if let (Some(owner), false, true, "NOERROR") = (delegated, *aa, answers.is_empty(), rcode.as_str()) {
            return Step::Referral { zone: owner.name.to_ascii_lowercase(), hosts: hosts(authority, &owner.name) };
        }
        let soa = authority.iter().find(|r| matches!(r.data, Data::Soa { .. }) && lies_in(name, &r.name));
        match rcode.as_str() {
            "NXDOMAIN" if *aa => Step::NoSuchName,
            "NOERROR" if *aa => {
                let own = answers.iter().find(|r| matches!(r.data, Data::Ns { .. }) && same_name(&r.name, name));
                Step::Here { apex: own.or(soa).map(|r| r.name.to_ascii_lowercase()) }
            }
            _ => Step::Astray,
        }
    }

    /// The hosts of the NS records that stand at `zone` in the answer.
    pub fn name_servers(&self, zone: &str) -> Vec<String> {
        match &self.wire.result {
            DnsResult::Answered { answers, .. } => hosts(answers, zone),
            _ => Vec::new(),
        }
    }

    /// The addresses that came along for a host.
    pub fn glue(&self, host: &str) -> Vec<IpAddr> {
        let DnsResult::Answered { additional, .. } = &self.wire.result else {
            return Vec::new();
        };
        additional
            .iter()
            .filter(|r| same_name(&r.name, host))
            .filter_map(|r| match r.data {
                Data::A { address } => Some(IpAddr::from(address)),
                Data::Aaaa { address } => Some(IpAddr::from(address)),
                _ => None,
            })
            .collect()
    }

    /// Whether the server is authoritative for what it says.
    pub fn authoritative(&self) -> bool {
        matches!(self.wire.result, DnsResult::Answered { aa: true, .. })
    }

    /// Whether a server that is authoritative says what there is, or that there is nothing.
    pub fn tells_as_authority(&self) -> bool {
        self.authoritative() && self.definite().is_some()
    }

    /// The lowest TTL of the answer's records of a kind.
    pub fn ttl(&self, wanted: impl Fn(&Data) -> bool) -> Option<u32> {
        let DnsResult::Answered { answers, .. } = &self.wire.result else {
            return None;
        };
        answers.iter().filter(|r| wanted(&r.data)).map(|r| r.ttl).min()
    }
}

fn hosts(section: &[Record], zone: &str) -> Vec<String> {
    let mut found: Vec<String> = section
        .iter()
        .filter(|r| same_name(&r.name, zone))
        .filter_map(|r| match &r.data {
            Data::Ns { host } => Some(host.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

macro_rules! asks_a_server {
    ($question:ident, $probe:literal) => {
        impl Question for $question {
            const PROBE: &'static str = $probe;
            type On = Domain;
            type Wire = DnsWire;
            type View = Dns;

            fn read(wire: DnsWire) -> Option<Dns> {
                Some(Dns { wire })
            }
        }
    };
}

asks_a_server!(Authoritative, "dns.authoritative/1");
asks_a_server!(Unchecked, "dns.unchecked/1");
asks_a_server!(Again, "dns.again/1");

impl Question for Walk {
    const PROBE: &'static str = "dns.walk/1";
    type On = Domain;
    type Wire = WalkWire;
    type View = WalkWire;

    fn read(wire: WalkWire) -> Option<WalkWire> {
        Some(wire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(zone: &str, host: &str) -> Record {
        Record { name: zone.to_owned(), ttl: 60, data: Data::Ns { host: host.to_owned() } }
    }

    fn soa(zone: &str) -> Record {
        Record {
            name: zone.to_owned(),
            ttl: 60,
            data: Data::Soa { primary: "ns.example".into(), serial: 7, minimum: 1 },
        }
    }

    fn answered(rcode: &str, aa: bool, answers: Vec<Record>, authority: Vec<Record>) -> Dns {
        let result = DnsResult::Answered {
            rcode: rcode.to_owned(),
            aa,
            ad: false,
            ra: false,
            answers,
            authority,
            additional: Vec::new(),
            ede: Vec::new(),
            raw: None,
        };
        let server = SocketAddr::from(([192, 0, 2, 53], 53));
        Dns { wire: DnsWire { name: String::new(), server, attempts: Vec::new(), result } }
    }

    #[test]
    fn a_referral_must_lead_down_towards_the_name() {
        let down = answered("NOERROR", false, vec![], vec![ns("Example.org", "ns.example.net")]);
        let Step::Referral { zone, hosts } = down.step("org", "mail.example.org") else { panic!("no referral") };
        assert_eq!((zone.as_str(), hosts.as_slice()), ("example.org", &["ns.example.net".to_owned()][..]));
        for elsewhere in ["org", ".", "", "example.com", "other.org", "le.org"] {
            let up = answered("NOERROR", false, vec![], vec![ns(elsewhere, "ns.example.net")]);
            assert_eq!(up.step("org", "mail.example.org"), Step::Astray, "{elsewhere}");
        }
    }

    #[test]
    fn an_answer_with_authority_shows_its_zone() {
        let apex = answered("NOERROR", true, vec![ns("example.org", "ns.example.org")], vec![]);
        assert_eq!(apex.step(".", "example.org"), Step::Here { apex: Some("example.org".into()) });
        let inside = answered("NOERROR", true, vec![], vec![soa("example.org")]);
        assert_eq!(inside.step("org", "mail.example.org"), Step::Here { apex: Some("example.org".into()) });
        assert_eq!(answered("NXDOMAIN", true, vec![], vec![soa("org")]).step("org", "x.org"), Step::NoSuchName);
        assert_eq!(answered("NXDOMAIN", false, vec![], vec![]).step("org", "x.org"), Step::Astray);
    }

    #[test]
    fn a_server_serves_a_zone_only_with_authority_and_its_soa() {
        let serves = answered("NOERROR", true, vec![soa("example.org")], vec![]);
        assert_eq!(serves.standing("Example.org"), Standing::Serves { serial: 7, primary: "ns.example".into() });
        for lame in [
            answered("REFUSED", false, vec![], vec![]),
            answered("NXDOMAIN", true, vec![], vec![]),
            answered("NOERROR", false, vec![soa("example.org")], vec![]),
            answered("NOERROR", true, vec![soa("org")], vec![]),
            answered("NOERROR", false, vec![], vec![ns(".", "a.root")]),
        ] {
            assert!(matches!(lame.standing("example.org"), Standing::Lame(_)), "{lame:?}");
        }
    }

    #[test]
    fn names_lie_in_zones_by_whole_labels() {
        assert!(lies_in("a.example.org", "example.org") && lies_in("example.org", "EXAMPLE.org."));
        assert!(lies_in("example.org", ".") && lies_in("example.org", ""));
        assert!(!lies_in("badexample.org", "example.org") && !lies_in("org", "example.org"));
    }
}
