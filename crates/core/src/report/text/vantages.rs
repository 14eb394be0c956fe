//! What each place saw of each server, where it was looked from several.

use std::fmt::Write as _;

use super::super::model::Report;
use super::{Style, harmless, heading};
use crate::case::VantageRecord;
use crate::findings::Sighting;
use crate::questions::dns::Via;
use crate::questions::length;
use crate::subject::Subject;

/// Digits of a certificate's fingerprint that tell two apart.
const DIGITS: usize = 8;

/// A banner that took less time than this took no time worth comparing, in milliseconds.
const SAME_WAIT_MS: u64 = 1000;

/// Writes the section; nothing where there was one place.
pub(super) fn section(out: &mut String, report: &Report, style: Style) {
    if report.vantages.len() < 2 {
        return;
    }
    heading(out, "From several places", style);
    let column = report.vantages.iter().map(|place| harmless(&place.name).chars().count()).max().unwrap_or(0);
    for place in &report.vantages {
        let _ = writeln!(out, "  {:<column$}  {}", harmless(&place.name), style.dim(&harmless(&stands(report, place))));
    }
    let mut subjects: Vec<&Subject> = Vec::new();
    for sighting in &report.places {
        if !subjects.contains(&&sighting.subject) {
            subjects.push(&sighting.subject);
        }
    }
    for subject in subjects {
        let seen: Vec<&Sighting> = report.places.iter().filter(|s| s.subject == *subject).collect();
        let _ = writeln!(out, "  {}", harmless(&name(&seen)));
        match seen.as_slice() {
            [first, rest @ ..]
                if rest.iter().all(|other| alike(first, other)) && seen.len() == report.vantages.len() =>
            {
                let waits: Vec<String> = seen.iter().filter_map(|s| s.banner_ms).map(length).collect();
                let _ = writeln!(out, "    the same from each: {}", harmless(&shown(first, &waits)));
            }
            _ => {
                for sighting in seen {
                    let waits: Vec<String> = sighting.banner_ms.map(length).into_iter().collect();
                    let place = harmless(&sighting.vantage);
                    let _ = writeln!(out, "    {place:<column$}  {}", harmless(&shown(sighting, &waits)));
                }
            }
        }
    }
}

/// How a place stands: its address, its resolver, and the exchangers that this one names.
fn stands(report: &Report, place: &VantageRecord) -> String {
    let source =
        place.source_ip.map(|ip| format!("as {ip}")).unwrap_or_else(|| "by an address unknown here".to_owned());
    let resolver = place.resolver.map(|at| format!(", asks {at}")).unwrap_or_default();
    let own =
        |line: &&super::super::model::Exchanger| line.vantage == place.name && line.resolver == Via::Own.to_string();
    let exchangers: Vec<String> = report
        .mx
        .iter()
        .filter(own)
        .map(|line| {
            let addresses: Vec<String> = line.addresses.iter().map(ToString::to_string).collect();
            let host = if line.host.is_empty() { "." } else { &line.host };
            format!("{host} ({})", if addresses.is_empty() { "no address".to_owned() } else { addresses.join(" ") })
        })
        .collect();
    let mx = if exchangers.is_empty() { String::new() } else { format!(", sent to {}", exchangers.join(", ")) };
    format!("{source}{resolver}{mx}")
}

fn name(seen: &[&Sighting]) -> String {
    let place = seen.first().map(|s| s.subject.to_string()).unwrap_or_default();
    let place = place.split_once(':').map_or(place.as_str(), |(_, value)| value).to_owned();
    seen.iter().find_map(|s| s.host.as_deref()).map_or_else(|| place.clone(), |host| format!("{host} {place}"))
}

/// Whether two places saw the same server do the same; a second more or less aside.
fn alike(one: &Sighting, other: &Sighting) -> bool {
    let same_wait = one.banner_ms.unwrap_or_default().abs_diff(other.banner_ms.unwrap_or_default()) < SAME_WAIT_MS;
    let rest = |s: &Sighting| {
        (
            s.connection.clone(),
            s.greeting,
            s.greets_as.clone(),
            s.starttls,
            s.certificate.clone(),
            s.certificate_trusted,
        )
    };
    same_wait && rest(one) == rest(other)
}

fn shown(seen: &Sighting, waits: &[String]) -> String {
    let mut parts = vec![format!("{} after {}", seen.connection, length(seen.connect_ms))];
    if seen.connection != "open" {
        return parts.concat();
    }
    parts.push(match (seen.greeting, &seen.greets_as) {
        (Some(code), Some(name)) => format!("{code} {name} after {}", waits.join(", ")),
        (Some(code), None) => format!("{code} after {}", waits.join(", ")),
        (None, _) => "no banner".to_owned(),
    });
    parts.extend(seen.starttls.map(|offered| if offered { "STARTTLS" } else { "no STARTTLS" }.to_owned()));
    if let Some(fingerprint) = &seen.certificate {
        let digits: String = fingerprint.chars().take(DIGITS).collect();
        let trusted = if seen.certificate_trusted == Some(true) { "trusted" } else { "not trusted" };
        parts.push(format!("certificate {digits} for {}, {trusted}", seen.certificate_names.join(" ")));
    }
    parts.join("; ")
}
