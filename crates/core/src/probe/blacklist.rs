//! What DNS lists are asked: for the addresses and the domain under test, and for their test entries (RFC 5782
//! section 5), without which nothing that they say can be believed.

use std::net::IpAddr;

use futures::future::{join, join_all};
use maildoctor_wire::dnsbl::{self, Holds, known};

use super::Context;
use crate::questions::dns::{Dns, ListEntry, ListedDomain, RecordType, Records, Via};
use crate::subject::{Domain, Zone};

/// Asks a list for addresses, where it may have entries for them.
pub async fn addresses(context: &Context, zone: &str, under_test: &[IpAddr], via: Via) {
    let list = known(zone);
    if list.is_some_and(|list| list.holds == Holds::Domains) {
        return;
    }
    let may_hold = |ip: &&IpAddr| ip.is_ipv4() || list.is_none_or(|list| list.ipv6);
    let mut all: Vec<IpAddr> = under_test.iter().filter(may_hold).copied().collect();
    all.extend([dnsbl::TEST_LISTED, dnsbl::TEST_UNLISTED].map(IpAddr::from));
    all.sort();
    all.dedup();
    join_all(all.into_iter().map(|address| async move {
        let name = dnsbl::query_name(address, zone);
        let question = |rtype| ListEntry { address, rtype, via };
        let on = Zone::new(zone);
        let wire = context.lookup(&question(RecordType::A), &on, via, &name, RecordType::A).await;
        let must_be_listed = address == IpAddr::from(dnsbl::TEST_LISTED);
        match is_there(&Dns { wire }) {
            Some(true) if !must_be_listed => {
                context.lookup(&question(RecordType::Txt), &on, via, &name, RecordType::Txt).await;
            }
            Some(false) if must_be_listed => apex(context, zone, via).await,
            _ => {}
        }
    }))
    .await;
}

/// Asks a list for a domain, where it may have entries for domains: one that is not known says so by its test entry.
pub async fn domain(context: &Context, zone: &str, domain: &str) {
    let list = known(zone);
    if list.is_some_and(|list| list.holds == Holds::Addresses) {
        return;
    }
    let test = list.map_or(dnsbl::TEST_DOMAIN, |list| list.test_domain());
    match entry(context, zone, test).await {
        Some(true) => {}
        None | Some(false) => {
            if list.is_some() {
                apex(context, zone, Via::Own).await;
            }
            return;
        }
    }
    join(entry(context, zone, dnsbl::TEST_NO_DOMAIN), async {
        if entry(context, zone, domain).await == Some(true) {
            ask(context, zone, domain, RecordType::Txt).await;
        }
    })
    .await;
}

async fn entry(context: &Context, zone: &str, name: &str) -> Option<bool> {
    is_there(&ask(context, zone, name, RecordType::A).await)
}

async fn ask(context: &Context, zone: &str, name: &str, rtype: RecordType) -> Dns {
    let question = ListedDomain { name: name.to_owned(), rtype, via: Via::Own };
    let asked = dnsbl::domain_query_name(name, zone);
    Dns { wire: context.lookup(&question, &Zone::new(zone), Via::Own, &asked, rtype).await }
}

fn is_there(view: &Dns) -> Option<bool> {
    view.definite().map(|answer| !answer.addresses().is_empty())
}

/// Whether there is such a zone at all.
async fn apex(context: &Context, zone: &str, via: Via) {
    let question = Records { rtype: RecordType::Soa, via };
    context.lookup(&question, &Domain::new(zone), via, zone, RecordType::Soa).await;
}
