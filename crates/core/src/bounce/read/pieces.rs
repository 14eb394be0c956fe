//! The text for people: where the returned message begins, and the pieces before it that tell of one attempt each.

use super::fields::{bare, is_address};
use super::quoted::{MAX_PIECE_OCTETS, begins_reply};

/// The text that tells, and the returned message behind it.
pub(super) fn split(text: &str) -> (&str, Option<&str>) {
    let mut at = 0;
    let mut paragraph = false;
    for line in text.split_inclusive('\n') {
        // A header of its own is the returned message's where nothing announces it.
        if at > 0 && paragraph && is_header(line) {
            return (text.get(..at).unwrap_or(text), text.get(at..));
        }
        paragraph = line.trim().is_empty();
        if announces(line) {
            return (text.get(..at).unwrap_or(text), text.get(at + line.len()..).filter(|rest| !rest.is_empty()));
        }
        at += line.len();
    }
    (text, None)
}

/// Whether a line says that the returned message stands below it: `--- Below this line is a copy of the message.`
fn announces(line: &str) -> bool {
    const NAMES: [&str; 8] = [
        "original message",
        "unsent message",
        "returned message",
        "copy of the message",
        "message header follows",
        "original mail as follows",
        "header of the message",
        "copy of your message",
    ];
    const ENDS: [&str; 5] = [":", "follows", "follows.", "following", "following."];
    // No server writes so long a line there, and a text may have one of megabytes.
    if line.len() > 200 {
        return false;
    }
    let line = line.trim().to_ascii_lowercase();
    NAMES.iter().any(|name| line.contains(name))
        && (line.starts_with("--") || ENDS.iter().any(|end| line.ends_with(end)))
}

/// Whether a line is one of those with which the header of a message that was on its way begins.
fn is_header(line: &str) -> bool {
    ["received:", "return-path:"]
        .iter()
        .any(|name| line.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name)))
}

/// The text in pieces: a paragraph, what follows an address that a line names, what follows a title, or a reply where
/// several stand one below the other.
pub(super) fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut fresh = true;
    let mut replied = false;
    let mut about: Option<String> = None;
    let mut indent = 0;
    // Logs and some web pages write the end of a line as two characters.
    for raw in text.replace("\\n", "\n").lines() {
        let depth = raw.len() - raw.trim_start().len();
        let line = raw.trim().trim_start_matches(['>', '|']).trim_start();
        let line = line.strip_prefix("<<<").map_or(line, str::trim);
        if line.is_empty() {
            fresh = true;
            continue;
        }
        if tells_of_the_message(line) {
            continue;
        }
        let named = names(line);
        // Postfix breaks lines anywhere: one that begins with the piece's own address, or stands deeper than the
        // address that began the piece, goes on with it.
        let other = named.is_some() && (about.is_none() || depth <= indent && named != about.as_deref());
        let reply = begins_reply(line);
        match pieces.last_mut() {
            Some(last) if !(fresh || other || replied && reply.is_some()) => {
                if last.len() + line.len() < MAX_PIECE_OCTETS {
                    last.push('\n');
                    last.push_str(line);
                }
            }
            _ => {
                pieces.push(line.chars().take(MAX_PIECE_OCTETS).collect());
                replied = false;
                about = named.map(str::to_owned);
                indent = depth;
            }
        }
        if let Some((_, goes_on)) = reply {
            replied = !goes_on;
        }
        fresh = line.starts_with("---");
    }
    pieces
}

/// Whether a line tells whose message it was and when it was sent, as Exchange and MailMarshal list it: the addresses
/// in it are no recipients.
fn tells_of_the_message(line: &str) -> bool {
    const FIELDS: [&str; 9] = [
        "from:",
        "sender:",
        "original sender:",
        "mail from:",
        "reply-to:",
        "subject:",
        "date:",
        "sent:",
        "message-id:",
    ];
    FIELDS.iter().any(|name| line.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name)))
}

