//! Thirty ways to be healthy: what looks odd to a careless reader and is nobody's fault. None of them may be called a fault.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::{PROGRAM, story};
use hickory_proto::rr::RData;
use maildoctor_exam::command;
use maildoctor_lab::DOMAIN;
use maildoctor_lab::dns::{Fault, View, Zones, data};
use maildoctor_lab::net::Plan;
use maildoctor_lab::scenario::{Action, Role, Rule, Scenario};
use serde_json::Value;

/// How many run at once.
const AT_ONCE: usize = 8;

/// One healthy system that differs from the usual one.
struct Variation {
    name: &'static str,
    story: fn() -> Scenario,
    zones: fn(&mut Zones, &Plan),
    /// The address under test, where it is another one.
    target: &'static str,
    more: &'static [&'static str],
    /// Advice that is true of it.
    advice: &'static [&'static str],
}

const USUAL: Variation = Variation {
    name: "",
    story: Scenario::default,
    zones: |_, _| (),
    target: "anna@lab.example",
    more: &[],
    advice: &[],
};

fn rules(rules: Vec<Rule>) -> Scenario {
    Scenario { rules, ..Scenario::default() }
}

/// At the exchangers, a command is answered so.
fn exchangers_say(on: &str, reply: &str) -> Scenario {
    rules(vec![Rule::reply(on, reply).at(Role::Mx)])
}

fn policy(text: &str) -> Scenario {
    let policy = format!("text = {text:?}\n");
    Scenario::from_toml(&format!("[policy]\n{policy}")).unwrap()
}

/// Puts records in the place of those of the same type, for everybody.
fn put(zones: &mut Zones, owner: &str, records: &[RData]) {
    let rtype = records[0].record_type();
    for view in [View::Here, View::Outside] {
        let kept = zones.at(view, owner).into_iter().filter(|data| data.record_type() != rtype);
        let all = kept.chain(records.iter().cloned()).collect();
        zones.differ(view, owner, all);
    }
}

fn spf(zones: &mut Zones, owner: &str, text: &str) {
    put(zones, owner, &[data::txt(text)]);
}

/// Both exchangers greet by one name, which has their addresses.
fn greets_as_mx(zones: &mut Zones, plan: &Plan) {
    for number in [1, 2] {
        zones.add("mx.lab.example", data::address(plan.mx(number)));
    }
}

/// The addresses from which the lab's mail leaves, as SPF mechanisms.
fn senders(plan: &Plan) -> String {
    format!("ip4:{} ip4:{} ip4:{}", plan.mx(1), plan.mx(2), plan.mail())
}

fn dmarc(zones: &mut Zones, text: &str) {
    put(zones, "_dmarc.lab.example", &[data::txt(text)]);
}

