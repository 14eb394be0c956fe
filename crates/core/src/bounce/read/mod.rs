//! From a text to what was said of each recipient. Nothing is judged here.

mod fate;
pub(super) mod fields;
mod other;
mod pieces;
pub(super) mod quoted;
mod report;
mod text;

use std::collections::BTreeMap;

use maildoctor_wire::octets::with_line_ends;

use super::judge::EXPIRED;
use crate::questions::bounce::{Action, ReturnedWire, Said};
use fields::fields;

/// The longest bounce that is read, in octets: the returned message may be whole.
pub const MAX_BOUNCE_OCTETS: u64 = 32 * 1024 * 1024;

/// The most answers that are kept; further ones are left out and counted.
pub const MAX_ANSWERS: usize = 500;

/// What of a text is searched for replies where it is no message, in octets.
const MAX_TEXT_OCTETS: usize = 4 * 1024 * 1024;

/// Why a text is no bounce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is nothing in it.
    #[error("there is nothing in it; give the file of the bounce, or paste the reply")]
    Empty,
    /// It is no text.
    #[error(
        "it is binary data and no text; save the bounce as .eml, unpack what is packed, or paste the reply as text"
    )]
    Binary,
    /// It is longer than any bounce.
    #[error(
        "it is longer than 32 MiB, which no bounce is, and not one of its first lines is of a mail log; give the bounce alone"
    )]
    TooLong,
    /// Nothing in it answers a delivery.
    #[error(
        "no reply of a mail server and no delivery report stands in it; paste the line with the three-digit code, such as `550 5.1.1 …`"
    )]
    NoAnswer,
    /// A feedback report (RFC 5965).
    #[error(
        "it is a feedback report: a provider tells that a recipient complained of the message, or that it failed a check; the message was not returned"
    )]
    Feedback,
    /// A receipt (RFC 8098).
    #[error("it is a receipt: the message arrived, and the recipient's mail program tells what became of it there")]
    Receipt,
    /// An automatic answer.
    #[error("it is an automatic reply of the recipient's, such as when somebody is away: the message arrived")]
    AutoReply,
}

/// What kind of text it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A delivery status notification (RFC 3464).
    DeliveryReport,
    /// A bounce in free form, or a pasted reply.
    Text,
    /// A log.
    Log,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What kind of text it was.
    pub kind: Kind,
    /// What was said, in the order of the text.
    pub said: Vec<Said>,
    /// What the bounce says of itself, and the message it returns.
    pub whole: ReturnedWire,
    /// How many answers were left out beyond the bounds.
    pub left_out: u64,
}

/// Reads a delivery status notification, a bounce in free form, or a pasted reply.
///
/// # Errors
/// [`Unreadable`] where nothing in it answers a delivery.
pub fn read(octets: &[u8]) -> Result<Reading, Unreadable> {
    if octets.iter().all(u8::is_ascii_whitespace) {
        return Err(Unreadable::Empty);
    }
    if is_binary(octets) {
        return Err(Unreadable::Binary);
    }
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let octets = with_line_ends(octets.into());
    let parts = if begins_with_header(&octets) { report::parts(&octets)? } else { None };
    let mut parts = parts.unwrap_or_else(|| of_plain(&octets));
    complete(&mut parts);
    let mut kind = Kind::DeliveryReport;
    if parts.said.is_empty() {
        kind = Kind::Text;
        let (said, returned) = text::of_text(&parts.text, &parts.sort);
        parts.said = said;
        if let Some(returned) = returned {
            report::returned(returned, &mut parts.whole);
        }
        // A person who is away may write of mailboxes too, but quotes no reply.
        if parts.sort.is_autoreply && parts.said.iter().all(|said| said.reply.is_none()) {
            return Err(Unreadable::AutoReply);
        }
    }
    if parts.said.is_empty() {
        return Err(Unreadable::NoAnswer);
    }
    let left_out = parts.said.len().saturating_sub(MAX_ANSWERS) as u64;
    parts.said.truncate(MAX_ANSWERS);
    Ok(Reading { kind, said: parts.said, whole: parts.whole, left_out })
}

