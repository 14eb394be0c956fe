//! DNS lists that do not do their work, by their test entries (RFC 5782 section 5): dnsbl-lists-everyone,
//! dnsbl-zone-dead, dnsbl-query-blocked.

use std::net::{IpAddr, Ipv4Addr};

use maildoctor_wire::dnsbl::{self, Meaning};

use super::super::host::{configured, is_weighed};
use super::super::refusals::lay_on;
use super::super::{At, Basis, Finding, Found, Rule, Told};
use super::{answers, refusals_by, test_domain};
use crate::case::{Seen, Why};
use crate::catalogue::{Party, Severity};
use crate::questions::dns::{Dns, ListEntry, ListedDomain, RecordType, Records, Via};
use crate::subject::{Domain, Zone};

pub(super) const RULES: &[Rule] = &[
    Rule::zone(&["dnsbl-lists-everyone"], lists_everyone),
    Rule::zone(&["dnsbl-zone-dead"], dead),
    Rule::zone(&["dnsbl-query-blocked"], refuses),
];

/// Which entries of a list are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// The test entries that every list has.
    Listed,
    /// The test entries that no list may have.
    Unlisted,
    /// Whatever it was asked for.
    Any,
}

/// One entry that a list was asked for.
struct Entry<'c> {
    via: Via,
    /// What it is an entry for.
    of: String,
    is_domain: bool,
    seen: Seen<'c, Dns>,
}

/// The A questions to this list, with their answers.
fn entries<'c>(at: &At<'c, Zone>, which: Which) -> Result<Vec<Entry<'c>>, Why> {
    let subject = at.on.clone().into();
    let wanted = |seen: &Seen<'c, Dns>| seen.observation().vantage == at.from && seen.observation().subject == subject;
    let addresses = at.case.every::<ListEntry>().filter(wanted).filter_map(|seen| {
        let asked: ListEntry = serde_json::from_value(seen.observation().asked.clone()).ok()?;
        let fits = match which {
            Which::Listed => asked.address == IpAddr::from(dnsbl::TEST_LISTED),
            Which::Unlisted => asked.address == IpAddr::from(dnsbl::TEST_UNLISTED),
            Which::Any => true,
        };
        (fits && asked.rtype == RecordType::A).then(|| Entry {
            via: asked.via,
            of: asked.address.to_string(),
            is_domain: false,
            seen,
        })
    });
    let test = test_domain(at.on.as_str());
    let domains = at.case.every::<ListedDomain>().filter(wanted).filter_map(|seen| {
        let asked: ListedDomain = serde_json::from_value(seen.observation().asked.clone()).ok()?;
        let fits = match which {
            Which::Listed => asked.name == test,
            Which::Unlisted => asked.name == dnsbl::TEST_NO_DOMAIN,
            Which::Any => true,
        };
        // A list that is not known, and has no test entry for domains, is no list of domains.
        let is_one = dnsbl::known(at.on.as_str()).is_some() || asked.name != test || is_listed(&seen);
        (fits && is_one && asked.rtype == RecordType::A).then_some(Entry {
            via: asked.via,
            of: asked.name,
            is_domain: true,
            seen,
        })
    });
    let found: Vec<Entry<'c>> = addresses.chain(domains).collect();
    found.iter().for_each(|entry| at.note(entry.seen.id()));
    if found.is_empty() {
        let address = if which == Which::Unlisted { dnsbl::TEST_UNLISTED } else { dnsbl::TEST_LISTED }.into();
        at.ask(&ListEntry { address, rtype: RecordType::A, via: Via::Own })?;
    }
    Ok(found)
}

fn is_listed(seen: &Seen<'_, Dns>) -> bool {
    seen.definite().is_some_and(|definite| !definite.addresses().is_empty())
}

fn refused(at: &At<'_, Zone>, answers: &[Ipv4Addr]) -> Option<Ipv4Addr> {
    answers.iter().copied().find(|answer| dnsbl::read(at.on.as_str(), *answer).0 == Meaning::Refused)
}

fn lists_everyone(at: &At<'_, Zone>, found: &mut Found<'_>) -> Told {
    for Entry { of, seen, .. } in entries(at, Which::Unlisted)? {
        let Some(definite) = seen.definite() else {
            found.missed(Why::Denied(seen.id()));
            continue;
        };
        let answers = answers(&definite);
        let Some(answer) = answers.first().filter(|_| refused(at, &answers).is_none()) else {
            continue;
        };
        let parked = dnsbl::read(at.on.as_str(), *answer).0 == Meaning::NotAList;
        let why = if parked {
            "an address of no list at all, as a parked domain answers to every name"
        } else {
            "which no list may do"
        };
        let finding = found.is(at.on.clone());
        finding
            .says(format!(
                "{} answers {answer} for its test entry {of}, {why}: whoever asks it refuses everybody",
                at.on
            ))
            .detail("answer", answer.to_string());
        common(at, finding, &seen, Severity::Advice);
        lay_on(finding, refusals_by(at.case, &at.on));
    }
    found.state()
}

