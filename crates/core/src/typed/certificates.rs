//! A TLS handshake in words: what was agreed on, every certificate that was sent, and what the chain is worth.

use jiff::Timestamp;

use crate::questions::tls::{Certificate, Shaken, TlsView, Trust};

/// The handshake, a line each; the last is the verdict.
pub fn described(view: &TlsView, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    match &view.wire.shaken {
        Shaken::Done { version, cipher } => lines.push(format!("{version}, {cipher}")),
        Shaken::Failed { error, .. } => return vec![format!("the TLS handshake failed: {error}")],
        Shaken::Stalled { waited_ms } => {
            return vec![format!("the TLS handshake was not answered within {waited_ms} ms")];
        }
        Shaken::PlainText { said } => return vec![format!("the server does not speak TLS there: {said}")],
    }
    let several = view.chain.len() > 1;
    for (place, certificate) in view.chain.iter().enumerate() {
        let number = if several { format!(" {}", place + 1) } else { String::new() };
        let names =
            if certificate.names.is_empty() { String::new() } else { format!(" for {}", certificate.names.join(", ")) };
        lines.push(format!("certificate{number}: {}{names}", certificate.subject));
        lines.push(format!("  issued by {}", certificate.issuer));
        lines.push(format!("  valid {} to {}", day(certificate.not_before), day(certificate.not_after)));
        if place == 0 {
            lines.push(format!("  SHA-256 {}", certificate.fingerprint));
        }
    }
    let objections = objections(view, now);
    lines.push(if objections.is_empty() {
        let name = view.wire.server_name.as_deref().unwrap_or("the server");
        format!("the certificate verifies for {name}")
    } else {
        format!("the certificate does NOT verify: {}", objections.join("; "))
    });
    lines
}

/// What a client that verifies objects to, with the code that explains it.
fn objections(view: &TlsView, now: Timestamp) -> Vec<String> {
    let mut found = Vec::new();
    match &view.wire.trust {
        Some(Trust::Anchored) => {}
        Some(Trust::SelfSigned) => found.push("it is its own issuer (cert-self-signed)".to_owned()),
        Some(Trust::IssuerMissing { issuer }) => {
            found.push(format!("the certificate of its issuer, {issuer}, was not sent (cert-chain-incomplete)"));
        }
        Some(Trust::UnknownRoot { root }) => {
            found.push(format!("it leads to {root}, which is not trusted here (cert-untrusted-root)"));
        }
        Some(Trust::Unusable { error }) => found.push(error.clone()),
        None => found.push("none was sent that could be read".to_owned()),
    }
    for (place, certificate) in view.chain.iter().enumerate() {
        found.extend(outside_its_dates(certificate, place, now));
    }
    if let (Some(leaf), Some(name)) = (view.leaf(), view.wire.server_name.as_deref())
        && !leaf.is_for(name)
    {
        found.push(format!("it is not for {name} (cert-name-mismatch)"));
    }
    found
}

fn outside_its_dates(certificate: &Certificate, place: usize, now: Timestamp) -> Option<String> {
    let which = if place == 0 { "it".to_owned() } else { format!("certificate {}", place + 1) };
    if certificate.not_after < now {
        Some(format!("{which} expired on {} (cert-expired)", day(certificate.not_after)))
    } else if certificate.not_before > now {
        Some(format!("{which} is not valid before {} (cert-not-yet-valid)", day(certificate.not_before)))
    } else {
        None
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%-d %B %Y %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::questions::tls::TlsWire;

    fn view(trust: Trust, name: &str) -> TlsView {
        let shaken = Shaken::Done { version: "TLS 1.3".into(), cipher: "TLS13_AES_128_GCM_SHA256".into() };
        let wire = TlsWire { server_name: Some(name.into()), shaken, chain: Vec::new(), trust: Some(trust) };
        let leaf = Certificate {
            fingerprint: "ab".into(),
            subject: "CN=mx.example.org".into(),
            issuer: "CN=A Root".into(),
            names: vec!["mx.example.org".into()],
            not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
            not_after: "2026-02-01T00:00:00Z".parse().unwrap(),
        };
        TlsView { wire, chain: vec![leaf] }
    }

    #[test]
    fn a_good_certificate_is_said_to_be_good() {
        let lines = described(&view(Trust::Anchored, "mx.example.org"), "2026-01-15T00:00:00Z".parse().unwrap());
        assert_eq!(lines.last().map(String::as_str), Some("the certificate verifies for mx.example.org"));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let trust = Trust::UnknownRoot { root: "CN=A Root".into() };
        let lines = described(&view(trust, "mail.example.org"), "2026-03-01T00:00:00Z".parse().unwrap());
        let verdict = lines.last().unwrap();
        for code in ["cert-untrusted-root", "cert-expired", "cert-name-mismatch"] {
            assert!(verdict.contains(code), "{verdict}");
            assert!(crate::catalogue::entry(code).is_some());
        }
    }
}
