//! The servers that were met, a line each: software, banner, TLS, AUTH.

use std::fmt::Write as _;

use super::super::model::{Report, Server};
use super::{Style, harmless, heading};

/// From this share on the recognised software is named without a question mark, in percent.
const SURE_PERCENT: u8 = 70;

/// Writes the section; nothing where no server took a connection.
pub(super) fn section(out: &mut String, report: &Report, style: Style) {
    if report.servers.is_empty() {
        return;
    }
    heading(out, "Servers", style);
    let names: Vec<String> = report.servers.iter().map(name).collect();
    let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
    for (server, name) in report.servers.iter().zip(&names) {
        let _ = writeln!(out, "  {name:<width$}  {}", style.dim(&harmless(&shown(server))));
    }
}

fn name(server: &Server) -> String {
    let place = server.subject.to_string();
    let place = place.split_once(':').map_or(place.as_str(), |(_, value)| value);
    harmless(&server.host.as_ref().map_or_else(|| place.to_owned(), |host| format!("{host} {place}")))
}

fn shown(server: &Server) -> String {
    let mut parts = Vec::new();
    if let (Some(software), Some(percent)) = (&server.software, server.percent) {
        parts.push(if percent >= SURE_PERCENT { software.clone() } else { format!("{software}?") });
    }
    parts.push(server.banner_ms.map_or_else(|| "no banner".to_owned(), |ms| format!("banner after {ms} ms")));
    parts.push(match (&server.tls, &server.certificate_until) {
        (Some(version), Some(until)) => {
            format!("{version}, certificate until {}", until.split('T').next().unwrap_or(until))
        }
        (Some(version), None) => version.clone(),
        (None, _) => "no TLS".to_owned(),
    });
    if !server.mechanisms.is_empty() {
        parts.push(format!("AUTH {}", server.mechanisms.join(" ")));
    }
    parts.join("; ")
}
