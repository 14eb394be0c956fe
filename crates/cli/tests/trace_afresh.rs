//! What SPF, DKIM and DMARC of a received message come to now, by the DNS of a test. The signed message and its keys are
//! those of RFC 8463 appendix A.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

use std::io::Write;
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{RData, Record, RecordType};
use serde_json::Value;

const SIGNED: &str = "\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
";

/// How it came: from a client that SPF is asked about.
const CAME: &str = "\
Return-Path: <joe@football.example.com>
Received: from out.football.example.com (out.football.example.com [198.51.100.9]) by mx.shopping.example.net with ESMTPS id 2; Fri, 11 Jul 2003 21:00:39 -0700
";

const KEYS: &[(&str, &str)] = &[
    ("brisbane._domainkey.football.example.com", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
    (
        "test._domainkey.football.example.com",
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
    ),
];

const POLICY: (&str, &str) = ("_dmarc.example.com", "v=DMARC1; p=reject");

/// A resolver that knows some texts and denies everything else; how often it was asked.
struct Resolver {
    at: String,
    asked: Arc<AtomicUsize>,
}

fn resolver(texts: &[(&str, &str)]) -> Resolver {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (at, asked) = (socket.local_addr().unwrap().to_string(), Arc::new(AtomicUsize::new(0)));
    let texts: Vec<(String, String)> = texts.iter().map(|(n, t)| (format!("{n}."), (*t).to_owned())).collect();
    let count = asked.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            count.fetch_add(1, Ordering::SeqCst);
            let mut message = Message::from_vec(&buffer[..length]).unwrap();
            let query = message.queries.first().unwrap().clone();
            message.metadata.message_type = MessageType::Response;
            message.metadata.recursion_available = true;
            let name = query.name().to_string().to_ascii_lowercase();
            match texts.iter().find(|(known, _)| *known == name) {
                Some((_, text)) if query.query_type() == RecordType::TXT => {
                    let parts = text.as_bytes().chunks(200).map(|part| String::from_utf8(part.to_vec()).unwrap());
                    let data = RData::TXT(TXT::new(parts.collect()));
                    message.add_answer(Record::from_rdata(query.name().clone(), 60, data));
                }
                Some(_) => {}
                None => message.metadata.response_code = ResponseCode::NXDomain,
            }
            let _ = socket.send_to(&message.to_vec().unwrap(), from);
        }
    });
    Resolver { at, asked }
}

/// The report of a message, and its exit code.
fn traced(message: &str, more: &[&str]) -> (Value, i32) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_maildoctor"))
        .args(["trace", "-", "--format", "json"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code().unwrap())
}

fn by(resolver: &Resolver, message: &str) -> Value {
    traced(message, &["--resolver", &resolver.at]).0
}

/// What a method comes to now.
fn now<'r>(report: &'r Value, method: &str) -> Vec<&'r str> {
    let all = report["authentication"]["now"].as_array().unwrap();
    all.iter().filter(|found| found["method"] == method).map(|found| found["result"].as_str().unwrap()).collect()
}

