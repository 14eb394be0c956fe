//! What rules make of Exim's rehearsal of a stranger's connection, from a case that is built here: an exchanger of this machine at
//! 192.0.2.7 that greets us at once, and whose list is not asked about us.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use common::{case_of, greeted, no_such_name, opened};
use maildoctor_core::case::{Case, Recorder};
use maildoctor_core::diagnosis::{Confidence, Verdict, diagnose};
use maildoctor_core::questions::dns::{DnsResult, DnsWire, ListEntry, RecordType, Via};
use maildoctor_core::questions::host::exim::acl::acls;
use maildoctor_core::questions::host::exim::{Exim, EximWire};
use maildoctor_core::questions::host::machine::{Machine, MachineWire};
use maildoctor_core::questions::host::rehearsal::{Rehearsal, RehearsalWire, Spoken, telling};
use maildoctor_core::questions::smtp::FIRST;
use maildoctor_core::questions::tcp::Connect;
use maildoctor_core::subject::{Service, VantageId, Zone};

const CONFIG: &str = "begin acl\nconnect:\n  deny !hosts = +own\n    dnslists = good.example : list.example\n";

/// The rehearsal, in which the second list is asked from 5 ms on and given up after `took`.
fn rehearsed(took: u64) -> RehearsalWire {
    let said = [
        (1, "processing \"deny\" (/etc/exim4/exim4.conf 3)"),
        (2, "dnslists check: good.example"),
        (5, "=> that means 198.51.100.7 is not listed at good.example"),
        (5, "dnslists check: list.example"),
        (5 + took, "LOG: DNS list lookup defer (probably timeout) for 7.100.51.198.list.example: assumed not in list"),
    ];
    let lines = said.iter().map(|(at_ms, text)| Spoken { at_ms: *at_ms, text: telling(text).unwrap().to_owned() });
    RehearsalWire { lines: lines.collect(), until_ms: 6 + took, whole: true, flaw: None }
}

/// The case; the test entry of the second list is silent for us or not.
fn case(took: u64, silent: bool) -> Case {
    let (here, service) = (VantageId::local(), Service("192.0.2.7:25".parse().unwrap()));
    let (us, resolver): (IpAddr, SocketAddr) = ("192.0.2.7".parse().unwrap(), "192.0.2.53:53".parse().unwrap());
    let recorder = Recorder::default();
    let ms = Duration::from_millis;
    recorder.record(&Connect, &service, &here, (ms(0), ms(1)), &opened(us));
    recorder.record(&FIRST, &service, &here, (ms(0), ms(3)), &greeted(3));
    let machine = MachineWire { hostname: "mx".to_owned(), addresses: vec![us] };
    recorder.record(&Machine, &here, &here, (ms(0), ms(1)), &machine);
    let set = [("acl_smtp_connect", "connect"), ("spool_directory", "/var/spool/exim4")];
    let exim = EximWire {
        file: "/etc/exim4/exim4.conf".to_owned(),
        settings: set.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect::<BTreeMap<_, _>>(),
        dnslists: acls(CONFIG).dnslists,
        ..EximWire::default()
    };
    recorder.record(&Exim { program: "exim4".to_owned() }, &here, &here, (ms(0), ms(9)), &exim);
    let question = Rehearsal { program: "exim4".to_owned(), client: "198.51.100.7".parse().unwrap() };
    recorder.record(&question, &here, &here, (ms(9), ms(took)), &rehearsed(took));
    for (zone, silent) in [("good.example", false), ("list.example", silent)] {
        let result = if silent { DnsResult::Silent { waited_ms: 10_000 } } else { no_such_name() };
        let wire = DnsWire { server: resolver, name: format!("1.0.0.127.{zone}"), attempts: Vec::new(), result };
        let question = ListEntry { address: "127.0.0.1".parse().unwrap(), rtype: RecordType::A, via: Via::Own };
        let times = (ms(9), ms(if silent { 10_000 } else { 4 }));
        recorder.record(&question, &Zone::new(zone), &here, times, &wire);
    }
    case_of(&recorder, us, resolver)
}

fn says(case: &Case) -> (Vec<(&'static str, Confidence)>, Verdict) {
    let diagnosis = diagnose(case);
    let roots = diagnosis.roots().map(|f| (f.finding.code, f.confidence));
    (roots.filter(|(code, _)| code.starts_with("dnsbl")).collect(), diagnosis.verdict)
}

#[test]
fn a_list_that_strangers_wait_for_is_named_though_we_do_not() {
    let (roots, verdict) = says(&case(8000, true));
    assert_eq!((roots, verdict), (vec![("dnsbl-timeout", Confidence::Likely)], Verdict::Degraded));
}

#[test]
fn a_list_that_answers_us_is_not_blamed_for_what_a_rehearsal_took() {
    let (roots, verdict) = says(&case(8000, false));
    assert_eq!((roots, verdict), (vec![], Verdict::Inconclusive));
}

#[test]
fn lists_that_a_rehearsal_came_by_at_once_keep_no_stranger_waiting() {
    let (roots, verdict) = says(&case(100, false));
    assert_eq!((roots, verdict), (vec![], Verdict::Healthy));
}
