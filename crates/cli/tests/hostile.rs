//! Peers that lie, stall, flood and cut: no hang past the deadline, no panic, bounded memory, an honest outcome.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{maildoctor, report, story};
use maildoctor_lab::scenario::Scenario;
use serde_json::Value;

/// The deadline given to the program, and how long a test waits beyond it.
const DEADLINE: Duration = Duration::from_secs(4);
const GRACE: Duration = Duration::from_secs(8);

/// A server on a port of its own that does `act` with each connection until the test ends.
struct Peer {
    port: u16,
    over: Arc<AtomicBool>,
}

impl Peer {
    fn start(act: impl Fn(std::net::TcpStream, &AtomicBool) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let over = Arc::new(AtomicBool::new(false));
        let (flag, act) = (over.clone(), Arc::new(act));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if flag.load(Ordering::SeqCst) {
                    return;
                }
                let (flag, act) = (flag.clone(), act.clone());
                std::thread::spawn(move || act(stream, &flag));
            }
        });
        Self { port, over }
    }

    /// Checks this peer as a mail exchanger, and holds the run to its deadline.
    fn check(&self) -> (Output, Value) {
        let started = Instant::now();
        let output = maildoctor()
            .args([
                "check",
                &format!("127.0.0.1:{}", self.port),
                "--resolver",
                "127.0.0.1:9",
                "--foreign-resolver",
                "none",
            ])
            .args(["--timeout", "1500ms", "--deadline", "4s", "--format", "json"])
            .output()
            .unwrap();
        assert!(started.elapsed() < DEADLINE + GRACE, "it hung for {:?}", started.elapsed());
        assert!(
            !String::from_utf8_lossy(&output.stderr).contains("panicked"),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let report = serde_json::from_slice(&output.stdout).unwrap();
        (output, report)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

fn first(report: &Value) -> &str {
    report["diagnosis"][0]["code"].as_str().unwrap_or("nothing")
}

#[test]
fn silence_is_a_banner_time_out() {
    let peer = Peer::start(|stream, _| {
        std::thread::sleep(DEADLINE + GRACE);
        drop(stream);
    });
    let (output, report) = peer.check();
    assert_eq!((first(&report), output.status.code()), ("banner-timeout", Some(2)));
}

#[test]
fn an_endless_banner_is_cut_off() {
    let peer = Peer::start(
        |mut stream, over| {
            while !over.load(Ordering::SeqCst) && stream.write_all(&[b'a'; 65536]).is_ok() {}
        },
    );
    assert_eq!(first(&peer.check().1), "banner-missing-220");
}

#[test]
fn an_endless_reply_of_many_lines_is_cut_off() {
    let peer = Peer::start(|mut stream, over| {
        let line = b"220-still not done\r\n".repeat(1000);
        while !over.load(Ordering::SeqCst) && stream.write_all(&line).is_ok() {}
    });
    let (_, report) = peer.check();
    assert_ne!(report["verdict"], "healthy");
    assert!(report["findings"].as_array().unwrap().iter().any(|f| f["code"] == "reply-malformed"));
}

#[test]
fn one_octet_a_second_does_not_stretch_the_deadline() {
    let peer = Peer::start(|mut stream, over| {
        for octet in b"220 slow.example ESMTP\r\n".iter().cycle() {
            if over.load(Ordering::SeqCst) || stream.write_all(&[*octet]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    assert_ne!(peer.check().1["verdict"], "healthy");
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
        let (output, report) = peer.check();
        assert_eq!(first(&report), "banner-missing-220", "{text:?}");
        assert!(!output.stdout.contains(&0x1b), "a terminal escape got through");
    }
}

#[test]
fn a_cut_after_the_connection_is_a_reset() {
    let peer = Peer::start(|stream, _| drop(stream));
    assert_eq!(first(&peer.check().1), "connect-reset");
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
    let (_, report) = with_tls(None).check();
    let codes = common::diagnosis(&report);
    assert!(codes.iter().any(|c| c == "tls-handshake-timeout"), "{codes:?}");
}

#[test]
fn tls_garbage_is_a_failed_handshake() {
    let (_, report) = with_tls(Some(b"\x16\x03\x03\x00\x04junk")).check();
    let codes = common::diagnosis(&report);
    assert!(codes.iter().any(|c| c == "tls-handshake-failed"), "{codes:?}");
}

#[test]
fn the_lab_cuts_resets_and_drips_at_every_step() {
    for step in ["BANNER", "EHLO", "STARTTLS", "MAIL", "RCPT", "RSET", "VRFY", "QUIT"] {
        for action in ["cut", "silent", "drip", "split"] {
            let scenario =
                Scenario::from_toml(&format!("[[rule]]\non = '{step}'\nrole = 'mx'\naction = '{action}'\n")).unwrap();
            let running = story(&scenario);
            let started = Instant::now();
            let report = report(&running, &["--timeout", "700ms", "--deadline", "3s"]);
            assert!(started.elapsed() < Duration::from_secs(3) + GRACE, "{step} {action} took {:?}", started.elapsed());
            if ["BANNER", "EHLO", "MAIL", "RCPT"].contains(&step) && ["cut", "silent"].contains(&action) {
                assert_ne!(report["verdict"], "healthy", "{step} {action}");
            }
            if action == "split" {
                assert_eq!(report["verdict"], "healthy", "{step} {action}: {:?}", common::diagnosis(&report));
            }
        }
    }
}

/// A DNS server that answers every question with what `answer` makes of it.
fn dns(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&answer(&buffer[..length]), from);
        }
    });
    at
}

fn check_with(resolver: &str) -> Value {
    let started = Instant::now();
    let output = maildoctor()
        .args([
            "check",
            "example.org",
            "--resolver",
            resolver,
            "--foreign-resolver",
            "none",
            "--timeout",
            "1s",
            "--deadline",
            "4s",
            "--format",
            "json",
        ])
        .output()
        .unwrap();
    assert!(started.elapsed() < DEADLINE + GRACE);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn dns_garbage_and_wrong_questions_are_no_answer() {
    let garbage = dns(|_| b"this is no DNS message at all".to_vec());
    assert_eq!(first(&check_with(&garbage)), "mx-lookup-failed");
    let wrong_id = dns(|question| {
        let mut answer = question.to_vec();
        answer[0] ^= 0xff;
        answer[2] |= 0x80;
        answer
    });
    assert_eq!(first(&check_with(&wrong_id)), "mx-lookup-failed");
}

#[test]
fn a_circle_of_aliases_ends() {
    // Every question is answered by an alias from the name to itself (a pointer to the question).
    let circle = dns(|question| {
        let mut answer = question.to_vec();
        let end = question.iter().skip(12).position(|&b| b == 0).unwrap() + 12 + 5;
        answer.truncate(end);
        answer[2] |= 0x80;
        answer[7] = 1;
        answer[11] = 0;
        answer.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 12]);
        answer
    });
    let report = check_with(&circle);
    assert_ne!(report["verdict"], "healthy");
}
