//! The report for people: the verdict and its cause first, then proof and remedy, then what was fine,
//! what could not be told, and what to try next.

mod clients;
mod exchangers;
mod log;
mod records;
mod servers;
mod timeline;
mod vantages;
mod walk;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use maildoctor_wire::octets::harmful;

use super::model::{Finding, Report, State};
use crate::case::Observation;
use crate::catalogue::{self, Severity};
use crate::diagnosis::Verdict;
use crate::questions::{describe, length};
use crate::subject::Subject;

/// The narrowest text that is still wrapped.
const MIN_WIDTH: usize = 40;

/// How the text is to look.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Colour by ANSI sequences.
    pub colour: bool,
    /// Columns.
    pub width: usize,
    /// Signs beyond ASCII may be used.
    pub unicode: bool,
}

impl Style {
    /// Plain text of 100 columns in ASCII.
    pub const PLAIN: Style = Style { colour: false, width: 100, unicode: false };

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn verdict(self, verdict: Verdict) -> String {
        let code = match verdict {
            Verdict::Healthy => "1;32",
            Verdict::AtRisk | Verdict::Inconclusive => "1;33",
            Verdict::Degraded => "1;35",
            Verdict::Broken => "1;31",
        };
        self.paint(code, &verdict.name().to_uppercase())
    }

    fn severity(self, severity: Severity) -> String {
        let code = match severity {
            Severity::Advice => "36",
            Severity::Risk => "33",
            Severity::Degraded => "35",
            Severity::Blocker => "31",
        };
        self.paint(code, severity.name())
    }

    pub(crate) fn bullet(self) -> &'static str {
        if self.unicode { "•" } else { "*" }
    }
}

/// Makes what peers sent harmless to a terminal: control characters and marks that turn the direction
/// of writing are shown, not obeyed.
pub fn harmless(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let shown = c != '\n' && harmful(c);
            let text = if shown { format!("\\u{{{:x}}}", u32::from(c)) } else { c.to_string() };
            text.chars().collect::<Vec<_>>()
        })
        .collect()
}

/// Writes the report.
pub fn render(report: &Report, style: Style) -> String {
    let mut out = String::new();
    let width = style.width.max(MIN_WIDTH);
    let head = format!("{}: {}", report.verdict.name().to_uppercase(), harmless(&report.summary));
    let wrapped = wrap(&head, width, "", "  ");
    // Painted after wrapping: colour has no width.
    let coloured = wrapped.replacen(&report.verdict.name().to_uppercase(), &style.verdict(report.verdict), 1);
    out.push_str(&coloured);
    if let Some(day) = report.as_of.as_deref().and_then(|at| at.get(..10)) {
        let note = format!("Certificates, TLSA records and policies are judged as they will be on {day}.");
        out.push_str(&wrap(&note, width, "", "  "));
    }
    let bare = report.target.host.as_deref() == Some(report.target.input.as_str());
    if report.target.domain.is_none() && bare && report.target.input.parse::<std::net::IpAddr>().is_err() {
        let line = format!(
            "{} was taken as a server and not as a domain: it has no MX record, and the MX of the domain above names it.",
            harmless(&report.target.input)
        );
        out.push_str(&wrap(&line, width, "  ", "  "));
    }
    let (serious, advice): (Vec<&Finding>, Vec<&Finding>) =
        report.diagnosis.iter().partition(|f| f.effective_severity > Severity::Advice);
    for (place, finding) in serious.iter().enumerate() {
        root(&mut out, report, finding, place + 1, style, width);
    }
    if !advice.is_empty() {
        heading(&mut out, "Advice", style);
        for finding in advice {
            let line = format!("{} {} ({})", style.bullet(), harmless(&finding.cause), finding.code);
            out.push_str(&wrap(&line, width, "  ", "    "));
            out.push_str(&wrap(&harmless(&finding.remedy.summary), width, "    ", "    "));
        }
    }
    exchangers::section(&mut out, report, style, width);
    walk::section(&mut out, report, style, width);
    servers::section(&mut out, report, style);
    vantages::section(&mut out, report, style);
    timeline::section(&mut out, report, style, width);
    clients::section(&mut out, report, style, width);
    log::section(&mut out, report, style, width);
    records::section(&mut out, report, style, width);
    fine(&mut out, report, style, width);
    unknown(&mut out, report, style, width);
    if !report.next_tests.is_empty() {
        heading(&mut out, "What would tell more", style);
        for test in &report.next_tests {
            out.push_str(&wrap(&format!("{} {}:", style.bullet(), harmless(&test.why)), width, "  ", "    "));
            // A command is not wrapped: it is there to be copied.
            let _ = writeln!(out, "      {}", harmless(&test.command));
        }
    }
    let from: Vec<String> = report.vantages.iter().map(|v| v.name.clone()).collect();
    let line = format!(
        "Looked from {} in {}: {} observations, {} checks.",
        from.join(", "),
        length(report.duration_ms),
        report.observations.len(),
        report.checks.len()
    );
    let _ = writeln!(out, "\n{}", style.dim(&harmless(&line)));
    out
}

