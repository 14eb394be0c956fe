//! My mail does not arrive there: a real Postfix that sends, a real Postfix that refuses, and the cause named before the
//! sender's own log says that it was refused, in the same words.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends by panicking")]

use maildoctor_ward::{
    MailSystem, OUTSIDE_ADDRESS, Plan, Report, SENDER, SENDING_HOST, SendingPostfix, USER, WardError, trial,
};

/// A receiver with one thing changed; the sender's domain is as it should be.
fn receiver(change: impl FnOnce(&mut Plan)) -> Result<MailSystem, WardError> {
    Plan::healthy_but(|plan| {
        plan.zones.outside.add("_dmarc TXT \"v=DMARC1; p=reject\"");
        // A list that works and lists nobody but by its test entry.
        plan.zones.example.add("2.0.0.127.quiet A 127.0.0.2");
        change(plan);
    })
}

/// The check of the sender, on the host that sends.
fn check(system: &MailSystem) -> Result<Report, WardError> {
    let arguments = ["--outbound", SENDER, "--bind", OUTSIDE_ADDRESS, "--helo", SENDING_HOST];
    system.check(&[&[USER, "--dnsbl=quiet.example"], &arguments[..]].concat())
}

/// The sender's own log holds the reply that the check had, word for word.
fn refused_alike(report: &Report, code: &str) -> Result<(), WardError> {
    let log = SendingPostfix::start()?.sends()?;
    let findings = report.json()["findings"].as_array().unwrap();
    let refusal = findings.iter().find(|finding| finding["code"] == code);
    let reply = refusal.and_then(|finding| finding["detail"]["reply"].as_str()).unwrap_or("no refusal");
    if log.contains(reply) && !log.contains("status=sent") {
        Ok(())
    } else {
        Err(WardError::Wrong(format!("the check was told `{reply}`, and the sender's log says `{log}`")))
    }
}

trial! {
    a_sender_that_is_welcome {
        let system = receiver(|plan| {
            plan.postfix.set("smtpd_client_restrictions", "reject_unknown_client_hostname reject_rbl_client quiet.example");
        })?;
        let report = check(&system)?;
        report.healthy_with(&[])?;
        report.has_check("spf-excludes-server", "clear")?;
        report.has_check("ip-listed", "clear")?;
        let log = SendingPostfix::start()?.sends()?;
        assert!(log.contains("status=sent"), "{log}");
        Ok(())
    }

    a_sender_without_a_reverse_name {
        let system = receiver(|plan| {
            plan.zones.reverse.remove("80 PTR");
            plan.postfix.set("smtpd_client_restrictions", "reject_unknown_client_hostname");
        })?;
        let report = check(&system)?;
        report.names("broken", "ptr-missing")?;
        refused_alike(&report, "recipient-refused")
    }

    a_sender_on_the_receivers_list {
        let system = receiver(|plan| {
            // The check learns of this list from the refusal alone.
            for record in ["2.0.0.127.bl A 127.0.0.2", "80.25.18.198.bl A 127.0.0.4", "80.25.18.198.bl TXT \"seen in a trap\""] {
                plan.zones.example.add(record);
            }
            plan.postfix.set("smtpd_client_restrictions", "reject_rbl_client bl.example");
        })?;
        let report = check(&system)?;
        report.names("broken", "ip-listed")?;
        assert_eq!(report.json()["diagnosis"][0]["detail"]["reason"], "seen in a trap");
        refused_alike(&report, "rcpt-rejected-dnsbl")
    }

    a_sender_whose_own_record_disowns_it {
        let system = receiver(|plan| {
            plan.zones.outside.remove("@ TXT").add("@ TXT \"v=spf1 a:client.outside.example -all\"");
        })?;
        // This receiver asks no SPF: it takes the mail, and others will not.
        check(&system)?.names("degraded", "spf-excludes-server")
    }

    a_sender_whose_domain_is_gone {
        let system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_sender_restrictions", "reject_unknown_sender_domain");
        })?;
        let report = system.check(&["--outbound", "anna@nowhere.example", "bert@clinic.example"])?;
        report.names("broken", "domain-not-found")?;
        report.explains("sender-rejected")
    }
}
