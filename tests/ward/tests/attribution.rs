//! Who is to blame for a wait, where that is hard to tell: under load, without the right to capture, from another network
//! of the machine, by a resolver that does not find what others do, and for a client that may be exempt.

#![allow(clippy::indexing_slicing, reason = "a member that is not there is null")]

use std::{fs, process::Command};

use maildoctor_ward::{
    DnsManner, Load, MailSystem, Mta, Outside, Plan, Report, THIRD_PARTY, WardError, dns_responder, trial,
};
use serde_json::Value;

/// What may be blamed for a wait.
const CAUSES: [&str; 10] = [
    "banner-greet-delay",
    "dnsbl-slow",
    "dnsbl-timeout",
    "ident-lookup-timeout",
    "milter-slow",
    "policy-service-slow",
    "process-limit-reached",
    "ptr-slow",
    "rdns-lookup-timeout",
    "server-resolver-dead",
];

/// The servers ask a resolver of this manner, which gets `seconds` twice for an answer.
fn resolver_of_the_servers(manner: DnsManner, seconds: u32) -> Result<String, WardError> {
    dns_responder(THIRD_PARTY, manner)?;
    let text = format!("nameserver {THIRD_PARTY}\noptions timeout:{seconds} attempts:2\n");
    fs::write("/etc/resolv.conf", &text).map_err(WardError::io("/etc/resolv.conf"))?;
    Ok(text)
}

/// So many lists that are asked before the banner, about everybody but `spared`, and room for many clients.
fn lists(plan: &mut Plan, number: usize, spared: &str) {
    let asked: Vec<String> = (1..=number).map(|n| format!("reject_rbl_client bl{n}.example")).collect();
    plan.postfix
        .set("smtpd_delay_reject", "no")
        .set("mynetworks", &format!("127.0.0.0/8 {spared}"))
        .set("smtpd_client_restrictions", &format!("permit_mynetworks {}", asked.join(" ")))
        .set("default_process_limit", "500")
        // A process that lives on remembers what a list said of a client.
        .set("max_use", "1")
        .set("smtpd_client_connection_count_limit", "0");
}

/// Whether these causes are among the roots, each with its confidence, and no other cause of a wait is.
fn blames(report: &Report, wanted: &[(&str, &str)]) -> Result<(), WardError> {
    let roots = report.json()["diagnosis"].as_array().cloned().unwrap_or_default();
    let text = |root: &Value, key: &str| root[key].as_str().unwrap_or_default().to_owned();
    let mut said: Vec<(String, String)> = roots
        .iter()
        .filter(|root| CAUSES.contains(&text(root, "code").as_str()))
        .map(|root| (text(root, "code"), text(root, "confidence")))
        .collect();
    said.sort();
    if said.iter().map(|(code, sure)| (code.as_str(), sure.as_str())).eq(wanted.iter().copied()) {
        return Ok(());
    }
    let all: Vec<String> =
        roots.iter().map(|r| format!("{} {}: {}", text(r, "code"), text(r, "confidence"), text(r, "cause"))).collect();
    Err(WardError::Wrong(format!("{wanted:?} must be said, and not {said:?}: {all:#?}")))
}

/// Whether the cause names a zone, and the line of the settings that names it.
fn names_zone(report: &Report, code: &str, zone: &str) -> Result<(), WardError> {
    let roots = report.json()["diagnosis"].as_array().into_iter().flatten();
    let stands = |detail: &Value| detail["file"] == "/etc/postfix/main.cf" && detail["line"].is_u64();
    let named = |root: &&Value| root["detail"]["zone"] == zone && stands(&root["detail"]);
    if roots.filter(|root| root["code"] == code).all(|root| named(&root)) {
        Ok(())
    } else {
        Err(WardError::Wrong(format!("{code} must name {zone}, and where it stands: {}", report.json()["diagnosis"])))
    }
}

