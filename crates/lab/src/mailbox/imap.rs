//! IMAP4rev1 over a Maildir: what a client needs to find, read and remove a message.

use super::folder::{self, Message};
use super::{Behaviour, Lines, right};
use crate::smtp::Site;

struct Session {
    user: Option<String>,
    messages: Option<Vec<Message>>,
    tls: bool,
}

/// Serves a client to the end.
pub(super) async fn talk(site: &Site, behaviour: &Behaviour, mut lines: Lines) -> Option<()> {
    let mut session = Session { user: None, messages: None, tls: behaviour.implicit };
    lines.say(b"* OK [CAPABILITY IMAP4rev1 UIDPLUS] lab mailbox ready").await?;
    loop {
        let line = lines.next().await?;
        let (tag, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let (verb, argument) = rest.split_once(' ').unwrap_or((rest, ""));
        let (verb, argument, by_uid) = match verb.to_ascii_uppercase().as_str() {
            "UID" => {
                let (verb, argument) = argument.split_once(' ').unwrap_or((argument, ""));
                (verb.to_ascii_uppercase(), argument, true)
            }
            verb => (verb.to_owned(), argument, false),
        };
        match verb.as_str() {
            "STARTTLS" if !session.tls => {
                lines.say(format!("{tag} OK begin TLS").as_bytes()).await?;
                lines.secure(&behaviour.tls).await?;
                session.tls = true;
                continue;
            }
            "LOGOUT" => {
                lines.say(b"* BYE").await?;
                return lines.say(format!("{tag} OK").as_bytes()).await;
            }
            _ => {}
        }
        let (untagged, result) = answer(site, behaviour, &mut session, &verb, argument, by_uid);
        for one in untagged {
            lines.say(&one).await?;
        }
        lines.say(format!("{tag} {result}").as_bytes()).await?;
    }
}

type Answer = (Vec<Vec<u8>>, &'static str);

fn answer(
    site: &Site,
    behaviour: &Behaviour,
    session: &mut Session,
    verb: &str,
    argument: &str,
    by_uid: bool,
) -> Answer {
    let none = Vec::new;
    match (verb, &session.user) {
        ("CAPABILITY", _) => {
            let starttls = if session.tls { "" } else { " STARTTLS" };
            (vec![format!("* CAPABILITY IMAP4rev1 UIDPLUS{starttls} AUTH=PLAIN").into_bytes()], "OK done")
        }
        ("NOOP" | "CHECK", _) => (none(), "OK done"),
        ("LOGIN", None) => {
            let words = words(argument);
            let [user, password] = words.as_slice() else { return (none(), "BAD LOGIN wants a user and a password") };
            if right(site, behaviour, user, password) {
                session.user = Some(user.clone());
                (none(), "OK logged in")
            } else {
                (none(), "NO [AUTHENTICATIONFAILED] user name or password is wrong")
            }
        }
        (_, None) => (none(), "NO log in first"),
        ("LIST" | "LSUB", Some(_)) => {
            (vec![b"* LIST () \".\" INBOX".to_vec(), b"* LIST (\\Junk) \".\" Junk".to_vec()], "OK done")
        }
        ("SELECT" | "EXAMINE", Some(user)) => {
            let folder = match words(argument).first().map(|w| w.to_ascii_uppercase()).as_deref() {
                Some("INBOX") => site.store.maildir(user),
                Some("JUNK") => site.store.maildir(user).join(".Junk"),
                _ => return (none(), "NO no such folder"),
            };
            let messages = folder::messages(&folder);
            let lines = vec![
                b"* FLAGS (\\Deleted \\Seen)".to_vec(),
                format!("* {} EXISTS", messages.len()).into_bytes(),
                b"* 0 RECENT".to_vec(),
                b"* OK [UIDVALIDITY 1]".to_vec(),
                format!("* OK [UIDNEXT {}]", messages.len() + 1).into_bytes(),
            ];
            session.messages = Some(messages);
            (lines, "OK done")
        }
        (_, Some(_)) => match session.messages.as_mut() {
            Some(messages) => selected(messages, verb, argument, by_uid),
            None => (none(), "NO open a folder first"),
        },
    }
}

/// Commands on an open folder.
fn selected(messages: &mut Vec<Message>, verb: &str, argument: &str, by_uid: bool) -> Answer {
    match verb {
        "SEARCH" => {
            let hits: String = messages
                .iter()
                .zip(1..)
                .filter(|(m, _)| fits(m, &words(argument)))
                .map(|(m, n): (_, u32)| format!(" {}", if by_uid { m.uid } else { n }))
                .collect();
            (vec![format!("* SEARCH{hits}").into_bytes()], "OK done")
        }
        "FETCH" => {
            let (set, items) = argument.split_once(' ').unwrap_or((argument, ""));
            let items = items.to_ascii_uppercase();
            let lines = each(messages, set, by_uid)
                .into_iter()
                .filter_map(|at| Some(fetched(at + 1, messages.get(at)?, &items)));
            (lines.collect(), "OK done")
        }
        "STORE" => {
            let (set, flags) = argument.split_once(' ').unwrap_or((argument, ""));
            let flags = flags.to_ascii_uppercase();
            let mut lines = Vec::new();
            for at in each(messages, set, by_uid) {
                let Some(message) = messages.get_mut(at) else { continue };
                if flags.contains("\\DELETED") {
                    message.deleted = !flags.starts_with('-');
                }
                let shown = if message.deleted { "\\Deleted" } else { "" };
                lines.push(format!("* {} FETCH (UID {} FLAGS ({shown}))", at + 1, message.uid).into_bytes());
            }
            (lines, "OK done")
        }
        "EXPUNGE" => {
            let set = argument.to_owned();
            let gone = folder::expunge(messages, |uid| !by_uid || in_set(&set, uid, u32::MAX));
            (gone.into_iter().map(|n| format!("* {n} EXPUNGE").into_bytes()).collect(), "OK done")
        }
        "CLOSE" => {
            folder::expunge(messages, |_| true);
            (Vec::new(), "OK done")
        }
        _ => (Vec::new(), "BAD unknown command"),
    }
}

/// One FETCH answer: number, UID, and the parts that were asked for.
fn fetched(number: usize, message: &Message, items: &str) -> Vec<u8> {
    let mut out = format!("* {number} FETCH (UID {}", message.uid).into_bytes();
    if items.contains("FLAGS") {
        out.extend_from_slice(if message.deleted { b" FLAGS (\\Deleted)" } else { b" FLAGS ()" });
    }
    if items.contains("RFC822.SIZE") {
        out.extend_from_slice(format!(" RFC822.SIZE {}", message.octets().len()).as_bytes());
    }
    let part = if items.contains("[HEADER") {
        Some(("BODY[HEADER]", message.header()))
    } else if items.contains("BODY") || items.contains("RFC822)") || items == "RFC822" {
        Some((if items.contains("BODY") { "BODY[]" } else { "RFC822" }, message.octets()))
    } else {
        None
    };
    if let Some((name, octets)) = part {
        out.extend_from_slice(format!(" {name} {{{}}}\r\n", octets.len()).as_bytes());
        out.extend_from_slice(&octets);
    }
    out.push(b')');
    out
}

/// Whether a message fits ALL, or HEADER name text, or SUBJECT text.
fn fits(message: &Message, criteria: &[String]) -> bool {
    let header = String::from_utf8_lossy(&message.header()).to_ascii_lowercase();
    let has = |name: &str, text: &str| {
        let start = format!("{}:", name.to_ascii_lowercase());
        header.lines().any(|line| line.starts_with(&start) && line.contains(&text.to_ascii_lowercase()))
    };
    let upper: Vec<String> = criteria.iter().map(|c| c.to_ascii_uppercase()).collect();
    match (upper.first().map(String::as_str), criteria) {
        (Some("HEADER"), [_, name, text, ..]) => has(name, text),
        (Some("SUBJECT"), [_, text, ..]) => has("subject", text),
        _ => true,
    }
}

/// The places of the messages that a set names.
fn each(messages: &[Message], set: &str, by_uid: bool) -> Vec<usize> {
    let last = messages.last().map_or(0, |m| m.uid);
    (0..messages.len())
        .filter(|&at| {
            let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
            let named = if by_uid { messages.get(at).map_or(0, |m| m.uid) } else { number };
            in_set(set, named, last)
        })
        .collect()
}

/// Whether a number is in a set such as `1,3:5,7:*`.
fn in_set(set: &str, number: u32, last: u32) -> bool {
    let value = |text: &str| if text == "*" { Some(last) } else { text.parse().ok() };
    set.split(',').any(|part| match part.split_once(':') {
        Some((from, to)) => match (value(from), value(to)) {
            (Some(from), Some(to)) => (from.min(to)..=from.max(to)).contains(&number),
            _ => false,
        },
        None => value(part) == Some(number),
    })
}

/// The words of an argument: atoms and quoted strings.
fn words(argument: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = argument.trim_start();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('"') {
            let mut word = String::new();
            let mut chars = inner.chars();
            loop {
                match chars.next() {
                    Some('\\') => word.extend(chars.next()),
                    Some('"') | None => break,
                    Some(c) => word.push(c),
                }
            }
            out.push(word);
            rest = chars.as_str().trim_start();
        } else {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            out.push(word.to_owned());
            rest = after.trim_start();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_sets() {
        assert_eq!(words(r#""anna@lab.example" "a \"b\" c" INBOX"#), ["anna@lab.example", "a \"b\" c", "INBOX"]);
        assert!(in_set("1,3:5", 4, 9) && in_set("7:*", 9, 9) && !in_set("1,3:5", 2, 9));
    }
}
