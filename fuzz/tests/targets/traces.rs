//! Received messages: anyone can write one.

use jiff::Timestamp;
use maildoctor_core::report::text::Style;
use maildoctor_core::trace;
use maildoctor_fuzz::said;
use maildoctor_wire::octets::harmful;

const WORDS: &[&str] = &[
    "Received: ",
    "from a.example.net ([192.0.2.1]) ",
    "by mx.example.org ",
    "(using TLSv1.3 with cipher X) ",
    "with ESMTPSA id 1; ",
    "Tue, 24 Nov 2026 13:00:05 +0000",
    "Tue, 24 Nov 9999 13:00:05 -9999",
    "Authentication-Results: ",
    "mx.example.org; ",
    "dkim=fail (body hash) header.d=example.net; ",
    "dmarc=fail header.from=example.net",
    "DKIM-Signature: d=example.net\n",
    "ARC-Seal: i=1; cv=fail; d=example.com\n",
    "X-Spam-Status: Yes, score=9 required=5 tests=[A=1, B=2]\n",
    "X-Spamd-Result: default: False [7.1 / 15.0]; A(1.0)[x]\n",
    "X-Forefront-Antispam-Report: SCL:5;SFV:SPM;CAT:SPM;\n",
    "Return-Path: <SRS0=H=T=example.net=anna@example.org>\n",
    "List-Id: <a.example.com>\n",
    "From: Anna <anna@example.net>\n",
    "Subject: [x] y\n",
    "\x1b[2J",
    "\u{202e}",
    "\n",
    "\r\n",
    "\n\n",
];

#[test]
fn a_message_is_traced_and_told_without_harm() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let Ok(case) = trace::case(&said(input, WORDS), "input", Timestamp::UNIX_EPOCH) else {
            return;
        };
        let Some(report) = trace::report(&case) else { panic!("a case without its message") };
        let text = trace::render(&report, Style::PLAIN);
        assert!(!text.chars().any(|c| c != '\n' && harmful(c)), "{text:?}");
        assert!(report.verdict.exit_code() <= 2);
    });
}
