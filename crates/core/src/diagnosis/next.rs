//! What to do next: the option or the vantage that would turn an unknown into an answer.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::command::{ON_HOST, command};
use super::{Confidence, Judged};
use crate::case::{Case, Question as _, Why};
use crate::catalogue::{self, Severity};
use crate::findings::{Check, Suggestion, services};
use crate::questions::dns::ListEntry;
use crate::questions::host::machine::Machine;
use crate::questions::smtp::{self, Mail, Rcpt, Recipient, Sender};
use crate::questions::tcp::Role;
use crate::subject::{Kind as _, Service, Subject, VantageId};

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

/// What is told apart on the server itself, and what shows it there.
const TOLD_ON_HOST: &[(&[&str], &str)] = &[
    (
        &[
            "banner-slow",
            "banner-timeout",
            "ehlo-slow",
            "mail-slow",
            "rcpt-slow",
            "rcpt-timeout",
            "data-slow",
            "data-timeout",
        ],
        "the same on the server itself, as root, shows which lookup, program or process it waits for, and proves it",
    ),
    (
        &["accepted-not-delivered"],
        "the server's own queue and log say where the message is; they are read on the server itself",
    ),
    (&["connect-refused"], "whether the service runs, and on which addresses it listens, is seen on the server itself"),
    (&["server-storage-full"], "which disk is full, and how full, is seen on the server itself"),
    (
        &["server-config-error", "connect-reset", "auth-backend-down", "starttls-refused", "tls-handshake-failed"],
        "the server's own log says why; it is read on the server itself",
    ),
];

/// What a list that does not answer makes slow, and the lists that servers commonly ask.
const SLOW_BY_LISTS: [&str; 2] = ["banner-slow", "rcpt-slow"];
const COMMON_LISTS: &str = "--dnsbl=zen.spamhaus.org,bl.spamcop.net,b.barracudacentral.org";

/// What an option would tell, where the reason for leaving a check out does not say so.
const TELLS: [(&str, &str); 2] = [
    (SEND, "a test message, which is really sent, shows whether its content is taken and what becomes of it"),
    ("--relay-rcpt", "whether a stranger may send to others through the server; to that address nothing is sent"),
];

/// The tests that rules suggested and that unknown checks call for, each command once.
pub(super) fn next_tests(
    case: &Case,
    judged: &[Judged],
    checks: &[Check],
    suggestions: Vec<Suggestion>,
) -> Vec<NextTest> {
    let open = unsettled(judged);
    let from_rules = suggestions.into_iter().filter(|s| s.only_with.is_none_or(|code| open.contains(code)));
    let from_checks = checks.iter().filter_map(|check| match check.why() {
        // What is sent has to be taken by somebody.
        Some(Why::Skipped(skip)) if skip.option == SEND && !would_be_taken(case, &check.subject) => None,
        Some(Why::Skipped(skip)) if skip.is_ready() && worth_asking(check.code) => {
            let tells = TELLS.iter().find(|(option, _)| skip.option.split(' ').next() == Some(option));
            let why = tells.map_or_else(|| skip.because.clone(), |(_, why)| (*why).to_owned());
            Some(Suggestion { why, add: skip.option.clone(), only_with: None })
        }
        _ => None,
    });
    let mut tests: Vec<NextTest> = Vec::new();
    let from_here = on_the_host(case, &open).into_iter().chain(common_lists(case, &open));
    for suggestion in from_here.chain(from_rules).chain(from_checks) {
        let test = NextTest { command: command(case, &suggestion.add), why: suggestion.why };
        match tests.iter_mut().find(|known| known.command == test.command) {
            Some(known) if known.why.contains(&test.why) => {}
            Some(known) => known.why = format!("{}; {}", known.why, test.why),
            None => tests.push(test),
        }
    }
    tests.truncate(MAX_NEXT_TESTS);
    tests
}

/// The codes of what nothing explains, or nothing that is proven.
fn unsettled(judged: &[Judged]) -> BTreeSet<&str> {
    let proven = |id: &String| judged.iter().any(|f| f.id == *id && f.confidence == Confidence::Proven);
    let open = judged.iter().filter(|f| f.is_root() || !f.explained_by.iter().all(proven));
    open.map(|f| f.finding.code).collect()
}

/// What the server itself would tell of what is not settled. Where we stand on it, or mail is sent and the server is
/// not ours, there is nothing to suggest.
fn on_the_host(case: &Case, open: &BTreeSet<&str>) -> Vec<Suggestion> {
    let stood = case.terms.gives(ON_HOST) || case.every::<Machine>().next().is_some();
    if stood || case.terms.outbound.is_some() {
        return Vec::new();
    }
    let told = TOLD_ON_HOST.iter().filter(|(codes, _)| codes.iter().any(|code| open.contains(code)));
    told.map(|(_, why)| Suggestion { why: (*why).to_owned(), add: ON_HOST.to_owned(), only_with: None }).collect()
}

/// Where a wait may be that of a list, and none was asked, those that servers commonly ask are timed.
fn common_lists(case: &Case, open: &BTreeSet<&str>) -> Option<Suggestion> {
    let slow = SLOW_BY_LISTS.iter().any(|code| open.contains(code));
    (slow && case.every::<ListEntry>().next().is_none()).then(|| Suggestion {
        why: "time the blacklists that servers commonly ask: one that does not answer for us keeps the server waiting too"
            .to_owned(),
        add: COMMON_LISTS.to_owned(),
        only_with: None,
    })
}

/// Whether a message would get as far as DATA: by the service that a check is about, or by any where it is about none.
fn would_be_taken(case: &Case, on: &Subject) -> bool {
    let Some(here) = case.vantage_ids().next() else { return false };
    match Service::of(on) {
        Some(service) => takes(case, service, &here),
        None => services(case, &[Role::Smtp, Role::Submission, Role::Smtps], &here, false)
            .iter()
            .any(|service| takes(case, service, &here)),
    }
}

/// Whether a service took the recipient under test, or greeted where it was not to be asked.
fn takes(case: &Case, service: &Service, from: &VantageId) -> bool {
    let took = |sender, authenticated| {
        let rcpt = Rcpt { recipient: Recipient::Target, sender, authenticated };
        case.ask(&rcpt, service, from).is_ok_and(|seen| seen.accepted().is_some())
    };
    let transactions = [Mail::PROBE, Rcpt::PROBE];
    let asked = case.observations.iter().any(|seen| transactions.contains(&seen.probe.as_str()));
    let known = case.mail_domain().is_some() || case.terms.gives("--rcpt");
    [Sender::Null, Sender::Given].into_iter().any(|sender| took(sender, false) || took(sender, true))
        || !asked && known && smtp::greeted(case, service, from)
}

fn worth_asking(code: &str) -> bool {
    catalogue::entry(code).is_some_and(|entry| entry.severity > Severity::Advice)
}
