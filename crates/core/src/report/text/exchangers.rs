//! The mail exchangers as three kinds of server name them: the resolver here, resolvers out there, and the name servers
//! of the domain's zone.

use std::collections::BTreeMap;

use super::super::model::{Exchanger, Report};
use super::{Style, harmless, heading, wrap};
use crate::questions::dns::Via;

/// What stands before the further lines of a row.
const INDENT: &str = "         ";

/// The widest column of hosts.
const MAX_COLUMN: usize = 32;

/// Writes the table: a line for each exchanger with its addresses, and who sees it so.
pub(super) fn section(out: &mut String, report: &Report, style: Style, width: usize) {
    if report.mx.is_empty() {
        return;
    }
    heading(out, "Mail exchangers", style);
    let (zone, resolvers): (Vec<&Exchanger>, Vec<&Exchanger>) =
        report.mx.iter().partition(|line| matches!(line.resolver.parse(), Ok(Via::Authoritative(_))));
    let mut rows: BTreeMap<(Option<u16>, &str, String), Vec<String>> = BTreeMap::new();
    let here_first = |line: &&Exchanger| line.resolver != Via::Own.to_string();
    let (foreign, own): (Vec<&Exchanger>, Vec<&Exchanger>) = resolvers.into_iter().partition(here_first);
    for line in own.into_iter().chain(foreign) {
        rows.entry((line.preference, &line.host, addresses(line))).or_default().push(resolver(line));
    }
    let mut published: BTreeMap<(Option<u16>, &str, String), Vec<String>> = BTreeMap::new();
    for line in &zone {
        published.entry((line.preference, &line.host, addresses(line))).or_default().push(server(line));
    }
    let servers = distinct(zone.iter().map(|line| server(line)).collect());
    for (row, who) in published {
        // A zone's servers are not asked for the addresses of hosts outside the zone.
        let same = |other: &&(Option<u16>, &str, String)| other.0 == row.0 && other.1 == row.1;
        let known = if row.2.is_empty() { rows.keys().find(same).cloned() } else { None };
        let who = distinct(who);
        let who = if who.len() == servers.len() { "the zone's own servers".to_owned() } else { who.join(", ") };
        rows.entry(known.unwrap_or(row)).or_default().push(who);
    }
    let column = rows.keys().map(|(_, host, _)| host.chars().count()).max().unwrap_or(0).min(MAX_COLUMN);
    for ((preference, host, addresses), who) in rows {
        let preference = preference.map_or_else(|| "-".to_owned(), |p| p.to_string());
        let host = if host.is_empty() { ".".to_owned() } else { harmless(host) };
        let addresses = if addresses.is_empty() { "no address".to_owned() } else { addresses };
        let first = format!("  {preference:>5}  {host:<column$}  ");
        let seen = format!("seen by {}", harmless(&who.join(", ")));
        if first.len() + addresses.len() < width {
            out.push_str(&wrap(&seen, width, &format!("{first}{addresses}  "), INDENT));
        } else {
            out.push_str(&wrap(&format!("{addresses}, {seen}"), width, &first, INDENT));
        }
    }
}

fn addresses(line: &Exchanger) -> String {
    line.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn distinct(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

fn resolver(line: &Exchanger) -> String {
    let name = match line.resolver.parse() {
        Ok(Via::Own) => "the resolver here".to_owned(),
        Ok(Via::Foreign(at)) if at.port() == 53 => at.ip().to_string(),
        Ok(Via::Foreign(at)) => at.to_string(),
        _ => line.resolver.clone(),
    };
    if line.vantage == "local" { name } else { format!("{name} from {}", line.vantage) }
}

fn server(line: &Exchanger) -> String {
    match line.resolver.parse() {
        Ok(Via::Authoritative(at)) => format!("the zone's server {}", at.ip()),
        _ => line.resolver.clone(),
    }
}
