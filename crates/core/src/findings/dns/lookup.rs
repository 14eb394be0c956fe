//! Whether the domain can be looked up at all: domain-not-found, mx-lookup-failed, resolver-unreachable,
//! resolver-servfail, dns-slow, resolver-slow.

use maildoctor_wire::reply::Reply;
use maildoctor_wire::wording::{Meaning, meaning};

use super::super::refusals::{lay_on, refusals};
use super::super::ways::{foreign_mx, own_mx};
use super::super::{At, Basis, Found, Rule, Share, State, Told};
use super::intercepted::{denied_by_nobody, intercepted};
use super::views::published;
use crate::case::Why;
use crate::questions::dns::walk::{Ended, Walk};
use crate::questions::dns::{DnsResult, RecordType, Records, Via};
use crate::subject::{Domain, Resolver, Subject};

pub(super) const RULES: &[Rule] = &[
    Rule::domain(&["domain-not-found"], not_found),
    Rule::domain(&["mx-lookup-failed"], lookup_failed),
    Rule::domain(&["resolver-unreachable"], unreachable),
    Rule::domain(&["resolver-servfail"], servfail),
    Rule::domain(&["dns-slow"], slow),
    Rule::domain(&["resolver-slow"], resolver_slow),
];

/// From here on an answer is slow, in milliseconds.
const SLOW_MS: u64 = 1000;

fn not_found(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    let answer = own.need(|d| d.definite())?;
    let elsewhere = foreign_mx(at).iter().any(|f| f.definite().is_some_and(|a| !a.nxdomain));
    let walk = at.ask(&Walk).ok();
    // The zone above delegates the name, or a server answers for it: it is there, and only the resolver does not see it.
    let there = published(at).is_some();
    if denied_by_nobody(&own) && !intercepted(at.case, &at.from).is_empty() {
        return Err(Why::Denied(own.id()));
    }
    if answer.nxdomain && !elsewhere && !there {
        let domain = at.on.as_str();
        let finding = found
            .is(at.on.clone())
            .says(format!("the domain {domain} does not exist: the DNS answers NXDOMAIN"))
            .detail("domain", domain)
            .witnessed(own.id())
            .claims(own.id(), Share::Whole, Basis::Witnessed);
        if let Some(walk) = walk.filter(|walk| walk.ended == Ended::NoSuchName) {
            finding.witnessed(walk.id());
        }
        if at.case.sender_domain().as_ref() == Some(&at.on) {
            let of_the_sender = |phase, reply: &Reply| meaning(phase, reply) == Some(Meaning::SenderRejected);
            lay_on(finding, refusals(at.case, of_the_sender));
        }
    }
    found.state()
}

fn lookup_failed(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    if own.definite().is_none() {
        let domain = at.on.as_str();
        found
            .is(at.on.clone())
            .says(format!(
                "the mail exchangers of {domain} cannot be looked up: {} from {}",
                own.in_words(),
                own.wire.server
            ))
            .detail("domain", domain)
            .detail("resolver", own.wire.server.to_string())
            .detail("answer", own.in_words())
            .witnessed(own.id())
            .owes_step(own.id());
    }
    found.state()
}

fn unreachable(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    let asked: Vec<_> = at
        .case
        .every::<Records>()
        .filter(|s| {
            s.observation().vantage == at.from
                && s.observation().asked.get("via").and_then(|v| v.as_str()) == Some("own")
        })
        .collect();
    if !asked.is_empty() && asked.iter().all(|s| s.unanswered()) {
        if matches!(own.wire.result, DnsResult::Silent { .. }) {
            // Where the domain's own servers are silent a resolver that waits for them is silent as well. One that knows
            // nothing of the root either is not there.
            at.ask_of(&Records { rtype: RecordType::Soa, via: Via::Own }, &Domain::new("."))?;
        }
        let finding = found
            .is(Resolver(own.wire.server))
            .says(format!("the resolver {} does not answer: {}", own.wire.server, own.in_words()))
            .detail("resolver", own.wire.server.to_string())
            .also(Resolver(own.wire.server));
        for seen in asked {
            finding.witnessed(seen.id()).claims(seen.id(), Share::Whole, Basis::Witnessed);
        }
    }
    found.state()
}

fn servfail(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    let bad = own.rcode().filter(|code| !matches!(*code, "NOERROR" | "NXDOMAIN"));
    let others = foreign_mx(at);
    let Some(code) = bad else {
        return Ok(State::Clear);
    };
    let published = published(at);
    let (who, shown) = match (others.first(), &published) {
        (Some(other), _) => (other.wire.server.to_string(), vec![other.id()]),
        (None, Some(published)) => ("its authoritative servers".to_owned(), published.shown.clone()),
        (None, None) => return Err(Why::Denied(own.id())),
    };
    let verb = if others.is_empty() { "answer" } else { "answers" };
    // It was asked where validation may be what fails.
    let root = at.ask_of(&Records { rtype: RecordType::Soa, via: Via::Own }, &Domain::new("."));
    let root = root.ok().filter(|root| root.rcode() == Some(code));
    let as_well = if root.is_some() { " and for the root as well" } else { "" };
    let finding = found
        .is(Resolver(own.wire.server))
        .says(format!("the resolver {} answers {code} for {}{as_well}, while {who} {verb} it", own.wire.server, at.on))
        .detail("resolver", own.wire.server.to_string())
        .detail("rcode", code)
        .detail("domain", at.on.as_str())
        .also(Resolver(own.wire.server))
        .witnessed(own.id())
        .owes_step(own.id())
        .claims(own.id(), Share::Whole, Basis::Witnessed);
    for id in shown.into_iter().chain(root.map(|root| root.id())) {
        finding.witnessed(id);
    }
    found.state()
}

fn slow(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    own.need(|d| d.definite())?;
    let observation = own.observation();
    if observation.took_ms >= SLOW_MS {
        found
            .is(at.on.clone())
            .says(format!(
                "looking up the mail exchangers of {} takes {:.1} s",
                at.on,
                observation.took_ms as f64 / 1000.0
            ))
            .detail("domain", at.on.as_str())
            .detail("delay_ms", observation.took_ms)
            .witnessed(own.id())
            .owes_wait(own.id(), observation.span());
    }
    found.state()
}

fn resolver_slow(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    own.need(|d| d.definite())?;
    let took = own.observation().took_ms;
    if took < SLOW_MS {
        return Ok(State::Clear);
    }
    let Some(quick) = foreign_mx(at).into_iter().find(|f| f.observation().took_ms * 3 < took) else {
        return if foreign_mx(at).is_empty() { Err(Why::NotPlanned) } else { Ok(State::Clear) };
    };
    at.note(quick.id());
    let subject: Subject = Resolver(own.wire.server).into();
    found
        .is(Resolver(own.wire.server))
        .says(format!(
            "the resolver {} takes {:.1} s where {} takes {} ms",
            own.wire.server,
            took as f64 / 1000.0,
            quick.wire.server,
            quick.observation().took_ms
        ))
        .detail("resolver", own.wire.server.to_string())
        .detail("delay_ms", took)
        .also(subject)
        .witnessed(own.id())
        .witnessed(quick.id())
        .claims(own.id(), Share::Whole, Basis::Witnessed);
    found.state()
}
