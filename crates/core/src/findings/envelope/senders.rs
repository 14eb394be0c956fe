//! The reply to MAIL and VRFY: null-sender-rejected, sender-rejected, what is refused whoever sends, mail-slow,
//! vrfy-enabled.

use maildoctor_wire::dialogue::Phase;
use maildoctor_wire::reply::Reply;
use maildoctor_wire::wording::Meaning;

use super::super::ehlo::{late_or_never, takes_no_message};
use super::super::replies::code_among;
use super::super::ways::{called, null_refused_at_rcpt, target_rcpt};
use super::super::{At, Basis, Found, Key, Rule, Share, State, Told, services};
use crate::case::{ObsId, Seen, Why};
use crate::questions::smtp::{Auth, Channel, Credentials, Mail, Rcpt, Recipient, Sender, Starttls, StepView, Vrfy};
use crate::questions::tcp::Role;
use crate::subject::Service;

const MX: &[Role] = &[Role::Smtp];

pub(super) const RULES: &[Rule] = &[
    Rule::service(&["null-sender-rejected"], MX, null_sender),
    Rule::service(&["sender-rejected"], MX, sender),
    Rule::service(AT_MAIL_CODES, MX, not_for_the_sender),
    Rule::service(&["mail-slow"], MX, slow),
    Rule::service(&["vrfy-enabled"], MX, vrfy),
];

/// The answer to MAIL: the first by which the server took it, else the last. What comes after that in the same visit may be
/// an answer to our visit: many servers let who erred wait, or take few messages over one connection.
fn mail<'c>(at: &At<'c, Service>, sender: Sender) -> Result<Seen<'c, StepView>, Why> {
    let by = |channel| {
        let question = Mail { sender, channel, authenticated: false };
        at.ask_first(&question, |step| step.accepted().is_some())
    };
    by(Channel::Tls).or_else(|why| by(Channel::Plain).map_err(|_| why))
}

fn null_sender(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let null = match null_refused_at_rcpt(at) {
        Some(refused) => refused,
        None => mail(at, Sender::Null)?,
    };
    let reply = null.need(|m| m.reply())?;
    let given_taken = mail(at, Sender::Given).map(|m| m.accepted().is_some()).unwrap_or(true);
    let other_reason = matches!(
        null.meaning,
        Some(
            Meaning::TlsRequired
                | Meaning::AuthRequired
                | Meaning::Blacklisted
                | Meaning::ClientBlocked
                | Meaning::HeloRejected
                | Meaning::SyncError
        )
    );
    if reply.class() == 5 && given_taken && !other_reason {
        found
            .is(Key::Named("null sender".to_owned()))
            .says(format!(
                "{} refuses the null sender, and with it every bounce: \"{}\"",
                called(at.case, &at.on, &at.from),
                reply.quoted()
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("reply", reply.quoted())
            .witnessed(null.id());
    }
    found.state()
}

fn sender(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let mail = mail(at, Sender::Given)?;
    let sender = mail.argument.clone();
    let at_rcpt = refused_at_rcpt(at);
    let refused_at_mail = |reply: &Reply| {
        let words =
            matches!(mail.meaning, Some(Meaning::Refused | Meaning::UnknownRecipient | Meaning::SenderNotOwned));
        mail.meaning == Some(Meaning::SenderRejected) || reply.class() == 5 && words
    };
    // Where there is no other sender, what the recipient is refused for is told with it.
    if at_rcpt.is_some_and(|given| target_rcpt(at).is_ok_and(|target| target.id() == given.id())) {
        return Ok(State::NotApplicable);
    }
    let given = at_rcpt.unwrap_or(mail);
    let reply = given.need(|m| m.reply())?;
    if at_rcpt.is_none() && every_sender_is_refused(at) {
        return Ok(State::Clear);
    }
    if at_rcpt.is_some() || refused_at_mail(reply) {
        found
            .is(Key::Named(sender.clone()))
            .says(format!("{} refuses the sender {sender}: \"{}\"", called(at.case, &at.on, &at.from), reply.quoted()))
            .detail("sender", sender.as_str())
            .detail("address", at.on.0.ip().to_string())
            .detail("reply", reply.quoted())
            .detail("code", reply.code)
            .witnessed(given.id())
            .owes_step(given.id());
    }
    found.state()
}

/// The reply by which the recipient under test is refused to the sender that was given, and not to the null sender.
/// Many servers refuse a sender only at RCPT.
fn refused_at_rcpt<'c>(at: &At<'c, Service>) -> Option<Seen<'c, StepView>> {
    let target = |sender| at.ask(&Rcpt { recipient: Recipient::Target, sender, authenticated: false });
    let null_taken = target(Sender::Null).is_ok_and(|null| null.accepted().is_some());
    target(Sender::Given).ok().filter(|given| {
        let refused = given.reply().is_some_and(|reply| reply.class() == 5);
        let for_the_sender = matches!(given.meaning, Some(Meaning::Refused | Meaning::SenderNotOwned));
        given.meaning == Some(Meaning::SenderRejected) || null_taken && refused && for_the_sender
    })
}

