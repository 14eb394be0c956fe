//! What to do next: the option or the vantage that would turn an unknown into an answer.

use std::collections::BTreeSet;

use maildoctor_wire::octets::shell_word;
use serde::{Deserialize, Serialize};

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

/// The option that reads the server on its own host.
const ON_HOST: &str = "--on-host";

/// The area of what is read there.
const HOST_AREA: &str = "server-config";

/// The right of root, which is missing, and no option.
const SUDO: &str = "sudo";

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

/// Options of a run that are in the way of one that is added: of which there may be one, or which bind it to this
/// machine or to less time than it takes.
const IN_THE_WAY: &[(&str, &[&str])] = &[
    ("--control-mx", &["--control-mx"]),
    (ON_HOST, &["--bind"]),
    // Without it there are the two minutes of the default.
    ("--listen", &["--deadline"]),
];

/// Passwords that come by a variable, which sudo takes away: the option that wants one, those that give it otherwise,
/// and the variable.
const BY_VARIABLE: &[(&str, &[&str], &str)] = &[
    ("--user", &["--password-file", "--password-command", "--auth-token-file"], "MAILDOCTOR_PASSWORD"),
    ("--from", &["--socks-password-file"], "MAILDOCTOR_SOCKS_PASSWORD"),
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

/// The command of this run with something added. What is read on the server itself is read by root.
fn command(case: &Case, add: &str) -> String {
    let given = &case.terms.arguments;
    let mut words = match given.as_slice() {
        [] => vec!["check".to_owned(), shell_word(&case.target.input)],
        given => without(given, add).iter().map(|word| shell_word(word)).collect(),
    };
    if matches!(add, SUDO | ON_HOST) {
        look_at_the_host(&mut words);
    }
    if add != SUDO {
        // Behind `--` there are no options any more.
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.insert(end, add.to_owned());
    }
    let sudo = if matches!(add, SUDO | ON_HOST) { sudo(case) } else { String::new() };
    format!("{sudo}maildoctor {}", words.join(" "))
}

/// The arguments of a run without what is in the way of an option.
fn without<'a>(given: &'a [String], add: &str) -> Vec<&'a String> {
    let name = add.split([' ', '=']).next().unwrap_or_default();
    let gone: &[&str] =
        IN_THE_WAY.iter().find(|(option, _)| *option == name).map(|(_, gone)| *gone).unwrap_or_default();
    let mut kept = Vec::new();
    let mut words = given.iter();
    while let Some(word) = words.next() {
        if gone.contains(&word.as_str()) {
            // Its value goes with it.
            words.next();
        } else if !gone.iter().any(|option| word.strip_prefix(option).is_some_and(|rest| rest.starts_with('='))) {
            kept.push(word);
        }
    }
    kept
}

/// Has the areas of a run hold what is read on the host: what it tells is said of nowhere else.
fn look_at_the_host(words: &mut Vec<String>) {
    let mut after = None;
    for word in words.iter_mut() {
        let (option, areas) = match (after.take(), word.split_once('=')) {
            (Some(option), _) => (option, word.clone()),
            (None, Some((option @ ("--only" | "--skip"), areas))) => (option.to_owned(), areas.to_owned()),
            _ => {
                after = ["--only", "--skip"].into_iter().find(|option| word == option).map(str::to_owned);
                continue;
            }
        };
        let others = areas.split(',').filter(|area| *area != HOST_AREA);
        let areas: Vec<&str> = others.chain((option == "--only").then_some(HOST_AREA)).collect();
        *word = if word.starts_with("--") { format!("{option}={}", areas.join(",")) } else { areas.join(",") };
    }
    // Nothing else was to be left out.
    if let Some(place) = words.iter().position(|word| word == "--skip=") {
        words.remove(place);
    } else if let Some(place) =
        words.windows(2).position(|pair| matches!(pair, [skip, none] if skip == "--skip" && none.is_empty()))
    {
        words.drain(place..place + 2);
    }
}

/// `sudo`, and what it must not take out of the environment.
fn sudo(case: &Case) -> String {
    let terms = &case.terms;
    let wanted = |(option, others, _): &&(&str, &[&str], &str)| {
        let asks = match *option {
            "--from" => terms.arguments.iter().any(|word| word.contains("socks5://") && word.contains('@')),
            option => terms.gives(option),
        };
        asks && !others.iter().any(|other| terms.gives(other))
    };
    let kept: Vec<&str> = BY_VARIABLE.iter().filter(wanted).map(|(.., variable)| *variable).collect();
    if kept.is_empty() { "sudo ".to_owned() } else { format!("sudo --preserve-env={} ", kept.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command that a run with these arguments suggests.
    fn suggested(arguments: &str, add: &str) -> String {
        let mut case = Case::from_json(include_str!("../../tests/golden/healthy.1.json")).unwrap();
        case.terms.arguments = arguments.split(' ').map(str::to_owned).collect();
        command(&case, add)
    }

    #[test]
    fn what_the_user_gave_is_kept() {
        let given = "check a.example --port smtp=2525 --from ssh:b --mta-config /etc/x --resolver 192.0.2.1";
        assert_eq!(suggested(given, SEND), format!("maildoctor {given} --send"));
        assert_eq!(
            suggested("check a.example --control-mx=b", SEND),
            "maildoctor check a.example --control-mx=b --send"
        );
    }

    #[test]
    fn what_is_in_the_way_of_an_option_goes_with_its_value() {
        for given in ["check a.example --control-mx gone.example", "check --control-mx=gone.example a.example"] {
            assert_eq!(
                suggested(given, "--control-mx up.example"),
                "maildoctor check a.example --control-mx up.example"
            );
        }
        assert_eq!(
            suggested("check a.example --on-host --deadline 30s", "--listen 60s"),
            "maildoctor check a.example --on-host --listen 60s"
        );
        assert_eq!(suggested("check --bind 192.0.2.1 a.example", ON_HOST), "sudo maildoctor check a.example --on-host");
    }

    #[test]
    fn what_is_read_on_the_host_is_among_the_areas() {
        for (given, then) in [
            ("check a.example --only dns,banner", "check a.example --only dns,banner,server-config --on-host"),
            ("check a.example --only=server-config", "check a.example --only=server-config --on-host"),
            ("check a.example --skip dns,server-config", "check a.example --skip dns --on-host"),
            ("check --skip server-config a.example", "check a.example --on-host"),
            ("check a.example --skip=server-config", "check a.example --on-host"),
        ] {
            assert_eq!(suggested(given, ON_HOST), format!("sudo maildoctor {then}"));
            assert_eq!(suggested(given, SEND), format!("maildoctor {given} --send"));
        }
    }

    #[test]
    fn an_option_stands_before_the_end_of_options() {
        assert_eq!(suggested("check -- a.example", SEND), "maildoctor check --send -- a.example");
    }

    #[test]
    fn sudo_leaves_a_password_that_comes_by_a_variable() {
        assert_eq!(
            suggested("check a.example --on-host --user anna", SUDO),
            "sudo --preserve-env=MAILDOCTOR_PASSWORD maildoctor check a.example --on-host --user anna"
        );
        let file = "check a.example --on-host --user anna --password-file pw";
        assert_eq!(suggested(file, SUDO), format!("sudo maildoctor {file}"));
        assert_eq!(
            suggested("check a.example --from socks5://me@192.0.2.1:1080", ON_HOST),
            "sudo --preserve-env=MAILDOCTOR_SOCKS_PASSWORD maildoctor check a.example --from socks5://me@192.0.2.1:1080 --on-host"
        );
    }
}
