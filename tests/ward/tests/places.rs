//! The same system from this machine and from a place outside, through a real ssh.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends by panicking")]

use std::{
    fs,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use maildoctor_ward::{
    Authority, DOMAIN, DnsManner, MX, MX_ADDRESS, MailSystem, OTHER_ADDRESS, OUTSIDE_ADDRESS, OUTSIDE_PLACE,
    OUTSIDE_PLACE_SECOND, Outside, Plan, Report, THIRD_PARTY, WardError, Zones, dns_responder, output_of,
    processes_with, refusing_server, trial,
};
use serde_json::Value;

/// How long is waited for something that has to happen, on a machine that is busy.
const SOON: Duration = Duration::from_secs(30);

fn both<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [more, &["--from", "local", "--from", "ssh:outside"]].concat()
}

fn inside_and_outside(change: impl FnOnce(&mut Plan)) -> Result<(MailSystem, Outside), WardError> {
    let system = Plan::healthy_but(|plan| {
        Outside::named_in(&mut plan.zones);
        change(plan);
    })?;
    Ok((system, Outside::start()?))
}

/// Nothing of ours runs any more, and no folder with a socket is left.
fn nothing_is_left(system: &MailSystem) -> bool {
    let folders = fs::read_dir(system.file("")).unwrap().flatten();
    processes_with("maildoctor-guard").unwrap().is_empty()
        && processes_with("ssh -S").unwrap().is_empty()
        && !folders.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("maildoctor-ssh"))
}

fn wait_until(what: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < SOON {
        if what() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

/// What came of the connection from outside to port 25 of an address.
fn from_outside(report: &Value, address: &str) -> String {
    report["observations"]
        .as_array()
        .unwrap()
        .iter()
        .find(|o| {
            o["probe"] == "tcp.connect/1"
                && o["vantage"] == "ssh:outside"
                && o["subject"] == format!("service:{address}:25")
        })
        .map(|o| o["outcome"]["result"].as_str().unwrap().to_owned())
        .unwrap_or_default()
}

/// Clients wait seven seconds for two slow lists before the banner, but for those of `mynetworks`.
fn slow_lists(plan: &mut Plan, spared: &str) -> Result<(), WardError> {
    dns_responder(THIRD_PARTY, DnsManner::Slow(Duration::from_millis(3500)))?;
    plan.zones.example.add("bl1 NS ns1.list").add("bl2 NS ns1.list");
    plan.postfix.set("smtpd_delay_reject", "no").set("mynetworks", &format!("127.0.0.0/8 {spared}")).set(
        "smtpd_client_restrictions",
        "permit_mynetworks reject_rbl_client bl1.example reject_rbl_client bl2.example",
    );
    Ok(())
}

/// The finding with a code, whether it is a root or not.
fn finding<'r>(report: &'r Report, code: &str) -> &'r Value {
    report.json()["findings"].as_array().unwrap().iter().find(|f| f["code"] == code).unwrap_or(&Value::Null)
}

