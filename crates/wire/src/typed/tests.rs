use super::*;
use crate::sasl::Mechanism;
use proptest::prelude::*;

const T: Duration = Duration::ZERO;

fn smtp() -> Conversation {
    let mut talk = Conversation::new(Protocol::Smtp, false);
    talk.hear(b"220 mx.example.org ESMTP\r\n", T);
    talk
}

fn statuses(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|e| if let Event::Answer(a) = e { Some(a.status.as_str()) } else { None }).collect()
}

fn shown(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|e| if let Event::Line { text, .. } = e { Some(text.as_str()) } else { None }).collect()
}

fn said(events: &[Event]) -> Vec<String> {
    let said = events.iter().filter_map(|e| if let Event::Say(s) = e { Some(&s.octets) } else { None });
    said.map(|octets| String::from_utf8_lossy(octets).into_owned()).collect()
}

#[test]
fn lines_are_shown_before_the_reply_is_whole_and_waits_are_kept() {
    let mut talk = Conversation::new(Protocol::Smtp, false);
    let first = talk.hear(b"220-mx.example.org\r\n", Duration::from_millis(3));
    assert_eq!((shown(&first), statuses(&first)), (vec!["220-mx.example.org"], vec![]));
    let rest = talk.hear(b"220 mx.example.org ESMTP\r\n", Duration::from_secs(6));
    let Some(Event::Answer(answer)) = rest.last() else { panic!("{rest:?}") };
    assert_eq!(
        (answer.phase(), answer.first_octet_at, answer.done_at),
        (Phase::Banner, Duration::from_millis(3), Duration::from_secs(6))
    );
    assert!(!talk.awaits());
}

#[test]
fn what_is_typed_is_sent() {
    let mut talk = smtp();
    for line in ["RSET", "R", "Quit", "QUIT", ":", "mail from: <nospam@jms1.net>", ".", ""] {
        let spoken = talk.line(line.as_bytes(), T);
        assert_eq!(spoken.octets, format!("{line}\r\n").as_bytes());
        talk.hear(b"250 ok\r\n", T);
    }
}

#[test]
fn dots_in_a_message_are_stuffed_and_a_lone_one_ends_it() {
    let mut talk = smtp();
    talk.line(b"DATA", T);
    talk.hear(b"354 go ahead\r\n", T);
    assert_eq!(talk.mode(), Mode::Content);
    let spoken = talk.line(b".hidden", T);
    assert_eq!(
        (spoken.octets.as_slice(), spoken.notes.as_slice()),
        (b"..hidden\r\n".as_slice(), [Note::Stuffed].as_slice())
    );
    assert_eq!(talk.line(b"RSET", T).octets, b"RSET\r\n");
    assert!(!talk.awaits());
    assert_eq!(talk.line(b".", T).octets, b".\r\n");
    assert!(talk.awaits() && talk.mode() == Mode::Command);
    let events = talk.hear(b"250 queued\r\n", T);
    assert!(matches!(events.last(), Some(Event::Answer(a)) if a.phase() == Phase::Content), "{events:?}");
}

#[test]
fn a_typed_starttls_waits_for_the_handshake_and_plaintext_behind_it_is_named() {
    let mut talk = smtp();
    talk.line(b"starttls", T);
    let events = talk.hear(b"220 go\r\n250 injected\r\n", T);
    assert_eq!(events.last(), Some(&Event::TlsNow));
    assert_eq!(talk.secured().as_deref(), Some("250 injected\\x0d\\x0a"));
    talk.line(b"EHLO a.example", T);
    assert_eq!(shown(&talk.hear(b"250 mx\r\n", T)), ["250 mx"]);
}

#[test]
fn a_token_is_sent_and_shown_nowhere_not_even_where_the_server_repeats_it() {
    let mut talk = smtp();
    let spoken = talk.line(b"AUTH PLAIN AGFubmEAQ0FOQVJZ", T);
    assert_eq!(spoken.octets, b"AUTH PLAIN AGFubmEAQ0FOQVJZ\r\n");
    assert_eq!((spoken.shown.as_str(), spoken.secret), ("AUTH PLAIN (secret)", true));
    assert_eq!(spoken.notes, [Note::SecretInTheClear]);
    assert!(!format!("{spoken:?}").contains("AGFubmE"));
    let events = talk.hear(b"535 AGFubmEAQ0FOQVJZ is CANARY\r\n", T);
    assert!(!format!("{events:?}").contains("CANARY") && !format!("{events:?}").contains("AGFubmE"), "{events:?}");
}

