//! SPF against the cases of the openspf.org test suite, kept as facts in `data/spf.toml`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::collections::HashMap;
use std::net::IpAddr;

use maildoctor_wire::records::spf::{Answer, Ask, AskType, Identity, evaluate, tree};
use serde::Deserialize;

#[derive(Deserialize)]
struct Suite {
    group: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    zone: Vec<Name>,
    case: Vec<Case>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(default)]
struct Name {
    name: String,
    txt: Vec<String>,
    a: Vec<IpAddr>,
    aaaa: Vec<IpAddr>,
    mx: Vec<String>,
    ptr: Vec<String>,
    cname: Option<String>,
    silent: bool,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    ip: IpAddr,
    helo: String,
    sender: String,
    results: Vec<String>,
    explanation: Option<String>,
}

/// A resolver over the names of one group.
struct Zone(HashMap<String, Name>);

impl Zone {
    fn of(group: &Group) -> Self {
        Self(group.zone.iter().map(|n| (n.name.trim_end_matches('.').to_ascii_lowercase(), n.clone())).collect())
    }

    fn answer(&self, ask: &Ask) -> Answer {
        let mut at = ask.name.to_ascii_lowercase();
        for _ in 0..8 {
            let Some(name) = self.0.get(&at) else { break };
            if let Some(target) = &name.cname {
                at = target.trim_end_matches('.').to_ascii_lowercase();
                continue;
            }
            let (answer, empty) = match ask.rtype {
                AskType::Txt => (Answer::Texts(name.txt.clone()), name.txt.is_empty()),
                AskType::A => (Answer::Addresses(name.a.clone()), name.a.is_empty()),
                AskType::Aaaa => (Answer::Addresses(name.aaaa.clone()), name.aaaa.is_empty()),
                AskType::Mx => (Answer::Names(name.mx.clone()), name.mx.is_empty()),
                AskType::Ptr => (Answer::Names(name.ptr.clone()), name.ptr.is_empty()),
            };
            return if empty && name.silent { Answer::Failed } else { answer };
        }
        Answer::Names(Vec::new())
    }
}

fn suite() -> Suite {
    toml::from_str(include_str!("data/spf.toml")).unwrap()
}

#[test]
fn every_case_of_the_suite_ends_as_the_standard_allows() {
    let (mut cases, mut wrong) = (0, Vec::new());
    for group in suite().group {
        let zone = Zone::of(&group);
        for case in &group.case {
            let identity = Identity { ip: case.ip, helo: &case.helo, mail_from: &case.sender };
            let out = evaluate(&identity, &|ask| Some(zone.answer(ask))).unwrap();
            if !case.results.iter().any(|r| r == out.verdict.name()) {
                wrong.push(format!("{} {}: {:?}, not {:?}", group.name, case.name, out, case.results));
            }
            // Hexadecimal digits of an address may be of either case: they are names.
            let lower = |words: &Option<String>| words.as_ref().map(|w| w.to_ascii_lowercase());
            if case.explanation.is_some() && lower(&case.explanation) != lower(&out.explanation) {
                wrong.push(format!("{} {}: {:?}, not {:?}", group.name, case.name, out.explanation, case.explanation));
            }
            cases += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases > 200, "only {cases} cases");
}

#[test]
fn an_answer_that_is_missing_is_asked_for_and_changes_nothing() {
    for group in suite().group {
        let zone = Zone::of(&group);
        for case in &group.case {
            let identity = Identity { ip: case.ip, helo: &case.helo, mail_from: &case.sender };
            let whole = evaluate(&identity, &|ask| Some(zone.answer(ask))).unwrap();
            let mut known: HashMap<Ask, Answer> = HashMap::new();
            let out = loop {
                match evaluate(&identity, &|ask| known.get(ask).cloned()) {
                    Ok(out) => break out,
                    Err(ask) => {
                        let answer = zone.answer(&ask);
                        assert!(known.insert(ask.clone(), answer).is_none(), "{}: {ask:?} was asked twice", case.name);
                    }
                }
            };
            assert_eq!(out, whole, "{}", case.name);
            assert!(known.len() < 150, "{} asked {} questions", case.name, known.len());
        }
    }
}

#[test]
fn every_policy_of_the_suite_can_be_walked() {
    for group in suite().group {
        let zone = Zone::of(&group);
        for name in &group.zone {
            let walked = tree(&name.name, &|ask| Some(zone.answer(ask))).unwrap();
            assert!(walked.root.below.len() < 50);
        }
    }
}

#[test]
fn loops_and_counts_are_seen_in_the_tree() {
    let suite = suite();
    let limits = suite.group.iter().find(|g| g.name == "processing-limits").unwrap();
    let zone = Zone::of(limits);
    let walk = |name: &str| tree(name, &|ask| Some(zone.answer(ask))).unwrap();
    assert!(walk("e1.example.com").too_many() && walk("e2.example.com").too_many());
    assert_eq!(walk("e6.example.com").lookups(), 10);
    assert_eq!(walk("e7.example.com").lookups(), 11);
    assert_eq!((walk("e8.example.com").lookups(), walk("e8.example.com").too_many()), (11, true));
    assert_eq!(walk("e4.example.com").crowded, ["e4.example.com"]);
    assert_eq!((walk("e11.example.com").voids.len(), walk("e12.example.com").too_many()), (3, false));
}
