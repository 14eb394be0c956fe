//! Who is connected, and who was looked up already.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use maildoctor_wire::console;

/// Clients that are remembered at once; beyond that each is looked up at every visit.
const MAX_CACHED: usize = 4096;

#[derive(Debug)]
struct Visit {
    at: Instant,
    listed: Option<String>,
}

/// What the lookups of clients gave, until the service stops.
#[derive(Debug, Default)]
pub struct Cache(Mutex<HashMap<IpAddr, Visit>>);

impl Cache {
    /// Whether a client is known, and which blacklist lists it.
    pub(super) fn get(&self, client: IpAddr) -> Option<Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&client).map(|visit| visit.listed.clone())
    }

    /// Remembers what was found.
    pub(super) fn keep(&self, client: IpAddr, listed: Option<String>) {
        let mut visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if visits.len() < MAX_CACHED {
            visits.insert(client, Visit { at: Instant::now(), listed });
        }
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// All of it, the latest first.
    pub(crate) fn list(&self) -> Vec<console::Cached> {
        let visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> = visits
            .iter()
            .map(|(client, visit)| console::Cached {
                client: *client,
                age_ms: age_ms(visit.at),
                listed: visit.listed.clone(),
            })
            .collect();
        list.sort_by_key(|cached| (cached.age_ms, cached.client));
        list
    }
}

#[derive(Debug)]
struct Here {
    server: String,
    client: SocketAddr,
    since: Instant,
    last: String,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    here: BTreeMap<u64, Here>,
}

/// The sessions that are open.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<Table>);

impl Sessions {
    /// Notes a session, for as long as what is given back lives.
    pub(super) fn enter(&self, server: &str, client: SocketAddr) -> Present<'_> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.last += 1;
        let number = table.last;
        let here = Here { server: server.to_owned(), client, since: Instant::now(), last: "CONNECT".to_owned() };
        table.here.insert(number, here);
        Present { sessions: self, number }
    }

    /// All of them, the oldest first.
    pub(crate) fn list(&self) -> Vec<console::Session> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = |here: &Here| console::Session {
            server: here.server.clone(),
            client: here.client,
            age_ms: age_ms(here.since),
            last: here.last.clone(),
        };
        table.here.values().map(session).collect()
    }
}

/// A session's place in the table; it leaves when this is dropped.
pub(super) struct Present<'a> {
    sessions: &'a Sessions,
    number: u64,
}

impl Present<'_> {
    /// Notes what it does now: a command without its argument, which may be a secret.
    pub(super) fn does(&self, command: &str) {
        let mut table = self.sessions.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = table.here.get_mut(&self.number) {
            command.clone_into(&mut here.last);
        }
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.sessions.0.lock().unwrap_or_else(PoisonError::into_inner).here.remove(&self.number);
    }
}

fn age_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
