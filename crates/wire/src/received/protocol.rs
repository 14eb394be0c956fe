//! The protocol of a hop, TLS and logins (RFC 3848, RFC 6531 section 4.3), and the words of servers beside the registry.

use super::Clause;

/// Names of the registry without TLS; with `S` behind it or before an `A` each is one with TLS, with `A` one with a login.
const PLAIN: [&str; 5] = ["SMTP", "ESMTP", "LMTP", "UTF8SMTP", "UTF8LMTP"];

/// The most words of a protocol's name.
const MAX_WORDS: usize = 4;

/// The protocol that a `with` names: one word of the registry, or the server's own words.
pub(super) fn name(with: &Clause<'_>) -> Option<String> {
    let first = with.word()?;
    if is_known(&first) {
        return Some(first);
    }
    let words: Vec<&str> = with.words.iter().take(MAX_WORDS).copied().collect();
    Some(words.join(" ").trim_matches(['[', ']', '<', '>', ',', ':', ' ']).to_owned()).filter(|name| !name.is_empty())
}

/// Whether a word is a protocol's name.
pub(super) fn is_known(word: &str) -> bool {
    let word = word.to_ascii_uppercase();
    base(&word).is_some() || matches!(word.as_str(), "HTTP" | "HTTPS" | "SMTPS" | "ASMTP" | "LOCAL" | "MAPI")
}

/// The name of the registry that a protocol extends, and what is added to it.
fn base(protocol: &str) -> Option<&str> {
    PLAIN.iter().find_map(|name| protocol.strip_prefix(name)).filter(|added| matches!(*added, "" | "S" | "A" | "SA"))
}

/// Whether a protocol is one with TLS; `None` where its name does not tell.
pub(super) fn is_encrypted(with: &str) -> Option<bool> {
    let with = with.to_ascii_uppercase();
    let mut told = None;
    for word in with.split([' ', '/', '-', '_']) {
        match (base(word), word) {
            (Some("S" | "SA"), _) | (None, "TLS" | "SMTPS" | "HTTPS" | "SSMTP") => return Some(true),
            (Some(_), _) => told = Some(false),
            _ => {}
        }
    }
    told
}

/// Whether a protocol is one with a login.
pub(super) fn is_authenticated(with: &str) -> bool {
    let with = with.to_ascii_uppercase();
    with.split([' ', '/', '-']).any(|word| word == "ASMTP" || matches!(base(word), Some("A" | "SA")))
}

/// Whether a protocol takes mail out of a mailbox.
pub(super) fn is_of_mailbox(with: &str) -> bool {
    let first = with.split([' ', '/', '-']).next().unwrap_or_default().to_ascii_uppercase();
    matches!(first.as_str(), "POP3" | "POP3S" | "POP2" | "APOP" | "KPOP" | "SDPS" | "IMAP" | "IMAPS" | "IMAP4" | "POP")
}

/// Whether a comment tells of a login, in the words of Postfix, Sendmail, Courier, CommuniGate, webmail …
pub(super) fn tells_login(comment: &str) -> bool {
    let comment = comment.trim_start().to_ascii_lowercase();
    let denied = ["not authenticated", "unauthenticated"].iter().any(|words| comment.contains(words));
    comment.contains("authenticated") && !denied
        || ["auth:", "auth=", "account "].iter().any(|head| comment.starts_with(head))
}

/// Whether a clause tells of TLS, with or without a version.
pub(super) fn tells_tls(clause: &Clause<'_>) -> bool {
    let secured = clause.words.windows(2).any(|pair| matches!(pair, ["TLS", "secured"]));
    secured
        || clause.comments.iter().any(|comment| {
            let text = comment.trim().to_ascii_uppercase();
            ["TLS", "SSL"].iter().any(|head| text.starts_with(head))
                || ["CIPHER", "TLSV", "SSLV", "VERSION=TLS"].iter().any(|word| text.contains(word))
                || text.ends_with(" ENCRYPTED")
        })
}

/// The version of TLS as the servers write it: `TLSv1.3` (Postfix, Sendmail), `TLS1.3` and `TLS-1.3` (Exim), `TLS1_3`
/// (Gmail, Exchange). `TLSv1/SSLv3` is no version: so OpenSSL called the ciphers that both have.
pub(super) fn version(clause: &Clause<'_>) -> Option<String> {
    let with = clause.words.iter().filter(|_| clause.keyword == "with");
    clause.comments.iter().chain(with).find_map(|text| {
        text.match_indices("TLS").find_map(|(at, _)| {
            let rest = text.get(at + 3..).filter(|rest| !rest.starts_with("v1/"))?;
            let mut signs = rest.strip_prefix(['v', '-', ' ']).unwrap_or(rest).chars();
            let major = signs.next().filter(char::is_ascii_digit)?;
            let minor = match signs.next() {
                Some('.' | '_') => signs.next().filter(char::is_ascii_digit)?,
                // `TLS12`
                Some(minor) if minor.is_ascii_digit() => minor,
                _ => '0',
            };
            Some(format!("{major}.{minor}"))
        })
    })
}
