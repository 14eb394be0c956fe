//! What a received message shows: clock-skew-hops, hop-slow, delivered-to-junk, message-not-rfc5322, message-id-missing,
//! dkim-signature-fails, dmarc-fails, arc-chain-broken.

use maildoctor_wire::auth_results::MethodResult;

use super::{At, Basis, Found, Key, Rule, Share, State, Told};
use crate::case::{Seen, Why};
use crate::questions::trace::{Message, Received, related};
use crate::questions::way::{Clocks, in_words};
use crate::subject::Mail;

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::mail(&["clock-skew-hops"], clocks),
        Rule::mail(&["hop-slow"], slow),
        Rule::mail(&["delivered-to-junk"], junk),
        Rule::mail(&["message-not-rfc5322"], form),
        Rule::mail(&["message-id-missing"], message_id),
        Rule::mail(&["dkim-signature-fails"], dkim),
        Rule::mail(&["dmarc-fails"], dmarc),
        Rule::mail(&["arc-chain-broken"], arc),
    ]
}

fn clocks(at: &At<'_, Mail>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Received)?;
    match &seen.way.clocks {
        Clocks::Agree => {}
        Clocks::Off { host, seconds } => {
            let way = if *seconds > 0 { "ahead of" } else { "behind" };
            found
                .is(Key::Named(host.clone()))
                .says(format!(
                    "the clock of {host} is at least {} {way} those of the other servers on the message's way",
                    in_words(*seconds)
                ))
                .detail("host", host.as_str())
                .detail("seconds", *seconds)
                .proof(seen.id(), Basis::OwnMeasure);
        }
        Clocks::Unclear { earlier, later, seconds } => {
            found
                .is(Key::Named(format!("{earlier} {later}")))
                .says(format!(
                    "{later} took the message {} before {earlier} had it, by their own clocks; which of them is wrong cannot be told from this message",
                    in_words(*seconds)
                ))
                .detail("host", later.as_str())
                .detail("seconds", *seconds)
                .witnessed(seen.id());
        }
    }
    if seen.way.stops.len() < 2 && found.findings.is_empty() {
        return Ok(State::NotApplicable);
    }
    found.state()
}

fn slow(at: &At<'_, Mail>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Received)?;
    for slow in seen.way.slow() {
        let (earlier, later) = (&slow.earlier.host, &slow.later.host);
        let between = if earlier == later {
            format!("{later} kept the message {}", in_words(slow.seconds))
        } else {
            format!("{later} got the message {} after {earlier} had it", in_words(slow.seconds))
        };
        found
            .is(Key::Named(format!("{} {earlier} {later}", slow.later.place)))
            .says(between)
            .detail("host", later.as_str())
            .detail("delay_ms", slow.seconds.saturating_mul(1000))
            .witnessed(seen.id());
    }
    found.state()
}

fn junk(at: &At<'_, Mail>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Received)?;
    if let Some(filter) = seen.filters.iter().find(|filter| filter.junk == Some(true)) {
        let scored = filter.scored();
        let scored = if scored.is_empty() { scored } else { format!(" ({scored})") };
        let why = if filter.reasons.is_empty() { String::new() } else { format!(": {}", filter.reasons.join(", ")) };
        found
            .is(Key::Named(filter.filter.to_owned()))
            .says(format!("{} takes the message for junk{scored}{why}", filter.filter))
            .detail("folder", "the junk folder")
            // Whoever passed the message on may have written that field.
            .proof(seen.id(), Basis::OwnMeasure);
    }
    found.state()
}

/// The fields of which a message has one at most (RFC 5322 section 3.6).
const ONCE: [&str; 11] =
    ["Date", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Message-ID", "In-Reply-To", "References", "Subject"];

fn form(at: &At<'_, Mail>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Received)?;
    let mut flaws = Vec::new();
    for name in ONCE {
        match seen.values(name).count() {
            0 if matches!(name, "Date" | "From") && !seen.wire.cut => flaws.push(format!("there is no {name} field")),
            0 | 1 => {}
            n => flaws.push(format!("there are {n} {name} fields")),
        }
    }
    if let Some((line, octets)) = seen.wire.long_line {
        flaws.push(format!("line {line} has {octets} octets, and 998 are allowed"));
    }
    if let Some(line) = seen.wire.bare_lf {
        flaws.push(format!("line {line} ends with a bare LF, where others end with CRLF"));
    }
    if !flaws.is_empty() {
        found
            .is(at.on.clone())
            .says(format!("the message breaks the format rules: {}", flaws.join("; ")))
            .detail("flaws", flaws.join("; "))
            .witnessed(seen.id());
    } else if seen.wire.cut {
        return Err(Why::Denied(seen.id()));
    }
    found.state()
}

fn message_id(at: &At<'_, Mail>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Received)?;
    if seen.value("Message-ID").is_some_and(|id| !id.trim().is_empty()) {
        return Ok(State::Clear);
    }
    if seen.wire.cut {
        return Err(Why::Denied(seen.id()));
    }
    found.is(at.on.clone()).says("the message has no Message-ID").witnessed(seen.id());
    found.state()
}

/// What the receiving server found by a method.
///
/// # Errors
/// It says nothing that can be believed.
fn told<'m>(seen: &Seen<'_, Message>, message: &'m Message, method: &'m str) -> Result<Vec<&'m MethodResult>, Why> {
    let results = message.results.as_ref().ok_or(Why::Denied(seen.id()))?;
    let of: Vec<_> = results.results.iter().filter(|result| result.method == method).collect();
    if of.is_empty() { Err(Why::Denied(seen.id())) } else { Ok(of) }
}

