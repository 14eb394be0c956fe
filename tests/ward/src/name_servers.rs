//! NSD, the authoritative server, and Unbound, the resolver.

use std::process::Command;

use crate::{
    Daemon, WardError,
    daemon::write,
    zones::{Zones, last_octet},
};

/// Starts NSD with `zones` on `address`.
pub(crate) fn nsd(address: &str, zones: &Zones) -> Result<Daemon, WardError> {
    let texts: Vec<(&str, String)> = zones.all().into_iter().map(|zone| (zone.origin, zone.text(address))).collect();
    let texts: Vec<(&str, &str)> = texts.iter().map(|(origin, text)| (*origin, text.as_str())).collect();
    nsd_with(address, &texts, false)
}

/// Starts NSD with zone files by origin on `address`. With `refuses` its access list refuses everybody.
pub(crate) fn nsd_with(address: &str, zones: &[(&str, &str)], refuses: bool) -> Result<Daemon, WardError> {
    let folder = format!("/etc/nsd/{address}");
    let mut config = format!(
        "server:\n  ip-address: {address}\n  username: \"\"\n  zonesdir: \"{folder}\"\n  pidfile: \"/run/nsd-{address}.pid\"\n  \
         xfrdfile: \"/run/nsd-{address}.xfrd\"\n  zonelistfile: \"/run/nsd-{address}.zones\"\n  xfrdir: \"/run\"\n  \
         database: \"\"\n  cookie-secret-file: \"\"\n  server-count: 1\n  rrl-ratelimit: 0\n\
         remote-control:\n  control-enable: no\n"
    );
    for (origin, text) in zones {
        let file = format!("{origin}zone");
        write(format!("{folder}/{file}"), text)?;
        config.push_str(&format!("zone:\n  name: \"{origin}\"\n  zonefile: \"{file}\"\n"));
        if refuses {
            config.push_str("  allow-query: 0.0.0.0/0 BLOCKED\n");
        }
    }
    let path = format!("{folder}/nsd.conf");
    write(&path, config)?;
    Daemon::start("nsd", Command::new("/usr/sbin/nsd").args(["-d", "-c", &path]))?
        .listening_on(&[format!("{address}:53")])
}

/// Where a resolver begins.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// The root servers, as lines of a zone file.
    pub(crate) hints: String,
    /// The DS record of the root's key: answers are validated.
    pub(crate) anchor: Option<String>,
    /// A zone that is asked of a server inside, and that server's address.
    pub(crate) stub: Option<(&'static str, &'static str)>,
    /// Name servers of which nothing is known are given eight seconds, as the slow ones of trials need.
    pub(crate) patient: bool,
}

impl Beginning {
    /// At `authoritative`, the only root there is; nothing is validated.
    pub(crate) fn at(authoritative: &str) -> Self {
        Self { hints: Zones::root_hints(authoritative), anchor: None, stub: None, patient: true }
    }
}

/// Starts Unbound on `address`.
pub(crate) fn unbound(address: &str, beginning: &Beginning) -> Result<Daemon, WardError> {
    let folder = format!("/etc/unbound/{}", last_octet(address));
    write(format!("{folder}/root.hints"), &beginning.hints)?;
    let mut config = format!(
        "server:\n  interface: {address}\n  outgoing-interface: {address}\n  access-control: 0.0.0.0/0 allow\n  chroot: \"\"\n  \
         username: \"\"\n  directory: \"{folder}\"\n  pidfile: \"/run/unbound-{}.pid\"\n  use-syslog: no\n  logfile: \"\"\n  \
         root-hints: \"root.hints\"\n  do-ip6: no\n  num-threads: 1\n  do-not-query-localhost: no\n  ede: yes\n  \
         qname-minimisation: no\n  discard-timeout: 20000\n  unblock-lan-zones: yes\n  insecure-lan-zones: yes\n",
        last_octet(address)
    );
    if let Some(anchor) = &beginning.anchor {
        write(format!("{folder}/root.anchor"), format!("{anchor}\n"))?;
        config.push_str("  module-config: \"validator iterator\"\n  trust-anchor-file: \"root.anchor\"\n");
    } else {
        config.push_str("  module-config: \"iterator\"\n");
    }
    if beginning.patient {
        config.push_str("  unknown-server-time-limit: 8000\n  infra-cache-min-rtt: 8000\n");
    }
    config.push_str("remote-control:\n  control-enable: no\n");
    if let Some((zone, server)) = beginning.stub {
        config.push_str(&format!("stub-zone:\n  name: \"{zone}\"\n  stub-addr: {server}\n"));
    }
    let path = format!("{folder}/unbound.conf");
    write(&path, config)?;
    Daemon::start("unbound", Command::new("/usr/sbin/unbound").args(["-d", "-c", &path]))?
        .listening_on(&[format!("{address}:53")])
}
