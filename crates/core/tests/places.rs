//! What rules make of several places, from cases that are built here: an exchanger at 198.18.0.7, seen from two or three
//! places. What healthy systems show is silent; what they do not show is named, and laid on the place it belongs to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use maildoctor_core::case::{Case, Recorder, TargetRecord, Terms, VantageRecord};
use maildoctor_core::diagnosis::{Diagnosis, Judged, Verdict, diagnose};
use maildoctor_core::questions::dns::{Data, DnsResult, DnsWire, Record, RecordType, Records, ReverseNames, Via};
use maildoctor_core::questions::smtp::{Banner, BannerWire, FIRST, FRESH, FRESH_AGAIN, SECOND};
use maildoctor_core::questions::tcp::{Connect, ConnectWire, Opened, Role};
use maildoctor_core::subject::{Addr, Domain, Service, VantageId};
use maildoctor_wire::dialogue::{End, Exchange, Phase};
use maildoctor_wire::reply::Reply;

const PLACES: [&str; 3] = ["local", "ssh:outside", "ssh:another"];

fn service() -> Service {
    Service("198.18.0.7:25".parse().unwrap())
}

fn source(place: usize) -> IpAddr {
    IpAddr::from([198, 18, 9, u8::try_from(place).unwrap() + 1])
}

fn answer(name: &str, answers: Vec<Record>) -> DnsWire {
    let result = DnsResult::Answered {
        rcode: "NOERROR".to_owned(),
        aa: false,
        ad: false,
        ra: true,
        answers,
        authority: Vec::new(),
        additional: Vec::new(),
        ede: Vec::new(),
        raw: None,
    };
    DnsWire { server: SocketAddr::from(([198, 18, 9, 53], 53)), name: name.to_owned(), attempts: Vec::new(), result }
}

/// A run from the first `number` places.
struct Run {
    recorder: Recorder,
    number: usize,
}

impl Run {
    fn from(number: usize) -> Self {
        Self { recorder: Recorder::default(), number }
    }

    fn connects(&self, place: usize, to: Service, role: Role, opened: Opened) -> &Self {
        let wire = ConnectWire { role, host: Some("mx1.example.org".to_owned()), ipv6: false, opened };
        let times = (Duration::ZERO, Duration::from_millis(1));
        self.recorder.record(&Connect, &to, &VantageId(PLACES[place].to_owned()), times, &wire);
        self
    }

    fn says(&self, place: usize, visit: Banner, text: &str, wait_ms: u64) -> &Self {
        let exchange = Exchange {
            phase: Phase::Banner,
            command: None,
            sent_ms: 0,
            first_octet_ms: Some(wait_ms),
            done_ms: wait_ms,
            reply: Some(Reply::line(text[..3].parse().unwrap(), &text[4..])),
            end: End::Complete,
        };
        let wire = BannerWire {
            exchange,
            early: None,
            answers_tls: false,
            source: (visit.visit > 2).then(|| source(place + 100)),
        };
        let times = (Duration::from_millis(1), Duration::from_millis(wait_ms));
        self.recorder.record(&visit, &service(), &VantageId(PLACES[place].to_owned()), times, &wire);
        self
    }

    /// The server lets a place in and greets it.
    fn greets(&self, place: usize, text: &str, wait_ms: u64) -> &Self {
        let local = Some(SocketAddr::new(source(place), 40_000));
        self.connects(place, service(), Role::Smtp, Opened::Open { local }).says(place, FIRST, text, wait_ms)
    }

    fn answers(&self, place: usize, exchangers: &[(u16, &str)], ttl: u32) -> &Self {
        let answers = exchangers.iter().map(|(preference, host)| Record {
            name: "example.org".to_owned(),
            ttl,
            data: Data::Mx { preference: *preference, exchange: (*host).to_owned() },
        });
        let wire = answer("example.org", answers.collect());
        let question = Records { rtype: RecordType::Mx, via: Via::Own };
        let times = (Duration::ZERO, Duration::from_millis(3));
        let from = VantageId(PLACES[place].to_owned());
        self.recorder.record(&question, &Domain::new("example.org"), &from, times, &wire);
        self
    }

