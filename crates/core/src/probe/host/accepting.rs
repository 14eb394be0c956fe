//! Connections that the kernel has taken and no process yet: looked at several times a second, from the kernel's list of
//! sockets. It needs no rights.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::sockets::sockets;
use crate::case::millis;
use crate::questions::host::accepting::Lying;
use crate::questions::host::sockets::{ESTABLISHED, Entry};

/// How often it is looked.
const PERIOD: Duration = Duration::from_millis(150);

/// The most connections that are written down.
const MAX_LYING: usize = 4_000;

/// The most connections that are remembered at all.
const MAX_MET: usize = 100_000;

/// A watch over the ports of the server, until it is ended or dropped.
#[derive(Debug)]
pub struct Accepts {
    stop: Arc<AtomicBool>,
    watcher: Option<JoinHandle<Ledger>>,
}

/// A connection: the server's end, and the client's.
type Ends = (SocketAddr, SocketAddr);

/// What was seen.
#[derive(Debug, Default)]
pub struct Ledger {
    met: BTreeSet<Ends>,
    open: BTreeMap<Ends, Lying>,
    done: Vec<(SocketAddr, Lying)>,
}

impl Accepts {
    /// Begins to watch these ports; `start` is the instant from which times count.
    pub fn begin(ports: Vec<u16>, start: Instant) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let watcher = thread::Builder::new().name("accepting".to_owned()).spawn(move || {
            let mut ledger = Ledger::default();
            while !flag.load(Ordering::Relaxed) {
                let began = Instant::now();
                let (sockets, whole) = sockets();
                if whole {
                    let at_ports = sockets.iter().filter(|s| s.state == ESTABLISHED && ports.contains(&s.local.port()));
                    ledger.take(&at_ports.collect::<Vec<_>>(), millis(began.duration_since(start)));
                }
                // On a machine with very many sockets the list takes its time: nine tenths of it are left to others.
                thread::sleep(PERIOD.max(began.elapsed() * 9));
            }
            ledger
        });
        Self { stop, watcher: watcher.ok() }
    }

    /// Ends the watch, and gives what it saw.
    pub fn end(mut self) -> Ledger {
        self.stop.store(true, Ordering::Relaxed);
        self.watcher.take().and_then(|watcher| watcher.join().ok()).unwrap_or_default()
    }
}

impl Drop for Accepts {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Ledger {
    /// The connections of some clients to a service that lay there for a while; `None` where none of them came in at all.
    pub fn of(&self, service: SocketAddr, is_ours: impl Fn(SocketAddr) -> bool) -> Option<Vec<Lying>> {
        self.met.iter().find(|(server, client)| *server == service && is_ours(*client))?;
        let open = self.open.iter().map(|((server, _), lying)| (server, lying));
        let all = self.done.iter().map(|(server, lying)| (server, lying)).chain(open);
        Some(all.filter(|(server, l)| **server == service && is_ours(l.client)).map(|(_, l)| l.clone()).collect())
    }

    fn take(&mut self, sockets: &[&Entry], now_ms: u64) {
        let mut served: BTreeMap<u16, u32> = BTreeMap::new();
        let mut waiting: BTreeMap<u16, u32> = BTreeMap::new();
        let room = MAX_MET.saturating_sub(self.met.len());
        self.met.extend(sockets.iter().map(|s| (s.local, s.remote)).take(room));
        // A connection that no process took has no inode yet.
        for socket in sockets {
            let count = if socket.inode == 0 { &mut waiting } else { &mut served };
            *count.entry(socket.local.port()).or_default() += 1;
        }
        let lying: Vec<Ends> = sockets.iter().filter(|s| s.inode == 0).map(|s| (s.local, s.remote)).collect();
        let taken: Vec<_> = self.open.keys().filter(|key| !lying.contains(key)).copied().collect();
        for key in taken {
            if let Some(known) = self.open.remove(&key) {
                self.done.push((key.0, Lying { taken_ms: Some(now_ms), ..known }));
            }
        }
        for key in lying {
            let room = self.open.len() + self.done.len() < MAX_LYING;
            let new = || Lying { client: key.1, from_ms: now_ms, taken_ms: None, served: 0, waiting: 0 };
            let known = match self.open.get_mut(&key) {
                Some(known) => known,
                None if room => self.open.entry(key).or_insert_with(new),
                None => continue,
            };
            let count = |of: &BTreeMap<u16, u32>| of.get(&key.0.port()).copied().unwrap_or(0);
            known.served = known.served.max(count(&served));
            known.waiting = known.waiting.max(count(&waiting));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(client: u16, inode: u64) -> Entry {
        let (local, remote) = (([192, 0, 2, 7], 25).into(), ([198, 51, 100, 9], client).into());
        Entry { local, remote, state: ESTABLISHED, receive_queue: 0, inode }
    }

    #[test]
    fn a_connection_lies_there_until_it_has_a_process() {
        let mut ledger = Ledger::default();
        let (busy, lying, taken) = (entry(1, 77), entry(2, 0), entry(2, 78));
        ledger.take(&[&busy, &lying], 100);
        ledger.take(&[&busy, &entry(3, 79), &lying], 250);
        ledger.take(&[&busy, &taken], 400);
        let client = ([198, 51, 100, 9], 2).into();
        let seen = Lying { client, from_ms: 100, taken_ms: Some(400), served: 2, waiting: 1 };
        assert_eq!(ledger.done, [(busy.local, seen)]);
        assert!(ledger.open.is_empty());
    }

    #[test]
    fn a_connection_that_nobody_takes_is_seen() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let server = listener.local_addr().unwrap();
        let watch = Accepts::begin(vec![server.port()], Instant::now());
        let client = std::net::TcpStream::connect(server).unwrap();
        let own = client.local_addr().unwrap();
        // The watch looks often; a busy machine may make it wait.
        std::thread::sleep(PERIOD * 10);
        let seen = watch.end();
        let lying = seen.of(server, |client| client == own).unwrap();
        assert!(lying.iter().any(|l| l.taken_ms.is_none()), "{seen:?}");
        assert_eq!(seen.of(server, |_| false), None);
    }
}
