//! What a reply means, for the person who sees it: its codes in words, and the finding that it leads to.

use maildoctor_wire::dialogue::Phase;
use maildoctor_wire::ehlo::Capabilities;
use maildoctor_wire::registry;
use maildoctor_wire::typed::{Answer, Protocol};
use maildoctor_wire::wording;

use crate::catalogue;
use crate::findings::replies;

/// The reply in words, a line each.
pub fn explain(protocol: Protocol, answer: &Answer) -> Vec<String> {
    match protocol {
        Protocol::Smtp => smtp(answer),
        Protocol::Imap | Protocol::Pop3 => mailbox(answer),
    }
}

fn smtp(answer: &Answer) -> Vec<String> {
    let reply = &answer.reply;
    let mut lines = Vec::new();
    if reply.code == 0 {
        lines.push("that is no reply of SMTP: it has no code; another service may be listening there".to_owned());
        return lines;
    }
    let again = match reply.class() {
        4 => ", and the same may succeed later",
        5 => ", and trying again without a change will not help",
        _ => "",
    };
    lines.push(format!("{}: {}{again}", reply.code, registry::reply_code(reply.code)));
    if let Some(code) = reply.enhanced() {
        let words = registry::enhanced(code).unwrap_or("a code of this server's own, in no registry");
        lines.push(format!("{code}: {words}"));
    }
    let flaws: Vec<&str> = reply.flaws.iter().map(|flaw| flaw.in_words()).collect();
    if !flaws.is_empty() {
        lines.push(format!("the reply breaks the protocol: {}", flaws.join(", ")));
    }
    if answer.phase() == Phase::Ehlo && reply.code == 250 {
        lines.extend(capabilities(reply));
    }
    let phase = if answer.asked.is_none() { Phase::Banner } else { answer.phase() };
    let code = wording::meaning(phase, reply).and_then(|meaning| replies::code(phase, meaning));
    if let Some(entry) = code.and_then(catalogue::entry) {
        lines.push(format!("{}: {}", entry.code, entry.title));
        let wrong = entry.section("What is wrong").map(|section| section.text.as_str()).unwrap_or_default();
        let first =
            wrong.split("\n\n").next().unwrap_or_default().replace('\n', " ").replace("{{", "{").replace("}}", "}");
        lines.push(first.trim().to_owned());
        lines.push(format!("the whole entry: maildoctor explain {}", entry.code));
    }
    lines
}

/// What each keyword of an EHLO reply offers.
fn capabilities(reply: &maildoctor_wire::reply::Reply) -> Vec<String> {
    let mut lines = Vec::new();
    let held = Capabilities::of(reply);
    for line in reply.lines.iter().skip(1) {
        let keyword = line.split([' ', '=']).next().unwrap_or_default();
        let words = match (keyword.to_ascii_uppercase().as_str(), held.as_ref().and_then(Capabilities::size_limit)) {
            ("SIZE", Some(0)) => "messages of any size are taken, or the server does not say (RFC 1870)".to_owned(),
            ("SIZE", Some(octets)) => format!("messages of up to {} MB are taken (RFC 1870)", tenths_of_mb(octets)),
            (keyword, _) => registry::keyword(keyword).unwrap_or("no extension that we know").to_owned(),
        };
        lines.push(format!("{keyword}: {words}"));
    }
    lines
}

/// Octets in millions with one place.
fn tenths_of_mb(octets: u64) -> String {
    format!("{}.{}", octets / 1_000_000, octets % 1_000_000 / 100_000)
}

fn mailbox(answer: &Answer) -> Vec<String> {
    let words = match answer.status.as_str() {
        "OK" | "+OK" => "done",
        "NO" => "the server understood, and it cannot be done",
        "-ERR" => "the server refuses, or does not know the command",
        "BAD" => "the server does not understand the command",
        "PREAUTH" => "the server takes this connection for logged in already",
        "BYE" => "the server is about to close the connection",
        "+" => "the server waits for what comes next",
        _ => "that is no reply of this protocol; another service may be listening there",
    };
    let status = if answer.status.is_empty() { "no status" } else { &answer.status };
    let mut lines = vec![format!("{status}: {words}")];
    let last = answer.reply.lines.last().map(String::as_str).unwrap_or_default();
    lines.extend(registry::response_code(last).map(|(code, words)| format!("[{code}]: {words}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use maildoctor_wire::typed::{Conversation, Event};
    use std::time::Duration;

    fn explained(command: &str, reply: &str) -> String {
        let mut talk = Conversation::new(Protocol::Smtp, false);
        talk.hear(b"220 mx.example.org\r\n", Duration::ZERO);
        talk.line(command.as_bytes(), Duration::ZERO);
        let events = talk.hear(reply.as_bytes(), Duration::ZERO);
        let answer = events.into_iter().find_map(|e| if let Event::Answer(a) = e { Some(a) } else { None });
        explain(Protocol::Smtp, &answer.unwrap()).join("\n")
    }

    #[test]
    fn a_refusal_leads_to_its_entry() {
        let text = explained(
            "RCPT TO:<x@example.org>",
            "550 5.1.1 <x@example.org>: Recipient address rejected: User unknown\r\n",
        );
        for part in [
            "550: no",
            "5.1.1: the mailbox does not exist",
            "recipient-unknown",
            "maildoctor explain recipient-unknown",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let text = explained("AUTH PLAIN AGEAYg==", "535 authorization failed (#5.7.0)\r\n");
        assert!(text.contains("auth-rejected") && text.contains("5.7.0"), "{text}");
    }

    #[test]
    fn what_ehlo_offers_is_told_line_by_line() {
        let text = explained("EHLO a.example", "250-mx\r\n250-SIZE 10240000\r\n250-XUNHEARD\r\n250 STARTTLS\r\n");
        for part in ["10.2 MB", "XUNHEARD: no extension", ":starttls"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn what_is_no_reply_is_called_so() {
        assert!(explained("HELP", "SSH-2.0-OpenSSH_9.2\r\n").contains("no reply of SMTP"));
        assert!(explained("HELP", "250-a\n251 b\n").contains("different codes"));
    }
}
