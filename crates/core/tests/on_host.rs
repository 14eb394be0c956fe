//! What rules make of a capture on the server's host, from cases that are built here: an exchanger at 192.0.2.7 that greets
//! us, 198.51.100.9, after ten seconds, and what it asked meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use common::{case_of, greeted, no_such_name, opened};
use maildoctor_core::case::{Case, ObsId, Question, Recorder};
use maildoctor_core::diagnosis::{Confidence, Diagnosis, Judged, diagnose};
use maildoctor_core::findings::State;
use maildoctor_core::questions::dns::{DnsWire, ReverseNames, Via};
use maildoctor_core::questions::host::accepting::{Accepting, AcceptingWire, Lying};
use maildoctor_core::questions::host::asks::Place;
use maildoctor_core::questions::host::lookups::{
    IdentSeen, Lookup, Lookups, LookupsWire, ProgramAsked, Quality, ResolverSeen, Sending,
};
use maildoctor_core::questions::host::opensmtpd::{self, OpenSmtpd};
use maildoctor_core::questions::host::postfix::files::Service as Service25;
use maildoctor_core::questions::host::postfix::{Postfix, PostfixWire};
use maildoctor_core::questions::host::rspamd::{Greylist, Rbl, Rspamd, RspamdWire};
use maildoctor_core::questions::smtp::{FIRST, Message, MessageWire, Path};
use maildoctor_core::questions::tcp::Connect;
use maildoctor_core::subject::{Addr, Service, VantageId};
use maildoctor_wire::dialogue::{End, Exchange, Phase};
use maildoctor_wire::reply::Reply;

/// How long the banner is waited for, in milliseconds.
const WAIT_MS: u64 = 10_000;

const PTR: &str = "9.100.51.198.in-addr.arpa";
const LISTED: &str = "9.100.51.198.list.example";

fn us() -> IpAddr {
    "198.51.100.9".parse().unwrap()
}

fn resolver(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 53))
}

/// A resolver of the host's file, at its place; what it answered of ten questions, and whether it answers us.
fn seen(last: u8, place: usize, answered: u32, answers_us: bool) -> ResolverSeen {
    ResolverSeen { server: resolver(last), place: Some(place), asked: 10, answered, answers_us: Some(answers_us) }
}

/// A question: to whom, when, and when it was answered.
fn lookup(name: &str, sent: &[(u8, u64, Option<u64>)]) -> Lookup {
    let sendings = sent.iter().map(|(last, at_ms, answered_ms)| Sending {
        server: resolver(*last),
        tcp: false,
        at_ms: *at_ms,
        answered_ms: *answered_ms,
        rcode: answered_ms.map(|_| 0),
    });
    Lookup::new(name.to_owned(), "A".to_owned(), sendings.collect(), Some(5000))
}

fn captured(resolvers: Vec<ResolverSeen>, lookups: Vec<Lookup>) -> LookupsWire {
    let quality = Quality { packets: 100, dropped: 0, whole: true, blind: Vec::new() };
    LookupsWire { quality, own: vec![us()], resolvers, lookups, idents: Vec::new(), programs: Vec::new() }
}

/// The settings of the server, as `postconf` says them: one service on port 25, two processes at most.
fn settings(values: &[(&str, &str)]) -> PostfixWire {
    let all = [("config_directory", "/etc/postfix"), ("smtpd_delay_reject", "no")];
    let of_smtp = Service25 {
        name: "smtp".to_owned(),
        kind: "inet".to_owned(),
        chroot: false,
        limit: Some(2),
        command: "smtpd".to_owned(),
        overrides: Vec::new(),
        line: Some(9),
    };
    let set = all.iter().chain(values).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    PostfixWire { settings: set.collect(), services: vec![of_smtp], ..PostfixWire::default() }
}

/// The same case with more that was read or seen on the host.
fn with<Q: Question>(case: &Case, question: &Q, on: &Q::On, wire: &Q::Wire) -> Case {
    let recorder = Recorder::default();
    recorder.record(question, on, &VantageId::local(), (Duration::ZERO, Duration::from_millis(WAIT_MS)), wire);
    let mut more = recorder.take().0;
    let mut all = case.observations.clone();
    let next = all.iter().map(|o| o.id.0).max().unwrap_or(0) + 1;
    more.iter_mut().for_each(|o| o.id = ObsId(next));
    all.extend(more);
    let mut case = case.clone();
    case.set_observations(all);
    case
}

