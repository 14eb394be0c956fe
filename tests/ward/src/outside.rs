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
    names::{ANOTHER_LINK, ANOTHER_PLACE, FOREIGN_RESOLVER, INSIDE_LINK, OUTSIDE_PLACE, OUTSIDE_PLACE_SECOND},
    zones::{Zones, last_octet},
};

/// Keys and settings of ssh, in the trial's own `/etc`.
const KEYS: &str = "/etc/ssh/ward";

/// What makes one place another than the next.
#[derive(Clone, Copy, Debug)]
struct Names {
    /// The network namespace, and the name by which ssh knows the place.
    network: &'static str,
    /// The trial's end of the link, on which its firewall sits.
    link: &'static str,
    /// That end's address.
    inside: &'static str,
    /// The place's own addresses, the usual one first.
    own: &'static [&'static str],
}

const FIRST: Names =
    Names { network: "outside", link: "to-outside", inside: INSIDE_LINK, own: &[OUTSIDE_PLACE, OUTSIDE_PLACE_SECOND] };

const SECOND: Names = Names { network: "another", link: "to-another", inside: ANOTHER_LINK, own: &[ANOTHER_PLACE] };

/// The place outside. What runs there ends with the trial.
#[derive(Debug)]
pub struct Outside {
    names: Names,
    _sshd: Daemon,
    rules: AtomicUsize,
}

impl Outside {
    /// Makes the place, and sshd on it to which root of this machine may log in as `ssh:outside`.
    ///
    /// # Errors
    /// When the link or sshd does not come up.
    pub fn start() -> Result<Self, WardError> {
        Self::named(FIRST)
    }

    /// The same once more, as `ssh:another`.
    ///
    /// # Errors
    /// When the link or sshd does not come up.
    pub fn another() -> Result<Self, WardError> {
        Self::named(SECOND)
    }

    fn named(names: Names) -> Result<Self, WardError> {
        let Names { network, link, inside, own } = names;
        let place = own.first().copied().unwrap_or_default();
        let keys = format!("{KEYS}-{network}");
        let more: String = own
            .iter()
            .skip(1)
            .map(|address| {
                format!(
                    "ip -n {network} address add {address}/32 dev uplink
                     ip route add {address} dev {link}
                    "
                )
            })
            .collect();
        let script = format!(
            "ip netns add {network}
             ip link add {link} type veth peer name uplink netns {network}
             ip address add {inside} peer {place} dev {link}
             ip link set {link} up
             ip -n {network} link set lo up
             ip -n {network} address add {place} peer {inside} dev uplink
             ip -n {network} link set uplink up
             ip -n {network} route add 198.18.25.0/24 via {inside} dev uplink src {place}
             {more}
             sed -i 's/^root:[^:]*:/root:*:/' /etc/shadow
             mkdir -p {keys} /run/sshd
             ssh-keygen -q -t ed25519 -N '' -f {keys}/host
             ssh-keygen -q -t ed25519 -N '' -f {keys}/client
             cp {keys}/client.pub {keys}/authorized"
        );
        output_of(Command::new("sh").args(["-euc", &script]))?;
        // `ip netns exec` lays this over the place's own /etc.
        write(format!("/etc/netns/{network}/resolv.conf"), format!("nameserver {FOREIGN_RESOLVER}\n"))?;
        let host_key = read(&format!("{keys}/host.pub"))?;
        write(format!("{keys}/known"), format!("{place} {host_key}"))?;
        let known = fs::read_to_string("/etc/ssh/ssh_config").unwrap_or_default();
        write(
            "/etc/ssh/ssh_config",
            format!(
                "Host {network}\n  HostName {place}\n  User root\n  IdentityFile {keys}/client\n  IdentitiesOnly yes\n  \
                 UserKnownHostsFile {keys}/known\n  StrictHostKeyChecking yes\n{known}"
            ),
        )?;
        write(
            format!("{keys}/sshd_config"),
            format!(
                "ListenAddress {place}\nHostKey {keys}/host\nAuthorizedKeysFile {keys}/authorized\nUsePAM no\nPidFile none\n\
                 PermitRootLogin prohibit-password\n"
            ),
        )?;
        let sshd = Daemon::start(
            network,
            Command::new("ip").args([
                "netns",
                "exec",
                network,
                "/usr/sbin/sshd",
                "-D",
                "-e",
                "-f",
                &format!("{keys}/sshd_config"),
            ]),
        )?
        .listening_on(&[format!("{place}:22")])?;
        Ok(Self { names, _sshd: sshd, rules: AtomicUsize::new(0) })
    }

    /// Gives the places' addresses names that confirm, in `zones`.
    pub fn named_in(zones: &mut Zones) {
        for (name, address) in [("place", OUTSIDE_PLACE), ("place2", OUTSIDE_PLACE_SECOND), ("another", ANOTHER_PLACE)]
        {
            zones.outside.add(format!("{name} A {address}"));
            zones.reverse.add(format!("{} PTR {name}.outside.example.", last_octet(address)));
        }
    }

    /// The same command, run at the place.
    #[must_use]
    pub fn run(&self, command: &Command) -> Command {
        let mut there = Command::new("ip");
        there.args(["netns", "exec", self.names.network]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                there.env(name, value);
            }
        }
        there
    }

    /// Takes the key away by which root may log in.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn lock_out(&self) -> Result<(), WardError> {
        write(format!("{KEYS}-{}/authorized", self.names.network), "")
    }

    /// What the trial's firewall does with TCP packets from the place to `port` of `address`: `drop`, `reject with tcp reset`,
    /// `reject with icmp type host-unreachable` …
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn firewall(&self, address: &str, port: u16, verdict: &str) -> Result<(), WardError> {
        self.rule(&format!(
            "type filter hook input priority 0; iifname {} ip daddr {address} tcp dport {port} {verdict};",
            self.names.link
        ))
    }

    /// Lets no connection of the place to port 25 through, whoever is asked, without a word.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn block_port_25(&self) -> Result<(), WardError> {
        self.rule(&format!("type filter hook input priority 0; iifname {} tcp dport 25 drop;", self.names.link))
    }

    /// Leads connections from the place to port 25 of `address` to another port of it.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn redirect(&self, address: &str, to: u16) -> Result<(), WardError> {
        self.rule(&format!(
            "type nat hook prerouting priority -100; iifname {} ip daddr {address} tcp dport 25 dnat to {address}:{to};",
            self.names.link
        ))
    }

    fn rule(&self, chain: &str) -> Result<(), WardError> {
        let number = self.rules.fetch_add(1, Ordering::Relaxed);
        let rules = format!("table ip {} {{ chain rule_{number} {{ {chain} }}; }}", self.names.network);
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
