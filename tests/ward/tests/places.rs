//! The same system from this machine and from a place outside, through a real ssh.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends by panicking")]

use std::{
    fs,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use maildoctor_ward::{
    MX_ADDRESS, MailSystem, OTHER_ADDRESS, OUTSIDE_ADDRESS, OUTSIDE_PLACE, Outside, Plan, WardError, output_of,
    processes_with, trial,
};
use serde_json::Value;

/// How long is waited for something that has to happen, on a machine that is busy.
const SOON: Duration = Duration::from_secs(30);

fn both<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [more, &["--from", "local", "--from", "ssh:outside"]].concat()
}

fn inside_and_outside(change: impl FnOnce(&mut Plan)) -> Result<(MailSystem, Outside), WardError> {
    let system = Plan::healthy_but(|plan| {
        Outside::named_in(&mut plan.zones);
        change(plan);
    })?;
    Ok((system, Outside::start()?))
}

/// Nothing of ours runs any more, and no folder with a socket is left.
fn nothing_is_left(system: &MailSystem) -> bool {
    let folders = fs::read_dir(system.file("")).unwrap().flatten();
    processes_with("maildoctor-guard").unwrap().is_empty()
        && processes_with("ssh -S").unwrap().is_empty()
        && !folders.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("maildoctor-ssh"))
}

fn wait_until(what: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < SOON {
        if what() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

/// What came of the connection from outside to port 25 of an address.
fn from_outside(report: &Value, address: &str) -> String {
    report["observations"]
        .as_array()
        .unwrap()
        .iter()
        .find(|o| {
            o["probe"] == "tcp.connect/1"
                && o["vantage"] == "ssh:outside"
                && o["subject"] == format!("service:{address}:25")
        })
        .map(|o| o["outcome"]["result"].as_str().unwrap().to_owned())
        .unwrap_or_default()
}

trial! {
    healthy_from_inside_and_outside {
        let (system, _outside) = inside_and_outside(|_| {})?;
        let report = system.check(&both(&["clinic.example"]))?;
        report.healthy_with(&["mx-single", "vrfy-enabled"])?;
        let place = &report.json()["vantages"][1];
        assert_eq!((&place["kind"], &place["source_ip"]), (&"ssh".into(), &OUTSIDE_PLACE.into()));
        // Its own resolver, and not the one of this machine.
        assert_eq!(place["resolver"], "198.18.25.55:53");
        assert!(nothing_is_left(&system));
        Ok(())
    }

    filtered_from_outside {
        let (system, outside) = inside_and_outside(|_| {})?;
        outside.firewall(MX_ADDRESS, 25, "drop")?;
        system.check(&both(&["clinic.example", "--timeout", "5s"]))?.names("broken", "port-filtered-from-outside")
    }

    refused_filtered_and_unreachable_stay_apart_through_ssh {
        let (system, outside) = inside_and_outside(|plan| {
            plan.zones.domain.add("@ MX 20 mx2").add(format!("mx2 A {OTHER_ADDRESS}"));
            plan.zones.domain.add("@ MX 30 mx3").add(format!("mx3 A {OUTSIDE_ADDRESS}"));
        })?;
        outside.firewall(MX_ADDRESS, 25, "drop")?;
        outside.firewall(OTHER_ADDRESS, 25, "reject with tcp reset")?;
        outside.firewall(OUTSIDE_ADDRESS, 25, "reject with icmp type host-unreachable")?;
        let report = system.check(&["clinic.example", "--timeout", "5s", "--from", "ssh:outside"])?;
        let came = [MX_ADDRESS, OTHER_ADDRESS, OUTSIDE_ADDRESS].map(|address| from_outside(report.json(), address));
        assert_eq!(came, ["timed-out", "refused", "unreachable"]);
        Ok(())
    }

    a_place_that_lets_nobody_in_blames_nobody {
        let (system, outside) = inside_and_outside(|_| {})?;
        outside.lock_out()?;
        let report = system.check(&both(&["clinic.example"]))?;
        report.healthy_with(&["mx-single", "vrfy-enabled", "vantage-unusable"])?;
        let said = report.json()["findings"].to_string();
        assert!(said.contains("Permission denied (publickey") && said.contains("`ssh outside true` must work"), "{said}");
        let alone = system.check(&["clinic.example", "--from", "ssh:outside"])?;
        alone.names("inconclusive", "vantage-unusable")?;
        assert!(nothing_is_left(&system));
        Ok(())
    }

    nothing_outlives_a_run_that_is_stopped {
        let (system, outside) = inside_and_outside(|_| {})?;
        outside.firewall(MX_ADDRESS, 25, "drop")?;
        for signal in ["INT", "KILL"] {
            let mut run = system
                .check_command(&both(&["clinic.example"]))?
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            assert!(wait_until(|| !processes_with("-W 198.18.25.10:25").unwrap().is_empty()), "no connection through ssh");
            output_of(std::process::Command::new("kill").args(["-s", signal, &run.id().to_string()])).unwrap();
            run.wait().unwrap();
            assert!(wait_until(|| nothing_is_left(&system)), "{signal}: {:?}", processes_with("ssh -S"));
        }
        Ok(())
    }
}