fn with_settings(case: &Case, values: &[(&str, &str)]) -> Case {
    with(case, &Postfix { folder: "/etc/postfix".to_owned() }, &VantageId::local(), &settings(values))
}

fn service() -> Service {
    Service("192.0.2.7:25".parse().unwrap())
}

/// The case of a banner that was waited for; `own_name_ms` is how long our own resolver took for our name.
fn case(wire: &LookupsWire, own_name_ms: Option<u64>) -> Case {
    let (here, service) = (VantageId::local(), Service("192.0.2.7:25".parse().unwrap()));
    let recorder = Recorder::default();
    let ms = Duration::from_millis;
    recorder.record(&Connect, &service, &here, (ms(0), ms(1)), &opened(us()));
    recorder.record(&FIRST, &service, &here, (ms(0), ms(WAIT_MS)), &greeted(WAIT_MS));
    if let Some(took) = own_name_ms {
        let answer =
            DnsWire { server: resolver(60), name: PTR.to_owned(), attempts: Vec::new(), result: no_such_name() };
        recorder.record(&ReverseNames { via: Via::Own }, &Addr(us()), &here, (ms(0), ms(took)), &answer);
    }
    recorder.record(&Lookups, &service, &here, (ms(0), ms(WAIT_MS)), wire);
    case_of(&recorder, us(), resolver(60))
}

fn roots(diagnosis: &Diagnosis) -> Vec<(&'static str, Confidence)> {
    diagnosis.roots().map(|f| (f.finding.code, f.confidence)).collect()
}

fn found<'d>(diagnosis: &'d Diagnosis, code: &str) -> &'d Judged {
    let found = diagnosis.findings.iter().find(|f| f.finding.code == code);
    found.unwrap_or_else(|| panic!("{code} is not among {:?}", roots(diagnosis)))
}

#[test]
fn a_dead_first_resolver_explains_what_each_lookup_lost_by_it() {
    let lookups = vec![
        lookup(PTR, &[(53, 0, None), (54, 5000, Some(5010))]),
        lookup(LISTED, &[(53, 5020, None), (54, 9900, Some(9990))]),
    ];
    let wire = captured(vec![seen(53, 1, 0, false), seen(54, 2, 10, true)], lookups);
    let diagnosis = diagnose(&case(&wire, Some(3)));
    assert_eq!(roots(&diagnosis), [("server-resolver-dead", Confidence::Proven)]);
    let cause = found(&diagnosis, "server-resolver-dead");
    assert!(cause.finding.says.contains("9.9 of the 10.0 s"), "{}", cause.finding.says);
    assert_eq!(found(&diagnosis, "banner-slow").explained_by, std::slice::from_ref(&cause.id));
}

#[test]
fn a_list_behind_a_dead_resolver_has_its_own_share() {
    let lookups = vec![
        lookup(PTR, &[(53, 0, None), (54, 5000, Some(5010))]),
        lookup(LISTED, &[(53, 5020, None), (54, 7520, Some(9990))]),
    ];
    let wire = captured(vec![seen(53, 1, 0, false), seen(54, 2, 10, true)], lookups);
    let diagnosis = diagnose(&case(&wire, Some(3)));
    let mut codes = roots(&diagnosis);
    codes.sort();
    assert_eq!(codes, [("dnsbl-slow", Confidence::Proven), ("server-resolver-dead", Confidence::Proven)]);
    assert!(found(&diagnosis, "dnsbl-slow").finding.says.contains("2.5 of the 10.0 s"));
    assert!(found(&diagnosis, "server-resolver-dead").finding.says.contains("7.5 of the 10.0 s"));
}

