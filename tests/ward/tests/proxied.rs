//! Servers that wait for a load balancer to say who their client is (the PROXY protocol), and to which the world comes directly.

use maildoctor_ward::{Mta, Plan, trial};

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
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("hosts_proxy", "198.18.25.0/24");
        })?;
        let report = system.check(&["anna@clinic.example", "--on-host"])?;
        report.names_only("broken", "server-config-error", &["mx-single"])?;
        report.tells("setting", "hosts_proxy")?;
        report.explains("tls-handshake-failed")
    }

    exim_that_waits_for_a_proxy_seen_from_outside {
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("hosts_proxy", "198.18.25.0/24");
        })?;
        system.check(&["anna@clinic.example"])?.names("broken", "server-config-error")
    }
}
