//! Who listens on this machine, from `/proc`: the kernel's lists of sockets, and each process's open files.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;

use crate::probe::Context;
use crate::questions::host::sockets::{Entry, LISTEN, Listener, Listeners, ListenersWire, Process, entries};

/// The most processes that are looked at, and the most open files of each.
const MAX_PROCESSES: usize = 20_000;
const MAX_FILES: usize = 4_096;

/// The kernel's lists of TCP sockets.
const LISTS: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// Writes down who listens.
pub async fn read(context: &Context) -> ListenersWire {
    let read = async { tokio::task::spawn_blocking(listeners).await.unwrap_or_default() };
    let (wire, times) = context.timed(read).await;
    super::record(context, &Listeners, times, &wire);
    wire
}

/// Every listening socket, with the processes that hold it as far as we may see them.
pub fn listeners() -> ListenersWire {
    let (sockets, whole) = sockets();
    let listening: Vec<Entry> = sockets.into_iter().filter(|entry| entry.state == LISTEN).collect();
    let wanted: BTreeSet<u64> = listening.iter().map(|entry| entry.inode).collect();
    let (mut holders, all_processes) = holders(&wanted);
    let mut listeners: Vec<Listener> = listening
        .into_iter()
        .map(|entry| Listener {
            at: entry.local,
            inode: entry.inode,
            waiting: entry.receive_queue,
            held_by: holders.remove(&entry.inode).unwrap_or_default(),
        })
        .collect();
    listeners.sort_by_key(|listener| listener.at);
    ListenersWire { listeners, whole, all_processes }
}

/// Every TCP socket of both families, and whether the lists were read whole. A machine without IPv6 has no `tcp6`.
pub fn sockets() -> (Vec<Entry>, bool) {
    let mut whole = true;
    let mut found = Vec::new();
    for list in LISTS {
        match fs::read_to_string(list) {
            Ok(text) => found.extend(entries(&text)),
            Err(error) => whole &= error.kind() == io::ErrorKind::NotFound && list.ends_with('6'),
        }
    }
    (found, whole)
}

/// The processes that hold the sockets with these inodes, and whether every process could be looked at.
pub fn holders(wanted: &BTreeSet<u64>) -> (HashMap<u64, Vec<Process>>, bool) {
    let mut held: HashMap<u64, Vec<Process>> = HashMap::new();
    let mut all = true;
    for pid in pids() {
        let files = match fs::read_dir(format!("/proc/{pid}/fd")) {
            Ok(files) => files,
            Err(error) => {
                // It may have ended meanwhile; that hides nothing.
                all &= error.kind() != io::ErrorKind::PermissionDenied;
                continue;
            }
        };
        let inodes: BTreeSet<u64> = files
            .take(MAX_FILES)
            .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
            .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
            .filter(|inode| wanted.contains(inode))
            .collect();
        for inode in inodes {
            held.entry(inode).or_default().push(Process { pid, name: name_of(pid) });
        }
    }
    (held, all)
}

/// The processes that run, by their numbers.
pub fn pids() -> Vec<u32> {
    let Ok(folder) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).take(MAX_PROCESSES).collect()
}

/// The name that the kernel knows a process by; empty where it ended meanwhile.
pub fn name_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).map(|name| name.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_socket_is_found_and_is_ours() {
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let wire = listeners();
        let found = wire.taking(socket.local_addr().unwrap()).unwrap();
        assert!(wire.whole);
        assert!(found.held_by.iter().any(|process| process.pid == std::process::id()), "{found:?}");
    }
}