fn codes(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

fn cause(report: &Value) -> &str {
    report["findings"][0]["cause"].as_str().unwrap()
}

#[test]
fn a_message_that_was_signed_and_left_alone_holds() {
    let resolver = resolver(&[KEYS, &[POLICY, ("football.example.com", "v=spf1 ip4:198.51.100.9 -all")]].concat());
    let report = by(&resolver, &format!("{CAME}{SIGNED}"));
    assert_eq!(now(&report, "dkim"), ["pass", "pass"]);
    assert_eq!((now(&report, "spf"), now(&report, "dmarc")), (vec!["pass"], vec!["pass"]));
    assert_eq!((codes(&report).len(), &report["verdict"]), (0, &"healthy".into()), "{report:#}");
    let crlf = format!("{CAME}{SIGNED}").replace('\n', "\r\n");
    assert_eq!(now(&by(&resolver, &crlf), "dkim"), ["pass", "pass"], "with the ends of lines as they were sent");
    let schema = Command::new(env!("CARGO_BIN_EXE_maildoctor")).args(["schema", "trace"]).output().unwrap();
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    jsonschema::validator_for(&schema).unwrap().validate(&report).unwrap();
}

#[test]
fn what_was_changed_is_told_apart_and_who_may_have() {
    let resolver = resolver(KEYS);
    let text = by(&resolver, &SIGNED.replace("lost", "won"));
    assert_eq!(codes(&text), ["dkim-signature-fails"]);
    assert!(cause(&text).contains("the text was changed"), "{}", cause(&text));
    let listed = SIGNED.replace("Subject: ", "List-Id: Fans <fans.example.org>\nSubject: [fans] ");
    let header = by(&resolver, &listed);
    assert_eq!((codes(&header), now(&header, "dkim")), (vec!["dkim-signature-fails"], vec!["fail", "fail"]));
    assert!(cause(&header).contains("a signed header field") && cause(&header).contains("list fans.example.org"));
    let sealed =
        format!("ARC-Authentication-Results: i=1; mx.example.org; dkim=pass\n{}", SIGNED.replace("lost", "won"));
    assert!(cause(&by(&resolver, &sealed)).contains("it still held when mx.example.org looked"));
}

#[test]
fn a_key_that_is_gone_and_a_dns_that_is_silent_accuse_nobody() {
    let empty = by(&resolver(&[]), SIGNED);
    assert_eq!((codes(&empty).len(), now(&empty, "dkim")), (0, vec!["permerror", "permerror"]));
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap().to_string();
    let (report, code) = traced(SIGNED, &["--resolver", &at, "--deadline", "1s"]);
    assert_eq!((codes(&report).len(), code), (0, 0), "{report:#}");
}

#[test]
fn what_held_when_it_came_is_no_fault_now() {
    let said = "Authentication-Results: mx.shopping.example.net; dkim=pass header.d=football.example.com; dmarc=pass header.from=football.example.com\n";
    let report = by(&resolver(KEYS), &format!("{said}{CAME}{}", SIGNED.replace("lost", "won")));
    assert_eq!(codes(&report).len(), 0, "{report:#}");
    let differs = report["authentication"]["differs"][0].as_str().unwrap();
    assert!(differs.starts_with("DKIM held when mx.shopping.example.net looked"), "{differs}");
}

#[test]
fn a_sender_without_a_signature_stands_and_falls_with_spf() {
    let unsigned = format!("{CAME}From: {}", SIGNED.split_once("\nFrom: ").unwrap().1);
    let outcome = |policy: &str| by(&resolver(&[POLICY, ("football.example.com", policy)]), &unsigned);
    let welcome = outcome("v=spf1 ip4:198.51.100.0/24 -all");
    assert_eq!((codes(&welcome).len(), now(&welcome, "dmarc")), (0, vec!["pass"]));
    let foreign = outcome("v=spf1 ip4:192.0.2.0/24 -all");
    assert_eq!((codes(&foreign), now(&foreign, "spf")), (vec!["dmarc-fails"], vec!["fail"]), "{foreign:#}");
    assert!(cause(&foreign).contains("the policy is reject"), "{}", cause(&foreign));
}

#[test]
fn offline_nothing_is_asked_and_a_changed_text_is_seen_all_the_same() {
    let (report, code) = traced(&SIGNED.replace("lost", "won"), &["--offline"]);
    assert_eq!((codes(&report), code), (vec!["dkim-signature-fails"], 1));
    let (report, code) = traced(SIGNED, &["--offline"]);
    assert_eq!((codes(&report).len(), now(&report, "dkim"), code), (0, vec!["temperror", "temperror"], 0));
    let resolver = resolver(&[]);
    by(&resolver, SIGNED);
    assert!(resolver.asked.load(Ordering::SeqCst) > 0, "online it is");
}

#[test]
fn thousands_of_signatures_are_not_all_verified() {
    let one = SIGNED.split_once("\nDKIM-Signature").unwrap().0;
    let many: String = (0..2000).map(|n| format!("{}\n", one.replace("s=brisbane", &format!("s=s{n}")))).collect();
    let resolver = resolver(&[]);
    let report = by(&resolver, &format!("{many}{SIGNED}"));
    assert!(now(&report, "dkim").len() <= 20 && resolver.asked.load(Ordering::SeqCst) < 100);
}
