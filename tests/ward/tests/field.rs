//! Faults as postmasters meet them, where the first guess is often a wrong one, and limits that our own visits must not run into.

use maildoctor_ward::{MX_ADDRESS, MailSystem, Mta, Plan, Report, WardError, drop_what_is_said_to, trial};

/// A system whose Postfix has some settings more.
fn postfix(settings: &[(&str, &str)]) -> Result<MailSystem, WardError> {
    Plan::healthy_but(|plan| {
        for (name, value) in settings {
            plan.postfix.set(name, value);
        }
    })
}

/// A system whose Exim has a main option more.
fn exim(name: &str, value: &str) -> Result<MailSystem, WardError> {
    Plan::healthy_but(|plan| {
        plan.mta = Mta::Exim;
        plan.exim.set(name, value);
    })
}

/// A system whose Exim asks more of a client that connects.
fn exim_at_connect(statement: &str) -> Result<MailSystem, WardError> {
    Plan::healthy_but(|plan| {
        plan.mta = Mta::Exim;
        plan.exim.connect_acl = Some(statement.to_owned());
    })
}

/// A system whose Exim has another ACL, for clients that have said who they are.
fn exim_in_acl(name: &str, statement: &str) -> Result<MailSystem, WardError> {
    Plan::healthy_but(|plan| {
        plan.mta = Mta::Exim;
        plan.exim.connect_acl = Some(format!("accept condition = ${{if eq{{$sender_helo_name}}{{}}}}\n  {statement}"));
        plan.exim.set(name, "acl_check_connect");
    })
}

fn anna(system: &MailSystem) -> Result<Report, WardError> {
    system.check(&["anna@clinic.example"])
}

/// The whole way into the mailbox.
fn round_trip(system: &MailSystem, more: &[&str]) -> Result<Report, WardError> {
    let way = ["anna@clinic.example", "--send", "--mailbox", "imaps://mx1.clinic.example", "--deadline", "15s"];
    system.check_account(&[&way[..], more].concat())
}

/// The summary holds a text.
fn says(report: &Report, part: &str) -> Result<(), WardError> {
    let summary = report.json()["summary"].as_str().unwrap_or_default();
    if summary.contains(part) { Ok(()) } else { Err(WardError::Wrong(format!("{part} is not in: {summary}"))) }
}

/// What is true of a sound system with one exchanger that answers VRFY.
const ADVICE: &[&str] = &["mx-single", "vrfy-enabled"];

