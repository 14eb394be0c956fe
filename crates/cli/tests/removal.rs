//! One test for all rules at once: take every observation out of every case in turn. What was clear or
//! unknown must not become found: nothing may be claimed from what was not seen.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::collections::BTreeMap;

use common::{lab, maildoctor};
use maildoctor_core::case::Case;
use maildoctor_core::findings::{State, examine};

/// Codes that witness a fault on the wire and hold it back while a better explanation is seen beside it
/// (another exchanger that takes the address, an IPv4 address that answers): without that, they speak.
const HELD_BACK: [&str; 7] = [
    "rcpt-deferred",
    "recipient-refused",
    "relay-denied-for-own-domain",
    "connect-refused",
    "auth-rejected",
    "null-sender-rejected",
    "resolver-unreachable",
];

fn case_of(faults: &[&str]) -> Case {
    let running = lab(faults);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.json");
    let _ = maildoctor().args(running.lab.check_arguments()).args(["--save", path.to_str().unwrap()]).output().unwrap();
    Case::from_json(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn found(case: &Case) -> BTreeMap<(String, String), bool> {
    let mut out = BTreeMap::new();
    for check in examine(case).checks {
        let is = check.state == Ok(State::Found);
        *out.entry((check.code.to_owned(), check.subject.to_string())).or_insert(false) |= is;
    }
    out
}

#[test]
fn no_observation_taken_away_makes_a_fault() {
    let mut wrong = Vec::new();
    for faults in [
        &[][..],
        &["mx-missing"],
        &["mx-unresolvable"],
        &["ptr-missing"],
        &["starttls-not-offered"],
        &["auth-not-offered"],
        &["mx-primary-down"],
        &["mx-preference-inverted"],
        &["auth-mechanism-broken"],
        &["null-sender-rejected"],
        &["accepted-not-delivered"],
        &["firewall-masks-smtp"],
        &["mx-split-horizon"],
        &["resolver-servfail"],
        &["spf-missing"],
        &["spf-too-many-lookups"],
        &["dkim-missing"],
        &["dmarc-missing"],
        &["dmarc-report-unauthorised"],
        &["tlsrpt-missing"],
        &["ip-listed"],
        &["domain-listed"],
        &["mta-sts-cert-mismatch"],
        &["dnssec-bogus"],
        &["dane-tlsa-mismatch"],
        &["dane-without-dnssec"],
    ] {
        let case = case_of(faults);
        let before = found(&case);
        for observation in &case.observations {
            for ((code, subject), is) in found(&case.without(observation.id)) {
                let was = before.get(&(code.clone(), subject.clone())).copied().unwrap_or(false);
                let anywhere = before.iter().any(|((c, _), found)| *c == code && *found);
                if is && !was && !anywhere && !HELD_BACK.contains(&code.as_str()) {
                    wrong.push(format!("{faults:?}: without {observation:?} there is {code} at {subject}"));
                }
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{} claims from nothing:\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n"));
}

#[test]
fn a_case_keeps_what_a_newer_program_wrote() {
    let case = case_of(&[]);
    let mut value: serde_json::Value = serde_json::from_str(&case.to_json().unwrap()).unwrap();
    value["new_field"] = "kept".into();
    let mut unknown = value["observations"][0].clone();
    unknown["id"] = "o9999".into();
    unknown["probe"] = "quantum.mail/7".into();
    value["observations"].as_array_mut().unwrap().push(unknown);
    let read = Case::from_json(&value.to_string()).unwrap();
    let again: serde_json::Value = serde_json::from_str(&read.to_json().unwrap()).unwrap();
    assert_eq!(again["new_field"], "kept");
    assert!(again["observations"].as_array().unwrap().iter().any(|o| o["probe"] == "quantum.mail/7"));
    assert_eq!(found(&read), found(&case));
}
