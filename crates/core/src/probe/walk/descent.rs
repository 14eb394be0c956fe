//! From zone to zone: who is said to serve the next, and where those servers are.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};

use futures::future::{BoxFuture, FutureExt, join};

use super::{MAX_ADDRESSES, MAX_CUTS, MAX_DEPTH, MAX_HOSTS, ROOT_PATIENCE, Walker};
use crate::questions::dns::walk::{Cut, Ended, NameServer, Source, Step, lies_in};
use crate::questions::dns::{Dns, RecordType, Transport, same_name};

/// Who asks: the walk itself, or the search for a name server's address, with the zones whose servers are looked for.
#[derive(Clone, Copy)]
pub(super) struct Errand<'e> {
    /// The zones, or the host; empty for the walk itself.
    pub(super) looked_for: &'e [String],
}

impl Errand<'_> {
    fn is_the_walk(self) -> bool {
        self.looked_for.is_empty()
    }
}

impl Walker<'_> {
    /// Walks down to the zone that holds the domain; `None` where no root server answers.
    pub(super) async fn descend_to(&self, domain: &str) -> Option<Ended> {
        let root = self.known_above(domain);
        let first = self.ask_one_of(&root, domain, RecordType::Ns, |a| a.step(".", domain) != Step::Astray);
        let first = tokio::time::timeout(ROOT_PATIENCE, first).await.ok().flatten()?;
        let (cut, ended) = self.descend(domain, Some(first), Errand { looked_for: &[] }).await;
        if matches!(ended, Ended::Reached | Ended::DeadEnd) && cut.zone != "." {
            // Every server of this zone will be asked: the addresses of all of them are wanted.
            let all = self.addressed(&cut.zone, &cut.servers, usize::MAX, Errand { looked_for: &[] }).await;
            let mut trail = self.trail.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(last) = trail.last_mut() {
                last.servers = all;
            }
        }
        Some(ended)
    }

    /// The deepest zone known that a name lies in.
    fn known_above(&self, name: &str) -> Arc<Cut> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let deepest = known.values().filter(|cut| lies_in(name, &cut.zone)).max_by_key(|cut| cut.zone.len());
        deepest
            .cloned()
            .unwrap_or_else(|| Arc::new(Cut { zone: ".".to_owned(), servers: Vec::new(), told_by: None, asked: None }))
    }

    /// Goes down to the zone that holds a name. `first` is an answer that is there already.
    pub(super) async fn descend(
        &self,
        name: &str,
        mut first: Option<(SocketAddr, Dns)>,
        errand: Errand<'_>,
    ) -> (Arc<Cut>, Ended) {
        let mut cut = self.known_above(name);
        for _ in 0..MAX_CUTS {
            if same_name(&cut.zone, name) {
                return (cut, Ended::Reached);
            }
            let answer = match first.take() {
                Some(answer) => Some(answer),
                None => self.ask_one_of(&cut, name, RecordType::Ns, |a| a.step(&cut.zone, name) != Step::Astray).await,
            };
            let Some((at, answer)) = answer else {
                return (cut, Ended::DeadEnd);
            };
            if errand.is_the_walk() {
                let mut trail = self.trail.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(last) = trail.last_mut() {
                    last.asked = Some(at);
                }
            }
            let (zone, hosts) = match answer.step(&cut.zone, name) {
                Step::Referral { zone, hosts } => {
                    self.complete(&cut.zone, at, &zone, &answer).await;
                    (zone, hosts)
                }
                // The same server serves the zone below as well, and answers for it without a referral.
                Step::Here { apex: Some(apex) } if !same_name(&apex, &cut.zone) && lies_in(&apex, &cut.zone) => {
                    let there = self.ask(&cut.zone, at, &apex, RecordType::Ns, Transport::Udp).await;
                    // It gives no referral for the child, and so no DS along with one.
                    self.ask(&cut.zone, at, &apex, RecordType::Ds, Transport::Udp).await;
                    match there.map(|a| (a.name_servers(&apex), apex)) {
                        Some((hosts, apex)) if !hosts.is_empty() => (apex, hosts),
                        _ => return (cut, Ended::Reached),
                    }
                }
                Step::Here { .. } => return (cut, Ended::Reached),
                Step::NoSuchName => return (cut, Ended::NoSuchName),
                Step::Astray => return (cut, Ended::DeadEnd),
            };
            cut = self.enter(zone, hosts, at, &answer, &cut, errand).await;
        }
        (cut, Ended::Unfinished)
    }

    /// Notes who serves the next zone, with the addresses that came along or can be found.
    async fn enter(
        &self,
        zone: String,
        hosts: Vec<String>,
        told_by: SocketAddr,
        answer: &Dns,
        parent: &Cut,
        errand: Errand<'_>,
    ) -> Arc<Cut> {
        let servers: Vec<NameServer> = hosts
            .into_iter()
            .take(MAX_HOSTS)
            .map(|host| {
                // Addresses of hosts outside the parent's zone are hearsay.
                let mut addresses = if lies_in(&host, &parent.zone) { answer.glue(&host) } else { Vec::new() };
                addresses.truncate(MAX_ADDRESSES);
                let source = if addresses.is_empty() { Source::None } else { Source::Glue };
                NameServer { host, addresses, source }
            })
            .collect();
        let reachable = servers.iter().flat_map(|s| &s.addresses).any(|ip| self.v6 || ip.is_ipv4());
        let enough = if reachable { 0 } else { 2 };
        let servers = self.addressed(&zone, &servers, enough, errand).await;
        let cut = Arc::new(Cut { zone: zone.clone(), servers, told_by: Some(told_by), asked: None });
        if errand.is_the_walk() {
            self.trail.lock().unwrap_or_else(PoisonError::into_inner).push((*cut).clone());
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(zone, cut.clone());
        cut
    }

    /// The servers with their addresses looked up where none came along, until `enough` hosts have some.
    async fn addressed(
        &self,
        zone: &str,
        servers: &[NameServer],
        enough: usize,
        errand: Errand<'_>,
    ) -> Vec<NameServer> {
        let mut found = Vec::with_capacity(servers.len());
        let mut done = 0;
        for server in servers {
            let mut server = server.clone();
            if server.addresses.is_empty() && done < enough {
                (server.addresses, server.source) = self.find_host(zone, &server.host, errand).await;
                done += usize::from(!server.addresses.is_empty());
            }
            found.push(server);
        }
        found
    }

    /// The addresses of a name server, looked up from the root like any other name.
    fn find_host<'w>(
        &'w self,
        zone: &'w str,
        host: &'w str,
        errand: Errand<'w>,
    ) -> BoxFuture<'w, (Vec<IpAddr>, Source)> {
        async move {
            // A host within the zone it serves, or within one whose servers are being looked for, cannot be reached
            // without the address that should have come along.
            if lies_in(host, zone) || errand.looked_for.iter().any(|z| lies_in(host, z)) {
                return (Vec::new(), if lies_in(host, zone) { Source::None } else { Source::Loop });
            }
            if errand.looked_for.len() >= MAX_DEPTH {
                return (Vec::new(), Source::Loop);
            }
            let looked_for = [errand.looked_for, &[zone.to_owned()]].concat();
            let (cut, ended) = self.descend(host, None, Errand { looked_for: &looked_for }).await;
            if ended != Ended::Reached {
                let circle = cut.servers.iter().any(|s| s.source == Source::Loop);
                return (Vec::new(), if circle { Source::Loop } else { Source::None });
            }
            let of = |rtype| self.ask_one_of(&cut, host, rtype, Dns::tells_as_authority);
            let v6 = async { if self.v6 { of(RecordType::Aaaa).await } else { None } };
            let (four, six) = join(of(RecordType::A), v6).await;
            let mut addresses = Vec::new();
            for (_, answer) in [four, six].into_iter().flatten() {
                addresses.extend(answer.definite().map(|a| a.addresses()).unwrap_or_default());
            }
            addresses.truncate(MAX_ADDRESSES);
            let source = if addresses.is_empty() { Source::None } else { Source::LookedUp };
            (addresses, source)
        }
        .boxed()
    }
}
