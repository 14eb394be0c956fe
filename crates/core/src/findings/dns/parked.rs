//! domain-expired-or-parked: the domain's name servers are those to which registrars point what has lapsed, or those of a
//! company that parks domains; or nobody serves it, and the zone above answers for every name.

use std::collections::BTreeSet;

use super::super::ways::{claims_every_mx, exchangers, own_mx, target_rcpt, ways};
use super::super::{At, Found, Rule, State, Told};
use super::views::claims_ways;
use crate::case::{ObsId, Seen};
use crate::catalogue::Severity;
use crate::questions::dns::walk::{Authoritative, Ended, Walk, lies_in};
use crate::questions::dns::{Dns, RecordType, Records, Via};
use crate::subject::{Domain, Host};

pub(super) const RULES: &[Rule] = &[Rule::domain(&["domain-expired-or-parked"], parked).over_all_vantages()];

/// Name servers to which registrars point domains that have expired or are on hold: host or zone.
const LAPSED: [&str; 8] = [
    "pendingrenewaldeletion.com",
    "renewyourname.net",
    "expired1.namebrightdns.com",
    "expired2.namebrightdns.com",
    "expirens3.hichina.com",
    "expirens4.hichina.com",
    "onamae-expired.com",
    "failed-whois-verification.namecheap.com",
];

/// Name servers of companies that show advertisements, or an offer of sale, for domains without other use.
const PARKING: [&str; 9] = [
    "sedoparking.com",
    "bodis.com",
    "parkingcrew.net",
    "parklogic.com",
    "above.com",
    "afternic.com",
    "undeveloped.com",
    "cashparking.com",
    "ztomy.com",
];

fn parked(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    own_mx(at)?;
    let (hosts, shown) = name_servers(at);
    let within = |table: &[&str]| hosts.iter().find(|host| table.iter().any(|zone| lies_in(host, zone))).cloned();
    let domain = at.on.as_str();
    let (says, server, shown) = if let Some(server) = within(&LAPSED) {
        (
            format!("{domain} has lapsed or is on hold: its name server {server} is the registrar's for such domains"),
            server,
            shown,
        )
    } else if let Some(server) = within(&PARKING) {
        (format!("{domain} is parked: its name server {server} belongs to a parking service"), server, shown)
    } else if let Some((parent, shown)) = wildcard(at) {
        (
            format!(
                "nobody serves {domain}: the zone {parent} above it answers for every name, also for ones that cannot exist"
            ),
            parent,
            shown,
        )
    } else {
        at.ask(&Records { rtype: RecordType::Ns, via: Via::Own })?;
        return Ok(State::Clear);
    };
    let mut hosts = exchangers(at).unwrap_or_default();
    if hosts.is_empty() {
        // Without MX the domain itself is where mail goes (RFC 5321 section 5.1).
        hosts.push((0, Host::new(domain)));
    }
    let takes = hosts
        .iter()
        .flat_map(|(_, host)| ways(at.case, host, &at.from))
        .any(|way| target_rcpt(&At::new(at.case, way, at.from.clone())).is_ok_and(|rcpt| rcpt.accepted().is_some()));
    let finding = found
        .is(at.on.clone())
        .says(says)
        .severity(if takes { Severity::Risk } else { Severity::Blocker })
        .detail("domain", domain)
        .detail("server", server);
    claims_every_mx(finding, at);
    for id in shown {
        finding.witnessed(id);
    }
    claims_ways(finding, at, hosts.iter().map(|(_, host)| host.as_str()));
    found.state()
}

/// The domain's name servers, by the zone above and by the resolver here, and what shows them.
fn name_servers(at: &At<'_, Domain>) -> (BTreeSet<String>, Vec<ObsId>) {
    let (mut hosts, mut shown) = (BTreeSet::new(), Vec::new());
    if let Ok(walk) = at.ask(&Walk)
        && let Some(cut) = walk.view().zone().filter(|cut| cut.domain() == at.on)
    {
        hosts.extend(cut.servers.iter().map(|s| s.host.clone()));
        shown.push(walk.id());
    }
    if let Ok(own) = at.ask(&Records { rtype: RecordType::Ns, via: Via::Own }) {
        let named = own.name_servers(at.on.as_str());
        if !named.is_empty() {
            shown.push(own.id());
        }
        hosts.extend(named);
    }
    (hosts, shown)
}

/// The zone of a top-level domain that gives the domain, which it does not delegate, the same addresses as a name that
/// cannot exist.
fn wildcard(at: &At<'_, Domain>) -> Option<(String, Vec<ObsId>)> {
    let walk = at.ask(&Walk).ok().filter(|walk| walk.ended == Ended::Reached)?;
    let cut = walk.view().cuts.last().filter(|cut| cut.zone != "." && !cut.zone.contains('.'))?;
    let answers: Vec<(String, Seen<'_, Dns>)> = at
        .case
        .every::<Authoritative>()
        .filter(|seen| seen.observation().subject == cut.domain().into() && seen.authoritative())
        .filter_map(|seen| {
            let asked: Authoritative = serde_json::from_value(seen.observation().asked.clone()).ok()?;
            (asked.rtype == RecordType::A).then_some((asked.name, seen))
        })
        .collect();
    let addresses = |seen: &Seen<'_, Dns>| seen.definite().map(|a| a.addresses()).unwrap_or_default();
    let (_, ours) = answers.iter().find(|(name, seen)| name == at.on.as_str() && !addresses(seen).is_empty())?;
    let (_, nobodys) =
        answers.iter().find(|(name, seen)| name != at.on.as_str() && addresses(seen) == addresses(ours))?;
    Some((cut.zone.clone(), vec![walk.id(), ours.id(), nobodys.id()]))
}
