//! Bounces in free form (Postfix, Exim, qmail, Sendmail, Exchange), and pasted replies.

use super::fields::{bare, is_address, kept};
use super::quoted::{MAX_PIECE_OCTETS, begins_reply, flat, quoted};
use crate::bounce::judge;
use crate::questions::bounce::Said;

/// Lines behind which the returned message stands.
const RETURNED: [&str; 5] = [
    "--- below this line is a copy of the message",
    "----- original message -----",
    "------ this is a copy of",
    "original message headers:",
    "----- message header follows",
];

/// What a text says of recipients, and the part of it that is the returned message.
pub(super) fn of_text(text: &str) -> (Vec<Said>, Option<&str>) {
    let (told, returned) = split(text);
    let mut all: Vec<Said> = Vec::new();
    // Servers name the recipient, or the host, in a paragraph of its own.
    let mut last = Said::default();
    let mut unknown = Vec::new();
    for piece in pieces(told) {
        let mut said = quoted(&piece);
        if said.reply.is_none() && !judge::is_known(&piece) && (said.status.is_none() || said.recipients.is_empty()) {
            unknown.extend(of_a_name(&piece));
            last = Said {
                recipients: if said.recipients.is_empty() { last.recipients } else { said.recipients },
                host: said.host,
                phase: said.phase,
                ..Said::default()
            };
            continue;
        }
        if said.reply.is_none() {
            said.words = Some(kept(&own_words(&piece)));
        }
        if said.recipients.is_empty() {
            said.recipients.clone_from(&last.recipients);
        }
        said.host = said.host.or_else(|| last.host.clone());
        said.phase = said.phase.or(last.phase);
        last.recipients.clone_from(&said.recipients);
        if !all.iter().any(|held| is_same(held, &said)) {
            all.push(said);
        }
    }
    // Beside what is known of others, a reason that nobody knows is one too.
    unknown.retain(|said| !all.is_empty() && !all.iter().any(|held| held.recipients == said.recipients));
    all.append(&mut unknown);
    // What a server says once the dialogue went wrong tells nothing new.
    let after = |said: &Said| said.reply.as_ref().is_some_and(|reply| reply.code == 503);
    if all.iter().any(|said| !after(said)) {
        all.retain(|said| !after(said));
    }
    (all, returned)
}

/// What a piece says of the address that it begins with, where it says anything.
fn of_a_name(piece: &str) -> Option<Said> {
    let first = piece.split_whitespace().next()?.trim_end_matches(':');
    let words = own_words(piece);
    // Exchange writes a link behind the address: `anna@example.net<mailto:anna@example.net>`.
    let named = is_address(bare(first))
        && !bare(first).contains(':')
        && (first.starts_with('<') || piece.lines().next() == Some(first));
    let recipients = vec![bare(first).to_owned()];
    (named && words != flat(piece)).then(|| Said { recipients, words: Some(kept(&words)), ..Said::default() })
}

/// What a text says of one recipient, in a piece that begins with the address.
pub(super) fn of_recipient(text: &str, recipient: &str) -> Option<Said> {
    let begins = |piece: &String| {
        let mut words = piece.split_whitespace();
        words.next().map(bare) == Some(recipient) && words.next().is_some()
    };
    let piece = pieces(split(text).0).into_iter().find(begins)?;
    let said = quoted(&piece);
    let words = said.reply.is_none().then(|| kept(&own_words(&piece)));
    Some(Said { words, ..said })
}

/// The same answer, quoted twice in a bounce.
fn is_same(held: &Said, new: &Said) -> bool {
    held.quoted() == new.quoted() && (held.recipients == new.recipients || new.recipients.is_empty())
}

fn split(text: &str) -> (&str, Option<&str>) {
    let lower = text.to_ascii_lowercase();
    let cut = RETURNED.iter().filter_map(|mark| lower.find(mark)).min();
    let Some((told, rest)) = cut.and_then(|at| text.split_at_checked(at)) else { return (text, None) };
    (told, rest.split_once('\n').map(|(_, message)| message))
}

/// The text in pieces that tell of one attempt each: a paragraph, what follows an address on a line of its own or
/// `<address>:`, or a reply where several stand one below the other.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut fresh = true;
    let mut replied = false;
    // Logs and some web pages write the end of a line as two characters.
    for line in text.replace("\\n", "\n").lines() {
        let line = line.trim().trim_start_matches(['>', '|']).trim_start();
        let line = line.strip_prefix("<<<").map_or(line, str::trim);
        if line.is_empty() {
            fresh = true;
            continue;
        }
        let alone = !line.contains(' ') && is_address(bare(line));
        let names = alone || line.starts_with('<') && (line.contains(">:") || line.contains(">... "));
        let reply = begins_reply(line);
        match pieces.last_mut() {
            Some(last) if !(fresh || names || replied && reply.is_some()) => {
                if last.len() + line.len() < MAX_PIECE_OCTETS {
                    last.push('\n');
                    last.push_str(line);
                }
            }
            _ => {
                pieces.push(line.chars().take(MAX_PIECE_OCTETS).collect());
                replied = false;
            }
        }
        if let Some((_, goes_on)) = reply {
            replied = !goes_on;
        }
        fresh = false;
    }
    pieces
}

