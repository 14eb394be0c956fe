//! The JSON report of `trace`, and how it is made of a case.

use jiff::Timestamp;
use mail_parser::MessageParser;
use maildoctor_wire::auth_results::{AuthResults, MethodResult};
use maildoctor_wire::octets;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stations;
use crate::case::Case;
use crate::diagnosis::{self, Verdict};
use crate::findings::trace::authentication;
use crate::questions::trace::{Message, Received};
use crate::questions::way::{Clocks, in_words};
use crate::report::{self, Finding};

/// The schema that reports of this program carry.
pub const SCHEMA: &str = "maildoctor/trace/1";

/// The way of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// What the message was named by.
    pub input: String,
    /// What the findings come to.
    pub verdict: Verdict,
    /// The way in one sentence.
    pub summary: String,
    /// The From.
    pub from: Option<String>,
    /// The Subject.
    pub subject: Option<String>,
    /// The Message-ID.
    pub message_id: Option<String>,
    /// The Date that the sender's program wrote.
    pub date: Option<String>,
    /// How long the message is, in octets.
    pub octets: u64,
    /// From the first hop to the last, in seconds; null where too few clocks can be believed.
    pub took_s: Option<i64>,
    /// The hops, the first in time first.
    pub hops: Vec<HopReport>,
    /// What the receiving server found, as its Authentication-Results say.
    pub authentication: Authentication,
    /// Mailing lists and forwarders, a sentence each.
    pub passed_on: Vec<String>,
    /// What spam filters say.
    pub filters: Vec<Filter>,
    /// What is wrong: root causes first.
    pub findings: Vec<Finding>,
}

/// One hop: a server that took the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HopReport {
    /// Its number, from 1.
    pub number: usize,
    /// The client, by the name that the server wrote first.
    pub from: Option<String>,
    /// How the client called itself, where the server wrote that beside another name.
    #[serde(default)]
    pub helo: Option<String>,
    /// The client's address.
    pub address: Option<std::net::IpAddr>,
    /// The server that took the message.
    pub by: Option<String>,
    /// The protocol (RFC 3848).
    pub with: Option<String>,
    /// Whether the message was fetched from a mailbox there, and not sent: its way had ended before.
    #[serde(default)]
    pub fetched: bool,
    /// Whether it came by TLS; null where the hop does not say.
    pub encrypted: Option<bool>,
    /// The version of TLS.
    pub tls: Option<String>,
    /// Whether the client had logged in.
    pub authenticated: bool,
    /// The server's queue id.
    pub queue_id: Option<String>,
    /// When, by the server's own clock (RFC 3339).
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    /// The time since the hop before that wrote its time down, in seconds; negative where clocks disagree.
    pub delay_s: Option<i64>,
    /// Whether this is where most of the time passed, and more than a minute.
    pub slowest: bool,
    /// Whether the clock of this server may be wrong.
    pub clock_doubted: bool,
}

/// What the receiving server found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Authentication {
    /// The server that says it; null where nobody who can be believed says anything, or the server gives no name.
    pub server: Option<String>,
    /// What it found, in order.
    pub results: Vec<MethodFound>,
    /// What it comes to now, by the message as it lies here and the DNS as it is; empty where nothing was verified.
    #[serde(default)]
    pub now: Vec<MethodFound>,
    /// Where the two differ, a sentence each.
    #[serde(default)]
    pub differs: Vec<String>,
    /// The servers of further Authentication-Results. They were there when the message came, and prove nothing.
    pub not_believed: Vec<String>,
}

/// What came of one method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MethodFound {
    /// `spf`, `dkim`, `dmarc`, `arc` …
    pub method: String,
    /// `pass`, `fail`, `none` …
    pub result: String,
    /// What it is about: the property and its value.
    pub about: Vec<(String, String)>,
    /// What the server adds.
    pub reason: Option<String>,
}

/// What a spam filter says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Filter {
    /// The filter.
    pub filter: String,
    /// Whether it takes the message for junk; null where it does not say.
    pub junk: Option<bool>,
    /// Its score.
    pub score: Option<String>,
    /// The score that it is held against.
    pub limit: Option<String>,
    /// Its reasons.
    pub reasons: Vec<String>,
    /// Whether it wrote that before the receiving house had the message.
    #[serde(default)]
    pub earlier: bool,
}

