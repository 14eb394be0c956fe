//! What the banner says: banner-missing-220, banner-421-overload, banner-554-blocked, server-config-error, banner-no-hostname,
//! banner-localhost, banner-leaks-version, helo-unresolvable.

use maildoctor_wire::banner::is_private_name;
use maildoctor_wire::dialogue::Phase;
use maildoctor_wire::reply::Reply;
use maildoctor_wire::wording::{Meaning, meaning, named_zone};

use super::super::host::{complained, stands_here};
use super::super::outbound::case_sends;
use super::super::refusals::{lay_on, refusals};
use super::super::replies::code_among;
use super::super::server_config::proxied;
use super::super::ways::{address_answers, called};
use super::super::{At, Basis, Found, Key, Rule, Share, State, Told};
use crate::case::{Skip, Why};
use crate::questions::host::complaint::Complaint;
use crate::questions::outbound::Sending;
use crate::questions::smtp::FIRST;
use crate::questions::tcp::Role;
use crate::subject::{Host, Service, VantageId};

const ALL: &[Role] = &[Role::Smtp, Role::Submission, Role::Smtps];
const MX: &[Role] = &[Role::Smtp];

const OVERLOAD: &str = "banner-421-overload";
const BLOCKED: &str = "banner-554-blocked";
const CONFIG: &str = "server-config-error";

pub(super) const RULES: &[Rule] = &[
    Rule::service(&["banner-missing-220"], ALL, missing),
    Rule::service(&[OVERLOAD], ALL, overload),
    Rule::service(&[BLOCKED], ALL, blocked),
    Rule::service(&[CONFIG], ALL, set_up_wrongly),
    Rule::service(&["banner-no-hostname"], MX, no_hostname),
    Rule::service(&["banner-localhost"], MX, localhost),
    Rule::service(&["banner-leaks-version"], MX, version),
    Rule::service(&["helo-unresolvable"], MX, unresolvable),
    Rule::vantage(&["helo-unresolvable"], own_name_unresolvable),
];

fn missing(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let banner = at.ask(&FIRST)?;
    let reply = banner.need(|b| b.reply())?;
    if reply.code != 220 && turned_away(at, reply).is_none() {
        found
            .is(Key::Named(reply.quoted()))
            .says(format!("{} greets with \"{}\" instead of 220", called(at.case, &at.on, &at.from), reply.quoted()))
            .detail("address", at.on.0.ip().to_string())
            .detail("reply", reply.quoted())
            .detail("code", reply.code)
            .witnessed(banner.id())
            .owes_step(banner.id());
    }
    found.state()
}

