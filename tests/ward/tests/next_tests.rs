//! What a report tells to do next, done: every command of it is typed as it stands, by root where the server is looked at,
//! and tells apart what the report could not.

#![allow(clippy::indexing_slicing, reason = "a member that is not there is null")]

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, TcpStream},
    process::Command,
    thread,
    time::Duration,
};

use maildoctor_ward::{
    CLIENT_ADDRESS, DnsManner, MX_ADDRESS, MailSystem, Mta, OUTSIDE_ADDRESS, Plan, Report, SERVER_RESOLVER,
    THIRD_PARTY, USER, WardError, dns_responder, drop_packets_to, greylisting_policy, output_of, refusing_server,
    slow_milter, slow_policy, trial,
};
use serde_json::Value;

/// What a next test must bring to light, where it is more than that something comes to be known.
#[derive(Clone, Copy)]
enum Brings {
    /// This root cause, proven.
    Cause(&'static str),
    /// The end of this check, and how it ends.
    Check(&'static str, &'static str),
    /// These words with the cause that was known already.
    Word(&'static str),
}

/// A system in a world that has what next tests name: a server known to be up, a domain elsewhere, and common lists.
fn in_the_world(change: impl FnOnce(&mut Plan)) -> Result<MailSystem, WardError> {
    refusing_server(&format!("{OUTSIDE_ADDRESS}:25"), "250 ok")?;
    Plan::healthy_but(|plan| {
        plan.zones.root.add(format!("gmail-smtp-in.l.google.com. A {OUTSIDE_ADDRESS}")).add("example.com. MX 0 .");
        for list in ["zen.spamhaus.org", "bl.spamcop.net", "b.barracudacentral.org"] {
            plan.zones.root.add(format!("2.0.0.127.{list}. A 127.0.0.2"));
        }
        change(plan);
    })
}

/// The report of somebody who has no rights on this machine.
fn unprivileged(system: &MailSystem, arguments: &[&str]) -> Result<Report, WardError> {
    let command = system.check_command(arguments)?;
    let mut without = Command::new("setpriv");
    without.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]);
    without.arg(command.get_program()).args(command.get_args());
    without.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Report::read(&without.output().map_err(WardError::io("running the program"))?)
}

