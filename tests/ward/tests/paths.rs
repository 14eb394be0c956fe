//! Paths that lose what is large, and clocks that nobody agrees with: what is not the server's fault.

use std::process::Command;

use maildoctor_ward::{
    DOMAIN, MX, MX_ADDRESS, Mta, OTHER_ADDRESS, Plan, WardError, narrow_path_only_to, narrow_path_to, output_of, trial,
};

/// The date that is `away` from now, as banners tell it.
fn date(away: &str) -> Result<String, WardError> {
    let date =
        output_of(Command::new("date").args(["-u", "-d", away, "+%a, %d %b %Y %H:%M:%S +0000"]).env("LC_ALL", "C"))?;
    Ok(date.trim().to_owned())
}

/// An Exim behind two exchangers, at two addresses, that tells a time which is `away` from ours.
fn two_that_tell(away: &str) -> Result<Plan, WardError> {
    let banner = format!("$primary_hostname ESMTP Exim {}", date(away)?);
    let mut plan = Plan::healthy()?;
    plan.identity = plan.authority.identity(&[MX, "mx2.clinic.example", DOMAIN])?;
    plan.mta = Mta::Exim;
    plan.exim.set("local_interfaces", &format!("{MX_ADDRESS} : {OTHER_ADDRESS}")).set("smtp_banner", &banner);
    plan.zones.domain.add("@ MX 20 mx2").add(format!("mx2 A {OTHER_ADDRESS}"));
    plan.zones.reverse.add("20 PTR mx2.clinic.example.");
    Ok(plan)
}

trial! {
    large_packets_vanish {
        let mut plan = Plan::healthy()?;
        // A certificate that fills a packet, as those of RSA and of many names do.
        let names: Vec<String> = (1..60).map(|n| format!("customer{n}.clinic.example")).collect();
        let names: Vec<&str> = [MX, DOMAIN].into_iter().chain(names.iter().map(String::as_str)).collect();
        plan.identity = plan.authority.identity(&names)?;
        let system = plan.start()?;
        narrow_path_to(MX_ADDRESS)?;
        let report = system.check(&["clinic.example", "--timeout", "5s"])?;
        report.names("degraded", "path-mtu-blackhole")?;
        report.explains("tls-handshake-timeout")
    }

    a_message_vanishes_and_short_commands_pass {
        let system = Plan::healthy()?.start()?;
        narrow_path_only_to(MX_ADDRESS)?;
        let report = system.check(&["anna@clinic.example", "--send", "--deadline", "40s"])?;
        report.names("broken", "path-mtu-blackhole")?;
        report.explains("data-timeout")?;
        // What the server did not get it has not delivered, and nothing was sent a second time.
        if system.mailbox().is_empty() { Ok(()) } else { Err(WardError::Wrong("a message came through".to_owned())) }
    }

    a_message_takes_long_and_large_packets_pass {
        let system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_end_of_data_restrictions", "sleep 13");
        })?;
        let report = system.check(&["anna@clinic.example", "--send", "--deadline", "40s"])?;
        report.has_check("path-mtu-blackhole", "clear")
    }

    our_clock_is_behind_that_of_two_servers {
        let report = two_that_tell("now + 3 hours")?.start()?.check(&["clinic.example"])?;
        report.names("healthy", "clock-wrong-here")?;
        report.tells("off_s", "10")?;
        report.has_check("clock-wrong", "unknown")
    }

    a_certificate_seems_expired_by_our_clock_alone {
        let mut plan = two_that_tell("now - 20 days")?;
        plan.identity = plan.authority.expired(&[MX, "mx2.clinic.example", DOMAIN])?;
        let report = plan.start()?.check(&["clinic.example"])?;
        report.names("healthy", "clock-wrong-here")?;
        report.explains("cert-expired")
    }

    two_servers_that_live_before_their_own_certificate {
        let report = two_that_tell("2000-01-01")?.start()?.check(&["clinic.example"])?;
        report.names("at-risk", "clock-wrong")?;
        report.has_check("clock-wrong-here", "clear")
    }
}