/// The run took no longer than the longest wait for a banner and a tenth; and half as much for whatever else goes on on
/// this machine.
fn took_as_long_as_the_banner(report: &Report) -> Result<(), WardError> {
    let json = report.json();
    let banners = json["observations"].as_array().into_iter().flatten().filter(|o| o["probe"] == "smtp.banner/1");
    let longest = banners.filter_map(|o| o["took_ms"].as_u64()).max().unwrap_or_default();
    let took = json["duration_ms"].as_u64().unwrap_or_default();
    if longest > 0 && took * 10 <= longest * 16 {
        return Ok(());
    }
    Err(WardError::Wrong(format!("the run took {took} ms, and its longest banner {longest} ms")))
}

/// The command, without the right to read packets.
fn without_capture(command: &Command) -> Command {
    let mut without = Command::new("setpriv");
    without.arg("--bounding-set=-net_raw").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            without.env(name, value);
        }
    }
    without
}

fn report_of(command: &mut Command) -> Result<Report, WardError> {
    Report::read(&command.output().map_err(WardError::io("running the program"))?)
}

/// The next test that wants more rights, run as it stands.
fn with_the_right(system: &MailSystem, report: &Report) -> Result<Report, WardError> {
    let tests = report.json()["next_tests"].as_array().cloned().unwrap_or_default();
    let command =
        tests.iter().filter_map(|test| test["command"].as_str()).find_map(|c| c.strip_prefix("sudo maildoctor "));
    let command = command.ok_or_else(|| WardError::Wrong(format!("no next test by sudo: {tests:#?}")))?;
    let program = system.check_command(&[])?.get_program().to_owned();
    report_of(Command::new("sh").args(["-c", &format!("exec \"$0\" {command}")]).arg(program))
}

