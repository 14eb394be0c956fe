//! A place outside: a network namespace of its own behind a veth link, with a real sshd in it. What leaves it comes to the trial's
//! machine from an address of no standing, through whatever firewall the trial puts on the link.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    Daemon, WardError,
    daemon::{output_of, write},
    names::{FOREIGN_RESOLVER, INSIDE_LINK, INSIDE_LINK_SECOND, OUTSIDE_PLACE},
    zones::{Zones, last_octet},
};

/// The network namespace.
const NETWORK: &str = "outside";
/// The trial's end of the link, on which its firewall sits.
const LINK: &str = "to-outside";
/// Keys and settings of ssh, in the trial's own `/etc`.
const KEYS: &str = "/etc/ssh/ward";

/// The place outside. What runs there ends with the trial.
#[derive(Debug)]
pub struct Outside {
    _sshd: Daemon,
    rules: AtomicUsize,
}

impl Outside {
    /// Makes the place, and sshd on it to which root of this machine may log in as `ssh:outside`.
    ///
    /// # Errors
    /// When the link or sshd does not come up.
    pub fn start() -> Result<Self, WardError> {
        let script = format!(
            "ip netns add {NETWORK}
             ip link add {LINK} type veth peer name uplink netns {NETWORK}
             ip address add {INSIDE_LINK} peer {OUTSIDE_PLACE} dev {LINK}
             ip address add {INSIDE_LINK_SECOND}/32 dev {LINK}
             ip link set {LINK} up
             ip -n {NETWORK} link set lo up
             ip -n {NETWORK} address add {OUTSIDE_PLACE} peer {INSIDE_LINK} dev uplink
             ip -n {NETWORK} link set uplink up
             ip -n {NETWORK} route add 198.18.25.0/24 via {INSIDE_LINK} dev uplink
             sed -i 's/^root:[^:]*:/root:*:/' /etc/shadow
             mkdir -p {KEYS} /run/sshd
             ssh-keygen -q -t ed25519 -N '' -f {KEYS}/host
             ssh-keygen -q -t ed25519 -N '' -f {KEYS}/client
             cp {KEYS}/client.pub {KEYS}/authorized"
        );
        output_of(Command::new("sh").args(["-euc", &script]))?;
        // `ip netns exec` lays this over the place's own /etc.
        write("/etc/netns/outside/resolv.conf", format!("nameserver {FOREIGN_RESOLVER}\n"))?;
        let host_key = read(&format!("{KEYS}/host.pub"))?;
        write(format!("{KEYS}/known"), format!("{OUTSIDE_PLACE} {host_key}"))?;
        write(
            "/etc/ssh/ssh_config",
            format!(
                "Host outside\n  HostName {OUTSIDE_PLACE}\n  User root\n  IdentityFile {KEYS}/client\n  IdentitiesOnly yes\n  \
                 UserKnownHostsFile {KEYS}/known\n  StrictHostKeyChecking yes\n"
            ),
        )?;
        write(
            format!("{KEYS}/sshd_config"),
            format!(
                "ListenAddress {OUTSIDE_PLACE}\nHostKey {KEYS}/host\nAuthorizedKeysFile {KEYS}/authorized\nUsePAM no\nPidFile none\n\
                 PermitRootLogin prohibit-password\n"
            ),
        )?;
        let sshd = Daemon::start(
            "sshd",
            Command::new("ip").args([
                "netns",
                "exec",
                NETWORK,
                "/usr/sbin/sshd",
                "-D",
                "-e",
                "-f",
                &format!("{KEYS}/sshd_config"),
            ]),
        )?
        .listening_on(&[format!("{OUTSIDE_PLACE}:22")])?;
        Ok(Self { _sshd: sshd, rules: AtomicUsize::new(0) })
    }

    /// Gives the place's address a name that confirms, in `zones`.
    pub fn named_in(zones: &mut Zones) {
        zones.outside.add(format!("place A {OUTSIDE_PLACE}"));
        zones.reverse.add(format!("{} PTR place.outside.example.", last_octet(OUTSIDE_PLACE)));
    }

    /// Takes the key away by which root may log in.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn lock_out(&self) -> Result<(), WardError> {
        write(format!("{KEYS}/authorized"), "")
    }

    /// What the trial's firewall does with TCP packets from the place to `port` of `address`: `drop`, `reject with tcp reset`,
    /// `reject with icmp type host-unreachable` …
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn firewall(&self, address: &str, port: u16, verdict: &str) -> Result<(), WardError> {
        self.rule(&format!(
            "type filter hook input priority 0; iifname {LINK} ip daddr {address} tcp dport {port} {verdict};"
        ))
    }

    /// Leads connections from the place to port 25 of `address` to another port of it.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn redirect(&self, address: &str, to: u16) -> Result<(), WardError> {
        self.rule(&format!(
            "type nat hook prerouting priority -100; iifname {LINK} ip daddr {address} tcp dport 25 dnat to {address}:{to};"
        ))
    }

    fn rule(&self, chain: &str) -> Result<(), WardError> {
        let number = self.rules.fetch_add(1, Ordering::Relaxed);
        let rules = format!("table ip outside {{ chain rule_{number} {{ {chain} }}; }}");
        output_of(Command::new("nft").arg(rules)).map(drop)
    }
}

fn read(path: &str) -> Result<String, WardError> {
    fs::read_to_string(path).map_err(WardError::io(path))
}

/// Processes of this machine whose command line holds `text`.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn processes_with(text: &str) -> Result<Vec<String>, WardError> {
    let listing = fs::read_dir("/proc").map_err(WardError::io("/proc"))?;
    let lines = listing.flatten().filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    Ok(lines.filter(|line| line.contains(text)).collect())
}
