//! OpenSMTPD as the domain's exchanger, seen from its own host.

use std::{fs, process::Command, time::Duration};

use maildoctor_ward::{
    DnsManner, MX_ADDRESS, MailSystem, Mta, OpenSmtpd, Plan, Report, SERVER_RESOLVER, THIRD_PARTY, WardError,
    dns_responder, output_of, trial,
};

/// What is true of this system: it has no TLS, and one mail server that takes whatever recipient.
const TRUE: (&str, &str, &[&str]) = ("at-risk", "starttls-not-offered", &["mx-single"]);

/// What is asked where the banner alone matters.
const BANNER: [&str; 4] = ["mx1.clinic.example:25", "--on-host", "--only", "connect,banner,server-config"];

/// A system with OpenSMTPD, changed, and started.
fn system(change: impl FnOnce(&mut OpenSmtpd)) -> Result<MailSystem, WardError> {
    Plan::healthy_but(|plan| {
        plan.mta = Mta::OpenSmtpd;
        // Without TLS nobody submits anything.
        plan.zones.domain.remove("_submission");
        change(&mut plan.opensmtpd);
    })
}

/// A message is sent, and looked for in the mailbox.
fn send(system: &MailSystem) -> Result<Report, WardError> {
    let mailbox = "maildir:/var/vmail/anna";
    system.check(&["anna@clinic.example", "--on-host", "--send", "--mailbox", mailbox, "--deadline", "20s"])
}

/// Nothing is said but what is true of a healthy one.
fn is_healthy(report: &Report) -> Result<(), WardError> {
    let (verdict, code, advice) = TRUE;
    report.names_only(verdict, code, advice)
}

/// The servers ask these resolvers, one after the other.
fn resolvers(servers: &[&str]) -> Result<(), WardError> {
    let lines: String = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
    fs::write("/etc/resolv.conf", lines).map_err(WardError::io("/etc/resolv.conf"))
}

/// The first root cause is this one, and what was captured proves it.
fn proves(report: &Report, code: &str) -> Result<(), WardError> {
    let roots = report.json().get("diagnosis").and_then(|roots| roots.as_array()).cloned().unwrap_or_default();
    let proven = roots.iter().any(|root| {
        root.get("code").is_some_and(|own| own == code) && root.get("confidence").is_some_and(|own| own == "proven")
    });
    if proven { Ok(()) } else { Err(WardError::Wrong(format!("{code} must be proven: {roots:#?}"))) }
}

