//! The ports where users send: submission-closed, smtps-closed, smtps-not-tls, starttls-not-enforced.

use super::super::ways::{called, senders_shut};
use super::super::{At, Found, Key, Rule, State, Told};
use crate::case::Why;
use crate::questions::smtp::{Channel, Mail, Sender};
use crate::questions::tcp::{Connect, Role};
use crate::questions::tls::{Handshake, Shaken};
use crate::subject::Service;

pub(super) const RULES: &[Rule] = &[
    Rule::service(&["submission-closed"], &[Role::Submission], closed),
    Rule::service(&["smtps-closed"], &[Role::Smtps], closed),
    Rule::service(&["smtps-not-tls"], &[Role::Smtps], not_tls),
    Rule::service(&["starttls-not-enforced"], &[Role::Submission], not_enforced),
];

fn closed(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let connect = at.ask(&Connect)?;
    if connect.open().is_none() && connect.kept_out() && senders_shut(at.case, &at.on, &at.from) {
        found
            .is(Key::Named("senders".to_owned()))
            .says(format!(
                "{} port {} does not take connections, and users have no other port to send by",
                called(at.case, &at.on, &at.from),
                at.on.0.port()
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("port", at.on.0.port())
            .witnessed(connect.id())
            .owes_step(connect.id());
    }
    found.state()
}

fn not_tls(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Handshake)?;
    if let Shaken::PlainText { said } = &seen.wire.shaken {
        // Servers that turn a client away may do so before TLS, whatever comes first otherwise: Exim does.
        if !said.starts_with('2') {
            return Err(Why::Denied(seen.id()));
        }
        found
            .is(Key::Named("plain 465".to_owned()))
            .says(format!(
                "{} port {} speaks plain SMTP (\"{said}\") where TLS must come first",
                called(at.case, &at.on, &at.from),
                at.on.0.port()
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("port", at.on.0.port())
            .detail("reply", said.as_str())
            .witnessed(seen.id());
    }
    found.state()
}

fn not_enforced(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let mail = at.ask(&Mail { sender: Sender::Given, channel: Channel::Plain, authenticated: false })?;
    mail.need(|m| m.reply())?;
    if mail.accepted().is_some() {
        found
            .is(Key::Named("MAIL before TLS".to_owned()))
            .says(format!(
                "{} port {} takes MAIL FROM without TLS and without AUTH",
                called(at.case, &at.on, &at.from),
                at.on.0.port()
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("port", at.on.0.port())
            .witnessed(mail.id());
        return found.state();
    }
    Ok(State::Clear)
}
