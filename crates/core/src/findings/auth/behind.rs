//! Sessions that end because the service behind AUTH is gone: auth-backend-down, told by the server's own log.

use super::super::host::{complained, ours};
use super::super::server_config::dovecot::not_served;
use super::super::ways::{Cut, called, cut};
use super::super::{At, Basis, Found, Key, Rule, Share, State, Told};
use crate::questions::host::complaint::{Complaint, message};
use crate::questions::tcp::Role;
use crate::subject::Service;

pub(super) const RULES: &[Rule] =
    &[Rule::service(&["auth-backend-down"], &[Role::Smtp, Role::Submission, Role::Smtps], cut_off)];

/// Postfix ends a session, and then each before its banner, where nobody tells it which mechanisms there are.
fn cut_off(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let (id, when) = match cut(at.case, &at.on, &at.from) {
        Some(Cut::BeforeBanner(id)) => (id, "before any banner"),
        Some(Cut::AtEhlo(id)) => (id, "at EHLO"),
        None => return Ok(State::NotApplicable),
    };
    at.note(id);
    if !ours(at)? {
        return Ok(State::NotApplicable);
    }
    let Some((log, line)) = complained(at.case, &[Complaint::Passwords]) else { return Ok(State::Clear) };
    // Postfix names the socket: `Connect to Dovecot auth socket 'private/auth' failed`.
    let named = message(line).split('\'').nth(1);
    let unserved = named.and_then(|socket| not_served(at.case, "auth", socket));
    let finding = found
        .is(Key::Named("behind AUTH".to_owned()))
        .says(format!(
            "{} port {} cuts the connection {when}, for it cannot reach the service that checks passwords: its log says \
             \"{}\"",
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
    if let Some(unserved) = unserved {
        let says = format!("{}; {}", finding.says, unserved.why);
        finding.says(says).witnessed(unserved.id);
    }
    found.state()
}
