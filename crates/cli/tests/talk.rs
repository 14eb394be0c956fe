//! `maildoctor talk` at a real terminal and in scripts, against the lab: the field guide's whole AUTH session, logins
//! without a trace, TLS in place, what is expected, and what stands nowhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Running, lab, maildoctor};
use maildoctor_terminal::{PATIENCE, Terminal, script};
use secrecy::{ExposeSecret, SecretString};

const ANNA: &str = "anna@lab.example";
const BERT: &str = "bert@lab.example";

fn password(running: &Running) -> String {
    running.lab.accounts()[ANNA].expose_secret().to_owned()
}

fn token(running: &Running) -> String {
    let password: SecretString = password(running).into();
    maildoctor_wire::sasl::plain(ANNA, &password, "").expose_secret().to_owned()
}

/// The command that talks to a service of the lab by its name, as a client that trusts the lab does.
fn talk(running: &Running, scheme: &str, port: u16) -> Command {
    let plan = running.lab.plan();
    let mut command = maildoctor();
    command.args(["talk", &format!("{scheme}://mail.lab.example:{port}")]);
    command.args(["--resolver", &format!("{}:{}", plan.resolver(), plan.dns)]);
    command.arg("--ca-file").arg(running.lab.root().join("ca.pem"));
    command
}

