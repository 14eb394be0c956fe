//! What we leave on the wire ourselves, so that a capture on the same host can tell it from what the server does.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The most footprints that are kept of each kind: far above what a run leaves.
const MAX_FOOTPRINTS: usize = 100_000;

/// Our own questions and connections. Cloning it gives another pen for the same list.
#[derive(Debug, Clone, Default)]
pub struct Footprints(Arc<Mutex<Left>>);

#[derive(Debug, Default)]
struct Left {
    questions: BTreeSet<(u16, u16)>,
    connections: BTreeSet<SocketAddr>,
}

impl Footprints {
    /// Notes a DNS question that we send from a local port under an id.
    pub fn note_question(&self, port: u16, id: u16) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if left.questions.len() < MAX_FOOTPRINTS {
            left.questions.insert((port, id));
        }
    }

    /// Notes a connection of ours by its local end.
    pub fn note_connection(&self, local: SocketAddr) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if left.connections.len() < MAX_FOOTPRINTS {
            left.connections.insert(local);
        }
    }

    /// The footprints of several places in one list.
    pub fn together<'f>(all: impl IntoIterator<Item = &'f Footprints>) -> Self {
        let mut together = Left::default();
        for footprints in all {
            let left = footprints.0.lock().unwrap_or_else(PoisonError::into_inner);
            together.questions.extend(&left.questions);
            together.connections.extend(&left.connections);
        }
        Self(Arc::new(Mutex::new(together)))
    }

    /// Whether a question from that port under that id was ours.
    pub fn asked(&self, port: u16, id: u16) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).questions.contains(&(port, id))
    }

    /// Whether a connection with that end was ours.
    pub fn connected(&self, local: SocketAddr) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).connections.contains(&local)
    }
}
