//! The question whether a path carries large packets from us to a server.

use serde::{Deserialize, Serialize};

use super::tcp::Connect;
use crate::case::{Case, Question, Why};
use crate::subject::{Service, VantageId};

/// `smtp.large-packet/1`: harmless commands that fill a packet, said at once where a message that fills one got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargePacket;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargePacketWire {
    /// How many octets the commands have together.
    pub octets: usize,
    /// Each was answered.
    pub answered: bool,
    /// How long the answers were waited for, in milliseconds.
    pub waited_ms: u64,
    /// Where they were not answered: the same commands in small segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub small: Option<InSmallSegments>,
}

/// The same commands in segments so small that every path carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InSmallSegments {
    /// The largest segment, in octets.
    pub segment: u32,
    /// Each was answered.
    pub answered: bool,
    /// How long the answers were waited for, in milliseconds.
    pub waited_ms: u64,
}

impl Question for LargePacket {
    const PROBE: &'static str = "smtp.large-packet/1";
    type On = Service;
    type Wire = LargePacketWire;
    type View = LargePacketWire;

    fn read(wire: LargePacketWire) -> Option<LargePacketWire> {
        Some(wire)
    }

    fn needs(&self, case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
        case.ask(&Connect, on, from)?.need(|connect| connect.open())?;
        Ok(())
    }
}
