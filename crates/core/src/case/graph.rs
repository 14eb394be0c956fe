//! How the subjects of a case hang together: domain → host → address → service → certificate or zone.
//!
//! Edges point down, from what depends to what it depends on. Two subjects are *related* where one lies
//! on the other's way down; up and down again (a sibling MX host, our own resolver) is no relation, so
//! the fault of one can never be laid at the door of the other.

use std::collections::{BTreeMap, BTreeSet};

use crate::subject::{Account, Addr, Cert, Domain, Host, Kind, Resolver, Service, Subject, VantageId, Zone};

/// The closed list of links: one that is not in it does not compile.
pub trait Leans<To: Kind>: Kind {}

impl Leans<Host> for Domain {}
impl Leans<Domain> for Domain {}
impl Leans<Zone> for Domain {}
impl Leans<Resolver> for Domain {}
impl Leans<Addr> for Host {}
impl Leans<Service> for Addr {}
impl Leans<Cert> for Service {}
impl Leans<Zone> for Service {}
impl Leans<Resolver> for Service {}
impl Leans<Zone> for Addr {}
impl Leans<Service> for Account {}
impl Leans<Domain> for Account {}
impl Leans<Resolver> for VantageId {}
impl Leans<Addr> for VantageId {}

/// The edges of a case.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    down: BTreeMap<Subject, BTreeSet<Subject>>,
}

impl Graph {
    /// Notes that `from` leans on `to`.
    pub fn leans<F: Leans<T>, T: Kind>(&mut self, from: &F, to: &T) {
        let (from, to): (Subject, Subject) = (from.clone().into(), to.clone().into());
        self.down.entry(to.clone()).or_default();
        self.down.entry(from).or_default().insert(to);
    }

    /// Notes that a subject is there, even where nothing is known to hang on it yet.
    pub fn note(&mut self, subject: Subject) {
        self.down.entry(subject).or_default();
    }

    /// What `from` directly leans on, of one kind, in order.
    pub fn below<K: Kind>(&self, from: &Subject) -> Vec<K> {
        self.down.get(from).into_iter().flatten().filter_map(K::of).cloned().collect()
    }

    /// What directly leans on `to`, of one kind, in order.
    pub fn above<K: Kind>(&self, to: &Subject) -> Vec<K> {
        self.down.iter().filter(|(_, below)| below.contains(to)).filter_map(|(from, _)| K::of(from)).cloned().collect()
    }

    /// Every subject of one kind, in order.
    pub fn all<K: Kind>(&self) -> Vec<K> {
        self.down.keys().filter_map(K::of).cloned().collect()
    }

    /// Whether one lies on the other's way down, or both are the same.
    pub fn related(&self, one: &Subject, other: &Subject) -> bool {
        self.reaches(one, other) || self.reaches(other, one)
    }

    /// Whether `to` lies on the way down from `from`.
    pub fn reaches(&self, from: &Subject, to: &Subject) -> bool {
        let mut todo = vec![from];
        let mut been = BTreeSet::new();
        while let Some(at) = todo.pop() {
            if at == to {
                return true;
            }
            if been.insert(at) {
                todo.extend(self.down.get(at).into_iter().flatten());
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_mx() -> Graph {
        let mut graph = Graph::default();
        let domain = Domain::new("example.org");
        for (host, last) in [("mx1.example.org", 1), ("mx2.example.org", 2)] {
            let (host, addr) = (Host::new(host), Addr(std::net::Ipv4Addr::new(192, 0, 2, last).into()));
            graph.leans(&domain, &host);
            graph.leans(&host, &addr);
            graph.leans(&addr, &Service(std::net::SocketAddr::new(addr.0, 25)));
        }
        graph
    }

    #[test]
    fn a_host_is_related_to_what_is_above_and_below_it() {
        let graph = two_mx();
        let host = Host::new("mx1.example.org").into();
        assert!(graph.related(&host, &Domain::new("example.org").into()));
        assert!(graph.related(&host, &"service:192.0.2.1:25".parse().unwrap()));
    }

    #[test]
    fn a_sibling_is_no_relation() {
        let graph = two_mx();
        assert!(!graph.related(&Host::new("mx1.example.org").into(), &Host::new("mx2.example.org").into()));
        assert!(!graph.related(&Host::new("mx1.example.org").into(), &"service:192.0.2.2:25".parse().unwrap()));
    }

    #[test]
    fn a_circle_of_links_ends() {
        let mut graph = Graph::default();
        let (a, b) = (Domain::new("a.example"), Domain::new("b.example"));
        graph.leans(&a, &b);
        graph.leans(&b, &a);
        assert!(!graph.reaches(&a.into(), &Domain::new("c.example").into()));
    }
}
