//! Whether the path to a server carries large packets, looked at where a message got no answer.
//!
//! No second message shows it: a server may have taken the first, and its answer be what was lost. Commands that ask for nothing
//! show the same, once in packets as large as they come and once in small segments.

use std::time::Duration;

use super::Context;
use super::session::{self, Way};
use crate::case::millis;
use crate::questions::packets::{InSmallSegments, LargePacket, LargePacketWire};
use crate::questions::smtp::Errand;
use crate::subject::Service;
use crate::vantage::SMALL_SEGMENT;

/// The most that a command line may have, its end included (RFC 5321 section 4.5.3.1.4).
const LINE: usize = 512;

/// How many are said: together they fill a packet of an Ethernet, and are few enough for every server's patience.
const COMMANDS: usize = 4;

/// How long the answers may take: lost segments were repeated four times by then.
const LIMIT: Duration = Duration::from_secs(5);

/// Says commands that fill a packet, and where they are not answered says them again in small segments. `tls` says whether that
/// happens under TLS, as the message did.
pub async fn contrast(context: &Context, way: &Way, tls: bool) {
    let at = context.recorder.now();
    let octets = commands();
    let Some((answered, waited_ms)) = say(context, way, Errand::LargePacket, tls, &octets).await else { return };
    let small = if answered { None } else { say(context, way, Errand::SmallPackets, tls, &octets).await };
    let small = small.map(|(answered, waited_ms)| InSmallSegments { segment: SMALL_SEGMENT, answered, waited_ms });
    let wire = LargePacketWire { octets: octets.len(), answered, waited_ms, small };
    context.record(&LargePacket, &Service(way.service), (at, context.recorder.now() - at), &wire);
}

/// RSET, with trailing space that a server tolerates (RFC 5321 section 4.1.1), and NOOP, with an argument that nobody reads
/// (section 4.1.1.9): only the last of a group may be a NOOP (RFC 2920 section 3.1).
fn commands() -> Vec<u8> {
    let filled =
        |verb: &str, filling: &str| format!("{verb} {}\r\n", filling.repeat(LINE - verb.len() - " \r\n".len()));
    [filled("RSET", " ").repeat(COMMANDS - 1), filled("NOOP", "x")].concat().into_bytes()
}

/// Whether the commands are answered in a session of their own, and after how long; `None` where there is no such session.
async fn say(context: &Context, way: &Way, errand: Errand, tls: bool, octets: &[u8]) -> Option<(bool, u64)> {
    let mut session = session::later_visit(context, way, errand, tls).await?;
    // Only with PIPELINING may a client say more than one thing at once (RFC 2920).
    if !session.capabilities.as_ref().is_some_and(|held| held.offers("PIPELINING")) {
        session.leave(context, way).await;
        return None;
    }
    let _step = context.recorder.step(format!("{} octets at once to {}", octets.len(), way.service));
    let began = tokio::time::Instant::now();
    let answered = match session.talk.send_raw(octets).await {
        Ok(()) => {
            let heard = session.talk.read_raw(LIMIT.min(context.left()), |heard| replies(heard) >= COMMANDS).await;
            replies(&heard) >= COMMANDS
        }
        Err(_) => false,
    };
    let waited_ms = millis(began.elapsed());
    if answered {
        session.leave(context, way).await;
    }
    Some((answered, waited_ms))
}

/// How many replies came to their end: with a space, or nothing, behind the code (RFC 5321 section 4.2.1).
fn replies(heard: &[u8]) -> usize {
    let whole = heard.split_inclusive(|octet| *octet == b'\n').filter(|line| line.ends_with(b"\n"));
    whole.filter(|line| line.get(3) != Some(&b'-')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_fill_a_packet_and_each_fits_its_line() {
        let octets = commands();
        assert!(octets.len() > 1500);
        let lines: Vec<&[u8]> = octets.split_inclusive(|octet| *octet == b'\n').collect();
        assert_eq!(lines.len(), COMMANDS);
        assert!(lines.iter().all(|line| line.len() <= LINE && line.ends_with(b"\r\n")));
        assert!(lines.iter().rev().skip(1).all(|line| line.trim_ascii() == b"RSET"));
    }

    #[test]
    fn replies_are_counted_by_their_last_lines() {
        assert_eq!(replies(b"250 ok\r\n250-two\r\n250 lines\r\n250 half"), 2);
        assert_eq!(replies(b""), 0);
    }
}