trial! {
    the_guilty_list_while_fifty_others_a_second_are_served {
        resolver_of_the_servers(DnsManner::SilentAbout("bl7.example."), 1)?;
        let system = Plan::healthy_but(|plan| lists(plan, 12, ""))?;
        let _load = Load::begin();
        let report = system.check(&["clinic.example", "--on-host"])?;
        blames(&report, &[("dnsbl-timeout", "proven")])?;
        names_zone(&report, "dnsbl-timeout", "bl7.example")
    }

    the_guilty_list_by_others_alone_under_load {
        resolver_of_the_servers(DnsManner::SilentAbout("bl3.example."), 1)?;
        let system = Plan::healthy_but(|plan| lists(plan, 4, "198.18.25.99"))?;
        let _load = Load::begin();
        let report = system.check(&["clinic.example", "--on-host", "--listen", "6s"])?;
        blames(&report, &[("dnsbl-timeout", "proven")])?;
        names_zone(&report, "dnsbl-timeout", "bl3.example")
    }

    without_the_right_to_capture_the_same_is_likely {
        resolver_of_the_servers(DnsManner::SilentAbout("bl2.example."), 3)?;
        let system = Plan::healthy_but(|plan| lists(plan, 3, ""))?;
        let report = report_of(&mut without_capture(&system.check_command(&["clinic.example", "--on-host"])?))?;
        blames(&report, &[("dnsbl-timeout", "likely")])?;
        names_zone(&report, "dnsbl-timeout", "bl2.example")?;
        if !report.json()["checks"].to_string().contains("CAP_NET_RAW") {
            return Err(WardError::Wrong("what is missing must be said".to_owned()));
        }
        blames(&with_the_right(&system, &report)?, &[("dnsbl-timeout", "proven")])
    }

    a_server_in_another_network_of_the_machine {
        resolver_of_the_servers(DnsManner::SilentAbout("bl2.example."), 3)?;
        let system = Plan::healthy_but(|plan| {
            Outside::named_in(&mut plan.zones);
            lists(plan, 2, "");
        })?;
        let outside = Outside::start()?;
        let report = report_of(&mut outside.run(&system.check_command(&["clinic.example", "--on-host"])?))?;
        blames(&report, &[("dnsbl-timeout", "proven")])?;
        names_zone(&report, "dnsbl-timeout", "bl2.example")
    }

    a_reverse_name_that_only_postfix_does_not_find {
        resolver_of_the_servers(DnsManner::SilentAbout("in-addr.arpa."), 6)?;
        let system = Plan::healthy()?.start()?;
        let report = system.check(&["mx1.clinic.example:25", "--on-host"])?;
        blames(&report, &[("rdns-lookup-timeout", "proven")])?;
        took_as_long_as_the_banner(&report)
    }

    a_reverse_name_that_only_exim_does_not_find {
        let resolv_conf = resolver_of_the_servers(DnsManner::SilentAbout("in-addr.arpa."), 2)?;
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("host_lookup", "*");
            plan.exim.resolv_conf = Some(resolv_conf);
        })?;
        let report = system.check(&["clinic.example", "--on-host"])?;
        blames(&report, &[("rdns-lookup-timeout", "proven")])
    }

    a_pause_that_an_acl_of_exim_makes {
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.connect_acl = Some("warn delay = 12s".to_owned());
        })?;
        let report = system.check(&["mx1.clinic.example:25", "--on-host"])?;
        blames(&report, &[("banner-greet-delay", "proven")])?;
        let pause = report.json()["diagnosis"].to_string();
        if !pause.contains("delay of acl_check_connect in /etc/exim4/exim4.conf, line") {
            return Err(WardError::Wrong(format!("the place must be named: {pause}")));
        }
        took_as_long_as_the_banner(&report)
    }

    a_list_of_exim_that_strangers_are_looked_up_in_is_rehearsed {
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.connect_acl = Some("deny !hosts = 198.18.25.99\n       dnslists = bl1.example".to_owned());
            plan.zones.example.add("2.0.0.127.bl1 A 127.0.0.2");
        })?;
        let report = system.check(&["mx1.clinic.example:25", "--on-host"])?;
        report.judges("healthy")
    }

    a_dead_list_of_exim_that_is_not_asked_about_us {
        let conf = resolver_of_the_servers(DnsManner::SilentAbout("bl1.example."), 2)?;
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.resolv_conf = Some(conf);
            plan.exim.connect_acl = Some("deny !hosts = 198.18.25.0/24\n       dnslists = bl2.example : bl1.example".to_owned());
            plan.zones.example.add("2.0.0.127.bl2 A 127.0.0.2");
        })?;
        let report = system.check(&["mx1.clinic.example:25", "--on-host"])?;
        report.names("degraded", "dnsbl-timeout")?;
        blames(&report, &[("dnsbl-timeout", "likely")])
    }

    a_pause_of_exim_that_we_are_spared {
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.connect_acl = Some("warn !hosts = 198.18.25.0/24\n       dnslists = bl1.example\n  warn !hosts = 198.18.25.0/24\n       delay = 25s".to_owned());
            plan.zones.example.add("2.0.0.127.bl1 A 127.0.0.2");
        })?;
        let report = system.check(&["mx1.clinic.example:25", "--on-host"])?;
        blames(&report, &[("banner-greet-delay", "proven")])
    }

    a_list_of_exim_that_has_us_stands_at_a_line {
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            let listed = "deny message = $sender_host_address is listed at $dnslist_domain\n       dnslists = bl1.example";
            plan.exim.connect_acl = Some(listed.to_owned());
            plan.zones.example.add("2.0.0.127.bl1 A 127.0.0.2").add("99.25.18.198.bl1 A 127.0.0.2");
        })?;
        let report = system.check(&["clinic.example", "--on-host"])?;
        report.names("broken", "banner-554-blocked")?;
        report.tells("setting", "dnslists of acl_check_connect")?;
        report.tells("file", "/etc/exim4/exim4.conf")
    }

    a_list_of_exim_behind_what_may_not_be_rehearsed {
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            let acl = "warn ratelimit = 100 / 1h\n  deny !hosts = 198.18.25.99\n       dnslists = bl1.example";
            plan.exim.connect_acl = Some(acl.to_owned());
            plan.zones.example.add("2.0.0.127.bl1 A 127.0.0.2");
        })?;
        let report = system.check(&["mx1.clinic.example:25", "--on-host"])?;
        report.has_check("dnsbl-timeout", "unknown")?;
        report.judges("inconclusive")?;
        let next = report.json()["next_tests"].to_string();
        if next.contains("--listen 60s") { Ok(()) } else { Err(WardError::Wrong(format!("real clients would tell: {next}"))) }
    }
}
