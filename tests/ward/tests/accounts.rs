//! Accounts: passwords, and what they are good for.

use maildoctor_ward::{MailSystem, Mta, Plan, STRANGER, USER, WardError, trial};

fn submission_with(settings: &[(&str, &str)]) -> Result<MailSystem, WardError> {
    Plan::healthy_but(|plan| {
        for service in ["submission", "smtps"] {
            for (name, value) in settings {
                plan.postfix.set_on(service, name, value);
            }
        }
    })
}

trial! {
    wrong_password {
        let system = Plan::healthy()?.start()?;
        let wrong = system.file("wrong-password");
        system.check(&["clinic.example", "--user", USER, "--password-file", &wrong])?.names("broken", "auth-rejected")
    }

    password_check_out_of_order {
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.password_check = Some("${readsocket{/run/gone}{$auth2}}".to_owned());
        })?;
        system.check_account(&["clinic.example"])?.names("broken", "auth-backend-down")
    }

    submission_without_auth {
        let system = submission_with(&[("smtpd_sasl_auth_enable", "no"), ("smtpd_relay_restrictions", "reject_unauth_destination")])?;
        system.check_account(&["clinic.example"])?.names("broken", "auth-not-offered")
    }

    account_that_may_not_relay {
        let system = submission_with(&[("smtpd_relay_restrictions", "reject_unauth_destination")])?;
        system.check_account(&["clinic.example", "--relay-rcpt", STRANGER])?.names("broken", "relay-denied-when-authenticated")
    }

    account_that_does_not_own_its_sender {
        let system = submission_with(&[
            ("smtpd_sender_login_maps", "inline:{ anna@clinic.example=bert@clinic.example }"),
            ("smtpd_sender_restrictions", "reject_sender_login_mismatch"),
        ])?;
        system.check_account(&["clinic.example", "--relay-rcpt", STRANGER])?.names("degraded", "relay-sender-not-owned")
    }

    service_behind_auth_is_stopped {
        // Postfix cuts the session at EHLO and, a moment later, does not even greet: its own log alone says why.
        let system = Plan::healthy_but(|plan| plan.dovecot = None)?;
        let report = system.check_account(&["clinic.example", "--timeout", "8s"])?;
        report.names("broken", "connect-reset")
    }

    mailbox_password_is_another {
        let system = Plan::healthy()?.start()?;
        let wrong = system.file("wrong-password");
        let mailbox = ["--mailbox", "imaps://mx1.clinic.example", "--mailbox-user", USER, "--mailbox-password-file", &wrong];
        system.check_account(&[&["clinic.example"], &mailbox[..]].concat())?.names("degraded", "imap-login-failed")
    }

    no_imap {
        let system = Plan::healthy_but(|plan| {
            if let Some(dovecot) = &mut plan.dovecot { dovecot.protocols = "pop3 lmtp".to_owned(); }
        })?;
        system.check_account(&["clinic.example", "--mailbox", "imaps://mx1.clinic.example"])?.names("degraded", "imap-unreachable")
    }

    no_pop3_where_it_was_asked_for {
        let system = Plan::healthy_but(|plan| {
            if let Some(dovecot) = &mut plan.dovecot { dovecot.protocols = "imap lmtp".to_owned(); }
        })?;
        let report = system.check_account(&["clinic.example", "--send", "--mailbox", "pop3s://mx1.clinic.example"])?;
        report.names("degraded", "pop3-unreachable")
    }

    a_milter_that_is_down_puts_users_off_as_well {
        let system = Plan::healthy_but(|plan| { plan.postfix.set("smtpd_milters", "unix:/run/gone.sock"); })?;
        let report = system.check_account(&["clinic.example"])?;
        report.names_only("broken", "server-config-error", &["mx-single", "auth-only-after-tls", "vrfy-enabled"])
    }

    users_are_held_to_what_strangers_are_held_to {
        let system = submission_with(&[("smtpd_client_restrictions", "permit_mynetworks reject")])?;
        system.check_account(&["anna@clinic.example"])?.names("broken", "relay-denied-when-authenticated")
    }

    a_mailbox_that_takes_another_kind_of_login {
        let system = Plan::healthy_but(|plan| {
            if let Some(dovecot) = &mut plan.dovecot {
                dovecot.extra = "auth_mechanisms = cram-md5\n".to_owned();
            }
        })?;
        let report = system.check_account(&["anna@clinic.example", "--send", "--mailbox", "imaps://mx1.clinic.example"])?;
        report.has_check("imap-login-failed", "unknown")?;
        report.names("at-risk", "auth-plain-missing")
    }
}