/// The report of the traced message in a case; `None` where the case holds none.
pub fn report(case: &Case) -> Option<TraceReport> {
    let seen = case.every::<Received>().next()?;
    let message = seen.view();
    let diagnosis = diagnosis::diagnose(case);
    let whole = report::report(case, &diagnosis);
    let value = |name: &str| message.value(name).map(str::to_owned);
    let results = message.results.clone().unwrap_or_default();
    let now = authentication::now(case);
    let found = |result: MethodResult| MethodFound {
        method: result.method,
        result: result.result,
        about: result.properties,
        reason: result.reason,
    };
    let filters = message.filters.iter().map(|filter| Filter {
        filter: filter.filter.to_owned(),
        junk: filter.junk,
        score: filter.score.clone(),
        limit: filter.limit.clone(),
        reasons: filter.reasons.clone(),
        earlier: filter.earlier,
    });
    Some(TraceReport {
        schema: SCHEMA.to_owned(),
        input: case.target.input.clone(),
        verdict: diagnosis.verdict,
        summary: summary(message, &whole.findings),
        from: value("From").map(|from| words(&from)),
        subject: value("Subject").map(|subject| words(&subject)),
        message_id: value("Message-ID"),
        date: value("Date"),
        octets: message.wire.octets,
        took_s: message.way.took(),
        hops: hops(message),
        authentication: Authentication {
            differs: differences(&results, &now),
            server: results.server,
            results: results.results.into_iter().map(found).collect(),
            now: now.into_iter().map(found).collect(),
            not_believed: message.others.clone(),
        },
        passed_on: stations::of(message),
        filters: filters.collect(),
        findings: whole.findings,
    })
}

/// A field as a person reads it: its encoded words (RFC 2047) in plain text.
fn words(value: &str) -> String {
    if !value.contains("=?") {
        return value.to_owned();
    }
    let field = format!("Subject: {value}\r\n\r\n");
    let parsed = MessageParser::default().parse(field.as_bytes());
    let text = parsed.as_ref().and_then(|message| message.subject()).unwrap_or(value);
    octets::escape(text.as_bytes())
}

/// Where a check comes to something else now than the receiving server found.
pub(super) fn differences(then: &AuthResults, now: &[MethodResult]) -> Vec<String> {
    let server = then.server.as_deref().unwrap_or("the receiving server");
    let mut out = Vec::new();
    for method in ["spf", "dkim", "arc", "dmarc"] {
        let of = |results: &[MethodResult]| -> Vec<MethodResult> {
            results.iter().filter(|result| result.method == method).cloned().collect()
        };
        let (then, now) = (of(&then.results), of(now));
        let holds = |results: &[MethodResult]| results.iter().any(|result| result.result == "pass");
        let (Some(first), Some(last)) = (then.first(), now.first()) else { continue };
        let name = method.to_uppercase();
        if now.iter().any(|result| result.result == "temperror") && !holds(&now) {
            // Nobody was asked, or nobody answered: whether it still holds is not known.
            continue;
        }
        match (holds(&then), holds(&now)) {
            (true, false) => {
                let why = last.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
                out.push(format!(
                    "{name} held when {server} looked and is {} now{why}: this copy, or the DNS, has changed since",
                    last.result
                ));
            }
            (false, true) => out.push(format!(
                "{name} was {} when {server} looked and holds now: the DNS has changed since, or did not answer it",
                first.result
            )),
            _ => {}
        }
    }
    out
}

fn hops(message: &Message) -> Vec<HopReport> {
    let slowest = message.way.slow().into_iter().next().map(|slow| slow.later.place);
    let mut before: Option<i64> = None;
    let mut out = Vec::new();
    for (place, hop) in message.hops.iter().rev().enumerate() {
        let is = |host: &String| hop.by.as_ref().is_some_and(|by| by.eq_ignore_ascii_case(host));
        let doubted = match &message.way.clocks {
            Clocks::Agree => false,
            Clocks::Off { host, .. } => is(host),
            Clocks::Unclear { earlier, later, .. } => is(earlier) || is(later),
        };
        out.push(HopReport {
            number: place + 1,
            from: hop.from.clone(),
            helo: hop.helo.clone(),
            address: hop.address,
            by: hop.by.clone(),
            with: hop.with.clone(),
            fetched: hop.is_fetched(),
            encrypted: hop.is_encrypted(),
            tls: hop.tls.clone(),
            authenticated: hop.is_authenticated(),
            queue_id: hop.id.clone(),
            at: hop.at.and_then(|at| Timestamp::from_second(at).ok()),
            delay_s: hop.at.zip(before).map(|(at, before)| at - before),
            slowest: slowest == Some(place),
            clock_doubted: doubted,
        });
        before = hop.at.or(before);
    }
    out
}

fn summary(message: &Message, findings: &[Finding]) -> String {
    let count = match message.hops.len() {
        told if told < message.hop_count() => format!("more than {told} hops (the last are told)"),
        0 => return "no server wrote into this message: it was never sent, or its header was cut off".to_owned(),
        1 => "one hop".to_owned(),
        n => format!("{n} hops"),
    };
    let took = message.way.took().map_or_else(String::new, |seconds| format!(" in {}", in_words(seconds)));
    let worst = findings.first().map_or_else(|| "nothing is wrong with it".to_owned(), |f| f.cause.clone());
    format!("the message came over {count}{took}; {worst}")
}
