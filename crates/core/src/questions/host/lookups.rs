//! `host.lookups/1`: what the server asked the DNS, and the ident port, about our own sessions: captured on its host.

use std::net::{IpAddr, SocketAddr};

use maildoctor_wire::{dnsbl, rdns};
use serde::{Deserialize, Serialize};

use crate::case::{Graph, Observation, Question, Span};
use crate::subject::{Resolver, Service, Zone};

/// What glibc waits for an answer where resolv.conf says nothing, in milliseconds (resolv.conf(5)).
const USUAL_TIMEOUT_MS: u64 = 5000;

/// `host.lookups/1`: the lookups that concern our sessions with a service of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookups;

/// How well the capture saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    /// Packets that were read.
    pub packets: u64,
    /// Packets that the kernel had no room for.
    pub dropped: u64,
    /// Whether everything that was read was kept.
    pub whole: bool,
    /// What leaves no packets here, each as a sentence part: lookups may have been made that nobody could see.
    pub blind: Vec<String>,
}

impl Quality {
    /// Whether nothing was lost: only then is what was seen all that a wait can be laid over.
    pub fn complete(&self) -> bool {
        self.dropped == 0 && self.whole
    }
}

/// A resolver that the host asked, or was told to ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolverSeen {
    /// Where it is.
    pub server: SocketAddr,
    /// Its place among the server's `nameserver` lines, from 1; null where it is none of them.
    pub place: Option<usize>,
    /// How often it was asked, by anybody on the host.
    pub asked: u32,
    /// How many of these it answered.
    pub answered: u32,
    /// Whether it answered us when asked for the root's name servers; null where it was not asked.
    pub answers_us: Option<bool>,
}

impl ResolverSeen {
    /// It answered somebody.
    pub fn alive(&self) -> bool {
        self.answered > 0 || self.answers_us == Some(true)
    }

    /// It was asked, and answered nobody: not the host's programs, and not us.
    pub fn dead(&self) -> bool {
        self.asked > 0 && self.answered == 0 && self.answers_us == Some(false)
    }
}

/// One sending of a question to one resolver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// To whom.
    pub server: SocketAddr,
    /// Over TCP.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tcp: bool,
    /// When, in milliseconds since the run began.
    pub at_ms: u64,
    /// When the answer to it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_ms: Option<u64>,
    /// The answer's code, as its number (RFC 6895 section 2.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rcode: Option<u16>,
}

/// One question with all its sendings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// The name asked for.
    pub name: String,
    /// The record type asked for.
    #[serde(rename = "type")]
    pub rtype: String,
    /// In the order in which they were sent; never empty.
    pub sent: Vec<Sending>,
    /// When whoever asked had an answer or gave up, as far as packets tell.
    pub until_ms: u64,
}

/// What a lookup is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sought<'l> {
    /// The reverse name of an address.
    Reverse(IpAddr),
    /// Whether a blacklist has an address.
    Listing(IpAddr, &'l str),
    /// Anything else.
    Other,
}

/// How a lookup ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// No answer came, or only after whoever asked had given up.
    Unanswered,
    /// The resolver said that it could not find out (SERVFAIL), or refused.
    Failed,
    /// An answer came.
    Answered,
}

impl Lookup {
    /// A lookup of these sendings. `timeout_ms` is how long the resolver library waits for each.
    pub fn new(name: String, rtype: String, sent: Vec<Sending>, timeout_ms: Option<u64>) -> Self {
        let mut lookup = Self { name, rtype, sent, until_ms: 0 };
        lookup.until_ms = lookup.answered_ms(timeout_ms).unwrap_or_else(|| lookup.given_up_ms(timeout_ms));
        lookup
    }

    /// The first answer that came in time.
    fn answered_ms(&self, timeout_ms: Option<u64>) -> Option<u64> {
        let first = self.sent.iter().filter_map(|s| s.answered_ms).min()?;
        // What was sent once only was perhaps waited for longer than usual; what was sent again, no longer than that.
        (self.sent.len() == 1 || first <= self.given_up_ms(timeout_ms)).then_some(first)
    }

    /// When nobody waited any more: giving up leaves no packet, so it is the wait between two sendings after the last.
    fn given_up_ms(&self, timeout_ms: Option<u64>) -> u64 {
        let times: Vec<u64> = self.sent.iter().map(|s| s.at_ms).collect();
        let pairs = times.iter().zip(times.iter().skip(1));
        let between: Vec<u64> = pairs.map(|(one, other)| other.saturating_sub(*one)).collect();
        // Who waits twice as long each time, as libasr does, does so once more.
        let doubles = between.len() > 1
            && between
                .iter()
                .zip(between.iter().skip(1))
                .all(|(one, next)| one.saturating_mul(2).abs_diff(*next) <= next / 8);
        let longest = between.iter().max().map(|longest| if doubles { longest.saturating_mul(2) } else { *longest });
        let wait = longest.or(timeout_ms).unwrap_or(USUAL_TIMEOUT_MS);
        times.last().copied().unwrap_or(0).saturating_add(wait)
    }

