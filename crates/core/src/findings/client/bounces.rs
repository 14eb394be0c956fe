//! What the answers in a bounce or a log say, told apart by the tables of [`crate::bounce::judge`]; and bounce-forged.

use std::net::IpAddr;
use std::sync::OnceLock;

use maildoctor_wire::received::Hop;
use maildoctor_wire::wording::named_zone;
use serde_json::Value;

use super::super::{At, Basis, Found, Key, Rule, State, Told};
use crate::bounce::judge::{self, FORGED, Fault, Outcome};
use crate::catalogue::{self, Party, Severity};
use crate::questions::bounce::{Answered, Returned, ReturnedWire, Said, WHOLE};
use crate::subject::Answer;

/// The rule over every answer.
pub(super) fn rule() -> Rule {
    static CODES: OnceLock<Vec<&'static str>> = OnceLock::new();
    Rule::answer(CODES.get_or_init(judge::codes), examine)
}

fn examine(at: &At<'_, Answer>, found: &mut Found<'_>) -> Told {
    if at.on.0 == WHOLE {
        return Ok(State::NotApplicable);
    }
    let said = at.ask(&Answered)?;
    if let Ok(whole) = at.ask_of(&Returned, &Answer(WHOLE.to_owned()))
        && let Some((why, basis)) = forged(&whole)
    {
        let sender = whole.returned_to.as_deref().unwrap_or("your address");
        found
            .is_a(FORGED, Key::Named("forged".to_owned()))
            .says(format!("the bounce answers a message that {sender} did not send: {why}"))
            .known("sender", whole.returned_to.as_deref())
            .known("message_id", whole.message_id.as_deref())
            .proof(whole.id(), basis);
        return found.state();
    }
    let Some(judgement) = judge::judge(&said) else {
        return Ok(State::Clear);
    };
    let server = said.host.as_deref().unwrap_or("the server");
    let whom = match said.recipients.as_slice() {
        [] => "the message".to_owned(),
        [one] => format!("the message to {one}"),
        [first, rest @ ..] => format!("messages to {first} and {} more", rest.len()),
    };
    let does = if judgement.outcome == Outcome::Final { "refuses" } else { "puts off" };
    let says = match said.reply {
        Some(_) => format!("{server} {does} {whom}: {}: \"{}\"", judgement.sense.means, said.quoted()),
        None => format!("{whom} was not delivered: {}: \"{}\"", judgement.sense.means, said.quoted()),
    };
    let key = Key::Named(format!("{server} {}", judgement.sense.means));
    let finding = found.is_a(judgement.code, key).says(says).party(party(judgement.sense.fault)).witnessed(said.id());
    let usual = catalogue::entry(judgement.code).map_or(Severity::Degraded, |entry| entry.severity);
    // What is final was not delivered; what is put off may still be.
    finding.severity(match judgement.outcome {
        Outcome::Final => Severity::Blocker,
        _ => usual.min(Severity::Degraded),
    });
    for (key, value) in details(&said) {
        let declared = catalogue::entry(judgement.code).is_some_and(|entry| entry.detail.contains_key(key));
        if declared {
            finding.detail(key, value);
        }
    }
    found.state()
}