fn dead(at: &At<'_, Zone>, found: &mut Found<'_>) -> Told {
    let tests = entries(at, Which::Listed)?;
    if tests.iter().any(|test| is_listed(&test.seen)) {
        return found.state();
    }
    let test = test_domain(at.on.as_str());
    if entries(at, Which::Any)?.iter().any(|entry| entry.is_domain) && !tests.iter().any(|entry| entry.of == test) {
        // A list of domains has its test entry among them.
        at.ask(&ListedDomain { name: test.to_owned(), rtype: RecordType::A, via: Via::Own })?;
    }
    for Entry { via, of, seen, .. } in tests {
        if seen.definite().is_none() {
            found.missed(Why::Denied(seen.id()));
            continue;
        }
        let zone = Domain::new(at.on.as_str());
        let apex = at.ask_of(&Records { rtype: RecordType::Soa, via }, &zone)?;
        let gone = apex.need(|dns| dns.definite())?.nxdomain;
        let closed = dnsbl::known(at.on.as_str()).and_then(|list| Some((list.name, list.closed?)));
        let words = match (closed, gone) {
            (Some((name, day)), _) => format!("{name} was closed on {day}"),
            (None, true) => "there is no such zone any more".to_owned(),
            (None, false) => format!("its test entry {of}, which every working list of its kind has, is not listed"),
        };
        let state = if gone { "gone" } else { "empty" };
        let finding = found.is(at.on.clone());
        finding.says(format!("{} lists nobody: {words}", at.on)).detail("state", state).witnessed(apex.id());
        common(at, finding, &seen, Severity::Advice);
    }
    found.state()
}

fn refuses(at: &At<'_, Zone>, found: &mut Found<'_>) -> Told {
    for Entry { via, seen, .. } in entries(at, Which::Any)? {
        let Some(definite) = seen.definite() else {
            found.missed(Why::Denied(seen.id()));
            continue;
        };
        let Some(answer) = refused(at, &answers(&definite)) else {
            continue;
        };
        let resolver = seen.wire.server;
        let whose = if via == Via::Own { "the resolver" } else { "the server's resolver" };
        let why = match answer.octets()[3] {
            252 => "a mistyped zone name",
            254 => "a public or anonymous resolver",
            255 => "too many queries",
            _ => "a query that it will not answer",
        };
        let finding = found.is(at.on.clone());
        finding
            .says(format!(
                "{} refuses {whose} {resolver}: it answers {answer}, which means {why} and no listing",
                at.on
            ))
            .detail("answer", answer.to_string())
            .detail("resolver", resolver.to_string());
        common(at, finding, &seen, Severity::Advice);
        if configured(at.case, at.on.as_str()).is_none() && via == Via::Own {
            // Which resolver the server itself has, only its host can tell.
            finding.party(Party::Here);
        }
        lay_on(finding, refusals_by(at.case, &at.on));
    }
    found.state()
}

/// What all three say: the zone, the place that names it, and how bad it is. A list that nobody is known to ask harms nobody.
fn common(at: &At<'_, Zone>, finding: &mut Finding, seen: &Seen<'_, Dns>, unless_asked: Severity) {
    finding.detail("zone", at.on.as_str()).witnessed(seen.id());
    match configured(at.case, at.on.as_str()) {
        Some((list, id)) => {
            let says = format!("{}; it stands in {}", finding.says, list.place.in_words());
            finding.says(says).proof(id, Basis::Witnessed).detail("setting", list.place.setting.as_str());
            finding.known("file", list.place.file.as_deref());
            if let Some(line) = list.place.line {
                finding.detail("line", line);
            }
            if is_weighed(at.case, &list) && finding.code != "dnsbl-lists-everyone" {
                // Nobody scores by a list that is empty, and Rspamd knows the answers that refuse it.
                finding.severity(Severity::Advice);
            } else if !list.refuses && refusals_by(at.case, &at.on).is_empty() {
                // Who is listed is noted, marked or welcomed, and not refused.
                finding.severity(finding.severity.min(Severity::Risk));
            }
        }
        None if refusals_by(at.case, &at.on).is_empty() => {
            finding.severity(unless_asked);
        }
        None => {}
    }
}
