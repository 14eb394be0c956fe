//! What a server takes for the end of a message's data.

use maildoctor_wire::dialogue::Exchange;
use maildoctor_wire::reply::Reply;
use serde::{Deserialize, Serialize};

use super::smtp::{Message, Path};
use crate::case::{Case, Question, Why};
use crate::subject::{Service, VantageId};

/// `smtp.line-ends/1`: a test message that holds lone dots between bare line feeds. Only CRLF, dot, CRLF ends
/// the data (RFC 5321 section 4.1.1.4); a server that stops earlier takes the rest for commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineEnds;

/// The wire facts of such a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineEndsWire {
    /// The content and the reply to it.
    pub content: Exchange,
    /// Every reply from then on up to the one to QUIT, which was all that was sent.
    pub after: Vec<Reply>,
}

impl LineEndsWire {
    /// The replies to lines of the message itself; `None` where it is not known whether there were any.
    pub fn to_the_message(&self) -> Option<&[Reply]> {
        self.content.whole()?;
        let (_to_quit, earlier) = self.after.split_last()?;
        Some(earlier)
    }
}

impl Question for LineEnds {
    const PROBE: &'static str = "smtp.line-ends/1";
    type On = Service;
    type Wire = LineEndsWire;
    type View = LineEndsWire;

    fn read(wire: LineEndsWire) -> Option<LineEndsWire> {
        Some(wire)
    }

    fn needs(&self, case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
        Message { path: Path::Mx }.needs(case, on, from)
    }
}
