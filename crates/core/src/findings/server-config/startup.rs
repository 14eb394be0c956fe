//! Processes that end before they serve anybody, told by the server's own log: auth-backend-down where nobody checks passwords,
//! server-config-error where a setting makes no sense.

use maildoctor_wire::dialogue::End;

use super::super::host::{complained, ours};
use super::super::ways::{Cut, banner_wait, called, cut};
use super::super::{At, Basis, Found, Key, Rule, Share, State, Told};
use super::dovecot::not_served;
use crate::case::{Case, ObsId, Seen};
use crate::questions::host::complaint::{Complaint, complaint, message};
use crate::questions::host::log::Log;
use crate::questions::smtp::FIRST;
use crate::questions::tcp::Role;
use crate::questions::tls::{Handshake, Shaken, TlsView};
use crate::subject::Service;

const CODES: &[&str] = &["auth-backend-down", "server-config-error"];

pub(super) const RULES: &[Rule] = &[Rule::service(CODES, &[Role::Smtp, Role::Submission, Role::Smtps], ends_at_once)];

/// A wait that may be for the next process, in milliseconds: Postfix starts one a minute after the last one failed, and we may
/// have come in the middle of that.
const RESTART_MS: u64 = 10_000;

/// How a service treats whoever connects, where that is what a process looks like from outside that ends at once: the first
/// sessions are cut, and then nobody takes the connection until the server starts another process.
fn unserved(at: &At<'_, Service>) -> Option<(ObsId, &'static str)> {
    match cut(at.case, &at.on, &at.from) {
        Some(Cut::BeforeBanner(id)) => Some((id, "cuts the connection before any banner")),
        Some(Cut::AtEhlo(id)) => Some((id, "cuts the connection at EHLO")),
        None => {
            let banner = at.ask(&FIRST).ok();
            if let Some(late) =
                banner.filter(|banner| banner.reply().is_some() && banner_wait(banner).length_ms() >= RESTART_MS)
            {
                return Some((late.id(), "greets only once the server has started another process"));
            }
            let banner = banner.filter(|banner| banner.wire.exchange.end == End::TimedOut);
            // Where TLS comes first, that is what nobody begins.
            let stalled = |seen: &Seen<'_, TlsView>| matches!(seen.wire.shaken, Shaken::Stalled { .. });
            let handshake = || Some(at.ask(&Handshake).ok().filter(stalled)?.id());
            let id = banner.map(|banner| banner.id()).or_else(handshake)?;
            Some((id, "takes the connection and says nothing"))
        }
    }
}

/// The words with which a process ended over something: what it only warns of keeps it from serving nobody.
fn last_words(case: &Case, over: Complaint) -> Option<(ObsId, &str)> {
    let is_one = |line: &&String| message(line).starts_with("fatal: ") && complaint(line) == Some(over);
    case.every::<Log>().find_map(|log| Some((log.id(), log.view().complaints.iter().find(is_one)?.as_str())))
}

fn ends_at_once(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let Some((id, how)) = unserved(at) else { return Ok(State::NotApplicable) };
    at.note(id);
    if !ours(at)? {
        return Ok(State::NotApplicable);
    }
    // A line before the last words may tell more of the reason.
    let passwords = last_words(at.case, Complaint::Passwords).and(complained(at.case, &[Complaint::Passwords]));
    let Some((log, line)) = passwords.or_else(|| last_words(at.case, Complaint::Setting)) else {
        return Ok(State::Clear);
    };
    let (code, why) = match passwords {
        Some(_) => ("auth-backend-down", "it cannot reach the service that checks passwords"),
        None => ("server-config-error", "its processes end over its settings"),
    };
    let finding = found
        .is_a(code, Key::Named("startup".to_owned()))
        .says(format!(
            "{} port {} {how}, for {why}: its log says \"{}\"",
            called(at.case, &at.on, &at.from),
            at.on.0.port(),
            message(line)
        ))
        .detail("address", at.on.0.ip().to_string())
        .detail("log", line)
        .witnessed(id)
        .witnessed(log)
        .owes_step(log)
        .claims(id, Share::Whole, Basis::Witnessed);
    // Postfix names the socket: `Connect to Dovecot auth socket 'private/auth' failed`.
    let socket = passwords.and_then(|(_, line)| message(line).split('\'').nth(1));
    if let Some(unserved) = socket.and_then(|socket| not_served(at.case, "auth", socket)) {
        let says = format!("{}; {}", finding.says, unserved.why);
        finding.says(says).witnessed(unserved.id);
    }
    found.state()
}
