//! What stands between: firewall-masks-smtp, firewall-strips-starttls, firewall-hijacks-smtp,
//! port-filtered-from-outside, path-mtu-blackhole.

mod large_packets;

use super::connect::blind;
use super::vantage::sights::{Sight, sights, strangers};
use super::ways::{called, host_of};
use super::{At, Basis, Found, Key, Rule, Share, State, Told, services};
use crate::case::{Skip, Why};
use crate::questions::dns::Records;
use crate::questions::smtp::{Channel, Ehlo, FIRST};
use crate::questions::tcp::{Connect, Role};
use crate::subject::{Service, Subject, VantageId};

const SMTP: &[Role] = &[Role::Smtp, Role::Submission];

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::service(&["firewall-masks-smtp"], SMTP, masks),
        Rule::service(&["firewall-strips-starttls"], SMTP, strips),
        Rule::service(&["firewall-hijacks-smtp"], &[Role::Smtp], hijacks).over_all_vantages(),
        Rule::service(&["port-filtered-from-outside"], &[Role::Smtp], filtered).over_all_vantages(),
        Rule::service(&["path-mtu-blackhole"], &[Role::Smtp, Role::Submission, Role::Smtps], large_packets::vanish),
    ]
}

fn masks(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let banner = at.ask(&FIRST)?;
    let masked_banner = banner.need(|b| b.greeted())?.masked;
    let ehlo = at.ask(&Ehlo { channel: Channel::Plain })?;
    let masked_words = ehlo.capabilities.as_ref().map(|c| c.masked().len()).unwrap_or(0);
    if masked_banner || masked_words >= 2 {
        let reply = banner.reply().map(|r| r.quoted()).unwrap_or_default();
        found
            .is(Key::Named("mask".to_owned()))
            .says(format!(
                "something before {} rewrites the SMTP dialogue, as Cisco PIX and ASA do: the banner reads \"{reply}\"",
                called(at.case, &at.on, &at.from)
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("reply", reply)
            .witnessed(banner.id())
            .claims(banner.id(), Share::Whole, Basis::Witnessed)
            .claims(ehlo.id(), Share::Whole, Basis::Witnessed);
    }
    found.state()
}

fn strips(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let ehlo = at.ask(&Ehlo { channel: Channel::Plain })?;
    let capabilities = ehlo.need(|e| e.capabilities.as_ref())?;
    if capabilities.starttls_masked() && !capabilities.offers("STARTTLS") {
        let word =
            capabilities.masked().into_iter().find(|w| w.len() == "STARTTLS".len()).unwrap_or_default().to_owned();
        found
            .is(Key::Named("strip".to_owned()))
            .says(format!("something before {} has turned STARTTLS into {word}", called(at.case, &at.on, &at.from)))
            .detail("address", at.on.0.ip().to_string())
            .detail("keyword", word)
            .witnessed(ehlo.id())
            .owes_step(ehlo.id())
            .claims(ehlo.id(), Share::Whole, Basis::Witnessed);
        return found.state();
    }
    // Another vantage that is offered STARTTLS by the same server shows the same.
    for from in at.case.vantage_ids().filter(|v| *v != at.from) {
        if capabilities.offers("STARTTLS") {
            break;
        }
        if let Ok(other) = at.ask_from(&Ehlo { channel: Channel::Plain }, &at.on, &from)
            && other.capabilities.as_ref().is_some_and(|c| c.offers("STARTTLS"))
        {
            found
                .is(Key::Named("strip".to_owned()))
                .says(format!(
                    "{} offers STARTTLS to {from} and not to {}: something on the way takes it out",
                    called(at.case, &at.on, &at.from),
                    at.from
                ))
                .detail("address", at.on.0.ip().to_string())
                .witnessed(ehlo.id())
                .witnessed(other.id())
                .claims(ehlo.id(), Share::Whole, Basis::Witnessed);
        }
    }
    found.state()
}

fn one_vantage_only() -> Why {
    Why::Skipped(Skip { because: "what another place sees was not looked at".to_owned(), option: String::new() })
}

fn hijacks(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let sights = sights(at.case, &at.on);
    let greeted: Vec<_> = sights.iter().filter(|sight| sight.greets_as().is_some()).collect();
    greeted.iter().filter_map(|sight| sight.banner).for_each(|banner| at.note(banner.id()));
    if greeted.len() < 2 {
        return Err(one_vantage_only());
    }
    let Some((one, others)) = strangers(&sights) else { return Ok(State::Clear) };
    let name = |sight: &Sight<'_>| sight.greets_as().unwrap_or_default();
    let certificate = |sight: &Sight<'_>| {
        let leaf = sight.tls.and_then(|tls| tls.view().leaf());
        leaf.map(|leaf| format!(", with a certificate from {}", leaf.issuer)).unwrap_or_default()
    };
    let met = |sight: &Sight<'_>| format!("{} is greeted by {}{}", sight.from, name(sight), certificate(sight));
    let all: Vec<String> = std::iter::once(one).chain(others.iter().copied()).map(met).collect();
    let finding = found
        .is(at.on)
        .says(format!("another server answers for {}: {}", at.on.0.ip(), all.join(", ")))
        .detail("address", at.on.0.ip().to_string())
        .detail("names", std::iter::once(one).chain(others.iter().copied()).map(name).collect::<Vec<String>>());
    for sight in std::iter::once(one).chain(others.iter().copied()) {
        for id in sight.banner.map(|b| b.id()).into_iter().chain(sight.tls.map(|t| t.id())) {
            finding.proof(id, Basis::OwnMeasure);
        }
    }
    for id in others.iter().flat_map(|other| [other.banner.map(|b| b.id()), other.tls.map(|t| t.id())]).flatten() {
        finding.claims(id, Share::Whole, Basis::OwnMeasure);
    }
    found.state()
}

/// Whether a place got through to anybody's mail exchange, or to the server named as a control: only then is a dead
/// port at the target's side beyond doubt.
fn gets_out(at: &At<'_, Service>, from: &VantageId) -> bool {
    services(at.case, &[Role::Smtp, Role::Control], from, false)
        .iter()
        .any(|service| at.ask_from(&Connect, service, from).is_ok_and(|c| c.open().is_some()))
}

/// Whether more than one resolver was asked for the exchangers, and all named the same.
fn dns_agrees(at: &At<'_, Service>) -> bool {
    let Some(domain) = at.case.mail_domain().map(Subject::from) else { return false };
    let answers: Vec<_> = at
        .case
        .every::<Records>()
        .filter(|seen| seen.observation().subject == domain)
        .filter(|seen| seen.observation().asked.get("type").and_then(|t| t.as_str()) == Some("MX"))
        .filter_map(|seen| seen.view().definite().map(|answer| answer.mx()))
        .collect();
    answers.len() > 1 && answers.windows(2).all(|pair| matches!(pair, [one, other] if one == other))
}

fn filtered(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let mut open = Vec::new();
    let mut shut = Vec::new();
    // A place whose own network lets nothing out on this port says nothing of the way in.
    for from in at.case.vantage_ids().filter(|from| blind(at.case, from).is_none()) {
        if let Ok(connect) = at.ask_from(&Connect, &at.on, &from) {
            match connect.open() {
                Some(()) => open.push((from, connect.id())),
                None if connect.kept_out() => shut.push((from, connect.id())),
                None => {}
            }
        }
    }
    if open.len() + shut.len() < 2 {
        return Err(one_vantage_only());
    }
    if let (Some(inside), false) = (open.first(), shut.is_empty()) {
        let outside: Vec<String> = shut.iter().map(|(v, _)| v.to_string()).collect();
        let sure = shut.iter().all(|(from, _)| gets_out(at, from));
        let basis = if sure { Basis::Witnessed } else { Basis::OwnMeasure };
        let dns = if dns_agrees(at) { ", and the DNS says the same everywhere" } else { "" };
        let host = host_of(at.case, &at.on, &inside.0).unwrap_or_else(|| at.on.0.ip().to_string());
        let finding = found
            .is(Key::Named("filtered".to_owned()))
            .says(format!(
                "{host} ({}) port {} is open from {} and shut from {}{dns}: a firewall in between",
                at.on.0.ip(),
                at.on.0.port(),
                inside.0,
                outside.join(", ")
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("port", at.on.0.port())
            .detail("vantage", outside.join(", "))
            .proof(inside.1, Basis::Witnessed);
        for (_, id) in &shut {
            finding.proof(*id, basis).claims(*id, Share::Whole, basis);
        }
        if !sure {
            found.suggest_with(
                "port-filtered-from-outside",
                "a server known to be up shows whether that place can reach port 25 anywhere",
                super::connect::CONTROL,
            );
        }
    }
    found.state()
}