/// Takes from the text for people what a report leaves out: Exim's says nothing of why a message failed at the server
/// itself.
fn complete(parts: &mut report::Parts) {
    for said in parts.said.iter_mut().filter(|said| said.reply.is_none() && said.words.is_none()) {
        let recipient = said.recipients.first().map(String::as_str).unwrap_or_default();
        if let Some(told) = text::of_recipient(&parts.text, recipient) {
            said.host = said.host.take().or(told.host);
            said.phase = said.phase.or(told.phase);
            (said.reply, said.words) = (told.reply, told.words);
        }
        // OpenSMTPD calls a message delayed on which it has given up.
        if said.words.as_ref().is_some_and(|words| words.to_lowercase().contains(EXPIRED)) {
            said.action = Some(Action::Failed);
        }
    }
}

/// A text that is no message: it may still hold the fields of a delivery report.
fn of_plain(octets: &[u8]) -> report::Parts {
    let text = String::from_utf8_lossy(octets.get(..MAX_TEXT_OCTETS).unwrap_or(octets)).replace("\r\n", "\n");
    let mut parts = report::Parts::default();
    report::of_told(&text, &mut parts);
    parts.text = text;
    parts
}

/// Whether octets are no text: NUL, or many other control characters, near their beginning.
pub fn is_binary(octets: &[u8]) -> bool {
    let head = octets.get(..8192).unwrap_or(octets);
    let odd = head.iter().filter(|b| b.is_ascii_control() && !b.is_ascii_whitespace() && **b != 0x1b).count();
    head.contains(&0) || odd * 20 > head.len()
}

