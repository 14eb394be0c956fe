//! The longest chain of a run: steps of which each had to wait for the one before it, since it needs what that
//! one found or comes after it in the same session. No run can be shorter, so what it takes beyond that is time
//! that was lost. That we ourselves allow a server only so many connections at once makes no chain.

use std::collections::{HashMap, HashSet};

use maildoctor_core::case::{Case, Observation};
use maildoctor_core::questions::tcp::{Connect, Role};
use maildoctor_core::subject::Subject;

/// The longest chain of a case: how long its steps took together, in milliseconds, and the steps' own words.
pub(crate) fn of_case(case: &Case) -> (u64, Vec<String>) {
    let steps = &case.observations;
    let for_users: HashSet<&Subject> = case
        .every::<Connect>()
        .filter(|seen| matches!(seen.role, Role::Submission | Role::Smtps))
        .map(|seen| &seen.observation().subject)
        .collect();
    let parts: Vec<Option<Part>> = steps.iter().map(|step| part_of(step, for_users.contains(&step.subject))).collect();
    let spans: Vec<(u64, u64)> = steps.iter().map(|step| (step.at_ms, step.took_ms)).collect();
    let mut known = HashMap::new();
    let (length, chain) = longest(&spans, |earlier, later| {
        let (Some(from), Some(to)) = (steps.get(earlier), steps.get(later)) else {
            return false;
        };
        let part = |place: usize| parts.get(place).copied().flatten();
        let (Some(before), Some(after)) = (part(earlier), part(later)) else {
            return false;
        };
        from.vantage == to.vantage
            && before.leads_to(after)
            && *known
                .entry((&from.subject, &to.subject))
                .or_insert_with(|| case.graph().reaches(&from.subject, &to.subject))
    });
    let words = chain
        .iter()
        .filter_map(|place| steps.get(*place))
        .map(|step| format!("{} {} {} ms", step.probe, step.subject, step.took_ms))
        .collect();
    (length, words)
}

/// The part that a step has in a run. What is none of these leads to nothing, and so is in no chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Which hosts there are.
    Names,
    /// Their addresses.
    Addresses,
    /// From the connection to the EHLO reply that counts: everything else at a service rests on it.
    Greeting,
    /// The banner once more.
    SecondBanner,
    /// The stranger's envelope, step by step in one session.
    Stranger,
    /// Whether the address under test is taken: what a stranger's message rests on as well.
    Target,
    /// MAIL before TLS, and the visit for it.
    BeforeTls,
    /// A command behind STARTTLS.
    Injection,
    /// AUTH, and what the account does then in its session.
    Account,
    /// A stranger's message, and the visit for it.
    Message,
    /// Whether a message is in the mailbox.
    Arrival,
}

impl Part {
    /// Whether a step of this part is needed for one of that, at the same service or further down.
    fn leads_to(self, to: Self) -> bool {
        use Part::{
            Account, Addresses, Arrival, BeforeTls, Greeting, Injection, Message, Names, SecondBanner, Stranger, Target,
        };
        match self {
            Names => to != Names,
            Addresses => !matches!(to, Names | Addresses),
            Greeting => !matches!(to, Names | Addresses),
            SecondBanner => to == Injection,
            Stranger => matches!(to, Stranger | Target),
            Target => matches!(to, Stranger | Message | Arrival),
            BeforeTls => to == BeforeTls,
            Account => matches!(to, Account | Arrival),
            Message => matches!(to, Message | Arrival),
            Injection | Arrival => false,
        }
    }
}