trial! {
    a_milter_that_is_down_is_one_cause_at_every_step {
        let report = anna(&postfix(&[("smtpd_milters", "inet:127.0.0.1:9999")])?)?;
        report.names_only("broken", "server-config-error", ADVICE)?;
        report.explains("starttls-refused")
    }

    a_policy_service_that_is_down {
        let settings = [("smtpd_recipient_restrictions", "check_policy_service inet:127.0.0.1:9998")];
        anna(&postfix(&settings)?)?.names_only("broken", "server-config-error", ADVICE)
    }

    our_own_address_has_no_reverse_name {
        let system = Plan::healthy_but(|plan| {
            plan.zones.reverse.remove("99 PTR");
            plan.postfix.set("smtpd_client_restrictions", "reject_unknown_reverse_client_hostname");
        })?;
        let report = anna(&system)?;
        report.names_only("inconclusive", "ptr-missing", ADVICE)?;
        report.explains("recipient-refused")
    }

    a_sender_whose_domain_is_not_found {
        let system = postfix(&[("smtpd_sender_restrictions", "reject_unknown_sender_domain")])?;
        let report = system.check(&["anna@clinic.example", "--mail-from", "ben@nowhere.example"])?;
        report.names_only("broken", "sender-rejected", ADVICE)
    }

    a_sender_that_is_welcome_is_not_spoken_of {
        let system = postfix(&[("smtpd_sender_restrictions", "reject_unknown_sender_domain")])?;
        system.check(&["anna@clinic.example", "--mail-from", "ben@outside.example"])?.healthy_with(ADVICE)
    }

    only_the_temporary_form_of_an_unknown_user {
        let system = postfix(&[("soft_bounce", "yes")])?;
        system.check(&["nobody@clinic.example"])?.names_only("broken", "recipient-unknown", ADVICE)
    }

    taken_and_thrown_away {
        let system = postfix(&[("smtpd_sender_restrictions", "static:DISCARD")])?;
        round_trip(&system, &[])?.names("broken", "accepted-not-delivered")
    }

    the_delivery_agent_is_gone_as_the_host_sees_it {
        let system = postfix(&[("virtual_transport", "lmtp:unix:private/gone")])?;
        let report = round_trip(&system, &["--on-host"])?;
        report.names("broken", "transport-broken")?;
        report.explains("accepted-not-delivered")
    }

    users_have_no_port_to_send_by {
        let system = Plan::healthy_but(|plan| { plan.postfix.close("submission").close("smtps"); })?;
        let report = system.check_account(&["clinic.example"])?;
        report.names_only("broken", "connect-refused", ADVICE)
    }

    the_exchanger_is_this_very_machine {
        let system = Plan::healthy_but(|plan| {
            plan.zones.domain.remove("@ MX").add("@ MX 10 local").add("local A 127.0.0.1");
        })?;
        let report = system.check(&["clinic.example"])?;
        report.names_only("broken", "mx-private-address", ADVICE)?;
        report.explains("connect-refused")
    }

    tls_before_everything_is_no_fault {
        anna(&postfix(&[("smtpd_tls_security_level", "encrypt")])?)?.healthy_with(ADVICE)
    }

    one_connection_a_minute_from_everybody {
        anna(&postfix(&[("smtpd_client_connection_rate_limit", "1")])?)?.healthy_with(ADVICE)
    }

    exim_takes_one_connection_at_a_time_from_an_address {
        anna(&exim("smtp_accept_max_per_host", "1")?)?.healthy_with(ADVICE)
    }

    exim_takes_one_connection_at_a_time {
        anna(&exim("smtp_accept_max", "1")?)?.healthy_with(ADVICE)
    }

    exim_has_an_access_list_that_does_not_work {
        anna(&exim("acl_smtp_rcpt", "gone_acl")?)?.names_only("broken", "server-config-error", ADVICE)
    }

    exim_has_no_room {
        anna(&exim("check_spool_space", "999999999")?)?.names_only("broken", "server-storage-full", ADVICE)
    }

    exim_drops_clients_at_the_door {
        anna(&exim_at_connect("drop")?)?.names_only("broken", "banner-554-blocked", ADVICE)
    }

    exim_puts_clients_off_at_the_door {
        anna(&exim_at_connect("defer message = too busy")?)?.names_only("degraded", "banner-421-overload", ADVICE)
    }

    exim_whose_certificate_is_missing_is_one_cause_at_every_port {
        let report = anna(&exim("tls_certificate", "/etc/exim4/none.crt")?)?;
        report.names_only("degraded", "starttls-refused", ADVICE)?;
        report.explains("tls-handshake-failed")
    }

    recipients_put_off_for_another_reason_than_being_strangers {
        let access = "check_recipient_access inline:{{ anna@clinic.example = DEFER_IF_PERMIT the store is being moved }}";
        anna(&postfix(&[("smtpd_recipient_restrictions", access)])?)?.names_only("degraded", "rcpt-deferred", ADVICE)
    }

    a_null_mx_beside_an_exchanger {
        let system = Plan::healthy_but(|plan| { plan.zones.domain.add("@ MX 0 ."); })?;
        anna(&system)?.names_only("at-risk", "mx-null", ADVICE)
    }

    nobody_without_a_certificate_of_their_own {
        let settings = [
            ("smtpd_tls_ask_ccert", "yes"),
            ("smtpd_tls_req_ccert", "yes"),
            ("smtpd_tls_security_level", "encrypt"),
        ];
        let report = anna(&postfix(&settings)?)?;
        report.judges("broken")?;
        report.has_check("recipient-refused", "found")?;
        report.has_check("banner-554-blocked", "found")
    }

    a_limit_that_no_message_passes {
        let report = round_trip(&postfix(&[("message_size_limit", "100")])?, &[])?;
        report.names_only("broken", "size-limit-small", ADVICE)?;
        report.explains("data-rejected-size")
    }

    tls_switched_off_keeps_users_from_sending_and_no_mail_from_arriving {
        let report = anna(&postfix(&[("smtpd_discard_ehlo_keywords", "starttls")])?)?;
        report.names_only("broken", "starttls-not-offered", ADVICE)?;
        says(&report, "Sending as a user fails")
    }

    one_of_two_addresses_is_nobodys {
        let system = Plan::healthy_but(|plan| { plan.zones.domain.add("mx1 AAAA 2001:db8::77"); })?;
        anna(&system)?.names_only("degraded", "mx-private-address", ADVICE)
    }

    a_scanner_of_content_that_is_down {
        let report = round_trip(&exim_in_acl("acl_smtp_data", "defer message = scanner is down")?, &[])?;
        report.names_only("degraded", "rcpt-deferred", ADVICE)
    }

    every_sender_refused_without_a_word_that_tells {
        let report = anna(&exim_in_acl("acl_smtp_mail", "drop message = go")?)?;
        report.names_only("broken", "recipient-refused", ADVICE)
    }

    aliases_that_lead_round_in_a_circle {
        let aliases = "inline:{ anna@clinic.example=bert@clinic.example bert@clinic.example=anna@clinic.example \
                       postmaster@clinic.example=bert@clinic.example }";
        let report = round_trip(&postfix(&[("virtual_alias_maps", aliases)])?, &[])?;
        report.names_only("broken", "server-config-error", ADVICE)
    }

    redirected_by_a_check_of_headers_as_the_log_says {
        let checks = "regexp:{{/^Subject:/ REDIRECT bert@clinic.example}}";
        let report = round_trip(&postfix(&[("header_checks", checks)])?, &["--on-host"])?;
        report.names_only("broken", "accepted-not-delivered", ADVICE)?;
        says(&report, "to=<bert@clinic.example>")
    }

    the_store_behind_cannot_be_asked_who_has_a_mailbox {
        let settings = [
            ("smtpd_recipient_restrictions", "reject_unverified_recipient"),
            ("virtual_transport", "smtp:[198.18.25.77]"),
        ];
        anna(&postfix(&settings)?)?.names("degraded", "rcpt-deferred")
    }

    what_we_say_never_arrives {
        let system = postfix(&[])?;
        drop_what_is_said_to(MX_ADDRESS, 25)?;
        let report = system.check(&["anna@clinic.example", "--timeout", "5s"])?;
        report.names_only("broken", "ehlo-slow", &["mx-single"])
    }
}
