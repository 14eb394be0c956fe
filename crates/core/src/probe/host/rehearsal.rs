//! Exim's own rehearsal of a connection (`exim -bh`): it serves nobody, takes nothing and writes to no log.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::command::Program;
use crate::case::millis;
use crate::probe::Context;
use crate::questions::host::rehearsal::{Rehearsal, RehearsalWire, Spoken, telling};

/// A client that no server knows: of a network for examples (RFC 5737), which no list has an entry for.
pub const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

/// The most lines that are kept.
const MAX_LINES: usize = 500;

/// Has Exim go through its settings as for a stranger's connection, for as long as `limit`.
pub async fn of_exim(context: &Context, program: &str, limit: Duration) {
    let question = Rehearsal { program: program.to_owned(), client: STRANGER };
    let rehearse = Program::new(program, limit).args(["-bh", &STRANGER.to_string()]);
    let (heard, times) = context.timed(async { rehearse.watch(telling).await }).await;
    let wire = match heard {
        Ok((lines, whole)) => RehearsalWire {
            lines: lines.into_iter().take(MAX_LINES).map(|(at, text)| Spoken { at_ms: millis(at), text }).collect(),
            until_ms: millis(times.1),
            whole,
            flaw: None,
        },
        Err(error) => RehearsalWire { flaw: Some(error.to_string()), ..RehearsalWire::default() },
    };
    super::record(context, &question, times, &wire);
}
