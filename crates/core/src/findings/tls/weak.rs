//! What only old clients can shake hands with: tls-version-old, tls-cipher-weak.
//!
//! Both are told by the answer to a hello of our own, sent where a modern handshake failed: it offers every version
//! from SSLv3 and every suite there has been, the strong ones first. That a server would take a weak suite from a
//! client that offers nothing better is no fault: opportunistic TLS lives by it.

use maildoctor_wire::hello::{HelloAnswer, is_weak};

use super::super::ways::called;
use super::super::{At, Basis, Found, Key, Rule, Share, State, Told};
use super::handshake::{is_current, is_spoken};
use crate::case::{ObsId, Why};
use crate::questions::tcp::Role;
use crate::questions::tls::{Handshake, Shaken, short_rsa_bits};
use crate::subject::Service;

const ROLES: &[Role] = &[Role::Smtp, Role::Submission, Role::Smtps];

pub(super) const RULES: &[Rule] =
    &[Rule::service(&["tls-version-old"], ROLES, version_old), Rule::service(&["tls-cipher-weak"], ROLES, cipher_weak)];

/// Versions that clients of today do not speak (RFC 8996).
const OLD: [&str; 3] = ["SSLv3", "TLS 1.0", "TLS 1.1"];

/// What a server agrees on with our own hello.
struct Chosen<'c> {
    version: &'c str,
    cipher: &'c str,
    /// How long the RSA key of its certificate is, where that is too short.
    short_rsa_bits: Option<usize>,
    seen: ObsId,
}

/// What the server would agree on where a modern client cannot; `None` where modern clients can.
fn only<'c>(at: &At<'c, Service>) -> Result<Option<Chosen<'c>>, Why> {
    let seen = at.ask(&Handshake)?;
    match &seen.view().wire.shaken {
        Shaken::Done { .. } => Ok(None),
        Shaken::Failed { hello: Some(HelloAnswer::ServerHello { version, cipher, certificate }), .. } => {
            let short_rsa_bits = certificate.as_deref().and_then(short_rsa_bits);
            Ok(Some(Chosen { version, cipher, short_rsa_bits, seen: seen.id() }))
        }
        Shaken::Failed { hello: Some(HelloAnswer::Alert { .. } | HelloAnswer::NotTls { .. }), .. } => Ok(None),
        _ => Err(Why::Denied(seen.id())),
    }
}

fn version_old(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let Some(chosen) = only(at)? else { return Ok(State::Clear) };
    if OLD.contains(&chosen.version) {
        let words = format!("speaks nothing newer than {}, which clients of today refuse", chosen.version);
        tell(at, found, chosen.version, &words, &chosen);
    }
    found.state()
}

fn cipher_weak(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let Some(chosen) = only(at)? else { return Ok(State::Clear) };
    // A server without a usable certificate has nothing else to choose: that handshake's failure is its own finding.
    if is_weak(chosen.cipher) && !chosen.cipher.contains("_anon_") {
        let words = format!(
            "chooses {} out of all suites there are, which protects nothing that clients of today would rely on",
            chosen.cipher
        );
        tell(at, found, chosen.cipher, &words, &chosen);
    } else if let Some(bits) = chosen.short_rsa_bits {
        let words = format!("shows an RSA key of {bits} bits, which some clients of today refuse as too short");
        tell(at, found, "RSA key", &words, &chosen);
    } else if is_spoken(chosen.version, chosen.cipher) && !is_current(chosen.version, chosen.cipher) {
        let words = format!(
            "has no suite that RFC 9325 recommends, and chooses {} out of all there are: some clients of today refuse it",
            chosen.cipher
        );
        tell(at, found, chosen.cipher, &words, &chosen);
    }
    found.state()
}

fn tell(at: &At<'_, Service>, found: &mut Found<'_>, key: &str, words: &str, chosen: &Chosen<'_>) {
    found
        .is(Key::Named(key.to_owned()))
        .says(format!("{} port {} {words}", called(at.case, &at.on, &at.from), at.on.0.port()))
        .detail("address", at.on.0.ip().to_string())
        .detail("port", at.on.0.port())
        .detail("version", chosen.version)
        .detail("cipher", chosen.cipher)
        .witnessed(chosen.seen)
        .claims(chosen.seen, Share::Whole, Basis::Witnessed);
}
