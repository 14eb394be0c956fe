//! The walk from the root: a line where every server of the domain's zone says the same, and otherwise what each of
//! them says over UDP and TCP.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;

use super::super::model::Report;
use super::{Style, harmless, heading, wrap};
use crate::case::{Observation, Question};
use crate::questions::dns::walk::{Authoritative, Cut, Ended, Source, Standing, Walk, WalkWire};
use crate::questions::dns::{Dns, RecordType, Transport};
use crate::subject::{Domain, Kind, VantageId};

/// The most servers that are listed; the others are in the JSON report.
const MAX_ROWS: usize = 20;

/// The most zones that are named on the way.
const MAX_ZONES: usize = 8;

/// In the place of exchangers.
const NO_MX: &str = "no MX";

/// Writes the section for each place from which the DNS was walked.
pub(super) fn section(out: &mut String, report: &Report, style: Style, width: usize) {
    let observations: Vec<&Observation> = report.observations.iter().map(|record| &record.0).collect();
    for observation in observations.iter().filter(|o| o.probe == Walk::PROBE) {
        let Ok(walk) = serde_json::from_value::<WalkWire>(observation.outcome.clone()) else { continue };
        let Some(domain) = Domain::of(&observation.subject) else { continue };
        let from = &observation.vantage;
        let place = if *from == VantageId::local() { String::new() } else { format!(", from {from}") };
        heading(out, &format!("The walk from the root{}", harmless(&place)), style);
        way(out, &walk, domain.as_str(), width);
        if let Some(cut) = walk.zone().filter(|cut| cut.zone != ".") {
            servers(out, cut, &Told::of(cut, &walk, domain, &observations, from), style, width);
        }
    }
}

/// The zones on the way, and how it ended.
fn way(out: &mut String, walk: &WalkWire, domain: &str, width: usize) {
    let zones: Vec<&str> =
        walk.cuts.iter().map(|cut| if cut.zone == "." { "root" } else { cut.zone.as_str() }).collect();
    let more = zones.len().saturating_sub(MAX_ZONES);
    let shown: Vec<&str> = zones.iter().copied().take(1).chain(zones.iter().copied().skip(1 + more)).collect();
    let last = walk.cuts.last().map_or("the root", |cut| if cut.zone == "." { "the root" } else { cut.zone.as_str() });
    let end = match walk.ended {
        Ended::Reached if last == domain => String::new(),
        Ended::Reached => format!("; {domain} lies in {last}"),
        Ended::NoSuchName => format!("; a server of {last} says that {domain} does not exist"),
        Ended::DeadEnd => format!("; no server of {last} serves it or shows the way on"),
        Ended::Unfinished => format!("; not finished at {last}, time or questions ran out"),
    };
    out.push_str(&wrap(&harmless(&format!("{}{end}", shown.join(" > "))), width, "  ", "    "));
}

/// One address of a name server, and what it said.
struct Told<'c> {
    host: &'c str,
    at: SocketAddr,
    udp: Option<Dns>,
    tcp: Option<Dns>,
    /// The exchangers by this server, where it answered with authority.
    mx: Option<String>,
}

impl<'c> Told<'c> {
    fn of(
        cut: &'c Cut,
        walk: &WalkWire,
        domain: &Domain,
        observations: &[&Observation],
        from: &VantageId,
    ) -> Vec<Self> {
        let zone = cut.domain();
        let of_zone: Vec<(Authoritative, &Observation)> = observations
            .iter()
            .filter(|o| o.probe == Authoritative::PROBE && o.vantage == *from && Domain::of(&o.subject) == Some(&zone))
            .filter_map(|o| Some((serde_json::from_value(o.asked.clone()).ok()?, *o)))
            .collect();
        let answer = |at, name: &str, rtype, transport| {
            let asked = of_zone.iter().find(|(asked, o)| {
                let server = o.outcome.get("server").and_then(|server| server.as_str());
                let here = server.and_then(|server| server.parse().ok()) == Some(at);
                here && asked.rtype == rtype && asked.transport == transport && asked.name == name
            });
            asked.and_then(|(_, o)| Some(Dns { wire: serde_json::from_value(o.outcome.clone()).ok()? }))
        };
        let told = |(host, at)| Told {
            host,
            at,
            udp: answer(at, zone.as_str(), RecordType::Soa, Transport::Udp),
            tcp: answer(at, zone.as_str(), RecordType::Soa, Transport::Tcp),
            mx: answer(at, domain.as_str(), RecordType::Mx, Transport::Udp)
                .filter(Dns::authoritative)
                .and_then(|mx| exchangers(&mx)),
        };
        cut.places(walk.port).into_iter().map(told).collect()
    }

