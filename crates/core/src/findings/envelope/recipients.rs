//! The reply to the address under test, told apart by its meaning; and recipient-catch-all,
//! postmaster-missing, rcpt-slow, rcpt-timeout.

use maildoctor_wire::dialogue::{End, Phase};
use maildoctor_wire::octets::shell_word;
use maildoctor_wire::wording::{Meaning, named_zone};

use super::super::ehlo::late;
use super::super::host::stands_here;
use super::super::replies::code_among;
use super::super::reputation::was_asked;
use super::super::ways::{another_takes, called, null_refused_at_rcpt, rcpt, target_rcpt};
use super::super::{At, Found, Key, Rule, State, Told};
use crate::case::{ObsId, Seen, Why};
use crate::questions::smtp::{Recipient, StepView};
use crate::questions::tcp::Role;
use crate::subject::Service;

const MX: &[Role] = &[Role::Smtp];

const CODES: &[&str] = &[
    "recipient-unknown",
    "recipient-mailbox-full",
    "recipient-disabled",
    "greylisting",
    "rcpt-deferred",
    "rcpt-rejected-dnsbl",
    "rate-limited",
    "sender-rejected",
    "server-storage-full",
    "server-config-error",
    "recipient-refused",
];

pub(super) const RULES: &[Rule] = &[
    Rule::service(CODES, MX, target),
    Rule::service(&["recipient-catch-all"], MX, catch_all),
    Rule::service(&["postmaster-missing"], MX, postmaster),
    Rule::service(&["rcpt-slow"], MX, slow),
    Rule::service(&["rcpt-timeout"], MX, timeout),
];

fn target(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = target_rcpt(at)?;
    let reply = seen.need(|r| r.reply())?;
    let Some(meaning) = seen.meaning else {
        return Ok(State::Clear);
    };
    // What another rule answers for hides what this one looks for.
    let code = code_among(Phase::Rcpt, meaning, CODES).ok_or(Why::Denied(seen.id()))?;
    let everybody = said_of_everybody(at, meaning);
    let code = match everybody {
        Some(_) if reply.class() == 4 => "rcpt-deferred",
        Some(_) => "recipient-refused",
        None => code,
    };
    // What only one exchanger of several says is a question of preference (mx-preference-inverted, mx-wrong-host).
    if matches!(meaning, Meaning::Deferred | Meaning::Refused | Meaning::DomainUnknown) && another_takes(at) {
        return Ok(State::Clear);
    }
    // So has a server that takes no null sender.
    if meaning == Meaning::SenderRejected && null_refused_at_rcpt(at).is_some_and(|null| null.id() == seen.id()) {
        return Ok(State::NotApplicable);
    }
    // That postmaster is missing has a code of its own.
    if seen.argument.starts_with("postmaster@") && meaning == Meaning::UnknownRecipient {
        return Ok(State::NotApplicable);
    }
    let server = called(at.case, &at.on, &at.from);
    let quoted = reply.quoted();
    let recipient = &seen.argument;
    let says = match code {
        "recipient-unknown" => {
            format!("the mailbox {recipient} does not exist: {server} says \"{quoted}\"")
        }
        "recipient-mailbox-full" => {
            format!("the mailbox {recipient} is full: {server} says \"{quoted}\"")
        }
        "recipient-disabled" => {
            format!("the mailbox {recipient} is disabled: {server} says \"{quoted}\"")
        }
        "greylisting" => {
            format!("{server} puts strangers off at their first try (greylisting): \"{quoted}\"")
        }
        "rcpt-deferred" => format!("{server} puts {recipient} off: \"{quoted}\""),
        "rcpt-rejected-dnsbl" => {
            format!("{server} refuses our address because of a blacklist: \"{quoted}\"")
        }
        "rate-limited" => format!("{server} says that too much comes from us: \"{quoted}\""),
        "sender-rejected" => format!("{server} refuses the sender: \"{quoted}\""),
        "server-storage-full" => format!("the disk of {server} is full: \"{quoted}\""),
        "server-config-error" => format!("{server} says that it is set up wrongly: \"{quoted}\""),
        _ => format!("{server} refuses {recipient}: \"{quoted}\""),
    };
    let says = match &everybody {
        Some(_) => format!("{says}; to a mailbox that cannot exist it says the same"),
        None => says,
    };
    let finding = found
        .is_a(code, Key::Named(recipient.clone()))
        .says(says)
        .detail("recipient", recipient.as_str())
        .detail("address", at.on.0.ip().to_string())
        .detail("reply", quoted)
        .detail("code", reply.code)
        .witnessed(seen.id());
    if let Some(other) = everybody {
        finding.witnessed(other);
    }
    if let Some(enhanced) = reply.enhanced() {
        finding.detail("enhanced_code", enhanced.to_string());
    }
    let zone = named_zone(&reply.text());
    finding.known("zone", zone.as_deref());
    if let Some(zone) = zone.as_deref().filter(|_| code == "rcpt-rejected-dnsbl" && stands_here(at)) {
        finding.named_in_settings(at.case, zone);
    }
    let may_have_a_cause =
        ["rcpt-deferred", "rcpt-rejected-dnsbl", "server-storage-full", "recipient-refused", "sender-rejected"];
    if may_have_a_cause.contains(&code) {
        finding.owes_step(seen.id());
    }
    if let Some(zone) = zone.filter(|zone| code == "rcpt-rejected-dnsbl" && !was_asked(at.case, zone)) {
        let why = format!("whether {zone} lists the address that we come from, and why, or everybody");
        found.suggest_with(code, why, format!("--dnsbl={}", shell_word(&zone)));
    }
    found.state()
}

