//! `isolate` on shadows of a real Postfix: the guilty named, the server itself untouched.

use std::{fs, time::Duration};

use maildoctor_ward::{
    DnsManner, Plan, THIRD_PARTY, Untouched, WardError, dns_responder, isolate, isolate_killed_after,
    isolate_killed_at, slow_milter, slow_policy, trial,
};

/// Twelve lists of which `dead` never answer.
fn lists(dead: &[usize]) -> String {
    (0..12)
        .map(|at| {
            let zone = if dead.contains(&at) { "list" } else { "clinic" };
            format!("reject_rbl_client l{at}.{zone}.example ")
        })
        .collect()
}

/// Postfix as it stands and runs.
fn postfix() -> Result<Untouched, WardError> {
    Untouched::now(&["/etc/postfix", "/var/spool/postfix", "/var/lib/postfix", "/var/log/mail.log"])
}

/// The machine's resolver never answers below `silent`; an answer is waited for 3 s, once.
fn resolver(silent: &'static str) -> Result<(), WardError> {
    dns_responder(THIRD_PARTY, DnsManner::SilentAbout(silent))?;
    let text = format!("nameserver {THIRD_PARTY}\noptions timeout:3 attempts:1\n");
    fs::write("/etc/resolv.conf", text).map_err(WardError::io("/etc/resolv.conf"))
}

trial! {
    two_guilty_lists_among_twelve_at_the_recipient {
        resolver("list.example.")?;
        let _system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_recipient_restrictions", &lists(&[2, 9]));
        })?;
        let before = postfix()?;
        isolate("postfix")?.convicts(&["list:l2.list.example", "list:l9.list.example"])?;
        before.still()
    }

    no_wait_no_culprit {
        let _system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_recipient_restrictions", &lists(&[]));
        })?;
        isolate("postfix")?.convicts(&[])
    }

    one_guilty_list_among_twelve_before_the_banner_and_a_run_that_was_killed {
        resolver("list.example.")?;
        let _system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_delay_reject", "no").set("smtpd_client_restrictions", &lists(&[7]));
        })?;
        let before = postfix()?;
        isolate_killed_after("postfix", Duration::from_millis(2500))?;
        isolate("postfix")?.convicts(&["list:l7.list.example"])?;
        before.still()
    }

    runs_that_were_killed_at_one_step_after_another {
        resolver("list.example.")?;
        let _system = Plan::healthy_but(|plan| {
            let asked = "reject_rbl_client l1.list.example, reject_rbl_client l2.list.example";
            plan.postfix.set("smtpd_delay_reject", "no").set("smtpd_client_restrictions", asked);
        })?;
        let before = postfix()?;
        // Some fifty steps make a run, most of them at its beginning.
        let killed = isolate_killed_at("postfix", [1, 2, 3, 5, 8, 13, 21, 34])?;
        if killed < 5 {
            return Err(WardError::Wrong(format!("a run ended after the {killed}th step that it was to be killed at")));
        }
        isolate("postfix")?;
        before.still()
    }

    a_slow_policy_service_and_a_slow_milter {
        slow_milter("127.0.0.1:11332", Duration::from_secs(2))?;
        slow_policy("127.0.0.1:10023", Duration::from_secs(3))?;
        let _system = Plan::healthy_but(|plan| {
            let recipient = "reject_unauth_destination check_policy_service inet:127.0.0.1:10023";
            plan.postfix.set("smtpd_milters", "inet:127.0.0.1:11332").set("smtpd_recipient_restrictions", recipient);
        })?;
        let before = postfix()?;
        isolate("postfix")?.convicts(&["milter:inet:127.0.0.1:11332", "policy-service:inet:127.0.0.1:10023"])?;
        before.still()
    }

    postscreen_whose_lists_cost_nothing {
        resolver("list.example.")?;
        let _system = Plan::healthy_but(|plan| {
            plan.postfix
                .behind_postscreen()
                .set("postscreen_greet_wait", "6s")
                .set("postscreen_dnsbl_sites", "l1.list.example l2.clinic.example");
        })?;
        let before = postfix()?;
        isolate("postfix")?.convicts(&["postscreen"])?;
        before.still()
    }

    the_clients_name_and_a_pause {
        resolver("in-addr.arpa.")?;
        let _system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_delay_reject", "no").set("smtpd_client_restrictions", "sleep 2");
            // One that is not guilty, so that there is something left to measure.
            plan.postfix.set("smtpd_recipient_restrictions", "reject_rbl_client l1.clinic.example");
        })?;
        let before = postfix()?;
        let found = isolate("postfix")?;
        found.convicts(&["greet-pause", "reverse-lookup"])?;
        before.still()?;
        found.apply_remedy()?;
        isolate("postfix")?.convicts(&[])
    }
}
