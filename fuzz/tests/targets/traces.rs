//! Received messages: anyone can write one.

use jiff::Timestamp;
use maildoctor_core::report::text::Style;
use maildoctor_core::trace;
use maildoctor_core::trace::mailbox::{self, Mailbox, MailboxSource, Mbox};
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

/// Lines that open a message, and some that only seem to.
const OPENINGS: &[&str] = &[
    "From anna@example.net Tue Nov 24 13:00:00 2026\n",
    "\nFrom - Tue Nov 24 13:00:00 2026\n",
    "\n>From here\n",
    "From \n",
    "From: Anna <anna@example.net>\n",
    "Received: by mx.example.org; Tue, 24 Nov 2026 13:00:05 +0000\n",
    "\r\n",
    "\n",
];

#[test]
fn a_mailbox_is_told_without_harm() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let octets = said(input, OPENINGS);
        let mut mailbox = Mailbox::new("input", MailboxSource::Mbox);
        for message in Mbox::new(&octets[..]) {
            let Ok(message) = message else { panic!("memory is read without error") };
            let report = message
                .map_err(|error| error.to_string())
                .and_then(|octets| trace::case(&octets, "input", Timestamp::UNIX_EPOCH).map_err(|e| e.to_string()))
                .and_then(|case| trace::report(&case).ok_or_else(|| "no report".to_owned()));
            mailbox.take(None, report.as_ref());
        }
        let text = mailbox::render(&mailbox.report(0), Style::PLAIN);
        assert!(!text.chars().any(|c| c != '\n' && harmful(c)), "{text:?}");
    });
}
