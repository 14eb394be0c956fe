//! The session: ehlo-rejected, ehlo-slow, helo-rejected, size-limit-small, esmtp-pipelining-violation,
//! reply-malformed; smtp-smuggling.

mod smuggling;

use maildoctor_wire::dialogue::{End, Phase};
use maildoctor_wire::reply::{Flaw, Reply};
use maildoctor_wire::wording::{Meaning, named_zone};

use super::host::{largest_message, stands_here};
use super::replies::code_among;
use super::server_config::proxied;
use super::ways::{called, target_rcpt};
use super::{At, Basis, Finding, Found, Key, Rule, Share, State, Told};
use crate::case::{ObsId, Seen, Why};
use crate::catalogue::Severity;
use crate::questions::smtp::{Channel, Ehlo, FIRST, Helo, Mail, Sender, StepView, capabilities};
use crate::questions::tcp::Role;
use crate::subject::Service;

const ALL: &[Role] = &[Role::Smtp, Role::Submission, Role::Smtps];
const MX: &[Role] = &[Role::Smtp];

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::service(&["ehlo-rejected"], MX, rejected),
        Rule::service(&["ehlo-slow"], ALL, slow),
        Rule::service(&["helo-rejected"], MX, helo_rejected),
        Rule::service(AT_EHLO_CODES, MX, turned_away),
        Rule::service(&["size-limit-small"], MX, size),
        Rule::service(&["esmtp-pipelining-violation"], MX, pipelining),
        Rule::service(&["reply-malformed"], ALL, malformed),
        Rule::service(&["smtp-smuggling"], MX, smuggling::examine),
    ]
}

/// From here on a reply is slow, in milliseconds.
pub(super) const SLOW_MS: u64 = 5000;

/// Messages smaller than this are everyday mail, in octets; Postfix's default limit of 10,240,000 is above it.
const SMALL_SIZE: u64 = 10_000_000;

fn first_ehlo<'c>(at: &At<'c, Service>) -> Result<Seen<'c, StepView>, Why> {
    at.ask(&Ehlo { channel: Channel::Plain }).or_else(|_| at.ask(&Ehlo { channel: Channel::Tls }))
}