/// What MAIL is refused for whoever the sender is.
const AT_MAIL_CODES: &[&str] = &[
    "server-storage-full",
    "server-config-error",
    "rate-limited",
    "rcpt-deferred",
    "rcpt-rejected-dnsbl",
    "recipient-refused",
];

fn not_for_the_sender(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = mail(at, Sender::Null).or_else(|_| mail(at, Sender::Given))?;
    let reply = seen.need(|m| m.reply())?;
    let code = seen.meaning.and_then(|meaning| code_among(Phase::Mail, meaning, AT_MAIL_CODES));
    if let Some(code) = code.or(every_sender_is_refused(at).then_some("recipient-refused")) {
        let finding = takes_no_message(at, found, code, "MAIL", (seen.id(), reply));
        if code == "server-config-error" {
            for (service, refused) in put_off_before(at) {
                finding.also(service).claims(refused, Share::Whole, Basis::ServerSaid);
            }
        }
        return found.state();
    }
    // Whoever takes MAIL may say it at RCPT, where most servers do.
    Ok(State::NotApplicable)
}

/// Whether the server refuses each sender without a word that tells of the sender: then it refuses us.
fn every_sender_is_refused(at: &At<'_, Service>) -> bool {
    let refused = |sender| {
        let seen = mail(at, sender).ok().filter(|seen| seen.meaning == Some(Meaning::Refused));
        seen.is_some_and(|seen| seen.reply().is_some_and(|reply| reply.class() == 5))
    };
    refused(Sender::Null) && refused(Sender::Given)
}

/// The services of the same host that put STARTTLS or AUTH off by the same fault: what a server needs for every command fails
/// there as well (454 4.3.0).
fn put_off_before(at: &At<'_, Service>) -> Vec<(Service, ObsId)> {
    fn by_itself(reply: Option<&Reply>) -> bool {
        reply.is_some_and(|reply| reply.class() == 4 && reply.enhanced().is_some_and(|e| e.kind() == (3, 0)))
    }
    let at_starttls = |service: &Service| {
        let seen = at.ask_of(&Starttls, service).ok().filter(|seen| by_itself(seen.reply()))?;
        Some(seen.id())
    };
    let at_auth = |service: &Service| {
        let seen = at.ask_of(&Auth { with: Credentials::Given, attempt: 1 }, service).ok();
        Some(seen.filter(|seen| by_itself(seen.reply()))?.id())
    };
    services(at.case, &[Role::Smtp, Role::Submission, Role::Smtps], &at.from, false)
        .into_iter()
        .filter(|service| service.0.ip() == at.on.0.ip())
        .flat_map(|service| {
            [at_starttls(&service), at_auth(&service)].into_iter().flatten().map(move |id| (service, id))
        })
        .collect()
}

fn slow(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = mail(at, Sender::Null).or_else(|_| mail(at, Sender::Given))?;
    late_or_never(at, found, &seen, "MAIL")
}

fn vrfy(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Vrfy)?;
    let reply = seen.need(|v| v.reply())?;
    // A refusal tells something only where it is about the mailbox that cannot exist.
    let tells = match reply.code {
        250 | 251 => true,
        550 | 551 | 553 => seen.meaning == Some(Meaning::UnknownRecipient),
        _ => false,
    };
    if tells {
        found
            .is(Key::Named("VRFY".to_owned()))
            .says(format!(
                "{} tells by VRFY who has a mailbox: \"{}\"",
                called(at.case, &at.on, &at.from),
                reply.quoted()
            ))
            .detail("reply", reply.quoted())
            .witnessed(seen.id());
        return found.state();
    }
    Ok(State::Clear)
}
