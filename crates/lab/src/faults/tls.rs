//! Faults of STARTTLS, implicit TLS and certificates.

use super::{Fault, at_mx, at_senders, certificate, fault, reply, symptom};
use crate::scenario::Role;
use crate::smtp::Door;
use crate::tls::Variant;

pub(super) const FAULTS: &[Fault] = &[
    fault("starttls-not-offered", |s| at_mx(s, |mx| mx.starttls = false)),
    fault("starttls-not-enforced", |s| {
        s.submission.lax = true;
        Ok(())
    }),
    fault("starttls-refused", |s| reply(s, "STARTTLS", "454 4.7.0 TLS not available due to local problem")),
    fault("starttls-injection", |s| at_mx(s, |mx| mx.keeps_plaintext = true)),
    fault("tls-handshake-failed", |s| {
        let tls = crate::tls::without_certificate()?;
        at_mx(s, |mx| mx.tls = Some(tls.clone()))
    }),
    fault("cert-expired", |s| certificate(s, Variant::Expired)),
    fault("cert-expires-soon", |s| certificate(s, Variant::ExpiresSoon)),
    fault("cert-not-yet-valid", |s| certificate(s, Variant::NotYetValid)),
    fault("cert-name-mismatch", |s| certificate(s, Variant::OtherName)),
    fault("cert-self-signed", |s| certificate(s, Variant::SelfSigned)),
    fault("cert-chain-incomplete", |s| certificate(s, Variant::ChainIncomplete)),
    fault("cert-untrusted-root", |s| certificate(s, Variant::UnknownRoot)),
    fault("starttls-keeps-auth-plain", |s| {
        s.submission.auth_before_tls = true;
        Ok(())
    }),
    symptom("submission-closed", "connect-refused", |s| at_senders(s, |sender| sender.door = Door::Shut)),
    fault("smtps-not-tls", |s| {
        s.smtps.tls = None;
        Ok(())
    }),
    fault("tls-on-starttls-port", |s| {
        s.arguments.extend(["--timeout", "2s", "--deadline", "12s"].map(str::to_owned));
        for mx in &mut s.mx {
            mx.role = Role::Smtps;
        }
        Ok(())
    }),
];
