//! The signatures of a received message, and what its sender's domain says in the DNS.
//!
//! The keys are asked for through the vantage; the arithmetic is mail-auth's, which is given them and never asks itself.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::join;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::{AuthenticatedMessage, DkimResult, Error, MessageAuthenticator, Parameters, ResolverCache, Txt};

use super::{Context, records};
use crate::questions::signing::selector;
use crate::questions::trace::{Checked, Message, Seals, SealsWire, Signature, SignatureWire};
use crate::subject::Mail;

/// The most signatures of one message that are verified.
const MAX_SIGNATURES: usize = 20;

/// Why nothing was asked.
const OFFLINE: &str = "the DNS was not asked";

/// The arithmetic: one for all messages, since making it reads the certificates of the system.
pub struct Checker(MessageAuthenticator);

impl Checker {
    /// Makes it, with a resolver of its own that asks nobody.
    pub fn new() -> Option<Self> {
        let mut options = ResolverOpts::default();
        options.attempts = 0;
        MessageAuthenticator::new(ResolverConfig::default(), options).ok().map(Self)
    }
}

/// Verifies the signatures of a message, and asks for what SPF and DMARC need. Offline nothing is asked, and told is what the
/// message alone shows: that its text is not the one that was signed.
pub async fn verify(context: &Context, checker: &Checker, octets: &[u8], message: &Message, offline: bool) {
    let Checker(checker) = checker;
    let octets = with_crlf(octets);
    // Each signature of a part of the text (`l=`) costs a hash of its own: a crowd of them is not given that.
    let crowd =
        message.values("DKIM-Signature").chain(message.values("ARC-Message-Signature")).count() > MAX_SIGNATURES;
    let Some(parsed) = AuthenticatedMessage::parse_with_opts(&octets, crowd) else { return };
    let names = key_names(&parsed);
    let keys = async { if offline { HashMap::new() } else { records::keys_of(context, &names).await } };
    let sender = async {
        if let Some(author) = message.author_domain().filter(|_| !offline) {
            records::of_message(context, &author, message.handed_over()).await;
        }
    };
    let (keys, ()) = join(keys, sender).await;
    let known = |name: &String| (format!("{name}.").into(), key(keys.get(name), offline));
    let cache = Keys(names.iter().map(known).collect());
    let params = || Parameters::new(&parsed).with_txt_cache(&cache);
    // What a message can make a library stumble over must not end the run.
    let (signatures, times) = context.timed(AssertUnwindSafe(checker.verify_dkim(params())).catch_unwind()).await;
    for (place, output) in signatures.unwrap_or_default().iter().take(MAX_SIGNATURES).enumerate() {
        let signature = output.signature();
        let wire = SignatureWire {
            domain: signature.map(|s| s.d.to_ascii_lowercase()).unwrap_or_default(),
            selector: signature.map(|s| s.s.clone()).unwrap_or_default(),
            signed_octets: signature.map(|s| s.l).filter(|octets| *octets > 0),
            checked: checked(output.result()),
        };
        context.record(&Signature { number: place + 1 }, &on(), times, &wire);
    }
    if !parsed.as_headers.is_empty() {
        let (chain, times) = context.timed(AssertUnwindSafe(checker.verify_arc(params())).catch_unwind()).await;
        let Ok(chain) = chain else { return };
        let by = parsed.as_headers.iter().filter_map(|seal| Some(seal.header.as_ref().ok()?.d.to_ascii_lowercase()));
        let wire = SealsWire { by: by.collect(), checked: checked(chain.result()) };
        context.record(&Seals, &on(), times, &wire);
    }
}

fn on() -> Mail {
    Mail("1".to_owned())
}

/// The message with CRLF at the end of each line, as it was signed, and without the line of an mbox before it.
fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let octets = match octets.strip_prefix(b"From ") {
        Some(rest) => rest.iter().position(|b| *b == b'\n').and_then(|end| rest.get(end + 1..)).unwrap_or_default(),
        None => octets,
    };
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 32);
    let mut before = 0;
    for &octet in octets {
        if octet == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(octet);
        before = octet;
    }
    out
}

/// Where the keys are that signed and sealed it.
fn key_names(parsed: &AuthenticatedMessage<'_>) -> Vec<String> {
    let signatures = parsed.dkim_headers.iter().filter_map(|h| h.header.as_ref().ok()).map(|s| (&s.s, &s.d));
    let messages = parsed.ams_headers.iter().filter_map(|h| h.header.as_ref().ok()).map(|s| (&s.s, &s.d));
    let seals = parsed.as_headers.iter().filter_map(|h| h.header.as_ref().ok()).map(|s| (&s.s, &s.d));
    let mut names: Vec<String> = signatures
        .chain(messages)
        .chain(seals)
        .map(|(s, d)| selector(s, d).to_ascii_lowercase())
        .take(2 * MAX_SIGNATURES)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// What the DNS said of a key: its texts, or why there are none.
fn key(said: Option<&Result<Vec<String>, String>>, offline: bool) -> Txt {
    match said {
        Some(Ok(texts)) => {
            let mut last = Error::DnsRecordNotFound(ResponseCode::NXDomain);
            for text in texts {
                match DomainKey::parse(text.as_bytes()) {
                    Ok(key) => return key.into(),
                    Err(error) => last = error,
                }
            }
            Txt::Error(last)
        }
        Some(Err(why)) => Txt::Error(Error::DnsError(why.clone())),
        None if offline => Txt::Error(Error::DnsError(OFFLINE.to_owned())),
        None => Txt::Error(Error::DnsError("the key was not asked for".to_owned())),
    }
}

fn checked(result: &DkimResult) -> Checked {
    if let DkimResult::Fail(Error::CryptoError(_)) = result {
        // What Ed25519 says where the signature is another's.
        return Checked::HeaderChanged;
    }
    let error = match result {
        DkimResult::Pass => return Checked::Pass,
        DkimResult::None => return Checked::Unusable { why: "there is nothing to verify".to_owned() },
        DkimResult::Neutral(e) | DkimResult::Fail(e) | DkimResult::PermError(e) | DkimResult::TempError(e) => e,
    };
    match error {
        Error::FailedBodyHashMatch => Checked::BodyChanged,
        Error::FailedVerification => Checked::HeaderChanged,
        Error::SignatureExpired => Checked::Expired,
        Error::DnsRecordNotFound(_) => Checked::KeyGone,
        Error::RevokedPublicKey => Checked::KeyRevoked,
        Error::DnsError(why) => Checked::NoAnswer { why: why.clone() },
        other => Checked::Unusable { why: other.to_string() },
    }
}

/// The keys that were asked for, by their names with a dot at the end; nothing else is ever asked for.
struct Keys(HashMap<Box<str>, Txt>);

impl ResolverCache<Box<str>, Txt> for Keys {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(self.0.get(name).cloned().unwrap_or_else(|| Txt::Error(Error::DnsError(OFFLINE.to_owned()))))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}
