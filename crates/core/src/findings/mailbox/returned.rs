//! A message of ours that the server took and gave up or threw away, as its own log tells: accepted-not-delivered where no mailbox
//! was read.

use super::super::{At, Found, Key, Rule, State, Told};
use super::in_the_log;
use crate::questions::host::log::{Log, given_up, thrown_away};
use crate::questions::mailbox::Arrival;
use crate::questions::smtp::Message;
use crate::subject::VantageId;

pub(super) const RULES: &[Rule] = &[Rule::vantage(&["accepted-not-delivered"], returned).over_all_vantages()];

fn returned(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    if at.case.every::<Log>().next().is_none() {
        return Ok(State::NotApplicable);
    }
    for message in at.case.every::<Message>() {
        let Some(id) = message.view().queue_id.as_deref() else { continue };
        // What the mailbox shows is told there.
        if at.case.every::<Arrival>().any(|arrival| arrival.view().queue_id.as_deref() == Some(id)) {
            continue;
        }
        let Some((log, end)) = in_the_log(at.case, id) else { continue };
        let did = match end {
            end if given_up(end) => "gave it up",
            end if thrown_away(end) => "threw it away",
            _ => continue,
        };
        found
            .is(Key::Named("given up".to_owned()))
            .says(format!("the server took the test message as {id} and {did}; its log says of it: \"{end}\""))
            .detail("queue_id", id)
            .detail("log", end)
            .witnessed(message.id())
            .witnessed(log);
    }
    found.state()
}
