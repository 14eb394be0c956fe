//! Delivery status notifications (RFC 3464) and the headers they return (RFC 3462).

use jiff::Timestamp;
use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use maildoctor_wire::received;

use super::fields::{bare, fields, is_address, kept, limited, typed};
use super::other::{Sort, other, sort};
use super::quoted::{flat, quoted};
use super::{MAX_TEXT_OCTETS, Unreadable};
use crate::questions::bounce::{Action, ReturnedWire, Said};

/// The most hops of a returned message that are kept.
const MAX_HOPS: usize = 50;

/// The most of a returned message that is searched for its headers, in octets.
const MAX_HEADER_OCTETS: usize = 256 * 1024;

/// What a message holds of a bounce.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// What each recipient's block of the delivery reports says.
    pub(super) said: Vec<Said>,
    /// What the bounce says of itself, and what it returns.
    pub(super) whole: ReturnedWire,
    /// The text for people.
    pub(super) text: String,
    /// What its header says of it.
    pub(super) sort: Sort,
}

/// Takes a message apart; `None` where it is none.
///
/// # Errors
/// [`Unreadable`] where it is a report of another kind.
pub(super) fn parts(octets: &[u8]) -> Result<Option<Parts>, Unreadable> {
    let Some(message) = MessageParser::default().parse(octets) else { return Ok(None) };
    if let Some(other) = other(&message) {
        return Err(other);
    }
    let text = message.body_text(0).map(|body| body.into_owned()).filter(|text| !text.trim().is_empty());
    let text = text.unwrap_or_else(|| raw_text(octets));
    let mut parts = Parts { text, sort: sort(&message), ..Parts::default() };
    let to = message.to().and_then(|to| to.first()).and_then(|to| to.address());
    parts.whole.returned_to = to.filter(|to| is_address(to)).map(kept);
    collect(&message, &mut parts, 0);
    if parts.said.is_empty() {
        let text = std::mem::take(&mut parts.text);
        of_told(&text, &mut parts);
        parts.text = text;
    }
    Ok(Some(parts))
}

/// What follows the header as it stands, where its parts cannot be told: up to the returned message.
fn raw_text(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets.get(..MAX_TEXT_OCTETS).unwrap_or(octets)).replace("\r\n", "\n");
    let body = text.split_once("\n\n").map(|(_, body)| body).unwrap_or_default();
    let end = body.to_ascii_lowercase().find("\ncontent-type: message/").unwrap_or(body.len());
    body.get(..end).unwrap_or(body).to_owned()
}

/// The fields of a delivery report within a text for people: Amazon WorkMail's bounces have them there alone.
pub(super) fn of_told(text: &str, parts: &mut Parts) {
    let begins = |line: &str| line.get(..16).is_some_and(|name| name.eq_ignore_ascii_case("Final-Recipient:"));
    if text.lines().any(begins) {
        of_report(text, parts);
    }
}

/// Bounces may hold bounces: the outermost reports count, and no more than a few levels are looked into.
fn collect(message: &Message<'_>, parts: &mut Parts, depth: usize) {
    for part in &message.parts {
        let kind = part
            .content_type()
            .map(|t| (t.c_type.to_ascii_lowercase(), t.c_subtype.as_deref().unwrap_or_default().to_ascii_lowercase()));
        let kind = kind.as_ref().map(|(kind, sub)| (kind.as_str(), sub.as_str()));
        match (kind, &part.body) {
            (Some(("message", "delivery-status" | "global-delivery-status")), _) if parts.said.is_empty() => {
                of_report(&String::from_utf8_lossy(part.contents()), parts);
            }
            (Some(("text", "rfc822-headers") | ("message", "global-headers")), _) => {
                returned(&String::from_utf8_lossy(part.contents()), &mut parts.whole);
            }
            (_, PartType::Message(inner)) => {
                returned(&String::from_utf8_lossy(inner.raw_message()), &mut parts.whole);
                if depth < 2 && parts.said.is_empty() {
                    collect(inner, parts, depth + 1);
                }
            }
            _ => {}
        }
    }
}

/// The blocks of a `message/delivery-status` part: the first is of the message, the others of one recipient each.
pub(super) fn of_report(report: &str, parts: &mut Parts) {
    let report = report.replace("\r\n", "\n");
    let mut when = None;
    for block in report.split("\n\n").map(|block| block.trim_start_matches('\n')) {
        let fields = fields(block);
        let value = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        if let Some(reporter) = value("reporting-mta") {
            parts.whole.reporter.get_or_insert_with(|| kept(bare(typed(reporter))));
        }
        when = value("arrival-date").and_then(date).or(when);
        let Some(recipient) = value("final-recipient").or_else(|| value("original-recipient")) else { continue };
        let mut said = value("diagnostic-code").and_then(of_diagnostic).unwrap_or_default();
        said.recipients = vec![kept(bare(typed(recipient)))];
        said.action = value("action").and_then(action);
        said.status = value("status").and_then(|status| status.split_whitespace().next()?.parse().ok()).or(said.status);
        // Postfix names the server that it could not reach in brackets of its own.
        let remote = value("remote-mta").filter(|host| is_of_the_dns(host));
        let remote = remote.map(|host| kept(bare(typed(host).split_whitespace().next().unwrap_or_default())));
        said.host = remote.filter(|host| !host.is_empty()).or(said.host);
        said.last = value("last-attempt-date").and_then(date).or(when);
        parts.said.push(said);
    }
}

/// `smtp; 550 5.1.1 …`, or the reporting server's own words (`X-Postfix; unknown user`).
fn of_diagnostic(value: &str) -> Option<Said> {
    let own = flat(typed(value));
    if own.is_empty() {
        return None;
    }
    let said = quoted(&own);
    Some(if said.reply.is_some() { said } else { Said { words: Some(kept(&own)), ..said } })
}

/// Whether a server of a report is named by the DNS: `X-Unix; mailstore` is the software's own name for itself.
fn is_of_the_dns(value: &str) -> bool {
    !value.split_once(';').is_some_and(|(kind, _)| kind.trim().to_ascii_lowercase().starts_with("x-"))
}

fn action(value: &str) -> Option<Action> {
    match value.to_ascii_lowercase().split(|c: char| !c.is_ascii_alphabetic()).next()? {
        "failed" => Some(Action::Failed),
        "delayed" => Some(Action::Delayed),
        "delivered" | "relayed" | "expanded" => Some(Action::Done),
        _ => None,
    }
}

fn date(value: &str) -> Option<Timestamp> {
    Timestamp::from_second(received::parse_date(value)?).ok()
}

/// The headers of the message that comes back.
pub(super) fn returned(text: &str, whole: &mut ReturnedWire) {
    if whole.message_id.is_some() || !whole.hops.is_empty() {
        return;
    }
    let text = limited(text, MAX_HEADER_OCTETS).replace("\r\n", "\n");
    for (name, value) in fields(text.trim_start_matches('\n')) {
        match name.as_str() {
            "from" => whole.from = Some(kept(bare(&value))),
            "message-id" => whole.message_id = Some(kept(&value)),
            "date" => whole.date = Some(kept(&value)),
            "received" if whole.hops.len() < MAX_HOPS => whole.hops.push(received::parse(&value)),
            "received-spf" => whole.spf_failed |= value.to_ascii_lowercase().starts_with("fail"),
            "authentication-results" => whole.spf_failed |= value.to_ascii_lowercase().contains("spf=fail"),
            "return-path" => {
                let path = bare(&value);
                if whole.returned_to.is_none() && is_address(path) {
                    whole.returned_to = Some(kept(path));
                }
            }
            _ => {}
        }
    }
}
