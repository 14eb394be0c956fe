//! From case and diagnosis to the report.

use super::model::{Check, Claim, Exchanger, Finding, ObservationRecord, RecordLine, Report, SCHEMA, State, Tool};
use super::servers::servers;
use crate::case::Case;
use crate::catalogue;
use crate::diagnosis::{Diagnosis, Judged};
use crate::findings::{self, Share};
use crate::questions::dns::walk::Authoritative;
use crate::questions::dns::{Addresses, RecordType, Records};
use crate::questions::smtp::software;
use crate::subject::{Domain, Host, Kind, Service, Subject};

/// Puts case and diagnosis into a report.
pub fn report(case: &Case, diagnosis: &Diagnosis) -> Report {
    let findings: Vec<Finding> = diagnosis.findings.iter().map(|judged| finding(case, judged)).collect();
    Report {
        schema: SCHEMA.to_owned(),
        tool: Tool { name: "maildoctor".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        target: case.target.clone(),
        started_at: case.started_at.to_string(),
        duration_ms: case.duration_ms,
        as_of: case.terms.at_days.map(|_| case.as_of().to_string()),
        vantages: case.vantages.clone(),
        verdict: diagnosis.verdict,
        summary: diagnosis.summary.clone(),
        diagnosis: findings.iter().filter(|f| f.explained_by.is_empty()).cloned().collect(),
        findings,
        checks: diagnosis.checks.iter().map(check).collect(),
        next_tests: diagnosis.next_tests.clone(),
        mx: exchangers(case),
        servers: servers(case),
        places: findings::vantage::sights::of(case),
        records: records(case),
        observations: case.observations.iter().cloned().map(ObservationRecord).collect(),
    }
}

fn finding(case: &Case, judged: &Judged) -> Finding {
    let Judged { id, finding, confidence, effective, explained_by, explains, unexplained_ms } = judged;
    let entry = catalogue::entry(finding.code);
    let known =
        finding.subjects.iter().filter_map(Service::of).find_map(|service| software(case, service)).map(|r| r.software);
    // What was read on the host itself is about the server that is installed there.
    let known = known.or_else(|| findings::installed(case).map(|server| server.name().to_owned()));
    let mut subjects = finding.subjects.iter().cloned();
    Finding {
        id: id.clone(),
        code: finding.code.to_owned(),
        title: entry.map_or_else(|| finding.code.to_owned(), |e| e.title.clone()),
        severity: finding.severity,
        effective_severity: *effective,
        party: finding.party,
        confidence: *confidence,
        subject: subjects.next().unwrap_or_else(|| crate::subject::VantageId::local().into()),
        also: subjects.collect(),
        cause: finding.says.clone(),
        detail: finding.detail.clone(),
        evidence: finding.evidence.keys().copied().collect(),
        claims: finding
            .claims
            .iter()
            .map(|claim| Claim {
                observation: claim.on,
                share_ms: match claim.share {
                    Share::Of(span) => Some(span.length_ms()),
                    Share::Whole => case.observation(claim.on).map(|o| o.took_ms),
                },
                basis: claim.basis.name().to_owned(),
            })
            .collect(),
        explains: explains.clone(),
        explained_by: explained_by.clone(),
        unexplained_ms: *unexplained_ms,
        remedy: entry.map(|e| e.remedy(&finding.detail, known.as_deref())).unwrap_or_default(),
        sources: entry.map(|e| e.sources()).unwrap_or_default(),
    }
}

fn records(case: &Case) -> Vec<RecordLine> {
    let line = |line: findings::records::overview::Line| RecordLine {
        kind: line.kind.to_owned(),
        name: line.name,
        text: line.text,
        notes: line.notes,
    };
    findings::records::overview::of(case).into_iter().map(line).collect()
}

fn check(check: &findings::Check) -> Check {
    Check {
        code: check.code.to_owned(),
        subject: check.subject.clone(),
        vantage: check.vantage.0.clone(),
        state: match check.state {
            Ok(findings::State::Clear) => State::Clear,
            Ok(findings::State::Found) => State::Found,
            Ok(findings::State::NotApplicable) => State::NotApplicable,
            Err(_) => State::Unknown,
        },
        why: check.why().map(ToString::to_string),
        evidence: check.evidence.clone(),
    }
}

/// The MX table: the answer of each resolver, and of each of the zone's own servers, with the addresses it gives for each
/// host.
fn exchangers(case: &Case) -> Vec<Exchanger> {
    let Some(domain) = case.mail_domain() else {
        return Vec::new();
    };
    let subject: Subject = domain.clone().into();
    let mut table = Vec::new();
    for seen in case.every::<Records>().filter(|s| s.observation().subject == subject) {
        let Ok(question) = serde_json::from_value::<Records>(seen.observation().asked.clone()) else {
            continue;
        };
        let Some(answer) = seen.definite().filter(|_| question.rtype == RecordType::Mx) else {
            continue;
        };
        for (preference, host) in answer.mx() {
            let mut addresses = Vec::new();
            for rtype in [RecordType::A, RecordType::Aaaa] {
                let asked = Addresses { rtype, via: question.via };
                if let Ok(view) = case.ask(&asked, &Host::new(host), &seen.observation().vantage) {
                    addresses.extend(view.definite().map(|a| a.addresses()).unwrap_or_default());
                }
            }
            table.push(Exchanger {
                resolver: question.via.to_string(),
                vantage: seen.observation().vantage.0.clone(),
                preference: Some(preference),
                host: host.to_owned(),
                addresses,
            });
        }
    }
    table.extend(published(case, &domain));
    table.sort();
    table.dedup();
    table
}

/// The same by each authoritative server of the domain's zone, with the addresses of hosts within that zone.
fn published(case: &Case, domain: &Domain) -> Vec<Exchanger> {
    let mut table = Vec::new();
    for seen in case.every::<Authoritative>().filter(|seen| seen.authoritative()) {
        let observation = seen.observation();
        let (Some(zone), Ok(asked)) =
            (Domain::of(&observation.subject), serde_json::from_value::<Authoritative>(observation.asked.clone()))
        else {
            continue;
        };
        let Some(answer) = seen.definite().filter(|_| asked.rtype == RecordType::Mx && asked.name == domain.as_str())
        else {
            continue;
        };
        for (preference, host) in answer.mx() {
            let addresses = [RecordType::A, RecordType::Aaaa].into_iter().filter_map(|rtype| {
                let question = Authoritative { name: host.to_owned(), rtype, ..asked.clone() };
                case.ask(&question, zone, &observation.vantage).ok()
            });
            table.push(Exchanger {
                resolver: asked.via.to_string(),
                vantage: observation.vantage.0.clone(),
                preference: Some(preference),
                host: host.to_owned(),
                addresses: addresses
                    .filter_map(|seen| seen.view().definite().map(|a| a.addresses()))
                    .flatten()
                    .collect(),
            });
        }
    }
    table
}
