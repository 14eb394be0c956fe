//! Saved cases: any text, and real cases in which the fuzzer has changed what it liked.

use maildoctor_core::case::Case;
use maildoctor_core::diagnosis::diagnose;
use maildoctor_core::report::report;
use maildoctor_core::report::text::{Style, render};
use serde_json::Value;

/// The last is a walk down a signed tree, so that the signatures are checked of records that someone changed.
const CASES: [&str; 3] = [
    include_str!("../../../crates/core/tests/golden/mx-split-horizon.1.json"),
    include_str!("../../../crates/core/tests/golden/cert-expired.1.json"),
    include_str!("../../cases/signed.json"),
];

#[test]
fn any_text_is_a_case_or_an_error() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let _ = Case::from_json(&String::from_utf8_lossy(input));
    });
}

/// A real case with other values is diagnosed, and reads the same once it was saved.
#[test]
fn a_case_that_someone_changed_is_diagnosed() {
    let cases: Vec<Value> = CASES.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    assert_eq!(cases.len(), CASES.len());
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let Some((first, changes)) = input.split_first() else {
            return;
        };
        let Some(mut value) = cases.get(usize::from(*first) % cases.len()).cloned() else {
            return;
        };
        for change in changes.chunks(12).take(6) {
            let mut way = change.iter();
            let Some(kind) = way.next() else { continue };
            if let Some(place) = descend(&mut value, &mut way) {
                *place = other(*kind, place);
            }
        }
        let Ok(case) = Case::from_json(&value.to_string()) else {
            return;
        };
        let text = render(&report(&case, &diagnose(&case)), Style::PLAIN);
        assert!(!text.is_empty());
        let again = case.to_json().map(|saved| Case::from_json(&saved));
        let Ok(Ok(again)) = again else { panic!("a case that was read cannot be saved and read again") };
        assert_eq!(text, render(&report(&again, &diagnose(&again)), Style::PLAIN));
    });
}

/// Walks down by the octets; stops where they end, or at a value that holds no others.
fn descend<'v>(value: &'v mut Value, way: &mut std::slice::Iter<'_, u8>) -> Option<&'v mut Value> {
    let count = match &*value {
        Value::Array(all) => all.len(),
        Value::Object(all) => all.len(),
        _ => 0,
    };
    if count == 0 {
        return Some(value);
    }
    let Some(octet) = way.next() else {
        return Some(value);
    };
    let place = usize::from(*octet) % count;
    match value {
        Value::Array(all) => descend(all.get_mut(place)?, way),
        Value::Object(all) => descend(all.values_mut().nth(place)?, way),
        _ => None,
    }
}

/// Another value in its place, mostly of the same kind.
fn other(kind: u8, was: &Value) -> Value {
    match (kind % 8, was) {
        (0, _) => Value::Null,
        (1, _) => Value::from(u64::MAX),
        (2, _) => Value::from(""),
        (3, Value::Array(all)) => all.iter().chain(all).cloned().collect(),
        (4, Value::Array(_)) => Value::Array(Vec::new()),
        (_, Value::Bool(was)) => Value::from(!was),
        (3, Value::Number(_)) => Value::from(0),
        (_, Value::Number(_)) => Value::from(1_000_000_000_u64),
        (3, Value::String(was)) => Value::from(format!("{was}\u{1b}[31m\u{202e}é")),
        (4, Value::String(was)) => Value::from(was.repeat(50)),
        // One digit of a key, a digest or a signature.
        (5, Value::String(was)) => Value::from(was.replacen('a', "b", 1)),
        (_, Value::String(was)) => Value::from(was.chars().rev().collect::<String>()),
        (_, was) => was.clone(),
    }
}