/// The commands of a report, as they would be typed.
fn commands(report: &Report) -> Vec<String> {
    let tests = report.json()["next_tests"].as_array().into_iter().flatten();
    tests.map(|test| test["command"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Runs a command as it stands. A trial is root already, and sudo is not installed.
fn typed(system: &MailSystem, command: &str) -> Result<Report, WardError> {
    let words = command.strip_prefix("sudo ").unwrap_or(command).strip_prefix("maildoctor ");
    let words = words.ok_or_else(|| WardError::Wrong(format!("no command of this program: {command}")))?;
    let program = system.check_command(&[])?.get_program().to_owned();
    let run = Command::new("sh").args(["-c", &format!("exec \"$0\" {words}")]).arg(program).output();
    Report::read(&run.map_err(WardError::io("running the program"))?)
        .map_err(|error| WardError::Wrong(format!("{command}: {error}")))
}

/// Code and subject of each check that came to an end, and how.
fn decided(report: &Report) -> BTreeMap<(String, String), String> {
    let checks = report.json()["checks"].as_array().into_iter().flatten();
    let ended = checks.filter(|check| check["state"] == "clear" || check["state"] == "found");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    ended.map(|check| ((text(&check["code"]), text(&check["subject"])), text(&check["state"]))).collect()
}

/// Whether a report has brought to light what it was to.
fn has_brought(report: &Report, wanted: Brings) -> bool {
    let roots = || report.json()["diagnosis"].as_array().into_iter().flatten();
    match wanted {
        Brings::Cause(code) => roots().any(|root| root["code"] == code && root["confidence"] == "proven"),
        Brings::Check(code, state) => decided(report).iter().any(|((known, _), how)| known == code && how == state),
        Brings::Word(word) => roots().any(|root| root["cause"].to_string().contains(word)),
    }
}

/// Runs every next test of a report. Each one ends a check that was open, and the one for root, or for a server known to
/// be up, brings what is `wanted`, which the report did not have.
fn tells_apart(system: &MailSystem, before: &Report, wanted: Brings) -> Result<(), WardError> {
    let commands = commands(before);
    let deciding = |command: &&String| command.starts_with("sudo ") || command.contains("--control-mx");
    if has_brought(before, wanted) || !commands.iter().any(|command| deciding(&command)) {
        let json = before.json();
        return Err(WardError::Wrong(format!("nothing is left open: {} {}", json["diagnosis"], json["next_tests"])));
    }
    for command in &commands {
        let after = typed(system, command)?;
        let known = decided(before);
        if !decided(&after).keys().any(|check| !known.contains_key(check)) {
            return Err(WardError::Wrong(format!("it decides nothing: {command}")));
        }
        if deciding(&command) && !has_brought(&after, wanted) {
            return Err(WardError::Wrong(format!(
                "the rivals are not told apart: {command}: {}",
                after.json()["diagnosis"]
            )));
        }
    }
    Ok(())
}

/// The next tests of a report from afar, and of one on the host by somebody without rights.
fn from_afar_and_without_rights(system: &MailSystem, arguments: &[&str], wanted: Brings) -> Result<(), WardError> {
    tells_apart(system, &unprivileged(system, arguments)?, wanted)?;
    tells_apart(system, &unprivileged(system, &[arguments, &["--on-host"]].concat())?, wanted)
}

/// A round trip whose message does not turn up, and who says where it is.
fn a_message_that_vanishes(system: &MailSystem, wanted: Brings) -> Result<(), WardError> {
    let password = system.file("password");
    let account = ["clinic.example", "--user", USER, "--password-file", &password, "--send"];
    let mailbox = ["--mailbox", "imaps://mx1.clinic.example", "--deadline", "10s"];
    from_afar_and_without_rights(system, &[&account[..], &mailbox].concat(), wanted)
}

/// Only what is in the way of a greeting is looked at: it is waited for again and again.
const GREETING: [&str; 3] = ["clinic.example", "--only", "dns,connect,banner"];

trial! {
    a_list_that_never_answers {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        let system = in_the_world(|plan| {
            plan.postfix
                .set("smtpd_delay_reject", "no")
                .set("smtpd_client_restrictions", "reject_rbl_client list.example")
                .set("max_use", "1");
        })?;
        tells_apart(&system, &unprivileged(&system, &GREETING)?, Brings::Cause("dnsbl-timeout"))
    }

    a_milter_that_takes_its_time {
        slow_milter("127.0.0.1:11332", Duration::from_secs(6))?;
        let system = in_the_world(|plan| { plan.postfix.set("smtpd_milters", "inet:127.0.0.1:11332"); })?;
        from_afar_and_without_rights(&system, &GREETING, Brings::Cause("milter-slow"))
    }

    a_policy_service_that_takes_its_time {
        slow_policy("127.0.0.1:10023", Duration::from_secs(6))?;
        let system = in_the_world(|plan| {
            plan.postfix.set("smtpd_recipient_restrictions", "check_policy_service inet:127.0.0.1:10023");
        })?;
        let at_the_recipient = ["anna@clinic.example", "--only", "dns,connect,banner,envelope"];
        tells_apart(&system, &unprivileged(&system, &at_the_recipient)?, Brings::Cause("policy-service-slow"))
    }

    a_pause_on_purpose {
        let system = in_the_world(|plan| {
            plan.postfix
                .set_on("smtp", "smtpd_client_restrictions", "sleep 6")
                .set_on("smtp", "smtpd_delay_reject", "no");
        })?;
        tells_apart(&system, &unprivileged(&system, &GREETING)?, Brings::Cause("banner-greet-delay"))
    }

    a_reverse_name_that_is_not_found {
        dns_responder(THIRD_PARTY, DnsManner::SilentAbout("in-addr.arpa."))?;
        let resolver = format!("nameserver {THIRD_PARTY}\noptions timeout:3 attempts:2\n");
        fs::write("/etc/resolv.conf", resolver).map_err(WardError::io("/etc/resolv.conf"))?;
        from_afar_and_without_rights(&in_the_world(|_| {})?, &GREETING, Brings::Cause("rdns-lookup-timeout"))
    }

    exim_that_asks_who_calls {
        drop_packets_to(CLIENT_ADDRESS, 113)?;
        let system = in_the_world(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("rfc1413_hosts", "*").set("rfc1413_query_timeout", "6s");
        })?;
        from_afar_and_without_rights(&system, &GREETING, Brings::Cause("ident-lookup-timeout"))
    }

    exim_whose_first_resolver_is_dead {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        let system = in_the_world(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("host_lookup", "*");
            let servers = format!("nameserver {THIRD_PARTY}\nnameserver {SERVER_RESOLVER}\n");
            plan.exim.resolv_conf = Some(format!("{servers}options timeout:3 attempts:1\n"));
        })?;
        from_afar_and_without_rights(&system, &GREETING, Brings::Cause("server-resolver-dead"))
    }

    too_few_processes_and_no_test_for_what_is_proven {
        let system = in_the_world(|plan| { plan.postfix.two_clients_at_once(); })?;
        thread::spawn(|| loop {
            let busy: Vec<_> = (0..2).map(|_| TcpStream::connect((MX_ADDRESS, 25))).collect();
            thread::sleep(Duration::from_secs(9));
            drop(busy);
        });
        thread::sleep(Duration::from_millis(300));
        let report = unprivileged(&system, &["mx1.clinic.example:25", "--on-host"])?;
        report.names("degraded", "process-limit-reached")?;
        match commands(&report).iter().find(|command| command.contains("--dnsbl")) {
            Some(command) => Err(WardError::Wrong(format!("the lists are not what it waits for: {command}"))),
            None => Ok(()),
        }
    }

    a_silent_port_while_others_are_reached {
        let system = in_the_world(|_| {})?;
        drop_packets_to(MX_ADDRESS, 25)?;
        let report = unprivileged(&system, &["clinic.example", "--timeout", "3s"])?;
        tells_apart(&system, &report, Brings::Check("port25-blocked-here", "clear"))?;
        // A server whose name is gone is no control: another one takes its place.
        let gone = ["clinic.example", "--timeout", "3s", "--control-mx", "gone.clinic.example"];
        let report = unprivileged(&system, &gone)?;
        report.has_check("port25-blocked-here", "unknown")?;
        commands(&report).iter().try_for_each(|command| typed(&system, command).map(drop))
    }

    no_way_out_to_port_25 {
        let system = in_the_world(|_| {})?;
        drop_packets_to(MX_ADDRESS, 25)?;
        drop_packets_to(OUTSIDE_ADDRESS, 25)?;
        let report = unprivileged(&system, &["clinic.example", "--timeout", "3s"])?;
        tells_apart(&system, &report, Brings::Cause("port25-blocked-here"))
    }

    nothing_listens {
        // No server known to be up stands on this machine: it would listen there.
        let system = Plan::healthy_but(|plan| { plan.mta = Mta::Nobody; })?;
        let report = unprivileged(&system, &["clinic.example"])?;
        report.names("broken", "connect-refused")?;
        tells_apart(&system, &report, Brings::Cause("service-not-running"))
    }

    a_message_on_hold {
        let system = in_the_world(|plan| { plan.postfix.hold_everything(); })?;
        a_message_that_vanishes(&system, Brings::Cause("queue-held"))
    }

    a_message_that_no_agent_takes {
        let system = in_the_world(|plan| { plan.postfix.set("virtual_transport", "lmtp:unix:private/gone"); })?;
        a_message_that_vanishes(&system, Brings::Cause("transport-broken"))
    }

    a_message_that_exim_freezes {
        let system = in_the_world(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("acl_smtp_data", "accept control = freeze");
        })?;
        a_message_that_vanishes(&system, Brings::Cause("queue-held"))
    }

    a_message_that_exim_leaves_to_a_queue_run {
        let system = in_the_world(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("queue_only", "true");
        })?;
        a_message_that_vanishes(&system, Brings::Cause("queue-stuck"))
    }

    a_message_that_comes_back_from_the_mailbox {
        let system = in_the_world(|plan| plan.dovecot.iter_mut().for_each(|own| own.quota = Some(1000)))?;
        system.fill_mailbox(2000)?;
        a_message_that_vanishes(&system, Brings::Word("status=bounced"))
    }

    passwords_that_nobody_checks {
        let system = in_the_world(|plan| plan.dovecot = None)?;
        let password = system.file("password");
        let account = ["clinic.example", "--user", USER, "--password-file", &password];
        // Postfix serves nobody for a minute after a process that failed: other tests would wait as long.
        let report = unprivileged(&system, &[&account[..], &["--skip", "relay,delivery"]].concat())?;
        tells_apart(&system, &report, Brings::Cause("auth-backend-down"))
    }

    a_table_that_is_not_there {
        let system = in_the_world(|plan| { plan.postfix.set("virtual_mailbox_maps", "hash:/etc/postfix/gone"); })?;
        let report = unprivileged(&system, &["anna@clinic.example"])?;
        tells_apart(&system, &report, Brings::Word("open database /etc/postfix/gone.db"))
    }

    a_disk_that_is_full {
        let system = in_the_world(|plan| { plan.postfix.set("queue_minfree", "1000000000000000"); })?;
        tells_apart(&system, &unprivileged(&system, &["anna@clinic.example"])?, Brings::Cause("disk-full"))
    }

    refused_because_of_a_list {
        dns_responder(THIRD_PARTY, DnsManner::Everything(Ipv4Addr::new(127, 0, 0, 2)))?;
        let system = in_the_world(|plan| {
            plan.postfix.set("smtpd_recipient_restrictions", "reject_rbl_client list.example");
        })?;
        let report = unprivileged(&system, &["anna@clinic.example"])?;
        report.names("broken", "rcpt-rejected-dnsbl")?;
        let next = commands(&report);
        let ask = next.iter().find(|command| command.ends_with("--dnsbl=list.example"));
        let ask = ask.ok_or_else(|| WardError::Wrong(format!("the list is not to be asked: {next:?}")))?;
        typed(&system, ask)?.names("broken", "dnsbl-lists-everyone")?;
        // Nobody takes a message whose recipient is refused.
        match next.iter().find(|command| command.ends_with("--send")) {
            Some(command) => Err(WardError::Wrong(format!("it decides nothing: {command}"))),
            None => Ok(()),
        }
    }

    put_off_at_the_first_try {
        greylisting_policy("127.0.0.1:10023", Duration::from_secs(300))?;
        let system = in_the_world(|plan| {
            plan.postfix.set("smtpd_recipient_restrictions", "check_policy_service inet:127.0.0.1:10023");
        })?;
        let report = unprivileged(&system, &["anna@clinic.example"])?;
        match commands(&report).iter().find(|command| command.ends_with("--send")) {
            Some(command) => Err(WardError::Wrong(format!("it decides nothing: {command}"))),
            None => Ok(()),
        }
    }

    an_address_that_is_exempt_and_clients_that_are_not {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        let system = in_the_world(|plan| {
            plan.postfix
                .set("smtpd_delay_reject", "no")
                .set("max_use", "1")
                .set("mynetworks", "127.0.0.0/8 198.18.25.99")
                .set("smtpd_client_restrictions", "permit_mynetworks reject_rbl_client list.example");
        })?;
        thread::spawn(|| loop {
            let strange = ["--server", MX_ADDRESS, "--local-interface", OUTSIDE_ADDRESS, "--quit-after", "CONNECT"];
            // What answers does not matter: the server is to meet a stranger.
            let _ = output_of(Command::new("swaks").args(strange));
            thread::sleep(Duration::from_millis(200));
        });
        let relay = ["clinic.example", "--on-host", "--relay-rcpt", "nobody@example.com", "--deadline", "40s"];
        let report = system.check(&relay)?;
        report.has_check("relay-open", "unknown")?;
        let watch = commands(&report).into_iter().find(|command| command.ends_with("--listen 60s"));
        let watch = watch.ok_or_else(|| WardError::Wrong(format!("real clients would tell: {:?}", commands(&report))))?;
        let after = typed(&system, &watch)?;
        if has_brought(&after, Brings::Cause("dnsbl-timeout")) {
            Ok(())
        } else {
            Err(WardError::Wrong(format!("{watch}: {}", after.json()["diagnosis"])))
        }
    }
}