fn details(said: &Said) -> Vec<(&'static str, Value)> {
    let zone = said.reply.as_ref().and_then(|reply| named_zone(&reply.text()));
    let all: [(&str, Option<Value>); 7] = [
        ("recipient", said.recipients.first().map(|r| r.as_str().into())),
        ("host", said.host.as_deref().map(Into::into)),
        ("domain", said.recipients.first().and_then(|r| r.rsplit_once('@')).map(|(_, domain)| domain.into())),
        ("reply", Some(said.quoted()).filter(|quoted| !quoted.is_empty()).map(Into::into)),
        ("code", said.reply.as_ref().map(|reply| reply.code.into())),
        ("enhanced_code", said.enhanced().map(|status| status.to_string().into())),
        ("zone", zone.map(Into::into)),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// Who must act, seen from the sender's side: what the sender's own systems did wrong is the target's.
fn party(fault: Fault) -> Party {
    match fault {
        Fault::YourServer | Fault::YourDomain | Fault::Unknown => Party::Target,
        Fault::YourMessage => Party::Client,
        Fault::InBetween => Party::Path,
        Fault::Recipient | Fault::TheirServer | Fault::Nobody | Fault::NotYours => Party::ThirdParty,
    }
}

/// Whether the returned message was never ours, and how that is known.
///
/// With our servers named, a message whose hops name none of them did not come from us. Without, there is one
/// sure sign: the reporting server took it from its client without another hop between, and SPF failed; a message
/// of ours that was forwarded would have more hops.
fn forged(whole: &ReturnedWire) -> Option<(String, Basis)> {
    if whole.hops.is_empty() {
        return None;
    }
    if !whole.ours.is_empty() {
        let passed = whole.hops.iter().any(|hop| whole.ours.iter().any(|ours| names(hop, ours)));
        let why = "no hop of it is one of your servers".to_owned();
        return (!passed).then_some((why, Basis::Witnessed));
    }
    match whole.hops.as_slice() {
        [only] if whole.spf_failed => {
            let from = only.address.map_or_else(|| only.from.clone().unwrap_or_default(), |a| a.to_string());
            Some((
                format!("it came straight from {from}, which the domain's SPF record does not allow"),
                Basis::OwnMeasure,
            ))
        }
        _ => None,
    }
}

/// Whether a hop went through a server: its name or one below it, its address, or a network it is in.
fn names(hop: &Hop, ours: &str) -> bool {
    let name = ours.trim_matches('.').to_ascii_lowercase();
    let is_name = |host: &Option<String>| {
        host.as_deref()
            .map(|h| h.trim_matches('.').to_ascii_lowercase())
            .is_some_and(|host| host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.')))
    };
    let within = hop.address.is_some_and(|address| in_network(address, ours));
    within || is_name(&hop.by) || is_name(&hop.from)
}

fn in_network(address: IpAddr, network: &str) -> bool {
    let (base, bits) = network.split_once('/').unwrap_or((network, "128"));
    let (Ok(base), Ok(bits)) = (base.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    let shifted = |value: u128, width: u32| value.checked_shr(width.saturating_sub(bits)).unwrap_or(0);
    match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => shifted(u128::from(a.to_bits()), 32) == shifted(u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => shifted(a.to_bits(), 128) == shifted(b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use maildoctor_wire::received::parse;

    fn returned(hops: &[&str], ours: &[&str], spf_failed: bool) -> ReturnedWire {
        ReturnedWire {
            hops: hops.iter().map(|hop| parse(hop)).collect(),
            ours: ours.iter().map(|&o| o.to_owned()).collect(),
            spf_failed,
            ..ReturnedWire::default()
        }
    }

    const STRANGER: &str =
        "from x.example.com (x.example.com [198.51.100.7]) by mx.example.net; Tue, 24 Nov 2026 13:00:05 +0000";
    const OURS: &str =
        "from mail.example.org (mail.example.org [192.0.2.9]) by mx.example.net; Tue, 24 Nov 2026 13:00:05 +0000";

    #[test]
    fn with_our_servers_named_the_hops_tell() {
        for ours in ["example.org", "mail.example.org.", "192.0.2.9", "192.0.2.0/24"] {
            assert!(forged(&returned(&[OURS], &[ours], true)).is_none(), "{ours}");
            assert!(forged(&returned(&[STRANGER], &[ours], false)).is_some(), "{ours}");
        }
        assert!(forged(&returned(&[OURS], &["ample.org"], false)).is_some(), "a part of a label is no name");
        assert!(forged(&returned(&[], &["example.org"], true)).is_none(), "no hops, no claim");
    }

    #[test]
    fn without_them_only_a_straight_way_and_a_failed_spf_tell() {
        assert!(forged(&returned(&[STRANGER], &[], true)).is_some());
        assert!(forged(&returned(&[STRANGER], &[], false)).is_none());
        assert!(forged(&returned(&[STRANGER, OURS], &[], true)).is_none(), "a forwarder stands between");
    }

    #[test]
    fn networks() {
        let a = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(in_network(a("2001:db8::1"), "2001:db8::/32") && !in_network(a("2001:db9::1"), "2001:db8::/32"));
        assert!(in_network(a("10.1.2.3"), "0.0.0.0/0") && !in_network(a("10.1.2.3"), "10.1.2.4"));
        assert!(!in_network(a("10.1.2.3"), "example.org") && !in_network(a("10.1.2.3"), "10.0.0.0/x"));
    }
}
