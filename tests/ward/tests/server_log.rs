//! What a server's own log says of the reason, seen from its host.

use std::process::Command;

use maildoctor_ward::{Mta, Plan, Report, WardError, output_of, trial};

/// What is true of these systems: one mail server, passwords only after TLS, and VRFY as Debian leaves it.
const TRUE_ADVICE: &[&str] = &["mx-single", "auth-only-after-tls", "vrfy-enabled"];

/// An account is tried on a system with one thing broken, and its host is looked at.
fn broken(change: impl FnOnce(&mut Plan)) -> Result<Report, WardError> {
    Plan::healthy_but(change)?.check_account(&["anna@clinic.example", "--on-host"])
}

/// The only fault is `code`, and the log's words stand with it.
fn log_tells(report: &Report, verdict: &str, code: &str, words: &str) -> Result<(), WardError> {
    report.names_only(verdict, code, TRUE_ADVICE)?;
    report.tells("log", words)
}

trial! {
    a_table_that_was_never_made {
        let report = broken(|plan| { plan.postfix.set("virtual_mailbox_maps", "hash:/etc/postfix/gone"); })?;
        log_tells(&report, "broken", "server-config-error", "open database /etc/postfix/gone.db")
    }

    a_kind_of_table_that_is_not_installed {
        let report = broken(|plan| { plan.postfix.set("virtual_mailbox_maps", "mysql:/etc/postfix/gone.cf"); })?;
        log_tells(&report, "broken", "server-config-error", "unsupported dictionary type: mysql")
    }

    a_policy_service_that_is_not_there {
        let restrictions = "reject_unauth_destination check_policy_service unix:private/gone";
        let report = broken(|plan| { plan.postfix.set("smtpd_recipient_restrictions", restrictions); })?;
        log_tells(&report, "broken", "server-config-error", "connect to private/gone")
    }

    a_milter_that_is_not_there_and_without_which_nobody_is_served {
        let report = broken(|plan| {
            plan.postfix.set("smtpd_milters", "unix:/run/gone.sock").set("milter_default_action", "reject");
        })?;
        log_tells(&report, "broken", "server-config-error", "connect to Milter service unix:/run/gone.sock")
    }

    a_filter_in_front_of_the_queue_that_is_not_there {
        let report = broken(|plan| { plan.postfix.set("smtpd_proxy_filter", "127.0.0.1:10024"); })?;
        log_tells(&report, "broken", "server-config-error", "connect to proxy filter 127.0.0.1:10024")
    }

    an_alias_that_leads_in_a_circle {
        let system = Plan::healthy_but(|plan| {
            let circle = "inline:{anna@clinic.example=anna2@clinic.example, anna2@clinic.example=anna@clinic.example}";
            plan.postfix.set("virtual_alias_maps", circle);
        })?;
        let report = system.check_account(&["anna@clinic.example", "--on-host", "--send"])?;
        report.names("broken", "server-config-error")?;
        report.tells("log", "map nesting for anna")
    }

    a_milter_that_is_not_there {
        let report = broken(|plan| { plan.postfix.set("smtpd_milters", "unix:/run/gone.sock"); })?;
        log_tells(&report, "broken", "server-config-error", "connect to Milter service unix:/run/gone.sock")
    }

    a_certificate_that_is_not_there {
        let report = broken(|plan| { plan.postfix.set("smtpd_tls_chain_files", "/etc/postfix/gone.pem"); })?;
        report.names("degraded", "tls-handshake-failed")?;
        report.tells("log", "/etc/postfix/gone.pem")
    }

    a_socket_for_passwords_that_is_not_there {
        let report = broken(|plan| { plan.postfix.set("smtpd_sasl_path", "private/gone"); })?;
        log_tells(&report, "broken", "auth-backend-down", "private/gone")?;
        report.explains("connect-reset")
    }

    passwords_on_every_port_and_nobody_to_check_them {
        let report = broken(|plan| {
            plan.postfix.set("smtpd_sasl_auth_enable", "yes");
            plan.dovecot = None;
        })?;
        report.names("broken", "auth-backend-down")?;
        report.says("does not arrive")
    }

    a_table_that_only_users_need {
        let report = broken(|plan| {
            plan.postfix.set("smtpd_sender_login_maps", "hash:/etc/postfix/gone");
            plan.postfix.set("smtpd_sender_restrictions", "reject_sender_login_mismatch");
        })?;
        log_tells(&report, "broken", "server-config-error", "open database /etc/postfix/gone.db")?;
        report.says("Sending as anna@clinic.example fails")
    }

    a_table_that_another_process_opens {
        let report = broken(|plan| { plan.postfix.set("virtual_mailbox_domains", "hash:/etc/postfix/gone"); })?;
        report.names("broken", "server-config-error")?;
        report.tells("log", "open database /etc/postfix/gone.db")
    }

    a_check_of_a_name_that_does_not_exist {
        let report = broken(|plan| { plan.postfix.set("smtpd_recipient_restrictions", "reject_unauthorised_destination"); })?;
        log_tells(&report, "broken", "server-config-error", "unknown smtpd restriction")
    }

    a_value_over_which_every_process_ends {
        let system = Plan::healthy_but(|plan| { plan.postfix.set("smtpd_timeout", "abc"); })?;
        let report = system.check_account(&["anna@clinic.example", "--on-host", "--deadline", "12s"])?;
        log_tells(&report, "broken", "server-config-error", "bad time value or unit: abc")?;
        report.explains("banner-timeout")
    }

    a_program_that_is_not_there {
        let system = Plan::healthy()?.start()?;
        let rename = "sed -i 's/^\\(smtp *inet.*\\)smtpd/\\1smtpdd/' /etc/postfix/master.cf; postfix reload; sleep 1";
        output_of(Command::new("sh").args(["-euc", rename]))?;
        let report = system.check(&["anna@clinic.example", "--on-host", "--deadline", "12s"])?;
        report.names("broken", "server-config-error")?;
        report.tells("log", "smtpdd: No such file or directory")
    }

    a_lookup_in_an_acl_of_exim {
        let report = broken(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("acl_smtp_rcpt", "${lookup{x}lsearch{/etc/exim4/gone}{accept}{accept}}");
        })?;
        report.names("broken", "server-config-error")?;
        report.tells("log", "failed to open /etc/exim4/gone")
    }

    an_option_that_exim_cannot_expand {
        let report = broken(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("message_size_limit", "${lookup{x}lsearch{/etc/exim4/gone}}");
        })?;
        report.names("broken", "server-config-error")?;
        report.explains("mx-all-down")?;
        report.tells("log", "unable to expand message_size_limit")
    }

    a_certificate_that_exim_does_not_find {
        let report = broken(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("tls_certificate", "/etc/exim4/gone.crt");
        })?;
        report.names("degraded", "starttls-refused")?;
        report.tells("log", "/etc/exim4/gone.crt")
    }

    a_scanner_that_exim_does_not_find {
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("av_scanner", "clamd:/run/gone.ctl").set("acl_smtp_data", "accept !malware = *");
        })?;
        let report = system.check_account(&["clinic.example", "--on-host", "--send"])?;
        report.names("broken", "server-config-error")?;
        report.tells("log", "/run/gone.ctl")
    }

    a_domain_in_two_lists {
        let report = broken(|plan| { plan.postfix.set("mydestination", "clinic.example"); })?;
        report.names("broken", "recipient-unknown")?;
        report.tells("log", "do not list domain clinic.example in BOTH")
    }

    a_spool_that_exim_may_not_write_into {
        let system = Plan::healthy_but(|plan| plan.mta = Mta::Exim)?;
        let take = "mkdir -p /var/spool/exim4/input; chown root:root /var/spool/exim4/input; chmod 700 /var/spool/exim4/input";
        output_of(Command::new("sh").args(["-euc", take]))?;
        let report = system.check_account(&["clinic.example", "--on-host", "--send"])?;
        report.names("broken", "server-config-error")?;
        report.tells("log", "Permission denied")
    }
}
