//! Why OpenSMTPD takes no connection: it was paused, it lost a filter, or it refuses its settings.

use maildoctor_wire::dialogue::End;

use super::super::host::ours;
use super::super::{At, Basis, Finding, Found, Key, Share};
use crate::case::Case;
use crate::questions::host::log::Log;
use crate::questions::host::opensmtpd::OpenSmtpd;
use crate::questions::host::queue::{MailServer, Queue};
use crate::questions::smtp::FIRST;
use crate::subject::Service;

/// Whether somebody told OpenSMTPD to take no connections: the kernel takes them for it, and nobody says a word.
pub(super) fn rests(at: &At<'_, Service>, found: &mut Found<'_>) -> bool {
    let silent = at.ask(&FIRST).ok().filter(|banner| banner.wire.exchange.end == End::TimedOut);
    let paused = at.case.every::<Queue>().find(|queue| queue.paused.iter().any(|part| part == "SMTP"));
    let (Some(banner), Some(queue)) = (silent, paused) else { return false };
    let port = at.on.0.port();
    let own = at.case.every::<OpenSmtpd>().find(|own| own.runs && own.on_port(port).next().is_some());
    let Some(own) = own.filter(|_| ours(at) == Ok(true)) else { return false };
    found
        .is(Key::Named(format!("port {port}")))
        .says("OpenSMTPD takes no connection, for somebody paused it: `smtpctl show status` says \"SMTP paused\"")
        .detail("port", port)
        .detail("server", MailServer::OpenSmtpd.name())
        .detail("setting", "smtpctl pause smtp")
        .witnessed(queue.id())
        .witnessed(own.id())
        .claims(banner.id(), Share::Whole, Basis::Witnessed);
    true
}

/// Why OpenSMTPD does not run: a filter that it lost, or what it has against its settings when it checks them.
pub(super) fn why_it_ended(case: &Case, finding: &mut Finding) {
    for opensmtpd in case.every::<OpenSmtpd>() {
        // `warn: lost processor: NAME exited abnormally`
        let mut warnings = case.every::<Log>().flat_map(|log| log.view().warnings.iter().rev());
        let lost = warnings.find_map(|line| line.split_once("warn: lost processor: ")?.1.split(' ').next());
        if let Some(filter) = opensmtpd.filters.iter().find(|filter| Some(filter.name.as_str()) == lost) {
            finding.stands_at(&filter.place).witnessed(opensmtpd.id());
        }
        let Some(said) = opensmtpd.view().refuses.as_deref() else { continue };
        let last = said.lines().find(|line| line.contains(": ")).unwrap_or(said);
        let says = format!("{}, for its settings do not hold: \"{last}\"", finding.says);
        finding.says(says).detail("refuses", said).witnessed(opensmtpd.id());
        if let Some(place) = opensmtpd.refused_at() {
            finding.stands_at(&place);
        }
    }
}
