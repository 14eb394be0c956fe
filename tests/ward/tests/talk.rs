//! A session by hand with real servers, at a real terminal, in the place of telnet and `openssl s_client`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends by panicking")]

use std::time::{Duration, Instant};
use std::{fs, thread};

use maildoctor_terminal::{PATIENCE, Terminal, script};
use maildoctor_ward::{MailSystem, Outside, PASSWORD, Plan, USER, WardError, trial};

fn arrives(system: &MailSystem, text: &str) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if system.mailbox().contains(text) {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    false
}

trial! {
    the_guides_auth_session_with_postfix_at_a_terminal {
        let system = Plan::healthy()?.start()?;
        let (transcript, history) = (system.file("transcript"), system.file("history"));
        let more = ["smtps://mx1.clinic.example", "--transcript", &transcript, "--history", &history];
        let mut terminal = Terminal::of(system.talk_command(&more)?);
        let token = system.token()?;
        terminal.types("EHLO testing", "CHUNKING");
        terminal.types(&format!("AUTH PLAIN {token}"), "< 235 2.7.0");
        terminal.types(&format!("mail from: <{USER}>"), "< 250 2.1.0");
        terminal.types(&format!("rcpt to: <{USER}>"), "< 250 2.1.5");
        terminal.types("DATA", "< 354");
        for line in ["From: Anna <anna@clinic.example>", "Subject: fnord", "", "hail eris!", "Quit", "R"] {
            terminal.types(line, "\r\n");
        }
        terminal.types(".hidden", "a second dot");
        terminal.types(".", "queued as");
        terminal.sends("QUIT");
        terminal.sees("< 221");
        let shown = terminal.ends(0);
        assert!(shown.contains("the certificate verifies for mx1.clinic.example"), "{shown}");
        assert!(arrives(&system, "hail eris!\nQuit\nR\n.hidden\n"), "{}", system.mailbox());
        for text in [shown, fs::read_to_string(transcript).unwrap(), fs::read_to_string(history).unwrap()] {
            assert!(!text.contains(&token) && !text.contains(PASSWORD), "{text}");
        }
        Ok(())
    }

    scripts_with_postfix_and_dovecot_and_from_a_place_outside {
        let system = Plan::healthy()?.start()?;
        let _outside = Outside::start()?;
        let password = system.file("password");
        let account = ["--user", USER, "--password-file", &password];
        let run = |target: &str, more: &[&str], lines: &str| -> Result<_, WardError> {
            Ok(script(system.talk_command(&[&[target], &account[..], more].concat())?, lines))
        };
        let submission = "EHLO client.example\n:starttls\nEHLO client.example\n:auth\n:expect 235\n";
        for (target, lines) in [
            ("submission://mx1.clinic.example", submission),
            ("imap://mx1.clinic.example", ":starttls\n:auth plain\n:expect OK\na1 SELECT INBOX\n:expect OK\n"),
            ("imaps://mx1.clinic.example", "a1 CAPABILITY\n:expect OK AUTH=PLAIN\n:auth\n:expect OK\n"),
            ("pop3://mx1.clinic.example", "CAPA\n:expect +OK STLS\n:starttls\n:auth\n:expect +OK\nSTAT\n:expect +OK\n"),
        ] {
            let (code, out, err) = run(target, &[], lines)?;
            assert_eq!((code, err.as_str()), (0, ""), "{target}: {out}");
            assert!(!out.contains(PASSWORD), "{out}");
        }
        let (code, out, err) = run("mx1.clinic.example:25", &["--from", "ssh:outside"], "EHLO [198.18.25.200]\n:expect 250 STARTTLS\n:starttls\n")?;
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(out.contains("the certificate verifies"), "{out}");
        // A strict server objects to what was warned of, and is not asked again.
        let (code, out, _) = run("mx1.clinic.example:25", &[], "EHLO a.example\nMAIL FROM <x@clinic.example>\n:expect 501\n")?;
        assert_eq!((code, out.contains("-- the word FROM: is missing")), (0, true), "{out}");
        Ok(())
    }
}
