//! The JSON report of `bounce`, and how it is made of a case.

use jiff::Timestamp;
use maildoctor_wire::dialogue::Phase;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::judge::{self, FORGED, Fault, Outcome, Retry};
use super::read::{Kind, Reading};
use super::{live, note};
use crate::case::Case;
use crate::catalogue::{self, Severity};
use crate::findings::{self, Finding};
use crate::questions::bounce::Said;
use crate::subject::{Answer, Kind as _, Subject};

/// The schema that reports of this program carry.
pub const SCHEMA: &str = "maildoctor/bounce/1";

/// What a text of answers means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BounceReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// What kind of text it was.
    pub kind: Kind,
    /// The server that wrote the bounce.
    pub reporter: Option<String>,
    /// The address that the bounce was sent to.
    pub returned_to: Option<String>,
    /// The returned message's Message-ID.
    pub message_id: Option<String>,
    /// What it comes to, in one sentence.
    pub summary: String,
    /// What was said, in the order of the text; of a log, the most frequent first.
    pub answers: Vec<AnswerReport>,
    /// How many attempts in a log delivered the message; null for a bounce.
    pub delivered: Option<u64>,
    /// How many answers were left out beyond the bounds.
    pub left_out: u64,
}

/// A reply of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerReply {
    /// The three-digit code.
    pub code: u16,
    /// The enhanced status code (RFC 3463).
    pub enhanced_code: Option<String>,
    /// The text.
    pub text: String,
}

/// What was said of one recipient; of a log, to many in the same words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerReport {
    /// Its number, as it stands in a case.
    pub id: Subject,
    /// The recipients; of many only the first few.
    pub recipients: Vec<String>,
    /// How many times it was said.
    pub count: u64,
    /// How many of the messages that were put off were delivered by a later try.
    pub delivered_later: u64,
    /// How many of them had no end yet when the log ended.
    pub waiting: u64,
    /// When it was said first (RFC 3339).
    #[schemars(with = "Option<String>")]
    pub first: Option<Timestamp>,
    /// When it was said last (RFC 3339).
    #[schemars(with = "Option<String>")]
    pub last: Option<Timestamp>,
    /// The server that said it; null where the sending server says it of its own accord.
    pub host: Option<String>,
    /// The command that was answered, such as `RCPT`; null where the text does not tell.
    pub step: Option<String>,
    /// The reply.
    pub reply: Option<ServerReply>,
    /// The sending server's own words, where no reply is quoted.
    pub words: Option<String>,
    /// Whether it is over.
    pub outcome: Outcome,
    /// Whether sending it again can succeed.
    pub retry: Retry,
    /// Whose fault it is.
    pub fault: Fault,
    /// The finding's code; null where the message was delivered.
    pub code: Option<String>,
    /// How bad.
    pub severity: Option<Severity>,
    /// What is the matter, as a clause.
    pub means: String,
    /// What to do.
    pub advice: String,
    /// The provider whose reply it is, where it is one that is known.
    pub provider: Option<String>,
    /// Where more of this reply of the provider's can be read.
    pub source: Option<String>,
    /// The live test that tells more, ready to type.
    pub test: Option<String>,
    /// The same, word by word, without the program's name.
    pub test_words: Option<Vec<String>>,
    /// A note for the other postmaster, ready to paste, where they can help.
    pub note: Option<String>,
}

impl BounceReport {
    /// 0 where nothing is wrong, 1 where a message is late or at risk, 2 where one was refused for good.
    pub fn exit_code(&self) -> u8 {
        let of = |answer: &AnswerReport| match (answer.severity, answer.outcome) {
            (None | Some(Severity::Advice), _) | (_, Outcome::Delivered) => 0,
            // All that were put off came through in the end.
            (_, Outcome::Temporary) if answer.delivered_later > 0 && answer.waiting == 0 => 0,
            (_, Outcome::Temporary) => 1,
            (_, Outcome::Final) => 2,
        };
        self.answers.iter().map(of).max().unwrap_or(0)
    }
}

/// The report of a text that was read, and of its case; `delivered`, how many attempts in a log were successful.
pub fn report(reading: &Reading, case: &Case, delivered: Option<u64>) -> BounceReport {
    let rules: Vec<_> = findings::all().into_iter().filter(|rule| rule.codes.contains(&FORGED)).collect();
    let examined = findings::examine_with(case, &rules);
    let answers: Vec<AnswerReport> = (1_u32..)
        .zip(&reading.said)
        .map(|(number, said)| {
            let id = Answer(number.to_string());
            let finding = examined.findings.iter().find(|f| f.subjects.iter().any(|s| Answer::of(s) == Some(&id)));
            answer(id, said, finding, reading)
        })
        .collect();
    let whole = &reading.whole;
    BounceReport {
        schema: SCHEMA.to_owned(),
        kind: reading.kind,
        reporter: whole.reporter.clone(),
        returned_to: whole.returned_to.clone(),
        message_id: whole.message_id.clone(),
        summary: summary(&answers, delivered, reading.left_out),
        answers,
        delivered,
        left_out: reading.left_out,
    }
}

