//! Faults of DNS lists that the exchangers ask.

use std::net::{IpAddr, Ipv4Addr};

use maildoctor_wire::dnsbl;

use super::part::Part::*;
use super::part::{at, shut};
use super::{Fault, fault, source};
use crate::blacklists::Blacklist;
use crate::dns::{View, data};
use crate::{BLACKLIST, DOMAIN, LabError, Setup};

pub(super) const FAULTS: &[Fault] = &[
    fault("dnsbl-lists-everyone", shut(&[Blacklist, Recipient, Strangers, Postmaster, Relay]), |s| {
        list_answers(s, [dnsbl::TEST_UNLISTED.into(), source()], dnsbl::TEST_LISTED)
    }),
    fault("dnsbl-query-blocked", at(&[Blacklist]), |s| {
        let refused = Ipv4Addr::new(127, 255, 255, 254);
        forget_entries(s);
        list_answers(s, [dnsbl::TEST_UNLISTED.into(), dnsbl::TEST_LISTED.into()], refused)
    }),
    fault("dnsbl-zone-dead", at(&[Blacklist]), |s| {
        forget_entries(s);
        for view in [View::Here, View::Outside] {
            s.zones.forget(view, BLACKLIST);
        }
        s.asks_list = true;
        Ok(())
    }),
    fault("ip-listed", at(&[Blacklist]), |s| {
        let name = dnsbl::query_name(s.plan.mx(1), BLACKLIST);
        s.zones.add(&name, data::address([127, 0, 0, 2].into()));
        s.zones.add(&name, data::txt("spam received 2026-11-20; https://dnsbl.lab.example/query"));
        s.asks_list = true;
        Ok(())
    }),
    fault("ip-listed-pbl", at(&[PolicyList]), |s| {
        // Which codes are policy, each list says for itself: this one is known.
        Blacklist::healthy(POLICY_LIST).publish(&mut s.zones);
        s.zones.add(&dnsbl::query_name(s.plan.mx(1), POLICY_LIST), data::address([127, 0, 0, 11].into()));
        s.arguments.push(format!("--dnsbl={POLICY_LIST}"));
        Ok(())
    }),
    fault("domain-listed", at(&[DomainList]), |s| {
        for name in [dnsbl::TEST_DOMAIN, DOMAIN] {
            s.zones.add(&dnsbl::domain_query_name(name, DOMAIN_LIST), data::address([127, 0, 0, 2].into()));
        }
        s.arguments.push(format!("--dnsbl={DOMAIN_LIST}"));
        Ok(())
    }),
];

/// A list that says of addresses what kind they are, served by the lab's own DNS.
const POLICY_LIST: &str = "zen.spamhaus.org";

/// A list of domains.
const DOMAIN_LIST: &str = "domains.bl.example";

/// The list answers for these addresses, and `check` asks it.
fn list_answers<const N: usize>(setup: &mut Setup, addresses: [IpAddr; N], answer: Ipv4Addr) -> Result<(), LabError> {
    let mut names = addresses.map(|address| dnsbl::query_name(address, BLACKLIST)).to_vec();
    names.dedup();
    for name in names {
        setup.zones.add(&name, data::address(answer.into()));
    }
    setup.asks_list = true;
    Ok(())
}

fn forget_entries(setup: &mut Setup) {
    for view in [View::Here, View::Outside] {
        setup.zones.forget(view, &dnsbl::query_name(dnsbl::TEST_LISTED.into(), BLACKLIST));
    }
}
