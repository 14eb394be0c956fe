//! Who changed or passed on a message besides the servers: mailing lists and forwarders, as the header shows them.

use crate::questions::trace::{List, Message, domain_of};

/// The most stations that are told.
const MAX: usize = 20;

/// What the header shows of lists and forwarders, a sentence each.
pub(super) fn of(message: &Message) -> Vec<String> {
    let mut out = Vec::new();
    match message.list() {
        Some(List { id, passes_on: true }) => {
            let tag = message.value("Subject").is_some_and(|s| s.trim_start_matches("Re: ").starts_with('['));
            let tag = if tag { "; the subject begins with a tag in brackets, as lists put there" } else { "" };
            out.push(format!(
                "the mailing list {id} passed it on{tag}. What a list changes breaks the author's DKIM signature"
            ));
        }
        Some(List { id, .. }) => {
            out.push(format!("it is a mailing, {id}, which its author sends and nobody passes on"));
        }
        None => {}
    }
    let original = ["X-Original-From", "Original-From"].into_iter().find_map(|name| message.value(name));
    if let Some(author) = original {
        let from = message.author_domain().unwrap_or_else(|| "another domain".to_owned());
        out.push(format!("the author was {author}; the From was rewritten to {from}, so that DMARC can pass"));
    }
    out.extend(message.value("Return-Path").and_then(rewritten));
    if let (Some(original), Some(delivered)) = (message.value("X-Original-To"), message.value("Delivered-To"))
        && !original.eq_ignore_ascii_case(delivered)
    {
        out.push(format!("mail for {original} is delivered to {delivered}: an alias or a rule leads there"));
    }
    for name in ["Resent-From", "X-Forwarded-For", "X-Forwarded-To"] {
        out.extend(message.value(name).map(|value| format!("it was forwarded ({name}: {value})")));
    }
    let source = message.value("X-MS-Exchange-Generated-Message-Source");
    if source.is_some_and(|source| source.eq_ignore_ascii_case("Mailbox Rules Agent")) {
        out.push("a rule of a mailbox of Exchange passed it on".to_owned());
    }
    let seals = sealers(message);
    if !seals.is_empty() {
        out.push(format!("it was sealed on its way by ARC, in this order: {}", seals.join(", ")));
    }
    out.truncate(MAX);
    out
}

/// Who sealed it, by the number of the seal (RFC 8617 section 4.2.1).
fn sealers(message: &Message) -> Vec<String> {
    let tag = |seal: &str, name: &str| {
        let tags = seal.split(';').filter_map(|tag| tag.split_once('='));
        tags.map(|(key, value)| (key.trim(), value))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim().to_owned())
    };
    let seals = message.values("ARC-Seal").take(MAX);
    let mut seals: Vec<(u8, String)> =
        seals.filter_map(|seal| Some((tag(seal, "i")?.parse().ok()?, tag(seal, "d")?))).collect();
    seals.sort();
    seals.into_iter().map(|(_, domain)| domain).collect()
}

/// An envelope sender by the sender rewriting scheme: `SRS0=hash=stamp=domain=local@forwarder`, and `SRS1=` where a
/// second forwarder wrote it anew. Gmail writes `bob+caf_=carol=example.net@gmail.com` for what bob has sent on to carol.
fn rewritten(path: &str) -> Option<String> {
    let path = path.trim_matches(['<', '>', ' ']);
    let (local, _) = path.rsplit_once('@')?;
    let local = local.trim_matches('"');
    let forwarder = domain_of(path)?;
    if let Some((user, to)) = local.split_once("+caf_=") {
        let to = to.replacen('=', "@", 1);
        return Some(format!("{user}@{forwarder} forwards mail to {to}, and forwarded this one"));
    }
    let head = local.get(..4)?.to_ascii_uppercase();
    let rest = local.get(5..)?;
    let mut parts = rest.split(['=']);
    match head.as_str() {
        "SRS0" => {
            let (_, _, domain) = (parts.next()?, parts.next()?, parts.next()?);
            let user: Vec<_> = parts.collect();
            Some(format!("{forwarder} forwarded it, and rewrote its sender {}@{domain} (SRS)", user.join("=")))
        }
        "SRS1" => Some(format!("{forwarder} forwarded it, and another forwarder did before (SRS1)")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewritten_senders() {
        let srs = rewritten("<SRS0=HHH=TT=example.net=anna@forward.example.org>").unwrap();
        assert!(srs.contains("forward.example.org") && srs.contains("anna@example.net"), "{srs}");
        assert_eq!(rewritten("<anna@example.org>"), None);
        let quoted = rewritten("\"SRS0=HHH=TT=example.net=anna\"@forward.example.org").unwrap();
        assert!(quoted.contains("anna@example.net"), "{quoted}");
        let gmail = rewritten("<bob+caf_=carol=example.net@gmail.com>").unwrap();
        assert!(gmail.starts_with("bob@gmail.com forwards mail to carol@example.net"), "{gmail}");
        assert_eq!(rewritten("<SRS0@x>"), None);
        assert_eq!(rewritten("<é>"), None);
    }
}
