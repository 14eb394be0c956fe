//! The DMARC record, at the domain or above it: dmarc-missing, dmarc-syntax, dmarc-policy-none,
//! dmarc-report-unauthorised.

use maildoctor_wire::records::dmarc::{
    Dmarc, Policy, belongs, is_dmarc, is_nearly_dmarc, organisational, report_host, walk,
};

use super::super::{At, Found, Key, Rule, State, Told};
use super::{has_no_mail, texts_at};
use crate::case::{ObsId, Why};
use crate::subject::Domain;

pub(super) const RULES: &[Rule] = &[
    Rule::domain(&["dmarc-missing"], missing).over_all_vantages(),
    Rule::domain(&["dmarc-syntax"], syntax).over_all_vantages(),
    Rule::domain(&["dmarc-policy-none"], policy_none).over_all_vantages(),
    Rule::domain(&["dmarc-report-unauthorised"], unauthorised).over_all_vantages(),
];

/// The policy that holds for the domain.
pub(in crate::findings) struct Held {
    /// Whose it is: the domain's own or one above.
    pub(in crate::findings) domain: String,
    pub(in crate::findings) text: String,
    pub(in crate::findings) record: Dmarc,
    pub(in crate::findings) id: ObsId,
}

impl Held {
    /// What is asked for mail of the domain itself.
    pub(in crate::findings) fn effective(&self, domain: &Domain) -> Policy {
        if self.domain == domain.as_str() { self.record.policy } else { self.record.subdomains }
    }
}

/// The first record on the way up; `None` where there is none to the top.
pub(in crate::findings) fn held(at: &At<'_, Domain>) -> Result<Option<Held>, Why> {
    for domain in walk(at.on.as_str()) {
        let there = texts_at(at, &format!("_dmarc.{domain}"), is_dmarc)?;
        // Several records are none (RFC 9989 section 4.10).
        if let Some(text) = there.only() {
            return Ok(Some(Held { record: Dmarc::parse(text), text: text.to_owned(), id: there.id, domain }));
        }
    }
    Ok(None)
}

/// The organisational domain, as far as the way up is known.
pub(in crate::findings) fn organisation(at: &At<'_, Domain>) -> String {
    let names = walk(at.on.as_str());
    let records: Vec<(String, Dmarc)> = names
        .into_iter()
        .filter_map(|domain| {
            let there = texts_at(at, &format!("_dmarc.{domain}"), is_dmarc).ok()?;
            there.only().map(|text| (domain, Dmarc::parse(text)))
        })
        .collect();
    organisational(at.on.as_str(), &records).to_owned()
}

/// What stands at the domain's own name and was meant to be a record.
fn attempts(at: &At<'_, Domain>) -> Result<super::Texts, Why> {
    texts_at(at, &format!("_dmarc.{}", at.on), |text| is_dmarc(text) || is_nearly_dmarc(text))
}

fn missing(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = texts_at(at, at.on.as_str(), |_| true)?;
    if own.nxdomain || has_no_mail(at) {
        return Ok(State::NotApplicable);
    }
    if held(at)?.is_some() || !attempts(at)?.list.is_empty() {
        return Ok(State::Clear);
    }
    let finding = found
        .is(at.on.clone())
        .says(format!("neither {} nor a domain above it has a DMARC record", at.on))
        .detail("domain", at.on.as_str());
    for domain in walk(at.on.as_str()) {
        let there = texts_at(at, &format!("_dmarc.{domain}"), is_dmarc)?;
        finding.witnessed(there.id);
    }
    found.state()
}

fn syntax(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = attempts(at)?;
    let inherited = held(at)?.filter(|held| held.domain != at.on.as_str());
    let (holder, said, text, id) = match (own.list.as_slice(), inherited) {
        ([], Some(held)) => {
            let said = held.record.flaws.first().map(ToString::to_string);
            (held.domain, said, held.text, held.id)
        }
        ([], None) => return Ok(State::NotApplicable),
        ([text], _) => {
            let said = Dmarc::parse(text).flaws.first().map(ToString::to_string);
            (at.on.as_str().to_owned(), said, text.clone(), own.id)
        }
        (several, _) => {
            let said = format!("there are {} records, and receivers then use none", several.len());
            (at.on.as_str().to_owned(), Some(said), several.join(" | "), own.id)
        }
    };
    if let Some(said) = said {
        found
            .is(at.on.clone())
            .says(format!("the DMARC record of {holder} is faulty: {said}"))
            .detail("domain", at.on.as_str())
            .detail("holder", holder)
            .detail("flaw", said)
            .detail("record", text)
            .witnessed(id);
    }
    found.state()
}

fn policy_none(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let Some(held) = held(at)? else { return Ok(State::NotApplicable) };
    // With a fault in it the record is none by accident, which is said as such.
    if held.record.flaws.is_empty() && held.effective(&at.on) == Policy::None {
        found
            .is(at.on.clone())
            .says(format!("the DMARC policy for {} is none: forged mail is reported and let through", at.on))
            .detail("domain", at.on.as_str())
            .detail("holder", held.domain.as_str())
            .detail("record", held.text.as_str())
            .witnessed(held.id);
    }
    found.state()
}

fn unauthorised(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let Some(held) = held(at)? else { return Ok(State::NotApplicable) };
    let organisation = organisation(at);
    let mut hosts: Vec<&str> =
        held.record.rua.iter().chain(&held.record.ruf).filter_map(|uri| report_host(uri)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    for host in hosts.into_iter().filter(|host| !belongs(host, &organisation)) {
        let name = format!("{}._report._dmarc.{host}", held.domain);
        match texts_at(at, &name, is_dmarc) {
            Ok(there) if there.list.is_empty() => {
                found
                    .is(Key::Named(host.to_owned()))
                    .says(format!("DMARC reports of {} go to {host}, which has not agreed to take them: there is no record {name}", held.domain))
                    .detail("domain", held.domain.as_str())
                    .detail("host", host)
                    .detail("name", name)
                    .witnessed(held.id)
                    .witnessed(there.id);
            }
            Ok(_) => {}
            Err(why) => found.missed(why),
        }
    }
    found.state()
}
