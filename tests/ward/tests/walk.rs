//! The walk from the root, in trees of zones of our own on NSD and Knot, with Unbound as the resolver here and out there.

use std::process::Command;

use maildoctor_ward::{
    Branch, MailSystem, Manner, NameServer, OTHER_ADDRESS, Plan, RESOLVER, Report, Signing, Software, TREE_ADDRESSES,
    TREE_NOBODY, Tree, WardError, drop_dns_datagrams_to, drop_packets_to, output_of, trial,
};

/// What is true of these systems: one mail server, passwords only after TLS, and VRFY as Debian leaves it.
const TRUE_ADVICE: [&str; 3] = ["mx-single", "auth-only-after-tls", "vrfy-enabled"];

fn check(system: &MailSystem) -> Result<Report, WardError> {
    system.check(&["clinic.example"])
}

/// An unsigned tree with one thing broken, checked: this code, and no other.
fn unsigned(verdict: &str, code: &str, change: impl FnOnce(&mut Tree)) -> Result<Report, WardError> {
    let report = check(&Plan::with_tree(Tree::unsigned(), change)?)?;
    report.names_only(verdict, code, &TRUE_ADVICE)?;
    Ok(report)
}

/// The same with a signed tree.
fn signed(verdict: &str, code: &str, change: impl FnOnce(&mut Tree)) -> Result<Report, WardError> {
    let report = check(&Plan::with_tree(Tree::signed(), change)?)?;
    report.names_only(verdict, code, &TRUE_ADVICE)?;
    Ok(report)
}

