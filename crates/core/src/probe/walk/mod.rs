//! The walk from the root down to a domain, each name server asked itself.
//!
//! It stands beside the rest of a run and never holds it up: every question has a short limit, two servers are asked
//! at once and the next when both hesitate, and where no root server answers (a closed network) it ends at once and blames nobody.

mod descent;
mod exam;
mod secure;
mod servers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Context;
use crate::questions::dns::Via;
use crate::questions::dns::walk::{Anchor, Cut, Ended, NameServer, Source, Walk, WalkWire};
use crate::roots::Roots;
use crate::subject::Domain;

/// How long the walk may take in all.
const WALK_LIMIT: Duration = Duration::from_secs(20);

/// How long any root server may take to give the first answer.
const ROOT_PATIENCE: Duration = Duration::from_millis(1500);

/// The most questions of one walk: a domain with a dozen servers takes about a hundred.
const MAX_QUESTIONS: usize = 400;

/// How much of answers one walk may hold, in octets of JSON: a domain with a dozen servers takes a quarter of it.
const MAX_HELD: usize = 2 << 20;

/// The most zones between the root and a name.
const MAX_CUTS: usize = 16;

/// How deep the search for a name server's address may lead into other zones.
const MAX_DEPTH: usize = 5;

/// The most hosts of one zone's NS records that are looked at.
const MAX_HOSTS: usize = 13;

/// The most addresses of a name server that are asked.
const MAX_ADDRESSES: usize = 4;

/// The most servers of the domain's zone that are asked everything.
const MAX_SERVERS: usize = 16;

/// The most exchangers that are looked for in zones of their own.
const MAX_EXCHANGERS: usize = 6;

/// A walk under way.
struct Walker<'c> {
    context: &'c Context,
    port: u16,
    /// IPv6 servers are asked only where there is a way to them.
    v6: bool,
    /// What is known so far, by zone.
    known: Mutex<BTreeMap<String, Arc<Cut>>>,
    /// The zones from the root down to the domain, as they were found.
    trail: Mutex<Vec<Cut>>,
    /// Servers that were silent: they are asked last.
    silent: Mutex<BTreeSet<SocketAddr>>,
    questions: AtomicUsize,
    /// What the answers so far come to, in octets of JSON.
    held: AtomicUsize,
    /// The keys of the root that are trusted; empty where nothing is to be validated.
    anchors: Vec<Anchor>,
}

/// Walks down to the domain and asks every server of its zone; then asks the resolvers again where they differ.
pub async fn walk(context: &Context, domain: &str, roots: &Roots) {
    let walker = Walker::new(context, roots);
    let limit = WALK_LIMIT.min(context.left());
    let (ended, times) = context.timed(async { tokio::time::timeout(limit, walker.descend_to(domain)).await }).await;
    let ended = ended.unwrap_or(Some(Ended::Unfinished));
    let Some(ended) = ended else {
        let subject = Some(Domain::new(domain).into());
        let because = "the root servers do not answer from here, so the DNS was not walked";
        context.recorder.skip("dns.walk/1", subject, because, "");
        return;
    };
    let wire = walker.wire(ended);
    context.record(&Walk, &Domain::new(domain), times, &wire);
    let left = limit.saturating_sub(times.1);
    // What was not asked in time is not in the case, and rules are told so.
    let _ = tokio::time::timeout(left, walker.examine(domain, &wire)).await;
}

impl<'c> Walker<'c> {
    fn new(context: &'c Context, roots: &Roots) -> Self {
        let v6 = context.vantage.source_for(([0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30], 53).into()).is_some();
        let servers = roots
            .servers
            .iter()
            .map(|root| NameServer {
                host: root.host.clone(),
                addresses: root.addresses.clone(),
                source: Source::Hints,
            })
            .collect();
        let root = Cut { zone: ".".to_owned(), servers, told_by: None, asked: None };
        Self {
            context,
            port: context.options.ports.named("dns").unwrap_or(53),
            v6,
            known: Mutex::new(BTreeMap::from([(".".to_owned(), Arc::new(root.clone()))])),
            trail: Mutex::new(vec![root]),
            silent: Mutex::default(),
            questions: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            anchors: roots.anchors.clone(),
        }
    }

    fn wire(&self, ended: Ended) -> WalkWire {
        let cuts = self.trail.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let questions = self.questions.load(std::sync::atomic::Ordering::SeqCst);
        WalkWire { cuts, ended, port: self.port, questions, anchors: self.anchors.clone() }
    }

    /// The servers of a zone that can be asked from here, each address once, those that were silent last.
    fn places(&self, cut: &Cut) -> Vec<SocketAddr> {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places: Vec<SocketAddr> = Vec::new();
        for (_, at) in cut.places(self.port) {
            if (self.v6 || at.is_ipv4()) && !places.contains(&at) {
                places.push(at);
            }
        }
        places.sort_by_key(|at| silent.contains(at));
        places
    }
}

/// The way to ask a server itself.
fn via(at: SocketAddr) -> Via {
    Via::Authoritative(at)
}
