use super::*;
use crate::catalogue::Party;
use crate::diagnosis::Verdict;
use crate::report::text::Style;

/// A message as a small server keeps it: submission, an exchanger that waited, the store.
const SOUND: &str = "Return-Path: <anna@example.net>
Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=anna@example.net; dkim=pass header.d=example.net; dmarc=pass header.from=example.net
Received: from mx.example.org ([192.0.2.7]) by store.example.org with LMTP id 3; Tue, 24 Nov 2026 13:00:08 +0000
Received: from mail.example.net (mail.example.net [198.51.100.9]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) by mx.example.org (Postfix) with ESMTPS id 2; Tue, 24 Nov 2026 13:00:07 +0000
Received: from [203.0.113.4] by mail.example.net with ESMTPSA id 1; Tue, 24 Nov 2026 14:00:05 +0100
DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=m1; bh=x; b=y
From: Anna <anna@example.net>
To: bob@example.org
Subject: Lunch
Date: Tue, 24 Nov 2026 13:00:00 +0000
Message-ID: <1@example.net>

At noon.
";

fn traced(text: &str) -> TraceReport {
    let case = case(text.as_bytes(), "message.eml", Timestamp::UNIX_EPOCH).unwrap();
    let report = report(&case).unwrap();
    let again = Case::from_json(&case.to_json().unwrap()).unwrap();
    assert_eq!(super::report(&again).unwrap(), report, "a kept case says the same");
    report
}

fn codes(text: &str) -> Vec<String> {
    traced(text).findings.into_iter().map(|finding| finding.code).collect()
}

#[test]
fn a_sound_message_is_silent() {
    let report = traced(SOUND);
    assert_eq!((report.findings.len(), report.verdict), (0, Verdict::Healthy));
    assert_eq!((report.hops.len(), report.took_s), (3, Some(3)));
    assert_eq!(report.hops[1].tls.as_deref(), Some("1.3"));
    assert!(report.hops[0].authenticated);
    let text = render(&report, Style::PLAIN);
    assert!(text.starts_with("HEALTHY: the message came over 3 hops in 3 s; nothing is wrong with it."), "{text}");
}

#[test]
fn each_fault_is_found_and_nothing_else() {
    let dmarc = "dmarc=pass header.from=example.net";
    for (from, to, code) in [
        ("13:00:08", "13:31:08", "hop-slow"),
        ("14:00:05 +0100", "15:00:05 +0100", "clock-skew-hops"),
        ("Date: ", "X-Date: ", "message-not-rfc5322"),
        ("From: Anna", "From: <x@example.net>\nFrom: Anna", "message-not-rfc5322"),
        ("Message-ID: ", "X-ID: ", "message-id-missing"),
        ("dkim=pass", "dkim=fail", "dkim-signature-fails"),
        (dmarc, "dmarc=fail header.from=example.net", "dmarc-fails"),
        ("From: Anna", "ARC-Seal: i=1; cv=fail; d=list.example.com; b=x\nFrom: Anna", "arc-chain-broken"),
        ("From: Anna", "X-Spam-Status: Yes, score=9 required=5\nFrom: Anna", "delivered-to-junk"),
    ] {
        let text = SOUND.replacen(from, to, 1);
        assert_ne!(text, SOUND, "{from}");
        assert_eq!(codes(&text), [code], "{from} as {to}");
    }
    let long = format!("{SOUND}{}\n", "x".repeat(1500));
    assert_eq!(codes(&long), ["message-not-rfc5322"]);
    let bare = SOUND.replace('\n', "\r\n") + "bare\nend\r\n";
    assert_eq!(codes(&bare), ["message-not-rfc5322"]);
    assert_eq!(codes(&SOUND.replace('\n', "\r\n")), Vec::<String>::new());
}

#[test]
fn a_broken_signature_explains_why_dmarc_fails() {
    let text = SOUND.replace("dkim=pass", "dkim=fail").replace("dmarc=pass", "dmarc=fail");
    let report = traced(&text);
    let roots: Vec<_> = report.findings.iter().filter(|f| f.explained_by.is_empty()).map(|f| f.code.as_str()).collect();
    assert_eq!((roots, report.findings.len()), (vec!["dkim-signature-fails"], 2));
}

