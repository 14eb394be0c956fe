//! Servers that let their clients wait.

use std::time::Duration;

use maildoctor_ward::{DnsManner, Mta, Plan, THIRD_PARTY, WardError, dns_responder, trial};

trial! {
    list_that_never_answers_before_the_banner {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        let system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_delay_reject", "no").set("smtpd_client_restrictions", "reject_rbl_client list.example");
        })?;
        system.check(&["clinic.example", "--dnsbl=list.example"])?.names("degraded", "dnsbl-timeout")
    }

    list_that_never_answers_at_the_recipient {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        let system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_recipient_restrictions", "reject_rbl_client list.example");
        })?;
        system.check(&["anna@clinic.example", "--dnsbl=list.example"])?.names("degraded", "dnsbl-timeout")
    }

    a_wait_that_no_cache_shortens_makes_no_run_twice_as_long {
        let system = Plan::healthy_but(|plan| {
            plan.postfix.set_on("smtp", "smtpd_client_restrictions", "sleep 5").set_on("smtp", "smtpd_delay_reject", "no");
        })?;
        let report = system.check(&["anna@clinic.example"])?;
        report.names("degraded", "banner-slow")?;
        // It is a tenth more where nobody else wants the processor; waiting twice would be ten seconds at the least.
        if report.duration_ms() < 9000 { Ok(()) } else { Err(WardError::Wrong(format!("{} ms", report.duration_ms()))) }
    }

    list_that_answers_late {
        dns_responder(THIRD_PARTY, DnsManner::Slow(Duration::from_secs(6)))?;
        let system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_delay_reject", "no").set("smtpd_client_restrictions", "reject_rbl_client list.example");
        })?;
        system.check(&["clinic.example", "--dnsbl=list.example"])?.names("degraded", "dnsbl-slow")
    }

    reverse_name_of_the_client_does_not_answer {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        let system = Plan::healthy_but(|plan| {
            plan.zones.reverse.remove("99 PTR").add("99 NS ns1.list.example.");
        })?;
        system.check(&["clinic.example"])?.names("degraded", "ptr-slow")
    }

    resolver_of_the_server_is_dead {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("host_lookup", "*");
            plan.exim.resolv_conf = Some(format!("nameserver {THIRD_PARTY}\n"));
        })?;
        system.check(&["clinic.example"])?.names("degraded", "banner-slow")
    }

    greeting_held_back_by_postscreen {
        let system = Plan::healthy_but(|plan| {
            plan.postfix.behind_postscreen().set("postscreen_greet_wait", "6s").set("postscreen_greet_action", "ignore");
        })?;
        system.check(&["clinic.example"])?.advises("banner-greet-delay")
    }
}
