//! What to do next: the option or the vantage that would turn an unknown into an answer.

use std::collections::BTreeSet;

use maildoctor_wire::octets::shell_word;
use serde::{Deserialize, Serialize};

use super::Judged;
use crate::case::{Case, Why};
use crate::catalogue::{self, Severity};
use crate::findings::{Check, Suggestion};
use crate::questions::smtp::Banner;

/// The most next tests that a report gives: more is a list nobody works through.
const MAX_NEXT_TESTS: usize = 6;

/// A command that would tell more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NextTest {
    /// What it would tell apart.
    pub why: String,
    /// The command, ready to type.
    pub command: String,
}

/// The option that sends a message.
const SEND: &str = "--send";

/// The tests that rules suggested and that unknown checks call for, each command once.
pub(super) fn next_tests(
    case: &Case,
    judged: &[Judged],
    checks: &[Check],
    suggestions: Vec<Suggestion>,
) -> Vec<NextTest> {
    let found: BTreeSet<&str> = judged.iter().map(|f| f.finding.code).collect();
    let from_rules = suggestions.into_iter().filter(|s| s.only_with.is_none_or(|code| found.contains(code)));
    let talked = case.every::<Banner>().any(|banner| banner.greeted().is_some());
    let from_checks = checks.iter().filter_map(|check| match check.why() {
        // What is sent has to be taken by somebody.
        Some(Why::Skipped(skip)) if skip.option == SEND && !talked => None,
        Some(Why::Skipped(skip)) if skip.is_ready() && worth_asking(check.code) => {
            Some(Suggestion { why: skip.because.clone(), add: skip.option.clone(), only_with: None })
        }
        _ => None,
    });
    let mut commands = BTreeSet::new();
    from_rules
        .chain(from_checks)
        .map(|s| NextTest { command: command(case, &s.add), why: s.why })
        .filter(|test| commands.insert(test.command.clone()))
        .take(MAX_NEXT_TESTS)
        .collect()
}

fn worth_asking(code: &str) -> bool {
    catalogue::entry(code).is_some_and(|entry| entry.severity > Severity::Advice)
}

/// The command of this run with something added; `sudo` stands before it.
fn command(case: &Case, add: &str) -> String {
    let mut words = vec!["maildoctor".to_owned()];
    if case.terms.arguments.is_empty() {
        words.extend(["check".to_owned(), shell_word(&case.target.input)]);
    } else {
        words.extend(case.terms.arguments.iter().map(|word| shell_word(word)));
    }
    match add {
        // A right that is missing, and no option.
        "sudo" => words.insert(0, add.to_owned()),
        _ => words.push(add.to_owned()),
    }
    words.join(" ")
}
