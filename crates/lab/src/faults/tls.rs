//! Faults of STARTTLS, implicit TLS and certificates.

use std::time::Duration;

use super::part::Part::*;
use super::part::{at, shut};
use super::{Fault, at_mx, at_senders, fault, reply, symptom};
use crate::scenario::Role;
use crate::smtp::Door;
use crate::tls::Variant;

pub(super) const FAULTS: &[Fault] = &[
    fault("starttls-not-offered", shut(&[Starttls]), |s| at_mx(s, |mx| mx.starttls = false)),
    fault("starttls-not-enforced", at(&[SubmissionTls]), |s| {
        s.submission.lax = true;
        Ok(())
    }),
    fault("starttls-refused", shut(&[Starttls]), |s| {
        reply(s, "STARTTLS", "454 4.7.0 TLS not available due to local problem")
    }),
    fault("starttls-injection", at(&[Injection]), |s| at_mx(s, |mx| mx.keeps_plaintext = true)),
    fault("tls-handshake-failed", shut(&[Certificate]), |s| {
        let tls = crate::tls::without_certificate()?;
        at_mx(s, |mx| mx.tls = Some(tls.clone()))
    }),
    fault("cert-expired", at(&[Certificate]), |s| s.certify(Variant::Expired)),
    fault("cert-expires-soon", at(&[Certificate]), |s| s.certify(Variant::ExpiresSoon)),
    fault("cert-not-yet-valid", at(&[Certificate]), |s| s.certify(Variant::NotYetValid)),
    fault("cert-name-mismatch", at(&[Certificate]), |s| s.certify(Variant::OtherName)),
    fault("cert-self-signed", at(&[Certificate]), |s| s.certify(Variant::SelfSigned)),
    fault("cert-chain-incomplete", at(&[Certificate]), |s| s.certify(Variant::ChainIncomplete)),
    fault("cert-untrusted-root", at(&[Certificate]), |s| s.certify(Variant::UnknownRoot)),
    fault("starttls-keeps-auth-plain", at(&[SubmissionTls, Mechanisms]), |s| {
        s.submission.auth_before_tls = true;
        Ok(())
    }),
    symptom("submission-closed", "connect-refused", shut(&[SubmissionDoor]), |s| {
        at_senders(s, |sender| sender.door = Door::Shut)
    }),
    fault("smtps-not-tls", at(&[Smtps]), |s| {
        s.smtps.tls = None;
        Ok(())
    }),
    fault("tls-on-starttls-port", at(&[BannerWait]).shutting(&[BannerWait, Pause]), |s| {
        s.pace.hurry(Duration::from_secs(2), Some(Duration::from_secs(12)));
        for mx in &mut s.mx {
            mx.role = Role::Smtps;
        }
        Ok(())
    }),
];
