//! Postfix that lets our address pass before it looks anything up, and lets us say by XCLIENT whom it is to take us for.

use std::fs;

use maildoctor_ward::{DnsManner, MailSystem, Plan, Report, THIRD_PARTY, WardError, dns_responder, trial};

/// A system whose lists, two of them, are asked about nobody of ours: `when` says at which restrictions.
fn system(when: &str, more: &[(&str, &str)]) -> Result<MailSystem, WardError> {
    Plan::healthy_but(|plan| {
        let lists = "reject_rbl_client bl1.example reject_rbl_client bl2.example";
        plan.postfix
            .set("mynetworks", "127.0.0.0/8 198.18.25.99")
            .set("smtpd_authorized_xclient_hosts", "198.18.25.99")
            .set(when, &format!("permit_mynetworks {lists}"));
        for (name, value) in more {
            plan.postfix.set(name, value);
        }
        for list in ["bl1", "bl2"] {
            plan.zones.example.add(format!("2.0.0.127.{list} A 127.0.0.2"));
        }
    })
}

/// The servers ask a resolver that never answers below one list.
fn resolver() -> Result<(), WardError> {
    dns_responder(THIRD_PARTY, DnsManner::SilentAbout("bl2.example."))?;
    let text = format!("nameserver {THIRD_PARTY}\noptions timeout:3 attempts:2\n");
    fs::write("/etc/resolv.conf", text).map_err(WardError::io("/etc/resolv.conf"))
}

/// The list is named, first and proven, with the line at which it stands.
fn proves_the_list(report: &Report) -> Result<(), WardError> {
    report.names("degraded", "dnsbl-timeout")?;
    report.tells("zone", "bl2.example")?;
    report.tells("file", "/etc/postfix/main.cf")?;
    let first = report.json().pointer("/diagnosis/0/confidence").cloned().unwrap_or_default();
    if first == "proven" { Ok(()) } else { Err(WardError::Wrong(format!("it is captured, and {first}"))) }
}

trial! {
    lists_that_answer_strangers_are_healthy {
        let system = system("smtpd_client_restrictions", &[("smtpd_delay_reject", "no")])?;
        let report = system.check(&["mx1.clinic.example:25", "--on-host"])?;
        report.judges("healthy")?;
        report.has_check("dnsbl-timeout", "clear")
    }

    a_dead_list_before_the_banner_of_strangers {
        resolver()?;
        let system = system("smtpd_client_restrictions", &[("smtpd_delay_reject", "no")])?;
        let report = system.check(&["mx1.clinic.example:25", "--on-host"])?;
        proves_the_list(&report)?;
        report.explains("banner-slow")
    }

    a_dead_list_at_the_recipient_of_strangers {
        resolver()?;
        let system = system("smtpd_recipient_restrictions", &[])?;
        let report = system.check(&["anna@clinic.example", "--on-host"])?;
        proves_the_list(&report)
    }

    nobody_says_so_from_elsewhere {
        // The server would take it of us, and only on its own host is it asked for.
        let system = system("smtpd_client_restrictions", &[("smtpd_delay_reject", "no")])?;
        let report = system.check(&["mx1.clinic.example:25"])?;
        report.judges("healthy")?;
        let log = fs::read_to_string("/var/log/mail.log").map_err(WardError::io("/var/log/mail.log"))?;
        if log.contains("198.51.100.7") { Err(WardError::Wrong(log)) } else { Ok(()) }
    }
}