/// The words of the server without the recipient before them.
fn own_words(piece: &str) -> String {
    let flat = flat(piece);
    let rest = flat.split_once(' ').filter(|(word, _)| is_address(bare(word))).map(|(_, rest)| rest.to_owned());
    rest.unwrap_or(flat)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(Option<String>, Option<String>, String)> {
        let (all, _) = of_text(text);
        all.into_iter().map(|s| (s.recipients.first().cloned(), s.host.clone(), s.quoted())).collect()
    }

    fn one(recipient: &str, host: &str, quoted: &str) -> (Option<String>, Option<String>, String) {
        let some = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
        (some(recipient), some(host), quoted.to_owned())
    }

    #[test]
    fn a_qmail_bounce() {
        let text = "Hi. This is the qmail-send program at example.org.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<anna@example.net>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 unknown\nGiving up on 192.0.2.1.\n\n<bert@example.com>:\nSorry, I couldn't find any host named example.com. (#5.1.2)\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <carl@example.org>\nReceived: from a (HELO a) (192.0.2.9) by b with SMTP; 1 Jan 2026 00:00:00 -0000\nSubject: 550 not a reply\n";
        assert_eq!(
            read(text),
            [
                one("anna@example.net", "192.0.2.1", "550 5.1.1 unknown"),
                one("bert@example.com", "", "Sorry, I couldn't find any host named example.com. (#5.1.2)"),
            ]
        );
        assert!(of_text(text).1.unwrap().trim_start().starts_with("Return-Path"));
    }

    #[test]
    fn a_sendmail_transcript() {
        let text = "   ----- The following addresses had permanent fatal errors -----\n<anna@example.net>\n    (reason: 550 5.1.1 <anna@example.net>... User unknown)\n\n   ----- Transcript of session follows -----\n... while talking to mx.example.net.:\n>>> DATA\n<<< 550 5.1.1 <anna@example.net>... User unknown\n550 5.1.1 <anna@example.net>... User unknown\n<<< 503 5.0.0 Need RCPT (recipient)\n";
        assert_eq!(read(text), [one("anna@example.net", "", "550 5.1.1 <anna@example.net>... User unknown")]);
    }

    #[test]
    fn what_sendmail_gives_up_on_has_its_reason_in_the_transcript() {
        let text = "   ----- The following addresses had permanent fatal errors -----\n<anna@example.net>\n\n   ----- Transcript of session follows -----\n<anna@example.net>... Deferred: Connection refused by mx.example.net.\nMessage could not be delivered for 5 days\nMessage will be deleted from queue\n";
        let said = of_recipient(text, "anna@example.net").unwrap();
        assert_eq!(judge::judge(&said).unwrap().code, "connect-refused");
        assert!(said.words.unwrap().starts_with("Deferred: Connection refused"));
    }

    #[test]
    fn an_exim_bounce() {
        let text = "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  anna@example.net\n    host mx.example.net [192.0.2.1]\n    SMTP error from remote mail server after RCPT TO:<anna@example.net>:\n    550 No such user\n  bert@example.com\n    Unrouteable address\n";
        assert_eq!(
            read(text),
            [
                one("anna@example.net", "mx.example.net", "550 No such user"),
                one("bert@example.com", "", "Unrouteable address")
            ]
        );
    }

    #[test]
    fn a_reason_that_nobody_knows_stands_beside_those_that_are_known() {
        let text = "The following address(es) failed:\n\n  anna@example.net\n    host mx.example.net [192.0.2.1]\n    550 No such user\n  bert@example.com\n    the cat sat on the keys\n";
        let all = read(text);
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!(all[1], one("bert@example.com", "", "the cat sat on the keys"));
        let postfix = "<anna@example.net>: unknown mail transport error\n\n<bert@example.com>: host mx.example.com[192.0.2.1] said: 550 5.1.1 no\n";
        assert_eq!(read(postfix).len(), 2);
        let exchange = "anna@example.net<mailto:anna@example.net>\nIt was not taken.\n\nanna@example.net\n#550 4.4.7 QUEUE.Expired; message expired ##\n";
        assert_eq!(read(exchange), [one("anna@example.net", "", "550 4.4.7 QUEUE.Expired; message expired")]);
        // Alone it is no bounce: people write addresses too.
        assert_eq!(read("bert@example.com\nwrote to me yesterday\n"), []);
    }

    #[test]
    fn replies_one_below_the_other() {
        let text = "550-5.7.26 one\n550 5.7.26 two\n421 4.7.0 busy\n";
        assert_eq!(read(text), [one("", "", "550 5.7.26 one two"), one("", "", "421 4.7.0 busy")]);
    }

    #[test]
    fn exchange_names_the_host_below_the_recipient() {
        let text = "Diagnostic information for administrators:\n\nGenerating server: ex1.example.org\n\nanna@example.net\nmx.example.net\nRemote Server returned '550 5.7.1 Message rejected'\n\nOriginal message headers:\n\nReceived: from x by y; Tue, 24 Nov 2026 13:00:05 +0100\n";
        assert_eq!(read(text), [one("anna@example.net", "mx.example.net", "550 5.7.1 Message rejected")]);
    }
}