trial! {
    a_healthy_one_that_is_sent_through {
        let system = system(|_| {})?;
        let report = send(&system)?;
        is_healthy(&report)?;
        for code in ["queue-stuck", "queue-held", "rdns-lookup-timeout", "server-resolver-dead", "service-not-running"] {
            report.has_check(code, "clear")?;
        }
        Ok(())
    }

    healthy_with_filters_of_both_kinds {
        filter("0")?;
        let system = system(|own| {
            own.first = "filter quick proc-exec \"/run/filter\"\nfilter named phase connect match !rdns disconnect \"550 no name\"\n\
                         filter both chain { quick, named }\nsmtp max-message-size 20M".to_owned();
            own.on_port_25 = "filter both".to_owned();
        })?;
        is_healthy(&send(&system)?)
    }

    a_filter_that_takes_its_time {
        filter("7")?;
        let system = system(|own| {
            own.first = "filter slow proc-exec \"/run/filter\"".to_owned();
            own.on_port_25 = "filter slow".to_owned();
        })?;
        let report = system.check(&BANNER)?;
        report.names("degraded", "milter-slow")?;
        report.tells("endpoint", "slow")?;
        report.tells("file", "/etc/smtpd.conf")?;
        report.tells("line", "1")
    }

    a_dead_resolver_before_its_banner {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        resolvers(&[THIRD_PARTY, SERVER_RESOLVER])?;
        let report = system(|_| {})?.check(&BANNER)?;
        report.names("degraded", "server-resolver-dead")?;
        proves(&report, "server-resolver-dead")
    }

    a_reverse_name_that_comes_late {
        dns_responder(THIRD_PARTY, DnsManner::Slow(Duration::from_millis(3500)))?;
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::OpenSmtpd;
            plan.zones.reverse.remove("99 PTR").add("99 NS ns1.list.example.");
        })?;
        let report = system.check(&BANNER)?;
        proves(&report, "ptr-slow")
    }

    a_resolver_of_its_own_that_is_late_with_names {
        dns_responder(THIRD_PARTY, DnsManner::Slow(Duration::from_millis(3500)))?;
        resolvers(&[THIRD_PARTY])?;
        let report = system(|_| {})?.check(&BANNER)?;
        proves(&report, "rdns-lookup-timeout")
    }

    mailboxes_that_somebody_paused {
        let report = send(&system(|own| own.then = Some("smtpctl pause mda".to_owned()))?)?;
        report.names("broken", "queue-stuck")?;
        report.tells("setting", "smtpctl pause mda")?;
        report.explains("accepted-not-delivered")
    }

    connections_that_somebody_paused {
        let system = system(|own| own.then = Some("smtpctl pause smtp".to_owned()))?;
        let report = system.check(&["clinic.example", "--on-host", "--deadline", "12s"])?;
        report.names("broken", "service-not-running")?;
        report.tells("setting", "smtpctl pause smtp")?;
        report.explains("banner-timeout")
    }

    a_mailbox_that_cannot_be_written {
        let report = send(&system(|own| own.then = Some("chown root /var/vmail; chmod 700 /var/vmail".to_owned()))?)?;
        report.names("broken", "queue-stuck")?;
        report.tells("log", "mda delivery")
    }

    an_envelope_that_somebody_suspended {
        let system = system(|own| own.then = Some("smtpctl pause mda".to_owned()))?;
        let message = ["--from", "a@outside.example", "--to", "anna@clinic.example", "--silent", "2"];
        output_of(Command::new("swaks").args(["--server", MX_ADDRESS]).args(message))?;
        let suspend = "smtpctl pause envelope $(smtpctl show queue | cut -c1-8); smtpctl resume mda";
        output_of(Command::new("sh").args(["-euc", suspend]))?;
        let report = system.check(&["anna@clinic.example", "--on-host"])?;
        // It was suspended a moment ago, by somebody who may look at it.
        report.has_check("queue-held", "clear")
    }

    a_limit_that_a_line_of_its_settings_makes {
        let system = system(|own| own.first = "smtp max-message-size 100K".to_owned())?;
        let report = system.check(&["clinic.example", "--on-host"])?;
        report.names("at-risk", "size-limit-small")?;
        report.tells("setting", "smtp max-message-size")?;
        report.tells("line", "1")
    }

    a_table_whose_file_is_not_there {
        let system = system(|own| {
            own.first = "\ntable gone file:/etc/mail/gone".to_owned();
            own.comes_up = false;
        })?;
        let report = system.check(&["clinic.example", "--on-host"])?;
        report.names("broken", "service-not-running")?;
        report.tells("server", "OpenSMTPD")?;
        report.tells("refuses", "/etc/mail/gone: fopen: No such file or directory")?;
        report.tells("file", "/etc/smtpd.conf")?;
        report.tells("line", "2")
    }

    a_certificate_that_is_not_there {
        let system = system(|own| {
            own.first = "pki other cert \"/etc/gone.crt\"\npki other key \"/etc/gone.key\"".to_owned();
            own.comes_up = false;
        })?;
        let report = system.check(&["clinic.example", "--on-host"])?;
        report.names("broken", "service-not-running")?;
        report.tells("setting", "pki other cert")?;
        report.tells("line", "1")
    }

    a_filter_whose_program_is_not_there {
        let system = system(|own| {
            own.first = "filter gone proc-exec \"/usr/libexec/opensmtpd/filter-gone\"".to_owned();
            own.on_port_25 = "filter gone".to_owned();
            own.comes_up = false;
        })?;
        wait_for_the_end()?;
        let report = system.check(&["clinic.example", "--on-host"])?;
        report.names("broken", "service-not-running")?;
        report.tells("log", "lost processor: gone")?;
        report.tells("line", "1")
    }

    listening_for_itself_alone {
        let system = system(|own| own.address = "127.0.0.1".to_owned())?;
        let report = system.check(&["clinic.example", "--on-host"])?;
        report.names("broken", "listens-on-loopback-only")?;
        report.tells("setting", "listen on 127.0.0.1")?;
        report.tells("file", "/etc/smtpd.conf")
    }
}

/// A filter that asks to be told of each connection, and thinks for so many seconds.
fn filter(seconds: &str) -> Result<(), WardError> {
    let script = format!(
        "#!/bin/sh\nwhile read -r line; do\n  case $line in\n    'config|ready') echo 'register|filter|smtp-in|connect'; echo 'register|ready' ;;\n    \
         'filter|'*) sleep {seconds}; session=$(echo \"$line\" | cut -d'|' -f6); token=$(echo \"$line\" | cut -d'|' -f7)\n      \
         echo \"filter-result|$session|$token|proceed\" ;;\n  esac\ndone\n"
    );
    fs::write("/run/filter", script).map_err(WardError::io("/run/filter"))?;
    output_of(Command::new("chmod").args(["755", "/run/filter"])).map(drop)
}

/// Waits until the server has ended.
fn wait_for_the_end() -> Result<(), WardError> {
    let wait = "for i in $(seq 200); do grep -q 'lost processor' /var/log/mail.log && exit 0; sleep 0.1; done; exit 1";
    output_of(Command::new("sh").args(["-uc", wait])).map(drop)
}
