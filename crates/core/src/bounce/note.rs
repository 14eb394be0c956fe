//! A note for the postmaster at the other side: what they need to find it in their log, and what is asked of them.

use std::fmt::Write as _;

use super::judge::{Fault, Judgement, Outcome};
use super::model::step;
use super::read::Reading;
use crate::questions::bounce::Said;

/// The note, where those who run the other server can help.
pub(super) fn note(said: &Said, judgement: &Judgement, reading: &Reading) -> Option<String> {
    let asked = match (judgement.sense.fault, judgement.code) {
        (Fault::TheirServer, _) => "Could you please look into it?",
        (Fault::InBetween, _) if said.host.is_some() => "Could you please see whether your side cuts or drops it?",
        (Fault::YourServer, "recipient-refused") => {
            "Could you please tell us what our server is blocked for, and lift the block?"
        }
        (Fault::Unknown, _) => "Could you please tell us why, and what we should change?",
        _ => return None,
    };
    let recipient = said.recipients.first()?;
    let domain = recipient.rsplit_once('@')?.1;
    let does = match (judgement.outcome, &said.reply) {
        (Outcome::Final, Some(_)) => "was refused",
        (Outcome::Final, None) => "could not be delivered",
        _ => "is being put off",
    };
    let mut out = format!(
        "To: postmaster@{domain}\nSubject: Mail to {recipient} {does}\n\nHello,\n\nour mail to {recipient} {does}. As far as we can tell, {}.\n\n",
        judgement.sense.means
    );
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            let _ = writeln!(out, "  {name:<14}{value}");
        }
    };
    let whole = &reading.whole;
    line("Your server", said.host.clone());
    let label = if said.reply.is_some() { "answered" } else { "Ours says" };
    line(label, Some(said.quoted()));
    line("to", said.phase.map(|phase| step(phase).to_owned()));
    line("Recipient", Some(recipient.clone()));
    line("Sender", whole.returned_to.clone());
    line("Our server", whole.reporter.clone());
    line("Message-ID", whole.message_id.clone());
    let times = (said.count > 1).then(|| format!("{} times", said.count));
    line("How often", times);
    line("First", said.first.map(|t| t.to_string()));
    line("Last", said.last.map(|t| t.to_string()));
    let _ = write!(out, "\n{asked}\n\nThank you\n");
    Some(out)
}
