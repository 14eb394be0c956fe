//! Bounces in free form (Postfix, Exim, qmail, Sendmail, Exchange), and pasted replies.

use super::fate;
use super::fields::{bare, is_address, kept, limited};
use super::other::Sort;
use super::pieces::{lone_address, pieces, split};
use super::quoted::{flat, quoted};
use crate::bounce::judge;
use crate::questions::bounce::Said;

/// How much of a text that gives no reason that is known is kept as its words, in octets.
const MAX_WORDS_OCTETS: usize = 500;

/// What a text says of recipients, and the part of it that is the returned message.
pub(super) fn of_text<'t>(text: &'t str, sort: &Sort) -> (Vec<Said>, Option<&'t str>) {
    let (told, returned) = split(text);
    let mut all: Vec<Said> = Vec::new();
    // Servers name the recipient, or the host, in a paragraph of its own.
    let mut last = Said::default();
    let mut unknown = Vec::new();
    let mut own = vec![sort.subject.clone()];
    for piece in pieces(told) {
        let mut said = quoted(&piece);
        if said.reply.is_none() {
            own.push(piece.clone());
        }
        if said.reply.is_none() && !judge::is_known(&piece) && (said.status.is_none() || said.recipients.is_empty()) {
            unknown.extend(of_a_name(&piece));
            name_afterwards(&mut all, &piece, &said);
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
        said.action = fate::of_answer(&piece);
        last.recipients.clone_from(&said.recipients);
        if !all.iter().any(|held| is_same(held, &said)) {
            all.push(said);
        }
    }
    // Beside what is known of others, a reason that nobody knows is one too; people write addresses as well.
    let is_bounce = !all.is_empty() || sort.of_a_system;
    unknown.retain(|said| is_bounce && !all.iter().any(|held| held.recipients == said.recipients));
    all.append(&mut unknown);
    of_header(&mut all, told, sort);
    // What a server says once the dialogue went wrong tells nothing new.
    let after = |said: &Said| said.reply.as_ref().is_some_and(|reply| reply.code == 503);
    if all.iter().any(|said| !after(said)) {
        all.retain(|said| !after(said));
    }
    let fate = fate::of_text(&own);
    for said in &mut all {
        said.action = said.action.or(fate);
    }
    (all, returned)
}

/// Some servers name the recipient below what they say of it: MailMarshal, and James with the command.
fn name_afterwards(all: &mut [Said], piece: &str, said: &Said) {
    let alone = piece.lines().all(|line| lone_address(line).is_some());
    if alone || piece.to_ascii_lowercase().contains("rcpt to:") {
        for held in all.iter_mut().filter(|held| held.recipients.is_empty()) {
            held.recipients.clone_from(&said.recipients);
        }
    }
}

/// The recipients of the header, where the text names none, and the text as it is where nothing in it is known.
fn of_header(all: &mut Vec<Said>, told: &str, sort: &Sort) {
    if all.is_empty() && !sort.failed.is_empty() {
        let words = kept(limited(&flat(told), MAX_WORDS_OCTETS));
        let one = |recipient: &String| Said {
            recipients: vec![recipient.clone()],
            words: Some(words.clone()).filter(|words| !words.is_empty()),
            ..Said::default()
        };
        all.extend(sort.failed.iter().map(one));
    }
    for said in all.iter_mut().filter(|said| said.recipients.is_empty()) {
        said.recipients.clone_from(&sort.failed);
    }
}

/// What a piece says of the address that it begins with, where it says anything.
fn of_a_name(piece: &str) -> Option<Said> {
    let line = piece.lines().next()?;
    let first = line.split_whitespace().next()?;
    let named = lone_address(line).or_else(|| lone_address(first).filter(|_| first.starts_with('<')))?;
    let words = own_words(piece);
    (words != flat(piece)).then(|| Said { recipients: vec![kept(named)], words: Some(kept(&words)), ..Said::default() })
}

/// What a text says of one recipient, in a piece that begins with the address: of several, the first whose meaning is
/// known.
pub(super) fn of_recipient(text: &str, recipient: &str) -> Option<Said> {
    let begins = |piece: &String| {
        let mut words = piece.split_whitespace();
        words.next().map(bare) == Some(recipient) && words.next().is_some()
    };
    let all: Vec<Said> =
        pieces(split(text).0).iter().filter(|piece| begins(piece)).map(|piece| of_piece(piece)).collect();
    let is_known = |said: &&Said| said.reply.is_some() || said.words.as_deref().is_some_and(judge::is_known);
    all.iter().find(is_known).or(all.first()).cloned()
}

fn of_piece(piece: &str) -> Said {
    let said = quoted(piece);
    let words = said.reply.is_none().then(|| kept(&own_words(piece)));
    Said { words, ..said }
}

/// The same answer, quoted twice in a bounce.
fn is_same(held: &Said, new: &Said) -> bool {
    held.quoted() == new.quoted() && (held.recipients == new.recipients || new.recipients.is_empty())
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
        let (all, _) = of_text(text, &Sort::default());
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
        assert!(of_text(text, &Sort::default()).1.unwrap().trim_start().starts_with("Return-Path"));
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