/// The messages that have arrived for a user, as text.
fn mailbox(running: &Running, user: &str) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut found = String::new();
        for folder in ["new", "cur"] {
            let path = running.lab.maildir(user).join(folder);
            for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
                found.push_str(&std::fs::read_to_string(entry.path()).unwrap());
            }
        }
        if !found.is_empty() || Instant::now() > until {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn nowhere(secrets: &[&str], texts: &[&str]) {
    for secret in secrets {
        for text in texts {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_guides_auth_session_at_a_terminal() {
    let running = lab(&[]);
    let folder = tempfile::tempdir().unwrap();
    let (transcript, history) = (folder.path().join("transcript"), folder.path().join("history"));
    let (password, token) = (password(&running), token(&running));
    let mut command = talk(&running, "smtps", running.lab.plan().smtps);
    command.arg("--transcript").arg(&transcript).arg("--history").arg(&history);
    let mut terminal = Terminal::of(command);
    terminal.types("EHLO testing", "ENHANCEDSTATUSCODES");
    terminal.types(&format!("AUTH PLAIN {token}"), "< 235");
    terminal.types("RSET", "< 250");
    terminal.types(&format!("mail from: <{ANNA}>"), "a blank after the colon");
    terminal.types(&format!("rcpt to: <{BERT}>"), "< 250");
    terminal.types("DATA", "< 354");
    terminal.types("Received: a line that begins with R", "with R");
    terminal.types("Quit: a line that begins with Q", "with Q");
    terminal.types("Subject: fnord", "fnord");
    terminal.types("", "\r\n");
    terminal.types("hail eris!", "eris!");
    terminal.types(".hidden", "a second dot");
    terminal.types("Quit", "Quit");
    terminal.types(":-)", ":-)");
    terminal.types("::help", "::help");
    terminal.types(".", "queued as");
    terminal.types(":explain", "250: done");
    terminal.sends("QUIT");
    terminal.sees("< 221");
    terminal.sees("closed the connection (FIN)");
    let shown = terminal.ends(0);
    for part in ["TLS 1.3", "the certificate verifies for mail.lab.example", "AUTH PLAIN ***"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let message = mailbox(&running, BERT);
    for part in ["Received: a line that begins with R\r\n", "\r\nQuit: a", "\r\n.hidden\r\nQuit\r\n:-)\r\n:help\r\n"] {
        assert!(message.contains(part), "{part:?} in {message:?}");
    }
    let (transcript, history) = (read(&transcript), read(&history));
    assert!(transcript.contains("> AUTH PLAIN (secret)") && history.contains("RSET\n"), "{transcript}{history}");
    assert!(!history.to_uppercase().contains("AUTH PLAIN"), "{history}");
    nowhere(&[&password, &token], &[&shown, &transcript, &history]);
}

#[test]
fn a_login_at_a_terminal_asks_without_echo_and_waits_for_tls() {
    let running = lab(&[]);
    let folder = tempfile::tempdir().unwrap();
    let transcript = folder.path().join("transcript");
    let mut command = talk(&running, "submission", running.lab.plan().submission);
    command.arg("--transcript").arg(&transcript);
    let mut terminal = Terminal::of(command);
    terminal.types(":auth plain", "not sent without TLS");
    terminal.types("EHLO client.example", "STARTTLS");
    terminal.types(":starttls", "TLS stands");
    terminal.types("EHLO client.example", "CRAM-MD5");
    for (mechanism, shows) in [("cram-md5", "AUTH CRAM-MD5"), ("", "AUTH PLAIN (secret)"), ("login", "AUTH LOGIN")] {
        terminal.sends(&format!(":auth {mechanism}"));
        terminal.sees("User name: ");
        terminal.sends(ANNA);
        terminal.sees("Password (not shown): ");
        // The prompt stands before the terminal is told to be quiet.
        std::thread::sleep(Duration::from_millis(300));
        terminal.sends(&password(&running));
        terminal.sees(shows);
        terminal.sees("< 235");
        terminal.sees("> ");
        terminal.types("RSET", "< 250");
    }
    terminal.sends("QUIT");
    let shown = terminal.ends(0);
    nowhere(&[&password(&running), &token(&running)], &[&shown, &read(&transcript)]);
}

#[test]
fn a_script_is_sent_line_by_line_with_its_line_ends_made_right() {
    let running = lab(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{}\n", password(&running))).unwrap();
    let mut command = talk(&running, "submission", running.lab.plan().submission);
    command.args(["--user", ANNA, "--expect", "220,250,220,250"]).arg("--password-file").arg(&file);
    let lines = format!(
        "EHLO client.example\n:expect 250 starttls\nSTARTTLS\nEHLO client.example\r\n:auth\n:expect 235\n\
         MAIL FROM:<{ANNA}>\nRCPT TO:<{BERT}>\n:expect 2xx\nDATA\n:expect 354\nSubject: fnord\r\n\n.\u{2e}a\n.\n:expect 250 queued\n"
    );
    let (code, out, err) = script(command, &lines);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("> QUIT\n< 221") && out.contains("TLS stands"), "{out}");
    assert!(mailbox(&running, BERT).contains("Subject: fnord\r\n\r\n..a\r\n"));
    nowhere(&[&password(&running), &token(&running)], &[&out]);
}

#[test]
fn what_is_expected_and_does_not_come_ends_a_script_with_2_and_a_sentence() {
    let running = lab(&[]);
    let port = running.lab.plan().submission;
    let at = |more: &[&str]| {
        let mut command = talk(&running, "smtp", port);
        command.args(more);
        command
    };
    let (code, out, err) = script(at(&[]), "NOOP\n:expect 550\nRSET\n");
    assert_eq!(
        (code, err.as_str()),
        (2, "error: expected 550 after `NOOP` (line 2), and the server said `250 2.0.0 ok`\n")
    );
    assert!(!out.contains("RSET") && out.contains("> QUIT"), "{out}");
    let (code, _, err) = script(at(&["--expect", "220,4xx"]), "NOOP\n");
    assert_eq!((code, err.contains("as reply 2 of --expect")), (2, true), "{err}");
    let (code, _, err) = script(at(&["--expect", "220,250,221,250"]), "NOOP\n");
    assert_eq!((code, err.contains("ended before it")), (2, true), "{err}");
    let (code, _, err) = script(at(&[]), "QUIT\nNOOP\n");
    assert_eq!((code, err.as_str()), (0, ""), "a script is at its end with QUIT");
    let (code, _, err) = script(at(&[]), ":nonsense\n");
    assert_eq!((code, err.contains("line 1") && err.contains(":help")), (3, true), "{err}");
    let (code, _, err) = script(at(&[]), "EHLO a.example\n:auth plain anna\n");
    assert_eq!((code, err.contains("without TLS")), (3, true), "{err}");
}

#[test]
fn octets_are_sent_as_they_are_written_and_lines_wait_when_told() {
    let running = lab(&[]);
    let plan = running.lab.plan();
    let at = || {
        let mut command = maildoctor();
        command.args(["talk", &format!("{}:{}", plan.mx(1), plan.smtp)]);
        command
    };
    let began = Instant::now();
    let (code, out, err) =
        script(at(), ":raw NOOP\\n\n:expect 250\n:wait 700ms\n:raw NO\n:raw OP\\r\\n\n:expect 250\n:close\nNOOP\n");
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(began.elapsed() >= Duration::from_millis(700));
    assert!(out.contains("LF without CR") && !out.contains("QUIT"), "{out}");
    let (code, _, err) = script(at(), "EHLO a.example\nMAIL FROM:<>\nRCPT TO:<anna@lab.example>\nDATA\nno end\n");
    assert_eq!((code, err.contains("inside the message")), (3, true), "{err}");
}

#[test]
fn mailboxes_are_talked_to_as_well() {
    let running = lab(&[]);
    let plan = running.lab.plan();
    let login = |scheme: &str, port: u16, lines: &str| {
        let mut command = talk(&running, scheme, port);
        command.args(["--user", ANNA]).env("MAILDOCTOR_PASSWORD", password(&running));
        script(command, lines)
    };
    for (scheme, port, lines) in [
        ("imap", plan.imap, ":starttls\n:auth\n:expect OK\na1 SELECT INBOX\n:expect OK\n"),
        ("imaps", plan.imaps, ":auth\na1 FETCH\n:expect NO|BAD\n"),
        ("pop3", plan.pop3, ":starttls\n:auth\n:expect +OK\nLIST\n:expect +OK\n"),
        ("pop3s", plan.pop3s, ":auth\nRETR 99\n:expect -ERR\n"),
    ] {
        let (code, out, err) = login(scheme, port, lines);
        assert_eq!((code, err.as_str()), (0, ""), "{scheme}: {out}");
        nowhere(&[&password(&running)], &[&out]);
    }
}

#[test]
fn a_certificate_that_does_not_verify_is_said_and_no_password_goes_there() {
    let running = lab(&["cert-self-signed"]);
    let mut command = maildoctor();
    let plan = running.lab.plan();
    let target = format!("smtps://{}:{}", plan.mail(), plan.smtps);
    command.args(["talk", &target, "--user", ANNA]).env("MAILDOCTOR_PASSWORD", password(&running));
    let (code, out, err) = script(command, "EHLO a.example\n:auth\n");
    assert_eq!((code, out.contains("does NOT verify"), out.contains("cert-")), (3, true, true), "{out}");
    assert!(err.contains("does not verify") && !out.contains("AUTH PLAIN ("), "{err}{out}");
}

#[test]
fn who_cannot_be_talked_to_is_said_in_a_sentence() {
    let running = lab(&[]);
    let closed = format!("{}:{}", running.lab.plan().mail(), running.lab.plan().https);
    for (target, code, words) in [
        (closed.as_str(), 2, "nothing listens there"),
        ("anna@lab.example", 3, "no server"),
        ("gopher://lab.example", 3, "no scheme"),
        ("lab.example:0", 3, "no port"),
    ] {
        let mut command = maildoctor();
        command.args(["talk", target]);
        let (got, _, err) = script(command, "");
        assert_eq!((got, err.contains(words), err.lines().count()), (code, true, 1), "{err}");
    }
}
