//! The capture: the host's DNS traffic and its SMTP and ident connections, as packets.
//!
//! One thread a network namespace reads a packet socket ([`tap`]) and puts what it reads ([`packet`], [`dns`]) into one
//! book: questions matched to answers ([`lookups`]), and connections ([`connections`]). Nothing is sent, and nothing of
//! a message's content is kept.

mod connections;
mod dns;
mod filter;
mod lookups;
mod packet;
pub mod places;
mod programs;
pub mod resolving;
mod tap;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use connections::Connections;
use lookups::Ledger;
use packet::{Body, Segment};
use programs::Programs;
use tap::{Arrived, Tap};

use crate::vantage::Footprints;

pub(crate) use connections::{Connection, Ident};
pub(crate) use lookups::{Lookup, Tally};
pub(crate) use programs::Asked;

/// The most of a packet that is read, in octets: DNS messages over UDP are smaller, and of a stream the beginning tells.
const MAX_PACKET: usize = 4096;

/// The most TCP streams to DNS servers that are followed at once.
const MAX_STREAMS: usize = 4096;

/// The port on which a client says whose connection it is (RFC 1413).
const IDENT: u16 = 113;

/// Which ports are watched.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// Where SMTP is spoken.
    pub smtp: Vec<u16>,
    /// Where DNS servers are asked.
    pub dns: Vec<u16>,
    /// Where programs listen that the server asks: policy services and milters.
    pub programs: Vec<u16>,
}

impl Watched {
    fn all(&self) -> Vec<u16> {
        self.dns.iter().chain(&self.smtp).chain(&self.programs).copied().chain([IDENT]).collect()
    }
}

/// A capture that runs until it is ended or dropped.
#[derive(Debug)]
pub struct Capture {
    shared: Arc<Shared>,
    readers: Vec<JoinHandle<u64>>,
    /// Namespaces that could not be entered, each with the reason.
    pub shut: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    watched: Watched,
    start: Instant,
    stop: AtomicBool,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    packets: u64,
    ledger: Ledger,
    connections: Connections,
    programs: Programs,
    streams: HashMap<(SocketAddr, SocketAddr), dns::Stream>,
}

/// What a capture saw.
#[derive(Debug)]
pub struct Caught {
    /// Packets that were read.
    pub packets: u64,
    /// Packets that the kernel had no room for.
    pub dropped: u64,
    /// Whether everything that was read was kept.
    pub whole: bool,
    ledger: Ledger,
    connections: Connections,
    programs: Programs,
}

/// The same, taken apart: lookups in order, and without what was ours.
#[derive(Debug)]
pub(crate) struct Sorted {
    pub(crate) lookups: Vec<Lookup>,
    pub(crate) resolvers: BTreeMap<SocketAddr, Tally>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) idents: Vec<Ident>,
    pub(crate) programs: Vec<Asked>,
}

impl Capture {
    /// Watches this namespace, and those given. `start` is the instant from which times count.
    ///
    /// # Errors
    /// What keeps this namespace from being watched: `PermissionDenied` without `CAP_NET_RAW`.
    pub fn begin(watched: Watched, others: Vec<(String, File)>, start: Instant) -> io::Result<Self> {
        let shared = Arc::new(Shared { watched, start, stop: AtomicBool::new(false), book: Mutex::default() });
        let mut capture = Self { shared, readers: Vec::new(), shut: Vec::new() };
        capture.watch(None)?;
        for (name, namespace) in others {
            if let Err(error) = capture.watch(Some(namespace)) {
                capture.shut.push(format!("the network of {name} cannot be entered ({error})"));
            }
        }
        Ok(capture)
    }

    /// Starts a thread that reads one namespace's packets; only that thread moves there.
    fn watch(&mut self, namespace: Option<File>) -> io::Result<()> {
        let shared = self.shared.clone();
        let (tell, told) = mpsc::channel();
        let reader = thread::Builder::new().name("capture".to_owned()).spawn(move || {
            let opened = namespace
                .as_ref()
                .map_or(Ok(()), tap::enter_network)
                .and_then(|()| Tap::open(&filter::program(&shared.watched.all())));
            match opened {
                Ok(tap) => {
                    // Nobody waits for word any more only when the run is over.
                    let _ = tell.send(Ok(()));
                    shared.read(&tap)
                }
                Err(error) => {
                    let _ = tell.send(Err(error));
                    0
                }
            }
        })?;
        told.recv().unwrap_or_else(|_| Err(io::Error::other("the reading thread ended")))?;
        self.readers.push(reader);
        Ok(())
    }

    /// Ends the capture and gives what it saw.
    pub fn end(mut self) -> Caught {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut lost = false;
        let mut dropped = 0;
        for reader in self.readers.drain(..) {
            match reader.join() {
                Ok(count) => dropped += count,
                Err(_) => lost = true,
            }
        }
        let book = std::mem::take(&mut *self.shared.book());
        book.caught(dropped, lost)
    }
}

