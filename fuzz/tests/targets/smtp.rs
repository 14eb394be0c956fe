//! What an SMTP server says: replies, banners, EHLO, meanings, and the whole dialogue.

use std::time::Duration;

use maildoctor_fuzz::{pieces, said, text};
use maildoctor_wire::banner::Banner;
use maildoctor_wire::dialogue::{Command, Dialogue, End, Phase};
use maildoctor_wire::ehlo::Capabilities;
use maildoctor_wire::octets::harmful;
use maildoctor_wire::reply::{MAX_REPLY_OCTETS, Reply, ReplyParser};
use maildoctor_wire::software::{Place, recognise};
use maildoctor_wire::{queue_id, wording};

const WORDS: &[&str] = &[
    "220",
    "250",
    "334",
    "354",
    "421",
    "450",
    "535",
    "550",
    "554",
    "-",
    " ",
    "\r\n",
    "\n",
    "mx.example.org",
    "ESMTP",
    "Postfix",
    "5.7.1",
    "(#4.4.5)",
    "AUTH",
    "AUTH=",
    "PLAIN",
    "LOGIN",
    "STARTTLS",
    "XXXXXXXA",
    "SIZE",
    "35882577",
    "PIPELINING",
    "queued as",
    "id=",
    "blocked using",
    "zen.example.org",
    "Relay access denied",
    "****",
    "Exim 4.98",
    "mailbox is full",
    "é",
];

fn replies(parts: &[&[u8]]) -> Vec<Reply> {
    let mut parser = ReplyParser::default();
    let mut out = Vec::new();
    for part in parts {
        let mut part = *part;
        while let Some(timed) = parser.feed(part, Duration::ZERO) {
            out.push(timed.reply);
            part = b"";
        }
    }
    out.extend(parser.cut(Duration::ZERO).map(|timed| timed.reply));
    out
}

#[test]
fn replies_split_anywhere_are_the_same_replies() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let octets = said(input, WORDS);
        let whole = replies(&[&octets]);
        assert_eq!(whole, replies(&pieces(&octets, input)));
        for reply in &whole {
            assert!(reply.lines.iter().map(String::len).sum::<usize>() <= 4 * MAX_REPLY_OCTETS);
            assert!(!reply.text().chars().any(|c| harmful(c) && c != '\n'), "{reply:?}");
        }
    });
}

#[test]
fn what_a_reply_says_is_read() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        for reply in replies(&[&said(input, WORDS)]) {
            let failed = matches!(reply.class(), 4 | 5);
            for phase in [Phase::Banner, Phase::Auth, Phase::Mail, Phase::Rcpt, Phase::Content] {
                assert_eq!(wording::meaning(phase, &reply).is_some(), failed, "{reply:?}");
            }
            assert!(reply.enhanced().is_none_or(|code| code.0 == reply.class()));
            assert!(Banner::of(&reply).is_none() || reply.code == 220);
            if let Some(offered) = Capabilities::of(&reply) {
                assert!(offered.mechanisms().iter().all(|m| !m.is_empty() && !m.contains(' ')));
                let _ = (offered.size_limit(), offered.masked(), offered.starttls_masked());
                let _ = offered.auth_in_old_form_only();
            }
            let known = recognise([(Place::Banner, &reply), (Place::Ehlo, &reply), (Place::Reply, &reply)]);
            assert!(known.is_none_or(|k| (50..=100).contains(&k.percent)));
            assert!(queue_id::queue_id(&reply.text()).is_none_or(|id| !id.is_empty() && id.len() <= 128));
            let _ = wording::named_zone(&reply.text());
        }
    });
}

#[test]
fn text_that_was_never_a_reply_is_read() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let text = text(input, WORDS);
        assert!(queue_id::queue_id(&text).is_none_or(|id| text.contains(&id)));
        let _ = wording::named_zone(&text);
        let _ = text.parse::<maildoctor_wire::enhanced::EnhancedCode>();
    });
}

/// The commands of a session in any order, with any answers between them.
#[test]
fn a_dialogue_takes_any_server() {
    let secret = secrecy::SecretString::from("c2VjcmV0LWNhbmFyeQ==");
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let octets = said(input, WORDS);
        let mut dialogue = Dialogue::new();
        for (turn, piece) in pieces(&octets, input).into_iter().enumerate() {
            let now = Duration::from_millis(turn as u64);
            let command = match piece.len() {
                1 => Command::Ehlo("client.example.org"),
                2 => Command::Starttls,
                3 => Command::Auth("PLAIN", Some(&secret)),
                4 => Command::AuthResponse(&secret),
                5 => Command::Mail(""),
                6 | 7 => Command::Rcpt("anna@example.org"),
                8 => Command::Data,
                9 => Command::Content(piece),
                10 => Command::Rset,
                11 => Command::Helo("client.example.org"),
                12 => Command::Vrfy("anna"),
                13 => Command::Noop,
                _ => Command::Quit,
            };
            let sent = dialogue.say(&command, now);
            assert!(!(dialogue.is_over() && sent.is_ok()));
            dialogue.hear(piece, now);
            if turn % 5 == 4 {
                dialogue.tls_begins();
                assert!(dialogue.early().is_empty() && dialogue.capabilities().is_none());
            }
        }
        let awaited = dialogue.awaits();
        let ended = dialogue.give_up(End::Closed, Duration::from_secs(9));
        assert!(ended.is_some() || !awaited);
        let told = format!("{:?}", dialogue.exchanges());
        assert!(!told.contains("c2VjcmV0LWNhbmFyeQ"), "a secret was written down: {told}");
        for exchange in dialogue.exchanges() {
            assert!(exchange.done_ms >= exchange.sent_ms, "{exchange:?}");
        }
    });
}