fn answer(id: Answer, said: &Said, finding: Option<&Finding>, reading: &Reading) -> AnswerReport {
    let judged = judge::judge(said);
    let forged = finding.is_some_and(|f| f.code == FORGED);
    let (outcome, retry, fault, means, advice) = match judged {
        Some(j) if !forged => (j.outcome, j.retry, j.sense.fault, j.sense.means.to_owned(), j.sense.advice.to_owned()),
        Some(j) => (
            j.outcome,
            Retry::NotNeeded,
            Fault::NotYours,
            finding.map(|f| f.says.clone()).unwrap_or_default(),
            catalogue::entry(FORGED).map(|e| e.remedy(&serde_json::Map::new(), None).summary).unwrap_or_default(),
        ),
        None => (
            Outcome::Delivered,
            Retry::NotNeeded,
            Fault::Nobody,
            "the message was delivered, or passed on".to_owned(),
            "Nothing.".to_owned(),
        ),
    };
    let test_words = judged.filter(|_| !forged).and_then(|judgement| live::test(said, &judgement, reading));
    let note = judged.filter(|_| !forged).and_then(|judgement| note::note(said, &judgement, reading));
    AnswerReport {
        id: id.into(),
        recipients: said.recipients.clone(),
        count: said.count,
        delivered_later: said.delivered_later,
        waiting: said.waiting,
        first: said.first,
        last: said.last,
        host: said.host.clone(),
        step: said.phase.map(step).map(str::to_owned),
        reply: said.reply.as_ref().map(|reply| ServerReply {
            code: reply.code,
            enhanced_code: reply.enhanced().map(|e| e.to_string()),
            text: reply.text(),
        }),
        words: said.words.clone(),
        outcome,
        retry,
        fault,
        code: finding.map(|f| f.code.to_owned()),
        severity: finding.map(|f| f.severity),
        means,
        advice,
        provider: judged.and_then(|j| j.provider).map(|p| p.provider.clone()).filter(|name| name != "any server"),
        source: judged.and_then(|j| j.provider).map(|p| p.source.clone()),
        test: test_words.as_deref().map(live::command),
        test_words,
        note,
    }
}

/// The command that a step is, as people know it.
pub(super) fn step(phase: Phase) -> &'static str {
    match phase {
        Phase::Banner => "the connection itself",
        Phase::Ehlo => "EHLO",
        Phase::Helo => "HELO",
        Phase::Starttls => "STARTTLS",
        Phase::Auth => "AUTH",
        Phase::Mail => "MAIL FROM",
        Phase::Rcpt => "RCPT TO",
        Phase::Data => "DATA",
        Phase::Content => "the message",
        Phase::Rset => "RSET",
        Phase::Vrfy => "VRFY",
        Phase::Noop => "NOOP",
        Phase::Quit => "QUIT",
    }
}

fn summary(answers: &[AnswerReport], delivered: Option<u64>, left_out: u64) -> String {
    let of = |outcome: Outcome| answers.iter().filter(move |a| a.outcome == outcome);
    let times = |outcome: Outcome| of(outcome).map(|a| a.count).sum::<u64>();
    if let [only] = answers
        && delivered.is_none()
    {
        let whom = only.recipients.first().map_or_else(String::new, |r| format!(" to {r}"));
        if only.fault == Fault::NotYours {
            return format!("this bounce answers a message{whom} that was never yours");
        }
        return match only.outcome {
            Outcome::Delivered => format!("the message{whom} was delivered, or passed on"),
            Outcome::Temporary => format!("the message{whom} is late: {}", only.means),
            Outcome::Final => format!("the message{whom} was not delivered: {}", only.means),
        };
    }
    let parts: Vec<String> = [
        (times(Outcome::Final), "refused for good"),
        (times(Outcome::Temporary), "put off"),
        (times(Outcome::Delivered) + delivered.unwrap_or(0), "delivered"),
        (left_out, "of further causes"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, what)| format!("{n} {what}"))
    .collect();
    let worst = of(Outcome::Final).chain(of(Outcome::Temporary)).rev().max_by_key(|a| a.count);
    let most = worst.map_or_else(String::new, |a| format!("; most often {}", a.means));
    format!("{}{most}", parts.join(", "))
}
