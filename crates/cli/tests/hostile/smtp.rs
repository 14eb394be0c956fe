//! Exchangers that are none, that never end, or that speak garbage.

use std::io::{Read, Write};
use std::time::Duration;

use crate::peer::{Answer, DEADLINE, GRACE, Peer, flood};

#[test]
fn silence_is_a_banner_time_out() {
    let peer = Peer::start(|stream, _| {
        std::thread::sleep(DEADLINE + GRACE);
        drop(stream);
    });
    let outcome = peer.check(&[]);
    assert_eq!((outcome.first(), outcome.code), ("banner-timeout", 2));
}

#[test]
fn an_endless_banner_is_cut_off() {
    let peer = Peer::start(|mut stream, over| flood(&mut stream, b"a", over));
    assert_eq!(peer.check(&[]).first(), "banner-missing-220");
}

#[test]
fn an_endless_reply_of_many_lines_is_cut_off() {
    let peer = Peer::start(|mut stream, over| flood(&mut stream, b"220-still not done\r\n", over));
    let outcome = peer.check(&[]);
    assert_ne!(outcome.verdict(), "healthy");
    assert!(outcome.finds("reply-malformed"));
}

#[test]
fn an_endless_reply_to_ehlo_is_cut_off() {
    let peer = Peer::answering(b"220 mx.example ESMTP\r\n", |line| match line.get(..4) {
        Some("EHLO") => Answer::Endless("250-SIZE\r\n"),
        _ => "250 ok\r\n".into(),
    });
    let outcome = peer.check(&[]);
    assert!(outcome.finds("reply-malformed"), "{:?}", outcome.roots());
    assert!(!outcome.finds("starttls-not-offered"), "what was cut off lists nothing: {:?}", outcome.roots());
}

#[test]
fn a_line_of_a_mebibyte_is_cut_off() {
    // Good to begin with, and then a line that any buffer would have to grow for; what follows is in order again.
    let long = |code: &str| format!("{code} {}\r\n", "x".repeat(1024 * 1024));
    let banner = long("220");
    let peer = Peer::start(move |mut stream, _| {
        let _ = stream.write_all(banner.as_bytes());
        let _ = stream.read(&mut [0; 100]);
        let _ = stream.write_all(b"250 mx.example\r\n");
        let _ = stream.read(&mut [0; 100]);
    });
    let outcome = peer.check(&[]);
    assert!(outcome.finds("reply-malformed"), "{:?}", outcome.roots());
    assert_ne!(outcome.verdict(), "healthy");
    let peer = Peer::answering(b"220 mx.example ESMTP\r\n", |line| match line.get(..4) {
        Some("EHLO") => format!("250-mx.example\r\n250 {}\r\n", "y".repeat(1024 * 1024)).into(),
        _ => "250 ok\r\n".into(),
    });
    let outcome = peer.check(&[]);
    assert!(outcome.finds("reply-malformed"), "{:?}", outcome.roots());
    assert!(!outcome.finds("starttls-not-offered"), "{:?}", outcome.roots());
}

#[test]
fn one_octet_a_second_does_not_stretch_the_deadline() {
    let peer = Peer::start(|mut stream, over| {
        for octet in b"220 slow.example ESMTP\r\n".iter().cycle() {
            if over.load(std::sync::atomic::Ordering::SeqCst) || stream.write_all(&[*octet]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    assert_ne!(peer.check(&[]).verdict(), "healthy");
}

#[test]
fn other_services_and_garbage_are_no_mail_server() {
    for text in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "\0\0\0\0\r\n",
        "\u{1b}[2J\u{1b}[31m\r\n",
        "999 what\r\n",
    ] {
        let peer = Peer::start(move |mut stream, _| {
            let _ = stream.write_all(text.as_bytes());
            let _ = stream.read(&mut [0; 100]);
        });
        assert_eq!(peer.check(&[]).first(), "banner-missing-220", "{text:?}");
    }
}

#[test]
fn nul_octets_are_named_and_get_no_further() {
    let peer = Peer::answering(b"220 mx\0.example ESMTP\0\r\n", |line| match line.get(..4) {
        Some("EHLO") => "250-mx.example\0\r\n250 SIZE\0 1000\r\n".into(),
        Some("QUIT") => "221 \0\r\n".into(),
        _ => "250 \0ok\r\n".into(),
    });
    let outcome = peer.check(&[]);
    let flaws = &outcome.outcomes("smtp.banner/1")[0]["reply"]["flaws"];
    assert!(flaws.as_array().unwrap().iter().any(|flaw| flaw == "nul"), "{flaws}");
    assert!(outcome.finds("reply-malformed"), "{:?}", outcome.roots());
    assert!(!outcome.stdout.windows(6).any(|w| w == b"\\u0000"), "a NUL stands in the report");
}

#[test]
fn a_cut_after_the_connection_is_a_reset() {
    let peer = Peer::start(|stream, _| drop(stream));
    assert_eq!(peer.check(&[]).first(), "connect-reset");
}

/// A server that offers STARTTLS and answers a ClientHello with `hello`, or with silence.
fn with_tls(hello: Option<&'static [u8]>) -> Peer {
    Peer::start(move |mut stream, _| {
        let _ = stream.write_all(b"220 mx.example ESMTP\r\n");
        let mut heard = [0; 2048];
        while let Ok(length) = stream.read(&mut heard) {
            let reply: &[u8] = match &heard[..length.min(4)] {
                [] => return,
                b"EHLO" => b"250-mx.example\r\n250 STARTTLS\r\n",
                b"STAR" => b"220 go\r\n",
                [22, ..] => match hello {
                    Some(octets) => octets,
                    None => return std::thread::sleep(DEADLINE + GRACE),
                },
                _ => b"250 ok\r\n",
            };
            if stream.write_all(reply).is_err() {
                return;
            }
        }
    })
}

#[test]
fn starttls_and_then_silence_is_a_stalled_handshake() {
    let outcome = with_tls(None).check(&[]);
    let roots = outcome.roots();
    assert!(roots.iter().any(|c| c == "tls-handshake-timeout"), "{roots:?}");
    // In small segments it stalls as well: the path is not to blame.
    assert_eq!(outcome.outcomes("tls.small-segments/1"), [&serde_json::json!({"segment": 536, "done": false})]);
    assert_eq!(outcome.states("path-mtu-blackhole"), ["clear"]);
}

#[test]
fn tls_garbage_is_a_failed_handshake() {
    let roots = with_tls(Some(b"\x16\x03\x03\x00\x04junk")).check(&[]).roots();
    assert!(roots.iter().any(|c| c == "tls-handshake-failed"), "{roots:?}");
}
