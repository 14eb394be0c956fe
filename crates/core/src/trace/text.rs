//! The report of `trace` for people.

use std::fmt::Write as _;

use super::model::{HopReport, MethodFound, TraceReport};
use crate::catalogue::Severity;
use crate::questions::way::in_words;
use crate::report::text::{Style, harmless, wrap};

/// The narrowest text that is still wrapped.
const MIN_WIDTH: usize = 50;

/// Writes the report: what it comes to, the hops, what servers and filters found, and what to do.
pub fn render(report: &TraceReport, style: Style) -> String {
    let width = style.width.max(MIN_WIDTH);
    let word = report.verdict.name().to_uppercase();
    let mut out = wrap(&harmless(&format!("{word}: {}.", report.summary)), width, "", "  ");
    out = out.replacen(&word, &style.bold(&word), 1);
    let named = [
        ("From", &report.from),
        ("Subject", &report.subject),
        ("Date", &report.date),
        ("Message-ID", &report.message_id),
    ];
    for (name, value) in named {
        if let Some(value) = value {
            out.push_str(&wrap(&harmless(value), width, &format!("  {name:<11} "), "              "));
        }
    }
    if !report.hops.is_empty() {
        let _ = writeln!(out, "\n{}", style.bold("Hops"));
        for hop in &report.hops {
            line(&mut out, &of_hop(hop), width, &format!("  {:>2}. ", hop.number), "      ");
        }
    }
    authentication(&mut out, report, style, width);
    section(&mut out, "Passed on", &report.passed_on, style, width);
    let filters = report.filters.iter().map(|filter| {
        let verdict = match filter.junk {
            Some(true) => "junk",
            Some(false) => "no junk",
            None => "no verdict",
        };
        let score = filter.score.as_ref().map(|score| format!(", {score}")).unwrap_or_default();
        let limit = filter.limit.as_ref().map(|limit| format!(" of {limit}")).unwrap_or_default();
        let why = if filter.reasons.is_empty() { String::new() } else { format!(": {}", filter.reasons.join(", ")) };
        let when = if filter.earlier { ", before the message came here" } else { "" };
        format!("{}{when}: {verdict}{score}{limit}{why}", filter.filter)
    });
    section(&mut out, "Filters", &filters.collect::<Vec<_>>(), style, width);
    for (place, finding) in report.findings.iter().enumerate() {
        let title = format!("{}. {}", place + 1, finding.title);
        let _ = writeln!(out, "\n{}  {}", style.bold(&harmless(&title)), style.dim(&finding.code));
        line(&mut out, &finding.cause, width, "   ", "   ");
        line(&mut out, &finding.remedy.summary, width, "   What to do: ", "   ");
        if finding.effective_severity > Severity::Advice {
            let _ = writeln!(out, "   More: maildoctor explain {}", finding.code);
        }
    }
    out
}

fn line(out: &mut String, text: &str, width: usize, first: &str, rest: &str) {
    out.push_str(&wrap(&harmless(text), width, first, rest));
}

fn section(out: &mut String, title: &str, lines: &[String], style: Style, width: usize) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", style.bold(title));
    for text in lines {
        line(out, text, width, &format!("  {} ", style.bullet()), "    ");
    }
}

fn of_hop(hop: &HopReport) -> String {
    let mut parts = vec![ends_of(hop)];
    let tls = match (&hop.tls, hop.encrypted) {
        (Some(version), _) => format!("TLS {version}"),
        (None, Some(true)) => "TLS".to_owned(),
        (None, Some(false)) => "no TLS".to_owned(),
        (None, None) => "TLS not told".to_owned(),
    };
    let login = if hop.authenticated { ", logged in" } else { "" };
    match &hop.with {
        Some(with) => parts.push(format!("{with}, {tls}{login}")),
        None if hop.address.is_some() => parts.push(format!("protocol not told, {tls}{login}")),
        // Nothing came over a network.
        None => {}
    }
    parts.push(match (hop.delay_s, hop.at) {
        (Some(delay), _) if hop.fetched => format!("fetched from the mailbox after {}", in_words(delay)),
        (Some(delay), _) if delay < 0 => format!("{} before the hop before it", in_words(delay)),
        (Some(delay), _) => format!("after {}", in_words(delay)),
        (None, Some(at)) => format!("at {at}"),
        (None, None) => "no time that can be read".to_owned(),
    });
    if hop.clock_doubted {
        parts.push("its clock may be wrong".to_owned());
    }
    if hop.slowest {
        parts.push("the slowest".to_owned());
    }
    parts.join("; ")
}

/// The client and the server of a hop.
fn ends_of(hop: &HopReport) -> String {
    let helo = hop.helo.as_ref().map(|helo| format!(" (calls itself {helo})")).unwrap_or_default();
    let client = match (&hop.from, hop.address) {
        (Some(from), Some(address)) if !from.contains(&address.to_string()) => format!("{from}{helo} [{address}]"),
        (Some(from), _) => format!("{from}{helo}"),
        (None, Some(address)) => format!("[{address}]"),
        (None, None) => match &hop.by {
            Some(by) => return format!("within {by}"),
            None => return "within a server that gives no name".to_owned(),
        },
    };
    format!("{client} to {}", hop.by.as_deref().unwrap_or("(no server named)"))
}

fn authentication(out: &mut String, report: &TraceReport, style: Style, width: usize) {
    let told = &report.authentication;
    let mut lines: Vec<String> = told.results.iter().map(of_method).collect();
    if lines.is_empty() {
        lines.push("no server that can be believed wrote Authentication-Results".to_owned());
    }
    if !told.not_believed.is_empty() {
        lines.push(format!(
            "not believed, since it may have been there when the message came: what {} says",
            told.not_believed.join(", ")
        ));
    }
    let who = told.server.as_ref().map_or_else(String::new, |server| format!(" says {server}"));
    section(
        out,
        &harmless(&format!("Authentication,{}", if who.is_empty() { " as the header says" } else { &who })),
        &lines,
        style,
        width,
    );
    let mut now: Vec<String> = told.now.iter().map(of_method).collect();
    now.extend(told.differs.iter().cloned());
    section(out, "Authentication, verified now", &now, style, width);
}

fn of_method(result: &MethodFound) -> String {
    let about: Vec<String> = result.about.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let about = if about.is_empty() { String::new() } else { format!(" for {}", about.join(" ")) };
    let reason = result.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{} {}{about}{reason}", result.method.to_uppercase(), result.result)
}
