//! DANE on trees of zones that are signed from the root down, validated by the program itself from the root's key.

use maildoctor_ward::{
    Authority, DOMAIN, Identity, MX, MX_ADDRESS, Mta, OTHER_ADDRESS, Plan, Report, Signing, Tree, WardError, trial,
};

/// What is true of these systems: one mail server, passwords only after TLS, and VRFY as Debian leaves it.
const TRUE_ADVICE: &[&str] = &["mx-single", "auth-only-after-tls", "vrfy-enabled"];

/// A record for an end entity's key: usage 3, selector 1, matching type 1.
fn end_entity(identity: &Identity) -> Result<String, WardError> {
    Ok(format!("3 1 1 {}", identity.key_digest(0)?))
}

/// A system in such a tree, whose exchanger has these TLSA records, with a change.
fn with_records(mut tree: Tree, records: &[String], change: impl FnOnce(&mut Plan)) -> Result<Plan, WardError> {
    for record in records {
        tree.domain.zone.add(format!("_25._tcp.mx1 TLSA {record}"));
    }
    let mut plan = Plan::healthy()?;
    plan.tree = Some(tree);
    change(&mut plan);
    Ok(plan)
}

/// A signed tree in which the exchanger's name is an alias of one in somebody else's zone, signed or not. Each of the two
/// names has the TLSA record that is given for it.
fn alias(signed: bool, own: Option<String>, provider: Option<String>) -> Result<Tree, WardError> {
    let mut tree = Tree::signed();
    tree.domain.zone.remove("mx1 A").remove("mx1 TXT").add("mx1 CNAME mx.outside.example.");
    let outside = tree.others.iter_mut().find(|branch| branch.zone.origin == "outside.example.");
    let outside = outside.ok_or_else(|| WardError::Wrong("nobody else has a zone".to_owned()))?;
    outside.signing = signed.then(Signing::valid);
    outside.zone.add(format!("mx A {MX_ADDRESS}"));
    for (zone, name, record) in [(&mut tree.domain.zone, "mx1", own), (&mut outside.zone, "mx", provider)] {
        if let Some(record) = record {
            zone.add(format!("_25._tcp.{name} TLSA {record}"));
        }
    }
    Ok(tree)
}

fn check(plan: Plan) -> Result<Report, WardError> {
    plan.start()?.check(&["clinic.example"])
}

