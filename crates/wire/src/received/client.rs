//! Who handed a message over, as the `from` of a Received header tells it: the address, and the name of the greeting.

use std::net::{IpAddr, Ipv4Addr};

/// The name of HELO or EHLO, where it stands in a comment: `helo=NAME` (Exim), `HELO NAME` (qmail, CommuniGate),
/// `EHLO NAME` (Yahoo), `"EHLO NAME"` (ZMailer).
pub(super) fn greeting(comments: &[&str]) -> Option<String> {
    comments.iter().find_map(|comment| {
        let words: Vec<&str> = comment.split_whitespace().collect();
        let name = words
            .iter()
            .zip(words.iter().skip(1).map(Some).chain([None]))
            .find_map(|(word, next)| assigned(word, "helo=").or_else(|| next.copied().filter(|_| is_greeting(word))))?;
        let name = name.trim_matches(['"', '?', ',']);
        (!name.is_empty()).then(|| name.to_owned())
    })
}

/// The client's address as the server saw it: in brackets in a comment, bare in a comment (qmail, Exchange), and only then
/// what stands outside. Of several the last: names before it are the client's own word.
pub(super) fn address(words: &[&str], comments: &[&str]) -> Option<IpAddr> {
    let seen: Vec<&str> = comments.iter().flat_map(|comment| without_greeting(comment)).collect();
    let last = |words: &[&str], read: fn(&str) -> Option<IpAddr>| words.iter().rev().find_map(|word| read(word));
    last(&seen, bracketed)
        .or_else(|| last(&seen, bare))
        .or_else(|| last(words, bracketed))
        .or_else(|| words.first().and_then(|word| bare(word)))
}

/// The words of a comment but those that the client chose.
fn without_greeting(comment: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut words = comment.split_whitespace();
    while let Some(word) = words.next() {
        if is_greeting(word) {
            words.next();
        } else if assigned(word, "helo=").is_none() && assigned(word, "ident=").is_none() {
            out.push(word);
        }
    }
    out
}

fn is_greeting(word: &str) -> bool {
    let word = word.trim_start_matches('"');
    word.eq_ignore_ascii_case("HELO") || word.eq_ignore_ascii_case("EHLO")
}

/// The value behind a key with its equals sign.
fn assigned<'w>(word: &'w str, key: &str) -> Option<&'w str> {
    let (head, value) = word.split_at_checked(key.len())?;
    head.eq_ignore_ascii_case(key).then_some(value)
}

fn bracketed(word: &str) -> Option<IpAddr> {
    let inner = word.rsplit_once('[')?.1.split(']').next()?;
    literal(inner).or_else(|| {
        // Old Exim wrote the port behind another dot.
        let (address, port) = inner.rsplit_once('.')?;
        port.parse::<u16>().ok()?;
        Some(IpAddr::V4(address.parse().ok()?))
    })
}

fn bare(word: &str) -> Option<IpAddr> {
    literal(word.trim_matches(['(', ')', ',', ';', '"', '<', '>']))
}

/// An address with what may stand around it: `ident@`, `IPv6:`, a zone, a port.
fn literal(text: &str) -> Option<IpAddr> {
    let text = text.rsplit('@').next()?;
    let text = assigned(text, "IPv6:").unwrap_or(text).split('%').next()?;
    let with_port = || {
        let (address, port) = text.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        address.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    };
    let address = text.parse::<IpAddr>().ok().or_else(with_port)?.to_canonical();
    (!address.is_unspecified()).then_some(address)
}
