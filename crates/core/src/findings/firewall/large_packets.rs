//! path-mtu-blackhole, by contrast: what stalls in large packets comes about in small segments, a handshake or commands beside
//! a message.

use maildoctor_wire::dialogue::{End, Phase};

use super::super::ways::called;
use super::super::{At, Basis, Finding, Found, Key, Share, State, Told};
use crate::case::{ObsId, Why};
use crate::questions::packets::LargePacket;
use crate::questions::smtp::{Message, Path};
use crate::questions::tls::{Handshake, Shaken, SmallSegments};
use crate::subject::Service;

pub(super) fn vanish(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let by_message = beside_a_message(at, found);
    match (in_a_handshake(at, found), by_message) {
        (Ok(State::Found), _) | (_, Ok(State::Found)) => Ok(State::Found),
        // A message that stalled says more than a handshake that did not.
        (_, Err(why)) if why.shown_by().is_some() => Err(why),
        (by_handshake, _) => by_handshake,
    }
}

fn in_a_handshake(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let handshake = at.ask(&Handshake)?;
    let Shaken::Stalled { waited_ms } = handshake.wire.shaken else { return Ok(State::Clear) };
    let small = at.ask(&SmallSegments)?;
    if !small.done {
        return Ok(State::Clear);
    }
    let contrast = format!(
        "the TLS handshake stalls for {:.0} s, and in segments of {} octets it takes {} ms",
        waited_ms as f64 / 1000.0,
        small.segment,
        small.observation().took_ms
    );
    say(at, found, &contrast, small.segment)
        .proof(small.id(), Basis::Experiment)
        .proof(handshake.id(), Basis::Experiment)
        .claims(handshake.id(), Share::Whole, Basis::Experiment);
    Ok(State::Found)
}

/// The message itself was sent once, and the commands that were said beside it show what became of it.
fn beside_a_message(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let stalled = stalled_messages(at);
    let Some(first) = stalled.first() else { return Err(Why::NotPlanned) };
    let beside = at.ask(&LargePacket).map_err(|_| Why::Denied(*first))?;
    if beside.answered {
        return Ok(State::Clear);
    }
    let Some(small) = beside.small.filter(|small| small.answered) else { return Err(Why::Denied(beside.id())) };
    let contrast = format!(
        "a message gets no answer, {} octets of commands at once get none for {:.0} s, and in segments of {} octets they \
         take {} ms",
        beside.octets,
        beside.waited_ms as f64 / 1000.0,
        small.segment,
        small.waited_ms
    );
    let finding = say(at, found, &contrast, small.segment).proof(beside.id(), Basis::Experiment);
    for message in stalled {
        finding.proof(message, Basis::Experiment).claims(message, Share::Whole, Basis::Experiment);
    }
    Ok(State::Found)
}

/// The messages to whose end nothing was answered.
fn stalled_messages(at: &At<'_, Service>) -> Vec<ObsId> {
    let sent =
        [Path::Mx, Path::Submission, Path::Outside].into_iter().filter_map(|path| at.ask(&Message { path }).ok());
    let stalled = sent.filter(|message| {
        message.view().last().is_some_and(|last| last.phase == Phase::Content && last.end == End::TimedOut)
    });
    stalled.map(|message| message.id()).collect()
}

fn say<'f>(at: &At<'_, Service>, found: &'f mut Found<'_>, contrast: &str, segment: u32) -> &'f mut Finding {
    found
        .is(Key::Named("large packets".to_owned()))
        .says(format!(
            "large packets vanish on the way to or from {} port {}: {contrast}",
            called(at.case, &at.on, &at.from),
            at.on.0.port()
        ))
        .detail("address", at.on.0.ip().to_string())
        .detail("port", at.on.0.port())
        .detail("segment", segment)
}