trial! {
    a_record_of_the_servers_own_key {
        let identity = Plan::healthy()?.authority.identity(&[MX, DOMAIN])?;
        let record = end_entity(&identity)?;
        // Nobody else vouches for that certificate, and with such a record nobody has to (RFC 7672 section 3.1.1): on port 25.
        let report = check(with_records(Tree::signed(), &[record], |plan| plan.identity = identity)?)?;
        report.names_only("at-risk", "cert-untrusted-root", TRUE_ADVICE)?;
        report.has_check("cert-untrusted-root", "clear")?;
        report.has_check("dane-tlsa-mismatch", "clear")?;
        report.has_check("dnssec-bogus", "clear")
    }

    a_record_of_the_issuers_key {
        let mut plan = Plan::healthy()?;
        let record = format!("2 1 1 {}", plan.identity.key_digest(1)?);
        let mut tree = Tree::signed();
        tree.domain.zone.add(format!("_25._tcp.mx1 TLSA {record}"));
        plan.tree = Some(tree);
        let report = check(plan)?;
        report.healthy_with(TRUE_ADVICE)?;
        report.has_check("dane-tlsa-mismatch", "clear")
    }

    a_key_that_was_changed_and_its_record_was_not {
        let old = Plan::healthy()?.identity;
        let report = check(with_records(Tree::signed(), &[end_entity(&old)?], |_| ())?)?;
        report.names_only("broken", "dane-tlsa-mismatch", TRUE_ADVICE)
    }

    a_key_that_was_changed_with_both_records_there {
        let (old, mut plan) = (Plan::healthy()?.identity, Plan::healthy()?);
        let mut tree = Tree::signed();
        for identity in [&old, &plan.identity] {
            tree.domain.zone.add(format!("_25._tcp.mx1 TLSA {}", end_entity(identity)?));
        }
        plan.tree = Some(tree);
        check(plan)?.healthy_with(TRUE_ADVICE)
    }

    a_certificate_that_nobody_vouches_for_but_dane {
        let own = Authority::self_signed(&[MX, DOMAIN])?;
        let record = end_entity(&own)?;
        let report = check(with_records(Tree::signed(), &[record], |plan| plan.identity = own)?)?;
        // Who logs in on port 465 knows nothing of DANE.
        report.names_only("at-risk", "cert-self-signed", TRUE_ADVICE)?;
        report.has_check("cert-self-signed", "clear")?;
        report.has_check("dane-tlsa-mismatch", "clear")
    }

    a_date_that_does_not_count {
        let mut plan = Plan::healthy()?;
        let identity = plan.authority.expired(&[MX, DOMAIN])?;
        let mut tree = Tree::signed();
        tree.domain.zone.add(format!("_25._tcp.mx1 TLSA {}", end_entity(&identity)?));
        (plan.tree, plan.identity) = (Some(tree), identity);
        let report = check(plan)?;
        report.names_only("at-risk", "cert-expired", TRUE_ADVICE)?;
        report.has_check("cert-expired", "clear")
    }

    a_date_that_counts_under_the_issuers_key {
        let mut plan = Plan::healthy()?;
        let identity = plan.authority.expired(&[MX, DOMAIN])?;
        let mut tree = Tree::signed();
        tree.domain.zone.add(format!("_25._tcp.mx1 TLSA 2 1 1 {}", identity.key_digest(1)?));
        (plan.tree, plan.identity) = (Some(tree), identity);
        check(plan)?.names_only("broken", "cert-expired", TRUE_ADVICE)
    }

    a_name_that_counts_under_the_issuers_key {
        let mut plan = Plan::healthy()?;
        let identity = plan.authority.identity(&["www.clinic.example"])?;
        let mut tree = Tree::signed();
        tree.domain.zone.add(format!("_25._tcp.mx1 TLSA 2 1 1 {}", identity.key_digest(1)?));
        (plan.tree, plan.identity) = (Some(tree), identity);
        check(plan)?.names_only("broken", "cert-name-mismatch", TRUE_ADVICE)
    }

    records_that_nothing_signs_bind_nobody {
        let old = Plan::healthy()?.identity;
        // The zones above are signed and show that this one is not.
        let mut tree = Tree::signed();
        tree.domain.signing = None;
        let report = check(with_records(tree, &[end_entity(&old)?], |_| ())?)?;
        report.names_only("at-risk", "dane-without-dnssec", TRUE_ADVICE)
    }

    records_of_which_nobody_can_tell_whether_they_are_signed {
        let old = Plan::healthy()?.identity;
        let report = check(with_records(Tree::unsigned(), &[end_entity(&old)?], |_| ())?)?;
        report.healthy_with(TRUE_ADVICE)?;
        report.has_check("dane-tlsa-mismatch", "unknown")
    }

    records_and_no_starttls {
        let mut plan = Plan::healthy()?;
        let record = end_entity(&plan.identity)?;
        let mut tree = Tree::signed();
        tree.domain.zone.add(format!("_25._tcp.mx1 TLSA {record}"));
        plan.tree = Some(tree);
        plan.postfix.set_on("smtp", "smtpd_tls_security_level", "none");
        let report = check(plan)?;
        report.names("broken", "starttls-not-offered")?;
        report.explains("dane-starttls-missing")
    }

    an_alias_whose_end_is_signed_has_its_records_there {
        let (old, current) = (end_entity(&Plan::healthy()?.identity)?, Plan::healthy()?);
        let fits = end_entity(&current.identity)?;
        // Where both names have records, those at the end of the chain count (RFC 7672 section 2.2.2).
        let report = check(Plan { tree: Some(alias(true, Some(old), Some(fits))?), ..current })?;
        report.names_only("at-risk", "mx-is-cname", TRUE_ADVICE)?;
        report.has_check("dane-tlsa-mismatch", "clear")
    }

    an_alias_whose_end_is_signed_and_does_not_fit {
        let old = end_entity(&Plan::healthy()?.identity)?;
        let report = check(Plan { tree: Some(alias(true, None, Some(old))?), ..Plan::healthy()? })?;
        report.names("broken", "dane-tlsa-mismatch")?;
        report.tells("name", "_25._tcp.mx.outside.example")
    }

    an_alias_whose_end_nothing_signs_has_its_records_at_its_own_name {
        let (old, current) = (end_entity(&Plan::healthy()?.identity)?, Plan::healthy()?);
        let fits = end_entity(&current.identity)?;
        let report = check(Plan { tree: Some(alias(false, Some(fits), Some(old))?), ..current })?;
        report.names_only("at-risk", "mx-is-cname", TRUE_ADVICE)?;
        report.has_check("dane-tlsa-mismatch", "clear")
    }

    an_alias_whose_end_nothing_signs_and_has_records_binds_nobody {
        let old = end_entity(&Plan::healthy()?.identity)?;
        let report = check(Plan { tree: Some(alias(false, None, Some(old))?), ..Plan::healthy()? })?;
        report.names_only("at-risk", "mx-is-cname", TRUE_ADVICE)?;
        report.has_check("dane-tlsa-mismatch", "not-applicable")
    }

    a_key_that_was_renewed_at_both_exchangers_is_one_fault {
        let names = [MX, "mx2.clinic.example", DOMAIN];
        let mut plan = Plan::healthy()?;
        let old = end_entity(&plan.identity)?;
        plan.identity = plan.authority.identity(&names)?;
        plan.exim.set("local_interfaces", &format!("{MX_ADDRESS} : {OTHER_ADDRESS}"));
        plan.mta = Mta::Exim;
        let mut tree = Tree::signed();
        tree.domain.zone.add("@ MX 20 mx2").add(format!("mx2 A {OTHER_ADDRESS}"));
        for host in ["mx1", "mx2"] {
            tree.domain.zone.add(format!("_25._tcp.{host} TLSA {old}"));
        }
        for branch in tree.others.iter_mut().filter(|branch| branch.zone.origin.ends_with("in-addr.arpa.")) {
            branch.zone.add("20 PTR mx2.clinic.example.");
        }
        plan.tree = Some(tree);
        let report = check(plan)?;
        report.names_only("broken", "dane-tlsa-mismatch", TRUE_ADVICE)?;
        report.tells("names", "_25._tcp.mx2.clinic.example")
    }
}
