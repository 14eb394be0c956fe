//! Test messages: marked, sent at most once a path, and only where `--send` allows it.

use maildoctor_wire::dialogue::{Command, Phase};
use maildoctor_wire::queue_id::queue_id;
use maildoctor_wire::reply::Reply;

use super::Context;
use super::session::{Session, Way};
use crate::chance;
use crate::questions::smtp::{Message, MessageWire, Path};
use crate::subject::Service;

/// The header by which a test message is known again.
pub const MARK_HEADER: &str = "X-Maildoctor-Mark";

/// The body of every test message; what arrives is held against it.
pub const BODY: &str = "This is a test message of maildoctor.\r\n\
It was sent to see whether mail arrives, and may be deleted.\r\n";

/// A message that a server took.
#[derive(Debug, Clone)]
pub struct Sent {
    /// By which path.
    pub path: Path,
    /// Its mark.
    pub mark: String,
    /// The queue id it was given.
    pub queue_id: Option<String>,
    /// When the server took it, since the start of the run.
    pub at: std::time::Duration,
}

/// Sends one message in a session, and writes down how far it came.
pub async fn send(
    context: &Context,
    way: &Way,
    session: &mut Session,
    path: Path,
    sender: &str,
    recipient: &str,
) -> Option<Sent> {
    let mark = new_mark();
    let _step = context.recorder.step(format!("test message to {} by {}", recipient, way.service));
    let at = context.recorder.now();
    let text = text(sender, recipient, &mark);
    let commands = [Command::Mail(sender), Command::Rcpt(recipient), Command::Data, Command::Content(text.as_bytes())];
    let mut wire = MessageWire { mark: mark.clone(), exchanges: Vec::new(), queue_id: None };
    for command in &commands {
        let Ok(exchange) = session
            .talk
            .say(command, context.limit().max(context.left().min(std::time::Duration::from_secs(60))))
            .await
        else {
            break;
        };
        let go_on = exchange.whole().is_some_and(Reply::is_positive);
        if exchange.phase == Phase::Content {
            wire.queue_id = exchange.whole().filter(|r| r.is_positive()).and_then(|r| queue_id(&r.text()));
        }
        wire.exchanges.push(exchange);
        if !go_on {
            break;
        }
    }
    let taken = wire.accepted();
    context.record(&Message { path }, &Service(way.service), (at, context.recorder.now() - at), &wire);
    taken.then(|| Sent { path, mark, queue_id: wire.queue_id.clone(), at: context.recorder.now() })
}

/// A mark that nobody can guess and no other run has.
fn new_mark() -> String {
    format!("md{:016x}{:016x}", chance::number(), chance::number())
}

fn text(sender: &str, recipient: &str, mark: &str) -> String {
    let from = if sender.is_empty() { recipient } else { sender };
    let domain = from.rsplit_once('@').map_or("localhost", |(_, d)| d);
    let date = jiff::Zoned::now().strftime("%a, %d %b %Y %H:%M:%S %z");
    format!(
        "Date: {date}\r\nFrom: <{from}>\r\nTo: <{recipient}>\r\nSubject: maildoctor test {mark}\r\nMessage-ID: <{mark}@{domain}>\r\n{MARK_HEADER}: {mark}\r\n\
         Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{BODY}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_what_rfc_5322_asks_for() {
        let message = text("", "anna@example.org", "md1");
        for header in ["Date: ", "From: <anna@example.org>", "Message-ID: <md1@example.org>", "X-Maildoctor-Mark: md1"]
        {
            assert!(message.contains(header), "{header}");
        }
        assert!(message.split("\r\n").all(|line| line.len() < 998 && !line.contains('\n')));
        assert_ne!(new_mark(), new_mark());
    }
}
