//! POP3 over a Maildir.

use super::folder::{self, Message};
use super::{Behaviour, Lines, right};
use crate::smtp::Site;

/// Serves a client to the end.
pub(super) async fn talk(site: &Site, behaviour: &Behaviour, mut lines: Lines) -> Option<()> {
    let mut tls = behaviour.implicit;
    let mut user = String::new();
    let mut messages: Option<Vec<Message>> = None;
    lines.say(b"+OK lab mailbox ready").await?;
    loop {
        let line = lines.next().await?;
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let verb = verb.to_ascii_uppercase();
        match (verb.as_str(), messages.as_mut()) {
            ("CAPA", _) => {
                let stls = if tls { "" } else { "STLS\r\n" };
                lines.say(format!("+OK\r\nTOP\r\nUIDL\r\nUSER\r\n{stls}.").as_bytes()).await?;
            }
            ("STLS", None) if !tls => {
                lines.say(b"+OK begin TLS").await?;
                lines.secure(&behaviour.tls).await?;
                tls = true;
            }
            ("USER", None) => {
                user = argument.to_owned();
                lines.say(b"+OK").await?;
            }
            ("PASS", None) => {
                if right(site, behaviour, &user, argument) {
                    messages = Some(folder::messages(&site.store.maildir(&user)));
                    lines.say(b"+OK logged in").await?;
                } else {
                    lines.say(b"-ERR [AUTH] user name or password is wrong").await?;
                }
            }
            ("QUIT", held) => {
                if let Some(held) = held {
                    folder::expunge(held, |_| true);
                }
                return lines.say(b"+OK goodbye").await;
            }
            ("NOOP", _) => lines.say(b"+OK").await?,
            (_, Some(held)) => {
                let answer = transaction(&verb, argument, held);
                lines.say(&answer).await?;
            }
            _ => lines.say(b"-ERR log in first").await?,
        }
    }
}

/// The answer to a command that needs an open mailbox.
fn transaction(verb: &str, argument: &str, held: &mut [Message]) -> Vec<u8> {
    let mut words = argument.split_whitespace();
    let number: Option<usize> = words.next().and_then(|n| n.parse().ok());
    let live = |held: &[Message]| held.iter().filter(|m| !m.deleted).map(|m| m.octets().len()).collect::<Vec<_>>();
    match (verb, number) {
        ("STAT", _) => {
            let sizes = live(held);
            format!("+OK {} {}", sizes.len(), sizes.iter().sum::<usize>()).into_bytes()
        }
        ("LIST", None) => {
            let each = held.iter().zip(1..).filter(|(m, _)| !m.deleted);
            let lines: String = each.map(|(m, n)| format!("{n} {}\r\n", m.octets().len())).collect();
            format!("+OK\r\n{lines}.").into_bytes()
        }
        ("UIDL", None) => {
            let each = held.iter().zip(1..).filter(|(m, _)| !m.deleted);
            let lines: String = each.map(|(m, n)| format!("{n} lab{}\r\n", m.uid)).collect();
            format!("+OK\r\n{lines}.").into_bytes()
        }
        ("RSET", _) => {
            held.iter_mut().for_each(|m| m.deleted = false);
            b"+OK".to_vec()
        }
        (verb, Some(number)) => {
            let Some(message) = number.checked_sub(1).and_then(|at| held.get_mut(at)).filter(|m| !m.deleted) else {
                return b"-ERR no such message".to_vec();
            };
            match verb {
                "LIST" => format!("+OK {number} {}", message.octets().len()).into_bytes(),
                "UIDL" => format!("+OK {number} lab{}", message.uid).into_bytes(),
                "RETR" => whole(&message.octets()),
                "TOP" => whole(&message.header()),
                "DELE" => {
                    message.deleted = true;
                    b"+OK".to_vec()
                }
                _ => b"-ERR unknown command".to_vec(),
            }
        }
        _ => b"-ERR unknown command".to_vec(),
    }
}

/// A message as an answer of several lines, dots stuffed.
fn whole(octets: &[u8]) -> Vec<u8> {
    let mut out = b"+OK\r\n".to_vec();
    let stuffed = maildoctor_wire::dialogue::stuffed(octets);
    out.extend_from_slice(stuffed.strip_suffix(b"\r\n").unwrap_or(&stuffed));
    out
}
