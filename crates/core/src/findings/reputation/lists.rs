//! DNS lists that do not do their work, by their test entries (RFC 5782 section 5): dnsbl-lists-everyone,
//! dnsbl-zone-dead, dnsbl-query-blocked.

use std::net::{IpAddr, Ipv4Addr};

use maildoctor_wire::dnsbl::{self, Meaning};
use maildoctor_wire::wording::named_zone;

use super::super::host::configured;
use super::super::{At, Basis, Finding, Found, Rule, Share, Told};
use crate::case::{ObsId, Seen, Why};
use crate::catalogue::{Party, Severity};
use crate::questions::dns::{Definite, Dns, ListEntry, RecordType, Records, Via};
use crate::questions::smtp::{Banner, Rcpt};
use crate::subject::{Domain, Service, Zone};

pub(super) const RULES: &[Rule] = &[
    Rule::zone(&["dnsbl-lists-everyone"], lists_everyone),
    Rule::zone(&["dnsbl-zone-dead"], dead),
    Rule::zone(&["dnsbl-query-blocked"], refuses),
];

/// The A questions to this list, with their answers; those for `address` alone where it is given.
fn entries<'c>(at: &At<'c, Zone>, address: Option<Ipv4Addr>) -> Result<Vec<(ListEntry, Seen<'c, Dns>)>, Why> {
    let wanted = address.map(IpAddr::from);
    let found: Vec<(ListEntry, Seen<'c, Dns>)> = at
        .case
        .every::<ListEntry>()
        .filter(|seen| seen.observation().vantage == at.from && seen.observation().subject == at.on.clone().into())
        .filter_map(|seen| Some((serde_json::from_value(seen.observation().asked.clone()).ok()?, seen)))
        .filter(|(question, _): &(ListEntry, _)| question.rtype == RecordType::A)
        .filter(|(question, _)| wanted.is_none_or(|address| address == question.address))
        .collect();
    found.iter().for_each(|(_, seen)| at.note(seen.id()));
    if found.is_empty() {
        let address = address.unwrap_or(dnsbl::TEST_LISTED).into();
        at.ask(&ListEntry { address, rtype: RecordType::A, via: Via::Own })?;
    }
    Ok(found)
}

fn answers(answer: &Definite<'_>) -> Vec<Ipv4Addr> {
    answer.addresses().into_iter().filter_map(|ip| if let IpAddr::V4(v4) = ip { Some(v4) } else { None }).collect()
}

fn refused(answers: &[Ipv4Addr]) -> Option<Ipv4Addr> {
    answers.iter().copied().find(|answer| dnsbl::meaning(*answer) == Meaning::Refused)
}

fn lists_everyone(at: &At<'_, Zone>, found: &mut Found<'_>) -> Told {
    for (_, seen) in entries(at, Some(dnsbl::TEST_UNLISTED))? {
        let Some(definite) = seen.definite() else {
            found.missed(Why::Denied(seen.id()));
            continue;
        };
        let answers = answers(&definite);
        let Some(answer) = answers.first().filter(|_| refused(&answers).is_none()) else {
            continue;
        };
        let parked = dnsbl::meaning(*answer) == Meaning::NotAList;
        let why = if parked {
            "an address of no list at all, as a parked domain answers to every name"
        } else {
            "which no list may do"
        };
        let finding = found.is(at.on.clone());
        finding
            .says(format!(
                "{} answers {answer} for its test entry 127.0.0.1, {why}: whoever asks it refuses everybody",
                at.on
            ))
            .detail("answer", answer.to_string());
        common(at, finding, &seen, Severity::Advice);
        lay_on_refusals(at, finding);
    }
    found.state()
}

fn dead(at: &At<'_, Zone>, found: &mut Found<'_>) -> Told {
    for (question, seen) in entries(at, Some(dnsbl::TEST_LISTED))? {
        let Some(definite) = seen.definite() else {
            found.missed(Why::Denied(seen.id()));
            continue;
        };
        if !definite.addresses().is_empty() {
            continue;
        }
        let zone = Domain::new(at.on.as_str());
        let apex = at.ask_of(&Records { rtype: RecordType::Soa, via: question.via }, &zone)?;
        let gone = apex.need(|dns| dns.definite())?.nxdomain;
        let (state, words) = if gone {
            ("gone", "there is no such zone any more")
        } else {
            ("empty", "its test entry 127.0.0.2, which every working list of addresses has, is not listed")
        };
        let finding = found.is(at.on.clone());
        finding.says(format!("{} lists nobody: {words}", at.on)).detail("state", state).witnessed(apex.id());
        common(at, finding, &seen, Severity::Advice);
    }
    found.state()
}

fn refuses(at: &At<'_, Zone>, found: &mut Found<'_>) -> Told {
    for (question, seen) in entries(at, None)? {
        let Some(definite) = seen.definite() else {
            found.missed(Why::Denied(seen.id()));
            continue;
        };
        let Some(answer) = refused(&answers(&definite)) else {
            continue;
        };
        let resolver = seen.wire.server;
        let whose = if question.via == Via::Own { "the resolver" } else { "the server's resolver" };
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
        if configured(at.case, at.on.as_str()).is_none() && question.via == Via::Own {
            // Which resolver the server itself has, only its host can tell.
            finding.party(Party::Here);
        }
        lay_on_refusals(at, finding);
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
        }
        None if refusals(at).is_empty() => {
            finding.severity(unless_asked);
        }
        None => {}
    }
}

/// The refusals that name the list.
fn refusals(at: &At<'_, Zone>) -> Vec<(Service, ObsId)> {
    let names = |text: String| named_zone(&text).is_some_and(|zone| zone == at.on.as_str());
    let rcpts = at
        .case
        .every::<Rcpt>()
        .filter(|seen| seen.view().reply().is_some_and(|reply| names(reply.text())))
        .map(|seen| seen.observation());
    let banners = at
        .case
        .every::<Banner>()
        .filter(|seen| seen.view().reply().is_some_and(|reply| names(reply.text())))
        .map(|seen| seen.observation());
    rcpts
        .chain(banners)
        .filter_map(|observation| Some((*crate::case::subject_of::<Service>(observation)?, observation.id)))
        .collect()
}

fn lay_on_refusals(at: &At<'_, Zone>, finding: &mut Finding) {
    for (service, id) in refusals(at) {
        finding.also(service).claims(id, Share::Whole, Basis::ServerSaid);
    }
}
