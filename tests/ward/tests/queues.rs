//! What lies in the server's own queue, seen from its host.

use std::{process::Command, thread, time::Duration};

use maildoctor_ward::{
    MX_ADDRESS, MailSystem, Mta, OTHER_ADDRESS, OUTSIDE_ADDRESS, Plan, Postfix, Report, THIRD_PARTY, WardError,
    drop_packets_to, output_of, trial,
};

/// A message is sent, and looked for in the server's queue alone.
fn send(system: &MailSystem) -> Result<Report, WardError> {
    system.check_account(&["clinic.example", "--on-host", "--send"])
}

/// The whole round trip, seen from the host as well, and waited for less long than people would.
fn send_into_mailbox(system: &MailSystem) -> Result<Report, WardError> {
    let mailbox = "imaps://mx1.clinic.example";
    system.check_account(&["clinic.example", "--on-host", "--send", "--mailbox", mailbox, "--deadline", "12s"])
}

/// Waits until so many messages were tried in vain.
fn wait_for_deferred(count: usize) -> Result<(), WardError> {
    for _ in 0..200 {
        if Postfix::queued("deferred")? >= count {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Err(WardError::Wrong(format!("{count} messages must be deferred")))
}

/// Hands the server a message for `recipient`, as a program on its own host does.
fn submit(recipient: &str) -> Result<(), WardError> {
    let swaks = ["--server", MX_ADDRESS, "--local-interface", "127.0.0.1", "--silent", "2"];
    output_of(Command::new("swaks").args(swaks).args(["--from", "anna@clinic.example", "--to", recipient])).map(drop)
}

trial! {
    held_by_an_access_rule {
        let system = Plan::healthy_but(|plan| { plan.postfix.hold_everything(); })?;
        let report = send_into_mailbox(&system)?;
        report.names("broken", "queue-held")?;
        report.explains("accepted-not-delivered")?;
        report.tells("file", "/etc/postfix/main.cf")?;
        report.tells("setting", "smtpd_recipient_restrictions")
    }

    frozen_by_an_acl_of_exim {
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("acl_smtp_data", "accept control = freeze");
        })?;
        let report = send(&system)?;
        report.names("degraded", "queue-held")?;
        report.tells("log", "frozen")
    }

    the_agent_has_no_socket {
        let system = Plan::healthy_but(|plan| { plan.postfix.set("virtual_transport", "lmtp:unix:private/gone"); })?;
        let report = send(&system)?;
        report.names("broken", "transport-broken")?;
        report.tells("setting", "virtual_transport")?;
        report.tells("line", "")?;
        report.tells("log", "status=deferred")
    }

    the_agent_refuses_for_good {
        let system = Plan::healthy_but(|plan| plan.dovecot.iter_mut().for_each(|own| own.quota = Some(1000)))?;
        system.fill_mailbox(2000)?;
        let report = system.check_account(&["anna@clinic.example", "--on-host", "--send"])?;
        report.names("broken", "accepted-not-delivered")?;
        report.tells("log", "status=bounced")
    }

    a_filter_whose_service_is_not_there {
        let system = Plan::healthy_but(|plan| { plan.postfix.set("content_filter", "amavis:[127.0.0.1]:10024"); })?;
        let report = send(&system)?;
        report.names("broken", "transport-broken")?;
        report.tells("setting", "content_filter")
    }

    a_transport_that_is_put_off_on_purpose {
        let report = send(&Plan::healthy_but(|plan| { plan.postfix.set("defer_transports", "lmtp"); })?)?;
        report.names("broken", "queue-stuck")?;
        report.tells("setting", "defer_transports")?;
        report.tells("line", "")
    }

    exim_that_leaves_everything_to_a_queue_run {
        let report = send(&Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("queue_only", "true");
        })?)?;
        report.names("broken", "queue-stuck")?;
        report.tells("setting", "queue_only")
    }

    exim_on_a_machine_that_is_busier_than_it_likes {
        let report = send(&Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("queue_only_load", "0.0001");
        })?)?;
        report.names("broken", "queue-stuck")?;
        report.tells("setting", "queue_only_load")?;
        report.tells("reason", "load average")
    }

    the_next_hop_refuses {
        let next = format!("smtp:[{OUTSIDE_ADDRESS}]");
        let system = Plan::healthy_but(|plan| { plan.postfix.set("virtual_transport", &next); })?;
        let report = send(&system)?;
        report.names("broken", "queue-stuck")?;
        report.tells("reason", "Connection refused")
    }

    nothing_gets_out_to_port_25 {
        let system = Plan::healthy_but(|plan| {
            let hops = [("a", OTHER_ADDRESS), ("b", OUTSIDE_ADDRESS), ("c", THIRD_PARTY)];
            let maps = hops.map(|(name, address)| format!("{name}.example=smtp:[{address}]:25")).join(" ");
            plan.postfix
                .set("transport_maps", &format!("inline:{{ {maps} }}"))
                .set("smtp_connect_timeout", "1s");
        })?;
        for address in [OTHER_ADDRESS, OUTSIDE_ADDRESS, THIRD_PARTY] {
            drop_packets_to(address, 25)?;
        }
        for name in ["a", "b", "c"] {
            submit(&format!("bert@{name}.example"))?;
        }
        wait_for_deferred(3)?;
        let report = system.check(&["clinic.example", "--on-host"])?;
        report.names("broken", "outbound-port25-blocked")
    }

    an_empty_queue_and_a_message_that_arrives {
        let report = send(&Plan::healthy()?.start()?)?;
        report.judges("healthy")?;
        for code in ["queue-stuck", "queue-held", "transport-broken", "outbound-port25-blocked", "disk-full"] {
            report.has_check(code, "clear")?;
        }
        Ok(())
    }
}
