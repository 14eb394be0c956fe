//! What a received message shows: clock-skew-hops, hop-slow, delivered-to-junk, message-not-rfc5322, message-id-missing;
//! and of its sender: [`authentication`].

pub(crate) mod authentication;

use super::{At, Basis, Found, Key, Rule, State, Told};
use crate::case::Why;
use crate::questions::trace::{Message, Received};
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
        Rule::mail(&["dkim-signature-fails"], authentication::dkim),
        Rule::mail(&["dmarc-fails"], authentication::dmarc),
        Rule::mail(&["arc-chain-broken"], authentication::arc),
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
            .says(format!("{between}{}", greylisted(&seen, slow.seconds)))
            .detail("host", later.as_str())
            .detail("delay_ms", slow.seconds.saturating_mul(1000))
            .witnessed(seen.id());
    }
    found.state()
}

/// What a greylisting server wrote of the wait, if it is no longer than that: `X-Greylist: delayed 502 seconds by postgrey-1.37
/// at mx.example.org`, `Delayed for 00:08:22 by milter-greylist-4.6`.
fn greylisted(message: &Message, waited: i64) -> String {
    let told = message.values("X-Greylist").find_map(|value| {
        let what = value.split(';').next()?.trim();
        let words: Vec<&str> = what.split_whitespace().collect();
        let length = match words.as_slice() {
            [delayed, seconds, unit, ..] if delayed.eq_ignore_ascii_case("delayed") && unit.starts_with("second") => {
                seconds.parse().ok()?
            }
            [delayed, "for", clock, ..] if delayed.eq_ignore_ascii_case("delayed") => clock
                .split(':')
                .try_fold(0_i64, |sum, part| Some(sum * 60 + part.parse::<u16>().ok().map(i64::from)?))?,
            _ => return None,
        };
        (60..=waited.saturating_add(60)).contains(&length).then_some(what)
    });
    told.map(|what| format!("; greylisting took that time, as X-Greylist says: {what}")).unwrap_or_default()
}

/// The most reasons of a filter that are told; the heaviest come first.
const MAX_REASONS: usize = 10;

fn junk(at: &At<'_, Mail>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Received)?;
    if let Some(filter) = seen.filters.iter().find(|filter| filter.junk == Some(true) && !filter.earlier) {
        let scored = filter.scored();
        let scored = if scored.is_empty() { scored } else { format!(" ({scored})") };
        let heaviest: Vec<&str> = filter.reasons.iter().take(MAX_REASONS).map(String::as_str).collect();
        let why = if heaviest.is_empty() { String::new() } else { format!(": {}", heaviest.join(", ")) };
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
