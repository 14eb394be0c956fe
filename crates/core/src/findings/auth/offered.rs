//! What is offered: auth-not-offered, auth-only-after-tls, auth-plain-missing, auth-legacy-format,
//! auth-required-for-mx.

use maildoctor_wire::wording::Meaning;

use super::super::ways::{called, target_rcpt};
use super::super::{At, Found, Key, Rule, State, Told};
use crate::questions::smtp::{Channel, Ehlo, capabilities};
use crate::questions::tcp::Role;
use crate::subject::Service;

const SENDERS: &[Role] = &[Role::Submission, Role::Smtps];

pub(super) const RULES: &[Rule] = &[
    Rule::service(&["auth-not-offered"], SENDERS, not_offered),
    Rule::service(&["auth-only-after-tls"], &[Role::Submission], only_after_tls),
    Rule::service(&["auth-plain-missing"], SENDERS, plain_missing),
    Rule::service(&["auth-legacy-format"], SENDERS, legacy),
    Rule::service(&["auth-required-for-mx"], &[Role::Smtp], required_for_mx),
];

fn not_offered(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    if !at.case.terms.submission_expected {
        return Ok(State::NotApplicable);
    }
    let (seen, capabilities) = capabilities(at.case, &at.on, &at.from)?;
    at.note(seen.id());
    if capabilities.mechanisms().is_empty() {
        found
            .is(Key::Named("no AUTH".to_owned()))
            .says(format!(
                "{} port {} offers no AUTH, so no user can send by it",
                called(at.case, &at.on, &at.from),
                at.on.0.port()
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("port", at.on.0.port())
            .witnessed(seen.id())
            .owes_step(seen.id());
    }
    found.state()
}

fn only_after_tls(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    // Right as it is, and worth a word only to somebody who looks at this very server by hand.
    if at.case.target.host.is_none() {
        return Ok(State::NotApplicable);
    }
    let plain = at.ask(&Ehlo { channel: Channel::Plain })?;
    let under_tls = at.ask(&Ehlo { channel: Channel::Tls })?;
    let (before, after) = (plain.need(|e| e.capabilities.as_ref())?, under_tls.need(|e| e.capabilities.as_ref())?);
    if before.mechanisms().is_empty() && !after.mechanisms().is_empty() {
        found
            .is(Key::Named("AUTH after TLS".to_owned()))
            .says(format!(
                "{} offers AUTH only under TLS, which is right, and why telnet does not see it",
                called(at.case, &at.on, &at.from)
            ))
            .detail("mechanisms", after.mechanisms().join(" "))
            .witnessed(plain.id())
            .witnessed(under_tls.id());
    }
    found.state()
}

fn plain_missing(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let (seen, capabilities) = capabilities(at.case, &at.on, &at.from)?;
    at.note(seen.id());
    let mechanisms = capabilities.mechanisms();
    if !mechanisms.is_empty() && !mechanisms.contains(&"PLAIN") {
        found
            .is(Key::Named("no PLAIN".to_owned()))
            .says(format!(
                "{} offers AUTH {} and not PLAIN, which shuts out many clients",
                called(at.case, &at.on, &at.from),
                mechanisms.join(" ")
            ))
            .detail("mechanisms", mechanisms.join(" "))
            .witnessed(seen.id());
    }
    found.state()
}

fn legacy(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let (seen, capabilities) = capabilities(at.case, &at.on, &at.from)?;
    at.note(seen.id());
    if capabilities.auth_in_old_form_only() {
        found
            .is(Key::Named("AUTH=".to_owned()))
            .says(format!(
                "{} announces AUTH only in the old form with an equals sign",
                called(at.case, &at.on, &at.from)
            ))
            .detail("mechanisms", capabilities.mechanisms().join(" "))
            .witnessed(seen.id());
    }
    found.state()
}

fn required_for_mx(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let rcpt = target_rcpt(at)?;
    let reply = rcpt.need(|r| r.reply())?;
    if matches!(rcpt.meaning, Some(Meaning::AuthRequired)) {
        found
            .is(Key::Named("AUTH at the exchanger".to_owned()))
            .says(format!(
                "{} wants AUTH of everybody who brings mail: \"{}\"",
                called(at.case, &at.on, &at.from),
                reply.quoted()
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("reply", reply.quoted())
            .witnessed(rcpt.id());
    }
    found.state()
}
