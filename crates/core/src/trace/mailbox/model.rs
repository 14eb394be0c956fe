//! The JSON report of `trace` over a mailbox: a line for each message, and the causes with their counts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::model::{MethodFound, TraceReport};
use crate::diagnosis::Verdict;
use crate::questions::way::in_words;
use crate::report::Finding;

/// The schema that reports of this program carry.
pub const SCHEMA: &str = "maildoctor/mailbox/1";

/// The most messages that a report tells apart; of the others it says how many there were.
const MAX_MESSAGES: usize = 100_000;

/// The most messages that are named of one cause.
const MAX_NAMED: usize = 20;

/// What a mailbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MailboxSource {
    /// One file with all messages.
    Mbox,
    /// A folder with `cur` and `new`.
    Maildir,
    /// A folder of saved messages.
    Folder,
}

/// What the messages of a mailbox tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MailboxReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// What the mailbox was named by.
    pub input: String,
    /// What it is.
    pub source: MailboxSource,
    /// The worst of all messages.
    pub verdict: Verdict,
    /// All of it in one sentence.
    pub summary: String,
    /// The messages, in the order of the mailbox.
    pub messages: Vec<Line>,
    /// The causes: the worst first, then the most frequent.
    pub causes: Vec<Cause>,
    /// Messages beyond those that are told apart.
    pub left_out: usize,
    /// How many were not verified anew, since the deadline was over; with `--offline` none is counted.
    pub not_verified: usize,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Its number in the mailbox, from 1.
    pub number: usize,
    /// Its file; null in an mbox.
    pub file: Option<String>,
    /// Why it is no message; null where it is one, and all that follows is null where it is none.
    pub unreadable: Option<String>,
    /// What it comes to.
    pub verdict: Option<Verdict>,
    /// When the last server had it, by that server's clock (RFC 3339).
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    /// From the first hop to the last, in seconds.
    pub took_s: Option<i64>,
    /// The server that most of the time passed before, where that was more than a minute.
    pub slowest: Option<String>,
    /// The From.
    pub from: Option<String>,
    /// The Subject.
    pub subject: Option<String>,
    /// SPF.
    pub spf: Told,
    /// DKIM: the best of its signatures.
    pub dkim: Told,
    /// DMARC.
    pub dmarc: Told,
    /// ARC.
    pub arc: Told,
    /// Whether a spam filter took it for junk; null where none says.
    pub junk: Option<bool>,
    /// The codes of what is wrong with it, the worst first.
    pub codes: Vec<String>,
}

/// What was said of one method.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Told {
    /// What the receiving server found.
    pub then: Option<String>,
    /// What it comes to now.
    pub now: Option<String>,
}

/// What is wrong with one message or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// How many messages it concerns.
    pub count: usize,
    /// The numbers of the first of them.
    pub messages: Vec<usize>,
    /// The finding of the first of them.
    pub finding: Finding,
}

/// The messages of a mailbox as they are read.
#[derive(Debug)]
pub struct Mailbox {
    input: String,
    source: MailboxSource,
    lines: Vec<Line>,
    causes: BTreeMap<String, Cause>,
    left_out: usize,
}

impl Mailbox {
    /// Begins with none.
    pub fn new(input: &str, source: MailboxSource) -> Self {
        Self { input: input.to_owned(), source, lines: Vec::new(), causes: BTreeMap::new(), left_out: 0 }
    }

    /// Takes the next message, or why it is none. `file` is its own, where it has one.
    pub fn take<E: std::fmt::Display>(&mut self, file: Option<String>, message: Result<&TraceReport, E>) {
        let number = self.lines.len() + self.left_out + 1;
        for finding in message.iter().flat_map(|report| &report.findings) {
            let fresh = || Cause { count: 0, messages: Vec::new(), finding: finding.clone() };
            let cause = self.causes.entry(finding.code.clone()).or_insert_with(fresh);
            // Two findings of one message are one message.
            if cause.messages.last() != Some(&number) {
                cause.count += 1;
                if cause.messages.len() < MAX_NAMED {
                    cause.messages.push(number);
                }
            }
        }
        if self.lines.len() >= MAX_MESSAGES {
            self.left_out += 1;
            return;
        }
        self.lines.push(match message {
            Ok(report) => Line::of(number, file, report),
            Err(why) => Line { unreadable: Some(why.to_string()), ..Line::empty(number, file) },
        });
    }

