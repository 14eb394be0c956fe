//! vantages-disagree: what one sees depends on where one stands. vantage-unusable: a place cannot be looked from.
//! clock-wrong-here: its clock is off.

mod clock;
pub(crate) mod sights;

use serde_json::{Value, json};

use self::sights::Sight;
use super::dns::intercepted::{denied_by_nobody, intercepted};
use super::dns::views::{MxSet, called as mx_in_words, mx_set};
use super::ways::called;
use super::{At, Found, Rule, State, Told};
use crate::case::{ObsId, Skip, Why};
use crate::questions::dns::walk::Authoritative;
use crate::questions::dns::{Addresses, RecordType, Records, Via};
use crate::questions::place::Opening;
use crate::questions::tcp::Role;
use crate::subject::{Domain, Host, Service, VantageId};

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::service(&["vantages-disagree"], &[Role::Smtp, Role::Submission, Role::Smtps], servers)
            .over_all_vantages(),
        Rule::domain(&["vantages-disagree"], exchangers).over_all_vantages(),
        Rule::host(&["vantages-disagree"], addresses).over_all_vantages(),
        Rule::vantage(&["vantage-unusable"], unusable),
        Rule::vantage(&["clock-wrong-here"], clock::here).over_all_vantages(),
    ]
}

fn unusable(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    if let Some(denied) = answered_by_something_else(at) {
        let finding = found
            .is(at.on.clone())
            .says(format!("{} cannot be looked from: {}", at.on, denied.error))
            .detail("vantage", at.on.to_string())
            .detail("error", denied.error);
        for id in denied.shown {
            finding.witnessed(id);
        }
        return found.state();
    }
    // This machine needs no opening.
    let Ok(opening) = at.ask(&Opening) else { return Ok(State::NotApplicable) };
    if let Some(error) = opening.failure() {
        found
            .is(at.on.clone())
            .says(format!("{} could not be looked from: {error}", at.on))
            .detail("vantage", at.on.to_string())
            .detail("error", error)
            .witnessed(opening.id());
    }
    found.state()
}

/// Names that are denied by something that answers in place of every name server.
struct Denied {
    error: String,
    shown: Vec<ObsId>,
}

fn answered_by_something_else(at: &At<'_, VantageId>) -> Option<Denied> {
    let in_between = intercepted(at.case, &at.on);
    let denied =
        at.case.every::<Records>().find(|seen| seen.observation().vantage == at.on && denied_by_nobody(seen))?;
    let first = in_between.first()?;
    let server = at.case.every::<Authoritative>().find(|seen| seen.id() == *first)?.wire.server;
    let error = format!(
        "something on the way (a captive portal, a firewall, a closed network) answers DNS in place of every server, even of the root server {}",
        server.ip()
    );
    let shown = [denied.id()].into_iter().chain(in_between).collect();
    Some(Denied { error, shown })
}

/// What places saw of one server, held against each other.
fn servers(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let sights = sights::sights(at.case, &at.on);
    sights.iter().flat_map(Sight::shown).for_each(|id| at.note(id));
    if sights.len() < 2 {
        return Err(one_place_only());
    }
    let differences = sights::differences(&sights);
    if !differences.is_empty() {
        let differs: Vec<&str> = differences.iter().map(|difference| difference.what).collect();
        let places: Vec<String> = sights.iter().map(|sight| sight.in_words()).collect();
        let server = called(at.case, &at.on, &at.from);
        let finding = found
            .is(at.on)
            .says(format!("the places differ about {server} port {}: {}", at.on.0.port(), places.join("; ")))
            .detail("differs", differs.join(", "))
            .detail("table", sights::table(&sights));
        for id in sights.iter().flat_map(Sight::shown) {
            finding.witnessed(id);
        }
        for id in differences.into_iter().flat_map(|difference| difference.apart) {
            finding.owes_step(id);
        }
    }
    found.state()
}

/// What the resolver of each place says of the domain's exchangers: their names and preferences, in no order, whatever
/// their TTL.
fn exchangers(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let mut seen: Vec<(VantageId, MxSet, ObsId)> = Vec::new();
    for from in at.case.vantage_ids() {
        if let Ok(mx) = at.ask_from(&Records { rtype: RecordType::Mx, via: Via::Own }, &at.on, &from)
            && let Some(set) = mx_set(&mx)
        {
            seen.push((from, set, mx.id()));
        }
    }
    if seen.len() < 2 {
        return Err(one_place_only());
    }
    let agree = |set: &MxSet| seen.iter().filter(|(_, other, _)| other == set).count();
    // Where no view is that of more places, the one from here is the one that wants explaining.
    let most = seen.iter().max_by_key(|(_, set, _)| agree(set)).map(|(_, set, _)| set.clone());
    let apart: Vec<ObsId> = seen.iter().filter(|(_, set, _)| Some(set) != most.as_ref()).map(|(.., id)| *id).collect();
    if !apart.is_empty() {
        let places: Vec<String> =
            seen.iter().map(|(from, set, _)| format!("{from} sees {}", mx_in_words(set))).collect();
        let table = seen.iter().map(|(from, set, _)| json!({"vantage": from.0, "mx": mx_in_words(set)})).collect();
        let finding = found
            .is(at.on.clone())
            .says(format!("the places differ about the mail exchangers of {}: {}", at.on, places.join("; ")))
            .detail("differs", "which mail exchangers the DNS names")
            .detail("table", Value::Array(table));
        for (.., id) in &seen {
            finding.witnessed(*id);
        }
        for id in apart {
            finding.owes_step(id);
        }
    }
    found.state()
}

/// A host that has addresses at one place and none at another. Which addresses is no difference: they may depend on
/// where one stands, and on the order of the day.
fn addresses(at: &At<'_, Host>, found: &mut Found<'_>) -> Told {
    let mut seen: Vec<(VantageId, Vec<String>, [ObsId; 2])> = Vec::new();
    for from in at.case.vantage_ids() {
        let ask = |rtype| at.ask_from(&Addresses { rtype, via: Via::Own }, &at.on, &from);
        if let (Ok(v4), Ok(v6)) = (ask(RecordType::A), ask(RecordType::Aaaa))
            && let (Some(four), Some(six)) = (v4.definite(), v6.definite())
        {
            let all = four.addresses().into_iter().chain(six.addresses()).map(|ip| ip.to_string()).collect();
            seen.push((from, all, [v4.id(), v6.id()]));
        }
    }
    if seen.len() < 2 {
        return Err(one_place_only());
    }
    if seen.iter().any(|(_, all, _)| all.is_empty()) && seen.iter().any(|(_, all, _)| !all.is_empty()) {
        let shown = |all: &[String]| if all.is_empty() { "no address".to_owned() } else { all.join(", ") };
        let places: Vec<String> = seen.iter().map(|(from, all, _)| format!("{from} sees {}", shown(all))).collect();
        let table = seen.iter().map(|(from, all, _)| json!({"vantage": from.0, "addresses": all})).collect();
        let finding = found
            .is(at.on.clone())
            .says(format!("the places differ about the addresses of {}: {}", at.on, places.join("; ")))
            .detail("differs", "whether the DNS has an address")
            .detail("table", Value::Array(table));
        for id in seen.iter().flat_map(|(.., ids)| ids) {
            finding.witnessed(*id);
        }
    }
    found.state()
}

fn one_place_only() -> Why {
    Why::Skipped(Skip { because: "only one place was looked from".to_owned(), option: String::new() })
}
