//! The machine and the servers themselves, tried with other people's tools: where a trial fails, it must be for the program's sake.

use std::{
    env, fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use maildoctor_ward::{MX_ADDRESS, MailSystem, Mta, PASSWORD, Plan, USER, WardError, isolated, output_of, trial};

/// Submits a message as the user and waits until it lies in the user's mailbox.
fn round_trip(system: &MailSystem) -> Result<(), WardError> {
    output_of(
        Command::new("swaks")
            .args([
                "--server",
                &format!("{MX_ADDRESS}:587"),
                "-tls",
                "--tls-verify",
                "--tls-ca-path",
                &system.file("root.pem"),
            ])
            .args(["--auth", "PLAIN", "--auth-user", USER, "--auth-password", PASSWORD])
            .args(["--from", USER, "--to", USER, "--header", "Subject: round trip"]),
    )?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        let found = Command::new("grep").args(["-rlq", "Subject: round trip", "/var/vmail/anna"]).status();
        if found.is_ok_and(|status| status.success()) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(WardError::Wrong("the message did not turn up in the mailbox".to_owned()))
}

trial! {
    postfix_delivers_through_dovecot {
        round_trip(&Plan::healthy()?.start()?)
    }

    exim_delivers {
        let mut plan = Plan::healthy()?;
        plan.mta = Mta::Exim;
        round_trip(&plan.start()?)
    }

    names_resolve_in_both_views {
        let _system = Plan::healthy()?.start()?;
        for resolver in ["198.18.25.54", "198.18.25.55"] {
            let mx = output_of(Command::new("dig").args([&format!("@{resolver}"), "+short", "mx", "clinic.example"]))?;
            assert_eq!(mx.trim(), "10 mx1.clinic.example.");
        }
        let name = output_of(Command::new("dig").args(["+short", "-x", MX_ADDRESS]))?;
        assert_eq!(name.trim(), "mx1.clinic.example.");
        Ok(())
    }
}

/// A trial that fails in the middle leaves no process: the test is its own failing trial and looks at what is left of it.
#[test]
fn nothing_is_left_behind() {
    let note = env::current_exe().unwrap().with_extension("namespace");
    let inner = isolated("nothing_is_left_behind", || {
        let _system = Plan::healthy()?.start()?;
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
        fs::write(&note, namespace.to_str().unwrap()).unwrap();
        Err(WardError::Wrong("on purpose: what follows is the log of a failure that had to be".to_owned()))
    });
    assert!(inner.is_err());
    // The inner run is this very function: for it, all is said.
    if env::var_os("MAILDOCTOR_WARD_FOLDER").is_some() {
        panic!("on purpose");
    }
    let namespace = fs::read_to_string(&note).unwrap();
    fs::remove_file(&note).unwrap();
    let left = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        fs::read_link(entry.path().join("ns/pid")).is_ok_and(|of| of.to_str() == Some(namespace.as_str()))
    });
    assert_eq!(left.count(), 0);
}
