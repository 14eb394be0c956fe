//! What the Dovecot behind a mail server has to do with it, seen from the host.

use std::process::Command;

use maildoctor_ward::{Plan, Report, WardError, output_of, trial};

/// What is true of these systems: one mail server, passwords only after TLS, and VRFY as Debian leaves it.
const TRUE_ADVICE: &[&str] = &["mx-single", "auth-only-after-tls", "vrfy-enabled"];

/// The whole round trip on a system with one thing broken, its host looked at, and waited for less long than people would.
fn round_trip(change: impl FnOnce(&mut Plan), then: &str) -> Result<Report, WardError> {
    let system = Plan::healthy_but(change)?;
    output_of(Command::new("sh").args(["-euc", then]))?;
    let mailbox = "imaps://mx1.clinic.example";
    system.check_account(&["clinic.example", "--on-host", "--send", "--mailbox", mailbox, "--deadline", "12s"])
}

/// A system whose Dovecot speaks these protocols alone.
fn that_speaks(protocols: &str) -> Result<Report, WardError> {
    let speak = |plan: &mut Plan| plan.dovecot.iter_mut().for_each(|dovecot| dovecot.protocols = protocols.to_owned());
    round_trip(speak, "true")
}

trial! {
    it_was_stopped {
        let stop = "kill $(cat /run/dovecot/master.pid); while [ -e /run/dovecot/master.pid ]; do sleep 0.1; done";
        let report = round_trip(|_| (), stop)?;
        report.names_only("broken", "service-not-running", TRUE_ADVICE)?;
        report.tells("server", "Dovecot")?;
        for symptom in ["auth-backend-down", "transport-broken", "imap-unreachable"] {
            report.explains(symptom)?;
        }
        Ok(())
    }

    it_does_not_speak_lmtp {
        let report = that_speaks("imap pop3")?;
        report.names_only("broken", "transport-broken", TRUE_ADVICE)?;
        report.says("Dovecot does not speak lmtp")?;
        report.tells("setting", "protocols")
    }

    it_does_not_speak_imap {
        let report = that_speaks("pop3 lmtp")?;
        report.names_only("degraded", "imap-unreachable", TRUE_ADVICE)?;
        report.says("Dovecot does not speak imap")
    }

    it_takes_mail_at_another_socket {
        let report = round_trip(|plan| { plan.postfix.set("virtual_transport", "lmtp:unix:private/gone"); }, "true")?;
        report.names_only("broken", "transport-broken", TRUE_ADVICE)?;
        report.says("listens at /var/spool/postfix/private/dovecot-lmtp, and not there")?;
        report.tells("setting", "virtual_transport")
    }

    it_checks_passwords_at_another_socket {
        let report = round_trip(|plan| { plan.postfix.set("smtpd_sasl_path", "private/gone"); }, "true")?;
        report.names_only("broken", "auth-backend-down", TRUE_ADVICE)?;
        report.says("listens at /var/spool/postfix/private/auth, and not there")
    }

    it_does_not_find_its_users {
        let lose = |plan: &mut Plan| plan.dovecot.iter_mut().for_each(|own| own.passwords = "/etc/dovecot/gone".to_owned());
        let report = round_trip(lose, "true")?;
        report.names("broken", "auth-backend-down")?;
        report.tells("log", "/etc/dovecot/gone")
    }

    it_does_not_find_a_plugin {
        let extra = "protocol lmtp {\n  mail_plugins = gone\n}\n";
        let report = round_trip(|plan| plan.dovecot.iter_mut().for_each(|own| own.extra = extra.to_owned()), "true")?;
        report.names_only("broken", "transport-broken", TRUE_ADVICE)?;
        report.tells("log", "Plugin 'gone' not found")
    }

    it_serves_no_such_user_id {
        let extra = "first_valid_uid = 70000\n";
        let report = round_trip(|plan| plan.dovecot.iter_mut().for_each(|own| own.extra = extra.to_owned()), "true")?;
        report.names("broken", "transport-broken")?;
        report.tells("log", "first_valid_uid")
    }

    it_may_not_write_into_the_mailbox {
        let report = round_trip(|_| (), "chown -R root:root /var/vmail/anna; chmod 700 /var/vmail/anna")?;
        report.names_only("broken", "transport-broken", TRUE_ADVICE)?;
        report.tells("log", "Permission denied")
    }

    it_has_no_room_for_the_mailbox {
        let full = "mkdir -p /var/vmail; mount -t tmpfs -o size=64k,mode=755,uid=64005,gid=64005 tmpfs /var/vmail";
        output_of(Command::new("sh").args(["-euc", full]))?;
        let report = round_trip(|_| (), "head -c 61440 /dev/zero > /var/vmail/archive")?;
        report.names_only("broken", "disk-full", TRUE_ADVICE)?;
        report.tells("path", "/var/vmail")?;
        report.explains("accepted-not-delivered")
    }
}
