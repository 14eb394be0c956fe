//! NSD, the authoritative server, and Unbound, the resolver.

use std::process::Command;

use crate::{
    Daemon, WardError,
    daemon::write,
    zones::{Zones, last_octet},
};

/// Starts NSD with `zones` on `address`.
pub(crate) fn nsd(address: &str, zones: &Zones) -> Result<Daemon, WardError> {
    let folder = format!("/etc/nsd/{}", last_octet(address));
    let mut config = format!(
        "server:\n  ip-address: {address}\n  username: \"\"\n  zonesdir: \"{folder}\"\n  pidfile: \"/run/nsd-{0}.pid\"\n  \
         xfrdfile: \"/run/nsd-{0}.xfrd\"\n  zonelistfile: \"/run/nsd-{0}.zones\"\n  xfrdir: \"/run\"\n  cookie-secret-file: \"\"\n  server-count: 1\n  \
         rrl-ratelimit: 0\nremote-control:\n  control-enable: no\n",
        last_octet(address)
    );
    for zone in zones.all() {
        let file = format!("{}zone", zone.origin);
        write(format!("{folder}/{file}"), zone.text(address))?;
        config.push_str(&format!("zone:\n  name: \"{}\"\n  zonefile: \"{file}\"\n", zone.origin));
    }
    let path = format!("{folder}/nsd.conf");
    write(&path, config)?;
    Daemon::start("nsd", Command::new("/usr/sbin/nsd").args(["-d", "-c", &path]))?
        .listening_on(&[format!("{address}:53")])
}

/// Starts Unbound on `address`; it walks from `authoritative`, the only root there is.
pub(crate) fn unbound(address: &str, authoritative: &str) -> Result<Daemon, WardError> {
    let folder = format!("/etc/unbound/{}", last_octet(address));
    write(format!("{folder}/root.hints"), Zones::root_hints(authoritative))?;
    let config = format!(
        "server:\n  interface: {address}\n  outgoing-interface: {address}\n  access-control: 0.0.0.0/0 allow\n  chroot: \"\"\n  \
         username: \"\"\n  directory: \"{folder}\"\n  pidfile: \"/run/unbound-{}.pid\"\n  use-syslog: no\n  logfile: \"\"\n  \
         root-hints: \"root.hints\"\n  module-config: \"iterator\"\n  do-ip6: no\n  num-threads: 1\n  do-not-query-localhost: no\n  \
         unknown-server-time-limit: 8000\n  infra-cache-min-rtt: 8000\n  qname-minimisation: no\n  discard-timeout: 20000\n  unblock-lan-zones: yes\n  insecure-lan-zones: yes\nremote-control:\n  control-enable: no\n",
        last_octet(address)
    );
    let path = format!("{folder}/unbound.conf");
    write(&path, config)?;
    Daemon::start("unbound", Command::new("/usr/sbin/unbound").args(["-d", "-c", &path]))?
        .listening_on(&[format!("{address}:53")])
}
