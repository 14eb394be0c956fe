//! The question whether a place can be looked from at all.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::case::Question;
use crate::subject::VantageId;

/// `vantage.open/1`: logs in to the machine, or asks the proxy, that is to be looked through. Where that fails,
/// nothing is asked from there, and nothing is said of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Opened {
    /// The place can be looked from.
    Ready {
        /// The resolver that is asked there.
        resolver: SocketAddr,
        /// Whether it is the place's own; otherwise the one that was named is asked from there.
        own_resolver: bool,
        /// The address that its connections come from, where it told us.
        source: Option<IpAddr>,
    },
    /// It cannot.
    Failed {
        /// Why, and what to do, in a sentence.
        error: String,
    },
}

impl Question for Opening {
    const PROBE: &'static str = "vantage.open/1";
    type On = VantageId;
    type Wire = Opened;
    type View = Opened;

    fn read(wire: Opened) -> Option<Opened> {
        Some(wire)
    }
}

impl Opened {
    /// Why the place cannot be looked from, where it cannot.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Opened::Ready { .. } => None,
            Opened::Failed { error } => Some(error),
        }
    }
}
