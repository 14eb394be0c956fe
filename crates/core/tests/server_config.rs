//! Rules of what only the server itself can tell, on cases that are built here: what they claim, and above all what not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

use std::time::Duration;

use maildoctor_core::case::{Case, Question, Recorder, TargetRecord, Terms, VantageRecord};
use maildoctor_core::diagnosis::{Diagnosis, diagnose};
use maildoctor_core::findings::State;
use maildoctor_core::questions::host::exim::{Exim, EximWire};
use maildoctor_core::questions::host::log::{Log, LogWire};
use maildoctor_core::questions::host::machine::{Disk, DiskWire};
use maildoctor_core::questions::host::postfix::{Postfix, PostfixWire};
use maildoctor_core::questions::host::queue::{MailServer, Queue, QueueWire, Queued, Standing, Waiting};
use maildoctor_core::subject::VantageId;

/// Builds a case about a domain, or about one of its addresses.
struct Building {
    recorder: Recorder,
    address: Option<String>,
}

impl Building {
    fn about_the_domain() -> Self {
        Self { recorder: Recorder::default(), address: None }
    }

    fn about(address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..Self::about_the_domain() }
    }

    fn seen<Q: Question<On = VantageId>>(self, question: &Q, wire: &Q::Wire) -> Self {
        let here = VantageId::local();
        self.recorder.record(question, &here, &here, (Duration::ZERO, Duration::ZERO), wire);
        self
    }

    fn queue(self, messages: Vec<Queued>) -> Self {
        let queue = Queue { server: MailServer::Postfix, settings: "/etc/postfix".to_owned() };
        self.seen(&queue, &QueueWire { messages, whole: true, ..QueueWire::default() })
    }

    fn log(self, sent_outside: u32, silent_outside: u32) -> Self {
        let log = Log { source: "/var/log/mail.log".to_owned() };
        self.seen(&log, &LogWire { sent_outside, silent_outside, whole: true, ..LogWire::default() })
    }

    fn postfix(self, settings: &[(&str, &str)]) -> Self {
        let settings = [("config_directory", "/etc/postfix"), ("queue_directory", "/queue")].iter().chain(settings);
        let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.seen(&Postfix { folder: "/etc/postfix".to_owned() }, &PostfixWire { settings, ..PostfixWire::default() })
    }

    fn exim(self, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.seen(&Exim { program: "exim4".to_owned() }, &EximWire { settings, ..EximWire::default() })
    }

    fn disk(self, path: &str, available: u64, files: u64, files_available: u64) -> Self {
        let wire = DiskWire { size: 1 << 30, available, files, files_available, flaw: None };
        self.seen(&Disk { path: path.to_owned() }, &wire)
    }

    fn case(self) -> Case {
        let target = TargetRecord {
            input: "clinic.example".to_owned(),
            domain: Some("clinic.example".to_owned()),
            address: self.address,
            host: None,
        };
        let (observations, unasked) = self.recorder.take();
        let here =
            VantageRecord { name: "local".to_owned(), kind: "local".to_owned(), source_ip: None, resolver: None };
        let mut case = Case::new(target, "2026-11-24T20:00:00Z".parse().unwrap(), vec![here], Terms::default());
        case.unasked = unasked;
        case.set_observations(observations);
        case
    }

    fn diagnosis(self) -> Diagnosis {
        diagnose(&self.case())
    }
}

fn message(standing: Standing, age_s: u64, to: &str, reason: &str) -> Queued {
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    Queued {
        id: format!("ID{age_s}"),
        standing,
        age_s,
        sender: "a@x.example".to_owned(),
        recipients: vec![Waiting { address: to.to_owned(), reason }],
    }
}

/// The codes found, roots first, of those that speak of the host.
fn found(diagnosis: &Diagnosis) -> Vec<(&'static str, bool)> {
    diagnosis.findings.iter().map(|judged| (judged.finding.code, judged.is_root())).collect()
}

fn state(diagnosis: &Diagnosis, code: &str) -> Option<State> {
    diagnosis.checks.iter().find(|check| check.code == code).and_then(|check| check.state.clone().ok())
}

