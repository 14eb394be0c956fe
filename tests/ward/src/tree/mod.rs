//! A tree of zones of our own, from the root down: each zone with name servers of its own, NSD and Knot, signed or not, and
//! validating resolvers that begin at its root. A trial takes a healthy tree and breaks one thing in it.

mod servers;
mod signing;
mod ways;

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use servers::{Content, start};
pub use servers::{Manner, NameServer, Software};
use signing::Keys;
pub use ways::{WAYS, Way};

use crate::{
    Daemon, WardError, Zone, Zones,
    daemon::write,
    isolation::{answer_to, folder},
    name_servers::{Beginning, unbound},
    names::{AUTHORITATIVE, FOREIGN_RESOLVER, RESOLVER, SERVER_RESOLVER, THIRD_PARTY},
};

/// The addresses of the two servers of the root, of `example.`, and of the domain under test.
pub const TREE_ADDRESSES: [[&str; 2]; 3] =
    [["198.18.26.1", "198.18.26.2"], ["198.18.26.3", "198.18.26.4"], ["198.18.26.5", "198.18.26.6"]];

/// An address of the tree where nobody listens.
pub const TREE_NOBODY: &str = "198.18.26.9";

/// The seconds of a day.
const DAY: i64 = 86_400;

/// How a zone is signed.
#[derive(Clone, Debug)]
pub struct Signing {
    /// From when the signatures hold, in days from now.
    pub from_days: i64,
    /// Until when, in days from now.
    pub until_days: i64,
    /// What is changed in the zone file after it was signed: this text, to that.
    pub changed_after: Option<(&'static str, &'static str)>,
    /// Lines that are taken out of it after that: those that hold this text.
    pub left_out: Option<&'static str>,
    /// Absence is proven by NSEC3 records, made with these options of `ldns-signzone`; `None`: by NSEC.
    pub nsec3: Option<&'static [&'static str]>,
}

impl Signing {
    /// Signatures that hold since yesterday and for two weeks.
    #[must_use]
    pub fn valid() -> Self {
        Self { from_days: -1, until_days: 14, changed_after: None, left_out: None, nsec3: None }
    }
}

/// One zone, and who serves it.
#[derive(Clone, Debug)]
pub struct Branch {
    /// Its records, below SOA, NS and the addresses of its servers.
    pub zone: Zone,
    /// Its servers, as the zone itself and the one above name them. The first is the primary that the SOA names.
    pub servers: Vec<NameServer>,
    /// How it is signed; `None`: it is not.
    pub signing: Option<Signing>,
    /// The DS data that the zone above has for it; `None`: that of its own key, if it is signed.
    pub ds: Option<&'static str>,
}

impl Branch {
    /// A zone that `servers` serve, unsigned.
    #[must_use]
    pub fn new(origin: &'static str, records: &[&str], servers: Vec<NameServer>) -> Self {
        Self { zone: Zone::new(origin, records), servers, signing: None, ds: None }
    }

    /// The zone file of one of its servers. `below` is what is delegated from here.
    fn text(&self, server: &NameServer, below: &[String]) -> Result<String, WardError> {
        let zone = server.manner.zone().unwrap_or(&self.zone);
        let names: Vec<&str> = self.servers.iter().map(|server| server.name.as_str()).collect();
        let own = self.servers.iter().filter(|server| lies_in(&server.name, zone.origin));
        let addresses = own.map(|server| format!("{} A {}", server.name, server.address));
        let more: Vec<String> = addresses.chain(below.iter().cloned()).collect();
        let text = zone.with_servers(&names, &more);
        match server.manner.signing().or(self.signing.as_ref()) {
            Some(signing) => Keys::of(zone.origin)?.sign(zone.origin, &text, signing, seconds_now()),
            None => Ok(text),
        }
    }

    /// What the zone `above` says of this one.
    fn delegation(&self, above: &str) -> Result<Vec<String>, WardError> {
        let origin = self.zone.origin;
        let mut lines: Vec<String> = self.servers.iter().map(|server| format!("{origin} NS {}", server.name)).collect();
        for server in self.servers.iter().filter(|server| lies_in(&server.name, above)) {
            lines.extend(server.glue.map(|glue| format!("{} A {glue}", server.name)));
        }
        match (self.ds, &self.signing) {
            (Some(ds), _) => lines.push(format!("{origin} DS {ds}")),
            (None, Some(_)) => lines.push(Keys::of(origin)?.delegation_signer()?),
            (None, None) => {}
        }
        Ok(lines)
    }
}

/// The whole tree.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The root.
    pub root: Branch,
    /// `example.`, the top-level domain.
    pub example: Branch,
    /// The domain under test.
    pub domain: Branch,
    /// Other zones, below `example.` or the root: whose records the mail system needs, and what a trial adds.
    pub others: Vec<Branch>,
    /// A zone in the place of the domain's that only the resolver here sees, at a server inside.
    pub inside: Option<Zone>,
}