/// What a capture would have seen in these packets, each from its IP header on and with its true length, one
/// after the other. Nothing is opened: for packets that were kept, and for those that a fuzzer makes.
pub fn replay<'p>(watched: Watched, packets: impl IntoIterator<Item = (&'p [u8], usize)>) -> Caught {
    let shared = Shared { watched, start: Instant::now(), stop: AtomicBool::new(true), book: Mutex::default() };
    for (octets, length) in packets {
        let held = octets.len();
        shared.take(octets, Arrived { held, length, age: Duration::ZERO, outgoing: false, doubled: false });
    }
    let book = std::mem::take(&mut *shared.book());
    book.caught(0, false)
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Caught {
    /// What was seen, without the questions of this program itself.
    pub(crate) fn sorted(self, own: &Footprints, configured: &[SocketAddr]) -> Sorted {
        let (lookups, resolvers) = self.ledger.close(own, configured);
        let (connections, idents) = self.connections.close();
        Sorted { lookups, resolvers, connections, idents, programs: self.programs.close() }
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads packets to the end of the capture, and gives how many the kernel dropped.
    fn read(&self, tap: &Tap) -> u64 {
        let mut buffer = vec![0; MAX_PACKET];
        while !self.stop.load(Ordering::Relaxed) {
            match tap.receive(&mut buffer) {
                Ok(Some(arrived)) if !arrived.doubled => {
                    self.take(buffer.get(..arrived.held).unwrap_or_default(), arrived);
                }
                Ok(_) => {}
                // An interface that went down is told once by each read; the others go on.
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
        // What cannot be counted may have been lost.
        tap.dropped().unwrap_or(1)
    }

    fn take(&self, octets: &[u8], arrived: Arrived) {
        let Some(packet) = packet::read(octets, arrived.length) else { return };
        let at = self.start.elapsed().saturating_sub(arrived.age);
        let ends = (packet.from, packet.to);
        let mut book = self.book();
        book.packets += 1;
        let is_dns = |at: SocketAddr| self.watched.dns.contains(&at.port());
        match packet.body {
            Body::Udp(octets) if is_dns(packet.from) || is_dns(packet.to) => {
                if let Some(message) = dns::read(octets) {
                    book.ledger.take(message, ends, false, at);
                }
            }
            Body::Udp(_) => {}
            Body::Tcp(segment) if is_dns(packet.from) || is_dns(packet.to) => book.dns_segment(ends, &segment, at),
            Body::Tcp(segment) => book.segment(&self.watched, ends, &segment, (at, arrived.outgoing)),
        }
    }
}

impl Book {
    /// Closes the book: so many packets the kernel had no room for, and perhaps a reader was lost.
    fn caught(self, dropped: u64, lost: bool) -> Caught {
        let whole = !lost && !self.ledger.full && !self.connections.full && !self.programs.full;
        let Self { packets, ledger, connections, programs, .. } = self;
        Caught { packets, dropped, whole, ledger, connections, programs }
    }

    fn dns_segment(&mut self, ends: (SocketAddr, SocketAddr), segment: &Segment<'_>, at: Duration) {
        if self.streams.len() >= MAX_STREAMS && !self.streams.contains_key(&ends) {
            self.ledger.full = true;
            return;
        }
        let messages = self.streams.entry(ends).or_default().take(segment);
        if segment.fin || segment.reset {
            self.streams.remove(&ends);
        }
        for message in messages {
            self.ledger.take(message, ends, true, at);
        }
    }

    fn segment(
        &mut self,
        watched: &Watched,
        (from, to): (SocketAddr, SocketAddr),
        segment: &Segment<'_>,
        (at, outgoing): (Duration, bool),
    ) {
        if watched.smtp.contains(&to.port()) {
            self.connections.client_sent((from, to), segment, at, outgoing);
        } else if watched.smtp.contains(&from.port()) {
            self.connections.server_sent((from, to), segment, at);
        } else if to.port() == IDENT {
            self.connections.ident_asked((from, to), segment, at);
        } else if from.port() == IDENT {
            self.connections.ident_answered((from, to), segment, at);
        } else if watched.programs.contains(&to.port()) {
            self.programs.host_sent((from, to), segment, at);
        } else if watched.programs.contains(&from.port()) {
            self.programs.server_sent((from, to), segment, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_packets_are_taken(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..120), 0..20)) {
            let watched = Watched { smtp: vec![25], dns: vec![53], programs: vec![10_023] };
            let shared = Shared { watched, start: Instant::now(), stop: AtomicBool::new(false), book: Mutex::default() };
            for octets in &packets {
                let arrived = Arrived { held: octets.len(), length: octets.len(), age: Duration::ZERO, outgoing: false, doubled: false };
                shared.take(octets, arrived);
            }
            prop_assert!(shared.book().packets <= packets.len() as u64);
        }
    }
}
