//! The MX records themselves: mx-missing, mx-null, mx-is-ip, mx-single, mx-duplicate.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::super::ways::{claims_every_mx, exchangers, own_mx};
use super::super::{At, Found, Rule, State, Told};
use crate::case::Why;
use crate::catalogue::Severity;
use crate::questions::dns::{RecordType, Records, Via};
use crate::subject::{Addr, Domain};

pub(super) const RULES: &[Rule] = &[
    Rule::domain(&["mx-missing"], missing),
    Rule::domain(&["mx-null"], null),
    Rule::domain(&["mx-is-ip"], is_ip),
    Rule::domain(&["mx-single"], single),
    Rule::domain(&["mx-duplicate"], duplicate),
];

fn missing(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    let answer = own.need(|d| d.definite())?;
    if answer.nxdomain || !answer.mx().is_empty() {
        return Ok(State::Clear);
    }
    let address = |rtype| at.ask(&Records { rtype, via: Via::Own });
    let (v4, v6) = (address(RecordType::A)?, address(RecordType::Aaaa)?);
    let implicit: Vec<IpAddr> = [&v4, &v6].iter().filter_map(|s| s.definite()).flat_map(|a| a.addresses()).collect();
    let domain = at.on.as_str();
    let says = match implicit.first() {
        Some(ip) => format!("{domain} has no MX record; senders fall back to its address {ip}"),
        None => format!("{domain} has no MX record and no address, so nobody can tell where its mail goes"),
    };
    let finding = found
        .is(at.on.clone())
        .says(says)
        .severity(if implicit.is_empty() { Severity::Blocker } else { Severity::Risk })
        .detail("domain", domain)
        .witnessed(own.id())
        .owes_step(own.id());
    claims_every_mx(finding, at);
    found.state()
}

fn null(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    let answer = own.need(|d| d.definite())?;
    let mx = answer.mx();
    if !mx.is_empty() && mx.iter().all(|(_, host)| host.is_empty()) {
        found
            .is(at.on.clone())
            .says(format!("{} says by a null MX (0 .) that it takes no mail", at.on))
            .detail("domain", at.on.as_str())
            .witnessed(own.id());
    } else if mx.iter().any(|(_, host)| host.is_empty()) {
        found
            .is(at.on.clone())
            .says(format!(
                "{} says by a null MX (.) that it takes no mail, and names mail exchangers beside it: some senders give up at once",
                at.on
            ))
            .severity(Severity::Risk)
            .detail("domain", at.on.as_str())
            .witnessed(own.id());
    }
    found.state()
}

fn is_ip(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    for (preference, host) in exchangers(at)? {
        if host.as_str().parse::<IpAddr>().is_ok() {
            let finding = found
                .is(host.clone())
                .says(format!(
                    "the MX record {preference} of {} holds the address {host} where a name must stand",
                    at.on
                ))
                .detail("domain", at.on.as_str())
                .detail("address", host.as_str())
                .also(host.clone())
                .witnessed(own.id());
            claims_every_mx(finding, at);
        }
    }
    found.state()
}

/// Address → hosts, over all exchangers.
fn by_address(at: &At<'_, Domain>) -> Result<BTreeMap<IpAddr, BTreeSet<String>>, Why> {
    let mut out: BTreeMap<IpAddr, BTreeSet<String>> = BTreeMap::new();
    for (_, host) in exchangers(at)? {
        for Addr(ip) in at.case.graph().below(&host.clone().into()) {
            out.entry(ip).or_default().insert(host.as_str().to_owned());
        }
    }
    Ok(out)
}

fn single(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    let hosts = exchangers(at)?;
    // Where a name cannot be resolved another finding says what matters.
    let resolved = hosts.iter().all(|(_, h)| !at.case.graph().below::<Addr>(&h.clone().into()).is_empty());
    if let ([(_, only)], true) = (hosts.as_slice(), resolved) {
        found
            .is(at.on.clone())
            .says(format!("{} has only one mail exchanger, {only}", at.on))
            .detail("domain", at.on.as_str())
            .detail("host", only.as_str())
            .witnessed(own.id());
    } else if hosts.len() > 1 && by_address(at)?.len() == 1 {
        found
            .is(at.on.clone())
            .says(format!("all mail exchangers of {} share one address", at.on))
            .detail("domain", at.on.as_str())
            .witnessed(own.id());
    }
    found.state()
}

fn duplicate(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    let hosts = exchangers(at)?;
    let mut seen = BTreeSet::new();
    for (_, host) in &hosts {
        if !seen.insert(host.clone()) {
            found
                .is(at.on.clone())
                .says(format!("{host} stands in more than one MX record of {}", at.on))
                .detail("domain", at.on.as_str())
                .detail("host", host.as_str())
                .witnessed(own.id());
        }
    }
    if seen.len() > 1 && by_address(at)?.len() > 1 {
        for (ip, names) in by_address(at)?.into_iter().filter(|(_, names)| names.len() > 1) {
            let names: Vec<String> = names.into_iter().collect();
            found
                .is(at.on.clone())
                .says(format!("{} of {} lead to the same address {ip}", names.join(" and "), at.on))
                .detail("domain", at.on.as_str())
                .detail("address", ip.to_string())
                .witnessed(own.id());
        }
    }
    found.state()
}
