//! Whether the mail service runs on this machine, and for whom: service-not-running, listens-on-loopback-only.

use super::super::host::{installed, ours};
use super::super::units;
use super::super::{At, Basis, Finding, Found, Key, Rule, Share, State, Told};
use super::opensmtpd::{rests, why_it_ended};
use crate::case::{Case, Seen, Why};
use crate::questions::host::asks::Place;
use crate::questions::host::exim::Exim;
use crate::questions::host::log::Log;
use crate::questions::host::opensmtpd::OpenSmtpd;
use crate::questions::host::postfix::Postfix;
use crate::questions::host::queue::MailServer;
use crate::questions::host::sockets::{Listener, Listeners, ListenersWire};
use crate::questions::tcp::{Connect, ConnectWire, Role};
use crate::subject::{Service, VantageId};

pub(super) const RULES: &[Rule] = &[
    Rule::service(&["service-not-running"], &[Role::Smtp], not_running),
    Rule::service(&["listens-on-loopback-only"], &[Role::Smtp], loopback_only),
];

/// A service of this machine that lets nobody in, and who listens here; `None` for any other.
type Shut<'c> = Option<(Seen<'c, ConnectWire>, Seen<'c, ListenersWire>)>;

fn shut<'c>(at: &At<'c, Service>) -> Result<Shut<'c>, Why> {
    let here = VantageId::local();
    let sockets = at.ask_from(&Listeners, &here, &here)?;
    if !ours(at)? {
        return Ok(None);
    }
    // What lets us in is served by somebody, if only in another network namespace of this machine.
    let connect = at.ask(&Connect)?;
    if !connect.kept_out() {
        return Ok(None);
    }
    if !sockets.whole {
        return Err(Why::Denied(sockets.id()));
    }
    Ok(Some((connect, sockets)))
}

fn not_running(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let port = at.on.0.port();
    if rests(at, found) {
        return found.state();
    }
    let Some((connect, sockets)) = shut(at)? else {
        return Ok(State::Clear);
    };
    if sockets.on_port(port).next().is_some() {
        return Ok(State::Clear);
    }
    let server = installed(at.case);
    let runs = server.is_some_and(|server| runs(&sockets, server));
    let state = match server {
        Some(server) if runs => format!("; {} runs, and takes connections on other ports alone", server.name()),
        Some(server) if sockets.all_processes => format!("; {} is installed, and does not run", server.name()),
        Some(server) => format!("; {} is installed", server.name()),
        None => String::new(),
    };
    let finding = found.is(Key::Named(format!("port {port}")));
    finding
        .says(format!("nothing listens on port {port} of this machine{state}"))
        .detail("port", port)
        .known("server", server.map(MailServer::name))
        .witnessed(sockets.id())
        .claims(connect.id(), Share::Whole, Basis::Witnessed);
    if !runs && let Some(server) = server {
        units::starts(at.case, finding, |units| units.of_server(server));
    }
    if runs && let Some(postfix) = at.case.every::<Postfix>().find(|postfix| postfix.service_on(port).is_none()) {
        finding.detail("file", postfix.file("master.cf")).witnessed(postfix.id());
    }
    if server == Some(MailServer::OpenSmtpd) && !runs {
        why_it_ended(at.case, finding);
    }
    for log in at.case.every::<Log>() {
        let last_words = |line: &&String| LAST_WORDS.iter().any(|words| line.contains(words));
        if let Some(line) = log.warnings.iter().rev().find(last_words) {
            finding.detail("log", line.as_str()).witnessed(log.id());
        }
    }
    found.state()
}

/// With what a server ends: Postfix and Exim, and OpenSMTPD without a filter of its own.
const LAST_WORDS: [&str; 3] = ["fatal: ", "panic: ", "warn: lost processor: "];

/// Whether a process of a mail server holds any socket.
fn runs(sockets: &ListenersWire, server: MailServer) -> bool {
    let names: &[&str] = match server {
        MailServer::Postfix => &["master"],
        MailServer::Exim => &["exim4", "exim"],
        MailServer::OpenSmtpd => &["smtpd"],
    };
    sockets.listeners.iter().flat_map(|listener| &listener.held_by).any(|held| names.contains(&held.name.as_str()))
}

fn loopback_only(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let port = at.on.0.port();
    let Some((connect, sockets)) = shut(at)? else {
        return Ok(State::Clear);
    };
    let listening: Vec<&Listener> = sockets.on_port(port).collect();
    let loopback = |listener: &&Listener| listener.at.ip().is_loopback();
    if at.on.0.ip().is_loopback() || listening.is_empty() || !listening.iter().all(loopback) {
        return Ok(State::Clear);
    }
    let process = listening.iter().flat_map(|listener| &listener.held_by).next();
    let who = match process {
        Some(process) => format!("{} (process {})", process.name, process.pid),
        None => "the mail service".to_owned(),
    };
    let places: Vec<String> = listening.iter().map(|listener| listener.at.to_string()).collect();
    let finding = found.is(Key::Named(format!("port {port}")));
    finding
        .says(format!(
            "{who} listens on {} alone, which nobody but this machine itself can reach",
            places.join(" and ")
        ))
        .detail("port", port)
        .detail("listens", places.join(" "))
        .known("process", process.map(|process| process.name.as_str()))
        .witnessed(sockets.id())
        .claims(connect.id(), Share::Whole, Basis::Witnessed);
    name_the_setting(at.case, port, finding);
    found.state()
}

/// The setting that chooses the addresses.
fn name_the_setting(case: &Case, port: u16, finding: &mut Finding) {
    let opensmtpd = case.every::<OpenSmtpd>().find_map(|seen| Some((seen.view().on_port(port).next()?, seen.id())));
    if let Some((listen, id)) = opensmtpd {
        finding.stands_at(&listen.place).witnessed(id);
        return;
    }
    let with_port = case.every::<Postfix>().find_map(|postfix| Some((postfix, postfix.view().service_on(port)?)));
    if let Some((postfix, service)) = with_port {
        // `127.0.0.1:smtp` in master.cf names the address itself.
        let place = if service.name.contains(':') {
            Place { setting: service.name.clone(), file: Some(postfix.file("master.cf")), line: service.line }
        } else {
            postfix.place_in_main("inet_interfaces", None)
        };
        finding.stands_at(&place).witnessed(postfix.id());
    } else if let Some(exim) = case.every::<Exim>().next() {
        finding.stands_at(&exim.place("local_interfaces")).witnessed(exim.id());
    }
}
