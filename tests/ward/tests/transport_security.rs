//! Certificates and TLS, neglected in the usual ways.

use std::process::Command;

use maildoctor_ward::{Authority, DOMAIN, Identity, MX, MailSystem, Plan, WardError, output_of, trial};

fn showing(make: impl FnOnce(&Authority) -> Result<Identity, WardError>) -> Result<MailSystem, WardError> {
    let mut plan = Plan::healthy()?;
    plan.identity = make(&plan.authority)?;
    plan.start()
}

trial! {
    expired_certificate {
        showing(|authority| authority.expired(&[MX, DOMAIN]))?.check(&["clinic.example"])?.names("at-risk", "cert-expired")
    }

    incomplete_chain {
        let system = showing(|authority| authority.without_intermediate(&[MX, DOMAIN]))?;
        system.check(&["clinic.example"])?.names("at-risk", "cert-chain-incomplete")
    }

    certificate_for_another_name {
        let system = showing(|authority| authority.identity(&["www.clinic.example"]))?;
        system.check(&["clinic.example"])?.names("at-risk", "cert-name-mismatch")
    }

    self_signed_certificate {
        showing(|_| Authority::self_signed(&[MX, DOMAIN]))?.check(&["clinic.example"])?.names("at-risk", "cert-self-signed")
    }

    root_that_nobody_trusts {
        let other = Authority::named("Company")?;
        showing(|_| other.identity(&[MX, DOMAIN]))?.check(&["clinic.example"])?.names("at-risk", "cert-untrusted-root")
    }

    starttls_not_offered {
        let system = Plan::healthy_but(|plan| { plan.postfix.set_on("smtp", "smtpd_tls_security_level", "none"); })?;
        system.check(&["clinic.example"])?.names("at-risk", "starttls-not-offered")
    }

    certificate_file_missing {
        let system = Plan::healthy_but(|plan| { plan.postfix.set("smtpd_tls_chain_files", "/etc/postfix/gone.pem"); })?;
        system.check(&["clinic.example"])?.names("degraded", "tls-handshake-failed")
    }

    nothing_newer_than_tls_1_1 {
        let system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_tls_protocols", ">=TLSv1, <=TLSv1.1");
            plan.postfix.set("smtpd_tls_ciphers", "medium");
            plan.postfix.set("tls_medium_cipherlist", "ALL:@SECLEVEL=0");
        })?;
        system.check(&["clinic.example"])?.names("degraded", "tls-version-old")
    }

    suites_that_encrypt_nothing {
        let system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_tls_protocols", ">=TLSv1.2, <=TLSv1.2");
            plan.postfix.set("smtpd_tls_ciphers", "medium");
            plan.postfix.set("tls_medium_cipherlist", "eNULL:@SECLEVEL=0");
        })?;
        system.check(&["clinic.example"])?.names("degraded", "tls-cipher-weak")
    }

    suites_that_are_advised_against {
        let system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_tls_protocols", ">=TLSv1.2, <=TLSv1.2").set("smtpd_tls_ciphers", "high");
            plan.postfix.set("tls_high_cipherlist", "ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA");
        })?;
        let report = system.check(&["clinic.example"])?;
        report.names_only("at-risk", "tls-cipher-weak", &["mx-single", "vrfy-enabled"])?;
        report.has_check("tls-handshake-failed", "unknown")
    }

    a_key_of_a_thousand_bits {
        let make = "mkdir /run/short; cd /run/short; openssl req -x509 -newkey rsa:1024 -nodes -keyout key.pem -out own.pem \
                    -days 90 -subj /CN=mx1.clinic.example -addext subjectAltName=DNS:mx1.clinic.example; cat key.pem own.pem >both.pem";
        output_of(Command::new("sh").args(["-euc", make]))?;
        let system = Plan::healthy_but(|plan| { plan.postfix.set("smtpd_tls_chain_files", "/run/short/both.pem"); })?;
        let report = system.check(&["clinic.example"])?;
        report.names_only("at-risk", "tls-cipher-weak", &["mx-single", "vrfy-enabled"])
    }

    a_group_that_our_library_does_not_know {
        let system = Plan::healthy_but(|plan| {
            plan.postfix.set("tls_eecdh_auto_curves", "secp521r1").set("smtpd_tls_eecdh_grade", "auto");
        })?;
        system.check(&["clinic.example"])?.healthy_with(&["mx-single", "vrfy-enabled"])
    }

    implicit_tls_port_without_tls {
        let system = Plan::healthy_but(|plan| { plan.postfix.set_on("smtps", "smtpd_tls_wrappermode", "no"); })?;
        system.check_account(&["clinic.example"])?.names("degraded", "smtps-not-tls")
    }
}
