//! Servers that wait, seen from their own host: the very lookup is named, and proven.

use std::{fs, net::TcpStream, process::Command, thread, time::Duration};

use maildoctor_ward::{
    CLIENT_ADDRESS, DnsManner, MX_ADDRESS, MailSystem, Mta, OTHER_ADDRESS, OUTSIDE_ADDRESS, Plan, Report,
    SERVER_RESOLVER, THIRD_PARTY, WardError, dns_responder, drop_packets_to, output_of, slow_milter, slow_policy,
    trial,
};

/// Twelve lists, of which those named are served by somebody else, as the trial has it; the rest answer at once.
fn twelve_lists(plan: &mut Plan, silent: &[usize]) {
    lists(plan, 12, silent);
}

/// So many lists that are asked before the banner.
fn lists(plan: &mut Plan, number: usize, silent: &[usize]) {
    let asked: Vec<String> = (1..=number).map(|n| format!("reject_rbl_client bl{n}.example")).collect();
    // A process of smtpd remembers what a list said of a client for as long as it lives: one process a client.
    plan.postfix.set("smtpd_delay_reject", "no").set("smtpd_client_restrictions", &asked.join(" ")).set("max_use", "1");
    for n in 1..=number {
        if silent.contains(&n) {
            plan.zones.example.add(format!("bl{n} NS ns1.list"));
        } else {
            plan.zones.example.add(format!("2.0.0.127.bl{n} A 127.0.0.2"));
        }
    }
}

/// The resolver library of the servers gives up after 2 s.
fn impatient_resolver() -> Result<(), WardError> {
    output_of(Command::new("sed").args(["-i", "s/timeout:5/timeout:1/", "/etc/resolv.conf"])).map(drop)
}

/// A resolv.conf that names `servers`, each of which is given `seconds` once.
fn resolv_conf(servers: &[&str], seconds: u32) -> String {
    let lines: String = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
    format!("{lines}options timeout:{seconds} attempts:1\n")
}

/// Whether `code` is a root cause, proven.
fn proven_root(report: &Report, code: &str) -> Result<(), WardError> {
    let roots = report.json()["diagnosis"].as_array();
    let is = roots.into_iter().flatten().any(|root| root["code"] == code && root["confidence"] == "proven");
    if is {
        Ok(())
    } else {
        let found: Vec<_> = roots
            .into_iter()
            .flatten()
            .map(|root| format!("{} {}: {}", root["code"], root["confidence"], root["cause"]))
            .collect();
        Err(WardError::Wrong(format!("{code} must be proven: {found:#?}")))
    }
}

/// Keeps a client from another address coming, as long as the trial runs.
fn clients_from(address: &'static str) {
    thread::spawn(move || {
        loop {
            // What answers does not matter: the server is to meet a stranger.
            let _ = output_of(Command::new("swaks").args([
                "--server",
                MX_ADDRESS,
                "--local-interface",
                address,
                "--quit-after",
                "CONNECT",
            ]));
            thread::sleep(Duration::from_millis(200));
        }
    });
}

/// Whether a root cause with `code` names each of `zones`, proven.
fn proves(system: &MailSystem, arguments: &[&str], code: &str, zones: &[&str]) -> Result<(), WardError> {
    let report = system.check(arguments)?;
    report.names("degraded", code)?;
    let roots = report.json().get("diagnosis").and_then(|d| d.as_array()).cloned().unwrap_or_default();
    let proven = |zone: &&&str| {
        roots.iter().any(|root| {
            root["code"] == code
                && root["confidence"] == "proven"
                && root.pointer("/detail/zone").and_then(|z| z.as_str()) == Some(**zone)
        })
    };
    let named = zones.iter().filter(|zone| proven(zone)).count();
    let others = roots
        .iter()
        .filter(|root| root["code"].as_str().is_some_and(|c| ["dnsbl-timeout", "dnsbl-slow"].contains(&c)))
        .count();
    if named == zones.len() && others == zones.len() {
        Ok(())
    } else {
        Err(WardError::Wrong(format!("{zones:?} must be proven and nothing else: {roots:#?}")))
    }
}