    fn asked(&self) -> bool {
        self.udp.is_some() || self.tcp.is_some()
    }

    /// The zone's serial number, where it is served over whatever was asked.
    fn serial(&self, zone: &str) -> Option<u32> {
        let mut serials = self.udp.iter().chain(&self.tcp).map(|answer| match answer.standing(zone) {
            Standing::Serves { serial, .. } => Some(serial),
            _ => None,
        });
        let first = serials.next()??;
        serials.all(|serial| serial == Some(first)).then_some(first)
    }

    /// What it says of the zone, over UDP and TCP.
    fn says(&self, zone: &str) -> String {
        let words = |answer: &Dns| match answer.standing(zone) {
            Standing::Serves { serial, .. } => format!("serial {serial}"),
            Standing::Lame(says) => says,
            Standing::Silent => answer.in_words(),
        };
        let (udp, tcp) = (self.udp.as_ref().map(words), self.tcp.as_ref().map(words));
        match (udp, tcp) {
            (Some(udp), Some(tcp)) if udp == tcp => format!("{udp} over UDP and TCP"),
            (Some(udp), Some(tcp)) => format!("{udp} over UDP, {tcp} over TCP"),
            (Some(udp), None) => format!("{udp} over UDP"),
            (None, Some(tcp)) => format!("{tcp} over TCP"),
            (None, None) => "not asked".to_owned(),
        }
    }
}

fn exchangers(answer: &Dns) -> Option<String> {
    let mx: Vec<String> =
        answer.definite()?.mx().iter().map(|(preference, host)| format!("{preference} {host}.")).collect();
    Some(if mx.is_empty() { NO_MX.to_owned() } else { format!("MX {}", mx.join(", ")) })
}