/// Whether the text begins as a message does: header fields that every message has some of.
fn begins_with_header(octets: &[u8]) -> bool {
    const KNOWN: [&str; 14] = [
        "return-path",
        "received",
        "from",
        "delivered-to",
        "x-original-to",
        "date",
        "to",
        "subject",
        "message-id",
        "mime-version",
        "content-type",
        "envelope-to",
        "authentication-results",
        "arc-seal",
    ];
    let head = String::from_utf8_lossy(octets.get(..16 * 1024).unwrap_or(octets)).replace("\r\n", "\n");
    let head = if head.starts_with("From ") { head.split_once('\n').map_or("", |(_, rest)| rest) } else { &head };
    let mut names: BTreeMap<String, ()> = BTreeMap::new();
    for (name, _) in fields(head) {
        names.insert(name, ());
    }
    KNOWN.iter().filter(|known| names.contains_key(**known)).count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DSN: &str = include_str!("../samples/postfix.eml");

    #[test]
    fn a_delivery_report_with_its_returned_headers() {
        let reading = read(DSN.as_bytes()).unwrap();
        assert_eq!(reading.kind, Kind::DeliveryReport);
        let said = &reading.said[0];
        assert_eq!(said.recipients, ["anna@example.net"]);
        assert_eq!(said.host.as_deref(), Some("mx.example.net"));
        assert_eq!(said.action, Some(Action::Failed));
        assert_eq!(said.quoted(), "550 5.1.1 <anna@example.net>: Recipient address rejected: User unknown");
        assert_eq!(reading.whole.reporter.as_deref(), Some("mail.example.org"));
        assert_eq!(reading.whole.returned_to.as_deref(), Some("carl@example.org"));
        assert_eq!(reading.whole.message_id.as_deref(), Some("<1@example.org>"));
        assert_eq!(reading.whole.hops.len(), 1);
    }

    #[test]
    fn the_report_alone_and_with_line_ends_of_either_kind() {
        let from = DSN.find("Reporting-MTA").unwrap();
        let alone = &DSN[from..DSN.find("--1--").unwrap()];
        for text in [alone.to_owned(), DSN.replace('\n', "\r\n"), DSN.replace('\n', "\r")] {
            let reading = read(text.as_bytes()).unwrap();
            assert_eq!(
                (reading.kind, reading.said[0].recipients[0].as_str()),
                (Kind::DeliveryReport, "anna@example.net")
            );
        }
    }

    #[test]
    fn what_the_report_leaves_out_stands_in_the_text() {
        // As Exim 4.96 writes it.
        let exim = "From: Mail Delivery System <Mailer-Daemon@mx1.example.org>\nTo: carl@example.org\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=1-eximdsn-2\n\n--1-eximdsn-2\nContent-type: text/plain; charset=us-ascii\n\nThis message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  nobody@example.org\n    Unknown user\n\n--1-eximdsn-2\nContent-type: message/delivery-status\n\nReporting-MTA: dns; mx1.example.org\n\nAction: failed\nFinal-Recipient: rfc822;nobody@example.org\nStatus: 5.0.0\n\n--1-eximdsn-2--\n";
        let reading = read(exim.as_bytes()).unwrap();
        assert_eq!(reading.kind, Kind::DeliveryReport);
        assert_eq!(reading.said[0].words.as_deref(), Some("Unknown user"));
        assert_eq!(crate::bounce::judge::judge(&reading.said[0]).unwrap().code, "recipient-unknown");
    }

    #[test]
    fn a_delay_that_is_none_is_final() {
        // As OpenSMTPD 6.8 writes it, once the time of `queue ttl` is over.
        let gave_up = "From: Mailer Daemon <MAILER-DAEMON@relay.example.org>\nTo: carl@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed;boundary=\"1/relay.example.org\"\n\n--1/relay.example.org\nContent-Type: text/plain; charset=us-ascii\n\n    Hi!\n\n    A message is delayed for more than 0 seconds for the following\n    list of recipients:\n\nanna@example.net: Envelope expired\n\n    Below is a copy of the original message:\n\n--1/relay.example.org\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; relay.example.org\n\nFinal-Recipient: rfc822; anna@example.net\nAction: delayed\nStatus: 4.4.7\n\n--1/relay.example.org--\n";
        let said = read(gave_up.as_bytes()).unwrap().said.remove(0);
        let judged = crate::bounce::judge::judge(&said).unwrap();
        assert_eq!(
            (said.words.as_deref(), judged.outcome),
            (Some("Envelope expired"), crate::bounce::judge::Outcome::Final)
        );
    }

    #[test]
    fn what_is_no_bounce_is_an_error_that_says_so() {
        assert_eq!(read(b" \n"), Err(Unreadable::Empty));
        assert_eq!(read(b"\x1f\x8b\x08\0\0\0"), Err(Unreadable::Binary));
        assert_eq!(read(b"Hello, how are you?"), Err(Unreadable::NoAnswer));
        assert_eq!(read(b"From: a@example.org\nTo: b@example.org\nSubject: hi\n\nhello"), Err(Unreadable::NoAnswer));
    }

    #[test]
    fn control_characters_do_not_get_through() {
        let reading = read(b"550 5.1.1 \x1b[2Jgone \xff").unwrap();
        assert_eq!(reading.said[0].quoted(), "550 5.1.1 \\x1b[2Jgone \u{fffd}");
    }

    #[test]
    fn a_bounce_of_a_bounce_of_a_bounce_ends() {
        let mut text = String::from("550 5.1.1 x");
        for depth in 0..200 {
            text = format!(
                "From: a@example.org\nTo: b@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b{depth}\n\n--b{depth}\nContent-Type: message/rfc822\n\n{text}\n--b{depth}--\n"
            );
        }
        let _ = read(text.as_bytes());
    }

    proptest! {
        #[test]
        fn any_octets_can_be_read(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&octets);
        }

        #[test]
        fn a_bounce_cut_anywhere_can_be_read(cut in 0..DSN.len()) {
            let _ = read(&DSN.as_bytes()[..cut]);
        }
    }
}
