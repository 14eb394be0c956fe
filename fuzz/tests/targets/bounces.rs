//! Bounces and mail logs: anyone can write to the one, and what strangers say stands in the other.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maildoctor_core::bounce::log;
use maildoctor_core::bounce::{self, Reading};
use maildoctor_core::report::text::Style;
use maildoctor_core::stamp::Clock;
use maildoctor_fuzz::said;
use maildoctor_wire::octets::harmful;

const WORDS: &[&str] = &[
    "Nov 24 13:00:05 mail postfix/smtp[1]: 4F1X: ",
    "to=<anna@example.net>",
    ", relay=mx.example.net[192.0.2.1]:25",
    ", dsn=4.7.1",
    ", status=deferred (",
    ", status=bounced (",
    ", status=sent (",
    "2026-11-24 13:00:05 1a4USF-0001ig-0d ",
    "** ",
    "== ",
    "=> ",
    ", stat=",
    "Deferred: ",
    "#Fields: date-time,event-id,recipient-address,recipient-status\n",
    ",FAIL,",
    "__CURSOR=1\n",
    "MESSAGE=",
    "{\"MESSAGE\":\"",
    "host mx.example.net said: ",
    "550 ",
    "421-",
    "5.1.1 ",
    "User unknown",
    "(in reply to RCPT TO command)",
    "<anna@example.net>:",
    "From: a@example.org\n",
    "To: b@example.org\n",
    "Content-Type: multipart/report; boundary=x\n\n",
    "--x\n",
    "Content-Type: message/delivery-status\n\n",
    "Content-Type: message/rfc822\n\n",
    "Final-Recipient: rfc822; anna@example.net\n",
    "Diagnostic-Code: smtp; ",
    "Action: failed\n",
    "Status: 5.1.1\n",
    "Remote-MTA: dns; mx.example.net\n",
    "--- Below this line is a copy of the message.\n",
    "Connection timed out",
    "\x1b[2J",
    "\u{202e}",
    "\n",
    "\n\n",
];

/// What is said of a reading, whatever it is, reaches a terminal without harm.
fn told(reading: &Reading, delivered: Option<u64>) {
    let case = bounce::case(reading, "input", &["example.org".to_owned()], Timestamp::UNIX_EPOCH);
    let report = bounce::report(reading, &case, delivered);
    let text = bounce::render(&report, Style::PLAIN);
    assert!(!text.chars().any(|c| c != '\n' && harmful(c)), "{text:?}");
    assert!(report.exit_code() <= 2);
}

#[test]
fn a_bounce_is_read_and_told_without_harm() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        if let Ok(reading) = bounce::read::read(&said(input, WORDS)) {
            told(&reading, None);
        }
    });
}

/// A log reads the same wherever its stream is split.
#[test]
fn a_log_is_grouped_wherever_it_is_split() {
    let clock = Clock { now: Timestamp::UNIX_EPOCH, zone: TimeZone::UTC };
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let text = said(input, WORDS);
        let (head, rest) = text.split_at(text.len() / 2);
        let read = |head: &[u8], mut rest: &[u8]| log::read(head, &mut rest, &clock, &mut |_| {}).ok();
        let Some(whole) = read(&text, &[]) else {
            return;
        };
        told(&whole.reading, Some(whole.delivered));
        // The format is told by the head alone, so only a head that tells the same may be split.
        if log::is_log(head) && log::is_log(&text) {
            let split = read(head, rest).map(|summary| summary.octets);
            assert_eq!(split, Some(text.len() as u64));
        }
    });
}