impl Tree {
    /// A tree without fault, in which nothing is signed.
    #[must_use]
    pub fn unsigned() -> Self {
        let zones = Zones::healthy();
        let [root, example, domain] = TREE_ADDRESSES;
        let pair = |names: [&str; 2], addresses: [&'static str; 2]| {
            let [(one, first), (two, second)] = [(names[0], addresses[0]), (names[1], addresses[1])];
            vec![NameServer::new(one, first, Software::Nsd), NameServer::new(two, second, Software::Knot)]
        };
        let nic = || pair(["ns1.nic.example.", "ns2.nic.example."], example);
        let with = |zone: Zone, servers| Branch { zone, servers, signing: None, ds: None };
        let list = ["list NS ns1.list".to_owned(), format!("ns1.list A {THIRD_PARTY}")];
        let lines: Vec<&str> = list.iter().map(String::as_str).collect();
        Self {
            root: Branch::new(".", &[], pair(["a.root.", "b.root."], root)),
            example: Branch::new("example.", &lines, nic()),
            domain: with(zones.domain, pair(["ns1.clinic.example.", "ns2.clinic.example."], domain)),
            others: vec![with(zones.outside, nic()), with(zones.reverse, nic())],
            inside: None,
        }
    }

    /// A tree without fault, signed from the root to the domain.
    #[must_use]
    pub fn signed() -> Self {
        let mut tree = Self::unsigned();
        for branch in [&mut tree.root, &mut tree.example, &mut tree.domain] {
            branch.signing = Some(Signing::valid());
        }
        tree
    }

    /// Starts three resolvers that validate where the root is signed. Writes `root.hints` and, for a signed root, `root.anchor`
    /// into the trial's folder.
    pub(crate) fn start_resolvers(&self) -> Result<Vec<Daemon>, WardError> {
        let mut daemons = Vec::new();
        let hints: String = self
            .root
            .servers
            .iter()
            .map(|server| format!(". 3600000 IN NS {0}\n{0} 3600000 IN A {1}\n", server.name, server.address))
            .collect();
        write(folder()?.join("root.hints"), &hints)?;
        let anchor = match self.root.signing {
            Some(_) => Some(Keys::of(".")?.delegation_signer()?),
            None => None,
        };
        if let Some(anchor) = &anchor {
            write(folder()?.join("root.anchor"), format!("{anchor}\n"))?;
        }
        let mut inside = Beginning { hints, anchor, stub: None, patient: false };
        for address in [SERVER_RESOLVER, FOREIGN_RESOLVER] {
            daemons.push(unbound(address, &inside)?);
        }
        if let Some(zone) = &self.inside {
            let text = zone.with_servers(&["ns.inside.example."], &[]);
            daemons.push(start(AUTHORITATIVE, Software::Nsd, &Content::of(zone.origin, text))?);
            inside.stub = Some((zone.origin, AUTHORITATIVE));
        }
        daemons.push(unbound(RESOLVER, &inside)?);
        Ok(daemons)
    }

    /// Starts every name server.
    pub(crate) fn start_servers(&self) -> Result<Vec<Daemon>, WardError> {
        let mut contents: BTreeMap<&'static str, (Software, Content)> = BTreeMap::new();
        let (of_example, of_root): (Vec<&Branch>, Vec<&Branch>) = std::iter::once(&self.domain)
            .chain(&self.others)
            .partition(|branch| lies_in(branch.zone.origin, self.example.zone.origin));
        let of_root: Vec<&Branch> = of_root.into_iter().chain([&self.example]).collect();
        let none = Vec::new();
        let all = [(&self.root, &of_root), (&self.example, &of_example), (&self.domain, &none)];
        for (branch, below) in all.into_iter().chain(self.others.iter().map(|branch| (branch, &none))) {
            let mut delegated = Vec::new();
            for child in below {
                delegated.extend(child.delegation(branch.zone.origin)?);
            }
            for server in &branch.servers {
                answer_to(server.address)?;
                if matches!(server.manner, Manner::Dead) {
                    continue;
                }
                let (_, content) = contents.entry(server.address).or_insert((server.software, Content::default()));
                content.refuses |= matches!(server.manner, Manner::Refuses);
                if !matches!(server.manner, Manner::ServesNothing) {
                    content.zones.insert(branch.zone.origin, branch.text(server, &delegated)?);
                }
            }
        }
        answer_to(TREE_NOBODY)?;
        contents.into_iter().map(|(address, (software, content))| start(address, software, &content)).collect()
    }
}

/// Whether a name is `zone` or lies below it; both with their last dot.
fn lies_in(name: &str, zone: &str) -> bool {
    zone == "." || name == zone || name.ends_with(&format!(".{zone}"))
}

fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
