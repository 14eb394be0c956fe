//! The question who listens on this machine: sockets as the kernel lists them, and the processes that hold them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::case::Question;
use crate::subject::VantageId;

/// `host.sockets/1`: the listening TCP sockets of this machine's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listeners;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The name that the kernel knows it by, such as `master` or `exim4`.
    pub name: String,
}

/// A listening socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Where it listens.
    pub at: SocketAddr,
    /// The socket's inode.
    pub inode: u64,
    /// How many connections wait to be accepted.
    pub waiting: u32,
    /// The processes that hold it; empty where we may not see them.
    pub held_by: Vec<Process>,
}

/// The listening sockets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenersWire {
    /// In the order of their addresses.
    pub listeners: Vec<Listener>,
    /// Whether the kernel's lists were read whole: only then can absence be told.
    pub whole: bool,
    /// Whether the processes of other users could be looked at.
    pub all_processes: bool,
}

impl Question for Listeners {
    const PROBE: &'static str = "host.sockets/1";
    type On = VantageId;
    type Wire = ListenersWire;
    type View = ListenersWire;

    fn read(wire: ListenersWire) -> Option<ListenersWire> {
        Some(wire)
    }
}

impl ListenersWire {
    /// The sockets that listen on a port, whatever their address.
    pub fn on_port(&self, port: u16) -> impl Iterator<Item = &Listener> {
        self.listeners.iter().filter(move |listener| listener.at.port() == port)
    }

    /// The socket that takes connections to `to`: the one bound to it, or one bound to all addresses.
    pub fn taking(&self, to: SocketAddr) -> Option<&Listener> {
        let bound = self.on_port(to.port()).find(|listener| listener.at.ip() == to.ip());
        bound.or_else(|| self.on_port(to.port()).find(|listener| listener.takes_all(to.is_ipv4())))
    }
}

impl Listener {
    /// Whether it listens on every address of a family. A socket on `::` takes IPv4 as well, unless it was told not to, which
    /// the kernel does not list.
    fn takes_all(&self, ipv4: bool) -> bool {
        self.at.ip().is_unspecified() && (self.at.is_ipv6() || ipv4)
    }
}

/// One line of `/proc/net/tcp` or `tcp6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end; unspecified where it listens.
    pub remote: SocketAddr,
    /// The state, as the kernel numbers it.
    pub state: u8,
    /// The length of the receive queue; for a listening socket the connections that wait to be accepted.
    pub receive_queue: u32,
    /// The socket's inode; 0 where no process holds it any more.
    pub inode: u64,
}

/// The state of an established connection.
pub const ESTABLISHED: u8 = 1;

/// The state of a listening socket.
pub const LISTEN: u8 = 10;

/// Reads `/proc/net/tcp` or `/proc/net/tcp6` (proc_pid_net(5)); lines that are none are left out.
pub fn entries(text: &str) -> impl Iterator<Item = Entry> + '_ {
    text.lines().skip(1).filter_map(entry)
}

fn entry(line: &str) -> Option<Entry> {
    let mut words = line.split_whitespace().skip(1);
    let (local, remote, state, queues) = (words.next()?, words.next()?, words.next()?, words.next()?);
    Some(Entry {
        local: end(local)?,
        remote: end(remote)?,
        state: u8::from_str_radix(state, 16).ok()?,
        receive_queue: u32::from_str_radix(queues.split_once(':')?.1, 16).ok()?,
        inode: words.nth(4)?.parse().ok()?,
    })
}

/// `0100007F:0019`: the address in words of 32 bits, each in the machine's own order of octets, and the port.
fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let octets: Vec<u8> = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            let v6 = Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?);
            v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_the_kernel() {
        let text = format!(
            "{HEAD}   0: 0100007F:0019 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 4711 1 0\n   1: \
             00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 \
             00000000 0 0 12 1\nnonsense\n"
        );
        let found: Vec<Entry> = entries(&text).collect();
        let [v4, v6] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((v4.local, v4.state, v4.inode), ("127.0.0.1:25".parse().unwrap(), LISTEN, 4711));
        assert_eq!(v4.receive_queue, 3);
        assert_eq!(v6.local, "[::1]:53".parse().unwrap());
    }

    #[test]
    fn a_socket_on_all_addresses_takes_both_families() {
        let listener = |at: &str| Listener { at: at.parse().unwrap(), inode: 1, waiting: 0, held_by: Vec::new() };
        let wire = ListenersWire { listeners: vec![listener("[::]:25")], whole: true, all_processes: true };
        assert!(wire.taking("192.0.2.1:25".parse().unwrap()).is_some());
        assert!(wire.taking("192.0.2.1:26".parse().unwrap()).is_none());
        let wire = ListenersWire { listeners: vec![listener("0.0.0.0:25")], whole: true, all_processes: true };
        assert!(wire.taking("[2001:db8::1]:25".parse().unwrap()).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,200}") {
            let _ = entries(&format!("{HEAD}{text}")).count();
        }

        #[test]
        fn an_address_comes_back(ip: [u8; 4], port: u16) {
            let text = format!("{:08X}:{port:04X}", u32::from_ne_bytes(ip));
            prop_assert_eq!(end(&text), Some(SocketAddr::new(IpAddr::from(ip), port)));
        }
    }
}
