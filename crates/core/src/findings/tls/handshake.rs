//! STARTTLS and the handshake: starttls-not-offered, starttls-refused, tls-handshake-failed,
//! tls-handshake-timeout, starttls-injection, starttls-keeps-auth-plain, tls-on-starttls-port.

use maildoctor_wire::dialogue::End;
use maildoctor_wire::hello::{HelloAnswer, is_weak};

use super::super::ways::called;
use super::super::{At, Basis, Found, Key, Rule, Share, State, Told, services};
use crate::case::Why;
use crate::questions::smtp::{Channel, Ehlo, FIRST, Injection, Starttls};
use crate::questions::tcp::Role;
use crate::questions::tls::{Handshake, HandshakeEnd, NO_TLS, Shaken, short_rsa_bits};
use crate::subject::Service;

const PLAIN: &[Role] = &[Role::Smtp, Role::Submission];
const ALL: &[Role] = &[Role::Smtp, Role::Submission, Role::Smtps];

pub(super) const RULES: &[Rule] = &[
    Rule::service(&["starttls-not-offered"], PLAIN, not_offered),
    Rule::service(&["starttls-refused"], PLAIN, refused),
    Rule::service(&["tls-handshake-failed"], ALL, failed),
    Rule::service(&["tls-handshake-timeout"], ALL, stalled),
    Rule::service(&["starttls-injection"], PLAIN, injection),
    Rule::service(&["starttls-keeps-auth-plain"], PLAIN, auth_in_the_clear),
    Rule::service(&["tls-on-starttls-port"], PLAIN, tls_at_once),
];

