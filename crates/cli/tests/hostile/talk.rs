//! Peers that flood, stall, cut, and speak on their own, in a session by hand.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use maildoctor_terminal::Terminal;

use crate::common::maildoctor;
use crate::peer::{GRACE, MOST_MEMORY_KIB, Peer, flood, watched};

/// A script against a peer: exit code, standard output, standard error.
fn script(peer: &Peer, scheme: &str, lines: &str, more: &[&str]) -> (i32, String, String) {
    let mut command = maildoctor();
    command.args(["talk", &format!("{scheme}://127.0.0.1:{}", peer.port), "--timeout", "2s"]).args(more);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script");
    std::fs::write(&file, lines).unwrap();
    command.stdin(Stdio::from(std::fs::File::open(&file).unwrap()));
    let started = Instant::now();
    let (status, stdout, stderr, peak_kib) = watched(command);
    assert!(started.elapsed() < Duration::from_secs(12) + GRACE, "it hung for {:?}", started.elapsed());
    assert!(peak_kib < MOST_MEMORY_KIB, "it grew to {} MiB", peak_kib / 1024);
    assert!(!stdout.iter().any(|&b| b < b' ' && b != b'\n'), "a control octet got through");
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn what_has_no_end_is_cut_off() {
    for piece in [&b"220-still not done\r\n"[..], b"a", b"\0", b"\n"] {
        let peer = Peer::start(move |mut stream, over| flood(&mut stream, piece, over));
        let (code, out, err) = script(&peer, "smtp", "QUIT\n", &[]);
        assert_eq!((code, out.len() < 2_000_000), (2, true), "{err}");
    }
    let peer = Peer::start(|mut stream, over| flood(&mut stream, b"* still not done\r\n", over));
    let (code, _, _) = script(&peer, "imap", "a LOGOUT\n", &[]);
    assert_ne!(code, 3);
}

#[test]
fn silence_ends_a_script_and_says_what_is_missing() {
    let peer = Peer::start(|mut stream, _| {
        let _ = stream.write_all(b"220-mx.example\r\n");
        let _ = stream.read(&mut [0; 64]);
        std::thread::sleep(Duration::from_secs(20));
    });
    let (code, out, err) = script(&peer, "smtp", "QUIT\n", &[]);
    assert_eq!((code, out.contains("< 220-mx.example")), (2, true));
    assert!(err.contains("no whole reply as banner within 2.0 s"), "{err}");
}

#[test]
fn escapes_of_a_terminal_are_shown_and_not_obeyed() {
    let peer = Peer::start(|mut stream, _| {
        let _ = stream.write_all(b"220 \x1b]0;owned\x07\x1b[2J \xe2\x80\xae\r\n");
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(b"221 bye\r\n");
    });
    let (code, out, _) = script(&peer, "smtp", "QUIT\n", &[]);
    assert_eq!((code, out.contains("\\x1b]0;owned\\x07")), (0, true), "{out}");
}

#[test]
fn a_server_that_hangs_up_is_said_to_and_how() {
    let cut = Peer::start(|mut stream, _| {
        let _ = stream.write_all(b"220 mx.example\r\n");
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(b"250-half a re");
    });
    let (code, out, err) = script(&cut, "smtp", "EHLO a.example\nQUIT\n", &[]);
    assert_eq!((code, out.contains("< 250-half a re"), out.contains("cut off there")), (2, true, true), "{out}");
    assert!(err.contains("(FIN)") && err.contains("EHLO a.example"), "{err}");
    let reset = Peer::start(|mut stream, _| {
        let _ = stream.write_all(b"220 mx.example\r\n");
        // What was sent and never read makes the kernel reset the connection.
        std::thread::sleep(Duration::from_millis(500));
    });
    let (code, _, err) = script(&reset, "smtp", "EHLO a.example\nQUIT\n", &[]);
    assert_eq!((code, err.contains("(RST)")), (2, true), "{err}");
}

#[test]
fn a_server_that_repeats_a_password_is_not_shown_doing_so() {
    let peer = Peer::start(|mut stream, _| {
        let _ = stream.write_all(b"220 mx.example\r\n");
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            let said = String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned();
            if stream.write_all(format!("535 not CANARY42, nor {said}\r\n").as_bytes()).is_err() {
                return;
            }
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let (password, transcript) = (folder.path().join("password"), folder.path().join("transcript"));
    std::fs::write(&password, "CANARY42\n").unwrap();
    let more = ["--insecure-auth", "--user", "anna", "--password-file", password.to_str().unwrap(), "--transcript"];
    let lines = ":auth plain\nAUTH PLAIN AGFubmEAQ0FOQVJZNDI=\n:raw AUTH PLAIN AGFubmEAQ0FOQVJZNDI=\\r\\n\n";
    let (_, out, err) = script(&peer, "smtp", lines, &[&more[..], &[transcript.to_str().unwrap()]].concat());
    assert_eq!(out.matches("< 535").count(), 4, "{out}");
    for text in [out, err, std::fs::read_to_string(transcript).unwrap()] {
        assert!(!text.contains("CANARY42") && !text.contains("AGFubmE") && !text.contains("Q0FOQVJZNDI"), "{text}");
    }
}

#[test]
fn a_server_that_speaks_on_its_own_is_shown_while_somebody_types() {
    let peer = Peer::start(|mut stream, _| {
        let _ = stream.write_all(b"220 mx.example\r\n");
        std::thread::sleep(Duration::from_secs(2));
        let _ = stream.write_all(b"421 4.4.2 timeout, closing\r\n");
    });
    let mut command = maildoctor();
    command.args(["talk", &format!("127.0.0.1:{}", peer.port)]);
    let mut terminal = Terminal::of(command);
    terminal.begins("MAIL FR");
    terminal.sees("< 421 4.4.2 timeout");
    terminal.sees("unasked");
    terminal.sees("(FIN)");
    // What was typed so far still stands on the line.
    terminal.sees("> MAIL FR");
    terminal.types("OM:<>", "there is no connection");
    terminal.types(":explain", "421: the server closes the connection");
    terminal.types(":reconnect", "banner after");
    terminal.leaves();
    terminal.ends(0);
}