/// Who says it: the server that wrote the results.
fn server(message: &Message) -> &str {
    message.results.as_ref().and_then(|results| results.server.as_deref()).unwrap_or("the receiving server")
}

fn reason(result: &MethodResult) -> String {
    result.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default()
}

fn dkim(at: &At<'_, Mail>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Received)?;
    let message = seen.view();
    if message.values("DKIM-Signature").next().is_none() {
        return Ok(State::NotApplicable);
    }
    let results = told(&seen, message, "dkim")?;
    // One good signature is what receivers ask for.
    if results.iter().any(|result| result.result == "pass") {
        return Ok(State::Clear);
    }
    let Some(failed) = results.iter().find(|r| matches!(r.result.as_str(), "fail" | "neutral" | "permerror")) else {
        return Err(Why::Denied(seen.id()));
    };
    let identity = failed.property("header.i").and_then(|i| i.rsplit_once('@')).map(|(_, domain)| domain);
    let domain = failed.property("header.d").or(identity);
    let whose = domain.map(|domain| format!(" of {domain}")).unwrap_or_default();
    let finding = found
        .is(Key::Named(format!("dkim{whose}")))
        .says(format!(
            "the DKIM signature{whose} does not verify, says {} ({}{})",
            server(message),
            failed.result,
            reason(failed)
        ))
        .known("domain", domain)
        .known("reason", failed.reason.as_deref())
        .proof(seen.id(), Basis::ServerSaid);
    // A signature of another house would not have made DMARC pass.
    let author = message.author_domain();
    if domain.zip(author.as_deref()).is_some_and(|(signer, author)| related(signer, author)) {
        finding.claims(seen.id(), Share::Whole, Basis::ServerSaid);
    }
    found.state()
}

fn dmarc(at: &At<'_, Mail>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Received)?;
    let message = seen.view();
    let results = told(&seen, message, "dmarc")?;
    let Some(failed) = results.iter().find(|result| result.result == "fail") else {
        return if results.iter().any(|r| matches!(r.result.as_str(), "pass" | "bestguesspass" | "none")) {
            Ok(State::Clear)
        } else {
            Err(Why::Denied(seen.id()))
        };
    };
    let author = message.author_domain();
    let domain = failed.property("header.from").or(author.as_deref());
    let other = |method: &str| {
        let results = told(&seen, message, method).unwrap_or_default();
        results.first().map_or_else(|| format!("{method} not told"), |first| format!("{method} {}", first.result))
    };
    found
        .is(Key::Named(format!("dmarc {}", domain.unwrap_or_default())))
        .says(format!(
            "DMARC fails for {}, says {}{} ({}, {})",
            domain.unwrap_or("the author's domain"),
            server(message),
            reason(failed),
            other("spf"),
            other("dkim")
        ))
        .known("domain", domain)
        .proof(seen.id(), Basis::ServerSaid)
        .owes_step(seen.id());
    found.state()
}

fn arc(at: &At<'_, Mail>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Received)?;
    let message = seen.view();
    let seals: Vec<_> = message.values("ARC-Seal").collect();
    if seals.is_empty() {
        return Ok(State::NotApplicable);
    }
    let tag = |seal: &str, name: &str| {
        let tags = seal.split(';').filter_map(|tag| tag.trim().split_once('='));
        tags.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name).map(|(_, v)| v.to_owned())
    };
    let failed = seals.iter().find(|seal| tag(seal, "cv").is_some_and(|cv| cv.eq_ignore_ascii_case("fail")));
    let result = told(&seen, message, "arc").ok().and_then(|results| results.first().copied());
    if let Some(seal) = failed {
        let domain = tag(seal, "d").unwrap_or_else(|| "a server on the way".to_owned());
        found
            .is(Key::Named(format!("arc {domain}")))
            .says(format!("the ARC chain was broken before it came to {domain}, whose seal says cv=fail"))
            .detail("domain", domain)
            .proof(seen.id(), Basis::ServerSaid);
    } else if let Some(result) = result.filter(|result| result.result == "fail") {
        found
            .is(Key::Named("arc".to_owned()))
            .says(format!("the ARC chain does not verify, says {}{}", server(message), reason(result)))
            .proof(seen.id(), Basis::ServerSaid);
    } else if result.is_none_or(|result| result.result != "pass") {
        return Err(Why::Denied(seen.id()));
    }
    found.state()
}
