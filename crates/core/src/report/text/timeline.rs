//! What a server did while its banner was waited for: a bar for each lookup under the banner's own.

use std::fmt::Write as _;

use super::super::model::Report;
use super::{Style, harmless, heading};
use crate::case::{Observation, Question, Span};
use crate::questions::host::accepting::{Accepting, AcceptingWire};
use crate::questions::host::lookups::{Ended, Lookup, Lookups, LookupsWire};
use crate::questions::smtp::{Banner, BannerWire, FIRST};

/// Shorter waits need no picture, in milliseconds.
const WAITED_MS: u64 = 1500;

/// What took less is left out, in milliseconds.
const SHORTEST_MS: u64 = 20;

/// The most bars under one banner: those that took longest.
const MAX_BARS: usize = 12;

/// The narrowest bar that still tells something, and the widest that is worth its room, in columns.
const BAR: std::ops::RangeInclusive<usize> = 16..=60;

/// One bar: what it is for, when, and how it ended.
struct Bar {
    label: String,
    span: Span,
    end: String,
}

/// Writes a picture for each banner that was waited for on a server whose host was watched.
pub(super) fn section(out: &mut String, report: &Report, style: Style, width: usize) {
    let observations = || report.observations.iter().map(|record| &record.0);
    let first = serde_json::to_value(FIRST).unwrap_or_default();
    for banner in observations().filter(|o| o.probe == Banner::PROBE && o.asked == first) {
        let of = |probe: &str| observations().find(|o| o.probe == probe && o.subject == banner.subject);
        let (Some(wait), Some(lookups)) = (wait(banner), of(Lookups::PROBE)) else { continue };
        let Some(lookups) = read::<LookupsWire>(lookups).filter(|_| wait.length_ms() >= WAITED_MS) else { continue };
        let lying = of(Accepting::PROBE).and_then(read::<AcceptingWire>).unwrap_or_default();
        let bars = bars(&lookups, &lying, wait);
        if bars.is_empty() {
            continue;
        }
        let place = banner.subject.to_string();
        let place = place.split_once(':').map_or(place.as_str(), |(_, place)| place);
        heading(out, &format!("While {} kept us waiting for its banner", harmless(place)), style);
        draw(out, wait, &bars, style, width);
    }
}

fn read<W: serde::de::DeserializeOwned>(observation: &Observation) -> Option<W> {
    serde_json::from_value(observation.outcome.clone()).ok()
}

fn wait(banner: &Observation) -> Option<Span> {
    let to_ms = banner.span().to_ms;
    let waited = read::<BannerWire>(banner)?.exchange.wait_ms();
    Some(Span { from_ms: to_ms.saturating_sub(waited), to_ms })
}

/// What was asked during the wait, in the order in which it began.
fn bars(lookups: &LookupsWire, lying: &AcceptingWire, wait: Span) -> Vec<Bar> {
    let of_lookup = |lookup: &Lookup| {
        let servers: Vec<String> = lookup.servers().iter().map(|server| server.ip().to_string()).collect();
        let how = match lookup.ended() {
            Ended::Unanswered => "no answer from ",
            Ended::Failed => "failed at ",
            Ended::Answered => "",
        };
        let label = format!("{} {}", lookup.name, lookup.rtype);
        Bar { label, span: lookup.span(), end: format!("{how}{}", servers.join(", ")) }
    };
    let idents = lookups.idents.iter().map(|ident| Bar {
        label: format!("ident of {}", ident.client),
        span: ident.span(wait, &lookups.lookups),
        end: if ident.answered_ms.is_some() { String::new() } else { "no answer".to_owned() },
    });
    let programs = lookups.programs.iter().map(|asked| Bar {
        label: format!("program at {}", asked.server),
        span: asked.span(wait),
        end: if asked.answered_ms.is_some() { String::new() } else { "no answer".to_owned() },
    });
    let lying = lying.lying.iter().filter_map(|lying| {
        let end = format!("{} sessions before us", lying.served);
        Some(Bar { label: "no process free".to_owned(), span: lying.within(wait)?, end })
    });
    let all = lookups.lookups.iter().map(of_lookup).chain(idents).chain(programs).chain(lying);
    let mut bars: Vec<Bar> = all.filter_map(|bar| Some(Bar { span: bar.span.within(wait)?, ..bar })).collect();
    bars.retain(|bar| bar.span.length_ms() >= SHORTEST_MS);
    bars.sort_by_key(|bar| std::cmp::Reverse(bar.span.length_ms()));
    bars.truncate(MAX_BARS);
    bars.sort_by_key(|bar| bar.span);
    bars
}

