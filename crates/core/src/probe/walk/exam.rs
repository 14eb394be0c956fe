//! Every server of the domain's zone asked the same questions at the same time, and the resolvers held against them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::{join, join_all, join3, join4};

use super::secure::MAX_ALIASES;
use super::{MAX_SERVERS, Walker};
use crate::chance;
use crate::questions::dns::walk::{Again, Cut, Standing, WalkWire, lies_in};
use crate::questions::dns::{Dns, RecordType, Transport, Via};
use crate::subject::Domain;
use crate::vantage::Asking;

/// The time between two questions that shows whether a TTL counts down: TTLs are whole seconds.
const COUNT_DOWN: Duration = Duration::from_millis(2100);

/// The most exchangers and name servers whose addresses the zone's servers are asked for.
const MAX_NAMES: usize = 6;

/// The most servers that are asked for those.
const MAX_ASKED: usize = 4;

/// How long a resolver may take to be compared: it has answered the same question before.
const RESOLVER_LIMIT: Duration = Duration::from_secs(3);

/// The MX set of an answer: preference and host.
pub(super) type MxSet = BTreeSet<(u16, String)>;

impl Walker<'_> {
    /// Asks all servers of the zone that holds the domain, one server of each zone above, and the resolvers.
    pub(super) async fn examine(&self, domain: &str, walk: &WalkWire) {
        let above = self.above(walk);
        let Some(cut) = walk.zone().filter(|cut| cut.zone != ".") else {
            above.await;
            return;
        };
        if !cut.zone.contains('.') {
            // A top-level domain that answers for a name itself does so by a wildcard, or holds it.
            join(above, self.wildcard(cut, domain)).await;
            return;
        }
        let places: Vec<SocketAddr> = self.places(cut).into_iter().take(MAX_SERVERS).collect();
        let asked = join_all(places.iter().map(|at| self.server(cut, *at, domain)));
        let (answers, ()) = join(asked, above).await;
        let serving: Vec<SocketAddr> =
            places.iter().zip(&answers).filter(|(_, (ok, _))| *ok).map(|(at, _)| *at).collect();
        let sets: BTreeSet<MxSet> = answers.into_iter().filter_map(|(_, mx)| mx).collect();
        let mail = self.what_mail_lives_by(cut, domain, &sets);
        let hosts = async {
            let exchangers = self.hosts(cut, &serving, &sets).await;
            self.aliases(cut, &exchangers, MAX_ALIASES).await;
        };
        join3(hosts, self.compare(domain, &sets), mail).await;
        self.keys_of_the_others().await;
    }

    /// One server: does it serve the zone, over UDP and TCP, who else does, where does the mail go, and with which keys is
    /// that signed?
    async fn server(&self, cut: &Cut, at: SocketAddr, domain: &str) -> (bool, Option<MxSet>) {
        let zone = cut.zone.as_str();
        let keys = async {
            if self.validates() {
                self.ask(zone, at, zone, RecordType::Dnskey, Transport::Udp).await;
            }
        };
        let asked = join4(
            self.ask(zone, at, zone, RecordType::Soa, Transport::Udp),
            self.ask(zone, at, zone, RecordType::Ns, Transport::Udp),
            self.ask(zone, at, domain, RecordType::Mx, Transport::Udp),
            self.ask(zone, at, zone, RecordType::Soa, Transport::Tcp),
        );
        let ((soa, _, mx, _), ()) = join(asked, keys).await;
        let serves = soa.is_some_and(|a| matches!(a.standing(zone), Standing::Serves { .. }));
        (serves, mx.filter(|a| serves && a.authoritative()).and_then(|a| mx_set(&a)))
    }

    /// One server of each zone on the way: over TCP, and the keys of the zone.
    async fn above(&self, walk: &WalkWire) {
        let last = walk.cuts.len().saturating_sub(1);
        let each_asked = self.validates() && walk.zone().is_some_and(|cut| cut.zone.contains('.') && cut.zone != ".");
        join_all(walk.cuts.iter().enumerate().map(|(place, cut)| async move {
            let tcp = async {
                if let Some(at) = cut.asked.filter(|_| place < last) {
                    self.ask(&cut.zone, at, &cut.zone, RecordType::Soa, Transport::Tcp).await;
                }
            };
            let keys = async {
                // Each server of the domain's own zone is asked for its keys.
                if place < last || !each_asked {
                    self.keys(cut).await;
                }
            };
            join(tcp, keys).await;
        }))
        .await;
    }

    /// The domain's address and that of a name beside it which cannot exist, from a zone that delegates neither.
    async fn wildcard(&self, cut: &Cut, domain: &str) {
        let nobody = format!("maildoctor-{:016x}.{}", chance::number(), cut.zone);
        let of =
            |name: String| async move { self.ask_one_of(cut, &name, RecordType::A, Dns::tells_as_authority).await };
        join(of(domain.to_owned()), of(nobody)).await;
    }

    /// The addresses, as the zone itself has them, of exchangers and name servers within it. Gives those of the exchangers.
    async fn hosts(&self, cut: &Cut, serving: &[SocketAddr], sets: &BTreeSet<MxSet>) -> Vec<Dns> {
        let exchangers: BTreeSet<&str> = sets.iter().flatten().map(|(_, host)| host.as_str()).collect();
        let names: BTreeSet<&str> = cut
            .servers
            .iter()
            .map(|s| s.host.as_str())
            .chain(exchangers.iter().copied())
            .filter(|name| !name.is_empty() && lies_in(name, &cut.zone))
            .collect();
        let questions = names.into_iter().take(MAX_NAMES).flat_map(|name| {
            let types = if self.v6 { &[RecordType::A, RecordType::Aaaa][..] } else { &[RecordType::A] };
            serving.iter().take(MAX_ASKED).flat_map(move |at| types.iter().map(move |rtype| (name, *at, *rtype)))
        });
        let asked = questions
            .map(|(name, at, rtype)| async move { (name, self.ask(&cut.zone, at, name, rtype, Transport::Udp).await) });
        let answers = join_all(asked).await.into_iter().filter(|(name, _)| exchangers.contains(name));
        answers.filter_map(|(_, answer)| answer).collect()
    }

    /// The resolvers asked once more; one that gives another answer than the zone's servers a second time, for its TTL.
    async fn compare(&self, domain: &str, sets: &BTreeSet<MxSet>) {
        if sets.is_empty() {
            return;
        }
        let foreign = self.context.options.foreign_resolvers.iter().map(|at| Via::Foreign(*at));
        join_all(std::iter::once(Via::Own).chain(foreign).map(|via| async move {
            let first = self.again(domain, RecordType::Mx, via, 1).await;
            if mx_set(&first).is_some_and(|mx| !sets.contains(&mx)) {
                tokio::time::sleep(COUNT_DOWN).await;
                self.again(domain, RecordType::Mx, via, 2).await;
            }
        }))
        .await;
    }

    async fn again(&self, domain: &str, rtype: RecordType, via: Via, turn: u8) -> Dns {
        let asking = Asking { limit: RESOLVER_LIMIT, ..Asking::default() };
        let question = Again { rtype, via, turn };
        let wire = self.context.lookup_as(&question, &Domain::new(domain), via, domain, rtype, asking).await;
        Dns { wire }
    }
}

fn mx_set(answer: &Dns) -> Option<MxSet> {
    let answer = answer.definite()?;
    Some(answer.mx().into_iter().map(|(preference, host)| (preference, host.to_ascii_lowercase())).collect())
}
