//! The walk from the root, in trees of zones of our own on NSD and Knot, with Unbound as the resolver here and out there.

use std::process::Command;

use maildoctor_ward::{
    OTHER_ADDRESS, Plan, RESOLVER, Report, TREE_ADDRESSES, Tree, WardError, Way, drop_dns_datagrams_to,
    drop_packets_to, output_of, trial,
};

/// What is true of these systems: one mail server, passwords only after TLS, and VRFY as Debian leaves it.
const TRUE_ADVICE: [&str; 3] = ["mx-single", "auth-only-after-tls", "vrfy-enabled"];

/// A tree that is so, checked.
fn check(way: &str) -> Result<Report, WardError> {
    Way::named(way)?.start()?.check(&["clinic.example"])
}

/// The same: this code, and no other.
fn names_only(way: &str, verdict: &str, code: &str) -> Result<Report, WardError> {
    let report = check(way)?;
    report.names_only(verdict, code, &TRUE_ADVICE)?;
    Ok(report)
}

trial! {
    an_unsigned_tree_is_healthy {
        let report = check("unsigned")?;
        report.healthy_with(&TRUE_ADVICE)?;
        for code in ["delegation-broken", "nameserver-unreachable", "nameservers-disagree", "dns-tcp-blocked"] {
            report.has_check(code, "clear")?;
        }
        Ok(())
    }

    a_server_that_was_never_told_of_the_zone {
        names_only("server-not-told", "degraded", "delegation-broken")?.tells("faults", "ns2.clinic.example")
    }

    a_server_that_refuses_everybody {
        names_only("server-refuses", "degraded", "delegation-broken")?.tells("faults", "REFUSED")
    }

    a_server_that_does_not_run {
        names_only("server-dead", "degraded", "nameserver-unreachable")?.tells("servers", TREE_ADDRESSES[2][1])
    }

    no_server_answers {
        let report = Way::named("servers-silent")?.start()?.check(&["clinic.example", "--deadline", "12s"])?;
        report.names_only("broken", "nameserver-unreachable", &TRUE_ADVICE)?;
        report.explains("mx-lookup-failed")
    }

    servers_that_disagree {
        names_only("servers-disagree", "degraded", "nameservers-disagree").map(drop)
    }

    a_secondary_that_is_behind {
        let report = check("secondary-behind")?;
        report.advises("nameservers-disagree")?;
        report.healthy_with(&[&TRUE_ADVICE[..], &["nameservers-disagree"]].concat())
    }

    glue_of_an_address_that_was_left {
        names_only("glue-stale", "degraded", "delegation-broken")?.tells("faults", TREE_ADDRESSES[2][1])
    }

    servers_that_are_deaf_over_tcp {
        names_only("servers-deaf-over-tcp", "at-risk", "dns-tcp-blocked").map(drop)
    }

    nobody_can_be_asked_over_tcp_from_here {
        check("all-deaf-over-tcp")?.names("healthy", "dns-tcp-blocked")
    }

    another_zone_inside {
        let system = Plan::with_tree(Tree::unsigned(), |tree| {
            tree.inside = Some(tree.domain.zone.clone());
            tree.domain.zone.remove("@ MX").remove("mx1").remove("_");
        })?;
        system.check(&["clinic.example"])?.names_only("broken", "mx-split-horizon", &TRUE_ADVICE)
    }

    a_zone_with_a_parking_service {
        names_only("parked", "broken", "domain-expired-or-parked")?.tells("server", "bodis.com")
    }

    delegations_that_lead_round_in_a_circle {
        let report = names_only("delegations-circular", "broken", "delegation-broken")?;
        report.tells("faults", "ns1.ring.example")?;
        report.explains("mx-lookup-failed")
    }

    one_dead_server_of_the_root_and_one_above_the_domain_cost_nothing {
        let system = Plan::with_tree(Tree::unsigned(), |_| ())?;
        let healthy = system.check(&["clinic.example"])?;
        for level in [0, 1] {
            drop_dns_datagrams_to(TREE_ADDRESSES[level][0])?;
            drop_packets_to(TREE_ADDRESSES[level][0], 53)?;
        }
        let report = system.check(&["clinic.example"])?;
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
        let report = system.check(&["clinic.example"])?;
        report.names_only("broken", "mx-stale-cache", &TRUE_ADVICE)?;
        report.explains("connect-refused")
    }
}
