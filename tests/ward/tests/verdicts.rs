//! What our own validation says of a domain, beside Unbound's: `unbound-host` begins at the same root and the same key.
//! `docs/AGREEMENT.md` has it as a table.

use std::{fs, process::Command};

use maildoctor_ward::{MailSystem, Report, TREE_ADDRESSES, WardError, Way, trial};

/// What is true of these systems: one mail server, passwords only after TLS, and VRFY as Debian leaves it.
const TRUE_ADVICE: [&str; 3] = ["mx-single", "auth-only-after-tls", "vrfy-enabled"];

/// Where mail goes, and which key is bound there.
const ASKED: [[&str; 2]; 2] = [["MX", "clinic.example"], ["TLSA", "_25._tcp.mx1.clinic.example"]];

/// What `unbound-host` calls an answer, the worst first, and what we call it here.
const WORDS: [(&str, &str); 3] = [("(BOGUS", "bogus"), ("(insecure)", "insecure"), ("(secure)", "secure")];

/// A mail system in a tree that is so, with a TLSA record of its server's own key: what counts only where it is proven.
fn start(way: &str) -> Result<MailSystem, WardError> {
    Way::named(way)?.start_with(|plan| {
        let digest = plan.identity.key_digest(0)?;
        if let Some(tree) = &mut plan.tree {
            tree.domain.zone.add(format!("_25._tcp.mx1 TLSA 3 1 1 {digest}"));
        }
        Ok(())
    })
}

/// The worst that Unbound says of one of the records, and all it said.
fn unbounds(system: &MailSystem) -> Result<(&'static str, String), WardError> {
    let config = "/run/unbound-host.conf";
    let text = format!("server:\n  root-hints: \"{}\"\n  do-ip6: no\n", system.file("root.hints"));
    let failed = |error| WardError::Wrong(format!("unbound-host does not run: {error}"));
    fs::write(config, text).map_err(failed)?;
    let mut said = String::new();
    for [rtype, name] in ASKED {
        let mut command = Command::new("unbound-host");
        command.args(["-v", "-C", config, "-f", &system.file("root.anchor"), "-t", rtype, name]);
        let output = command.output().map_err(failed)?;
        said.push_str(&String::from_utf8_lossy(&output.stdout));
        said.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    let verdict = WORDS.iter().find(|(word, _)| said.contains(word)).map_or("nothing", |(_, verdict)| verdict);
    Ok((verdict, said))
}

/// Ours, as the report shows it: what is bogus is named; whether a TLSA record is proven decides whether it is obeyed.
fn ours(report: &Report) -> &'static str {
    let is = |code, state| report.has_check(code, state).is_ok();
    match () {
        () if is("dnssec-bogus", "found") => "bogus",
        () if is("dane-without-dnssec", "found") => "insecure",
        () if is("dane-tlsa-mismatch", "clear") => "secure",
        () => "nothing",
    }
}

/// Our report on a tree that is so, and both verdicts, Unbound's second, which must be one of those given.
fn compared(way: &str, possible: &[[&str; 2]]) -> Result<Report, WardError> {
    let system = start(way)?;
    let (theirs, said) = unbounds(&system)?;
    let report = system.check(&["clinic.example"])?;
    let verdicts = [ours(&report), theirs];
    if possible.contains(&verdicts) {
        return Ok(report);
    }
    Err(WardError::Wrong(format!("{way}: we and Unbound say {verdicts:?}; Unbound:\n{said}")))
}

fn secure(way: &str) -> Result<(), WardError> {
    let report = compared(way, &[["secure"; 2]])?;
    report.healthy_with(&TRUE_ADVICE)?;
    report.has_check("dnssec-bogus", "clear")
}

/// No fault of the domain's, but its TLSA records bind nobody.
fn insecure(way: &str) -> Result<(), WardError> {
    let report = compared(way, &[["insecure"; 2]])?;
    report.names_only("at-risk", "dane-without-dnssec", &TRUE_ADVICE)?;
    report.has_check("dnssec-bogus", "clear")
}

fn bogus(way: &str, reason: &str) -> Result<Report, WardError> {
    let report = compared(way, &[["bogus"; 2]])?;
    report.names_only("broken", "dnssec-bogus", &TRUE_ADVICE)?;
    report.tells("reason", reason)?;
    report.explains("mx-lookup-failed")?;
    Ok(report)
}

trial! {
    a_signed_tree { secure("signed") }

    a_signed_tree_with_hashed_proofs { secure("signed-with-nsec3") }

    an_unsigned_domain_below_signed_zones { insecure("unsigned-below-signed") }

    an_unsigned_domain_that_the_zone_above_opts_out { insecure("unsigned-below-nsec3") }

    an_algorithm_that_nobody_knows_is_no_signature { insecure("ds-of-unknown-algorithm") }

    a_digest_that_nobody_knows_is_no_delegation_of_trust { insecure("ds-by-unknown-digest") }

    signatures_that_have_expired { bogus("signatures-expired", "signature-expired").map(drop) }

    signatures_that_are_not_valid_yet { bogus("signatures-not-yet-valid", "signature-not-yet-valid").map(drop) }

    a_record_changed_after_it_was_signed { bogus("record-changed", "signature-invalid").map(drop) }

    a_record_without_its_signature { bogus("signature-missing", "signature-missing").map(drop) }

    a_key_that_the_zone_no_longer_publishes { bogus("signing-key-missing", "signature-invalid").map(drop) }

    a_ds_for_a_zone_without_keys { bogus("ds-without-keys", "ds-without-key").map(drop) }

    a_ds_of_another_key { bogus("ds-of-another-key", "ds-mismatch").map(drop) }

    a_delegation_that_is_not_shown_to_be_unsigned { bogus("denial-missing", "denial-not-proven").map(drop) }

    signatures_above_the_domain_that_have_expired {
        bogus("signatures-expired-above", "signature-expired")?.tells("zone", "example")
    }

    signatures_of_the_root_that_have_expired {
        // No domain can mend that: the resolvers that are given such a root fail for everybody.
        let report = compared("signatures-expired-at-the-root", &[["nothing", "bogus"]])?;
        report.names_only("inconclusive", "resolver-servfail", &TRUE_ADVICE)?;
        report.has_check("dnssec-bogus", "unknown")
    }

    signatures_that_have_expired_at_one_server {
        // A resolver wants an answer and asks again, a few times, a server that it draws: nearly always the other one is
        // among them, and then mail arrives. Whoever must mend the zone wants to know of the first.
        let report = compared("signatures-expired-at-one-server", &[["bogus", "secure"], ["bogus"; 2]])?;
        let lucky = report.has_check("resolver-servfail", "clear").is_ok();
        report.names_only(if lucky { "degraded" } else { "broken" }, "dnssec-bogus", &TRUE_ADVICE)?;
        report.tells("server", TREE_ADDRESSES[2][1])
    }
}
