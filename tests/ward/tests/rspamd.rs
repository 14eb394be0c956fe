//! Postfix with Rspamd as its milter, seen from their host.

use std::process::Command;

use maildoctor_ward::{
    Daemon, DnsManner, MailSystem, Plan, RSPAMD_MILTER, Report, THIRD_PARTY, WardError, dns_responder, output_of,
    rspamd, trial,
};

/// What is true of this system: one mail server, passwords only after TLS, and VRFY as Debian leaves it.
const TRUE_ADVICE: &[&str] = &["mx-single", "auth-only-after-tls", "vrfy-enabled"];

/// A system whose Rspamd asks two lists, of which the second is served by somebody else where that is said.
fn system(elsewhere: bool) -> Result<(MailSystem, Daemon), WardError> {
    let daemon = rspamd(&["bl1.example", "bl2.example"])?;
    let system = Plan::healthy_but(|plan| {
        plan.postfix.set("smtpd_milters", &format!("inet:{RSPAMD_MILTER}"));
        plan.zones.example.add("2.0.0.127.bl1 A 127.0.0.2".to_owned());
        plan.zones.example.add(if elsewhere { "bl2 NS ns1.list" } else { "2.0.0.127.bl2 A 127.0.0.2" }.to_owned());
    })?;
    Ok((system, daemon))
}

/// A message is sent through it.
fn send(system: &MailSystem) -> Result<Report, WardError> {
    system.check_account(&["clinic.example", "--on-host", "--send"])
}

/// The root causes that name a list or a program are `code` for the second list alone, proven, with its place.
fn proves_the_second_list(report: &Report, code: &str) -> Result<(), WardError> {
    let text = |root: &serde_json::Value, path: &str| root.pointer(path).map(ToString::to_string).unwrap_or_default();
    let roots = report.json().get("diagnosis").and_then(|roots| roots.as_array()).cloned().unwrap_or_default();
    let causes: Vec<String> = roots
        .iter()
        .filter(|root| text(root, "/severity") != "\"advice\"")
        .map(|root| {
            ["/code", "/confidence", "/detail/zone", "/detail/file", "/detail/line"]
                .map(|path| text(root, path))
                .join(" ")
        })
        .collect();
    let wanted = format!("\"{code}\" \"proven\" \"bl2.example\" \"/etc/rspamd/modules.d/rbl.conf\" 10");
    if causes == [wanted.clone()] {
        Ok(())
    } else {
        Err(WardError::Wrong(format!("{wanted} must be all that is said, not {causes:#?}")))
    }
}

trial! {
    a_healthy_rspamd_is_silent_and_left_as_it_was {
        let (system, _daemon) = system(false)?;
        let before = of_root()?;
        let report = send(&system)?;
        report.healthy_with(TRUE_ADVICE)?;
        for code in ["milter-slow", "dnsbl-timeout", "dnsbl-slow", "dnsbl-zone-dead", "dnsbl-lists-everyone"] {
            report.has_check(code, "clear")?;
        }
        let by_root: Vec<String> = of_root()?.into_iter().filter(|file| !before.contains(file)).collect();
        if by_root.is_empty() { Ok(()) } else { Err(WardError::Wrong(format!("its folder was written into: {by_root:?}"))) }
    }

    a_list_that_does_not_answer {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        let (system, _daemon) = system(true)?;
        let report = send(&system)?;
        report.names("degraded", "dnsbl-timeout")?;
        report.tells("setting", "rule list1 of Rspamd")?;
        proves_the_second_list(&report, "dnsbl-timeout")
    }

    a_list_that_has_an_address_for_everybody {
        dns_responder(THIRD_PARTY, DnsManner::Everything([198, 18, 25, 80].into()))?;
        let (system, _daemon) = system(true)?;
        let report = system.check(&["clinic.example", "--on-host"])?;
        report.names("at-risk", "dnsbl-lists-everyone")?;
        report.tells("file", "/etc/rspamd/modules.d/rbl.conf")
    }
}

/// The files in Rspamd's folder that root made: its first process, before it becomes somebody else, and whoever
/// meddles with them.
fn of_root() -> Result<Vec<String>, WardError> {
    let found = output_of(Command::new("find").args(["/var/lib/rspamd", "-type", "f", "-user", "root"]))?;
    Ok(found.lines().map(str::to_owned).collect())
}