const HOUR: u64 = 3600;
const AGENT: &str = "connect to mx1[private/dovecot-lmtp]: No such file or directory";
const FULL: &str = "host mx1[private/dovecot-lmtp] said: 452 4.2.2 Mailbox is full";

#[test]
fn mail_that_just_came_or_is_for_others_is_not_stuck() {
    let queue = vec![
        message(Standing::Active, 2 * HOUR, "anna@clinic.example", ""),
        message(Standing::Deferred, 600, "bert@clinic.example", FULL),
        message(Standing::Deferred, 50 * HOUR, "bert@else.example", "Host not found"),
        message(Standing::Held, 300, "bert@clinic.example", ""),
        message(Standing::Held, 50 * HOUR, "bert@else.example", ""),
    ];
    let diagnosis = Building::about_the_domain().queue(queue).log(0, 0).diagnosis();
    assert_eq!(found(&diagnosis), []);
    for code in ["queue-stuck", "queue-held", "transport-broken", "outbound-port25-blocked"] {
        assert_eq!(state(&diagnosis, code), Some(State::Clear), "{code}");
    }
}

#[test]
fn what_rests_in_opensmtpd_is_named_with_what_resumes_it() {
    let judge = |paused: &str, reason: &str| {
        let messages = vec![message(Standing::Deferred, 2 * HOUR, "anna@clinic.example", reason)];
        let queue = Queue { server: MailServer::OpenSmtpd, settings: "/etc/smtpd.conf".to_owned() };
        let wire = QueueWire { messages, whole: true, paused: vec![paused.to_owned()], ..QueueWire::default() };
        Building::about_the_domain().seen(&queue, &wire).log(0, 0).diagnosis()
    };
    let paused = judge("MDA", "");
    assert_eq!(found(&paused), [("queue-stuck", true)]);
    assert_eq!(paused.findings[0].finding.detail["setting"], "smtpctl pause mda");
    // What has a reason does not wait for that, and who takes no mail keeps none back.
    for other in [judge("MDA", FULL), judge("SMTP", "")] {
        assert!(!other.findings[0].finding.detail.contains_key("setting"));
    }
}

#[test]
fn without_a_queue_nothing_is_said_of_it() {
    let diagnosis = Building::about_the_domain().log(0, 9).diagnosis();
    assert_eq!((state(&diagnosis, "queue-stuck"), state(&diagnosis, "outbound-port25-blocked")), (None, None));
}

#[test]
fn a_broken_agent_explains_what_waits_for_it_and_nothing_else() {
    let agent = message(Standing::Deferred, 2 * HOUR, "anna@clinic.example", AGENT);
    let alone = Building::about_the_domain().queue(vec![agent.clone()]).log(0, 0).diagnosis();
    assert_eq!(found(&alone), [("transport-broken", true), ("queue-stuck", false)]);
    let other = message(Standing::Deferred, 3 * HOUR, "bert@clinic.example", FULL);
    let mixed = Building::about_the_domain().queue(vec![agent, other]).log(0, 0).diagnosis();
    assert_eq!(found(&mixed), [("transport-broken", true), ("queue-stuck", true), ("queue-stuck", false)]);
}

#[test]
fn the_address_under_test_alone_counts_where_there_is_one() {
    let stuck = |to| vec![message(Standing::Deferred, 400, to, FULL)];
    let anna = Building::about("anna@clinic.example").queue(stuck("Anna@Clinic.example")).log(0, 0).diagnosis();
    assert_eq!(found(&anna), [("queue-stuck", true)]);
    let bert = Building::about("anna@clinic.example").queue(stuck("bert@clinic.example")).log(0, 0).diagnosis();
    assert_eq!(found(&bert), []);
}

