//! Mail exchangers other than Postfix and Exim: OpenSMTPD, Sendmail and Courier, as relays for everybody and without TLS. Both are
//! true of them, and nothing else may be said.

use maildoctor_ward::{OTHER_ADDRESS, Plan, Relay, STRANGER, WardError, trial};

/// The domain's only exchanger is such a server, and is known by its name.
fn is_an_open_relay(relay: Relay, software: &str) -> Result<(), WardError> {
    let system = Plan::healthy_but(|plan| {
        plan.zones.domain.remove("@ MX");
        plan.zones.domain.add("@ MX 10 relay").add(format!("relay A {OTHER_ADDRESS}"));
        plan.zones.reverse.add("20 PTR relay.clinic.example.");
    })?;
    let _daemon = relay.start()?;
    let report = system.check(&["anna@clinic.example"])?;
    report.names_only("at-risk", "starttls-not-offered", &["mx-single", "recipient-catch-all", "vrfy-enabled"])?;
    let report = system.check(&["anna@clinic.example", "--relay-rcpt", STRANGER])?;
    report.judges("at-risk")?;
    report.has_check("relay-open", "found")?;
    let servers = report.json()["servers"].to_string();
    if servers.contains(software) {
        Ok(())
    } else {
        Err(WardError::Wrong(format!("{software} is not known: {servers}")))
    }
}

trial! {
    opensmtpd_relays_for_everybody {
        is_an_open_relay(Relay::OpenSmtpd, "OpenSMTPD")
    }

    sendmail_relays_for_everybody {
        is_an_open_relay(Relay::Sendmail, "Sendmail")
    }

    courier_relays_for_everybody {
        is_an_open_relay(Relay::Courier, "Courier")
    }
}
