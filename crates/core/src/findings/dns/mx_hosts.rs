//! The hosts that MX records name: mx-unresolvable, mx-is-cname, mx-private-address, host-unresolvable.

use std::net::IpAddr;

use maildoctor_wire::rdns::is_private;

use super::super::ways::{address_answers, exchangers, ways};
use super::super::{At, Basis, Found, Rule, Share, State, Told};
use crate::case::Why;
use crate::catalogue::Severity;
use crate::questions::dns::{Addresses, RecordType, Via};
use crate::questions::tcp::Connect;
use crate::subject::{Addr, Domain, Host};

pub(super) const RULES: &[Rule] = &[
    Rule::domain(&["mx-unresolvable"], unresolvable),
    Rule::domain(&["mx-is-cname"], is_cname),
    Rule::domain(&["mx-private-address"], private_address),
];

fn unresolvable(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let hosts = exchangers(at)?;
    let others = |host: &Host| {
        hosts.iter().any(|(_, h)| h != host && !at.case.graph().below::<Addr>(&h.clone().into()).is_empty())
    };
    for (preference, host) in hosts.iter().filter(|(_, h)| h.as_str().parse::<IpAddr>().is_err()) {
        let [v4, v6] = match address_answers(at, host) {
            Ok(answers) => answers,
            Err(why) => {
                found.missed(why);
                continue;
            }
        };
        let (Some(four), Some(six)) = (v4.definite(), v6.definite()) else {
            found.missed(Why::Denied(if v4.definite().is_none() { v4.id() } else { v6.id() }));
            continue;
        };
        if four.addresses().is_empty() && six.addresses().is_empty() {
            let why = if four.nxdomain { "does not exist" } else { "has neither an A nor an AAAA record" };
            found
                .is(host.clone())
                .says(format!("the mail exchanger {host} (preference {preference}) of {} {why}", at.on))
                .severity(if others(host) { Severity::Degraded } else { Severity::Blocker })
                .detail("domain", at.on.as_str())
                .detail("host", host.as_str())
                .also(host.clone())
                .witnessed(v4.id())
                .witnessed(v6.id())
                .claims(v4.id(), Share::Whole, Basis::Witnessed);
        }
    }
    found.state()
}

fn is_cname(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let exchangers = exchangers(at)?;
    if exchangers.is_empty() {
        return Ok(State::NotApplicable);
    }
    for (_, host) in exchangers {
        match at.ask_of(&Addresses { rtype: RecordType::A, via: Via::Own }, &host) {
            Ok(seen) => {
                if let Some(alias) = seen.definite().and_then(|a| a.alias()) {
                    found
                        .is(host.clone())
                        .says(format!("the mail exchanger {host} of {} is an alias of {alias}", at.on))
                        .detail("domain", at.on.as_str())
                        .detail("host", host.as_str())
                        .detail("name", alias)
                        .also(host.clone())
                        .witnessed(seen.id());
                }
            }
            Err(_) if host.as_str().parse::<IpAddr>().is_ok() => {}
            Err(why) => found.missed(why),
        }
    }
    found.state()
}

/// Which closed world an address belongs to; two addresses of one world may reach each other.
fn world(ip: IpAddr) -> Option<&'static str> {
    match ip {
        _ if !is_private(ip) => None,
        _ if ip.is_loopback() => Some("loopback"),
        IpAddr::V4(v4) if v4.is_private() => Some("private"),
        IpAddr::V4(v4) if v4.is_documentation() => Some("documentation"),
        IpAddr::V6(v6) if v6.segments().first().is_some_and(|s| s & 0xfe00 == 0xfc00) => Some("private"),
        // 2001:db8::/32 and 3fff::/20 (RFC 9637).
        IpAddr::V6(v6) if matches!(v6.segments(), [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..]) => {
            Some("documentation")
        }
        _ => Some("unroutable"),
    }
}

fn private_address(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let published: Vec<_> = at
        .case
        .every::<Addresses>()
        .filter(|s| s.observation().vantage == at.from)
        .filter_map(|s| {
            let question: Addresses = serde_json::from_value(s.observation().asked.clone()).ok()?;
            let Via::Foreign(resolver) = question.via else {
                return None;
            };
            Some((resolver, s))
        })
        .collect();
    let mut any = false;
    for (_, host) in exchangers(at)? {
        for (resolver, seen) in published.iter().filter(|(_, s)| s.observation().subject == host.clone().into()) {
            any = true;
            for ip in seen.definite().map(|a| a.addresses()).unwrap_or_default() {
                // A resolver "out there" that lives in the same closed world is not out there for it.
                let Some(kind) = world(ip).filter(|kind| *kind == "unroutable" || world(resolver.ip()) != Some(*kind))
                else {
                    continue;
                };
                let finding = found
                    .is(Addr(ip))
                    .says(format!(
                        "the mail exchanger {host} has the address {ip}, which nobody outside can reach ({kind})"
                    ))
                    .detail("host", host.as_str())
                    .detail("address", ip.to_string())
                    .also(Addr(ip))
                    .witnessed(seen.id());
                for service in ways(at.case, &host, &at.from).into_iter().filter(|s| s.0.ip() == ip) {
                    if let Ok(connect) = at.ask_of(&Connect, &service) {
                        finding.claims(connect.id(), Share::Whole, Basis::Witnessed);
                    }
                }
            }
        }
    }
    if any {
        found.state()
    } else if found.state() == Ok(State::Found) {
        Ok(State::Found)
    } else {
        Err(Why::NotPlanned)
    }
}
