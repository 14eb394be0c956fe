//! Bounces that real servers write, and their logs.

use std::path::Path;

use maildoctor_ward::{
    CLIENT_ADDRESS, DOMAIN, Daemon, MailSystem, Mta, OTHER_ADDRESS, OUTSIDE_ADDRESS, Plan, RELAY_LOG, Relay,
    THIRD_PARTY, WardError, bounce, logged, refusing_server, returned, send, send_through, trial,
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

/// Whom the messages are for that a relay cannot pass on: a mailbox that does not exist, a server that refuses its
/// client, a server that is not there.
const UNKNOWN: &str = "u@unknown.example";
const REFUSED: &str = "x@stranger.example";
const GONE: &str = "y@gone.example";

/// A relay that was given all three, with the healthy system behind it to which the bounces come back.
fn given(relay: Relay) -> Result<(MailSystem, Daemon), WardError> {
    let nobody = "550 5.1.1 <u@unknown.example>: Recipient address rejected: User unknown";
    refusing_server(&format!("{THIRD_PARTY}:25"), nobody)?;
    refusing_server(&format!("{OUTSIDE_ADDRESS}:25"), "550 5.7.25 no reverse DNS for your address")?;
    let system = Plan::healthy_but(|plan| {
        for (domain, address) in [("unknown", THIRD_PARTY), ("stranger", OUTSIDE_ADDRESS), ("gone", CLIENT_ADDRESS)] {
            plan.zones.example.add(format!("{domain} MX 10 mx.{domain}")).add(format!("mx.{domain} A {address}"));
        }
    })?;
    let daemon = relay.start()?;
    for recipient in [UNKNOWN, REFUSED, GONE] {
        send_through(OTHER_ADDRESS, recipient)?;
    }
    Ok((system, daemon))
}

/// Holds the bounces of a relay against what happened: `host` is who refused, where the bounce names it, and `gone`
/// what is said of the server that is not there.
fn bounces_say(host: Option<&str>, gone: &[(&str, &str)]) -> Result<(), WardError> {
    let unknown = bounce(&returned(UNKNOWN)?)?;
    says(
        &unknown,
        &[("kind", "delivery-report"), ("returned_to", "anna@clinic.example"), ("reporter", "relay.clinic.example")],
    )?;
    let expected = [
        ("recipients.0", UNKNOWN),
        ("reply.enhanced_code", "5.1.1"),
        ("code", "recipient-unknown"),
        ("fault", "recipient"),
        ("outcome", "final"),
    ];
    says(only(&unknown)?, &expected)?;
    let refused = bounce(&returned(REFUSED)?)?;
    let expected = [
        ("recipients.0", REFUSED),
        ("reply.enhanced_code", "5.7.25"),
        ("code", "bounce-provider-ptr"),
        ("fault", "your-server"),
        ("outcome", "final"),
    ];
    says(only(&refused)?, &expected)?;
    if let Some(host) = host {
        says(only(&refused)?, &[("host", host)])?;
    }
    let late = bounce(&returned(GONE)?)?;
    says(only(&late)?, &[("recipients.0", GONE), ("outcome", "final")])?;
    says(only(&late)?, gone)
}

/// Holds a relay's log against what happened.
fn log_says(gone: &str) -> Result<(), WardError> {
    let log = bounce(Path::new(RELAY_LOG))?;
    says(&log, &[("kind", "log")])?;
    says(
        of_code(&log, "recipient-unknown")?,
        &[("recipients.0", UNKNOWN), ("fault", "recipient"), ("outcome", "final")],
    )?;
    let refused = of_code(&log, "bounce-provider-ptr")?;
    says(refused, &[("recipients.0", REFUSED), ("fault", "your-server"), ("outcome", "final")])?;
    let late = of_code(&log, gone)?;
    says(late, &[("recipients.0", GONE), ("outcome", "temporary")])?;
    // The three bounces were delivered and nothing else was; the line of the last may not be written yet.
    match log.get("delivered").and_then(Value::as_u64) {
        Some(2..=3) => Ok(()),
        _ => Err(WardError::Wrong(format!("3 were delivered: {log:#}"))),
    }
}

trial! {
    sendmail_returns_messages_and_writes_them_down {
        let _running = given(Relay::Sendmail)?;
        bounces_say(Some("mx.stranger.example"), &[("code", "connect-refused"), ("fault", "their-server")])?;
        log_says("connect-refused")
    }

    opensmtpd_returns_messages_and_writes_them_down {
        let _running = given(Relay::OpenSmtpd)?;
        // It calls the message delayed on which it has given up, and names no server.
        bounces_say(None, &[("code", "bounce-unknown"), ("fault", "in-between"), ("words", "Envelope expired")])?;
        log_says("mx-all-down")
    }

    courier_returns_messages {
        let _running = given(Relay::Courier)?;
        bounces_say(Some("mx.stranger.example"), &[("code", "connect-refused"), ("fault", "their-server")])
    }

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
