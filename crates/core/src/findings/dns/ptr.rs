//! Reverse DNS: ptr-missing, ptr-mismatch, ptr-generic of the exchangers and of the sender, and ptr-slow of our own address.

use std::net::IpAddr;

use maildoctor_wire::rdns::looks_generic;
use maildoctor_wire::wording::{Meaning, meaning};

use super::super::banner::waits::{WAITED_MS, greeted_by_any};
use super::super::outbound::{Part, Whose};
use super::super::refusals::{Refusal, lay_on, refusals_of};
use super::super::ways::{banner_wait, sources};
use super::super::{At, Basis, Finding, Found, Key, Rule, Share, State, Told, services};
use crate::case::{ObsId, Seen, Span, Why};
use crate::catalogue::{Party, Severity};
use crate::questions::dns::{Addresses, Dns, RecordType, ReverseNames, Via};
use crate::questions::smtp::FIRST;
use crate::questions::tcp::Role;
use crate::subject::{Addr, Host, VantageId};

pub(super) const RULES: &[Rule] = &[
    Rule::addr(&["ptr-missing"], missing),
    Rule::addr(&["ptr-mismatch"], mismatch),
    Rule::addr(&["ptr-generic"], generic),
    Rule::vantage(&["ptr-slow"], slow),
];

/// From here on a lookup of our own name counts as slow, in milliseconds.
const SLOW_MS: u64 = 2000;

fn names<'c>(at: &At<'c, Addr>) -> Result<(Seen<'c, Dns>, Vec<&'c str>), Why> {
    let seen = at.ask(&ReverseNames { via: Via::Own })?;
    let names = seen.need(|d| d.definite())?.names();
    Ok((seen, names))
}

/// Whose address it is, where its reverse name matters: our own does where servers turn us away for want of it.
fn whose(at: &At<'_, Addr>) -> Result<Option<Whose>, Why> {
    let matters = |whose: &Whose| *whose != Whose::Ours || !for_want_of_a_name(at).is_empty();
    Ok(Whose::of(at)?.filter(matters))
}

/// Refusals for want of a reverse name that leads back.
fn for_want_of_a_name(at: &At<'_, Addr>) -> Vec<Refusal> {
    refusals_of(at.case, at.on.0, |phase, reply| meaning(phase, reply) == Some(Meaning::PtrRequired))
}

/// Lays on a finding what servers refuse for it. Where that is our own address, it is our affair, and keeps us from
/// seeing what others see.
fn blame(at: &At<'_, Addr>, whose: Whose, finding: &mut Finding) {
    if whose == Whose::Ours {
        finding.party(Party::Here).severity(Severity::Blocker).also(at.from.clone());
    }
    if whose != Whose::Tested(Part::Exchanger) {
        lay_on(finding, for_want_of_a_name(at));
    }
}

fn missing(at: &At<'_, Addr>, found: &mut Found<'_>) -> Told {
    let Some(whose) = whose(at)? else { return Ok(State::NotApplicable) };
    let (seen, names) = names(at)?;
    if names.is_empty() {
        let finding = found
            .is(Key::Named("ptr".to_owned()))
            .says(format!("{} {} has no reverse name", whose.called(), at.on))
            .detail("address", at.on.to_string())
            .witnessed(seen.id());
        blame(at, whose, finding);
    }
    found.state()
}

fn mismatch(at: &At<'_, Addr>, found: &mut Found<'_>) -> Told {
    let Some(whose) = whose(at)? else { return Ok(State::NotApplicable) };
    let (seen, names) = names(at)?;
    if names.is_empty() {
        return Ok(State::NotApplicable);
    }
    let mut unknown = None;
    let mut shown: Vec<ObsId> = Vec::new();
    for name in names.iter().take(4) {
        let rtype = if at.on.0.is_ipv4() { RecordType::A } else { RecordType::Aaaa };
        match at.ask_of(&Addresses { rtype, via: Via::Own }, &Host::new(name)) {
            Ok(forward) => match forward.definite() {
                Some(answer) if answer.addresses().contains(&at.on.0) => return Ok(State::Clear),
                Some(_) => shown.push(forward.id()),
                None => unknown = Some(Why::Denied(forward.id())),
            },
            Err(why) => unknown = Some(why),
        }
    }
    if let Some(why) = unknown {
        return Err(why);
    }
    let name = names.first().copied().unwrap_or_default();
    let finding = found
        .is(Key::Named("ptr".to_owned()))
        .says(format!("the reverse name {name} of {} {} does not lead back to it", whose.called(), at.on))
        .detail("address", at.on.to_string())
        .detail("name", name)
        .witnessed(seen.id());
    for id in shown {
        finding.witnessed(id);
    }
    blame(at, whose, finding);
    found.state()
}

fn generic(at: &At<'_, Addr>, found: &mut Found<'_>) -> Told {
    let Some(whose) = whose(at)? else { return Ok(State::NotApplicable) };
    let (seen, names) = names(at)?;
    if let Some(name) = names.iter().find(|name| looks_generic(name, at.on.0)) {
        let finding = found
            .is(Key::Named("ptr".to_owned()))
            .says(format!("the reverse name {name} of {} {} looks like that of a dial-up line", whose.called(), at.on))
            .detail("address", at.on.to_string())
            .detail("name", *name)
            .witnessed(seen.id());
        blame(at, whose, finding);
    }
    found.state()
}

fn slow(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    greeted_by_any(at)?;
    for source in sources(at.case, &at.from) {
        match at.ask_of(&ReverseNames { via: Via::Own }, &Addr(source)) {
            Ok(seen) => own_name_slow(at, found, source, &seen),
            Err(why) => found.missed(why),
        }
    }
    if sources(at.case, &at.from).is_empty() {
        return Err(Why::NotPlanned);
    }
    found.state()
}

fn own_name_slow(at: &At<'_, VantageId>, found: &mut Found<'_>, source: IpAddr, seen: &Seen<'_, Dns>) {
    let took = seen.observation().took_ms;
    if took < SLOW_MS {
        // A resolver that cannot be asked says nothing of the name.
        if seen.rcode().is_none() {
            found.missed(Why::Failed(seen.id()));
        }
        return;
    }
    // Our resolver and theirs ask the same servers: what is slow for us is likely slow for them.
    let finding = found
        .may_be(Addr(source))
        .says(format!("the reverse name of our address {source} does not come within {:.1} s, and servers that look it up wait for it", took as f64 / 1000.0))
        .detail("address", source.to_string())
        .detail("delay_ms", took)
        .also(Addr(source))
        .proof(seen.id(), Basis::OwnMeasure);
    for service in services(at.case, &[Role::Smtp, Role::Submission, Role::Smtps], &at.from, false) {
        if let Ok(banner) = at.ask_of(&FIRST, &service) {
            let wait = banner_wait(&banner);
            if wait.length_ms() < WAITED_MS {
                continue;
            }
            let share = Span { from_ms: wait.from_ms, to_ms: wait.from_ms.saturating_add(took) };
            finding.also(service).claims(banner.id(), Share::Of(share), Basis::OwnMeasure);
        }
    }
}
