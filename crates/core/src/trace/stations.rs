//! Who changed or passed on a message besides the servers: mailing lists and forwarders, as the header shows them.

use crate::questions::trace::{Message, domain_of};

/// The most stations that are told.
const MAX: usize = 20;

/// What the header shows of lists and forwarders, a sentence each.
pub(super) fn of(message: &Message) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(list) = message.value("List-Id") {
        let id = list.rsplit_once('<').map_or(list, |(_, id)| id).trim_matches(['>', ' ']);
        let tag = message.value("Subject").is_some_and(|s| s.trim_start_matches("Re: ").starts_with('['));
        let tag = if tag { "; the subject begins with a tag in brackets, as lists put there" } else { "" };
        out.push(format!(
            "the mailing list {id} passed it on{tag}. What a list changes breaks the author's DKIM signature"
        ));
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
    let seals: Vec<String> = message
        .values("ARC-Seal")
        .filter_map(|seal| seal.split(';').find_map(|tag| tag.trim().strip_prefix("d=").map(str::to_owned)))
        .take(MAX)
        .collect();
    if !seals.is_empty() {
        let who: Vec<_> = seals.into_iter().rev().collect();
        out.push(format!("it was sealed on its way by ARC, in this order: {}", who.join(", ")));
    }
    out.truncate(MAX);
    out
}

/// An envelope sender by the sender rewriting scheme: `SRS0=hash=stamp=domain=local@forwarder`, and `SRS1=` where a
/// second forwarder wrote it anew.
fn rewritten(path: &str) -> Option<String> {
    let path = path.trim_matches(['<', '>', ' ']);
    let (local, _) = path.rsplit_once('@')?;
    let forwarder = domain_of(path)?;
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
        assert_eq!(rewritten("<SRS0@x>"), None);
        assert_eq!(rewritten("<é>"), None);
    }
}
