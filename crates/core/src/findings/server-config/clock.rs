//! clock-wrong: the date that a server tells in its banner, held against ours.

use maildoctor_wire::received::parse_date;

use super::super::ways::called;
use super::super::{At, Basis, Found, Key, Rule, State, Told};
use crate::case::{Case, Observation, Why};
use crate::questions::dns::walk::Authoritative;
use crate::questions::dns::{Data, DnsResult};
use crate::questions::smtp::{Banner, FIRST};
use crate::questions::tcp::Role;
use crate::questions::tls::Handshake;
use crate::subject::{Addr, Kind as _, Service};

pub(super) const RULES: &[Rule] =
    &[Rule::service(&["clock-wrong"], &[Role::Smtp, Role::Submission, Role::Smtps], wrong)];

/// From here on a clock is wrong, in seconds: signatures, tickets and codes that hold for minutes begin to fail.
pub(in super::super) const WRONG_S: i64 = 300;

/// Two clocks that differ by less go alike, in seconds.
pub(in super::super) const ALIKE_S: i64 = 60;

fn wrong(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let banner = at.ask(&FIRST)?;
    let reply = banner.need(|view| view.reply())?;
    let Some(off) = off(at.case, banner.observation(), &reply.text()) else {
        return Ok(State::NotApplicable);
    };
    if off.abs() < WRONG_S {
        return Ok(State::Clear);
    }
    // Where servers of several addresses agree with each other and not with us, it is our clock that is wrong.
    let another = at.case.every::<Banner>().find(|other| {
        let elsewhere = Service::of(&other.observation().subject).is_some_and(|s| s.0.ip() != at.on.0.ip());
        let theirs = other.reply().and_then(|reply| self::off(at.case, other.observation(), &reply.text()));
        elsewhere && theirs.is_some_and(|theirs| (theirs - off).abs() < ALIKE_S)
    });
    if let Some(other) = another.filter(|_| believable(at.case, off)) {
        return Err(Why::Denied(other.id()));
    }
    let direction = if off > 0 { "ahead of" } else { "behind" };
    found
        .is(Key::from(Addr(at.on.0.ip())))
        .says(format!(
            "the clock of {} is {} {direction} ours, by the date in its banner: \"{}\"",
            called(at.case, &at.on, &at.from),
            length(off.unsigned_abs()),
            reply.quoted()
        ))
        .detail("address", at.on.0.ip().to_string())
        .detail("off_s", off)
        .proof(banner.id(), Basis::OwnMeasure);
    found.state()
}

/// How far the date in a reply is ahead of our clock when the reply came, in seconds; 0 where it lies within the wait.
pub(in super::super) fn off(case: &Case, observation: &Observation, text: &str) -> Option<i64> {
    let date = parse_date(date_in(text)?.as_str())?;
    let seconds = |ms: u64| i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    let span = observation.span();
    let began = case.started_at.as_second().saturating_add(seconds(span.from_ms));
    let ended = case.started_at.as_second().saturating_add(seconds(span.to_ms)).saturating_add(1);
    Some(if date < began { date.saturating_sub(began) } else { date.saturating_sub(ended).max(0) })
}

/// Whether our clock may be off by so much: what was signed cannot have been signed later than now.
pub(in super::super) fn believable(case: &Case, off: i64) -> bool {
    let theirs = case.now().as_second().saturating_add(off);
    let certificates = case.every::<Handshake>().filter_map(|seen| Some(seen.view().leaf()?.not_before.as_second()));
    let signatures = case.every::<Authoritative>().flat_map(|seen| match &seen.view().wire.result {
        DnsResult::Answered { answers, .. } => answers.iter().filter_map(|r| signed_at(&r.data)).collect(),
        _ => Vec::new(),
    });
    certificates.chain(signatures).all(|signed| signed <= theirs)
}

fn signed_at(data: &Data) -> Option<i64> {
    if let Data::Rrsig { inception, .. } = data { Some(i64::from(*inception)) } else { None }
}

/// The date in a text, from the name of its day to its zone: `Tue, 24 Nov 2026 20:14:33 +0100`.
fn date_in(text: &str) -> Option<String> {
    const DAYS: [&str; 7] = ["Mon,", "Tue,", "Wed,", "Thu,", "Fri,", "Sat,", "Sun,"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let day = words.iter().position(|word| DAYS.contains(word))?;
    words.get(day..day + 6).map(|date| date.join(" "))
}

pub(in super::super) fn length(seconds: u64) -> String {
    match seconds {
        0..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_usual_banners_are_found() {
        for (text, is) in [
            ("mx.example ESMTP Exim 4.96 Tue, 24 Nov 2026 20:14:33 +0100", Some("Tue, 24 Nov 2026 20:14:33 +0100")),
            (
                "mx.example Microsoft ESMTP MAIL Service ready at Tue, 24 Nov 2026 20:14:33 +0000",
                Some("Tue, 24 Nov 2026 20:14:33 +0000"),
            ),
            ("mx.example ESMTP ready Tue, 24 Nov", None),
            ("mx.example ESMTP", None),
        ] {
            assert_eq!(date_in(text).as_deref(), is);
        }
    }
}