trial! {
    an_unsigned_tree_is_healthy {
        let report = check(&Plan::with_tree(Tree::unsigned(), |_| ())?)?;
        report.healthy_with(&TRUE_ADVICE)?;
        for code in ["delegation-broken", "nameserver-unreachable", "nameservers-disagree", "dns-tcp-blocked"] {
            report.has_check(code, "clear")?;
        }
        Ok(())
    }

    a_signed_tree_is_healthy {
        let report = check(&Plan::with_tree(Tree::signed(), |_| ())?)?;
        report.healthy_with(&TRUE_ADVICE)?;
        report.has_check("dnssec-bogus", "clear")
    }

    a_server_that_was_never_told_of_the_zone {
        let report = unsigned("degraded", "delegation-broken", |tree| tree.domain.servers[1].manner = Manner::ServesNothing)?;
        report.tells("faults", "ns2.clinic.example")
    }

    a_server_that_refuses_everybody {
        let report = unsigned("degraded", "delegation-broken", |tree| tree.domain.servers[0].manner = Manner::Refuses)?;
        report.tells("faults", "REFUSED")
    }

    a_server_that_does_not_run {
        let report = unsigned("degraded", "nameserver-unreachable", |tree| tree.domain.servers[1].manner = Manner::Dead)?;
        report.tells("servers", TREE_ADDRESSES[2][1])
    }

    no_server_answers {
        let system = Plan::with_tree(Tree::unsigned(), |_| ())?;
        for address in TREE_ADDRESSES[2] {
            drop_dns_datagrams_to(address)?;
            drop_packets_to(address, 53)?;
        }
        let report = system.check(&["clinic.example", "--deadline", "12s"])?;
        report.names_only("broken", "nameserver-unreachable", &TRUE_ADVICE)?;
        report.explains("mx-lookup-failed")
    }

    servers_that_disagree {
        unsigned("degraded", "nameservers-disagree", |tree| {
            let mut other = tree.domain.zone.clone();
            other.remove("@ MX").add("@ MX 20 mx1");
            tree.domain.servers[1].manner = Manner::ServesAnother(other);
        })?;
        Ok(())
    }

    a_secondary_that_is_behind {
        let system = Plan::with_tree(Tree::unsigned(), |tree| {
            tree.domain.servers[1].manner = Manner::ServesAnother(tree.domain.zone.clone());
            tree.domain.zone.serial = 2;
        })?;
        let report = check(&system)?;
        report.advises("nameservers-disagree")?;
        report.healthy_with(&[&TRUE_ADVICE[..], &["nameservers-disagree"]].concat())
    }

    glue_of_an_address_that_was_left {
        let report = unsigned("degraded", "delegation-broken", |tree| tree.domain.servers[1].glue = Some(TREE_NOBODY))?;
        report.tells("faults", TREE_ADDRESSES[2][1])
    }

    servers_that_are_deaf_over_tcp {
        let system = Plan::with_tree(Tree::unsigned(), |_| ())?;
        for address in TREE_ADDRESSES[2] {
            drop_packets_to(address, 53)?;
        }
        check(&system)?.names_only("at-risk", "dns-tcp-blocked", &TRUE_ADVICE)
    }

    nobody_can_be_asked_over_tcp_from_here {
        let system = Plan::with_tree(Tree::unsigned(), |_| ())?;
        for address in TREE_ADDRESSES.concat() {
            drop_packets_to(address, 53)?;
        }
        let report = check(&system)?;
        report.names("healthy", "dns-tcp-blocked")
    }

    signatures_that_have_expired {
        let expired = Signing { from_days: -40, until_days: -10, ..Signing::valid() };
        signed("broken", "dnssec-bogus", |tree| tree.domain.signing = Some(expired))?.explains("mx-lookup-failed")
    }

    a_record_changed_after_it_was_signed {
        let changed = Signing { changed_after: Some(("MX\t10 mx1", "MX\t20 mx1")), ..Signing::valid() };
        signed("broken", "dnssec-bogus", |tree| tree.domain.signing = Some(changed))?.explains("mx-lookup-failed")
    }

    a_ds_for_a_zone_without_keys {
        let ds = "12345 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF";
        let report = signed("broken", "dnssec-bogus", |tree| {
            tree.domain.signing = None;
            tree.domain.ds = Some(ds);
        })?;
        report.explains("mx-lookup-failed")
    }

    an_algorithm_that_nobody_knows_is_no_signature {
        let system = Plan::with_tree(Tree::signed(), |tree| {
            tree.domain.signing = None;
            tree.domain.ds = Some("12345 200 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF");
        })?;
        check(&system)?.healthy_with(&TRUE_ADVICE)
    }

    another_zone_inside {
        unsigned("broken", "mx-split-horizon", |tree| {
            tree.inside = Some(tree.domain.zone.clone());
            tree.domain.zone.remove("@ MX").remove("mx1").remove("_");
        })?;
        Ok(())
    }

    a_zone_with_a_parking_service {
        let report = unsigned("broken", "domain-expired-or-parked", |tree| {
            let [one, two] = TREE_ADDRESSES[2];
            let servers = vec![
                NameServer::new("ns1.bodis.com.", one, Software::Nsd),
                NameServer::new("ns2.bodis.com.", two, Software::Knot),
            ];
            tree.others.push(Branch::new("bodis.com.", &[], servers.clone()));
            tree.domain = Branch::new("clinic.example.", &["@ A 198.18.25.80", "@ TXT \"v=spf1 -all\"", "_dmarc TXT \"v=DMARC1; p=reject\""], servers);
        })?;
        report.tells("server", "bodis.com")
    }

    delegations_that_lead_round_in_a_circle {
        let report = unsigned("broken", "delegation-broken", |tree| {
            let [one, two] = TREE_ADDRESSES[2];
            let server = |name, address| NameServer { glue: None, ..NameServer::new(name, address, Software::Nsd) };
            tree.others.push(Branch::new("ring.example.", &[], vec![server("ns1.clinic.example.", two)]));
            tree.domain.servers = vec![server("ns1.ring.example.", one)];
        })?;
        report.tells("faults", "ns1.ring.example")?;
        report.explains("mx-lookup-failed")
    }

    one_dead_server_of_the_root_and_one_above_the_domain_cost_nothing {
        let system = Plan::with_tree(Tree::unsigned(), |_| ())?;
        let healthy = check(&system)?;
        for level in [0, 1] {
            drop_dns_datagrams_to(TREE_ADDRESSES[level][0])?;
            drop_packets_to(TREE_ADDRESSES[level][0], 53)?;
        }
        let report = check(&system)?;
        report.healthy_with(&TRUE_ADVICE)?;
        report.has_check("delegation-broken", "clear")?;
        let (took, with_all) = (report.duration_ms(), healthy.duration_ms());
        assert!(took < 3 * with_all, "{took} ms, and {with_all} ms with every server there");
        Ok(())
    }

    a_resolver_that_remembers_what_was_changed {
        let mut tree = Tree::unsigned();
        tree.domain.zone.remove("@ MX").add("@ MX 10 old").add(format!("old A {OTHER_ADDRESS}"));
        tree.others.iter_mut().for_each(|other| if other.zone.origin == "25.18.198.in-addr.arpa." {
            other.zone.add("20 PTR old.clinic.example.");
        });
        let mut system = Plan::with_tree(tree.clone(), |_| ())?;
        for name in [["clinic.example", "MX"], ["old.clinic.example", "A"]] {
            output_of(Command::new("dig").arg(format!("@{RESOLVER}")).args(name))?;
        }
        tree.domain.zone.remove("@ MX").remove("old").add("@ MX 10 mx1");
        tree.domain.zone.serial = 2;
        system.publish(&tree)?;
        let report = check(&system)?;
        report.names_only("broken", "mx-stale-cache", &TRUE_ADVICE)?;
        report.explains("connect-refused")
    }
}
