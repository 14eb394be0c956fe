//! The report of `bounce` for people.

use std::fmt::Write as _;

use super::judge::{Fault, Outcome, Retry};
use super::model::{AnswerReport, BounceReport};
use super::read::Kind;
use crate::report::text::{Style, harmless, wrap};

/// The narrowest text that is still wrapped.
const MIN_WIDTH: usize = 50;

/// The most answers that are written out.
const MAX_SHOWN: usize = 25;

/// The width of the names of lines.
const NAMES: usize = 14;

/// Writes the report: what it comes to, each answer with what to do, and notes to send.
pub fn render(report: &BounceReport, style: Style) -> String {
    let width = style.width.max(MIN_WIDTH);
    let ours = || report.answers.iter().filter(|a| a.fault != Fault::NotYours).map(|a| a.outcome);
    let word = match ours().max() {
        None if report.answers.is_empty() => "DELIVERED",
        None => "NOT YOURS",
        Some(Outcome::Delivered) => "DELIVERED",
        Some(Outcome::Temporary) => "LATE",
        Some(Outcome::Final) => "REFUSED",
    };
    let mut out = wrap(&harmless(&format!("{word}: {}.", report.summary)), width, "", "  ");
    out = out.replacen(word, &style.bold(word), 1);
    for (place, answer) in report.answers.iter().take(MAX_SHOWN).enumerate() {
        let whom = match answer.recipients.as_slice() {
            [] => "a recipient that the text does not name".to_owned(),
            [one] if answer.count == 1 => one.clone(),
            some => {
                let more = if answer.count > some.len() as u64 { ", …" } else { "" };
                let more = if style.unicode { more.to_owned() } else { more.replace('…', "...") };
                format!("{} times: {}{more}", answer.count, some.join(", "))
            }
        };
        let _ = writeln!(out);
        out.push_str(&wrap(&style.bold(&harmless(&format!("{}. {whom}", place + 1))), width, "", "   "));
        for (name, value) in lines(answer) {
            let first = format!("   {name:<NAMES$}");
            out.push_str(&wrap(&harmless(&value), width, &first, &" ".repeat(3 + NAMES)));
        }
    }
    let hidden: u64 = report.answers.iter().skip(MAX_SHOWN).map(|answer| answer.count).sum();
    if hidden > 0 {
        let _ = writeln!(out, "\nNot shown here: {hidden} more, in rarer causes; --format json has them.");
    }
    if report.left_out > 0 {
        let what = if report.kind == Kind::Log {
            "attempts, of causes beyond those that are told apart"
        } else {
            "more answers"
        };
        let _ = writeln!(out, "\nLeft out: {} {what}.", report.left_out);
    }

    for note in notes(report) {
        let _ = writeln!(out, "\n{}\n", style.bold("What to send them"));
        for line in note.lines() {
            // A note is not wrapped: it is there to be copied.
            let _ = writeln!(out, "{}", format!("   {}", harmless(line)).trim_end());
        }
    }
    out
}

/// The notes, each once for a server and meaning: the first recipient stands for the others.
fn notes(report: &BounceReport) -> Vec<&str> {
    /// The most notes that are written out; the JSON report has all.
    const MAX_NOTES: usize = 3;
    let mut seen = Vec::new();
    let mut out = Vec::new();
    for answer in &report.answers {
        let key = (&answer.host, &answer.means);
        if let Some(note) = answer.note.as_deref().filter(|_| !seen.contains(&key)) {
            seen.push(key);
            out.push(note);
        }
    }
    out.truncate(MAX_NOTES);
    out
}

fn lines(answer: &AnswerReport) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    let reply = answer.reply.as_ref().map(|reply| format!("{} {}", reply.code, reply.text));
    match (&answer.host, &reply) {
        (Some(host), Some(_)) => {
            let at = answer.step.as_ref().map(|step| format!(", to {step}")).unwrap_or_default();
            out.push(("Said by", format!("{host}{at}")));
        }
        (Some(host), None) => out.push(("Of server", host.clone())),
        (None, Some(_)) => out.push(("Said by", "a server that the text does not name".to_owned())),
        (None, None) => out.push(("Said by", "the sending server itself".to_owned())),
    }
    if let Some(reply) = reply {
        out.push(("Reply", reply));
    } else if let Some(words) = &answer.words {
        out.push(("Words", words.clone()));
    }
    match (answer.first, answer.last) {
        (Some(first), Some(last)) if first != last => out.push(("When", format!("from {first} to {last}"))),
        (_, Some(at)) | (Some(at), None) => out.push(("When", at.to_string())),
        (None, None) => {}
    }
    if answer.delivered_later > 0 || answer.waiting > 0 {
        out.push((
            "Afterwards",
            format!(
                "{} of the messages were delivered by a later try; {} had no end yet when the log ended",
                answer.delivered_later, answer.waiting
            ),
        ));
    }
    let code = answer.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    out.push(("Means", format!("{}{code}", answer.means)));
    out.push(("Whose fault", answer.fault.in_words().to_owned()));
    out.push(("Final", outcome(answer.outcome).to_owned()));
    if answer.retry != Retry::NotNeeded {
        out.push(("Sent again", retry(answer.retry, answer.outcome).to_owned()));
    }
    out.push(("What to do", answer.advice.clone()));
    if let Some(source) = &answer.source {
        let whose = answer.provider.as_ref().map_or_else(String::new, |provider| format!("{provider}: "));
        out.push(("Source", format!("{whose}{source}")));
    }
    if let Some(test) = &answer.test {
        out.push(("Live test", test.clone()));
    }
    if let Some(code) = &answer.code {
        out.push(("More", format!("maildoctor explain {code}")));
    }
    out
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "it arrived",
        Outcome::Temporary => "no: the sending server tries again by itself",
        Outcome::Final => "yes: the sending server does not try again",
    }
}

fn retry(retry: Retry, outcome: Outcome) -> &'static str {
    match (retry, outcome) {
        (Retry::Yes, Outcome::Final) => "can succeed later, with nothing changed; you must send it again yourself",
        (Retry::Yes, _) => "can succeed with nothing changed",
        (Retry::AfterChange, _) => "can succeed only once what is said below was changed",
        (Retry::No, _) => "cannot succeed with this address",
        (Retry::NotNeeded, _) => "not needed",
    }
}
