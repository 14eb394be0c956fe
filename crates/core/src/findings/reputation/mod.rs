//! What lists say of addresses and domains, and whether they say it to us at all.

mod listings;
mod lists;

use std::net::{IpAddr, Ipv4Addr};

use maildoctor_wire::dnsbl;

use super::Rule;
use super::refusals::{Refusal, refusals};
use crate::case::{Case, Question};
use crate::questions::dns::{Definite, ListEntry, ListedDomain};
use crate::subject::{Subject, Zone};

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    [lists::RULES, listings::RULES].concat()
}

/// Whether a list was asked anything in this run.
pub(super) fn was_asked(case: &Case, zone: &str) -> bool {
    let zone: Subject = Zone::new(zone).into();
    let asks = [ListEntry::PROBE, ListedDomain::PROBE];
    case.observations.iter().any(|o| o.subject == zone && asks.contains(&o.probe.as_str()))
}

/// The codes of an answer.
fn answers(answer: &Definite<'_>) -> Vec<Ipv4Addr> {
    answer.addresses().into_iter().filter_map(|ip| if let IpAddr::V4(v4) = ip { Some(v4) } else { None }).collect()
}

/// The domain that a list has an entry for as a test.
fn test_domain(zone: &str) -> &'static str {
    dnsbl::known(zone).map_or(dnsbl::TEST_DOMAIN, dnsbl::Known::test_domain)
}

/// The refusals that name the list, or whoever runs it.
fn refusals_by(case: &Case, zone: &Zone) -> Vec<Refusal> {
    refusals(case, |_, reply| dnsbl::is_named_in(zone.as_str(), &reply.text()))
}
