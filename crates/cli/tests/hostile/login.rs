//! Servers that ask on and on for a password.

use crate::peer::{Answer, Outcome, Peer};

/// Tries an account on a server that offers `mechanism` in the clear.
fn tried(answer: fn(&str) -> Answer) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "canary-d41d8c\n").unwrap();
    let peer = Peer::answering(b"220 mail.example ESMTP\r\n", answer);
    let outcome = peer.check(&[
        "--user",
        "anna@example.org",
        "--password-file",
        password.to_str().unwrap(),
        "--insecure-auth",
        "--port",
        "submission=9,smtps=9,https=9",
    ]);
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(!text.contains("canary-d41d8c"), "the password stands in the report");
    outcome
}

/// How many lines of each AUTH exchange were sent.
fn lines(outcome: &Outcome) -> Vec<usize> {
    outcome.outcomes("smtp.auth/1").iter().map(|o| o["exchanges"].as_array().unwrap().len()).collect()
}

#[test]
fn challenge_after_challenge_is_cancelled() {
    for (mechanism, answer) in [
        ("PLAIN", (|line| endless(line, "PLAIN", "334 ")) as fn(&str) -> Answer),
        ("LOGIN", |line| endless(line, "LOGIN", "334 VXNlcm5hbWU6")),
        ("CRAM-MD5", |line| endless(line, "CRAM-MD5", "334 PDEyMy40NTZAZXhhbXBsZT4=")),
        ("SCRAM-SHA-256", |line| endless(line, "SCRAM-SHA-256", "334 cj1hLHM9Yj0saT0xMDAwMDAwMDAwMDA=")),
        ("SCRAM-SHA-1", |line| endless(line, "SCRAM-SHA-1", "334 !!! not base64 \u{0}")),
    ] {
        let outcome = tried(answer);
        let lines = lines(&outcome);
        assert!(!lines.is_empty() && lines.iter().all(|n| *n <= 5), "{mechanism}: {lines:?}");
        assert!(outcome.outcomes("smtp.auth/1").iter().all(|o| o["failed"].is_string()), "{mechanism}");
        assert!(!outcome.finds("auth-rejected"), "{mechanism}: nobody refused the password: {:?}", outcome.roots());
        assert!(!outcome.states("auth-rejected").contains(&"clear"), "{mechanism}");
    }
}

fn endless(line: &str, mechanism: &str, challenge: &str) -> Answer {
    match line.get(..4) {
        Some("EHLO") => format!("250-mail.example\r\n250 AUTH {mechanism}\r\n").into(),
        Some("MAIL" | "RCPT" | "RSET" | "VRFY") => "250 ok\r\n".into(),
        Some("QUIT") => "221 bye\r\n".into(),
        _ => format!("{challenge}\r\n").into(),
    }
}

#[test]
fn a_challenge_without_an_end_is_cut_off() {
    let outcome = tried(|line| match line.get(..4) {
        Some("EHLO") => "250-mail.example\r\n250 AUTH LOGIN\r\n".into(),
        Some("AUTH") => Answer::Endless("334-VXNlcm5hbWU6\r\n"),
        _ => "250 ok\r\n".into(),
    });
    assert!(!outcome.finds("auth-rejected"), "{:?}", outcome.roots());
}