/// The address that a line names before what it says of it: alone, `<address>:`, `address: 550 …`, `<address>...`,
/// or `address on Thu, 1 Jan …`.
fn names(line: &str) -> Option<&str> {
    if let Some(alone) = lone_address(line) {
        return Some(alone);
    }
    let mut words = line.split(' ');
    let first = words.next()?;
    let then = words.next();
    let introduces = first.ends_with([':', ';']) || first.ends_with(">...") || then == Some("on");
    let address = unlinked(bare(first.trim_end_matches('.')));
    (introduces && is_alone(first, address)).then_some(address)
}

/// The address of a line that holds nothing else.
pub(super) fn lone_address(line: &str) -> Option<&str> {
    let word = line.trim().trim_start_matches(['*', '-', '•']).trim_start();
    // Exchange writes a link behind the address, others write it twice.
    let first = word.split(' ').next()?;
    let address = unlinked(bare(word));
    let twice = first.eq_ignore_ascii_case(address) && word.split(' ').count() == 2;
    (is_alone(word, address) || twice && is_address(address)).then_some(address)
}

/// The address of a link to it.
fn unlinked(address: &str) -> &str {
    address.strip_prefix("mailto:").unwrap_or(address)
}

/// Whether a word is an address and what people put around one: `Message-ID:<1@example.org>` is none.
fn is_alone(word: &str, address: &str) -> bool {
    let around = word.split_once('<').map_or("", |(before, _)| before);
    let around = around.trim_start_matches(['"', '\'']);
    is_address(address) && !word.contains(' ') && (around.is_empty() || around == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_returned_message_begins() {
        for mark in [
            "--- Below this line is a copy of the message.",
            "------ This is a copy of the message, including all the headers. ------",
            "--- The header of the original message is following. ---",
            "----- Unsent message follows -----",
            "------- Returned Message --------",
            "-------original message",
            "Original message follows.",
            "    Below is a copy of the original message:",
            "Included is a copy of the message header:",
            "----- Message header follows -----",
        ] {
            let text = format!("told\n\n{mark}\nSubject: x\n");
            assert_eq!(split(&text), ("told\n\n", Some("Subject: x\n")), "{mark}");
        }
        let bare = "told\n\nReceived:from a by b\nFrom:<a@example.org>\n";
        assert_eq!(split(bare).0, "told\n\n");
        for line in [
            "The original message was received at Thu, 1 Jan 2026 00:00:00 +0000",
            "The original message follows as a separate attachment.",
            "The MTS-ID of the original message is: c=us;a= ;p=x",
        ] {
            assert_eq!(split(line), (line, None));
        }
    }

    #[test]
    fn the_address_that_a_line_names() {
        for (line, address) in [
            ("<anna@example.org>", Some("anna@example.org")),
            ("* anna@example.org", Some("anna@example.org")),
            ("\"anna@example.org\":", Some("anna@example.org")),
            ("anna@example.org <anna@example.org>", Some("anna@example.org")),
            ("<anna@example.org>: host mx.example.org said", Some("anna@example.org")),
            ("<anna@example.org>... Deferred: x", Some("anna@example.org")),
            ("anna@example.org: 550 no", Some("anna@example.org")),
            ("anna@example.org on Thu, 1 Jan 2026 00:00:00 +0000", Some("anna@example.org")),
            ("Message-ID:<1@example.org>", None),
            ("anna@example.org wrote to me", None),
            ("host mx.example.org said:", None),
        ] {
            assert_eq!(names(line), address, "{line}");
        }
        assert!(names("anna@example.net<mailto:anna@example.net>").is_some());
    }

    #[test]
    fn a_line_broken_before_the_address_goes_on() {
        let text = "<anna@example.net>: host mx.example.net[192.0.2.1] said: 550 5.1.1\n    <anna@example.net>: Recipient address rejected: User unknown\n";
        assert_eq!(pieces(text).len(), 1);
        let sender = text.replace("    <anna@example.net>: Recipient", "    <carl@example.org>: Sender");
        assert_eq!(pieces(&sender).len(), 1);
        let both = "anna@example.net: 550 5.2.2 full\nbert@example.net: 550 5.1.1 unknown\n";
        assert_eq!(pieces(both).len(), 2);
    }

    #[test]
    fn a_title_is_a_piece_of_its_own() {
        assert_eq!(pieces("-------server message\n550 unknown user\n").len(), 2);
    }
}