    /// The time it took, from the first sending on.
    pub fn span(&self) -> Span {
        let from_ms = self.sent.first().map_or(self.until_ms, |s| s.at_ms);
        Span { from_ms, to_ms: self.until_ms.max(from_ms) }
    }

    /// What it was for.
    pub fn sought(&self) -> Sought<'_> {
        if let Some(address) = rdns::parse_ptr(&self.name) {
            return Sought::Reverse(address);
        }
        match dnsbl::parse(&self.name) {
            Some((address, zone)) if zone.contains('.') && !zone.ends_with(".arpa") => Sought::Listing(address, zone),
            _ => Sought::Other,
        }
    }

    /// The address that it is about.
    pub fn about(&self) -> Option<IpAddr> {
        match self.sought() {
            Sought::Reverse(address) | Sought::Listing(address, _) => Some(address),
            Sought::Other => None,
        }
    }

    /// How it ended.
    pub fn ended(&self) -> Ended {
        let in_time = self.sent.iter().filter(|s| s.answered_ms.is_some_and(|at| at <= self.until_ms));
        match in_time.filter_map(|s| s.rcode).next() {
            None => Ended::Unanswered,
            Some(2 | 5) => Ended::Failed,
            Some(_) => Ended::Answered,
        }
    }

    /// Whom it was sent to, each once, in order.
    pub fn servers(&self) -> Vec<SocketAddr> {
        let mut servers = Vec::new();
        for sending in &self.sent {
            if !servers.contains(&sending.server) {
                servers.push(sending.server);
            }
        }
        servers
    }

    /// The stretches in which it waited for one server: from each sending to it until the next sending to anybody.
    pub fn waiting_for(&self, server: SocketAddr) -> Vec<Span> {
        let ends = self.sent.iter().skip(1).map(|s| s.at_ms).chain([self.until_ms]);
        let pairs = self.sent.iter().zip(ends).filter(|(sending, _)| sending.server == server);
        pairs.map(|(sending, to_ms)| Span { from_ms: sending.at_ms, to_ms: to_ms.max(sending.at_ms) }).collect()
    }
}

/// A connection to the ident port of a client (RFC 1413).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentSeen {
    /// The client that was asked.
    pub client: IpAddr,
    /// When, in milliseconds since the run began.
    pub at_ms: u64,
    /// When the client refused the connection, ended it, or said something.
    pub answered_ms: Option<u64>,
    /// When the host closed a connection on which nothing was said. Giving up one that never stood leaves no packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up_ms: Option<u64>,
}

impl IdentSeen {
    /// The time for which it kept the host waiting, within a wait of its client. Where no packet tells the end, it is the next
    /// lookup about that client, for the host asks one thing after the other, or the end of the wait.
    pub fn span(&self, wait: Span, lookups: &[Lookup]) -> Span {
        let known = self.answered_ms.or(self.given_up_ms);
        let next = || {
            let about = lookups.iter().filter(|lookup| lookup.about() == Some(self.client));
            about.map(|lookup| lookup.span().from_ms).filter(|at| *at > self.at_ms).min()
        };
        let to_ms = known.or_else(next).unwrap_or(wait.to_ms).min(wait.to_ms);
        Span { from_ms: self.at_ms, to_ms: to_ms.max(self.at_ms) }
    }
}

/// A question to a program of the server's settings, over TCP: a policy service or a milter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramAsked {
    /// Where the program listens.
    pub server: SocketAddr,
    /// When, in milliseconds since the run began.
    pub at_ms: u64,
    /// When it answered, or ended the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_ms: Option<u64>,
}

impl ProgramAsked {
    /// The time for which it was waited for; to the end of `wait` where it never answered.
    pub fn span(&self, wait: Span) -> Span {
        Span { from_ms: self.at_ms, to_ms: self.answered_ms.unwrap_or(wait.to_ms).max(self.at_ms) }
    }
}

/// What was captured of the lookups about us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupsWire {
    /// How well it was seen.
    pub quality: Quality,
    /// Our own addresses, as the server saw them.
    pub own: Vec<IpAddr>,
    /// The resolvers of the host.
    pub resolvers: Vec<ResolverSeen>,
    /// Lookups that carry our address or a name of our envelope.
    pub lookups: Vec<Lookup>,
    /// Connections to our ident port.
    pub idents: Vec<IdentSeen>,
    /// Questions about us to other programs that were not answered at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<ProgramAsked>,
}

