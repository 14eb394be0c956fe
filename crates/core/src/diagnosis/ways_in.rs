//! A fault of one way in, while another works, is a degradation and no blocker.

use std::collections::BTreeSet;

use crate::case::Case;
use crate::catalogue::Severity;
use crate::findings::{Finding, Key, services};
use crate::questions::tcp::Role;
use crate::subject::{Kind, Service, Subject, VantageId};

/// Lowers blockers that concern only some of the domain's mail exchangers while another one takes mail.
pub(super) fn soften(case: &Case, findings: &mut [Finding]) {
    let shut: Vec<(Subject, VantageId)> = findings
        .iter()
        .filter(|f| f.severity == Severity::Blocker)
        .flat_map(|f| f.subjects.iter().flat_map(|s| f.vantages.iter().map(|v| (s.clone(), v.clone()))))
        .collect();
    let takes_mail = |service: &Service, from: &VantageId| {
        let subject: Subject = (*service).into();
        crate::questions::smtp::greeted(case, service, from)
            && !shut
                .iter()
                .any(|(s, v)| v == from && !matches!(s, Subject::Domain(_)) && case.graph().reaches(s, &subject))
    };
    for finding in findings.iter_mut().filter(|f| f.severity == Severity::Blocker) {
        let Some(touched) = ways_touched(case, finding) else {
            continue;
        };
        let another = finding.vantages.iter().all(|from| {
            services(case, &[Role::Smtp], from, false)
                .iter()
                .any(|service| !touched.contains(service) && takes_mail(service, from))
        });
        if another {
            finding.severity = Severity::Degraded;
        }
    }
}

/// The mail exchange services that a finding is about, or `None` where it is about more than ways in.
fn ways_touched(case: &Case, finding: &Finding) -> Option<BTreeSet<Service>> {
    let mut touched = BTreeSet::new();
    let ways: BTreeSet<Service> =
        finding.vantages.iter().flat_map(|from| services(case, &[Role::Smtp], from, false)).collect();
    for subject in &finding.subjects {
        match subject {
            Subject::Service(service) if !ways.contains(service) => return None,
            Subject::Service(_) | Subject::Host(_) | Subject::Addr(_) | Subject::Cert(_) => {
                touched.extend(ways.iter().filter(|way| {
                    let way: Subject = (**way).into();
                    case.graph().related(subject, &way)
                }));
            }
            Subject::Zone(_) => {}
            // A fault of a domain that lies in one address of its hosts is a fault of that way in.
            Subject::Domain(_) if matches!(finding.key, Key::Subject(Subject::Addr(_))) => {}
            _ => return None,
        }
    }
    // A host without any address touches no service, and is still only one way in.
    let named =
        finding.subjects.iter().any(|s| Service::of(s).is_some() || matches!(s, Subject::Host(_) | Subject::Addr(_)));
    named.then_some(touched)
}
