//! Where the server listens: in this network, or in one of its own, as in a container.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;

use crate::questions::host::sockets::{LISTEN, entries};

use super::super::sockets::{name_of, pids};

/// The most networks besides our own that are watched at once.
const MAX_NETWORKS: usize = 4;

/// A network in which somebody listens on one of the ports.
#[derive(Debug)]
pub struct Place {
    /// A process of it.
    pub pid: u32,
    /// That process's name.
    pub name: String,
    /// Whether it is the network that we are in ourselves.
    pub ours: bool,
}

impl Place {
    /// The network itself, to be entered.
    ///
    /// # Errors
    /// The system's: we may not look, or the process is gone.
    pub fn open(&self) -> std::io::Result<File> {
        File::open(format!("/proc/{}/ns/net", self.pid))
    }
}

/// The networks in which somebody listens on one of `ports`, ours first. Those of other users are not seen without the
/// right to.
pub fn listening_on(ports: &[u16]) -> Vec<Place> {
    let own = fs::read_link("/proc/self/ns/net").ok();
    let mut networks: BTreeMap<PathBuf, u32> = BTreeMap::new();
    for pid in pids() {
        if let Ok(network) = fs::read_link(format!("/proc/{pid}/ns/net")) {
            networks.entry(network).or_insert(pid);
        }
    }
    let mut found: Vec<Place> = networks
        .into_iter()
        .filter(|(_, pid)| listens(*pid, ports))
        .map(|(network, pid)| Place { pid, name: name_of(pid), ours: own.as_ref() == Some(&network) })
        .collect();
    found.sort_by_key(|place| !place.ours);
    found.truncate(MAX_NETWORKS + 1);
    found
}

/// Whether somebody listens on one of the ports in the network of a process.
fn listens(pid: u32, ports: &[u16]) -> bool {
    ["tcp", "tcp6"].iter().any(|list| {
        fs::read_to_string(format!("/proc/{pid}/net/{list}"))
            .is_ok_and(|text| entries(&text).any(|e| e.state == LISTEN && ports.contains(&e.local.port())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_network_is_found_by_a_socket_that_listens_in_it() {
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let found = listening_on(&[socket.local_addr().unwrap().port()]);
        assert!(found.first().is_some_and(|place| place.ours), "{found:?}");
    }
}