/// The same words for a mailbox that cannot exist: then they are not about the one under test.
fn said_of_everybody(at: &At<'_, Service>, meaning: Meaning) -> Option<ObsId> {
    let of_one = matches!(meaning, Meaning::DisabledRecipient | Meaning::FullMailbox);
    let other = rcpt(at, Recipient::Random).ok()?;
    (of_one && other.meaning == Some(meaning)).then(|| other.id())
}

/// That a reply to RCPT says something of the recipient: a refusal of us, of the sender or of everybody does not.
fn about_the_recipient(seen: &Seen<'_, StepView>) -> Result<(), Why> {
    let about = match seen.meaning {
        None => true,
        Some(meaning) => matches!(
            meaning,
            Meaning::UnknownRecipient | Meaning::DisabledRecipient | Meaning::FullMailbox | Meaning::Refused
        ),
    };
    if about { Ok(()) } else { Err(Why::Denied(seen.id())) }
}

fn catch_all(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = rcpt(at, Recipient::Random)?;
    seen.need(|r| r.reply())?;
    about_the_recipient(&seen)?;
    if seen.accepted().is_some() {
        found
            .is(Key::Named("catch-all".to_owned()))
            .says(format!(
                "{} takes mail for a mailbox that cannot exist ({}): whether a mailbox exists cannot be told at RCPT",
                called(at.case, &at.on, &at.from),
                seen.argument
            ))
            .detail("recipient", seen.argument.as_str())
            .witnessed(seen.id());
    }
    found.state()
}

fn postmaster(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = rcpt(at, Recipient::Postmaster)?;
    let reply = seen.need(|r| r.reply())?;
    about_the_recipient(&seen)?;
    if reply.class() == 5 && matches!(seen.meaning, Some(Meaning::UnknownRecipient | Meaning::DisabledRecipient)) {
        found
            .is(Key::Named("postmaster".to_owned()))
            .says(format!(
                "{} refuses {}, the address every domain must have: \"{}\"",
                called(at.case, &at.on, &at.from),
                seen.argument,
                reply.quoted()
            ))
            .detail("recipient", seen.argument.as_str())
            .detail("reply", reply.quoted())
            .witnessed(seen.id());
    }
    found.state()
}

fn slow(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = target_rcpt(at)?;
    if seen.meaning == Some(Meaning::ConfigError) {
        // What the server cannot look up it waits for in vain; that is told by its reply.
        return Err(Why::Denied(seen.id()));
    }
    late(at, found, &seen, "RCPT")
}

fn timeout(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = target_rcpt(at)?;
    if seen.exchange.end == End::TimedOut {
        found
            .is(Key::Named("RCPT silence".to_owned()))
            .says(format!(
                "{} answers everything up to MAIL and then says nothing to RCPT for {:.0} s",
                called(at.case, &at.on, &at.from),
                seen.exchange.wait_ms() as f64 / 1000.0
            ))
            .detail("recipient", seen.argument.as_str())
            .detail("address", at.on.0.ip().to_string())
            .detail("waited_ms", seen.exchange.wait_ms())
            .witnessed(seen.id());
    }
    found.state()
}