#[test]
fn answers_to_challenges_are_secrets_also_ahead_of_them() {
    let mut talk = smtp();
    talk.line(b"AUTH LOGIN", T);
    assert!(talk.line(b"YW5uYQ==", T).secret);
    talk.hear(b"334 VXNlcm5hbWU6\r\n", T);
    talk.hear(b"334 UGFzc3dvcmQ6\r\n", T);
    assert_eq!(talk.mode(), Mode::Response);
    assert_eq!(talk.line(b"hunter two", T).shown, SECRET);
    talk.hear(b"535 no\r\n", T);
    assert_eq!(talk.mode(), Mode::Command);
    assert!(!talk.line(b"NOOP", T).secret);
}

#[test]
fn our_login_answers_what_it_is_asked() {
    let mut talk = smtp();
    let password = SecretString::from("geheim");
    let spoken = talk.authenticate(Mechanism::Login, "anna", &password, T).unwrap();
    assert_eq!(spoken.octets, b"AUTH LOGIN\r\n");
    assert_eq!(said(&talk.hear(b"334 VXNlcm5hbWU6\r\n", T)), ["YW5uYQ==\r\n"]);
    assert_eq!(said(&talk.hear(b"334 UGFzc3dvcmQ6\r\n", T)), ["Z2VoZWlt\r\n"]);
    let events = talk.hear(b"334 QWdhaW4/\r\n", T);
    assert_eq!(said(&events), ["*\r\n"]);
    assert!(events.iter().any(|e| matches!(e, Event::AuthFailed(_))));
    assert_eq!(statuses(&talk.hear(b"501 cancelled\r\n", T)), ["501"]);
    assert_eq!(talk.mode(), Mode::Command);
}

#[test]
fn a_server_that_speaks_on_its_own_is_heard() {
    let mut talk = smtp();
    let events = talk.hear(b"421 4.4.2 timeout\r\n", Duration::from_secs(300));
    assert!(matches!(events.first(), Some(Event::Line { unasked: true, .. })), "{events:?}");
    assert!(matches!(events.last(), Some(Event::Answer(a)) if a.asked.is_none() && a.reply.code == 421), "{events:?}");
}

#[test]
fn what_has_no_end_is_cut_off() {
    for protocol in [Protocol::Smtp, Protocol::Imap, Protocol::Pop3] {
        let mut talk = Conversation::new(protocol, false);
        let mut fed = 0_usize;
        let piece = vec![b'x'; 65536];
        loop {
            let events = talk.hear(&piece, T);
            fed += piece.len();
            assert!(events.iter().all(|e| !matches!(e, Event::Line { text, .. } if text.len() > MAX_SHOWN_OCTETS)));
            if events.contains(&Event::Endless) {
                break;
            }
            assert!(fed <= MAX_MAILBOX_OCTETS + 65536);
        }
    }
}

#[test]
fn bdat_takes_as_many_octets_as_it_said() {
    let mut talk = smtp();
    assert_eq!(talk.line(b"BDAT 9 LAST", T).octets, b"BDAT 9 LAST\r\n");
    assert!(!talk.awaits());
    talk.line(b".a", T);
    assert_eq!(talk.mode(), Mode::Chunk(5));
    assert!(talk.line(b"QUIT!", T).notes.contains(&Note::TooLongForChunk(2)));
    assert!(talk.awaits());
}

