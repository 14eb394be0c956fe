//! What all probes of a run share: options, recorder, vantage, trust, deadline and the AUTH budget.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::tls::Trusted;
use crate::case::{ObsId, Question, Recorder};
use crate::options::Options;
use crate::questions::dns::{DnsWire, RecordType, ReverseNames, Via};
use crate::subject::Addr;
use crate::vantage::{Asking, Vantage};

/// AUTH exchanges that a server may reject in one run, over all ports, hosts and vantages.
pub const MAX_REJECTED_AUTH: usize = 2;

/// Kept back from the deadline, so that what is still waited for can be written down.
const RESERVE: Duration = Duration::from_millis(250);

/// The count of rejected AUTH exchanges of the whole run.
#[derive(Debug, Default)]
pub struct AuthBudget(AtomicUsize);

impl AuthBudget {
    /// Whether another try may be made.
    pub fn left(&self) -> bool {
        self.0.load(Ordering::SeqCst) < MAX_REJECTED_AUTH
    }

    /// Notes a rejection.
    pub fn rejected(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether the credentials were refused: nobody tries them again.
    pub fn spent(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }
}

/// What the probes of one vantage share.
pub struct Context {
    /// The options of the run.
    pub options: Arc<Options>,
    /// Where observations go.
    pub recorder: Recorder,
    /// The place we look from.
    pub vantage: Vantage,
    /// The roots we trust.
    pub trusted: Arc<Trusted>,
    /// When the run ends.
    pub deadline: Instant,
    /// The AUTH budget, shared by all vantages.
    pub budget: Arc<AuthBudget>,
    names: Mutex<HashMap<IpAddr, Arc<OnceCell<String>>>>,
}

impl Context {
    /// A context for one vantage.
    pub fn new(
        options: Arc<Options>,
        recorder: Recorder,
        vantage: Vantage,
        trusted: Arc<Trusted>,
        deadline: Instant,
        budget: Arc<AuthBudget>,
    ) -> Self {
        Self { options, recorder, vantage, trusted, deadline, budget, names: Mutex::default() }
    }

    /// What is left of the run.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).saturating_sub(RESERVE)
    }

    /// The bound of one step: `--timeout`, or what is left of the run.
    pub fn limit(&self) -> Duration {
        self.options.timeout.min(self.left())
    }

    /// Does something and gives when it began and how long it took, for the record.
    pub async fn timed<T>(&self, work: impl Future<Output = T>) -> (T, (Duration, Duration)) {
        let at = self.recorder.now();
        let out = work.await;
        (out, (at, self.recorder.now() - at))
    }

    /// Writes down an answer.
    pub fn record<Q: Question>(
        &self,
        question: &Q,
        on: &Q::On,
        times: (Duration, Duration),
        wire: &Q::Wire,
    ) -> Option<ObsId> {
        self.recorder.record(question, on, &self.vantage.id, times, wire)
    }

    /// The server behind a way to ask the DNS.
    pub fn server(&self, via: Via) -> SocketAddr {
        match via {
            Via::Own => self.vantage.resolver(),
            Via::Foreign(addr) | Via::Server(addr) | Via::Authoritative(addr) => addr,
        }
    }

    /// Looks a name up and writes the answer down as one to `question`.
    pub async fn lookup<Q: Question<Wire = DnsWire>>(
        &self,
        question: &Q,
        on: &Q::On,
        via: Via,
        name: &str,
        rtype: RecordType,
    ) -> DnsWire {
        let asking = Asking { recursion: !matches!(via, Via::Authoritative(_)), ..Asking::default() };
        self.lookup_as(question, on, via, name, rtype, asking).await
    }

    /// The same, asked in another way than a resolver usually is.
    pub async fn lookup_as<Q: Question<Wire = DnsWire>>(
        &self,
        question: &Q,
        on: &Q::On,
        via: Via,
        name: &str,
        rtype: RecordType,
        asking: Asking,
    ) -> DnsWire {
        let asking = Asking { limit: asking.limit.min(self.left()), ..asking };
        let _step = self.recorder.step(format!("{name} {} from {}", rtype.name(), self.server(via)));
        // On the heap: lookups are awaited in many places, and each would have room for the whole of one.
        let (wire, times) = self.timed(Box::pin(self.vantage.lookup(self.server(via), name, rtype, asking))).await;
        self.record(question, on, times, &wire);
        wire
    }

    /// Our EHLO name for connections from a source address: as given, or the reverse name where it
    /// confirms, or an address literal. It is looked up once for each address.
    pub async fn helo(&self, source: Option<SocketAddr>) -> String {
        if let Some(given) = &self.options.helo {
            return given.clone();
        }
        let Some(source) = source.map(|s| s.ip()) else {
            return "[127.0.0.1]".to_owned();
        };
        let cell = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.entry(source).or_default().clone()
        };
        // Not cut short: how long our own name takes is what the server may be waiting for too.
        cell.get_or_init(|| async { self.confirmed_name(source).await.unwrap_or_else(|| literal(source)) })
            .await
            .clone()
    }

    async fn confirmed_name(&self, source: IpAddr) -> Option<String> {
        let ptr_name = maildoctor_wire::rdns::ptr_name(source);
        let via = Via::Own;
        let answer = self.lookup(&ReverseNames { via }, &Addr(source), via, &ptr_name, RecordType::Ptr).await;
        let view = crate::questions::dns::Dns { wire: answer };
        let name = view.definite()?.names().first().map(|n| (*n).to_owned())?;
        let addresses = super::dns::addresses(self, &name, via).await;
        addresses.contains(&source).then_some(name)
    }
}

/// An address literal (RFC 5321 section 4.1.3).
fn literal(source: IpAddr) -> String {
    match source {
        IpAddr::V4(v4) => format!("[{v4}]"),
        IpAddr::V6(v6) => format!("[IPv6:{v6}]"),
    }
}
