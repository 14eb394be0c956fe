//! TLS reporting and BIMI: tlsrpt-missing, tlsrpt-syntax, bimi-broken.

use maildoctor_wire::records::bimi::{Bimi, is_bimi};
use maildoctor_wire::records::dmarc::Policy;
use maildoctor_wire::records::tlsrpt::{TlsRpt, is_nearly_tlsrpt, is_tlsrpt};

use super::super::{At, Found, Rule, State, Told};
use super::dmarc::{held, organisation};
use super::{Texts, texts_at};
use crate::case::Why;
use crate::subject::Domain;

pub(super) const RULES: &[Rule] = &[
    Rule::domain(&["tlsrpt-missing"], missing).over_all_vantages(),
    Rule::domain(&["tlsrpt-syntax"], syntax).over_all_vantages(),
    Rule::domain(&["bimi-broken"], bimi).over_all_vantages(),
];

/// What stands where TLS reporting is set up, and was meant for it.
pub(super) fn reporting(at: &At<'_, Domain>) -> Result<Texts, Why> {
    texts_at(at, &format!("_smtp._tls.{}", at.on), |text| is_tlsrpt(text) || is_nearly_tlsrpt(text))
}

fn missing(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let sts = texts_at(at, &format!("_mta-sts.{}", at.on), |text| text.starts_with("v=STSv1"))?;
    if sts.list.is_empty() {
        return Ok(State::NotApplicable);
    }
    let there = reporting(at)?;
    if there.list.is_empty() {
        found
            .is(at.on.clone())
            .says(format!(
                "{} has an MTA-STS policy and no TLS reporting: nobody tells it when mail fails by it",
                at.on
            ))
            .detail("domain", at.on.as_str())
            .witnessed(there.id)
            .witnessed(sts.id);
    }
    found.state()
}

fn syntax(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let there = reporting(at)?;
    let said = match there.list.as_slice() {
        [] => return Ok(State::NotApplicable),
        [text] => TlsRpt::parse(text).flaws.first().map(ToString::to_string),
        several => Some(format!("there are {} records, and senders then use none", several.len())),
    };
    if let Some(said) = said {
        found
            .is(at.on.clone())
            .says(format!("the TLS reporting record of {} is faulty: {said}", at.on))
            .detail("domain", at.on.as_str())
            .detail("flaw", said)
            .detail("record", there.list.join(" | "))
            .witnessed(there.id);
    }
    found.state()
}

/// The BIMI record that holds for the domain: its own, or that of its organisation.
pub(super) fn indicator(at: &At<'_, Domain>) -> Result<Texts, Why> {
    let own = texts_at(at, &format!("default._bimi.{}", at.on), is_bimi)?;
    let organisation = organisation(at);
    if !own.list.is_empty() || organisation == at.on.as_str() {
        return Ok(own);
    }
    texts_at(at, &format!("default._bimi.{organisation}"), is_bimi)
}

fn bimi(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let there = indicator(at)?;
    let Some(text) = there.only() else { return Ok(State::NotApplicable) };
    let record = Bimi::parse(text);
    if record.declines() {
        return Ok(State::Clear);
    }
    let weak = match record.flaws.first() {
        Some(flaw) => Some((flaw.to_string(), None)),
        None => match held(at)? {
            Some(held) if held.effective(&at.on) == Policy::None => {
                Some(("its DMARC policy is none, and quarantine or reject is wanted".to_owned(), Some(held.id)))
            }
            Some(held) if held.record.partly => {
                Some(("its DMARC policy is not wholly in force (pct= or t=y)".to_owned(), Some(held.id)))
            }
            Some(_) => None,
            None => Some(("there is no DMARC policy, and quarantine or reject is wanted".to_owned(), None)),
        },
    };
    if let Some((said, dmarc)) = weak {
        let finding = found
            .is(at.on.clone())
            .says(format!("no indicator is shown for {}: {said}", at.on))
            .detail("domain", at.on.as_str())
            .detail("flaw", said)
            .detail("record", text)
            .witnessed(there.id);
        if let Some(id) = dmarc {
            finding.witnessed(id);
        }
    }
    found.state()
}