impl LookupsWire {
    /// A resolver by its address.
    pub fn resolver(&self, server: SocketAddr) -> Option<&ResolverSeen> {
        self.resolvers.iter().find(|r| r.server == server)
    }

    /// Whether one of the resolvers that a lookup was sent to answers anybody: only then is it the name's own servers
    /// that are silent.
    pub fn reached_a_resolver(&self, lookup: &Lookup) -> bool {
        lookup.sent.iter().any(|s| s.answered_ms.is_some() || self.resolver(s.server).is_some_and(ResolverSeen::alive))
    }

    /// The stretches in which a lookup waited for resolvers that are not dead: what the name itself cost.
    pub fn cost_of_the_name(&self, lookup: &Lookup) -> Vec<Span> {
        let dead = |server| self.resolver(server).is_some_and(ResolverSeen::dead);
        lookup.servers().into_iter().filter(|server| !dead(*server)).flat_map(|s| lookup.waiting_for(s)).collect()
    }
}

impl Question for Lookups {
    const PROBE: &'static str = "host.lookups/1";
    type On = Service;
    type Wire = LookupsWire;
    type View = LookupsWire;

    fn read(wire: LookupsWire) -> Option<LookupsWire> {
        Some(wire)
    }

    fn link(observation: &Observation, view: &LookupsWire, graph: &mut Graph) {
        let Some(service) = crate::case::subject_of::<Service>(observation) else { return };
        for resolver in &view.resolvers {
            graph.leans(service, &Resolver(resolver.server));
        }
        for lookup in &view.lookups {
            if let Sought::Listing(_, zone) = lookup.sought() {
                graph.leans(service, &Zone::new(zone));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sending(at_ms: u64, answered_ms: Option<u64>) -> Sending {
        let server = "192.0.2.53:53".parse().unwrap();
        Sending { server, tcp: false, at_ms, answered_ms, rcode: answered_ms.map(|_| 0) }
    }

    fn lookup(name: &str, sent: Vec<Sending>) -> Lookup {
        Lookup::new(name.to_owned(), "A".to_owned(), sent, Some(5000))
    }

    #[test]
    fn an_unanswered_lookup_is_waited_for_once_more_after_its_last_sending() {
        let silent = lookup("9.2.0.192.list.example", vec![sending(100, None), sending(1100, None)]);
        assert_eq!((silent.span(), silent.ended()), (Span { from_ms: 100, to_ms: 2100 }, Ended::Unanswered));
        assert_eq!(lookup("x", vec![sending(0, None)]).until_ms, 5000);
        let asr = [0, 5000, 15_010, 35_020].map(|at_ms| sending(at_ms, None)).to_vec();
        assert_eq!(lookup("x", asr).until_ms, 75_040);
    }

    #[test]
    fn an_answer_that_comes_too_late_is_none() {
        let late = lookup("x", vec![sending(0, Some(9000)), sending(1000, None)]);
        assert_eq!((late.until_ms, late.ended()), (2000, Ended::Unanswered));
        let slow = lookup("x", vec![sending(0, Some(9000))]);
        assert_eq!((slow.until_ms, slow.ended()), (9000, Ended::Answered));
    }

    #[test]
    fn names_say_what_they_are_asked_for() {
        let address: IpAddr = "192.0.2.9".parse().unwrap();
        let of = |name: &str| lookup(name, vec![sending(0, None)]);
        assert_eq!(of("9.2.0.192.in-addr.arpa").sought(), Sought::Reverse(address));
        assert_eq!(of("9.2.0.192.list.example").sought(), Sought::Listing(address, "list.example"));
        assert_eq!(of("mx.example.org").sought(), Sought::Other);
        assert_eq!(of("1.2.3.4.5.6.in-addr.arpa").sought(), Sought::Other);
    }

    #[test]
    fn each_resolver_is_charged_for_its_own_silence() {
        let mut lookup = lookup("x", vec![sending(0, None), sending(1000, Some(1020))]);
        lookup.sent[1].server = "192.0.2.54:53".parse().unwrap();
        let charged: u64 = lookup.waiting_for("192.0.2.53:53".parse().unwrap()).iter().map(|s| s.length_ms()).sum();
        assert_eq!(charged, 1000);
        assert_eq!(lookup.waiting_for("192.0.2.54:53".parse().unwrap()), [Span { from_ms: 1000, to_ms: 1020 }]);
    }
}