fn rejected(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let ehlo = at.ask(&Ehlo { channel: Channel::Plain })?;
    let reply = ehlo.need(|e| e.reply())?;
    if reply.class() != 5 {
        return Ok(State::Clear);
    }
    let helo = at.ask(&Helo)?;
    if helo.accepted().is_some() {
        found
            .is(Key::Named("EHLO".to_owned()))
            .says(format!(
                "{} refuses EHLO (\"{}\") and takes HELO: no TLS, no AUTH, no SIZE",
                called(at.case, &at.on, &at.from),
                reply.quoted()
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("reply", reply.quoted())
            .witnessed(ehlo.id())
            .witnessed(helo.id())
            .owes_step(ehlo.id())
            .claims(ehlo.id(), Share::Whole, Basis::Witnessed);
    }
    found.state()
}

fn slow(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let ehlo = first_ehlo(at)?;
    late_or_never(at, found, &ehlo, "EHLO")
}

/// A reply that does not come at all within the time given: no mail gets past that step.
pub(super) fn late_or_never(
    at: &At<'_, Service>,
    found: &mut Found<'_>,
    seen: &Seen<'_, StepView>,
    command: &str,
) -> Told {
    let wait = seen.exchange.wait_ms();
    if seen.exchange.end != End::TimedOut || wait < at.case.terms.timeout_ms {
        return late(at, found, seen, command);
    }
    found
        .is(Key::Named(format!("{command} silence")))
        .says(format!(
            "{} greets and then says nothing to {command} for {:.0} s",
            called(at.case, &at.on, &at.from),
            wait as f64 / 1000.0
        ))
        .severity(Severity::Blocker)
        .detail("address", at.on.0.ip().to_string())
        .detail("delay_ms", wait)
        .witnessed(seen.id())
        .owes_step(seen.id());
    found.state()
}

/// A reply that comes late: one symptom for EHLO, MAIL and RCPT alike.
pub(super) fn late(at: &At<'_, Service>, found: &mut Found<'_>, seen: &Seen<'_, StepView>, command: &str) -> Told {
    seen.need(|s| s.reply())?;
    let wait = seen.exchange.wait_ms();
    if wait >= SLOW_MS {
        found
            .is(Key::Named(format!("{command} wait")))
            .says(format!(
                "{} answers {command} only after {:.1} s",
                called(at.case, &at.on, &at.from),
                wait as f64 / 1000.0
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("delay_ms", wait)
            .witnessed(seen.id())
            .owes_wait(seen.id(), seen.observation().span());
    }
    found.state()
}

fn helo_rejected(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let ehlo = first_ehlo(at)?;
    let reply = ehlo.need(|e| e.reply())?;
    let mut refusal: Option<(ObsId, &Reply)> = None;
    if reply.class() >= 4 && !matches!(ehlo.meaning, Some(Meaning::SyncError | Meaning::ConfigError)) {
        let helo = at.ask(&Helo)?;
        if helo.accepted().is_none() && reply.class() == 5 {
            refusal = Some((ehlo.id(), reply));
        }
    }
    if let Ok(rcpt) = target_rcpt(at)
        && rcpt.meaning == Some(Meaning::HeloRejected)
    {
        refusal = refusal.or_else(|| rcpt.view().reply().map(|r| (rcpt.id(), r)));
    }
    if let Some((id, reply)) = refusal {
        found
            .is(Key::Named("HELO".to_owned()))
            .says(format!(
                "{} refuses our name {}: \"{}\"",
                called(at.case, &at.on, &at.from),
                ehlo.argument,
                reply.quoted()
            ))
            .detail("name", ehlo.argument.as_str())
            .detail("reply", reply.quoted())
            .witnessed(id)
            .owes_step(id);
    }
    found.state()
}

/// What EHLO is refused for whatever name we give.
const AT_EHLO_CODES: &[&str] =
    &["rate-limited", "server-config-error", "rcpt-deferred", "rcpt-rejected-dnsbl", "recipient-refused"];

/// A server that lets us in, before TLS or under it, and answers EHLO by sending us away. What it thinks of EHLO itself and of
/// our name, others tell: that is what HELO was tried for.
fn turned_away(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let plain = at.ask(&Ehlo { channel: Channel::Plain })?;
    plain.need(|e| e.reply())?;
    let under_tls = at.ask(&Ehlo { channel: Channel::Tls }).ok();
    let named = at.ask(&Helo).is_ok();
    for (seen, command) in [(Some(plain), "EHLO"), (under_tls, "EHLO under TLS")] {
        let Some((seen, reply)) = seen.and_then(|seen| Some((seen, seen.view().reply()?))) else { continue };
        let codes = seen.meaning.and_then(|meaning| code_among(Phase::Rcpt, meaning, AT_EHLO_CODES));
        let of_itself = |code: &&str| *code == "server-config-error";
        let Some(code) = codes.filter(|code| reply.class() == 4 || !named || of_itself(code)) else { continue };
        let finding = takes_no_message(at, found, code, command, (seen.id(), reply));
        if of_itself(&code) {
            proxied::name(at, finding, &reply.text());
        }
        return found.state();
    }
    Ok(State::NotApplicable)
}

/// A server that answers a command by refusing every message, whoever it is from and for.
pub(super) fn takes_no_message<'f>(
    at: &At<'_, Service>,
    found: &'f mut Found<'_>,
    code: &'static str,
    command: &str,
    (id, reply): (ObsId, &Reply),
) -> &'f mut Finding {
    let finding = found
        .is_a(code, Key::Named(command.to_owned()))
        .says(format!(
            "{} takes no message: it answers {command} with \"{}\"",
            called(at.case, &at.on, &at.from),
            reply.quoted()
        ))
        .detail("address", at.on.0.ip().to_string())
        .detail("reply", reply.quoted())
        .detail("code", reply.code)
        .witnessed(id);
    finding.known("zone", named_zone(&reply.text()).as_deref());
    if matches!(code, "rcpt-rejected-dnsbl" | "server-storage-full" | "recipient-refused") {
        finding.owes_step(id);
    }
    finding
}

fn size(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let (seen, capabilities) = match capabilities(at.case, &at.on, &at.from) {
        Ok(known) => known,
        // What is said before TLS may change under it, but who names a limit there means it.
        Err(why) => {
            found.missed(why);
            let plain = at.ask(&Ehlo { channel: Channel::Plain })?;
            (plain, plain.need(|e| e.capabilities.as_ref())?)
        }
    };
    at.note(seen.id());
    if let Some(limit) = capabilities.size_limit().filter(|n| (1..SMALL_SIZE).contains(n)) {
        let finding = found
            .is(Key::Named("SIZE".to_owned()))
            .says(format!("{} takes messages of at most {limit} octets", called(at.case, &at.on, &at.from)))
            .detail("limit", limit)
            .witnessed(seen.id());
        if let Some((place, settings)) = largest_message(at.case).filter(|_| stands_here(at)) {
            let says = format!("{}; that stands in {}", finding.says, place.in_words());
            finding.says(says).stands_at(&place).witnessed(settings);
        }
        for (service, refused) in super::delivery::refused_for_size(at) {
            finding.also(service).claims(refused, Share::Whole, Basis::ServerSaid);
        }
    }
    found.state()
}

fn pipelining(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let ehlo = first_ehlo(at)?;
    let mail = at.ask(&Mail { sender: Sender::Null, channel: Channel::Plain, authenticated: false });
    for seen in [Some(ehlo), mail.ok(), target_rcpt(at).ok()].into_iter().flatten() {
        if let (Some(Meaning::SyncError), Some(reply)) = (seen.meaning, seen.view().reply()) {
            found
                .is(Key::Named("synchronisation".to_owned()))
                .says(format!(
                    "{} says that the other side talked too early: \"{}\"",
                    called(at.case, &at.on, &at.from),
                    reply.quoted()
                ))
                .detail("reply", reply.quoted())
                .witnessed(seen.id());
            break;
        }
    }
    found.state()
}

fn malformed(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let banner = at.ask(&FIRST)?;
    let mut replies: Vec<(ObsId, &Reply)> =
        banner.view().wire.exchange.reply.iter().map(|r| (banner.id(), r)).collect();
    let ehlos = [Channel::Plain, Channel::Tls].map(|channel| at.ask(&Ehlo { channel }));
    if let [Err(plain), Err(tls)] = &ehlos {
        found.missed(plain.min(tls).clone());
    }
    for ehlo in ehlos.into_iter().flatten() {
        replies.extend(ehlo.view().exchange.reply.iter().map(|r| (ehlo.id(), r)));
    }
    if let Ok(rcpt) = target_rcpt(at) {
        replies.extend(rcpt.view().reply().map(|r| (rcpt.id(), r)));
    }
    for (id, reply) in replies {
        // Octets above 127 are how people outside the USA greet; every client lives with them.
        let flaws: Vec<&str> =
            reply.flaws.iter().filter(|f| !matches!(f, Flaw::EightBit)).map(|f| f.in_words()).collect();
        let no_reply_at_all = reply.code == 0;
        if !flaws.is_empty() && !no_reply_at_all {
            found
                .is(Key::Named("malformed".to_owned()))
                .says(format!(
                    "a reply of {} breaks the protocol: {}",
                    called(at.case, &at.on, &at.from),
                    flaws.join(", ")
                ))
                .detail("flaws", flaws.iter().map(|f| serde_json::Value::from(*f)).collect::<Vec<_>>())
                .detail("reply", reply.quoted())
                .witnessed(id);
            break;
        }
    }
    found.state()
}
