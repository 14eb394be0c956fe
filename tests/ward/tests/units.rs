//! How systemd sees the services of mail, beside what is seen of them: a manager of the trial's own stands in for the machine's.

use std::process::Command;

use maildoctor_ward::{Plan, Systemd, WardError, output_of, trial};

/// A unit that ends with an error, and one that nobody started.
const FAILS: &str = "[Service]\nExecStart=/bin/false\n";
const WAITS: &str = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=default.target\n";

/// Until systemd says so of a unit.
fn becomes(unit: &str, state: &str) -> Result<(), WardError> {
    let line = format!("until [ \"$(systemctl show -P ActiveState {unit})\" = {state} ]; do sleep 0.05; done");
    output_of(Command::new("timeout").args(["20", "sh", "-c", &line])).map(drop)
}

trial! {
    the_unit_that_failed_is_named {
        let system = Plan::healthy()?.start()?;
        output_of(Command::new("postfix").arg("stop"))?;
        let Some(systemd) = Systemd::start(&[("postfix@-.service", FAILS), ("dovecot.service", WAITS)])? else { return Ok(()) };
        systemd.run("postfix@-.service")?;
        becomes("postfix@-.service", "failed")?;
        let report = system.check(&["clinic.example", "--on-host"])?;
        report.names("broken", "service-not-running")?;
        report.tells("unit", "postfix@-.service")?;
        let text = report.json().to_string();
        for words in ["postfix@-.service has failed (exit-code, status 1)", "systemctl start postfix@-.service"] {
            if !text.contains(words) {
                return Err(WardError::Wrong(format!("\"{words}\" is not said: {}", report.json()["diagnosis"])));
            }
        }
        Ok(())
    }

    a_masked_unit_has_to_be_unmasked {
        let system = Plan::healthy()?.start()?;
        output_of(Command::new("postfix").arg("stop"))?;
        let Some(_systemd) = Systemd::start(&[("postfix.service", "")])? else { return Ok(()) };
        let report = system.check(&["clinic.example", "--on-host"])?;
        report.names("broken", "service-not-running")?;
        report.tells("masked", "postfix.service")
    }

    units_that_do_not_run_are_no_fault_of_a_healthy_server {
        let system = Plan::healthy()?.start()?;
        let units = [("postfix@-.service", FAILS), ("dovecot.service", WAITS), ("opendkim.service", FAILS)];
        let Some(systemd) = Systemd::start(&units)? else { return Ok(()) };
        systemd.run("opendkim.service")?;
        becomes("opendkim.service", "failed")?;
        system.check(&["clinic.example", "--on-host"])?.healthy_with(&["mx-single", "auth-only-after-tls", "vrfy-enabled"])
    }
}