#[test]
fn with_every_resolver_dead_no_name_is_to_blame() {
    let lookups =
        vec![lookup(PTR, &[(53, 0, None), (54, 2500, None)]), lookup(LISTED, &[(53, 5000, None), (54, 7500, None)])];
    let wire = captured(vec![seen(53, 1, 0, false), seen(54, 2, 0, false)], lookups);
    let diagnosis = diagnose(&case(&wire, Some(3)));
    assert_eq!(roots(&diagnosis), [("server-resolvers-all-dead", Confidence::Proven)]);
    let unknown = |code: &str| diagnosis.checks.iter().any(|c| c.code == code && c.why().is_some());
    assert!(unknown("dnsbl-timeout") && unknown("rdns-lookup-timeout"));
}

#[test]
fn a_resolver_that_answers_us_or_anybody_is_not_dead() {
    for (answered, answers_us) in [(0, true), (1, false)] {
        let lookups = vec![lookup(LISTED, &[(53, 0, None), (53, 5000, None)])];
        let wire = captured(vec![seen(53, 1, answered, answers_us)], lookups);
        let diagnosis = diagnose(&case(&wire, Some(3)));
        assert_eq!(roots(&diagnosis), [("dnsbl-timeout", Confidence::Proven)]);
    }
}

#[test]
fn a_reverse_name_is_the_zones_fault_unless_others_get_it_at_once() {
    let silent = lookup(PTR, &[(53, 0, None), (53, 5000, None)]);
    let wire = captured(vec![seen(53, 1, 9, true)], vec![silent]);
    let zone = diagnose(&case(&wire, None));
    assert_eq!(roots(&zone), [("ptr-slow", Confidence::Proven)]);
    let resolver = diagnose(&case(&wire, Some(3)));
    assert_eq!(roots(&resolver), [("rdns-lookup-timeout", Confidence::Proven)]);
}

#[test]
fn an_ident_question_takes_until_the_next_lookup() {
    let ident = |answered_ms| IdentSeen { client: us(), at_ms: 10, answered_ms, given_up_ms: None };
    let quick = lookup(LISTED, &[(53, 9000, Some(9010))]);
    let mut wire = captured(vec![seen(53, 1, 9, true)], vec![quick]);
    wire.idents = vec![ident(None)];
    let diagnosis = diagnose(&case(&wire, Some(3)));
    assert_eq!(roots(&diagnosis), [("ident-lookup-timeout", Confidence::Proven)]);
    assert!(found(&diagnosis, "ident-lookup-timeout").finding.says.contains("9.0 of the 10.0 s"));
    // A refusal costs nothing.
    wire.idents = vec![ident(Some(11))];
    let refused = diagnose(&case(&wire, Some(3)));
    assert_eq!(roots(&refused).first().map(|(code, _)| *code), Some("banner-slow"));
    assert!(refused.checks.iter().any(|c| c.code == "ident-lookup-timeout" && c.state == Ok(State::Clear)));
}

#[test]
fn a_connection_that_no_process_took_shows_a_full_table_where_the_limit_is_reached() {
    let quiet = captured(vec![seen(53, 1, 9, true)], Vec::new());
    let lying = |served| AcceptingWire {
        lying: vec![Lying {
            client: SocketAddr::new(us(), 40_000),
            from_ms: 100,
            taken_ms: Some(9900),
            served,
            waiting: 1,
        }],
    };
    let judge = |served, known: bool| {
        let case = with(&case(&quiet, Some(3)), &Accepting, &service(), &lying(served));
        diagnose(&if known { with_settings(&case, &[]) } else { case })
    };
    assert_eq!(roots(&judge(2, true)), [("process-limit-reached", Confidence::Proven)]);
    assert_eq!(roots(&judge(2, false)), [("process-limit-reached", Confidence::Likely)]);
    // With room for more processes, something else keeps the server from taking it.
    assert_eq!(roots(&judge(1, true)).first().map(|(code, _)| *code), Some("banner-slow"));
}

