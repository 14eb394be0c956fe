//! Facts that are no fault by themselves: exchangers, certificates, software, what servers offer.

use std::collections::BTreeSet;

use super::{Change, Way};
use crate::report::{Report, Server};

pub(super) fn changes(before: &Report, after: &Report) -> Vec<Change> {
    let mut out = exchangers(before, after);
    for new in &after.servers {
        if let Some(old) = before.servers.iter().find(|old| is_same(old, new)) {
            out.extend(server(old, new));
        }
    }
    out
}

/// The same service, or the only way to name it where addresses moved: host and role.
fn is_same(old: &Server, new: &Server) -> bool {
    old.subject == new.subject || (old.host.is_some() && old.host == new.host && old.role == new.role)
}

fn exchangers(before: &Report, after: &Report) -> Vec<Change> {
    let table = |report: &Report| -> BTreeSet<(String, String)> {
        let line = |e: &crate::report::Exchanger| {
            let preference = e.preference.map_or_else(String::new, |p| format!("{p} "));
            (e.resolver.clone(), format!("{preference}{}", if e.host.is_empty() { "." } else { &e.host }))
        };
        report.mx.iter().map(line).collect()
    };
    let (old, new) = (table(before), table(after));
    let resolvers: BTreeSet<&String> = old.iter().chain(&new).map(|(resolver, _)| resolver).collect();
    let by = |set: &BTreeSet<(String, String)>, resolver: &str| -> Vec<String> {
        set.iter().filter(|(r, _)| r == resolver).map(|(_, line)| line.clone()).collect()
    };
    // A resolver that only one of the runs asked tells nothing about a change.
    resolvers
        .into_iter()
        .map(|resolver| (resolver, by(&old, resolver), by(&new, resolver)))
        .filter(|(_, then, now)| !then.is_empty() && !now.is_empty() && then != now)
        .map(|(resolver, then, now)| Change {
            way: Way::Changed,
            code: None,
            subject: None,
            says: format!("the exchangers by {resolver} are {} now, {} before", now.join(", "), then.join(", ")),
        })
        .collect()
}

fn server(old: &Server, new: &Server) -> Vec<Change> {
    let name = new.host.clone().unwrap_or_else(|| new.subject.to_string());
    let offers = |s: &Server| if s.mechanisms.is_empty() { None } else { Some(s.mechanisms.join(" ")) };
    let facts = [
        ("software", old.software.clone(), new.software.clone()),
        ("TLS", old.tls.clone(), new.tls.clone()),
        ("the certificate's end", old.certificate_until.clone(), new.certificate_until.clone()),
        ("AUTH", offers(old), offers(new)),
    ];
    let shown = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    facts
        .into_iter()
        .filter(|(_, then, now)| then != now)
        .map(|(what, then, now)| Change {
            way: Way::Changed,
            code: None,
            subject: Some(new.subject.clone()),
            says: format!("{name}, {}: {what} is {} now, {} before", new.role, shown(now), shown(then)),
        })
        .collect()
}
