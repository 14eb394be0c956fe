//! The name servers of a tree: NSD or Knot, one process for each address, with all the zones that are served there.

use std::{collections::BTreeMap, fs, process::Command};

use super::Signing;
use crate::{Daemon, WardError, Zone, daemon::write, name_servers::nsd_with};

/// Which authoritative server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// NSD.
    Nsd,
    /// Knot DNS.
    Knot,
}

/// What a server does with the zone that is delegated to it.
#[derive(Clone, Debug)]
pub enum Manner {
    /// It serves it.
    Serves,
    /// It serves another zone of the same name, signed as the zone is.
    ServesAnother(Zone),
    /// It serves the zone with other signatures, such as those of last month.
    Signs(Signing),
    /// It runs and was never told of the zone.
    ServesNothing,
    /// It has the zone, and its access list refuses everybody. Only [`Software::Nsd`] does that here.
    Refuses,
    /// It does not run.
    Dead,
}

impl Manner {
    /// The zone that it serves, where that is another one.
    pub(super) fn zone(&self) -> Option<&Zone> {
        if let Self::ServesAnother(zone) = self { Some(zone) } else { None }
    }

    /// How it signs, where that is another way.
    pub(super) fn signing(&self) -> Option<&Signing> {
        if let Self::Signs(signing) = self { Some(signing) } else { None }
    }
}

/// A name server of a zone.
#[derive(Clone, Debug)]
pub struct NameServer {
    /// Its name, with the last dot.
    pub name: String,
    /// Where it listens, and what its own zone says.
    pub address: &'static str,
    /// The address that the zone above gives along; `None`: none.
    pub glue: Option<&'static str>,
    /// What runs there.
    pub software: Software,
    /// What it does.
    pub manner: Manner,
}

impl NameServer {
    /// A server that does as it should.
    #[must_use]
    pub fn new(name: &str, address: &'static str, software: Software) -> Self {
        Self { name: name.to_owned(), address, glue: Some(address), software, manner: Manner::Serves }
    }
}

/// What one address serves.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Zone files by origin.
    pub(super) zones: BTreeMap<&'static str, String>,
    /// Everybody is refused.
    pub(super) refuses: bool,
}

impl Content {
    pub(super) fn of(origin: &'static str, text: String) -> Self {
        Self { zones: BTreeMap::from([(origin, text)]), refuses: false }
    }
}

/// Starts the server of one address.
pub(super) fn start(address: &str, software: Software, content: &Content) -> Result<Daemon, WardError> {
    let zones: Vec<(&str, &str)> = content.zones.iter().map(|(origin, text)| (*origin, text.as_str())).collect();
    match software {
        Software::Nsd => nsd_with(address, &zones, content.refuses),
        Software::Knot => knot(address, &zones),
    }
}

fn knot(address: &str, zones: &[(&str, &str)]) -> Result<Daemon, WardError> {
    let (folder, run, data) =
        (format!("/etc/knot/{address}"), format!("/run/knot/{address}"), format!("/var/lib/knot/{address}"));
    for folder in [&run, &data] {
        fs::create_dir_all(folder).map_err(WardError::io(folder.clone()))?;
    }
    let mut config = format!(
        "server:\n  rundir: \"{run}\"\n  listen: {address}@53\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
         log:\n  - target: stderr\n    any: info\ndatabase:\n  storage: \"{data}\"\n"
    );
    if !zones.is_empty() {
        config.push_str("zone:\n");
    }
    for (origin, text) in zones {
        let file = format!("{folder}/{origin}zone");
        write(&file, text)?;
        config.push_str(&format!(
            "  - domain: \"{origin}\"\n    file: \"{file}\"\n    zonefile-sync: -1\n    journal-content: none\n"
        ));
    }
    let path = format!("{folder}/knot.conf");
    write(&path, config)?;
    Daemon::start("knot", Command::new("/usr/sbin/knotd").args(["-c", &path]))?.listening_on(&[format!("{address}:53")])
}
