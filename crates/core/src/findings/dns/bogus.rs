//! dnssec-bogus, by what validating resolvers say: SERVFAIL, an answer to the same question with the CD bit, and the extended
//! errors that name what does not fit.

use super::super::ways::own_mx;
use super::super::{At, Basis, Found, Rule, Share, State, Told};
use crate::case::Why;
use crate::questions::dns::walk::Unchecked;
use crate::questions::dns::{DnsResult, ExtendedError, RecordType, Records, Via};
use crate::subject::{Domain, Subject};

pub(super) const RULES: &[Rule] = &[Rule::domain(&["dnssec-bogus"], bogus)];

/// The extended errors of a validation that failed, from "DNSSEC bogus" to "no zone key bit set", and "NSEC missing"
/// (RFC 8914 sections 4.7 to 4.13).
const VALIDATION: std::ops::RangeInclusive<u16> = 6..=12;

fn bogus(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    let rtype = RecordType::Mx;
    let mut validating = 0;
    let asked: Vec<(Via, _)> = at
        .case
        .every::<Records>()
        .filter(|seen| {
            seen.observation().vantage == at.from && seen.observation().subject == Subject::from(at.on.clone())
        })
        .filter_map(|seen| {
            let asked: Records = serde_json::from_value(seen.observation().asked.clone()).ok()?;
            (asked.rtype == rtype && seen.rcode() == Some("SERVFAIL")).then_some((asked.via, seen))
        })
        .collect();
    for (via, failed) in asked {
        let unchecked = match at.ask(&Unchecked { rtype, via }) {
            Ok(unchecked) => unchecked,
            Err(why) => {
                found.missed(why);
                continue;
            }
        };
        if unchecked.definite().is_none() {
            found.missed(Why::Denied(unchecked.id()));
            continue;
        }
        validating += 1;
        let error = errors(&failed.wire.result).iter().find(|e| VALIDATION.contains(&e.code));
        let says = error.map(|e| {
            format!(" ({})", if e.text.is_empty() { format!("extended error {}", e.code) } else { e.text.clone() })
        });
        let finding = found
            .is(at.on.clone())
            .says(format!(
                "DNSSEC validation of {} fails: {} answers SERVFAIL, and with validation switched off (CD) it has the answer{}",
                at.on,
                failed.wire.server,
                says.unwrap_or_default()
            ))
            .detail("domain", at.on.as_str())
            .detail("resolver", failed.wire.server.ip().to_string())
            // Without the resolver's own word another cause of the failure is possible: it may have been passing.
            .proof(failed.id(), if error.is_some() { Basis::ServerSaid } else { Basis::OwnMeasure })
            .witnessed(unchecked.id())
            .claims(failed.id(), Share::Whole, Basis::Witnessed);
        if let Some(error) = error {
            finding.detail("error", error.code);
        }
    }
    if validating == 0 && own.definite().is_some() {
        return Ok(State::Clear);
    }
    found.state()
}

fn errors(result: &DnsResult) -> &[ExtendedError] {
    match result {
        DnsResult::Answered { ede, .. } => ede,
        _ => &[],
    }
}
