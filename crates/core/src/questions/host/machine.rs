//! Questions to the machine itself: its name and addresses, and how full its disks are.

use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::case::Question;
use crate::subject::VantageId;

/// `host.machine/1`: who this machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine;

/// Its name and addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineWire {
    /// The name that the kernel has for it.
    pub hostname: String,
    /// Its own addresses, in order; loopback too.
    pub addresses: Vec<IpAddr>,
}

/// `host.disk/1`: how full the file system at a path is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The path.
    pub path: String,
}

/// How full a file system is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskWire {
    /// Its size, in octets.
    pub size: u64,
    /// What programs without special rights may still write, in octets.
    pub available: u64,
    /// How many files it can hold; 0 where it has no such limit.
    pub files: u64,
    /// How many more files may be made by programs without special rights.
    pub files_available: u64,
    /// Why it could not be told.
    pub flaw: Option<String>,
}

impl Question for Machine {
    const PROBE: &'static str = "host.machine/1";
    type On = VantageId;
    type Wire = MachineWire;
    type View = MachineWire;

    fn read(wire: MachineWire) -> Option<MachineWire> {
        Some(wire)
    }
}

impl Question for Disk {
    const PROBE: &'static str = "host.disk/1";
    type On = VantageId;
    type Wire = DiskWire;
    type View = DiskWire;

    fn read(wire: DiskWire) -> Option<DiskWire> {
        wire.flaw.is_none().then_some(wire)
    }
}

/// The local addresses in `/proc/net/fib_trie`: each leaf that is a host of its own and local.
pub fn local_v4(fib_trie: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut leaf: Option<IpAddr> = None;
    for line in fib_trie.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(leaf);
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The addresses in `/proc/net/if_inet6`, 32 hexadecimal digits each.
pub fn local_v6(if_inet6: &str) -> Vec<IpAddr> {
    if_inet6
        .lines()
        .filter_map(|line| u128::from_str_radix(line.split_whitespace().next()?, 16).ok())
        .map(|bits| Ipv6Addr::from_bits(bits).into())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_of_the_kernels_lists() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 127.0.0.1\n        /32 host \
                    LOCAL\n     |-- 198.51.100.255\n        /32 link BROADCAST\n     |-- 198.51.100.7\n        /32 host LOCAL\n";
        assert_eq!(local_v4(trie), ["127.0.0.1".parse::<IpAddr>().unwrap(), "198.51.100.7".parse().unwrap()]);
        let v6 = local_v6("00000000000000000000000000000001 01 80 10 80       lo\n");
        assert_eq!(v6, [IpAddr::from(Ipv6Addr::LOCALHOST)]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n]{0,200}") {
            let _ = (local_v4(&text), local_v6(&text));
        }
    }
}