/// The part of a step; `for_users` says whether its service is one for submission.
fn part_of(step: &Observation, for_users: bool) -> Option<Part> {
    let asked = |key: &str| step.asked.get(key).and_then(|value| value.as_str());
    let of_errand = |errand: Option<&str>| match errand? {
        "look" if for_users => Some(Part::Account),
        "look" | "without-tls" => Some(Part::Stranger),
        "again" | "injection" => Some(Part::Injection),
        "before-tls" => Some(Part::BeforeTls),
        "auth" => Some(Part::Account),
        "message" => Some(Part::Message),
        _ => None,
    };
    let authenticated = || step.asked.get("authenticated").is_some_and(|value| value == true);
    let (name, _) = step.probe.split_once('/')?;
    Some(match name {
        "dns.domain" if matches!(asked("type"), Some("MX" | "SRV")) => Part::Names,
        "dns.host" => Part::Addresses,
        "tcp.connect" | "tls.handshake" | "smtp.ehlo" | "smtp.helo" | "smtp.starttls" => Part::Greeting,
        "smtp.banner" if step.asked.get("visit").is_some_and(|nth| nth == 2) => Part::SecondBanner,
        "smtp.banner" => Part::Greeting,
        "smtp.injection" => Part::Injection,
        "smtp.auth" => Part::Account,
        "smtp.mail" | "smtp.rcpt" if authenticated() => Part::Account,
        "smtp.mail" if asked("channel") == Some("plain") && asked("sender") == Some("given") => Part::BeforeTls,
        "smtp.rcpt" if asked("recipient") == Some("target") => Part::Target,
        "smtp.mail" | "smtp.rcpt" | "smtp.vrfy" => Part::Stranger,
        "smtp.message" if asked("path") == Some("mx") => Part::Message,
        "smtp.message" => Part::Account,
        "smtp.line-ends" => Part::Message,
        "smtp.visit" | "smtp.rset" | "smtp.quit" => return of_errand(asked("errand")),
        "mailbox.arrival" => Part::Arrival,
        _ => return None,
    })
}

/// The sequence of spans (begin, duration) with the greatest sum in which each begins after the one before it
/// ended and depends on it: that sum, and the places of its spans.
fn longest(spans: &[(u64, u64)], mut depends: impl FnMut(usize, usize) -> bool) -> (u64, Vec<usize>) {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|place| spans.get(*place).map(|(at, took)| (*at, at + took)));
    // For each span in that order: the best sum that ends with it, and the span before it.
    let mut best: Vec<(usize, u64, Option<usize>)> = Vec::with_capacity(spans.len());
    for place in order {
        let Some((at, took)) = spans.get(place).copied() else {
            continue;
        };
        let mut found = (place, took, None);
        for (index, (earlier, sum, _)) in best.iter().enumerate() {
            let ended = spans.get(*earlier).is_some_and(|(from, long)| from + long <= at);
            if ended && sum + took > found.1 && depends(*earlier, place) {
                found = (place, sum + took, Some(index));
            }
        }
        best.push(found);
    }
    let mut at = (0..best.len()).max_by_key(|index| best.get(*index).map(|(_, sum, _)| *sum));
    let length = at.and_then(|index| best.get(index)).map_or(0, |(_, sum, _)| *sum);
    let mut chain = Vec::new();
    while let Some((place, _, before)) = at.and_then(|index| best.get(index)) {
        chain.push(*place);
        at = *before;
    }
    chain.reverse();
    (length, chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_the_longest_of_those_that_depend() {
        // 0 then 1 then 3 depend; 2 is longer than 1 and begins too early for 3.
        let spans = [(0, 10), (10, 20), (5, 28), (30, 5)];
        assert_eq!(longest(&spans, |_, _| true), (35, vec![0, 1, 3]));
        assert_eq!(longest(&spans, |_, _| false), (28, vec![2]));
        assert_eq!(longest(&spans, |from, to| (from, to) == (0, 1)), (30, vec![0, 1]));
        assert_eq!(longest(&[], |_, _| true), (0, Vec::new()));
    }

    #[test]
    fn what_was_noted_late_counts_by_its_time() {
        assert_eq!(longest(&[(50, 5), (0, 50)], |_, _| true), (55, vec![1, 0]));
    }

    #[test]
    fn a_real_case_has_a_chain_from_the_domain_down_to_a_service() {
        let text = include_str!("../../../crates/core/tests/golden/cert-expired.1.json");
        let case = Case::from_json(text).unwrap();
        let (length, words) = of_case(&case);
        assert!(length <= case.duration_ms + words.len() as u64);
        assert!(words.first().is_some_and(|step| step.starts_with("dns.")), "{words:?}");
        assert!(words.last().is_some_and(|step| step.contains("service:")), "{words:?}");
    }
}
