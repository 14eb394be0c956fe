//! Servers that wait for a load balancer to say who their client is (the PROXY protocol), and to which the world comes directly.

use maildoctor_ward::{MailSystem, Mta, Plan, WardError, trial};

/// An Exim that serves nobody of ours without a proxy's word.
fn exim() -> Result<MailSystem, WardError> {
    Plan::healthy_but(|plan| {
        plan.mta = Mta::Exim;
        plan.exim.set("hosts_proxy", "198.18.25.0/24");
    })
}

trial! {
    postfix_that_waits_for_a_proxy {
        let system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_upstream_proxy_protocol", "haproxy");
        })?;
        let report = system.check(&["anna@clinic.example", "--on-host"])?;
        report.names_only("broken", "server-config-error", &["mx-single"])?;
        report.tells("setting", "smtpd_upstream_proxy_protocol")?;
        report.tells("file", "/etc/postfix/main.cf")?;
        report.explains("banner-slow")
    }

    exim_that_waits_for_a_proxy {
        // Of a ClientHello Exim takes a piece for the proxy's word: the handshake then stalls or fails, and either is explained.
        let report = exim()?.check(&["anna@clinic.example", "--on-host", "--timeout", "6s"])?;
        report.names_only("broken", "server-config-error", &["mx-single"])?;
        report.tells("setting", "hosts_proxy")
    }

    exim_that_waits_for_a_proxy_seen_from_outside {
        exim()?.check(&["anna@clinic.example", "--timeout", "6s"])?.names("broken", "server-config-error")
    }
}
