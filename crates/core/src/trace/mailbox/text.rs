//! The table of a mailbox for people.

use std::fmt::Write as _;

use maildoctor_wire::octets::shell_word;

use super::model::{Cause, Line, MailboxReport, Told};
use crate::catalogue::Severity;
use crate::questions::way::in_words;
use crate::report::text::{Style, harmless, wrap};

/// The narrowest text that is still wrapped.
const MIN_WIDTH: usize = 50;

/// The widest column of senders.
const SENDER: usize = 28;

/// Writes the table, and then the causes: how many messages each concerns, and what to do.
pub fn render(report: &MailboxReport, style: Style) -> String {
    let width = style.width.max(MIN_WIDTH);
    let word = report.verdict.name().to_uppercase();
    let mut out = wrap(&harmless(&format!("{word}: {}.", report.summary)), width, "", "  ");
    out = out.replacen(&word, &style.bold(&word), 1);
    table(&mut out, report, style, width);
    for (place, cause) in report.causes.iter().enumerate() {
        of_cause(&mut out, place + 1, cause, style, width);
    }
    if report.not_verified > 0 {
        let line = format!(
            "Of {} only what the header says is told: the time for the DNS was over. A longer --deadline verifies them too.",
            counted(report.not_verified)
        );
        let _ = write!(out, "\n{}", wrap(&line, width, "", "  "));
    }
    if let Some(line) = report.messages.iter().find(|line| !line.codes.is_empty()) {
        let _ = writeln!(
            out,
            "\nOne message in full: maildoctor trace {} --message {}",
            quoted(&report.input),
            line.number
        );
    }
    out
}

/// The name of the mailbox as a shell takes it.
fn quoted(input: &str) -> String {
    if input == "standard input" { "FILE".to_owned() } else { shell_word(input) }
}

fn table(out: &mut String, report: &MailboxReport, style: Style, width: usize) {
    let sender = |line: &Line| shortened(&harmless(&address(line.from.as_deref().unwrap_or("(no From)"))), style);
    let senders = report.messages.iter().map(|line| sender(line).chars().count()).max().unwrap_or(0).max(4);
    let numbers = report.messages.len().to_string().len().max(2);
    let head = format!(
        "{:>numbers$}  {:<16}  {:>9}  {:<5}  {:<5}  {:<5}  {:<4}  {:<senders$}  What is wrong",
        "No", "Came (UTC)", "took", "SPF", "DKIM", "DMARC", "junk", "From"
    );
    let _ = writeln!(out, "\n{}", style.bold(head.trim_end()));
    for line in &report.messages {
        let number = line.number;
        if let Some(why) = &line.unreadable {
            out.push_str(&wrap(&harmless(why), width, &format!("{number:>numbers$}  "), &" ".repeat(numbers + 2)));
            continue;
        }
        let at = line.at.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M").to_string());
        let took = line.took_s.map_or_else(|| "-".to_owned(), in_words);
        let junk = match line.junk {
            Some(true) => "junk",
            Some(false) => "no",
            None => "-",
        };
        let row = format!(
            "{number:>numbers$}  {at:<16}  {took:>9}  {:<5}  {:<5}  {:<5}  {junk:<4}  {:<senders$}  {}",
            short(&line.spf),
            short(&line.dkim),
            short(&line.dmarc),
            sender(line),
            line.codes.join(", ")
        );
        let _ = writeln!(out, "{}", row.trim_end());
    }
}

/// What a method came to, in five letters: what it comes to now where that was asked, with a mark where it was another then.
fn short(told: &Told) -> String {
    let Some(result) = told.now.as_ref().or(told.then.as_ref()) else { return "-".to_owned() };
    let word = match result.as_str() {
        "softfail" => "soft",
        "neutral" => "neut",
        "permerror" => "perm",
        "temperror" => "temp",
        other => other.get(..4).unwrap_or(other),
    };
    let passed = |result: &Option<String>| result.as_deref() == Some("pass");
    let differs = told.now.is_some() && told.then.is_some() && passed(&told.now) != passed(&told.then);
    format!("{}{}", harmless(word), if differs { "*" } else { "" })
}

/// What is too long for its column loses its end.
fn shortened(text: &str, style: Style) -> String {
    if text.chars().count() <= SENDER {
        return text.to_owned();
    }
    let dots = if style.unicode { "…" } else { "..." };
    let kept = SENDER - dots.chars().count();
    format!("{}{dots}", text.chars().take(kept).collect::<String>())
}

/// The address within a From.
fn address(from: &str) -> String {
    let inner = from.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(address, _)| address);
    inner.unwrap_or(from).trim().to_owned()
}

fn of_cause(out: &mut String, place: usize, cause: &Cause, style: Style, width: usize) {
    let finding = &cause.finding;
    let _ = writeln!(
        out,
        "\n{}  {}",
        style.bold(&harmless(&format!("{place}. {}: {}", finding.title, counted(cause.count)))),
        style.dim(&finding.code)
    );
    let numbers: Vec<String> = cause.messages.iter().map(ToString::to_string).collect();
    let more = if cause.count > numbers.len() { " ..." } else { "" };
    let mut line = |text: &str, first: &str| out.push_str(&wrap(&harmless(text), width, first, "   "));
    if cause.count > 1 {
        line(&format!("{}{more}", numbers.join(", ")), "   Numbers ");
        line(&finding.cause, "   The first of them: ");
    } else {
        line(&finding.cause, "   ");
    }
    line(&finding.remedy.summary, "   What to do: ");
    if finding.effective_severity > Severity::Advice {
        let _ = writeln!(out, "   More: maildoctor explain {}", finding.code);
    }
}

fn counted(messages: usize) -> String {
    if messages == 1 { "1 message".to_owned() } else { format!("{messages} messages") }
}