fn not_offered(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let ehlo = at.ask(&Ehlo { channel: Channel::Plain })?;
    let capabilities = ehlo.need(|e| e.capabilities.as_ref())?;
    if !capabilities.offers("STARTTLS") {
        found
            .is(Key::Named("STARTTLS".to_owned()))
            .says(format!(
                "{} port {} does not offer STARTTLS: mail to it travels in the clear",
                called(at.case, &at.on, &at.from),
                at.on.0.port()
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("port", at.on.0.port())
            .witnessed(ehlo.id())
            .owes_step(ehlo.id())
            .claims(ehlo.id(), Share::Whole, Basis::Witnessed);
    }
    found.state()
}

fn refused(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let starttls = at.ask(&Starttls)?;
    let exchange = &starttls.exchange;
    let answer = match (exchange.whole(), exchange.end) {
        (Some(reply), _) if reply.code == 220 => return found.state(),
        (Some(reply), _) => format!("\"{}\"", reply.quoted()),
        (None, End::Closed | End::Reset) => exchange.in_words(),
        // A wait that the end of the run cut short says nothing.
        (None, _) if exchange.wait_ms() >= at.case.terms.timeout_ms => exchange.in_words(),
        (None, _) => return Err(Why::Denied(starttls.id())),
    };
    let has_no_tls = exchange.whole().is_some_and(|reply| reply.code == 454);
    let finding = found
        .is(Key::Named(answer.clone()))
        .says(format!("{} offers STARTTLS and then refuses it: {answer}", called(at.case, &at.on, &at.from)))
        .detail("address", at.on.0.ip().to_string())
        .detail("reply", answer.trim_matches('"'))
        .witnessed(starttls.id())
        .claims(starttls.id(), Share::Whole, Basis::Witnessed)
        .owes_step(starttls.id());
    // A server whose TLS does not work (454, RFC 3207 section 4) has none to begin with either.
    for service in services(at.case, &[Role::Smtps], &at.from, false) {
        if has_no_tls
            && service.0.ip() == at.on.0.ip()
            && let Ok(shaken) = at.ask_of(&Handshake, &service)
            && matches!(shaken.wire.shaken, Shaken::Failed { .. })
        {
            finding.also(service).claims(shaken.id(), Share::Whole, Basis::ServerSaid);
        }
    }
    found.state()
}

fn failed(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Handshake)?;
    let Shaken::Failed { error, ended, hello } = &seen.wire.shaken else {
        return Ok(State::Clear);
    };
    let behind = match hello {
        // One time no TLS, and another time TLS as current clients speak it: that tells nothing.
        Some(HelloAnswer::ServerHello { version, cipher, .. }) if error == NO_TLS && is_current(version, cipher) => {
            return Err(Why::Denied(seen.id()));
        }
        // Other clients, as most mail servers are, get in by this: that we do not is our library's affair.
        Some(HelloAnswer::ServerHello { version, cipher, certificate })
            if is_spoken(version, cipher) && is_ours(*ended, certificate.as_deref()) =>
        {
            return Err(Why::Denied(seen.id()));
        }
        Some(HelloAnswer::ServerHello { version, cipher, .. }) if is_current(version, cipher) => {
            format!("; with another client it would agree on {version} and {cipher}")
        }
        Some(HelloAnswer::ServerHello { version, cipher, .. }) => {
            format!("; it would shake hands with {version} and {cipher}, which current clients refuse")
        }
        Some(HelloAnswer::Alert { alert }) => {
            format!(
                "; to a hello that offers everything from SSLv3 on it answers with the alert {alert}, so nobody can shake hands"
            )
        }
        Some(HelloAnswer::NotTls { octets }) => format!("; what it sends is no TLS: \"{octets}\""),
        None => String::new(),
    };
    found
        .is(Key::Named(format!("{error}{behind}")))
        .says(format!(
            "the TLS handshake with {} port {} fails: {error}{behind}",
            called(at.case, &at.on, &at.from),
            at.on.0.port()
        ))
        .detail("address", at.on.0.ip().to_string())
        .detail("port", at.on.0.port())
        .detail("error", error.as_str())
        .witnessed(seen.id())
        .owes_step(seen.id())
        .claims(seen.id(), Share::Whole, Basis::Witnessed);
    found.state()
}

/// Whether a handshake may fail for what our TLS library does not know: suites, groups, keys. Then the server refuses our hello
/// with an alert, or the library refuses what the server shows; by a short key it holds no signature for good.
fn is_ours(ended: Option<HandshakeEnd>, certificate: Option<&str>) -> bool {
    match ended {
        Some(HandshakeEnd::Alert | HandshakeEnd::Incompatible) => true,
        Some(HandshakeEnd::BadSignature) => certificate.and_then(short_rsa_bits).is_some(),
        None => false,
    }
}

/// Whether most mail servers speak this: OpenSSL offers every suite of TLS 1.2 that is not broken.
pub(super) fn is_spoken(version: &str, cipher: &str) -> bool {
    version == "TLS 1.2" && !is_weak(cipher)
}

/// Whether current clients speak this: TLS 1.2 with forward secrecy and authenticated encryption (RFC 9325 section 4.2).
pub(super) fn is_current(version: &str, cipher: &str) -> bool {
    version == "TLS 1.2" && cipher.starts_with("TLS_ECDHE_") && (cipher.contains("GCM") || cipher.contains("CHACHA20"))
}

fn stalled(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Handshake)?;
    if let Shaken::Stalled { waited_ms } = seen.wire.shaken {
        found
            .is(Key::Named("stalled handshake".to_owned()))
            .says(format!(
                "the TLS handshake with {} port {} stalls: nothing came for {:.0} s",
                called(at.case, &at.on, &at.from),
                at.on.0.port(),
                waited_ms as f64 / 1000.0
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("port", at.on.0.port())
            .detail("waited_ms", waited_ms)
            .witnessed(seen.id())
            .owes_step(seen.id())
            .claims(seen.id(), Share::Whole, Basis::Witnessed);
    }
    found.state()
}

fn injection(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Injection)?;
    if let Some(answered) = &seen.answered {
        found
            .is(Key::Named("injection".to_owned()))
            .says(format!(
                "{} runs under TLS a command that was sent before it, and answers \"{}\"",
                called(at.case, &at.on, &at.from),
                answered.trim_end_matches("\\x0d\\x0a")
            ))
            .detail("address", at.on.0.ip().to_string())
            .witnessed(seen.id());
    }
    found.state()
}

fn auth_in_the_clear(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let ehlo = at.ask(&Ehlo { channel: Channel::Plain })?;
    let mechanisms = ehlo.need(|e| e.capabilities.as_ref())?.mechanisms();
    // These never send the password itself.
    let revealing: Vec<&str> =
        mechanisms.into_iter().filter(|m| matches!(*m, "PLAIN" | "LOGIN" | "XOAUTH2" | "OAUTHBEARER")).collect();
    if !revealing.is_empty() {
        found
            .is(Key::Named("AUTH before TLS".to_owned()))
            .says(format!(
                "{} port {} takes passwords before TLS: AUTH {} is offered in the clear",
                called(at.case, &at.on, &at.from),
                at.on.0.port(),
                revealing.join(" ")
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("port", at.on.0.port())
            .detail("mechanisms", revealing.join(" "))
            .witnessed(ehlo.id());
    }
    found.state()
}

fn tls_at_once(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let banner = at.ask(&FIRST)?;
    if banner.wire.answers_tls {
        found
            .is(Key::Named("TLS at once".to_owned()))
            .says(format!(
                "{} port {} says nothing until the client speaks TLS: it is set up as if it were port 465",
                called(at.case, &at.on, &at.from),
                at.on.0.port()
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("port", at.on.0.port())
            .witnessed(banner.id())
            .claims(banner.id(), Share::Whole, Basis::Witnessed);
    }
    found.state()
}
