//! Ways in which a tree of zones is right or wrong, each by a name: the trials, `examples/machine.rs` and the tables of
//! `docs/AGREEMENT.md` speak of the same ones.

use super::{Branch, Manner, NameServer, Signing, Software, TREE_ADDRESSES, TREE_NOBODY, Tree};
use crate::{MailSystem, Plan, WardError, drop_dns_datagrams_to, drop_packets_to};

/// DS data of a key that nobody has.
const DS_OF_NO_KEY: &str = "12345 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF";
/// The same with an algorithm that is not assigned.
const DS_OF_UNKNOWN_ALGORITHM: &str = "12345 200 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF";
/// The same with a digest that is not assigned.
const DS_BY_UNKNOWN_DIGEST: &str = "12345 13 200 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF";

/// One way.
#[derive(Debug)]
pub struct Way {
    /// Its name.
    pub name: &'static str,
    tree: fn() -> Tree,
    cut: fn() -> Result<(), WardError>,
}

/// Every way: those of servers and delegations, unsigned, then those of DNSSEC, in a tree that is signed from the root.
pub static WAYS: &[Way] = &[
    Way::of("unsigned", Tree::unsigned),
    Way::of("server-not-told", || with_server(Tree::unsigned(), 1, |server| server.manner = Manner::ServesNothing)),
    Way::of("server-refuses", || with_server(Tree::unsigned(), 0, |server| server.manner = Manner::Refuses)),
    Way::of("server-dead", || with_server(Tree::unsigned(), 1, |server| server.manner = Manner::Dead)),
    Way { name: "servers-silent", tree: Tree::unsigned, cut: silence },
    Way::of("servers-disagree", || {
        let mut other = Tree::unsigned().domain.zone;
        other.remove("@ MX").add("@ MX 20 mx1");
        with_server(Tree::unsigned(), 1, |server| server.manner = Manner::ServesAnother(other))
    }),
    Way::of("secondary-behind", || {
        let old = Tree::unsigned().domain.zone;
        let tree = unsigned(|tree| tree.domain.zone.serial = old.serial + 1);
        with_server(tree, 1, |server| server.manner = Manner::ServesAnother(old))
    }),
    Way::of("glue-stale", || with_server(Tree::unsigned(), 1, |server| server.glue = Some(TREE_NOBODY))),
    Way { name: "servers-deaf-over-tcp", tree: Tree::unsigned, cut: || deafen(&TREE_ADDRESSES[2]) },
    Way { name: "all-deaf-over-tcp", tree: Tree::unsigned, cut: || deafen(&TREE_ADDRESSES.concat()) },
    Way::of("parked", || unsigned(park)),
    Way::of("delegations-circular", || unsigned(lead_round)),
    Way::of("signed", Tree::signed),
    Way::of("signed-with-nsec3", || {
        signed(|tree| {
            for branch in [&mut tree.example, &mut tree.domain] {
                branch.signing = Some(Signing { nsec3: Some(&[]), ..Signing::valid() });
            }
        })
    }),
    Way::of("unsigned-below-nsec3", || {
        signed(|tree| {
            tree.domain.signing = None;
            // "-p" is opt-out: what is delegated without a DS record has no NSEC3 record of its own.
            tree.example.signing = Some(Signing { nsec3: Some(&["-p"]), ..Signing::valid() });
        })
    }),
    Way::of("unsigned-below-signed", || signed(|tree| tree.domain.signing = None)),
    Way::of("signatures-expired", || signed_so(expired())),
    Way::of("signatures-not-yet-valid", || signed_so(Signing { from_days: 10, until_days: 40, ..Signing::valid() })),
    Way::of("record-changed", || {
        signed_so(Signing { changed_after: Some(("MX\t10 mx1", "MX\t20 mx1")), ..Signing::valid() })
    }),
    Way::of("signature-missing", || signed_so(Signing { left_out: Some("RRSIG\tMX "), ..Signing::valid() })),
    Way::of("signing-key-missing", || signed_so(Signing { left_out: Some("DNSKEY\t256 "), ..Signing::valid() })),
    Way::of("ds-without-keys", || {
        signed(|tree| {
            tree.domain.signing = None;
            tree.domain.ds = Some(DS_OF_NO_KEY);
        })
    }),
    Way::of("ds-of-another-key", || signed(|tree| tree.domain.ds = Some(DS_OF_NO_KEY))),
    Way::of("ds-of-unknown-algorithm", || {
        signed(|tree| {
            tree.domain.signing = None;
            tree.domain.ds = Some(DS_OF_UNKNOWN_ALGORITHM);
        })
    }),
    Way::of("ds-by-unknown-digest", || signed(|tree| tree.domain.ds = Some(DS_BY_UNKNOWN_DIGEST))),
    Way::of("denial-missing", || {
        signed(|tree| {
            tree.domain.signing = None;
            tree.example.signing = Some(Signing { left_out: Some("NSEC"), ..Signing::valid() });
        })
    }),
    Way::of("signatures-expired-above", || signed(|tree| tree.example.signing = Some(expired()))),
    Way::of("signatures-expired-at-the-root", || signed(|tree| tree.root.signing = Some(expired()))),
    Way::of("signatures-expired-at-one-server", || {
        with_server(Tree::signed(), 1, |server| server.manner = Manner::Signs(expired()))
    }),
];