fn heading(out: &mut String, text: &str, style: Style) {
    let _ = writeln!(out, "\n{}", style.bold(text));
}

fn root(out: &mut String, report: &Report, finding: &Finding, number: usize, style: Style, width: usize) {
    let title = format!("{number}. {}", harmless(&finding.title));
    let _ = writeln!(
        out,
        "\n{}  [{}, {}] {}",
        style.bold(&title),
        style.severity(finding.effective_severity),
        match finding.confidence {
            crate::diagnosis::Confidence::Proven => "proven",
            crate::diagnosis::Confidence::Likely => "likely",
            crate::diagnosis::Confidence::Possible => "possible",
        },
        style.dim(&finding.code)
    );
    out.push_str(&wrap(&harmless(&finding.cause), width, "   ", "   "));
    let also = elsewhere(report, finding);
    if !also.is_empty() {
        out.push_str(&wrap(&format!("The same at {}.", harmless(&also.join(", "))), width, "   ", "   "));
    }
    let _ = writeln!(out, "   {}", style.bold("Proof"));
    let shown = finding.evidence.iter().chain(finding.claims.iter().map(|c| &c.observation));
    let mut ids: Vec<_> = Vec::new();
    // What proves it comes first, then what it claims to explain.
    for id in shown {
        if !ids.contains(id) {
            ids.push(*id);
        }
    }
    for id in ids.iter().take(6) {
        if let Some(observation) = report.observations.iter().map(|o| &o.0).find(|o| o.id == *id) {
            out.push_str(&wrap(&proof(observation, style), width, "     ", "       "));
        }
    }
    if ids.len() > 6 {
        let _ = writeln!(out, "     {} and {} more observations", style.bullet(), ids.len() - 6);
    }
    for id in &finding.explains {
        if let Some(symptom) = report.findings.iter().find(|f| f.id == *id) {
            let line = format!("{} It explains {}: {}", style.bullet(), symptom.code, harmless(&symptom.cause));
            out.push_str(&wrap(&line, width, "     ", "       "));
        }
    }
    if let Some(left) = finding.unexplained_ms.filter(|ms| *ms > 0 && finding.explained_by.is_empty()) {
        let _ =
            writeln!(out, "     {} {left} ms of the wait are not explained by anything that was seen", style.bullet());
    }
    let _ = writeln!(out, "   {}", style.bold("Remedy"));
    out.push_str(&wrap(&harmless(&finding.remedy.summary), width, "     ", "     "));
    for step in finding.remedy.steps.iter().take(2) {
        let name = if step.server == "general" { "In general".to_owned() } else { server_name(&step.server) };
        out.push_str(&wrap(&format!("{name}: {}", harmless(&step.text)), width, "     ", "       "));
        for command in &step.commands {
            let _ = writeln!(out, "         {}", harmless(command));
        }
    }
    let _ = writeln!(out, "     {}", style.dim(&format!("More: maildoctor explain {}", finding.code)));
}