/// Who serves the zone: in a line where all say the same, and one by one where they do not.
fn servers(out: &mut String, cut: &Cut, told: &[Told<'_>], style: Style, width: usize) {
    let zone = cut.zone.as_str();
    let asked: Vec<&Told<'_>> = told.iter().filter(|one| one.asked()).collect();
    let serials: BTreeSet<Option<u32>> = asked.iter().map(|one| one.serial(zone)).collect();
    let exchangers: BTreeSet<&String> = asked.iter().filter_map(|one| one.mx.as_ref()).collect();
    let lost: Vec<_> = cut.servers.iter().filter(|server| server.addresses.is_empty()).collect();
    let serial = serials.first().copied().flatten();
    if let (Some(serial), 1, 0..=1, true) = (serial, serials.len(), exchangers.len(), lost.is_empty()) {
        let over =
            if asked.iter().all(|one| one.udp.is_some() && one.tcp.is_some()) { " over UDP and TCP" } else { "" };
        let who = match asked.as_slice() {
            [one] => format!("its server {} ({}) answers", one.host, one.at.ip()),
            all if all.len() == cut.servers.len() => format!("its {} servers answer alike", all.len()),
            all => format!("its {} servers answer alike at {} addresses", cut.servers.len(), all.len()),
        };
        let aside = told.len().saturating_sub(asked.len());
        let aside = if aside == 0 { String::new() } else { format!(", {aside} not asked from here") };
        let none = exchangers.first().filter(|mx| **mx == NO_MX).map(|mx| format!(", {mx}")).unwrap_or_default();
        let line = format!("{zone}: {who}{over}, serial {serial}{none}{aside}");
        return out.push_str(&wrap(&harmless(&line), width, "  ", "    "));
    }
    let rows = told.iter().map(|one| {
        let differs = exchangers.len() > 1;
        let mx = one.mx.as_ref().filter(|_| differs).map(|mx| format!("; {mx}")).unwrap_or_default();
        (format!("{} {}", one.host, one.at.ip()), format!("{}{mx}", one.says(zone)))
    });
    let addressless = lost.iter().map(|server| {
        let why = match server.source {
            Source::Loop => "its address cannot be looked up: it lies in a zone that leads back here",
            _ => "has no address",
        };
        (server.host.clone(), why.to_owned())
    });
    let rows: Vec<(String, String)> = rows.chain(addressless).map(|(who, says)| (harmless(&who), says)).collect();
    let column = rows.iter().take(MAX_ROWS).map(|(who, _)| who.chars().count()).max().unwrap_or(0).min(width / 2);
    for (who, says) in rows.iter().take(MAX_ROWS) {
        out.push_str(&wrap(&harmless(says), width, &format!("    {who:<column$}  "), "          "));
    }
    if rows.len() > MAX_ROWS {
        let _ = writeln!(out, "    {}", style.dim(&format!("and {} more", rows.len() - MAX_ROWS)));
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::questions::dns::walk::NameServer;
    use crate::questions::dns::{Data, DnsResult, DnsWire, Record};

    const HOST: &str = "ns1.example.org";

    fn answer(aa: bool, data: Data) -> Dns {
        let result = DnsResult::Answered {
            rcode: "NOERROR".to_owned(),
            aa,
            ad: false,
            ra: false,
            answers: vec![Record { name: "example.org".to_owned(), ttl: 60, data }],
            authority: Vec::new(),
            additional: Vec::new(),
            ede: Vec::new(),
            raw: None,
        };
        let server = SocketAddr::from(([192, 0, 2, 53], 53));
        Dns { wire: DnsWire { name: "example.org".to_owned(), server, attempts: Vec::new(), result } }
    }

    fn serial(serial: u32) -> Option<Dns> {
        Some(answer(true, Data::Soa { primary: HOST.to_owned(), serial, minimum: 60 }))
    }

    fn mx(exchange: &str) -> Option<String> {
        exchangers(&answer(true, Data::Mx { preference: 10, exchange: exchange.to_owned() }))
    }

    fn silent() -> Option<Dns> {
        let mut silent = answer(true, Data::Other { number: 1 });
        silent.wire.result = DnsResult::Silent { waited_ms: 3500 };
        Some(silent)
    }

    fn drawn(told: &[Told<'_>], more: &[(&str, Source)], width: usize) -> String {
        let named = told.iter().map(|one| (one.host, vec![one.at.ip()], Source::Glue));
        let lost = more.iter().map(|(host, source)| (*host, Vec::<IpAddr>::new(), *source));
        let servers: Vec<NameServer> = named
            .chain(lost)
            .map(|(host, addresses, source)| NameServer { host: host.to_owned(), addresses, source })
            .collect();
        let cut = Cut { zone: "example.org".to_owned(), servers, told_by: None, asked: None };
        let mut out = String::new();
        super::servers(&mut out, &cut, told, Style::PLAIN, width);
        out
    }

    fn told(last: u8, udp: Option<Dns>, tcp: Option<Dns>, mx: Option<String>) -> Told<'static> {
        Told { host: HOST, at: SocketAddr::from(([192, 0, 2, last], 53)), udp, tcp, mx }
    }

    #[test]
    fn servers_that_agree_take_one_line() {
        let both = [told(1, serial(7), serial(7), mx("mx")), told(2, serial(7), serial(7), mx("mx"))];
        assert_eq!(drawn(&both, &[], 100), "  example.org: its 2 servers answer alike over UDP and TCP, serial 7\n");
        let one = [told(1, serial(7), serial(7), mx("mx")), told(2, None, None, None)];
        let text = drawn(&one, &[], 200);
        assert!(text.contains("1 not asked from here"), "{text}");
    }

    #[test]
    fn each_server_that_differs_is_told_of() {
        let text = drawn(&[told(1, serial(7), serial(7), None), told(2, serial(6), None, None)], &[], 100);
        assert!(text.contains("192.0.2.1  serial 7 over UDP and TCP\n"), "{text}");
        assert!(text.contains("192.0.2.2  serial 6 over UDP\n"), "{text}");
        let text = drawn(&[told(1, serial(7), silent(), None)], &[("ns2.gone.example", Source::Loop)], 200);
        assert!(text.contains("serial 7 over UDP, no answer within 3500 ms over TCP\n"), "{text}");
        assert!(text.contains("ns2.gone.example") && text.contains("leads back here"), "{text}");
        let alike = [told(1, serial(7), serial(7), mx("one")), told(2, serial(7), serial(7), mx("two"))];
        let text = drawn(&alike, &[], 100);
        assert!(text.contains("MX 10 one.") && text.contains("MX 10 two."), "{text}");
    }

    #[test]
    fn lines_fit_and_cannot_steer_the_terminal() {
        let odd = told(9, silent(), serial(7), mx("a\x1b[2Jb"));
        let other = told(8, serial(8), serial(8), mx("b"));
        for width in [40, 60, 80, 100, 200] {
            let text = drawn(&[told(7, silent(), silent(), None), told(6, serial(8), silent(), None)], &[], width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
        }
        let text = drawn(&[odd, other], &[], 80);
        assert!(!text.contains('\x1b') && text.contains("\\u{1b}"), "{text}");
    }
}