trial! {
    one_dead_list_among_twelve {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        impatient_resolver()?;
        let system = Plan::healthy_but(|plan| twelve_lists(plan, &[7]))?;
        proves(&system, &["clinic.example", "--on-host"], "dnsbl-timeout", &["bl7.example"])
    }

    two_dead_lists_among_twelve {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        impatient_resolver()?;
        let system = Plan::healthy_but(|plan| twelve_lists(plan, &[3, 11]))?;
        proves(&system, &["clinic.example", "--on-host"], "dnsbl-timeout", &["bl3.example", "bl11.example"])
    }

    a_list_that_answers_late {
        dns_responder(THIRD_PARTY, DnsManner::Slow(Duration::from_millis(3500)))?;
        let system = Plan::healthy_but(|plan| twelve_lists(plan, &[5]))?;
        proves(&system, &["clinic.example", "--on-host"], "dnsbl-slow", &["bl5.example"])
    }

    the_reverse_name_that_is_waited_for {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        impatient_resolver()?;
        let system = Plan::healthy_but(|plan| {
            plan.zones.reverse.remove("99 PTR").add("99 NS ns1.list.example.");
        })?;
        let report = system.check(&["clinic.example", "--on-host"])?;
        report.names("degraded", "ptr-slow")?;
        proven_root(&report, "ptr-slow")
    }

    a_dead_list_named_by_real_clients_alone {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        impatient_resolver()?;
        let system = Plan::healthy_but(|plan| {
            twelve_lists(plan, &[7]);
            // The program itself is let through at once.
            plan.postfix.set("mynetworks", "127.0.0.0/8 198.18.25.99");
            let lists = (1..=12).map(|n| format!("reject_rbl_client bl{n}.example")).collect::<Vec<_>>().join(" ");
            plan.postfix.set("smtpd_client_restrictions", &format!("permit_mynetworks {lists}"));
        })?;
        clients_from(OUTSIDE_ADDRESS);
        clients_from(OTHER_ADDRESS);
        proves(&system, &["clinic.example", "--on-host", "--listen", "8s"], "dnsbl-timeout", &["bl7.example"])
    }

    a_healthy_server_seen_from_its_host {
        let system = Plan::healthy_but(|plan| twelve_lists(plan, &[]))?;
        let report = system.check(&["clinic.example", "--on-host"])?;
        report.has_check("dnsbl-timeout", "clear")?;
        report.judges("healthy")
    }
    resolvers_that_are_dead {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        dns_responder(OTHER_ADDRESS, DnsManner::Silent)?;
        let write = |servers: &[&str]| {
            fs::write("/etc/resolv.conf", resolv_conf(servers, 1)).map_err(WardError::io("/etc/resolv.conf"))
        };
        write(&[THIRD_PARTY, SERVER_RESOLVER])?;
        let system = Plan::healthy_but(|plan| lists(plan, 2, &[]))?;
        let report = system.check(&["mx1.clinic.example:25", "--on-host", "--only", "connect,banner"])?;
        report.names("degraded", "server-resolver-dead")?;
        proven_root(&report, "server-resolver-dead")?;
        report.has_check("dnsbl-slow", "clear")?;
        // The library reads the file again once it has changed.
        write(&[THIRD_PARTY, OTHER_ADDRESS])?;
        let report = system.check(&["mx1.clinic.example:25", "--on-host", "--only", "connect,banner"])?;
        report.names("broken", "server-resolvers-all-dead")?;
        proven_root(&report, "server-resolvers-all-dead")?;
        report.has_check("dnsbl-timeout", "unknown")
    }

    exim_that_asks_for_ident_and_by_a_dead_resolver {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        drop_packets_to(CLIENT_ADDRESS, 113)?;
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim
                .set("host_lookup", "*")
                .set("rfc1413_hosts", "*")
                .set("rfc1413_query_timeout", "4s");
            plan.exim.resolv_conf = Some(resolv_conf(&[THIRD_PARTY, SERVER_RESOLVER], 2));
        })?;
        let report = system.check(&["clinic.example", "--on-host"])?;
        proven_root(&report, "ident-lookup-timeout")?;
        proven_root(&report, "server-resolver-dead")?;
        report.judges("degraded")
    }
    a_pause_a_milter_and_a_policy_service_have_their_shares {
        slow_milter("127.0.0.1:11332", Duration::from_secs(3))?;
        slow_policy("127.0.0.1:10023", Duration::from_secs(4))?;
        let system = Plan::healthy_but(|plan| {
            plan.postfix
                .set("smtpd_delay_reject", "no")
                .set("smtpd_client_restrictions", "sleep 3")
                .set("smtpd_milters", "inet:127.0.0.1:11332")
                .set("smtpd_recipient_restrictions", "check_policy_service inet:127.0.0.1:10023");
        })?;
        let report = system.check(&["anna@clinic.example", "--on-host"])?;
        for code in ["banner-greet-delay", "milter-slow", "policy-service-slow"] {
            proven_root(&report, code)?;
        }
        report.has_check("process-limit-reached", "clear")?;
        report.judges("degraded")
    }

    postscreen_pauses_and_waits_for_no_list {
        dns_responder(THIRD_PARTY, DnsManner::Silent)?;
        let system = Plan::healthy_but(|plan| {
            lists(plan, 2, &[2]);
            plan.postfix
                .behind_postscreen()
                .set("smtpd_client_restrictions", "")
                .set("postscreen_dnsbl_sites", "bl1.example bl2.example");
        })?;
        let report = system.check(&["mx1.clinic.example:25", "--on-host"])?;
        proven_root(&report, "banner-greet-delay")?;
        report.has_check("dnsbl-slow", "clear")?;
        report.judges("healthy")
    }

    two_processes_that_others_keep_busy {
        let system = Plan::healthy_but(|plan| { plan.postfix.two_clients_at_once(); })?;
        let busy: Vec<TcpStream> = (0..2)
            .map(|_| TcpStream::connect((MX_ADDRESS, 25)).map_err(WardError::io(MX_ADDRESS)))
            .collect::<Result<_, _>>()?;
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(9));
            drop(busy);
        });
        let report = system.check(&["mx1.clinic.example:25", "--on-host", "--only", "connect,banner,server-config"])?;
        report.names("degraded", "process-limit-reached")?;
        proven_root(&report, "process-limit-reached")
    }

    an_address_that_is_exempt_is_never_called_healthy {
        let system = Plan::healthy_but(|plan| {
            lists(plan, 2, &[]);
            plan.postfix
                .set("mynetworks", "127.0.0.0/8 198.18.25.99")
                .set("smtpd_client_restrictions", "permit_mynetworks reject_rbl_client bl1.example reject_rbl_client bl2.example");
        })?;
        let report = system.check(&["mx1.clinic.example:25", "--on-host"])?;
        report.has_check("dnsbl-timeout", "unknown")?;
        report.judges("inconclusive")?;
        let next = report.json()["next_tests"].to_string();
        if next.contains("--listen 60s") && next.contains("mynetworks in /etc/postfix/main.cf, line") {
            Ok(())
        } else {
            Err(WardError::Wrong(format!("the next test watches real clients, and names the setting: {next}")))
        }
    }
}
