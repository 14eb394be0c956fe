//! Who may send where: relay-open, relay-denied-when-authenticated, relay-denied-for-own-domain,
//! relay-sender-not-owned; and what a server says of itself to users.

use maildoctor_wire::dialogue::Phase;
use maildoctor_wire::wording::Meaning;

use super::host::among_its_own;
use super::replies::code_among;
use super::ways::{another_takes, called, rcpt, target_rcpt};
use super::{At, Basis, Found, Key, Rule, State, Told, services};
use crate::case::{Seen, Skip, Why};
use crate::questions::smtp::{Auth, Channel, Credentials, Mail, Rcpt, Recipient, Sender, StepView};
use crate::questions::tcp::{Connect, Role};
use crate::subject::Service;

const ALL: &[Role] = &[Role::Smtp, Role::Submission, Role::Smtps];

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::service(&["relay-open"], &[Role::Smtp], open),
        Rule::service(&["relay-denied-when-authenticated"], ALL, denied_to_user),
        Rule::service(&["relay-denied-for-own-domain"], &[Role::Smtp], denied_for_own),
        Rule::service(&["relay-sender-not-owned"], ALL, sender_not_owned),
        Rule::service(OF_ITSELF, &[Role::Submission, Role::Smtps], puts_users_off),
    ]
}

fn no_relay_address(at: &At<'_, Service>, why: Why) -> Why {
    match why {
        // With an address it was to be asked, and the session came to an end before.
        Why::NotPlanned if !at.case.terms.gives("--relay-rcpt") => Why::Skipped(Skip {
            because: "no outside address was given to test relaying with".to_owned(),
            option: "--relay-rcpt nobody@example.com".to_owned(),
        }),
        other => other,
    }
}

