//! Mailboxes whose servers promise gigabytes, never end an answer, or speak nonsense.

use crate::peer::{Answer, Outcome, Peer};
use crate::{common, peer};

/// Sends a message through a healthy lab and looks for it in the mailbox of a hostile server.
pub(crate) fn looked_for(scheme: &str, greeting: &'static [u8], answer: fn(&str) -> Answer) -> Outcome {
    let running = common::lab(&[]);
    let peer = Peer::answering(greeting, answer);
    let mailbox = format!("{scheme}://127.0.0.1:{}", peer.port);
    let arguments = running.lab.check_arguments();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.extend(["--send", "--mailbox", &mailbox, "--insecure-auth"]);
    peer::run(&arguments)
}

/// The login is refused by nobody and the message is not called lost: nobody could look.
fn unreadable(name: &str, outcome: &Outcome) {
    assert!(!outcome.finds("imap-login-failed"), "{name}: {:?}", outcome.roots());
    assert!(!outcome.finds("accepted-not-delivered"), "{name}: {:?}", outcome.roots());
    let states = [outcome.states("imap-login-failed"), outcome.states("accepted-not-delivered")].concat();
    assert!(states.contains(&"unknown"), "{name}: {states:?}");
}

/// The tag of an IMAP command, and its name.
fn command(line: &str) -> (&str, &str) {
    let (tag, rest) = line.split_once(' ').unwrap_or((line, ""));
    (tag, rest.split(' ').next().unwrap_or_default())
}

/// IMAP that works up to `step`, where the server says `piece` and no end comes.
fn imap_until(line: &str, step: &str, piece: Answer) -> Answer {
    let (tag, name) = command(line);
    if line.contains(step) {
        return piece;
    }
    match name {
        "STARTTLS" => format!("{tag} NO not here\r\n").into(),
        "LIST" => format!("* LIST () \"/\" INBOX\r\n{tag} OK done\r\n").into(),
        "UID" if line.contains("SEARCH") => format!("* SEARCH 1\r\n{tag} OK done\r\n").into(),
        _ => format!("{tag} OK done\r\n").into(),
    }
}

const READY: &[u8] = b"* OK ready\r\n";

#[test]
fn a_literal_of_four_gibibytes_is_not_waited_for() {
    for (name, answer) in [
        (
            "greeting",
            (|line| imap_until(line, "STARTTLS", Answer::Endless("* OK {4294967295}\r\n"))) as fn(&str) -> Answer,
        ),
        ("login", |line| imap_until(line, "LOGIN", "* BYE {4294967295}\r\nand then nothing".into())),
        ("list", |line| imap_until(line, "LIST", "* LIST () \"/\" {4294967295}\r\nINBOX".into())),
        ("fetch", |line| imap_until(line, "FETCH", "* 1 FETCH (UID 1 BODY[] {4294967295}\r\nReceived: ".into())),
        ("huge", |line| imap_until(line, "FETCH", "* 1 FETCH (UID 1 BODY[] {99999999999999999999}\r\n".into())),
    ] {
        unreadable(name, &looked_for("imap", READY, answer));
    }
}

#[test]
fn untagged_lines_without_an_end_are_cut_off() {
    for (name, answer) in [
        (
            "login",
            (|line| imap_until(line, "LOGIN", Answer::Endless("* CAPABILITY IMAP4rev1\r\n"))) as fn(&str) -> Answer,
        ),
        ("search", |line| imap_until(line, "SEARCH", Answer::Endless("* SEARCH 1 2 3 4 5 6 7 8 9\r\n"))),
        ("list", |line| imap_until(line, "LIST", Answer::Endless("* LIST () \"/\" Folder\r\n"))),
        ("line", |line| imap_until(line, "LIST", Answer::Endless("* LIST () \"/\" "))),
    ] {
        unreadable(name, &looked_for("imap", READY, answer));
    }
}

#[test]
fn a_mailbox_that_is_none() {
    for (name, greeting) in [
        ("smtp", &b"220 mx.example ESMTP\r\n"[..]),
        ("nul", b"\0\0\0\0\r\n"),
        ("empty", b"\r\n\r\n\r\n"),
        ("http", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    ] {
        for scheme in ["imap", "pop3"] {
            unreadable(name, &looked_for(scheme, greeting, |_| "500 what?\r\n".into()));
        }
    }
}

/// POP3 that works up to `step`, where the server says `piece`.
fn pop3_until(line: &str, step: &str, piece: Answer) -> Answer {
    match line.get(..4).unwrap_or(line) {
        verb if verb == step => piece,
        "CAPA" => "+OK\r\nUSER\r\n.\r\n".into(),
        "STAT" => "+OK 1 100\r\n".into(),
        _ => "+OK\r\n".into(),
    }
}

#[test]
fn pop3_that_never_ends_an_answer() {
    for (name, answer) in [
        ("no final dot", (|line| pop3_until(line, "CAPA", "+OK\r\nUSER\r\n".into())) as fn(&str) -> Answer),
        ("capabilities", |line| pop3_until(line, "CAPA", Answer::Endless("USER\r\n"))),
        ("heads", |line| pop3_until(line, "TOP ", Answer::Endless("+OK\r\nX: y\r\n"))),
        ("empty lines", |line| pop3_until(line, "TOP ", Answer::Endless("+OK\n"))),
        ("one line", |line| pop3_until(line, "USER", Answer::Endless("+OK x"))),
        ("a number of messages", |line| pop3_until(line, "STAT", "+OK 4294967295 99999999999\r\n".into())),
        ("no number", |line| pop3_until(line, "STAT", "+OK many\r\n".into())),
    ] {
        unreadable(name, &looked_for("pop3", b"+OK ready\r\n", answer));
    }
}
