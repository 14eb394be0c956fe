//! Memory does not grow with what a peer sends.

use std::sync::OnceLock;

use crate::common;
use crate::mailbox::looked_for;
use crate::peer::{self, Answer, Outcome, Peer, flood};

/// How much more than a healthy run one may hold that is flooded, in KiB.
const ROOM_KIB: u64 = 64 * 1024;

/// What a healthy run holds at most, in KiB.
fn healthy_kib() -> u64 {
    static HEALTHY: OnceLock<u64> = OnceLock::new();
    *HEALTHY.get_or_init(|| {
        let running = common::lab(&[]);
        let arguments = running.lab.check_arguments();
        let healthy = peer::run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(healthy.verdict(), "healthy", "{:?}", healthy.roots());
        healthy.peak_kib
    })
}

fn small(name: &str, outcome: &Outcome) {
    let healthy = healthy_kib();
    let peak = outcome.peak_kib;
    assert!(peak < healthy + ROOM_KIB, "{name}: {peak} KiB, and a healthy run {healthy} KiB");
}

#[test]
#[cfg(target_os = "linux")]
fn floods_do_not_make_it_grow() {
    assert!(healthy_kib() > 0, "the kernel does not tell how much memory a process held");
    let banner = Peer::start(|mut stream, over| flood(&mut stream, b"a", over));
    small("endless banner", &banner.check(&[]));
    let lines = Peer::start(|mut stream, over| flood(&mut stream, b"220-more\r\n", over));
    small("endless banner of lines", &lines.check(&[]));
    let ehlo = Peer::answering(b"220 mx.example ESMTP\r\n", |line| match line.get(..4) {
        Some("EHLO") => Answer::Endless("250-SIZE\r\n"),
        _ => "250 ok\r\n".into(),
    });
    small("endless EHLO", &ehlo.check(&[]));
    let early = Peer::start(|mut stream, over| flood(&mut stream, b"220 mx.example\r\n", over));
    small("banner after banner", &early.check(&[]));
    let literal = looked_for("imap", b"* OK ready\r\n", |line| match line.split(' ').nth(1) {
        Some("LOGIN") => Answer::Endless("* 1 FETCH (BODY[] {4294967295}\r\n"),
        _ => format!("{} NO\r\n", line.split(' ').next().unwrap_or_default()).into(),
    });
    small("endless IMAP literal", &literal);
    let dots = looked_for("pop3", b"+OK ready\r\n", |line| match line.get(..4) {
        Some("CAPA") => Answer::Endless("+OK\n"),
        _ => "+OK\r\n".into(),
    });
    small("endless POP3 answer", &dots);
}
