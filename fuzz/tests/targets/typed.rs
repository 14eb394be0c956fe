//! A session by hand: whatever a server says, split anywhere, and whatever is typed.

use std::time::Duration;

use maildoctor_fuzz::{pieces, said};
use maildoctor_wire::octets::harmful;
use maildoctor_wire::typed::{Conversation, Event, MAX_SHOWN_OCTETS, Protocol};

const WORDS: &[&str] = &[
    "220",
    "250",
    "334",
    "354",
    "235",
    "535",
    "421",
    "-",
    " ",
    "\r\n",
    "\n",
    "+OK",
    "-ERR",
    "+ ",
    "* OK",
    "* BAD",
    "* BYE",
    "a1 ",
    "a1 OK",
    "a2 NO",
    "doctor OK",
    "{5}",
    "{0}\r\n",
    ".\r\n",
    "AUTH PLAIN",
    "STARTTLS",
    "Ready",
    "AGFubmEAQ0FOQVJZNDI=",
    "CANARY42",
];

/// What is typed between two pieces of what the server says.
const LINES: &[&str] = &[
    "EHLO a.example",
    "AUTH PLAIN AGFubmEAQ0FOQVJZNDI=",
    "DATA",
    ".",
    "..",
    "BDAT 7 LAST",
    "a1 FETCH 1 BODY[]",
    "a2 LOGIN anna CANARY42",
    "PASS CANARY42",
    "LIST",
    "CAPA",
    "STLS",
    "STARTTLS",
    "QUIT",
    "",
];

fn shown(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Line { text, .. } => Some(text.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_reply_split_anywhere_is_shown_the_same() {
    bolero::check!().with_test_time(crate::BRIEF).with_type::<(Vec<u8>, Vec<u8>)>().for_each(|(input, sizes)| {
        let octets = said(input, WORDS);
        for protocol in [Protocol::Smtp, Protocol::Imap, Protocol::Pop3] {
            let hear = |parts: &[&[u8]]| {
                let mut talk = Conversation::new(protocol, false);
                talk.line(b"a1 FETCH 1 BODY[]", Duration::ZERO);
                let mut events = Vec::new();
                for part in parts {
                    events.extend(talk.hear(part, Duration::ZERO));
                    if events.last() == Some(&Event::TlsNow) {
                        break;
                    }
                }
                events
            };
            let whole = hear(&[&octets]);
            assert_eq!(whole, hear(&pieces(&octets, sizes)));
            for text in shown(&whole) {
                assert!(!text.chars().any(harmful) && text.len() <= 4 * MAX_SHOWN_OCTETS);
            }
        }
    });
}

#[test]
fn a_secret_that_was_typed_is_shown_by_nobody() {
    bolero::check!().with_test_time(crate::BRIEF).with_type::<(Vec<u8>, Vec<u8>)>().for_each(|(input, sizes)| {
        let octets = said(input, WORDS);
        // A token that was never typed is a token of somebody else.
        let token = "AGFubmEA";
        for (protocol, secret, kept) in [
            (Protocol::Smtp, "AUTH PLAIN AGFubmEAQ0FOQVJZNDI=", &["CANARY42", token][..]),
            (Protocol::Imap, "a1 LOGIN anna CANARY42", &["CANARY42"][..]),
            (Protocol::Pop3, "PASS CANARY42", &["CANARY42"][..]),
        ] {
            let mut talk = Conversation::new(protocol, false);
            let mut texts = vec![talk.line(secret.as_bytes(), Duration::ZERO).shown];
            for (part, size) in octets.split_inclusive(|&b| b == b'\n').zip(sizes.iter().cycle()) {
                texts.extend(shown(&talk.hear(part, Duration::ZERO)));
                let line = LINES.get(usize::from(*size) % LINES.len()).unwrap_or(&"");
                texts.push(talk.line(line.as_bytes(), Duration::ZERO).shown);
            }
            // In a message, and ahead of a challenge, what is typed is what is shown: but never a secret.
            for text in texts {
                assert!(!kept.iter().any(|word| text.contains(word)), "{protocol:?}: {text}");
            }
        }
    });
}