const VARIATIONS: &[Variation] = &[
    Variation {
        name: "records for whatever name is asked for, as wildcards make them",
        zones: |zones, plan| {
            for name in ["_imaps._tcp", "_pop3s._tcp", "autoconfig", "mta-sts", "_smtp._tls", "smtp", "mail"] {
                zones.add(&format!("{name}.lab.example"), data::txt("v=spf1 -all"));
            }
            zones.add("autoconfig.lab.example", data::address(plan.web()));
        },
        ..USUAL
    },
    Variation {
        name: "name servers and resolvers from before EDNS",
        zones: |zones, _| {
            // They can carry no signatures either.
            zones.leave_unsigned();
            zones.break_below("", Fault::WithoutEdns);
        },
        ..USUAL
    },
    Variation {
        name: "a web site elsewhere, by an alias, and an address at the domain itself",
        zones: |zones, plan| {
            zones.add("www.lab.example", data::cname("shop.visitor.example"));
            zones.add("shop.visitor.example", data::address(plan.web()));
            zones.add(DOMAIN, data::address(plan.web()));
        },
        ..USUAL
    },
    Variation {
        name: "an exchanger that is named twice",
        zones: |zones, _| {
            let named = [(10, "mx1"), (20, "mx2"), (30, "mx1")];
            put(zones, DOMAIN, &named.map(|(n, host)| data::mx(n, &format!("{host}.lab.example"))));
        },
        advice: &["mx-duplicate"],
        ..USUAL
    },
    Variation {
        name: "exchangers of one preference",
        zones: |zones, _| {
            put(zones, DOMAIN, &[data::mx(0, "mx1.lab.example"), data::mx(0, "mx2.lab.example")]);
        },
        ..USUAL
    },
    Variation {
        name: "the highest preference there is",
        zones: |zones, _| {
            put(zones, DOMAIN, &[data::mx(1, "mx1.lab.example"), data::mx(65535, "mx2.lab.example")]);
        },
        ..USUAL
    },
    Variation {
        name: "SPF with exactly ten lookups, two of them void",
        zones: |zones, plan| {
            let names: Vec<String> = (1..=6).map(|n| format!("s{n}.lab.example")).collect();
            names.iter().for_each(|name| zones.add(name, data::txt("v=spf1 ip4:192.0.2.1 -all")));
            let includes: Vec<String> = names.iter().map(|name| format!("include:{name}")).collect();
            let void = "a:no1.lab.example a:no2.lab.example mx a:mail.lab.example";
            spf(zones, DOMAIN, &format!("v=spf1 {} {void} {} -all", includes.join(" "), senders(plan)));
        },
        ..USUAL
    },
    Variation {
        name: "names in capitals",
        zones: |zones, _| {
            put(zones, DOMAIN, &[data::mx(10, "MX1.Lab.EXAMPLE"), data::mx(20, "mx2.LAB.example")]);
        },
        ..USUAL
    },
    Variation {
        name: "exchangers in another order outside",
        zones: |zones, _| {
            let mut records = zones.at(View::Outside, DOMAIN);
            records.reverse();
            zones.differ(View::Outside, DOMAIN, records);
        },
        ..USUAL
    },
    Variation {
        name: "so many texts that an answer needs TCP",
        zones: |zones, _| {
            for number in 0..40 {
                zones.add(DOMAIN, data::txt(&format!("some-site-verification={number:0>100}")));
            }
        },
        ..USUAL
    },
    Variation {
        name: "SPF by an include and a redirect",
        zones: |zones, plan| {
            zones.add("_spf.lab.example", data::txt(&format!("v=spf1 {} -all", senders(plan))));
            zones.add("_pol.lab.example", data::txt("v=spf1 include:_spf.lab.example ~all"));
            spf(zones, DOMAIN, "v=spf1 redirect=_pol.lab.example");
        },
        ..USUAL
    },
    Variation {
        name: "SPF with macros, an explanation and capitals",
        zones: |zones, plan| {
            zones.add("why._spf.lab.example", data::txt("%{i} may not send for %{d}"));
            let text = format!("V=SPF1 {} ?exists:%{{ir}}.%{{v}}._spf.%{{d2}} EXP=why._spf.%{{d}} -ALL", senders(plan));
            spf(zones, DOMAIN, &text);
        },
        ..USUAL
    },
    Variation {
        name: "SPF of several strings, longer than a string can be",
        zones: |zones, plan| {
            let more: String = (1..40).map(|n| format!("ip4:192.0.2.{n} ")).collect();
            spf(zones, DOMAIN, &format!("v=spf1 {more}{} -all", senders(plan)));
        },
        ..USUAL
    },
    Variation {
        name: "DMARC with every tag",
        zones: |zones, _| {
            let text = "v=DMARC1;p=quarantine;sp=reject;np=reject;adkim=s;aspf=r;pct=50;fo=1:d:s;rf=afrf;ri=3600;\
                        rua=mailto:a@lab.example!10m,mailto:b@lab.example;ruf=mailto:f@lab.example";
            dmarc(zones, text);
        },
        ..USUAL
    },
    Variation {
        name: "DMARC that only watches",
        zones: |zones, _| dmarc(zones, "v=DMARC1; p=none; rua=mailto:dmarc@lab.example"),
        advice: &["dmarc-policy-none"],
        ..USUAL
    },
    Variation {
        name: "a domain below the one that has the DMARC policy",
        story: || {
            let taken = Rule::reply("RCPT", "250 2.1.5 Ok").at(Role::Mx);
            rules(vec![Rule { matches: Some("dept.lab.example".to_owned()), ..taken }])
        },
        zones: |zones, plan| {
            let owner = "dept.lab.example";
            zones.add(owner, data::mx(10, "mx1.lab.example"));
            zones.add(owner, data::mx(20, "mx2.lab.example"));
            zones.add(owner, data::txt(&format!("v=spf1 {} -all", senders(plan))));
            zones.add("_submission._tcp.dept.lab.example", data::srv(plan.submission, "mail.lab.example"));
            zones.add("_submissions._tcp.dept.lab.example", data::srv(plan.smtps, "mail.lab.example"));
            dmarc(zones, "v=DMARC1; p=reject; sp=quarantine; rua=mailto:dmarc@lab.example");
        },
        target: "dept.lab.example",
        advice: &["recipient-catch-all"],
        ..USUAL
    },
    Variation {
        name: "a second DKIM key, of another kind",
        zones: |zones, _| {
            let key = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
            zones.add("ed._domainkey.lab.example", data::txt(key));
        },
        more: &["--dkim-selector", "ed"],
        ..USUAL
    },
    Variation {
        name: "an MTA-STS policy by a pattern",
        story: || policy("version: STSv1\nmode: enforce\nmx: *.lab.example\nmax_age: 604800\n"),
        ..USUAL
    },
    Variation {
        name: "an MTA-STS policy on trial, with a key that nobody knows",
        story: || {
            policy("version: STSv1\nmode: testing\nmx: mx1.lab.example\nmx: mx2.lab.example\nmax_age: 86400\nnote: x\n")
        },
        advice: &["mtasts-mode-testing"],
        ..USUAL
    },
    Variation {
        name: "TLS reports by HTTPS and mail",
        zones: |zones, _| {
            put(
                zones,
                "_smtp._tls.lab.example",
                &[data::txt("v=TLSRPTv1;rua=https://tls.lab.example/r,mailto:t@lab.example")],
            );
        },
        ..USUAL
    },
    Variation {
        name: "submission by service records",
        zones: |zones, plan| {
            zones.add("_submission._tcp.lab.example", data::srv(plan.submission, "mail.lab.example"));
            zones.add("_submissions._tcp.lab.example", data::srv(plan.smtps, "mail.lab.example"));
            zones.add("_imaps._tcp.lab.example", data::srv(plan.imaps, "mail.lab.example"));
            // Not offered (RFC 2782), and said so.
            zones.add("_pop3s._tcp.lab.example", data::srv(0, "."));
        },
        ..USUAL
    },
    Variation {
        name: "greylisting at every exchanger",
        story: || exchangers_say("RCPT", "451 4.7.1 Greylisting in action, please come back later"),
        advice: &["greylisting"],
        ..USUAL
    },
    Variation {
        name: "a backup exchanger that always asks to come back",
        story: || rules(vec![Rule::reply("RCPT", "450 4.2.0 Greylisted, see the primary").at(Role::Mx)]),
        advice: &["greylisting"],
        ..USUAL
    },
    Variation {
        name: "a relay that is strict in its own words",
        story: || {
            let refused = Rule::reply("RCPT", "550 Administrative prohibition: nobody relays here").at(Role::Mx);
            rules(vec![Rule { matches: Some("visitor.example".to_owned()), ..refused }])
        },
        ..USUAL
    },
    Variation {
        name: "a relay that refuses for now",
        story: || {
            let refused = Rule::reply("RCPT", "454 4.7.1 Relay access denied").at(Role::Mx);
            rules(vec![Rule { matches: Some("visitor.example".to_owned()), ..refused }])
        },
        ..USUAL
    },
    Variation {
        name: "a banner in another language",
        story: || exchangers_say("BANNER", "220 mx.lab.example ESMTP Grüß Gott, メールサーバー"),
        zones: greets_as_mx,
        ..USUAL
    },
    Variation {
        name: "a banner of several lines",
        story: || {
            exchangers_say("BANNER", "220-mx.lab.example ESMTP\n220-We do not take unsolicited mail.\n220 Go ahead")
        },
        zones: greets_as_mx,
        ..USUAL
    },
    Variation {
        name: "a banner without the word ESMTP",
        story: || exchangers_say("BANNER", "220 mx.lab.example ready"),
        zones: greets_as_mx,
        ..USUAL
    },
    Variation {
        name: "replies without enhanced codes",
        story: || rules(vec![Rule::reply("MAIL", "250 OK").at(Role::Mx), Rule::reply("RSET", "250 OK").at(Role::Mx)]),
        ..USUAL
    },
    Variation {
        name: "replies of several lines",
        story: || exchangers_say("MAIL", "250-2.1.0 sender\n250-2.1.0 is\n250 2.1.0 fine"),
        ..USUAL
    },
    Variation {
        name: "replies that come octet by octet",
        story: || rules(vec![Rule { action: Action::Split, reply: None, ..Rule::reply("EHLO", "") }]),
        ..USUAL
    },
    Variation {
        name: "no goodbye",
        story: || rules(vec![Rule { action: Action::Cut, reply: None, ..Rule::reply("QUIT", "") }]),
        ..USUAL
    },
    Variation {
        name: "VRFY that says neither yes nor no",
        story: || exchangers_say("VRFY", "252 2.1.5 Send some mail, I will try my best"),
        ..USUAL
    },
    Variation {
        name: "VRFY that is not there",
        story: || exchangers_say("VRFY", "502 5.5.1 VRFY command is disabled"),
        ..USUAL
    },
    Variation {
        name: "most of a second for each recipient",
        story: || {
            let slow = Rule { reply: None, ..Rule::reply("RCPT", "") };
            rules(vec![Rule { delay: std::time::Duration::from_millis(700), ..slow }])
        },
        ..USUAL
    },
];