#[test]
fn a_program_is_proven_over_tcp_and_only_possible_over_a_unix_socket() {
    let mut wire = captured(vec![seen(53, 1, 9, true)], Vec::new());
    let unix = with_settings(&case(&wire, Some(3)), &[("smtpd_milters", "unix:/run/milter.sock")]);
    assert_eq!(roots(&diagnose(&unix)), [("milter-slow", Confidence::Possible)]);
    wire.programs =
        vec![ProgramAsked { server: "127.0.0.1:11332".parse().unwrap(), at_ms: 20, answered_ms: Some(9990) }];
    let both = "unix:/run/milter.sock, inet:127.0.0.1:11332";
    let tcp = diagnose(&with_settings(&case(&wire, Some(3)), &[("smtpd_milters", both)]));
    assert_eq!(roots(&tcp), [("milter-slow", Confidence::Proven)]);
    assert!(found(&tcp, "milter-slow").finding.says.contains("inet:127.0.0.1:11332"));
}

#[test]
fn a_list_that_rspamd_waits_for_is_the_lists_fault_and_no_milters() {
    let mut wire = captured(vec![seen(53, 1, 9, true)], vec![lookup(LISTED, &[(53, 40, None), (53, 5040, None)])]);
    wire.programs =
        vec![ProgramAsked { server: "127.0.0.1:11332".parse().unwrap(), at_ms: 20, answered_ms: Some(9990) }];
    let milter = with_settings(&case(&wire, Some(3)), &[("smtpd_milters", "inet:127.0.0.1:11332")]);
    let place = Place {
        setting: "rule x of Rspamd's module rbl".to_owned(),
        file: Some("/etc/rspamd/local.d/rbl.conf".to_owned()),
        line: Some(4),
    };
    let list = Rbl { zone: "list.example".to_owned(), by_address: true, welcomes: false, place };
    let rspamd = |milters: &str| RspamdWire {
        milters: vec![milters.to_owned()],
        lists: vec![list.clone()],
        task_timeout_ms: Some(8000),
        ..RspamdWire::default()
    };
    let here = VantageId::local();
    let judge =
        |milters: &str| diagnose(&with(&milter, &Rspamd { folder: "/etc/rspamd".to_owned() }, &here, &rspamd(milters)));
    let diagnosis = judge("localhost:11332");
    assert_eq!(roots(&diagnosis), [("dnsbl-timeout", Confidence::Proven)]);
    assert_eq!(found(&diagnosis, "dnsbl-timeout").finding.detail["line"], 4);
    // Another milter than Rspamd: its settings tell nothing of this wait.
    let other = judge("localhost:11399");
    assert_eq!(roots(&other), [("dnsbl-timeout", Confidence::Proven)]);
    assert!(!found(&other, "dnsbl-timeout").finding.detail.contains_key("line"));
    // Where it asks nobody, it is Rspamd that takes its time.
    let mut idle = wire.clone();
    idle.lookups.clear();
    let idle = with_settings(&case(&idle, Some(3)), &[("smtpd_milters", "inet:127.0.0.1:11332")]);
    let idle = diagnose(&with(&idle, &Rspamd { folder: "/etc/rspamd".to_owned() }, &here, &rspamd("localhost:11332")));
    assert_eq!(roots(&idle), [("milter-slow", Confidence::Proven)]);
    assert!(found(&idle, "milter-slow").finding.says.contains("that is Rspamd, which takes up to 8 s"));
}

#[test]
fn rspamds_greylisting_is_known_by_its_words() {
    let quiet = captured(vec![seen(53, 1, 9, true)], Vec::new());
    let case = with_settings(&case(&quiet, Some(3)), &[("smtpd_milters", "inet:127.0.0.1:11332")]);
    let exchange = Exchange {
        phase: Phase::Content,
        command: None,
        sent_ms: 0,
        first_octet_ms: Some(10),
        done_ms: 10,
        reply: Some(Reply::line(451, "4.7.1 Try again later")),
        end: End::Complete,
    };
    let message = MessageWire { mark: "md".to_owned(), exchanges: vec![exchange], queue_id: None };
    let case = with(&case, &Message { path: Path::Mx }, &service(), &message);
    let judge = |greylist: Option<Greylist>| {
        let wire = RspamdWire { milters: vec!["*:11332".to_owned()], greylist, ..RspamdWire::default() };
        let case = with(&case, &Rspamd { folder: "/etc/rspamd".to_owned() }, &VantageId::local(), &wire);
        let codes = diagnose(&case).findings.into_iter().map(|judged| (judged.finding.code, judged.finding.detail));
        codes.filter(|(code, _)| ["greylisting", "rcpt-deferred"].contains(code)).collect::<Vec<_>>()
    };
    let [(code, detail)] = &judge(Some(Greylist { message: "Try again later".to_owned(), timeout_s: 300 }))[..] else {
        panic!("it is not among the findings")
    };
    assert_eq!((*code, &detail["module"]), ("greylisting", &"greylist of Rspamd".into()));
    assert_eq!(judge(None).iter().map(|(code, _)| *code).collect::<Vec<_>>(), ["rcpt-deferred"]);
}