trial! {
    healthy_from_inside_and_outside {
        let (system, _outside) = inside_and_outside(|_| {})?;
        let report = system.check(&both(&["clinic.example"]))?;
        report.healthy_with(&["mx-single", "vrfy-enabled"])?;
        let place = &report.json()["vantages"][1];
        assert_eq!((&place["kind"], &place["source_ip"]), (&"ssh".into(), &OUTSIDE_PLACE.into()));
        // Its own resolver, and not the one of this machine.
        assert_eq!(place["resolver"], "198.18.25.55:53");
        assert!(nothing_is_left(&system));
        Ok(())
    }

    filtered_from_outside {
        let (system, outside) = inside_and_outside(|_| {})?;
        outside.firewall(MX_ADDRESS, 25, "drop")?;
        system.check(&both(&["clinic.example", "--timeout", "5s"]))?.names("broken", "port-filtered-from-outside")
    }

    refused_filtered_and_unreachable_stay_apart_through_ssh {
        let (system, outside) = inside_and_outside(|plan| {
            plan.zones.domain.add("@ MX 20 mx2").add(format!("mx2 A {OTHER_ADDRESS}"));
            plan.zones.domain.add("@ MX 30 mx3").add(format!("mx3 A {OUTSIDE_ADDRESS}"));
        })?;
        outside.firewall(MX_ADDRESS, 25, "drop")?;
        outside.firewall(OTHER_ADDRESS, 25, "reject with tcp reset")?;
        outside.firewall(OUTSIDE_ADDRESS, 25, "reject with icmp type host-unreachable")?;
        let report = system.check(&["clinic.example", "--timeout", "5s", "--from", "ssh:outside"])?;
        let came = [MX_ADDRESS, OTHER_ADDRESS, OUTSIDE_ADDRESS].map(|address| from_outside(report.json(), address));
        assert_eq!(came, ["timed-out", "refused", "unreachable"]);
        Ok(())
    }

    a_place_that_lets_nobody_in_blames_nobody {
        let (system, outside) = inside_and_outside(|_| {})?;
        outside.lock_out()?;
        let report = system.check(&both(&["clinic.example"]))?;
        report.healthy_with(&["mx-single", "vrfy-enabled", "vantage-unusable"])?;
        let said = report.json()["findings"].to_string();
        assert!(said.contains("Permission denied (publickey") && said.contains("`ssh outside true` must work"), "{said}");
        let alone = system.check(&["clinic.example", "--from", "ssh:outside"])?;
        alone.names("inconclusive", "vantage-unusable")?;
        assert!(nothing_is_left(&system));
        Ok(())
    }

    nothing_outlives_a_run_that_is_stopped {
        let (system, outside) = inside_and_outside(|_| {})?;
        outside.firewall(MX_ADDRESS, 25, "drop")?;
        for signal in ["INT", "KILL"] {
            let mut run = system
                .check_command(&both(&["clinic.example"]))?
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            assert!(wait_until(|| !processes_with("-W 198.18.25.10:25").unwrap().is_empty()), "no connection through ssh");
            output_of(std::process::Command::new("kill").args(["-s", signal, &run.id().to_string()])).unwrap();
            run.wait().unwrap();
            assert!(wait_until(|| nothing_is_left(&system)), "{signal}: {:?}", processes_with("ssh -S"));
        }
        Ok(())
    }

    another_server_answers_outside {
        let (system, outside) = inside_and_outside(|plan| {
            plan.postfix.with_a_proxy("smtp-filter.provider.example");
        })?;
        outside.redirect(MX_ADDRESS, 2526)?;
        let report = system.check(&both(&["clinic.example"]))?;
        report.names("broken", "firewall-hijacks-smtp")?;
        report.explains("vantages-disagree")?;
        let table = finding(&report, "vantages-disagree")["detail"]["table"].clone();
        assert_eq!(table[1]["greets_as"], "smtp-filter.provider.example", "{table}");
        assert_eq!((&table[0]["starttls"], &table[1]["starttls"]), (&true.into(), &false.into()));
        Ok(())
    }

    a_box_on_the_way_that_reads_along {
        let forged = Authority::named("Box")?.identity(&[MX, DOMAIN])?;
        let mut written = Ok(());
        let (system, outside) = inside_and_outside(|plan| {
            written = plan.postfix.with_a_box_that_reads(&forged).map(drop);
        })?;
        written?;
        outside.redirect(MX_ADDRESS, 2526)?;
        let report = system.check(&both(&["clinic.example"]))?;
        report.names("broken", "firewall-hijacks-smtp")?;
        report.explains("vantages-disagree")?;
        report.says("CN=Box")
    }

    slow_for_strangers_alone {
        let mut silent = Ok(());
        let (system, _outside) = inside_and_outside(|plan| silent = slow_lists(plan, "198.18.25.99"))?;
        silent?;
        let report = system.check(&both(&["clinic.example", "--only", "dns,connect,banner"]))?;
        report.names("degraded", "banner-slow")?;
        let known = finding(&report, "client-whitelisted-or-cached");
        assert_eq!(known["detail"]["vantage"], "ssh:outside", "{known}");
        assert_eq!(known["detail"]["standing"], "whitelisted or cached", "the second visit came out of the cache: {known}");
        assert_eq!(finding(&report, "vantages-disagree")["explained_by"][0], known["id"]);
        Ok(())
    }

    an_address_that_is_known_and_one_beside_it {
        let mut silent = Ok(());
        let (system, outside) = inside_and_outside(|plan| silent = slow_lists(plan, OUTSIDE_PLACE))?;
        silent?;
        let output = outside
            .run(&system.check_command(&["clinic.example", "--only", "dns,connect,banner"])?)
            .output()
            .map_err(WardError::io("running the program"))?;
        let report = Report::read(&output)?;
        report.names("degraded", "banner-slow")?;
        let known = finding(&report, "client-whitelisted-or-cached");
        assert_eq!(known["detail"]["vantage"], format!("local by {OUTSIDE_PLACE_SECOND}"), "{known}");
        assert!(known["evidence"].as_array().unwrap().len() >= 3, "{known}");
        Ok(())
    }

    an_address_that_was_there_before_and_one_beside_it {
        let (system, outside) = inside_and_outside(|plan| {
            // Postscreen remembers whom it let pass.
            plan.postfix
                .behind_postscreen()
                .set("postscreen_greet_wait", "8s")
                .set("postscreen_greet_banner", "$smtpd_banner")
                .set("postscreen_greet_action", "enforce");
        })?;
        let visit = || {
            let check = system.check_command(&["clinic.example", "--only", "dns,connect,banner"])?;
            let output = outside.run(&check).output().map_err(WardError::io("running the program"))?;
            Report::read(&output)
        };
        visit()?;
        let known = visit()?;
        let known = finding(&known, "client-whitelisted-or-cached");
        assert_eq!(known["detail"]["standing"], "cached", "{known}");
        Ok(())
    }

    other_exchangers_outside {
        let (system, _outside) = inside_and_outside(|plan| {
            let mut zones = Zones::healthy();
            zones.domain.remove("@ MX").add("@ MX 10 mail.outside.example.");
            Outside::named_in(&mut zones);
            plan.outside = Some(zones);
        })?;
        let report = system.check(&both(&["clinic.example"]))?;
        let split = finding(&report, "mx-split-horizon");
        assert_eq!(split["explained_by"], serde_json::json!([]), "{split}");
        let differ = finding(&report, "vantages-disagree");
        assert_eq!((&differ["subject"], &differ["explained_by"][0]), (&"domain:clinic.example".into(), &split["id"]));
        Ok(())
    }

    three_places_of_which_one_is_blind {
        refusing_server("198.18.25.20:25", "250 ok")?;
        let (system, outside) = inside_and_outside(|plan| {
            plan.zones.outside.add(format!("up A {OTHER_ADDRESS}"));
        })?;
        let another = Outside::another()?;
        another.block_port_25()?;
        let all = ["clinic.example", "--timeout", "5s", "--control-mx", "up.outside.example", "--from", "ssh:another"];
        let report = system.check(&both(&all))?;
        report.judges("healthy")?;
        let blind = finding(&report, "port25-blocked-here");
        assert_eq!(blind["detail"]["vantage"], "ssh:another", "{blind}");
        assert!(blind["cause"].as_str().unwrap().contains("what local, ssh:outside saw"), "{blind}");
        assert_eq!(finding(&report, "vantages-disagree")["explained_by"][0], blind["id"]);
        // The place that sees nothing takes nothing from what the others prove.
        outside.firewall(MX_ADDRESS, 25, "drop")?;
        let report = system.check(&both(&all))?;
        report.names("broken", "port-filtered-from-outside")?;
        report.tells("vantage", "\"ssh:outside\"")
    }
}
