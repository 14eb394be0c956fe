//! smtp-smuggling: a dot between bare line feeds ends the message, and what follows is run as commands.

use maildoctor_wire::reply::Reply;

use crate::case::Why;
use crate::findings::ways::called;
use crate::findings::{At, Found, Key, Told};
use crate::questions::line_ends::LineEnds;
use crate::subject::Service;

/// The most replies that are quoted.
const QUOTED: usize = 4;

pub(super) fn examine(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&LineEnds)?;
    let replies = seen.view().to_the_message().ok_or(Why::Denied(seen.id()))?;
    if !replies.is_empty() {
        let quoted: Vec<String> = replies.iter().take(QUOTED).map(Reply::quoted).collect();
        found
            .is(Key::Named("end of data".to_owned()))
            .says(format!(
                "{} ends a message at a dot between bare line feeds, and runs the lines behind it as commands",
                called(at.case, &at.on, &at.from)
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("replies", quoted)
            .witnessed(seen.id());
    }
    found.state()
}