    /// How long the resolver of a place takes for the reverse name of the place's own address.
    fn own_name_takes(&self, place: usize, ms: u64) -> &Self {
        let times = (Duration::ZERO, Duration::from_millis(ms));
        let from = VantageId(PLACES[place].to_owned());
        self.recorder.record(
            &ReverseNames { via: Via::Own },
            &Addr(source(place)),
            &from,
            times,
            &answer("own.in-addr.arpa", Vec::new()),
        );
        self
    }

    fn diagnosis(&self) -> Diagnosis {
        let target = TargetRecord {
            input: "example.org".to_owned(),
            domain: Some("example.org".to_owned()),
            address: None,
            host: None,
        };
        let places = PLACES.iter().take(self.number).map(|name| VantageRecord {
            name: (*name).to_owned(),
            kind: "local".to_owned(),
            source_ip: None,
            resolver: None,
        });
        let mut case = Case::new(target, Timestamp::UNIX_EPOCH, places.collect(), Terms::default());
        case.duration_ms = 60_000;
        case.set_observations(self.recorder.take().0);
        diagnose(&case)
    }

    fn finds(&self, code: &str) -> Option<Judged> {
        self.diagnosis().findings.into_iter().find(|judged| judged.finding.code == code)
    }
}

/// Nothing is said of the places: healthy systems look like this.
fn silent(run: &Run) {
    let all =
        ["vantages-disagree", "firewall-hijacks-smtp", "client-whitelisted-or-cached", "port-filtered-from-outside"];
    let diagnosis = run.diagnosis();
    let said: Vec<_> =
        diagnosis.findings.iter().filter(|f| all.contains(&f.finding.code)).map(|f| &f.finding.says).collect();
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn machines_behind_one_address_are_no_difference() {
    let run = Run::from(3);
    run.greets(0, "220 mx1.example.org ESMTP", 20).greets(1, "220 MX2.example.org ESMTP", 1900).greets(
        2,
        "220 ESMTP",
        3000,
    );
    silent(&run);
}

#[test]
fn order_letters_and_ttl_of_a_dns_answer_are_no_difference() {
    let run = Run::from(2);
    run.answers(0, &[(10, "mx1.example.org"), (10, "mx2.example.org")], 300);
    run.answers(1, &[(10, "MX2.example.org"), (10, "mx1.example.org")], 17);
    silent(&run);
}

#[test]
fn one_place_alone_tells_nothing() {
    let run = Run::from(1);
    run.greets(0, "220 mx1.example.org ESMTP", 9000);
    silent(&run);
}

#[test]
fn a_slow_place_whose_own_name_is_slow_shows_nothing_of_the_others() {
    let run = Run::from(2);
    run.greets(0, "220 mx1.example.org ESMTP", 20).greets(1, "220 mx1.example.org ESMTP", 9000).own_name_takes(1, 8000);
    assert!(run.finds("client-whitelisted-or-cached").is_none());
}

#[test]
fn slow_everywhere_is_said_and_no_difference() {
    let run = Run::from(2);
    run.greets(0, "220 mx1.example.org ESMTP", 9000).greets(1, "220 mx1.example.org ESMTP", 8000);
    let diagnosis = run.diagnosis();
    let codes: Vec<_> = diagnosis.roots().map(|f| f.finding.code).filter(|code| code.contains("slow")).collect();
    assert_eq!(codes, ["banner-slow"]);
    let slow = diagnosis.findings.iter().find(|f| f.finding.code == "banner-slow").unwrap();
    assert!(slow.finding.says.contains("from every place"), "{}", slow.finding.says);
}

/// How the quick place stands, by what else was seen.
fn standing(more: impl Fn(&Run)) -> String {
    let run = Run::from(2);
    run.greets(0, "220 mx1.example.org ESMTP", 20).greets(1, "220 mx1.example.org ESMTP", 9000);
    more(&run);
    let known = run.finds("client-whitelisted-or-cached").unwrap();
    assert_eq!(known.finding.detail["vantage"], "ssh:outside");
    known.finding.detail["standing"].as_str().unwrap().to_owned()
}

#[test]
fn a_cache_is_told_from_a_whitelist() {
    let visit = |place, visit, ms| {
        move |run: &Run| {
            run.says(place, visit, "220 mx1.example.org ESMTP", ms);
        }
    };
    let (stranger, again) = (|ms| visit(0, FRESH, ms), |ms| visit(1, SECOND, ms));
    assert_eq!(standing(|_| {}), "whitelisted or cached");
    assert_eq!(standing(stranger(30)), "whitelisted");
    assert_eq!(standing(again(8000)), "whitelisted");
    assert_eq!(standing(again(30)), "whitelisted or cached");
    assert_eq!(
        standing(|run| {
            stranger(9000)(run);
            again(30)(run);
        }),
        "cached"
    );
}

#[test]
fn two_addresses_of_one_place_tell_it_alone() {
    for (second, standing) in [(40, "cached"), (8000, "whitelisted")] {
        let run = Run::from(1);
        run.greets(0, "220 mx1.example.org ESMTP", 20);
        run.says(0, FRESH, "220 mx1.example.org ESMTP", 9000).says(0, FRESH_AGAIN, "220 mx1.example.org ESMTP", second);
        let diagnosis = run.diagnosis();
        assert_eq!(diagnosis.verdict, Verdict::Degraded, "strangers wait");
        let known = diagnosis.findings.iter().find(|f| f.finding.code == "client-whitelisted-or-cached").unwrap();
        assert_eq!(known.finding.detail["standing"], standing);
    }
}

#[test]
fn of_three_places_the_one_that_meets_another_server_is_named() {
    let run = Run::from(3);
    run.greets(0, "220 filter.provider.example ESMTP", 20);
    run.greets(1, "220 mx1.example.org ESMTP", 20).greets(2, "220 mx1.example.org ESMTP", 30);
    let hijacked = run.finds("firewall-hijacks-smtp").unwrap();
    assert_eq!(hijacked.finding.detail["names"], serde_json::json!(["mx1.example.org", "filter.provider.example"]));
}

#[test]
fn a_place_that_sends_us_away_differs_from_one_that_greets() {
    let run = Run::from(2);
    run.greets(0, "554 mx1.example.org no", 20).greets(1, "220 mx1.example.org ESMTP", 20);
    let differ = run.finds("vantages-disagree").unwrap();
    assert_eq!(differ.finding.detail["differs"], "whether the server greets them or sends them away");
    assert_eq!(differ.finding.detail["table"][0]["greeting"], 554);
}

#[test]
fn a_blind_place_takes_nothing_from_what_the_others_see() {
    let up = Service("198.18.0.99:25".parse().unwrap());
    let blind = |run: &Run| {
        run.connects(1, service(), Role::Smtp, Opened::TimedOut).connects(1, up, Role::Control, Opened::TimedOut);
    };
    let run = Run::from(2);
    run.greets(0, "220 mx1.example.org ESMTP", 20);
    blind(&run);
    let diagnosis = run.diagnosis();
    assert_eq!(diagnosis.verdict, Verdict::Healthy);
    let roots: Vec<_> = diagnosis.roots().map(|f| f.finding.code).collect();
    assert!(roots.contains(&"port25-blocked-here") && !roots.contains(&"connect-timeout"), "{roots:?}");
    assert!(!roots.contains(&"vantages-disagree") && !roots.contains(&"port-filtered-from-outside"), "{roots:?}");
    // What the place that sees finds dead is dead.
    let run = Run::from(2);
    run.connects(0, service(), Role::Smtp, Opened::TimedOut);
    run.connects(0, up, Role::Control, Opened::Open { local: None });
    blind(&run);
    let diagnosis = run.diagnosis();
    assert_eq!(diagnosis.roots().next().unwrap().finding.code, "connect-timeout");
    assert_eq!(diagnosis.verdict, Verdict::Broken);
    // Where no place sees anything, nothing can be said of the target.
    let run = Run::from(2);
    blind(&run);
    assert_eq!(run.diagnosis().verdict, Verdict::Inconclusive);
}
