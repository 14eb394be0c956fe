//! The resolver here, where a server was named instead of a domain: resolver-unreachable and resolver-servfail by the
//! lookups of that server's addresses.

use super::super::ways::address_answers;
use super::super::{At, Basis, Found, Rule, Share, State, Told};
use crate::case::{Seen, Why};
use crate::questions::dns::{Addresses, Dns, Via};
use crate::subject::{Host, Resolver, Subject};

pub(super) const RULES: &[Rule] =
    &[Rule::host(&["resolver-unreachable"], unreachable), Rule::host(&["resolver-servfail"], servfail)];

/// Whether this is the server that was named, and a name.
fn is_named(at: &At<'_, Host>) -> bool {
    let named = at.case.target.host.as_deref() == Some(at.on.as_str());
    named && at.on.as_str().parse::<std::net::IpAddr>().is_err()
}

fn unreachable(at: &At<'_, Host>, found: &mut Found<'_>) -> Told {
    if !is_named(at) {
        return Ok(State::NotApplicable);
    }
    let asked = address_answers(at, &at.on)?;
    if let ([first, _], true) = (&asked, asked.iter().all(|seen| seen.unanswered())) {
        let resolver = first.wire.server;
        let finding = found
            .is(Resolver(resolver))
            .says(format!("the resolver {resolver} does not answer: {}", first.in_words()))
            .detail("resolver", resolver.to_string())
            .also(Resolver(resolver));
        for seen in &asked {
            finding.witnessed(seen.id()).claims(seen.id(), Share::Whole, Basis::Witnessed);
        }
    }
    found.state()
}

fn servfail(at: &At<'_, Host>, found: &mut Found<'_>) -> Told {
    if !is_named(at) {
        return Ok(State::NotApplicable);
    }
    let asked = address_answers(at, &at.on)?;
    let failed = |seen: &&Seen<'_, Dns>| seen.rcode().is_some_and(|code| !matches!(code, "NOERROR" | "NXDOMAIN"));
    let Some(own) = asked.iter().find(failed) else {
        return Ok(State::Clear);
    };
    let Some(other) = elsewhere(at) else {
        return Err(Why::Denied(own.id()));
    };
    let (resolver, code) = (own.wire.server, own.rcode().unwrap_or_default());
    found
        .is(Resolver(resolver))
        .says(format!("the resolver {resolver} answers {code} for {}, while {} answers it", at.on, other.wire.server))
        .detail("resolver", resolver.to_string())
        .detail("rcode", code)
        .detail("domain", at.on.as_str())
        .also(Resolver(resolver))
        .witnessed(own.id())
        .witnessed(other.id())
        .owes_step(own.id())
        .claims(own.id(), Share::Whole, Basis::Witnessed);
    found.state()
}

/// The server's addresses by a resolver out there.
fn elsewhere<'c>(at: &At<'c, Host>) -> Option<Seen<'c, Dns>> {
    let foreign = |seen: &Seen<'_, Dns>| {
        let asked = serde_json::from_value::<Addresses>(seen.observation().asked.clone());
        asked.is_ok_and(|asked| matches!(asked.via, Via::Foreign(_)))
    };
    at.case.every::<Addresses>().find(|seen| {
        let observation = seen.observation();
        observation.subject == Subject::from(at.on.clone())
            && observation.vantage == at.from
            && foreign(seen)
            && seen.definite().is_some_and(|answer| !answer.addresses().is_empty())
    })
}
