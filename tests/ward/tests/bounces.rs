//! Bounces that real servers write, and their logs.

use std::path::Path;

use maildoctor_ward::{
    DOMAIN, MailSystem, Mta, Plan, WardError, bounce, logged, refusing_server, returned, send, trial,
};
use serde_json::Value;

/// Holds an answer against what happened.
fn says(answer: &Value, expected: &[(&str, &str)]) -> Result<(), WardError> {
    for (key, value) in expected {
        let got = answer.pointer(&format!("/{}", key.replace('.', "/"))).cloned().unwrap_or(Value::Null);
        if got != *value && !got.as_str().is_some_and(|text| text.contains(value)) {
            return Err(WardError::Wrong(format!("{key} must be {value}: {answer:#}")));
        }
    }
    Ok(())
}

/// The only answer of a bounce.
fn only(report: &Value) -> Result<&Value, WardError> {
    match report["answers"].as_array().map(Vec::as_slice) {
        Some([answer]) => Ok(answer),
        _ => Err(WardError::Wrong(format!("one answer was expected: {report:#}"))),
    }
}

/// The answer of a code in a log.
fn of_code<'r>(report: &'r Value, code: &str) -> Result<&'r Value, WardError> {
    let answers = report["answers"].as_array();
    answers
        .and_then(|all| all.iter().find(|answer| answer["code"] == code))
        .ok_or_else(|| WardError::Wrong(format!("{code} is missing: {report:#}")))
}

trial! {
    postfix_returns_messages_and_writes_them_down {
        refusing_server("198.18.25.20:2525", "550 5.7.25 no reverse DNS for your address")?;
        let _system: MailSystem = Plan::healthy_but(|plan| {
            // Takes mail of this machine for anybody, as a server that sends for others does.
            plan.postfix
                .set("mynetworks", "198.18.25.0/24")
                .set("smtpd_reject_unlisted_recipient", "no")
                .set(
                    "transport_maps",
                    "inline:{ stranger.example=smtp:[198.18.25.20]:2525 gone.example=smtp:[198.18.25.20]:26 }",
                );
        })?;
        let nobody = format!("nobody@{DOMAIN}");
        for recipient in [nobody.as_str(), "x@stranger.example", "y@gone.example"] {
            send(recipient)?;
        }
        let unknown = bounce(&returned(&nobody)?)?;
        assert_eq!(unknown["kind"], "delivery-report");
        says(only(&unknown)?, &[("recipients.0", &nobody), ("code", "recipient-unknown"), ("fault", "recipient"), ("outcome", "final")])?;
        let refused = bounce(&returned("x@stranger.example")?)?;
        says(&refused, &[("returned_to", "anna@clinic.example"), ("reporter", "mx1.clinic.example")])?;
        says(
            only(&refused)?,
            &[
                ("recipients.0", "x@stranger.example"),
                ("host", "198.18.25.20"),
                ("reply.enhanced_code", "5.7.25"),
                ("code", "bounce-provider-ptr"),
                ("fault", "your-server"),
            ],
        )?;
        logged("/var/log/mail.log", "to=<y@gone.example>")?;
        let log = bounce(Path::new("/var/log/mail.log"))?;
        assert_eq!(log["kind"], "log");
        says(of_code(&log, "recipient-unknown")?, &[("recipients.0", &nobody)])?;
        says(of_code(&log, "bounce-provider-ptr")?, &[("recipients.0", "x@stranger.example"), ("step", "RCPT TO")])?;
        says(of_code(&log, "connect-refused")?, &[("recipients.0", "y@gone.example"), ("outcome", "temporary")])
    }

    exim_returns_a_message_and_writes_it_down {
        let _system: MailSystem = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            // Takes mail for mailboxes that it does not look up before.
            plan.exim.set("acl_smtp_rcpt", "accept hosts = *");
        })?;
        let nobody = format!("nobody@{DOMAIN}");
        send(&nobody)?;
        let report = bounce(&returned(&nobody)?)?;
        says(only(&report)?, &[("recipients.0", &nobody), ("code", "recipient-unknown"), ("fault", "recipient"), ("outcome", "final")])?;
        let log = bounce(Path::new("/var/log/exim4/mainlog"))?;
        says(of_code(&log, "recipient-unknown")?, &[("recipients.0", &nobody)])
    }
}
