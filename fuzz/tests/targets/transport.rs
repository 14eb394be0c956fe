//! POP3 answers, and what answers a ClientHello.

use maildoctor_fuzz::{pieces, said};
use maildoctor_wire::hello::{self, HelloAnswer, MAX_ANSWER_OCTETS, Version};
use maildoctor_wire::octets::harmful;
use maildoctor_wire::pop3::{Answer, AnswerParser};

const WORDS: &[&str] = &["+OK", "-ERR", " ", "\r\n", "\n", ".", "..", "\r\n.\r\n", "1 1200", "message", "+ok"];

/// The answers, and whether the stream went on to its end.
fn answers(parts: &[&[u8]], multi: bool) -> (Vec<Answer>, bool) {
    let mut parser = AnswerParser::default();
    let mut out = Vec::new();
    for part in parts {
        let mut part = *part;
        loop {
            match parser.feed(part, multi) {
                Ok(Some(answer)) => out.push(answer),
                Ok(None) => break,
                Err(_) => return (out, false),
            }
            part = b"";
        }
    }
    (out, true)
}

#[test]
fn pop3_split_anywhere_is_the_same() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let octets = said(input, WORDS);
        for multi in [false, true] {
            assert_eq!(answers(&[&octets], multi), answers(&pieces(&octets, input), multi));
        }
    });
}

#[test]
fn any_answer_to_a_hello_is_read() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        // As it stands, and as the content of a handshake record and of an alert.
        let record = |kind: u8| {
            let length = u16::try_from(input.len()).unwrap_or(u16::MAX).to_be_bytes();
            [&[kind, 3, 3], length.as_slice(), input].concat()
        };
        for octets in [input.to_vec(), record(22), record(21)] {
            if let Some(HelloAnswer::NotTls { octets }) = hello::read_answer(&octets) {
                assert!(!octets.chars().any(harmful));
            }
            let mut long = octets;
            long.resize(MAX_ANSWER_OCTETS, 22);
            let _ = hello::read_answer(&long);
        }
    });
}

#[test]
fn a_hello_of_ours_is_one_record() {
    bolero::check!().with_test_time(crate::BRIEF).with_type::<([u8; 32], String)>().for_each(|(random, name)| {
        for version in [Version::Ssl3, Version::Tls10, Version::Tls11, Version::Tls12] {
            let octets = hello::client_hello(version, *random, Some(name.as_str()).filter(|n| n.len() <= 255));
            let length = octets.get(3..5).map(|l| l.iter().fold(0, |sum, o| sum * 256 + usize::from(*o)));
            assert_eq!(length, Some(octets.len() - 5));
        }
    });
}