/// The code of a banner that turns clients away, be it by 421 or 554 (RFC 5321 section 3.1) or by other replies that
/// say the same in words: Exim says 550 when it drops a connection. Postfix says the same 554 where a milter refuses the client, and
/// to everybody where a milter does not answer (`milter_default_action = reject`): its log tells which.
fn turned_away(at: &At<'_, Service>, reply: &Reply) -> Option<&'static str> {
    let said = meaning(Phase::Banner, reply).and_then(|m| code_among(Phase::Banner, m, &[OVERLOAD, BLOCKED, CONFIG]));
    match reply.code {
        421 => said.or(Some(OVERLOAD)),
        554 if stands_here(at) && complained(at.case, &[Complaint::Milter]).is_some() => Some(CONFIG),
        554 => Some(BLOCKED),
        _ => said,
    }
}

fn code(at: &At<'_, Service>, found: &mut Found<'_>, wanted: &str, words: &str) -> Told {
    let banner = at.ask(&FIRST)?;
    let reply = banner.need(|b| b.reply())?;
    if turned_away(at, reply) == Some(wanted) {
        let finding = found
            .is(Key::Named(reply.code.to_string()))
            .says(format!("{} {words}: \"{}\"", called(at.case, &at.on, &at.from), reply.quoted()))
            .detail("address", at.on.0.ip().to_string())
            .detail("reply", reply.quoted())
            .witnessed(banner.id())
            .claims(banner.id(), Share::Whole, Basis::Witnessed)
            .owes_step(banner.id());
        if wanted == CONFIG {
            proxied::name(at, finding, &reply.text());
        }
        if let Some(zone) = named_zone(&reply.text()) {
            finding.detail("zone", zone.as_str());
            if stands_here(at) {
                finding.named_in_settings(at.case, &zone);
            }
        }
    }
    found.state()
}

fn overload(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let says_why = |reply: &Reply| meaning(Phase::Banner, reply) != Some(Meaning::Deferred);
    let busy = at.ask(&FIRST)?.reply().is_some_and(says_why);
    let words = if busy { "says in its banner that it is too busy" } else { "sends us away in its banner for now" };
    code(at, found, OVERLOAD, words)
}

fn blocked(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    code(at, found, BLOCKED, "refuses our address in its banner")
}

fn set_up_wrongly(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    code(at, found, CONFIG, "says in its banner that it is set up wrongly")
}

fn no_hostname(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let banner = at.ask(&FIRST)?;
    let text = banner.need(|b| b.greeted())?;
    if text.host.is_none() {
        let reply = banner.reply().map(|r| r.quoted()).unwrap_or_default();
        found
            .is(Key::Named("banner".to_owned()))
            .says(format!(
                "the banner of {} does not begin with the server's name: \"{reply}\"",
                called(at.case, &at.on, &at.from)
            ))
            .detail("reply", reply)
            .witnessed(banner.id())
            .owes_step(banner.id());
    }
    found.state()
}

fn localhost(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let banner = at.ask(&FIRST)?;
    let Some(host) = &banner.need(|b| b.greeted())?.host else {
        return Ok(State::NotApplicable);
    };
    if is_private_name(host) {
        found
            .is(Key::Named(host.clone()))
            .says(format!(
                "{} calls itself {host}, a name that means nothing outside",
                called(at.case, &at.on, &at.from)
            ))
            .detail("name", host.as_str())
            .witnessed(banner.id());
    }
    found.state()
}

fn version(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let banner = at.ask(&FIRST)?;
    if let Some(version) = &banner.need(|b| b.greeted())?.version {
        found
            .is(Key::Named(version.clone()))
            .says(format!("the banner of {} tells product and version: {version}", called(at.case, &at.on, &at.from)))
            .detail("version", version.as_str())
            .witnessed(banner.id());
    }
    found.state()
}

/// The name by which mail that is sent greets.
fn own_name_unresolvable(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    if !case_sends(at.case) {
        return Ok(State::NotApplicable);
    }
    let sending = at.ask(&Sending)?;
    let Some(name) = &sending.helo else {
        return Err(Why::Skipped(Skip {
            because: "by which name the sending server greets is not known".to_owned(),
            option: "--helo NAME".to_owned(),
        }));
    };
    if name.starts_with('[') {
        return Ok(State::NotApplicable);
    }
    let [v4, v6] = address_answers(at, &Host::new(name))?;
    let (four, six) = (v4.need(|d| d.definite())?, v6.need(|d| d.definite())?);
    let private = is_private_name(name);
    if private || four.addresses().is_empty() && six.addresses().is_empty() {
        let why = if private { "a name that means nothing outside" } else { "a name without an address" };
        let finding = found
            .is(Key::Named(name.clone()))
            .says(format!("the sending server greets as {name}, {why}"))
            .detail("name", name.as_str())
            .witnessed(sending.id())
            .witnessed(v4.id())
            .witnessed(v6.id());
        lay_on(finding, refusals(at.case, |phase, reply| meaning(phase, reply) == Some(Meaning::HeloRejected)));
    }
    found.state()
}

fn unresolvable(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let banner = at.ask(&FIRST)?;
    let Some(host) = &banner.need(|b| b.greeted())?.host else { return Ok(State::NotApplicable) };
    // A private name has a code of its own, and a literal needs no DNS.
    if is_private_name(host) || host.starts_with('[') {
        return Ok(State::NotApplicable);
    }
    let [v4, v6] = address_answers(at, &Host::new(host))?;
    let (four, six) = (v4.need(|d| d.definite())?, v6.need(|d| d.definite())?);
    if four.addresses().is_empty() && six.addresses().is_empty() {
        found
            .is(Key::Named(host.clone()))
            .says(format!("{} greets as {host}, a name without an address", called(at.case, &at.on, &at.from)))
            .detail("name", host.as_str())
            .detail("address", at.on.0.ip().to_string())
            .witnessed(banner.id())
            .witnessed(v4.id())
            .witnessed(v6.id());
    }
    found.state()
}