fn draw(out: &mut String, wait: Span, bars: &[Bar], style: Style, width: usize) {
    // Two blanks before the label, one around the bar, and eight columns for the seconds.
    let room = width.saturating_sub(2 + 1 + 2 + 8);
    let longest = bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0).max("banner".len());
    let labels = longest.min(room.saturating_sub(*BAR.start()).max(8)).min(room / 2);
    let columns = room.saturating_sub(labels).min(*BAR.end());
    let ends = bars.iter().map(|bar| bar.end.chars().count()).max().unwrap_or(0);
    // The words behind the seconds are written where they fit beside a bar that still tells something.
    let wordy = columns.saturating_sub(ends + 2) >= *BAR.start();
    let columns = if wordy { columns - ends - 2 } else { columns };
    let mut row = |label: &str, span: Span, end: &str| {
        let label = shortened(&harmless(label), labels, style);
        let line = format!(
            "  {label:<labels$} {} {:>6}",
            strip(span, wait, columns, style),
            format!("{:.1} s", span.length_ms() as f64 / 1000.0)
        );
        let end = if wordy { format!("  {}", style.dim(&harmless(end))) } else { String::new() };
        let _ = writeln!(out, "{}", format!("{line}{end}").trim_end());
    };
    row("banner", wait, "");
    for bar in bars {
        row(&bar.label, bar.span, &bar.end);
    }
}

/// A strip as long as the wait, filled where the bar is: at least one column.
fn strip(span: Span, wait: Span, columns: usize, style: Style) -> String {
    let (fill, empty) = if style.unicode { ('█', '·') } else { ('#', '.') };
    let whole = wait.length_ms().max(1);
    let column = |ms: u64| {
        let part = ms.saturating_sub(wait.from_ms).saturating_mul(columns as u64) / whole;
        usize::try_from(part).unwrap_or(columns).min(columns)
    };
    let from = column(span.from_ms).min(columns.saturating_sub(1));
    let to = column(span.to_ms).max(from + 1);
    (0..columns).map(|at| if at >= from && at < to { fill } else { empty }).collect()
}

/// A label that is too long loses its beginning: the zone stands at the end.
fn shortened(label: &str, room: usize, style: Style) -> String {
    let length = label.chars().count();
    if length <= room {
        return label.to_owned();
    }
    let dots = if style.unicode { "…" } else { "..." };
    let kept = room.saturating_sub(dots.chars().count());
    format!("{dots}{}", label.chars().skip(length - kept).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(style: Style, width: usize) -> String {
        let bar = |label: &str, from_ms, to_ms, end: &str| Bar {
            label: label.to_owned(),
            span: Span { from_ms, to_ms },
            end: end.to_owned(),
        };
        let bars = [
            bar("9.100.51.198.in-addr.arpa PTR", 0, 200, "192.0.2.53"),
            bar("9.100.51.198.dnsbl.example.net A", 5000, 10_000, "no answer from 192.0.2.53"),
        ];
        let mut out = String::new();
        draw(&mut out, Span { from_ms: 0, to_ms: 10_000 }, &bars, style, width);
        out
    }

    #[test]
    fn each_lookup_has_its_bar_under_the_banners() {
        let text = drawn(Style::PLAIN, 110);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].contains("banner") && lines[0].contains("####") && !lines[0].contains("#."), "{text}");
        assert!(lines[1].contains(" #.") && lines[1].contains("0.2 s"), "{text}");
        assert!(lines[2].contains(".####") && lines[2].ends_with("no answer from 192.0.2.53"), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_plain_is_plain() {
        for width in [40, 60, 80, 100, 200] {
            for unicode in [false, true] {
                let text = drawn(Style { unicode, ..Style::PLAIN }, width);
                assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
                assert_eq!(text.is_ascii(), !unicode, "{text}");
            }
        }
    }
}