/// The roots that are more than the advice that is true, and the verdict where it is not `healthy`.
fn said(variation: &Variation) -> Result<(), String> {
    let running = story(&(variation.story)());
    (variation.zones)(&mut running.lab.zones().lock().unwrap(), running.lab.plan());
    let mut arguments = running.lab.check_arguments();
    arguments[1] = variation.target.to_owned();
    let output =
        command(PROGRAM.as_ref()).args(&arguments).args(variation.more).args(["--format", "json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("no report ({error}): {}", String::from_utf8_lossy(&output.stderr)))?;
    let wrong: Vec<String> = report["diagnosis"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|root| {
            let code = root["code"].as_str().unwrap();
            root["effective_severity"] != "advice" || !variation.advice.contains(&code)
        })
        .map(|root| format!("{} ({}): {}", root["code"], root["effective_severity"], root["cause"]))
        .collect();
    if wrong.is_empty() && report["verdict"] == "healthy" {
        return Ok(());
    }
    Err(format!("{}: {}", report["verdict"], wrong.join("; ")))
}

#[test]
fn thirty_healthy_systems_that_are_not_alike_are_called_healthy() {
    assert!(VARIATIONS.len() >= 30, "{}", VARIATIONS.len());
    let next = AtomicUsize::new(0);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            let mut wrong = Vec::new();
            while let Some(variation) = VARIATIONS.get(next.fetch_add(1, Ordering::SeqCst)) {
                // What goes wrong is tried once more: a busy machine may be slow where the lab is not.
                if let Err(said) = said(variation).or_else(|_| said(variation)) {
                    wrong.push(format!("{}: {said}", variation.name));
                }
            }
            wrong
        };
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
