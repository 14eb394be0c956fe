//! What stands between: firewall-masks-smtp, firewall-strips-starttls, firewall-hijacks-smtp,
//! port-filtered-from-outside.

use super::ways::{called, host_of};
use super::{At, Basis, Found, Key, Rule, Share, State, Told};
use crate::case::{Skip, Why};
use crate::questions::smtp::{Channel, Ehlo, FIRST};
use crate::questions::tcp::{Connect, Role};
use crate::subject::Service;

const SMTP: &[Role] = &[Role::Smtp, Role::Submission];

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::service(&["firewall-masks-smtp"], SMTP, masks),
        Rule::service(&["firewall-strips-starttls"], SMTP, strips),
        Rule::service(&["firewall-hijacks-smtp"], &[Role::Smtp], hijacks).over_all_vantages(),
        Rule::service(&["port-filtered-from-outside"], &[Role::Smtp], filtered).over_all_vantages(),
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
    let mut names = Vec::new();
    for from in at.case.vantage_ids() {
        if let Ok(banner) = at.ask_from(&FIRST, &at.on, &from)
            && let Some(text) = banner.view().greeted()
        {
            names.push((from, text.host.clone().unwrap_or_default().to_ascii_lowercase(), banner.id()));
        }
    }
    if names.len() < 2 {
        return Err(one_vantage_only());
    }
    let Some((here, rest)) = names.split_first() else {
        return Ok(State::Clear);
    };
    if let Some(other) = rest.iter().find(|o| o.1 != here.1 && !o.1.is_empty() && !here.1.is_empty()) {
        found
            .is(at.on)
            .says(format!(
                "another server answers for {}: {} is greeted by {} and {} by {}",
                at.on.0.ip(),
                here.0,
                here.1,
                other.0,
                other.1
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("names", vec![here.1.clone(), other.1.clone()])
            .proof(here.2, Basis::OwnMeasure)
            .proof(other.2, Basis::OwnMeasure);
    }
    found.state()
}

fn filtered(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let mut open = Vec::new();
    let mut shut = Vec::new();
    for from in at.case.vantage_ids() {
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
        let host = host_of(at.case, &at.on, &inside.0).unwrap_or_else(|| at.on.0.ip().to_string());
        let finding = found
            .is(Key::Named("filtered".to_owned()))
            .says(format!(
                "{host} ({}) port {} is open from {} and shut from {}, and the DNS says the same everywhere: a firewall in between",
                at.on.0.ip(),
                at.on.0.port(),
                inside.0,
                outside.join(", ")
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("port", at.on.0.port())
            .detail("vantage", outside.join(", "))
            .witnessed(inside.1);
        for (_, id) in &shut {
            finding.witnessed(*id).claims(*id, Share::Whole, Basis::Witnessed);
        }
    }
    found.state()
}