fn open(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    // For whom the server may relay, it relays: that says nothing of strangers.
    let ours = among_its_own(at);
    let relay = match (rcpt(at, Recipient::Relay), &ours) {
        (Err(Why::NotPlanned), Some(why)) => return Err(why.clone()),
        (relay, _) => relay.map_err(|why| no_relay_address(at, why))?,
    };
    let reply = relay.need(|r| r.reply())?;
    if relay.accepted().is_some() {
        if let Some(why) = ours {
            return Err(why);
        }
        found
            .is(Key::Named("relay".to_owned()))
            .says(format!(
                "{} takes mail of a stranger for the outside address {}: \"{}\"",
                called(at.case, &at.on, &at.from),
                relay.argument,
                reply.quoted()
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("recipient", relay.argument.as_str())
            .detail("reply", reply.quoted())
            // A 250 to RCPT alone: nothing was sent, so it may still be refused later.
            .proof(relay.id(), Basis::OwnMeasure);
        return found.state();
    }
    match relay.meaning {
        Some(Meaning::RelayDenied | Meaning::AuthRequired | Meaning::TlsRequired) => Ok(State::Clear),
        Some(_) if reply.class() == 5 && reply.enhanced().is_some_and(|e| e.kind() == (7, 1)) => Ok(State::Clear),
        _ => Err(Why::Denied(relay.id())),
    }
}

/// A mail exchanger need not take users: only where AUTH was tried there does it matter.
fn users_send_here(at: &At<'_, Service>) -> bool {
    let exchanger = at.ask(&Connect).is_ok_and(|c| c.role == Role::Smtp);
    !exchanger || at.ask(&Auth { with: Credentials::Given, attempt: 1 }).is_ok()
}

fn authenticated(at: &At<'_, Service>) -> Result<(), Why> {
    at.ask(&Auth { with: Credentials::Given, attempt: 1 })?.need(|a| a.accepted())
}

fn denied_to_user(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    if !users_send_here(at) {
        return Ok(State::NotApplicable);
    }
    authenticated(at).map_err(Why::as_blocker)?;
    let by = |recipient| {
        let ask = |sender| at.ask(&Rcpt { recipient, sender, authenticated: true });
        ask(Sender::Given).or_else(|why| ask(Sender::Null).map_err(|_| why))
    };
    // Checks of clients are made before a recipient is looked at: they refuse the user whoever the mail is for.
    let as_a_client = |seen: &Seen<'_, StepView>| {
        use Meaning::{Blacklisted, ClientBlocked, HeloRejected, PtrRequired};
        let of_clients = matches!(seen.meaning, Some(ClientBlocked | Blacklisted | PtrRequired | HeloRejected));
        of_clients && seen.reply().is_some_and(|reply| reply.class() == 5)
    };
    let relay = match by(Recipient::Target) {
        Ok(target) if as_a_client(&target) => target,
        _ => by(Recipient::Relay).map_err(|why| no_relay_address(at, why))?,
    };
    let reply = relay.need(|r| r.reply())?;
    if as_a_client(&relay) || relay.meaning == Some(Meaning::RelayDenied) {
        found
            .is(at.on)
            .says(format!(
                "{} refuses {} although the user is authenticated: \"{}\"",
                called(at.case, &at.on, &at.from),
                if as_a_client(&relay) { "mail" } else { "to relay" },
                reply.quoted()
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("recipient", relay.argument.as_str())
            .detail("reply", reply.quoted())
            .witnessed(relay.id());
    }
    found.state()
}

/// What a server says of itself to a user at RCPT, whoever the mail is for.
const OF_ITSELF: &[&str] = &["server-config-error", "server-storage-full"];

fn puts_users_off(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    authenticated(at).map_err(Why::as_blocker)?;
    let ask = |recipient| at.ask(&Rcpt { recipient, sender: Sender::Given, authenticated: true });
    let seen = ask(Recipient::Target).or_else(|why| ask(Recipient::Relay).map_err(|_| why))?;
    let reply = seen.need(|r| r.reply())?;
    let code = seen.meaning.and_then(|meaning| code_among(Phase::Rcpt, meaning, OF_ITSELF));
    let Some(code) = code.filter(|_| reply.class() >= 4) else { return Ok(State::NotApplicable) };
    // What the same server says to everybody is told there.
    let exchangers = services(at.case, &[Role::Smtp], &at.from, false);
    let says_it_to_all = exchangers.into_iter().filter(|service| service.0.ip() == at.on.0.ip()).any(|service| {
        let there = At::new(at.case, service, at.from.clone());
        target_rcpt(&there).is_ok_and(|rcpt| rcpt.meaning == seen.meaning)
    });
    if says_it_to_all {
        return Ok(State::NotApplicable);
    }
    let quoted = reply.quoted();
    let finding = found
        .is_a(code, Key::Named(seen.argument.clone()))
        .says(format!("{} takes nothing from users: \"{quoted}\"", called(at.case, &at.on, &at.from)))
        .detail("recipient", seen.argument.as_str())
        .detail("address", at.on.0.ip().to_string())
        .detail("reply", quoted)
        .detail("code", reply.code)
        .witnessed(seen.id());
    if code == "server-storage-full" {
        finding.owes_step(seen.id());
    }
    found.state()
}

fn denied_for_own(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let target = target_rcpt(at)?;
    let reply = target.need(|r| r.reply())?;
    if matches!(target.meaning, Some(Meaning::RelayDenied)) && at.case.mail_domain().is_some() && !another_takes(at) {
        found
            .is(Key::Named("own domain".to_owned()))
            .says(format!(
                "{} does not know the domain whose mail it should take: \"{}\"",
                called(at.case, &at.on, &at.from),
                reply.quoted()
            ))
            .detail("domain", at.case.mail_domain().map(|d| d.to_string()).unwrap_or_default())
            .detail("address", at.on.0.ip().to_string())
            .detail("reply", reply.quoted())
            .witnessed(target.id())
            .owes_step(target.id());
    }
    found.state()
}

fn sender_not_owned(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    if !users_send_here(at) {
        return Ok(State::NotApplicable);
    }
    authenticated(at).map_err(Why::as_blocker)?;
    let mail = at
        .ask(&Mail { sender: Sender::Given, channel: Channel::Tls, authenticated: true })
        .or_else(|_| at.ask(&Mail { sender: Sender::Given, channel: Channel::Plain, authenticated: true }))?;
    let mut refused = None;
    if mail.meaning == Some(Meaning::SenderNotOwned) {
        refused = Some(mail);
    } else if let Ok(rcpt) = at.ask(&Rcpt { recipient: Recipient::Relay, sender: Sender::Given, authenticated: true })
        && rcpt.meaning == Some(Meaning::SenderNotOwned)
    {
        refused = Some(rcpt);
    }
    if let Some(seen) = refused {
        let reply = seen.view().reply().map(|r| r.quoted()).unwrap_or_default();
        found
            .is(Key::Named(mail.argument.clone()))
            .says(format!("the account may not send as {}: \"{reply}\"", mail.argument))
            .detail("sender", mail.argument.as_str())
            .detail("reply", reply)
            .witnessed(seen.id());
    }
    found.state()
}
