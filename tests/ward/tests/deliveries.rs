//! Messages that are really sent, and what becomes of them.

use maildoctor_ward::{MailSystem, Mta, Plan, Postfix, Report, WardError, trial};

/// The whole round trip, waited for less long than people would.
fn send(system: &MailSystem) -> Result<Report, WardError> {
    system.check_account(&["clinic.example", "--mailbox", "imaps://mx1.clinic.example", "--send", "--deadline", "30s"])
}

trial! {
    exim_that_throws_it_away {
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("acl_smtp_data", "discard");
        })?;
        let report = system.check(&["anna@clinic.example", "--on-host", "--send"])?;
        report.names("broken", "accepted-not-delivered")?;
        report.tells("log", "blackhole")
    }

    postfix_that_throws_it_away {
        let system = Plan::healthy_but(|plan| { plan.postfix.set("header_checks", "regexp:{{/^Subject:/ DISCARD}}"); })?;
        let report = system.check(&["anna@clinic.example", "--on-host", "--send"])?;
        report.names("broken", "accepted-not-delivered")?;
        report.tells("log", "discard: header Subject:")
    }

    held_in_the_queue {
        let system = Plan::healthy_but(|plan| { plan.postfix.hold_everything(); })?;
        send(&system)?.names("broken", "accepted-not-delivered")?;
        assert!(Postfix::queued("hold")? > 0, "the message must lie in the hold queue");
        Ok(())
    }

    delivery_agent_is_gone {
        let system = Plan::healthy_but(|plan| { plan.postfix.set("virtual_transport", "lmtp:unix:private/gone"); })?;
        send(&system)?.names("broken", "accepted-not-delivered")
    }

    sorted_into_junk {
        let system = Plan::healthy_but(|plan| {
            plan.postfix
                .set("virtual_transport", "virtual")
                .set("virtual_mailbox_base", "/var/vmail")
                .set("virtual_uid_maps", "static:64005")
                .set("virtual_gid_maps", "static:64005")
                .set("virtual_mailbox_maps", "inline:{ anna@clinic.example=anna/.Junk/ }");
        })?;
        send(&system)?.names("degraded", "delivered-to-junk")
    }

    content_refused {
        let system = Plan::healthy_but(|plan| {
            plan.postfix.set("header_checks", "regexp:{ {/^subject:/ REJECT spam is not wanted here} }");
        })?;
        send(&system)?.names("broken", "data-rejected-content")
    }

    over_quota_after_it_was_taken {
        let system = Plan::healthy_but(|plan| {
            if let Some(dovecot) = &mut plan.dovecot {
                dovecot.quota = Some(10_000);
            }
        })?;
        system.fill_mailbox(20_000)?;
        send(&system)?.names("broken", "accepted-not-delivered")
    }

    bare_line_feeds_end_a_message {
        let system = Plan::healthy_but(|plan| { plan.postfix.set("smtpd_forbid_bare_newline", "no"); })?;
        send(&system)?.names("at-risk", "smtp-smuggling")
    }

    bare_line_feeds_are_refused_and_the_message_comes_without_them {
        let system = Plan::healthy_but(|plan| { plan.postfix.set("smtpd_forbid_bare_newline", "reject"); })?;
        let report = send(&system)?;
        report.judges("healthy")?;
        report.has_check("smtp-smuggling", "clear")?;
        report.has_check("accepted-not-delivered", "clear")
    }
}
