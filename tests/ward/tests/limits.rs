//! Servers that tire of a visit, or of what a visit asks: none of that is a fault of theirs.

use maildoctor_ward::{Mta, Plan, WardError, trial};

/// What is true of a sound system with one exchanger that answers VRFY.
const ADVICE: &[&str] = &["mx-single", "vrfy-enabled"];

/// Postfix with some settings more is called healthy.
fn postfix_is_healthy_with(settings: &[(&str, &str)]) -> Result<(), WardError> {
    let system = Plan::healthy_but(|plan| {
        for (name, value) in settings {
            plan.postfix.set(name, value);
        }
    })?;
    system.check(&["anna@clinic.example"])?.healthy_with(ADVICE)
}

/// Exim with a main option more is called healthy.
fn exim_is_healthy_with(name: &str, value: &str) -> Result<(), WardError> {
    let system = Plan::healthy_but(|plan| {
        plan.mta = Mta::Exim;
        plan.exim.set(name, value);
    })?;
    system.check(&["anna@clinic.example"])?.healthy_with(ADVICE)
}

trial! {
    whoever_errs_waits_five_seconds_for_each_reply {
        postfix_is_healthy_with(&[("smtpd_soft_error_limit", "1"), ("smtpd_error_sleep_time", "5s")])
    }

    whoever_errs_once_is_sent_away {
        postfix_is_healthy_with(&[("smtpd_hard_error_limit", "1")])
    }

    few_commands_that_move_no_mail {
        postfix_is_healthy_with(&[("smtpd_junk_command_limit", "1")])
    }

    one_message_a_minute {
        postfix_is_healthy_with(&[("smtpd_client_message_rate_limit", "1")])
    }

    one_recipient_a_minute {
        postfix_is_healthy_with(&[("smtpd_client_recipient_rate_limit", "1")])
    }

    one_session_under_tls_a_minute {
        postfix_is_healthy_with(&[("smtpd_client_new_tls_session_rate_limit", "1")])
    }

    one_message_a_connection_of_exim {
        exim_is_healthy_with("smtp_accept_max_per_connection", "1")
    }

    few_commands_of_exim_that_move_no_mail {
        exim_is_healthy_with("smtp_accept_max_nonmail", "2")
    }
}