#[test]
fn a_filter_of_opensmtpd_is_possible_where_nothing_else_was_asked() {
    let text = "filter \"slow\" proc-exec \"/run/filter -x\"\nlisten on eth0 filter \"slow\"\n";
    let wire = opensmtpd::read("/etc/smtpd.conf", &mut |_| Ok(text.to_owned()));
    let settings = OpenSmtpd { file: "/etc/smtpd.conf".to_owned() };
    let judge = |lookups| {
        let case = case(&captured(vec![seen(53, 1, 9, true)], lookups), Some(3));
        diagnose(&with(&case, &settings, &VantageId::local(), &wire))
    };
    let filter = judge(Vec::new());
    assert_eq!(roots(&filter), [("milter-slow", Confidence::Possible)]);
    let says = &found(&filter, "milter-slow").finding.says;
    assert!(says.contains("the filter slow (filter slow in /etc/smtpd.conf, line 1)"), "{says}");
    // libasr asks four times, and waits twice as long each time.
    let asr = [(53, 0, None), (53, 660, None), (53, 2000, None), (53, 4660, None)];
    assert_eq!(roots(&judge(vec![lookup(PTR, &asr)])), [("rdns-lookup-timeout", Confidence::Proven)]);
}

#[test]
fn a_wait_in_which_nothing_was_asked_is_no_pause_unless_a_setting_makes_one() {
    let quiet = captured(vec![seen(53, 1, 9, true)], Vec::new());
    let plain = diagnose(&with_settings(&case(&quiet, Some(3)), &[]));
    assert_eq!(roots(&plain).first().map(|(code, _)| *code), Some("banner-slow"));
    let set = diagnose(&with_settings(&case(&quiet, Some(3)), &[("smtpd_client_restrictions", "sleep 10")]));
    assert_eq!(roots(&set), [("banner-greet-delay", Confidence::Proven)]);
    // A lookup in all that time leaves no room for it.
    let busy = captured(vec![seen(53, 1, 9, true)], vec![lookup(LISTED, &[(53, 0, Some(9990))])]);
    let busy = diagnose(&with_settings(&case(&busy, Some(3)), &[("smtpd_client_restrictions", "sleep 10")]));
    assert_eq!(roots(&busy), [("dnsbl-slow", Confidence::Proven)]);
}

#[test]
fn what_was_lost_forbids_proof() {
    let mut wire = captured(vec![seen(53, 1, 0, false)], vec![lookup(LISTED, &[(53, 0, None), (53, 5000, None)])]);
    wire.quality.dropped = 1;
    let diagnosis = diagnose(&case(&wire, Some(3)));
    assert_eq!(roots(&diagnosis), [("server-resolvers-all-dead", Confidence::Likely)]);
}

#[test]
fn nothing_taken_away_makes_a_fault() {
    let silent = lookup(PTR, &[(53, 0, None), (54, 5000, None)]);
    let case = case(&captured(vec![seen(53, 1, 0, false), seen(54, 2, 0, false)], vec![silent]), Some(3));
    let codes = |case: &Case| diagnose(case).findings.iter().map(|f| f.finding.code).collect::<Vec<_>>();
    let before = codes(&case);
    for observation in &case.observations {
        let after = codes(&case.without(observation.id));
        assert!(after.iter().all(|code| before.contains(code)), "{before:?} became {after:?}");
    }
}
