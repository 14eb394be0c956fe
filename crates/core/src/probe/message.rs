//! Test messages: marked, sent at most once a path, and only where `--send` allows it.

use std::time::Duration;

use futures::future::join;
use maildoctor_wire::dialogue::{Command, Phase};
use maildoctor_wire::queue_id::queue_id;
use maildoctor_wire::reply::{Reply, ReplyParser};

use super::Context;
use super::packets;
use super::session::{Session, Way};
use super::talk::Talk;
use crate::chance;
use crate::questions::line_ends::{LineEnds, LineEndsWire};
use crate::questions::smtp::{Channel, Message, MessageWire, Path};
use crate::subject::Service;

/// The header by which a test message is known again.
pub const MARK_HEADER: &str = "X-Maildoctor-Mark";

/// What the body of every test message begins with.
const INTRO: &str = "This is a test message of maildoctor.\r\n\
It was sent to see whether mail arrives, and may be deleted.\r\n\r\n";

/// How many lines follow, so that the message fills more than one packet, as mail does: on some paths only small packets arrive.
const FILLING: usize = 40;

/// How long the answer to a message may take before it is looked whether the path carries large packets.
const PATIENCE: Duration = Duration::from_secs(10);

/// What stands before the ambiguous ends, for whoever reads the message.
const ENDS_INTRO: &str = "The rest shows whether the server takes bare line feeds for the end of a message.\r\n";

/// Three lone dots that end no message (RFC 5321 section 4.1.1.4), each between other line ends. A server that
/// stops at one of them takes the lines behind it for commands: they ask for nothing, and four at most are
/// no commands at all.
const AMBIGUOUS_ENDS: &str = "NOOP\n.\nNOOP\n.\r\nNOOP\r\n.\nNOOP\r\n";

/// How long the replies after the content are listened to.
const AFTERWARDS: Duration = Duration::from_secs(10);

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
    pub at: Duration,
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
    session.fresh(context, way).await?;
    let wire = transmit(context, way, session, &mark, sender, recipient, &Command::Content(text.as_bytes())).await;
    note(context, way, path, at, wire)
}

/// Sends the message by the exchanger's path with three ambiguous ends in its body: a sound server delivers
/// one message, or refuses it. `Err` where it was refused, so that it may be sent again without them.
///
/// # Errors
/// The server refused the message: nothing was taken.
pub async fn send_with_ambiguous_ends(
    context: &Context,
    way: &Way,
    mut session: Session,
    sender: &str,
    recipient: &str,
) -> Result<Option<Sent>, Refused> {
    let mark = new_mark();
    let _step = context.recorder.step(format!("test message to {} by {}", recipient, way.service));
    let at = context.recorder.now();
    let octets = format!("{}{ENDS_INTRO}{AMBIGUOUS_ENDS}.\r\n", text(sender, recipient, &mark));
    let command = Command::RawContent(octets.as_bytes());
    let wire = transmit(context, way, &mut session, &mark, sender, recipient, &command).await;
    let content = wire.last().filter(|e| e.phase == Phase::Content).cloned();
    let refused = content.as_ref().is_some_and(|e| e.whole().is_some_and(|r| !r.is_positive()));
    if let Some(content) = content {
        let ends = LineEndsWire { content, after: afterwards(context, session.talk).await };
        context.record(&LineEnds, &Service(way.service), (at, context.recorder.now() - at), &ends);
    } else {
        session.leave(context, way).await;
    }
    if refused { Err(Refused) } else { Ok(note(context, way, Path::Mx, at, wire)) }
}

/// The server answered the content with a refusal.
#[derive(Debug)]
pub struct Refused;

