//! What OpenSMTPD says in its log of a message: the one reader of its lines, for the host's log and for whole logs
//! alike.

use memchr::memmem::find;

/// How a try to deliver ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Delivered.
    Done,
    /// It will be tried again.
    Later,
    /// Given up.
    Failed,
}

/// A try to deliver, in the octets of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery<'l> {
    /// The envelope's number.
    pub envelope: &'l [u8],
    /// The recipient.
    pub recipient: &'l [u8],
    /// Who was asked; empty where it was a mailbox of this machine.
    pub relay: &'l [u8],
    /// How it ended.
    pub ended: Ended,
    /// What was said.
    pub said: &'l [u8],
}

/// `… mta delivery evpid=… from=<…> to=<…> rcpt=<-> source="…" relay="192.0.2.1 (mx.example.net)" delay=2s
/// result="PermFail" stat="550 …"`, or, to a mailbox of this machine, `… mda delivery evpid=… from=<…> to=<…> rcpt=<…>
/// user=anna delay=0s result=Ok stat=Delivered`.
pub fn delivery(line: &[u8]) -> Option<Delivery<'_>> {
    let at = find(line, b" result=")?;
    let (before, result) = line.split_at_checked(at)?;
    let (result, said) = split(result.strip_prefix(b" result=")?, b" stat=")?;
    let ended = match unquoted(result) {
        b"Ok" => Ended::Done,
        b"TempFail" | b"Loop" => Ended::Later,
        b"PermFail" => Ended::Failed,
        _ => return None,
    };
    Some(Delivery {
        envelope: until(behind(before, b"evpid=")?, b' '),
        recipient: until(behind(before, b" to=<")?, b'>'),
        relay: behind(before, b" relay=").map(unquoted).unwrap_or_default(),
        ended,
        said: unquoted(said),
    })
}

/// `relay: Expire for 11aa22bb33cc44dd: from=<…>, to=<…>, rcpt=<->, delay=4d, stat=Envelope expired`: what was tried until its time
/// was over.
pub fn expired(line: &[u8]) -> Option<Delivery<'_>> {
    let rest = behind(line, b": Expire for ")?;
    let said = behind(rest, b", stat=")?;
    Some(Delivery {
        envelope: until(rest, b':'),
        recipient: until(behind(rest, b" to=<")?, b'>'),
        relay: &[],
        ended: Ended::Failed,
        said,
    })
}

/// Whether a line, from the envelope's number on, says that the message was given up.
pub fn gave_up(end: &str) -> bool {
    let (_, rest) = end.split_once(' ').unwrap_or_default();
    let failed = [" result=PermFail stat=", " result=\"PermFail\" stat=", ", stat=Envelope expired"];
    rest.starts_with("from=<") && failed.iter().any(|mark| rest.contains(mark))
}

/// The message that a line is about: the first half of its envelopes' numbers, which is also what the client was told.
pub fn message_id(line: &str) -> Option<&str> {
    let own = line.contains("smtpd[");
    let mark = [" msgid=", " evpid=", ": Expire for "].into_iter().find(|mark| own && line.contains(mark))?;
    let (_, id) = line.split_once(mark)?;
    let (id, rest) = id.split_at_checked(8)?;
    let plain = |text: &str| text.bytes().all(|octet| octet.is_ascii_hexdigit());
    // A message has eight digits, an envelope of it as many more.
    let ends = rest.starts_with(' ') || rest.is_empty() || rest.get(..8).is_some_and(plain);
    (plain(id) && ends).then_some(id)
}

/// The session that a line opens, and who came: `smtpd[7]: 0bf651103d4687f2 smtp connected address=192.0.2.9 host=…`.
pub fn connected(message: &str) -> Option<(&str, &str)> {
    let (session, rest) = message.split_once(" smtp connected address=")?;
    Some((session, rest.split(' ').next()?))
}

fn behind<'l>(line: &'l [u8], mark: &[u8]) -> Option<&'l [u8]> {
    line.get(find(line, mark)? + mark.len()..)
}

fn until(text: &[u8], end: u8) -> &[u8] {
    text.split(|octet| *octet == end).next().unwrap_or_default()
}

fn split<'l>(text: &'l [u8], at: &[u8]) -> Option<(&'l [u8], &'l [u8])> {
    let place = find(text, at)?;
    Some((text.get(..place)?, text.get(place + at.len()..)?))
}

/// A value without its quotes; what has none ends with the word, unless it is the last.
fn unquoted(value: &[u8]) -> &[u8] {
    match value.strip_prefix(b"\"") {
        Some(rest) => rest.strip_suffix(b"\"").unwrap_or_else(|| until(rest, b'"')),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SENT: &str = "Nov 30 21:10:54 mx smtpd[135]: 0000000000000000 mta delivery evpid=5fad93b8cafb75ca from=<a@x.example> to=<b@y.example> rcpt=<-> source=\"-\" relay=\"y.example\" delay=11s result=\"TempFail\" stat=\"Network error on destination MXs\"";
    const KEPT: &str = "Nov 30 21:10:41 mx smtpd[135]: 0bf6511164fe4be6 mda delivery evpid=20680357d778a878 from=<a@x.example> to=<root@y.example> rcpt=<root@y.example> user=anna delay=0s result=PermFail stat=Error (permission denied: x)";

    #[test]
    fn deliveries_to_others_and_to_mailboxes_are_read() {
        let sent = delivery(SENT.as_bytes()).unwrap();
        assert_eq!((sent.ended, sent.relay), (Ended::Later, b"y.example".as_slice()));
        assert_eq!(sent.said, b"Network error on destination MXs");
        let kept = delivery(KEPT.as_bytes()).unwrap();
        assert_eq!((kept.envelope, kept.recipient), (b"20680357d778a878".as_slice(), b"root@y.example".as_slice()));
        assert_eq!((kept.ended, kept.said), (Ended::Failed, b"Error (permission denied: x)".as_slice()));
        let refused =
            "smtpd[1]: 0bf6 smtp failed-command command=\"RCPT TO:<x>\" result=\"550 Invalid recipient: <x>\"";
        assert_eq!(delivery(refused.as_bytes()), None);
        let end = |line: &'static str, id: &str| line.find(id).and_then(|at| line.get(at..)).unwrap();
        assert!(gave_up(end(KEPT, "20680357")) && !gave_up(end(SENT, "5fad93b8")));
        assert!(gave_up("11aa22bb33cc44dd: from=<a@x>, to=<b@y>, rcpt=<->, delay=4d, stat=Envelope expired"));
        // Who was asked chose these words.
        assert!(!gave_up("4F1A2B3C4D: to=<b@y>, status=sent (250 from=< result=PermFail stat=)"));
    }

    #[test]
    fn a_line_is_of_a_message_by_the_first_half_of_its_envelope() {
        assert_eq!(message_id(SENT), Some("5fad93b8"));
        assert_eq!(
            message_id("smtpd[9]: 0bf6 smtp message msgid=20680357 size=668 nrcpt=1 proto=ESMTP"),
            Some("20680357")
        );
        assert_eq!(message_id("smtpd[8]: relay: Expire for 11aa22bb33cc44dd: from=<>, to=<x@y>"), Some("11aa22bb"));
        assert_eq!(message_id("smtpd[8]: x evpid=none"), None);
        assert_eq!(
            connected("0bf651103d4687f2 smtp connected address=192.0.2.9 host=x"),
            Some(("0bf651103d4687f2", "192.0.2.9"))
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,200}") {
            let line = format!("{SENT}{text}");
            let _ = (delivery(line.as_bytes()), expired(text.as_bytes()), message_id(&text), connected(&text));
        }
    }
}
