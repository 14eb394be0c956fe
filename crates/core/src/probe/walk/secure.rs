//! What DNSSEC is checked with, beside what the walk asks anyway: the keys of each zone, proofs that a referral left out, and
//! the answers that mail lives by, each with its signatures.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use futures::future::{BoxFuture, FutureExt, join, join_all};

use super::descent::Errand;
use super::exam::MxSet;
use super::{MAX_EXCHANGERS, Walker};
use crate::questions::dns::walk::{Cut, Ended};
use crate::questions::dns::{Data, Dns, DnsResult, RecordType, Transport};

/// The numbers of NSEC and NSEC3, which prove that there are no DS records.
const PROOFS: [u16; 2] = [47, 50];

/// To how many names after one another aliases of an exchanger are followed.
pub(super) const MAX_ALIASES: usize = 4;

impl Walker<'_> {
    /// Whether there is a trust anchor to validate from.
    pub(super) fn validates(&self) -> bool {
        !self.anchors.is_empty()
    }

    /// A referral says whether the zone below is signed; one that does not is asked for it (RFC 4035 section 3.1.4).
    pub(super) async fn complete(&self, zone: &str, at: SocketAddr, below: &str, referral: &Dns) {
        let DnsResult::Answered { authority, .. } = &referral.wire.result else { return };
        let says = authority.iter().any(|record| match record.data {
            Data::Ds { .. } => true,
            Data::Other { number } => PROOFS.contains(&number),
            _ => false,
        });
        if !says && self.validates() {
            self.ask(zone, at, below, RecordType::Ds, Transport::Udp).await;
        }
    }

    /// The domain's texts, and of each exchanger its addresses and TLSA records, from the zone that holds it.
    pub(super) async fn what_mail_lives_by(&self, cut: &Cut, domain: &str, sets: &BTreeSet<MxSet>) {
        if !self.validates() {
            return;
        }
        let texts = self.ask_one_of(cut, domain, RecordType::Txt, Dns::tells_as_authority);
        let named: BTreeSet<&str> = sets.iter().flatten().map(|(_, host)| host.as_str()).collect();
        let hosts = named.into_iter().filter(|host| !host.is_empty() && host.parse::<std::net::IpAddr>().is_err());
        join(texts, join_all(hosts.take(MAX_EXCHANGERS).map(|host| self.exchanger(cut, host, MAX_ALIASES)))).await;
    }

    /// The names that exchangers are aliases of, by answers to the questions for their addresses: senders that know DANE look
    /// for records there first (RFC 7672 section 2.2.2).
    pub(super) async fn aliases(&self, domain: &Cut, answers: &[Dns], left: usize) {
        let ends = answers.iter().filter_map(|answer| answer.definite()?.alias());
        let ends: BTreeSet<&str> = ends.take(if self.validates() { MAX_EXCHANGERS } else { 0 }).collect();
        if let Some(left) = left.checked_sub(1) {
            join_all(ends.into_iter().map(|end| self.exchanger(domain, end, left))).await;
        }
    }

    fn exchanger<'w>(&'w self, domain: &'w Cut, host: &'w str, aliases: usize) -> BoxFuture<'w, ()> {
        async move {
            let looked_for = [host.to_owned()];
            let (cut, ended) = self.descend(host, None, Errand { looked_for: &looked_for }).await;
            if ended != Ended::Reached {
                return;
            }
            let tlsa = crate::questions::dane::name_of(host);
            let of = |name, rtype| self.ask_one_of(&cut, name, rtype, Dns::tells_as_authority);
            // The addresses of hosts in the domain's own zone are asked for in any case.
            let addresses = async {
                if cut.zone != domain.zone {
                    let v6 = async { if self.v6 { of(host, RecordType::Aaaa).await } else { None } };
                    let (four, six) = join(of(host, RecordType::A), v6).await;
                    let answers: Vec<Dns> = [four, six].into_iter().flatten().map(|(_, answer)| answer).collect();
                    self.aliases(domain, &answers, aliases).await;
                }
            };
            join(addresses, of(&tlsa, RecordType::Tlsa)).await;
        }
        .boxed()
    }

    /// The keys of zones that were met on the way to an exchanger.
    pub(super) async fn keys_of_the_others(&self) {
        if !self.validates() {
            return;
        }
        let trail: Vec<String> = {
            let trail = self.trail.lock().unwrap_or_else(PoisonError::into_inner);
            trail.iter().map(|cut| cut.zone.clone()).collect()
        };
        let others: Vec<Arc<Cut>> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.values().filter(|cut| !trail.contains(&cut.zone)).cloned().collect()
        };
        join_all(others.iter().map(|cut| self.keys(cut))).await;
    }

    /// The keys of a zone, from one of its servers.
    pub(super) async fn keys(&self, cut: &Cut) {
        self.ask_one_of(cut, &cut.zone, RecordType::Dnskey, Dns::authoritative).await;
    }
}