    /// What they tell. `not_verified` of them came after the deadline.
    pub fn report(self, not_verified: usize) -> MailboxReport {
        let mut causes: Vec<Cause> = self.causes.into_values().collect();
        causes.sort_by_key(|cause| std::cmp::Reverse((cause.finding.effective_severity, cause.count)));
        let verdict = self.lines.iter().filter_map(|line| line.verdict).max_by_key(|verdict| weight(*verdict));
        // Nothing was read: nothing is known.
        let verdict = verdict.unwrap_or(Verdict::Inconclusive);
        MailboxReport {
            schema: SCHEMA.to_owned(),
            summary: summary(&self.lines, self.left_out),
            input: self.input,
            source: self.source,
            verdict,
            messages: self.lines,
            causes,
            left_out: self.left_out,
            not_verified,
        }
    }
}

/// How much a verdict says for the whole: a message that says nothing outweighs none that is sound, and nothing else.
fn weight(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Healthy => 0,
        Verdict::Inconclusive => 1,
        Verdict::AtRisk => 2,
        Verdict::Degraded => 3,
        Verdict::Broken => 4,
    }
}

impl Line {
    fn empty(number: usize, file: Option<String>) -> Self {
        Self {
            number,
            file,
            unreadable: None,
            verdict: None,
            at: None,
            took_s: None,
            slowest: None,
            from: None,
            subject: None,
            spf: Told::default(),
            dkim: Told::default(),
            dmarc: Told::default(),
            arc: Told::default(),
            junk: None,
            codes: Vec::new(),
        }
    }

    fn of(number: usize, file: Option<String>, report: &TraceReport) -> Self {
        let told = |method: &str| Told {
            then: best(&report.authentication.results, method),
            now: best(&report.authentication.now, method),
        };
        let slow = report.hops.iter().find(|hop| hop.slowest);
        let verdicts = || report.filters.iter().filter(|filter| !filter.earlier).filter_map(|filter| filter.junk);
        let mut codes: Vec<String> = report.findings.iter().map(|finding| finding.code.clone()).collect();
        codes.dedup();
        Self {
            verdict: Some(report.verdict),
            at: report.hops.last().and_then(|hop| hop.at),
            took_s: report.took_s,
            slowest: slow.and_then(|hop| hop.by.clone()),
            from: report.from.clone(),
            subject: report.subject.clone(),
            spf: told("spf"),
            dkim: told("dkim"),
            dmarc: told("dmarc"),
            arc: told("arc"),
            junk: verdicts().max(),
            codes,
            ..Self::empty(number, file)
        }
    }
}

/// The result of a method; of several a `pass`, else the first.
fn best(results: &[MethodFound], method: &str) -> Option<String> {
    let of = || results.iter().filter(|found| found.method == method).map(|found| &found.result);
    of().find(|result| *result == "pass").or_else(|| of().next()).cloned()
}

fn summary(lines: &[Line], left_out: usize) -> String {
    let messages = |n: usize| if n == 1 { "1 message".to_owned() } else { format!("{n} messages") };
    let count = |which: &dyn Fn(&Line) -> bool| lines.iter().filter(|line| which(line)).count();
    let read = count(&|line| line.unreadable.is_none());
    let wrong = count(&|line| line.verdict.is_some_and(|verdict| verdict != Verdict::Healthy));
    let mut parts = vec![match (read, wrong) {
        (0, _) => "no message could be read".to_owned(),
        (_, 0) => format!("nothing is wrong with {}", messages(read)),
        _ => format!("something is wrong with {wrong} of {}", messages(read)),
    }];
    let slowest = lines.iter().filter_map(|line| Some((line.took_s?, line.number))).max();
    if let Some((took, number)) = slowest.filter(|_| read > 1) {
        parts.push(format!("the slowest was number {number}, with {}", in_words(took)));
    }
    let junk = count(&|line| line.junk == Some(true));
    if junk > 0 {
        parts.push(format!("{junk} went to junk"));
    }
    let unreadable = lines.len() - read;
    if unreadable > 0 && read > 0 {
        parts.push(format!("{unreadable} could not be read"));
    }
    if left_out > 0 {
        parts.push(format!("{left_out} more are not told apart"));
    }
    parts.join("; ")
}