/// Says QUIT, and gives every reply up to the one to it.
async fn afterwards(context: &Context, mut talk: Talk) -> Vec<Reply> {
    let limit = context.limit().min(AFTERWARDS);
    let Ok(first) = talk.say(&Command::Quit, limit).await else { return Vec::new() };
    let Some(first) = first.whole().cloned() else { return Vec::new() };
    if first.code == 221 {
        return vec![first];
    }
    // Something was answered that is not the QUIT: more may follow, and the last of it is.
    let mut octets = talk.dialogue().early().to_vec();
    let goodbye = |octets: &[u8]| octets.windows(4).any(|w| w == b"221 ");
    if !goodbye(&octets) {
        octets.extend(talk.read_raw(limit, goodbye).await);
    }
    let mut parser = ReplyParser::default();
    let mut next = parser.feed(&octets, Duration::ZERO);
    let rest = std::iter::from_fn(|| {
        let reply = next.take()?.reply;
        next = parser.feed(b"", Duration::ZERO);
        Some(reply)
    });
    std::iter::once(first).chain(rest).collect()
}

/// MAIL, RCPT, DATA and the content, as far as the server goes along.
async fn transmit(
    context: &Context,
    way: &Way,
    session: &mut Session,
    mark: &str,
    sender: &str,
    recipient: &str,
    content: &Command<'_>,
) -> MessageWire {
    let commands = [&Command::Mail(sender), &Command::Rcpt(recipient), &Command::Data, content];
    let mut wire = MessageWire { mark: mark.to_owned(), exchanges: Vec::new(), queue_id: None };
    let tls = session.channel == Channel::Tls;
    for command in commands {
        let said = session.talk.say(command, context.limit().max(context.left().min(Duration::from_secs(60))));
        let said = match command {
            Command::Content(_) | Command::RawContent(_) => patiently(context, way, tls, said).await,
            _ => said.await,
        };
        let Ok(exchange) = said else {
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
    wire
}

/// Waits for the answer to a message, and looks meanwhile behind one that is late.
async fn patiently<T>(context: &Context, way: &Way, tls: bool, said: impl Future<Output = T>) -> T {
    let mut said = std::pin::pin!(said);
    match tokio::time::timeout(PATIENCE, &mut said).await {
        Ok(done) => done,
        // Boxed: a visit is large, and is seldom needed.
        Err(_) => join(said, Box::pin(packets::contrast(context, way, tls))).await.0,
    }
}

/// Writes a message down, and gives it back where the server took it.
fn note(context: &Context, way: &Way, path: Path, at: Duration, wire: MessageWire) -> Option<Sent> {
    context.record(&Message { path }, &Service(way.service), (at, context.recorder.now() - at), &wire);
    wire.accepted().then(|| Sent { path, mark: wire.mark, queue_id: wire.queue_id, at: context.recorder.now() })
}

/// Whether a body that arrived is the one that was sent. Of the ambiguous ends any part may be missing: a server
/// that stops early, or one that tidies line ends, leaves less of them.
pub fn body_is_kept(body: &str) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let body = words(body);
    let (start, ends) = body.split_once(&words(ENDS_INTRO)).unwrap_or((&body, ""));
    start.trim() == words(&content()) && ends.split_whitespace().all(|word| matches!(word, "NOOP" | "." | ".."))
}

/// The body of every test message; what arrives is held against it.
fn content() -> String {
    let line = |n| format!("Line {n:02} of {FILLING}: mail fills more than one packet, and so does this message.\r\n");
    std::iter::once(INTRO.to_owned()).chain((1..=FILLING).map(line)).collect()
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
         Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{}",
        content()
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
        assert!(message.len() > 2 * 1460, "it fills more than one packet");
        assert!(message.split("\r\n").all(|line| line.len() < 998 && !line.contains('\n')));
        assert_ne!(new_mark(), new_mark());
    }

    #[test]
    fn a_body_is_known_again_however_its_ends_were_read() {
        for rest in ["", "\r\nNOOP", AMBIGUOUS_ENDS, "NOOP\r\nNOOP\r\n.\r\nNOOP\r\n"] {
            assert!(body_is_kept(&format!("{}{ENDS_INTRO}{rest}", content())), "{rest:?}");
        }
        assert!(body_is_kept(&content()));
        assert!(!body_is_kept(&format!("{}Scanned by a gateway.", content())));
        assert!(!body_is_kept(&format!("{}{ENDS_INTRO}{AMBIGUOUS_ENDS}Scanned by a gateway.", content())));
        assert!(!body_is_kept("This message was removed."));
    }
}
