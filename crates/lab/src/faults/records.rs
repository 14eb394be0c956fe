//! Faults of the records that a mail domain lives by.

use hickory_proto::rr::RecordType;

use super::part::Part::*;
use super::part::at;
use super::{Fault, at_mx, fault, symptom};
use crate::dns::{View, data};
use crate::tls::Variant;
use crate::web::Policy;
use crate::{DOMAIN, Setup};

/// A 1024-bit RSA key, whose private half nobody kept.
const SHORT_KEY: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQClx7R1Al7qAmVUDjGDaoeLbL3XaJEKqYpw+jn6sTK9vo90yntX35Q+Sd/+/IfiW4osbAGe5405N9K6VxtU5k3yoqg9VOrKe3LqN+EjVERTh+5AmKtuD8syQGOzFE8R8Lsh2zn0M8ax1c48ZlLvaDeS4wClxgv5dMRsMK86ZKo8VwIDAQAB";

pub(super) const FAULTS: &[Fault] = &[
    fault("spf-missing", at(&[Spf]), |s| {
        without(s, DOMAIN);
        Ok(())
    }),
    fault("spf-multiple", at(&[Spf]), |s| {
        s.zones.add(DOMAIN, data::txt("v=spf1 include:_spf.visitor.example -all"));
        s.zones.add("_spf.visitor.example", data::txt("v=spf1 ip4:192.0.2.0/24 -all"));
        Ok(())
    }),
    fault("spf-syntax", at(&[Spf]), |s| {
        instead(s, DOMAIN, "v=spf1 mx ip4:192.0.2.256 -all");
        Ok(())
    }),
    fault("spf-too-many-lookups", at(&[Spf]), |s| {
        let includes: Vec<String> = (1..=6).map(|n| format!("include:spf{n}.visitor.example")).collect();
        instead(s, DOMAIN, &format!("v=spf1 mx {} -all", includes.join(" ")));
        for n in 1..=6 {
            s.zones.add(&format!("spf{n}.visitor.example"), data::txt("v=spf1 a:client.visitor.example -all"));
        }
        Ok(())
    }),
    fault("spf-pass-all", at(&[Spf]), |s| {
        instead(s, DOMAIN, "v=spf1 mx +all");
        Ok(())
    }),
    fault("spf-ptr-or-deprecated", at(&[Spf]), |s| {
        instead(s, DOMAIN, "v=spf1 mx ptr -all");
        Ok(())
    }),
    fault("dkim-missing", at(&[Dkim]), |s| {
        s.arguments.extend(["--dkim-selector", "gone"].map(str::to_owned));
        Ok(())
    }),
    fault("dkim-key-broken", at(&[Dkim]), |s| {
        s.arguments.extend(["--dkim-selector", "default"].map(str::to_owned));
        instead(s, &format!("default._domainkey.{DOMAIN}"), "v=DKIM1; k=rsa; p=");
        Ok(())
    }),
    fault("dkim-key-weak", at(&[Dkim]), |s| {
        s.arguments.extend(["--dkim-selector", "default"].map(str::to_owned));
        instead(s, &format!("default._domainkey.{DOMAIN}"), &format!("v=DKIM1; k=rsa; p={SHORT_KEY}"));
        Ok(())
    }),
    fault("dmarc-missing", at(&[Dmarc]), |s| {
        without(s, &format!("_dmarc.{DOMAIN}"));
        Ok(())
    }),
    fault("dmarc-syntax", at(&[Dmarc]), |s| {
        instead(s, &format!("_dmarc.{DOMAIN}"), "v=DMARC1; p=block; rua=mailto:dmarc@lab.example");
        Ok(())
    }),
    fault("dmarc-policy-none", at(&[Dmarc]), |s| {
        instead(s, &format!("_dmarc.{DOMAIN}"), "v=DMARC1; p=none; rua=mailto:dmarc@lab.example");
        Ok(())
    }),
    fault("dmarc-report-unauthorised", at(&[Dmarc]), |s| {
        instead(s, &format!("_dmarc.{DOMAIN}"), "v=DMARC1; p=reject; rua=mailto:dmarc@visitor.example");
        Ok(())
    }),
    fault("tlsrpt-missing", at(&[TlsReports, TransportPolicy]), |s| {
        without(s, &format!("_smtp._tls.{DOMAIN}"));
        s.announce(policy("none"))
    }),
    fault("tlsrpt-syntax", at(&[TlsReports]), |s| {
        instead(s, &format!("_smtp._tls.{DOMAIN}"), "v=TLSRPTv1; rua=tls-reports@lab.example");
        Ok(())
    }),
    fault("mta-sts-syntax", at(&[TransportPolicy]), |s| s.announce(policy("enforced"))),
    fault("mta-sts-policy-unreachable", at(&[TransportPolicy]), |s| {
        let location = Some("https://www.lab.example/.well-known/mta-sts.txt".to_owned());
        s.announce(Policy { status: 301, location, ..policy("enforce") })
    }),
    fault("mta-sts-mx-mismatch", at(&[TransportPolicy, Mx]), |s| {
        s.announce(Policy::plain("version: STSv1\nmode: enforce\nmx: mail.lab.example\nmax_age: 86400\n"))
    }),
    symptom("mta-sts-cert-mismatch", "cert-name-mismatch", at(&[TransportPolicy, Certificate]), |s| {
        s.announce(policy("enforce"))?;
        s.certify(Variant::OtherName)
    }),
    fault("dane-tlsa-mismatch", at(&[Tlsa, Certificate]), |s| {
        s.promise();
        // The certificates are renewed with new keys, and nobody thinks of the records.
        s.certify(Variant::Good)
    }),
    symptom("dane-starttls-missing", "starttls-not-offered", at(&[Tlsa, Starttls]).shutting(&[Starttls]), |s| {
        s.promise();
        at_mx(s, |mx| mx.starttls = false)
    }),
    fault("dane-without-dnssec", at(&[Tlsa, Zone]), |s| {
        s.zones.leave_unsigned();
        s.promise();
        Ok(())
    }),
    fault("bimi-broken", at(&[Bimi]), |s| {
        s.zones.add(&format!("default._bimi.{DOMAIN}"), data::txt("v=BIMI1; l=http://www.lab.example/logo.svg"));
        Ok(())
    }),
];

/// A policy that both exchangers fit, in a mode.
fn policy(mode: &str) -> Policy {
    Policy::plain(&format!("version: STSv1\nmode: {mode}\nmx: mx1.{DOMAIN}\nmx: *.{DOMAIN}\nmax_age: 86400\n"))
}

/// Takes the TXT records of a name away.
fn without(setup: &mut Setup, name: &str) {
    for view in [View::Here, View::Outside] {
        setup.zones.remove(view, name, RecordType::TXT);
    }
}

/// Puts one TXT record in place of those of a name.
fn instead(setup: &mut Setup, name: &str, text: &str) {
    without(setup, name);
    setup.zones.add(name, data::txt(text));
}