#[test]
fn pop3_answers_end_as_their_commands_have_it() {
    let mut talk = Conversation::new(Protocol::Pop3, true);
    talk.hear(b"+OK ready\r\n", T);
    let password = SecretString::from("geheim");
    assert_eq!(talk.log_in("anna", &password, T).unwrap().octets, b"USER anna\r\n");
    assert_eq!(said(&talk.hear(b"+OK\r\n", T)), ["PASS geheim\r\n"]);
    assert_eq!(statuses(&talk.hear(b"+OK in\r\n", T)), ["+OK"]);
    talk.line(b"LIST", T);
    assert!(statuses(&talk.hear(b"+OK 1\r\n1 10\r\n", T)).is_empty());
    assert_eq!(statuses(&talk.hear(b".\r\n", T)), ["+OK"]);
    talk.line(b"LIST 1", T);
    assert_eq!(statuses(&talk.hear(b"+OK 1 10\r\n", T)), ["+OK"]);
    assert!(talk.log_in("anna\r\nDELE 1", &password, T).is_none());
}

#[test]
fn imap_replies_end_with_their_tag_and_literals_are_no_replies() {
    let mut talk = Conversation::new(Protocol::Imap, true);
    assert_eq!(statuses(&talk.hear(b"* OK [CAPABILITY IMAP4rev1] ready\r\n", T)), ["OK"]);
    talk.line(b"a1 FETCH 1 BODY[]", T);
    let events = talk.hear(b"* 1 FETCH (BODY[] {10}\r\na1 OK no\r\n)\r\na1 OK done\r\n", T);
    assert_eq!((statuses(&events), shown(&events).len()), (vec!["OK"], 4));
    talk.line(b"a2 IDLE", T);
    assert_eq!(statuses(&talk.hear(b"+ idling\r\n", T)), ["+"]);
    assert!(!talk.awaits());
    talk.hear(b"* 2 EXISTS\r\n", T);
    talk.line(b"DONE", T);
    assert_eq!(statuses(&talk.hear(b"a2 OK done\r\n", T)), ["OK"]);
    let password = SecretString::from("ge\"heim");
    let spoken = talk.log_in("anna", &password, T).unwrap();
    assert_eq!(spoken.octets, b"doctor LOGIN \"anna\" \"ge\\\"heim\"\r\n");
    assert!(spoken.secret && !spoken.shown.contains("heim"));
}

#[test]
fn imap_authenticate_is_answered_under_its_tag() {
    let mut talk = Conversation::new(Protocol::Imap, true);
    talk.hear(b"* OK ready\r\n", T);
    let spoken = talk.authenticate(Mechanism::Plain, "anna", &SecretString::from("geheim"), T).unwrap();
    assert_eq!(spoken.octets, b"doctor AUTHENTICATE PLAIN\r\n");
    assert_eq!(said(&talk.hear(b"+ \r\n", T)).len(), 1);
    assert_eq!(statuses(&talk.hear(b"doctor OK in\r\n", T)), ["OK"]);
    assert!(!talk.awaits() && talk.mode() == Mode::Command);
}

proptest! {
    #[test]
    fn any_octets_and_any_lines_are_taken(
        turns in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..60), "(AUTH PLAIN|DATA|BDAT 5|a FETCH 1|STLS|LIST|.{0,12})"), 0..12),
    ) {
        for protocol in [Protocol::Smtp, Protocol::Imap, Protocol::Pop3] {
            let mut talk = Conversation::new(protocol, false);
            for (octets, line) in &turns {
                let spoken = talk.line(line.as_bytes(), T);
                prop_assert!(spoken.octets.ends_with(b"\r\n"));
                for event in talk.hear(octets, T) {
                    if let Event::Line { text, .. } = event {
                        prop_assert!(!text.chars().any(octets::harmful));
                    }
                }
            }
        }
    }

    #[test]
    fn it_does_not_matter_where_a_reply_is_split(at in 0_usize..60) {
        let whole = b"250-mx.example.org\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n220 x\r\n";
        let (one, other) = whole.split_at(at.min(whole.len()));
        let mut talk = smtp();
        talk.line(b"EHLO a.example", T);
        let mut events = talk.hear(one, T);
        events.extend(talk.hear(other, T));
        prop_assert_eq!(shown(&events).len(), 4);
        prop_assert_eq!(statuses(&events), vec!["250", "220"]);
        prop_assert!(talk.capabilities().is_some_and(|c| c.offers("AUTH")));
    }
}