#[test]
fn what_the_sender_could_have_written_proves_nothing() {
    let forged = SOUND.replace("Authentication-Results: mx.example.org", "Authentication-Results: evil.example.com");
    let report = traced(&forged.replace("dmarc=pass", "dmarc=fail"));
    assert_eq!((report.findings.len(), report.authentication.not_believed.len()), (0, 1));
}

#[test]
fn what_was_not_asked_has_not_changed() {
    let wire = |result: &str| {
        let results = format!("mx.example.org; dkim={result} header.d=example.net");
        maildoctor_wire::auth_results::parse(&results).unwrap()
    };
    assert_eq!(super::model::differences(&wire("pass"), &wire("temperror").results).len(), 0);
    assert_eq!(super::model::differences(&wire("pass"), &wire("fail").results).len(), 1);
}

#[test]
fn a_wrong_form_is_the_clients_and_counts() {
    let report = traced(&SOUND.replacen("Date: ", "X-Date: ", 1));
    assert_eq!((report.findings[0].party, report.verdict), (Party::Client, Verdict::AtRisk));
}

#[test]
fn without_an_observation_nothing_is_claimed() {
    let case = case(SOUND.replacen("Date: ", "X-Date: ", 1).as_bytes(), "m", Timestamp::UNIX_EPOCH).unwrap();
    let empty = case.without(case.observations[0].id);
    assert!(crate::findings::examine(&empty).findings.is_empty() && report(&empty).is_none());
}

#[test]
fn greylisting_is_named_where_a_server_says_so() {
    let late = SOUND.replacen("13:00:08", "13:31:08", 1);
    let told = |field: &str| traced(&format!("X-Greylist: {field}\n{late}")).findings[0].cause.clone();
    for field in [
        "delayed 1800 seconds by postgrey-1.37 at store.example.org; Tue",
        "Delayed for 00:30:00 by milter-greylist-4.6",
    ] {
        assert!(told(field).contains("; greylisting took that time, as X-Greylist says: "), "{field}");
    }
    for field in
        ["delayed 9000 seconds by postgrey-1.37", "Sender IP whitelisted, not delayed by milter-greylist", "delayed x"]
    {
        assert!(!told(field).contains("greylisting took"), "{field}");
    }
}

#[test]
fn encoded_words_are_read() {
    let report =
        traced(&SOUND.replacen("Subject: Lunch", "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= =?utf-8?B?IGFuIEFubmE=?=", 1));
    assert_eq!(report.subject.as_deref(), Some("Grüße an Anna"));
    let evil = traced(&SOUND.replacen("Subject: Lunch", "Subject: =?utf-8?Q?=1B]0;x=07?=", 1));
    assert!(!evil.subject.unwrap().contains(['\x1b', '\x07']));
}

#[test]
fn of_more_hops_than_are_told_it_is_said() {
    let hop = "Received: from a.example.net ([192.0.2.1]) by b.example.net with ESMTP id 1; Tue, 24 Nov 2026 13:00:00 +0000\n";
    let report = traced(&SOUND.replacen("Received: from [203", &format!("{}Received: from [203", hop.repeat(500)), 1));
    assert!(report.summary.contains("more than 100 hops"), "{}", report.summary);
}

#[test]
fn lists_and_forwarders_are_told() {
    let list = SOUND.replacen(
        "Subject: Lunch",
        "List-Id: Cooks <cooks.example.com>\nPrecedence: list\nX-Original-To: a@example.org\nDelivered-To: b@example.org\nSubject: [cooks] Lunch",
        1,
    );
    let report = traced(&list);
    assert_eq!(report.passed_on.len(), 2, "{:?}", report.passed_on);
    assert!(report.passed_on[0].contains("cooks.example.com"));
}

#[test]
fn what_is_no_message_is_said() {
    let of = |octets: &[u8]| case(octets, "x", Timestamp::UNIX_EPOCH).unwrap_err();
    assert_eq!(
        (of(b" \n"), of(b"\0\0"), of(b"hello\nthere: x")),
        (NoMessage::Empty, NoMessage::Empty, NoMessage::NoHeader)
    );
}
