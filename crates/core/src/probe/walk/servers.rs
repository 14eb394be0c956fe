//! Asking the servers of a zone: two at once, and the others without waiting for those that hesitate.

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::{MAX_HELD, MAX_QUESTIONS, Walker, via};
use crate::questions::dns::walk::{Authoritative, Cut};
use crate::questions::dns::{Dns, RecordType, Transport};
use crate::subject::Domain;
use crate::vantage::Asking;

/// After this long the next server is asked as well.
const HESITATION: Duration = Duration::from_millis(350);

/// How many servers are asked at once.
const AT_ONCE: usize = 2;

/// The most servers of one zone that are tried to find the way on.
const MAX_TRIES: usize = 6;

/// How long one server may take to answer, and when it is asked again.
pub(super) const SERVER_LIMIT: Duration = Duration::from_millis(3500);
const SERVER_RETRY: [Duration; 2] = [Duration::from_millis(1000), Duration::from_millis(2200)];

impl Walker<'_> {
    /// One question to one server of a zone; `None` where there were too many questions already, or too much was answered.
    pub(super) async fn ask(
        &self,
        zone: &str,
        at: SocketAddr,
        name: &str,
        rtype: RecordType,
        transport: Transport,
    ) -> Option<Dns> {
        if self.held.load(Ordering::SeqCst) >= MAX_HELD
            || self.questions.fetch_add(1, Ordering::SeqCst) >= MAX_QUESTIONS
        {
            return None;
        }
        let question = Authoritative { name: name.to_owned(), rtype, via: via(at), transport };
        let asking = Asking {
            signatures: true,
            over_tcp: transport == Transport::Tcp,
            limit: SERVER_LIMIT,
            retry_at: SERVER_RETRY,
            ..Asking::default()
        };
        let wire = self.context.lookup_as(&question, &Domain::new(zone), via(at), name, rtype, asking).await;
        self.held.fetch_add(serde_json::to_vec(&wire).map_or(0, |octets| octets.len()), Ordering::SeqCst);
        let answer = Dns { wire };
        if answer.unanswered() && transport == Transport::Udp {
            self.silent.lock().unwrap_or_else(PoisonError::into_inner).insert(at);
        }
        Some(answer)
    }

    /// The first usable answer of any server of a zone. Two are asked at once, so that one that is dead costs no time; where
    /// both hesitate the next is asked beside them.
    pub(super) async fn ask_one_of(
        &self,
        cut: &Cut,
        name: &str,
        rtype: RecordType,
        usable: impl Fn(&Dns) -> bool,
    ) -> Option<(SocketAddr, Dns)> {
        let mut waiting = self.places(cut).into_iter().take(MAX_TRIES);
        let mut asked = FuturesUnordered::new();
        let put = |at: SocketAddr| async move {
            let answer = self.ask(&cut.zone, at, name, rtype, Transport::Udp).await;
            (at, answer)
        };
        asked.push(put(waiting.next()?));
        asked.extend(waiting.by_ref().take(AT_ONCE - 1).map(put));
        loop {
            match tokio::time::timeout(HESITATION, asked.next()).await {
                Ok(Some((at, Some(answer)))) if usable(&answer) => return Some((at, answer)),
                Ok(Some((_, None))) => return None,
                // An answer that leads nowhere, or hesitation: the next one's turn.
                Ok(Some(_)) | Err(_) => match waiting.next() {
                    Some(next) => asked.push(put(next)),
                    None if asked.is_empty() => return None,
                    None => {}
                },
                Ok(None) => return None,
            }
        }
    }
}
