//! What keeps a message in the queue, read from the words in which Postfix or Exim gives the reason.

use std::net::IpAddr;

/// What kept a message from being delivered, as far as the words tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The agent that delivers on this machine cannot be used.
    Agent,
    /// A server outside does not answer on port 25.
    Silent(IpAddr),
    /// The disk is full.
    Disk,
    /// Something else.
    Other,
}

/// What the agents of a machine, and the programs around them, complain of.
const AGENT: [&str; 11] = [
    "mail transport unavailable",
    "unknown mail transport error",
    "command died",
    "command time limit exceeded",
    "child process of ",
    "failed to connect to socket",
    "maildir delivery failed",
    "cannot update mailbox",
    "unable to create lock file",
    "internal error occurred",
    "temporary internal error",
];

const DISK: [&str; 3] = ["no space left on device", "insufficient system storage", "disk quota exceeded"];

/// Why a socket or a file of this machine cannot be used.
const SHUT: [&str; 6] = [
    "connection refused",
    "no such file or directory",
    "permission denied",
    "connection timed out",
    "not a directory",
    "lost connection",
];

/// How a firewall on the way looks: silence, or an answer that nobody is there.
const SILENT: [&str; 2] = ["connection timed out", "no route to host"];

/// Reads a reason in Postfix's or Exim's words.
pub fn obstacle(reason: &str) -> Obstacle {
    let lower = reason.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    // A reply is quoted as `host NAME[ADDRESS] said: …`: whatever stands in it is the words of somebody else.
    let Some((peer, port)) = peer(&lower) else {
        if says(&DISK) {
            return Obstacle::Disk;
        }
        let local_in_exim = lower.contains(" t=") && lower.contains(" defer (") && says(&SHUT);
        return if says(&AGENT) || local_in_exim { Obstacle::Agent } else { Obstacle::Other };
    };
    let on_this_machine = peer.contains('/') || peer.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match peer.parse::<IpAddr>() {
        _ if on_this_machine && says(&DISK) => Obstacle::Disk,
        _ if on_this_machine && (says(&SHUT) || says(&AGENT)) => Obstacle::Agent,
        Ok(ip) if !on_this_machine && port.is_none_or(|port| port == 25) && says(&SILENT) => Obstacle::Silent(ip),
        _ => Obstacle::Other,
    }
}

/// The socket of this machine that a reason complains of, as the settings name it.
pub fn socket(reason: &str) -> Option<&str> {
    let (_, from) = reason.split_once('[')?;
    let (peer, _) = from.split_once(']')?;
    peer.contains('/').then_some(peer)
}

/// Whether a server outside answered, whatever it said: then the way out is open.
pub fn outside_answered(reason: &str) -> bool {
    let lower = reason.to_ascii_lowercase();
    let answered = ["said:", "refused to talk", "lost connection", "connection refused", "error from remote", "tls"];
    peer(&lower).is_some_and(|(peer, _)| peer.parse::<IpAddr>().is_ok_and(|ip| !ip.is_loopback()))
        && answered.iter().any(|word| lower.contains(word))
}

/// `connect to NAME[PEER]:25: …`, `host NAME[PEER] said: …` (Postfix), or `H=NAME [PEER]` (Exim): the peer, an address or a
/// socket, and its port where it is said.
fn peer(lower: &str) -> Option<(&str, Option<u16>)> {
    let marks = ["connect to ", "connection with ", "conversation with ", " h=", "host "];
    let at = marks.iter().find_map(|mark| lower.find(mark))?;
    let (_, from) = lower.get(at..)?.split_once('[')?;
    let (peer, after) = from.split_once(']')?;
    let port = after.strip_prefix(':').and_then(|rest| rest.split(':').next()?.trim().parse().ok());
    Some((peer, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reasons_tell_what_is_in_the_way() {
        let outside: IpAddr = "198.51.100.80".parse().unwrap();
        for (reason, is) in [
            ("mail transport unavailable", Obstacle::Agent),
            ("connect to mx1.clinic.example[private/dovecot-lmtp]: No such file or directory", Obstacle::Agent),
            ("connect to 127.0.0.1[127.0.0.1]:10024: Connection refused", Obstacle::Agent),
            (
                "lost connection with mx1[private/dovecot-lmtp] while receiving the initial server greeting",
                Obstacle::Agent,
            ),
            ("host mx1[private/dovecot-lmtp] said: 451 4.2.0 <anna> Internal error occurred", Obstacle::Agent),
            ("host mx1[private/dovecot-lmtp] said: 452 4.2.2 <anna> Mailbox is full", Obstacle::Other),
            ("maildir delivery failed: create maildir file /var/vmail/anna/tmp/1: Permission denied", Obstacle::Agent),
            (
                "R=local T=lmtp defer (2): No such file or directory: failed to connect to socket /run/lmtp",
                Obstacle::Agent,
            ),
            ("R=local T=maildir_home defer (13): Permission denied: creating lock file", Obstacle::Agent),
            ("R=local T=maildir defer (-22): mailbox is full (MTA-imposed quota exceeded)", Obstacle::Other),
            ("connect to mail.outside.example[198.51.100.80]:25: Connection timed out", Obstacle::Silent(outside)),
            ("connect to mail.outside.example[198.51.100.80]:25: No route to host", Obstacle::Silent(outside)),
            (
                "R=dnslookup T=remote_smtp defer (110): Connection timed out H=mail.outside.example [198.51.100.80]",
                Obstacle::Silent(outside),
            ),
            ("connect to mail.outside.example[2001:db8::1]:25: Network is unreachable", Obstacle::Other),
            ("connect to mail.outside.example[198.51.100.80]:25: Connection refused", Obstacle::Other),
            ("connect to relay.example[198.51.100.80]:587: Connection timed out", Obstacle::Other),
            ("host mail.outside.example[198.51.100.80] said: 451 4.3.0 internal error occurred", Obstacle::Other),
            ("cannot update mailbox /var/mail/anna: No space left on device", Obstacle::Disk),
            ("host mail.outside.example[198.51.100.80] said: 452 4.3.1 Insufficient system storage", Obstacle::Other),
            (
                "lmtp(anna@clinic.example): Error: write(/var/vmail/anna/tmp/1) failed: No space left on device",
                Obstacle::Disk,
            ),
            (
                "Host or domain name not found. Name service error for name=x.example type=MX: Host not found",
                Obstacle::Other,
            ),
        ] {
            assert_eq!(obstacle(reason), is, "{reason}");
        }
    }

    #[test]
    fn any_word_from_outside_shows_that_the_way_out_is_open() {
        for (reason, is) in [
            ("host mail.outside.example[198.51.100.80] said: 450 4.2.0 greylisted", true),
            ("connect to mail.outside.example[198.51.100.80]:25: Connection refused", true),
            ("connect to mail.outside.example[198.51.100.80]:25: Connection timed out", false),
            ("host mx1[private/dovecot-lmtp] said: 452 4.2.2 full", false),
            ("connect to 127.0.0.1[127.0.0.1]:10024: Connection refused", false),
        ] {
            assert_eq!(outside_answered(reason), is, "{reason}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~]{0,200}") {
            let _ = (obstacle(&text), outside_answered(&text));
        }
    }
}
