//! Received headers (RFC 5321 section 4.4) and the dates in them (RFC 5322 section 3.3).
//!
//! Servers keep to the grammar loosely: clauses stand in any order, names have several words, the date follows without a
//! semicolon. What is not understood is left out; what is read is what the server itself wrote down.

mod client;
mod date;
mod protocol;
#[cfg(test)]
mod tests;
mod tokens;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use date::parse_date;
use tokens::{Token, tokens};

/// One hop, as its Received header tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The name or literal after `from`; the name of the greeting where the server knew no other.
    pub from: Option<String>,
    /// The host after `by`.
    pub by: Option<String>,
    /// The protocol after `with`: `ESMTPS`, `LMTP`, `Microsoft SMTP Server` …
    pub with: Option<String>,
    /// The queue id after `id`.
    pub id: Option<String>,
    /// The recipient after `for`.
    pub recipient: Option<String>,
    /// The time, in seconds since 1970.
    pub at: Option<i64>,
    /// The client's address, as the server saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The name of HELO or EHLO, where the server wrote it beside another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helo: Option<String>,
    /// The version of TLS, where the server wrote it down: `1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Whether the server writes of TLS outside the protocol's name: a cipher, or that the channel is secured.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secured: bool,
    /// Whether the server writes of a login outside the protocol's name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub logged_in: bool,
}

impl Hop {
    /// Whether the message came by TLS: the server says so, or the protocol's name (RFC 3848, RFC 6531 section 4.3).
    /// `None` where neither tells: a name without S also stands where a server does not keep to RFC 3848.
    pub fn is_encrypted(&self) -> Option<bool> {
        if self.tls.is_some() || self.secured { Some(true) } else { protocol::is_encrypted(self.with.as_deref()?) }
    }

    /// Whether the client had logged in: the server says so, or the protocol's name (RFC 3848).
    pub fn is_authenticated(&self) -> bool {
        self.logged_in || self.with.as_deref().is_some_and(protocol::is_authenticated)
    }

    /// Whether the message was fetched from a mailbox: the way of mail had ended before.
    pub fn is_fetched(&self) -> bool {
        self.with.as_deref().is_some_and(protocol::is_of_mailbox)
    }
}

/// Reads the value of a Received header, unfolded or folded.
pub fn parse(value: &str) -> Hop {
    let (clauses, at) = divided(tokens(value));
    let clause = |keyword: &str| clauses.iter().find(|clause| clause.keyword == keyword);
    let first = |keyword: &str| clause(keyword).and_then(Clause::word);
    let with = clause("with").and_then(protocol::name);
    let via = || first("via").filter(|word| protocol::is_known(word));
    let mut hop = Hop {
        by: clause("by").and_then(Clause::host),
        with: with.or_else(via),
        id: first("id"),
        recipient: first("for"),
        at,
        ..Hop::default()
    };
    // `(from anna@localhost)` (Sendmail).
    let inner = clauses.first().and_then(|clause| clause.comments.first()).filter(|_| clause("from").is_none());
    let inner = inner.filter(|comment| comment.starts_with("from "));
    let inner = inner.map(|comment| divided(tokens(comment)).0).unwrap_or_default();
    if let Some(from) = clause("from").or_else(|| inner.iter().find(|clause| clause.keyword == "from")) {
        hop.address = client::address(&from.words, &from.comments);
        hop.helo = client::greeting(&from.comments);
        hop.from = from.host().filter(|name| !is_nameless(name) || hop.helo.is_none()).or_else(|| hop.helo.clone());
        hop.helo = hop.helo.filter(|name| hop.from.as_ref() != Some(name));
    }
    // Exchange writes its own version there.
    let is_exchange = |with: &str| with.starts_with("Microsoft SMTP Server") || with.eq_ignore_ascii_case("mapi");
    if hop.with.as_deref().is_some_and(is_exchange) {
        hop.id = None;
    }
    for clause in &clauses {
        hop.logged_in |= clause.comments.iter().any(|comment| protocol::tells_login(comment));
        hop.secured |= protocol::tells_tls(clause);
        hop.tls = hop.tls.take().or_else(|| protocol::version(clause));
    }
    hop
}

/// Whether a server wrote this where it knew no name of the client.
fn is_nameless(name: &str) -> bool {
    name.eq_ignore_ascii_case("unknown") || client::address(&[name], &[]).is_some()
}

/// A keyword with what follows it.
#[derive(Debug, Default)]
struct Clause<'h> {
    /// In lower case; empty for what stands before the first.
    keyword: String,
    words: Vec<&'h str>,
    comments: Vec<&'h str>,
}

impl Clause<'_> {
    fn word(&self) -> Option<String> {
        let word = self.words.first()?.trim_matches(['<', '>', ';', ',']);
        (!word.is_empty()).then(|| word.to_owned())
    }

    /// A host; and a name of several words, which is none: `mail pickup service`.
    fn host(&self) -> Option<String> {
        let first = self.word()?;
        let is_plain = |word: &str| word.bytes().all(|b| b.is_ascii_alphabetic());
        let more =
            self.words.iter().skip(1).take(3).take_while(|word| is_plain(word) && !word.eq_ignore_ascii_case("over"));
        Some(if is_plain(&first) {
            std::iter::once(first.as_str()).chain(more.copied()).collect::<Vec<_>>().join(" ")
        } else {
            first
        })
    }
}

const KEYWORDS: [&str; 6] = ["from", "by", "via", "with", "id", "for"];

/// The clauses of a header, and its date: behind the last semicolon, or at the end where none stands before it.
fn divided(tokens: Vec<Token<'_>>) -> (Vec<Clause<'_>>, Option<i64>) {
    let words = |tokens: &[Token<'_>]| -> Vec<usize> {
        tokens.iter().enumerate().filter(|(_, token)| matches!(token, Token::Word(_))).map(|(at, _)| at).collect()
    };
    let text = |at: &usize| if let Some(Token::Word(word)) = tokens.get(*at) { *word } else { "" };
    let semicolon = tokens.iter().rposition(|token| *token == Token::Semicolon);
    let places: Vec<usize> = words(&tokens);
    let behind: Vec<usize> = places.iter().copied().filter(|at| semicolon.is_some_and(|s| *at > s)).collect();
    let mut end = semicolon.unwrap_or(tokens.len());
    let mut at = date::at_start(&behind.iter().map(text).collect::<Vec<_>>());
    if at.is_none()
        && let Some((place, seconds)) = date::at_end(&places.iter().map(text).collect::<Vec<_>>())
    {
        (at, end) = (Some(seconds), places.get(place).copied().unwrap_or(end));
    }
    let mut clauses = vec![Clause::default()];
    for (place, token) in tokens.into_iter().enumerate() {
        if place == end {
            // Yandex writes of TLS behind the date.
            clauses.push(Clause::default());
        }
        let Some(last) = clauses.last_mut() else { break };
        match token {
            Token::Word(_) if place >= end => {}
            Token::Word(word) if KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword)) => {
                clauses.push(Clause { keyword: word.to_ascii_lowercase(), ..Clause::default() });
            }
            Token::Word(word) if word != "," => last.words.push(word),
            Token::Comment(comment) => last.comments.push(comment),
            Token::Word(_) | Token::Semicolon => {}
        }
    }
    (clauses, at)
}