/// The other subjects of the same kind as the one the finding is named after, as people call them: what else hangs
/// on the fault is for programs.
fn elsewhere(report: &Report, finding: &Finding) -> Vec<String> {
    let parts = |subject: &Subject| {
        let text = subject.to_string();
        let (kind, value) = text.split_once(':').unwrap_or(("", &text));
        (kind.to_owned(), value.to_owned())
    };
    let (kind, _) = parts(&finding.subject);
    finding
        .also
        .iter()
        .map(|subject| (subject, parts(subject)))
        .filter(|(_, (other, _))| *other == kind)
        .map(|(subject, (_, value))| {
            let host = report.servers.iter().find(|s| s.subject == *subject).and_then(|s| s.host.as_deref());
            host.map_or_else(|| value.clone(), |host| format!("{host} {value}"))
        })
        .collect()
}

/// A server's name as people write it.
fn server_name(server: &str) -> String {
    match server {
        "opensmtpd" => "OpenSMTPD".to_owned(),
        "modusmail" => "ModusMail".to_owned(),
        other => capital(other),
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|c| c.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

fn proof(observation: &Observation, style: Style) -> String {
    let from = if observation.vantage.0 == "local" { String::new() } else { format!(" from {}", observation.vantage) };
    format!(
        "{} {} at {} ms{from}: {}",
        style.bullet(),
        observation.id,
        observation.at_ms,
        harmless(&describe(observation))
    )
}

fn fine(out: &mut String, report: &Report, style: Style, width: usize) {
    let mut areas: BTreeMap<String, usize> = BTreeMap::new();
    for check in report.checks.iter().filter(|c| c.state == State::Clear) {
        if let Some(entry) = catalogue::entry(&check.code) {
            *areas.entry(entry.area.clone()).or_default() += 1;
        }
    }
    if areas.is_empty() {
        return;
    }
    heading(out, "What was fine", style);
    let counted = |n: &usize| if *n == 1 { "1 check".to_owned() } else { format!("{n} checks") };
    let list: Vec<String> = areas.iter().map(|(area, n)| format!("{area} ({})", counted(n))).collect();
    out.push_str(&wrap(&list.join(", "), width, "  ", "  "));
}

fn unknown(out: &mut String, report: &Report, style: Style, width: usize) {
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for check in report.checks.iter().filter(|c| c.state == State::Unknown) {
        let why = check.why.clone().filter(|w| !w.starts_with("not looked at")).unwrap_or_default();
        let codes = reasons.entry(why).or_default();
        if !codes.contains(&check.code) {
            codes.push(check.code.clone());
        }
    }
    // Nobody misses what was not part of the plan, or what no option would bring.
    reasons.retain(|why, _| !why.is_empty() && why != "not asked");
    if reasons.is_empty() {
        return;
    }
    heading(out, "What could not be told", style);
    for (why, codes) in reasons {
        let more = if codes.len() > 5 { format!(" and {} more", codes.len() - 5) } else { String::new() };
        let some: Vec<String> = codes.into_iter().take(5).collect();
        out.push_str(&wrap(
            &format!("{} {}: {}{more}", style.bullet(), harmless(&why), some.join(", ")),
            width,
            "  ",
            "    ",
        ));
        // Nobody has the numbers of observations at hand.
        let named = |o: &&Observation| why.ends_with(&format!("({})", o.id));
        if let Some(seen) = report.observations.iter().map(|o| &o.0).find(named) {
            let line = format!("{}: {}", seen.id, harmless(&describe(seen)));
            out.push_str(&wrap(&style.dim(&line), width, "    ", "    "));
        }
    }
}

/// Breaks text at blanks so that no line is wider than `width` where that can be had.
pub fn wrap(text: &str, width: usize, first: &str, rest: &str) -> String {
    let mut out = String::new();
    let mut indent = first;
    for paragraph in text.lines() {
        let mut line = indent.to_owned();
        let mut empty = true;
        for word in paragraph.split_whitespace() {
            if !empty && line.chars().count() + 1 + word.chars().count() > width {
                let _ = writeln!(out, "{}", line.trim_end());
                line = rest.to_owned();
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        let _ = writeln!(out, "{}", line.trim_end());
        indent = rest;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_blanks() {
        assert_eq!(wrap("one two three", 9, "", "  "), "one two\n  three\n");
        assert_eq!(wrap("averylongword", 5, "", ""), "averylongword\n");
    }

    #[test]
    fn what_a_peer_sent_cannot_steer_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\u{202e}"), "a\\u{1b}[2Jb\\u{202e}");
    }
}