#[test]
fn port_25_outside_is_blocked_only_where_nothing_ever_gets_out() {
    let silent = |n: u8| {
        let reason = format!("connect to mx.d{n}.example[198.51.100.{n}]:25: Connection timed out");
        message(Standing::Deferred, HOUR, &format!("x@d{n}.example"), &reason)
    };
    let three: Vec<Queued> = (1..=3).map(silent).collect();
    let diagnose = |queue: &[Queued], sent, silent| {
        found(&Building::about_the_domain().queue(queue.to_vec()).log(sent, silent).diagnosis())
    };
    assert_eq!(diagnose(&three, 0, 3), [("outbound-port25-blocked", true)]);
    assert_eq!(diagnose(&three[..2], 0, 3), []);
    assert_eq!(diagnose(&three, 1, 3), [], "one got through");
    assert_eq!(diagnose(&three, 0, 0), [], "the log begins after them");
    let mut answered = three;
    answered.push(message(Standing::Deferred, HOUR, "x@e.example", "host e[198.51.100.9] said: 450 4.7.1 greylisted"));
    assert_eq!(diagnose(&answered, 0, 3), [], "somebody outside answered");
}

#[test]
fn an_agent_without_room_is_a_full_disk_and_no_broken_agent() {
    let waits = |reason: &str| vec![message(Standing::Deferred, 2 * HOUR, "anna@clinic.example", reason)];
    let complaint = |line: &str| {
        let log = LogWire { complaints: vec![line.to_owned()], whole: true, ..LogWire::default() };
        let said = "host mx1[private/dovecot-lmtp] said: 451 4.2.0 <anna@clinic.example> Internal error occurred";
        let building = Building::about_the_domain().queue(waits(said));
        building.seen(&Log { source: "/var/log/dovecot.log".to_owned() }, &log).diagnosis()
    };
    let room = "lmtp(anna@clinic.example): Error: write(/var/vmail/anna/tmp/1) failed: No space left on device";
    assert_eq!(found(&complaint(room)), [("disk-full", true), ("queue-stuck", false)]);
    let rights = "lmtp(anna@clinic.example): Error: open(/var/vmail/anna/tmp/1) failed: Permission denied";
    assert_eq!(found(&complaint(rights)), [("transport-broken", true), ("queue-stuck", false)]);
    let own = waits("maildir delivery failed: create maildir file /var/vmail/anna/tmp/1: No space left on device");
    let diagnosis = Building::about_the_domain().queue(own).log(0, 0).diagnosis();
    assert_eq!(found(&diagnosis), [("disk-full", true), ("queue-stuck", false)]);
    let theirs = waits("host mail.outside.example[198.51.100.80] said: 452 4.3.1 Insufficient system storage");
    let diagnosis = Building::about_the_domain().queue(theirs).log(0, 0).diagnosis();
    assert_eq!(found(&diagnosis), [("queue-stuck", true)], "another's disk");
}

#[test]
fn a_disk_is_full_where_the_server_says_so_and_not_before() {
    let postfix = |available, files, left| {
        let settings = [("message_size_limit", "1000000"), ("queue_minfree", "0")];
        found(&Building::about_the_domain().postfix(&settings).disk("/queue", available, files, left).diagnosis())
    };
    assert_eq!(postfix(1_499_999, 100, 50), [("disk-full", true)]);
    assert_eq!(postfix(1_500_000, 100, 50), []);
    assert_eq!(postfix(1 << 29, 100, 0), [("disk-full", true)], "no more files");
    assert_eq!(postfix(1 << 29, 0, 0), [], "a file system without a limit of files");
    let exim = |available, left| {
        let settings = [("spool_directory", "/spool"), ("check_spool_space", "10M"), ("check_spool_inodes", "100")];
        found(&Building::about_the_domain().exim(&settings).disk("/spool", available, 1000, left).diagnosis())
    };
    assert_eq!((exim(9 << 20, 100), exim(10 << 20, 99)), (vec![("disk-full", true)], vec![("disk-full", true)]));
    assert_eq!(exim(10 << 20, 100), []);
    let mailboxes = |available| found(&Building::about_the_domain().disk("/var/vmail", available, 0, 0).diagnosis());
    assert_eq!((mailboxes(1000), mailboxes(100_000)), (vec![("disk-full", true)], vec![]));
}