impl Way {
    const fn of(name: &'static str, tree: fn() -> Tree) -> Self {
        Self { name, tree, cut: || Ok(()) }
    }

    /// The way of a name.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> Result<&'static Self, WardError> {
        WAYS.iter().find(|way| way.name == name).ok_or_else(|| {
            let names: Vec<&str> = WAYS.iter().map(|way| way.name).collect();
            WardError::Wrong(format!("there is no way `{name}`; there are {}", names.join(", ")))
        })
    }

    /// A healthy mail system in a tree that is so.
    ///
    /// # Errors
    /// As [`Plan::start`].
    pub fn start(&self) -> Result<MailSystem, WardError> {
        self.start_with(|_| Ok(()))
    }

    /// The same, with one more change to what is planned.
    ///
    /// # Errors
    /// As [`Plan::start`], and what the change says.
    pub fn start_with(&self, change: impl FnOnce(&mut Plan) -> Result<(), WardError>) -> Result<MailSystem, WardError> {
        let mut plan = Plan::healthy()?;
        plan.tree = Some((self.tree)());
        change(&mut plan)?;
        let system = plan.start()?;
        (self.cut)()?;
        Ok(system)
    }
}

fn unsigned(change: impl FnOnce(&mut Tree)) -> Tree {
    let mut tree = Tree::unsigned();
    change(&mut tree);
    tree
}

fn signed(change: impl FnOnce(&mut Tree)) -> Tree {
    let mut tree = Tree::signed();
    change(&mut tree);
    tree
}

/// A tree with a change to one of the domain's servers.
fn with_server(mut tree: Tree, place: usize, change: impl FnOnce(&mut NameServer)) -> Tree {
    if let Some(server) = tree.domain.servers.get_mut(place) {
        change(server);
    }
    tree
}

fn signed_so(signing: Signing) -> Tree {
    signed(|tree| tree.domain.signing = Some(signing))
}

fn expired() -> Signing {
    Signing { from_days: -40, until_days: -10, ..Signing::valid() }
}

/// The domain is left to a parking service, whose servers speak for it.
fn park(tree: &mut Tree) {
    let [one, two] = TREE_ADDRESSES[2];
    let servers = vec![
        NameServer::new("ns1.bodis.com.", one, Software::Nsd),
        NameServer::new("ns2.bodis.com.", two, Software::Knot),
    ];
    tree.others.push(Branch::new("bodis.com.", &[], servers.clone()));
    let records = ["@ A 198.18.25.80", "@ TXT \"v=spf1 -all\"", "_dmarc TXT \"v=DMARC1; p=reject\""];
    tree.domain = Branch::new("clinic.example.", &records, servers);
}

/// The domain is delegated to a server of another zone, and that to one of the domain's; neither address is given along.
fn lead_round(tree: &mut Tree) {
    let [one, two] = TREE_ADDRESSES[2];
    let server = |name, address| NameServer { glue: None, ..NameServer::new(name, address, Software::Nsd) };
    tree.others.push(Branch::new("ring.example.", &[], vec![server("ns1.clinic.example.", two)]));
    tree.domain.servers = vec![server("ns1.ring.example.", one)];
}

fn silence() -> Result<(), WardError> {
    TREE_ADDRESSES[2].into_iter().try_for_each(drop_dns_datagrams_to)?;
    deafen(&TREE_ADDRESSES[2])
}

fn deafen(addresses: &[&str]) -> Result<(), WardError> {
    addresses.iter().try_for_each(|address| drop_packets_to(address, 53))
}
