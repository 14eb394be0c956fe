//! path-mtu-blackhole, by contrast: a handshake that stalls, and comes about in small segments.

use super::super::ways::called;
use super::super::{At, Basis, Found, Key, Share, State, Told};
use crate::questions::tls::{Handshake, Shaken, SmallSegments};
use crate::subject::Service;

pub(super) fn vanish(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let handshake = at.ask(&Handshake)?;
    let Shaken::Stalled { waited_ms } = handshake.wire.shaken else { return Ok(State::Clear) };
    let small = at.ask(&SmallSegments)?;
    if small.done {
        found
            .is(Key::Named("large packets".to_owned()))
            .says(format!(
                "large packets vanish on the way to or from {} port {}: the TLS handshake stalls for {:.0} s, and in segments of {} octets it takes {} ms",
                called(at.case, &at.on, &at.from),
                at.on.0.port(),
                waited_ms as f64 / 1000.0,
                small.segment,
                small.observation().took_ms
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("port", at.on.0.port())
            .detail("segment", small.segment)
            .proof(small.id(), Basis::Experiment)
            .proof(handshake.id(), Basis::Experiment)
            .claims(handshake.id(), Share::Whole, Basis::Experiment);
    }
    found.state()
}
