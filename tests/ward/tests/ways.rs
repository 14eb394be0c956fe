//! What stands in the way to the server, or is not there.

use std::net::{Ipv4Addr, TcpStream};

use maildoctor_ward::{
    DnsManner, FOREIGN_RESOLVER, MX_ADDRESS, Mta, OTHER_ADDRESS, Plan, RESOLVER, THIRD_PARTY, dns_responder,
    drop_dns_datagrams_to, drop_packets_to, masking_firewall, trial,
};

trial! {
    nothing_listens {
        Plan::healthy_but(|plan| plan.mta = Mta::Nobody)?.check(&["clinic.example"])?.names("broken", "connect-refused")
    }

    packets_vanish {
        let system = Plan::healthy()?.start()?;
        drop_packets_to(MX_ADDRESS, 25)?;
        system.check(&["clinic.example", "--timeout", "5s"])?.names("broken", "connect-timeout")
    }

    first_mx_is_down {
        let system = Plan::healthy_but(|plan| {
            plan.zones.domain.remove("@ MX").add("@ MX 10 mx0").add("@ MX 20 mx1").add(format!("mx0 A {OTHER_ADDRESS}"));
            plan.zones.reverse.add("20 PTR mx0.clinic.example.");
        })?;
        system.check(&["clinic.example"])?.names("degraded", "connect-refused")
    }

    firewall_that_rewrites_smtp {
        let system = Plan::healthy_but(|plan| {
            plan.zones.domain.remove("mx1 A").add(format!("mx1 A {OTHER_ADDRESS}")).remove("_");
            plan.zones.reverse.remove("10 PTR").add("20 PTR mx1.clinic.example.");
        })?;
        masking_firewall(&format!("{OTHER_ADDRESS}:25"), &format!("{MX_ADDRESS}:25"))?;
        system.check(&["clinic.example"])?.names("degraded", "firewall-masks-smtp")
    }

    too_many_connections {
        let system = Plan::healthy_but(|plan| { plan.postfix.set("smtpd_client_connection_count_limit", "1"); })?;
        let _held = TcpStream::connect((MX_ADDRESS, 25)).unwrap();
        system.check(&["clinic.example"])?.names("broken", "banner-421-overload")
    }

    client_refused_at_the_door {
        dns_responder(THIRD_PARTY, DnsManner::Everything(Ipv4Addr::new(127, 0, 0, 2)))?;
        let system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_delay_reject", "no").set("smtpd_client_restrictions", "reject_rbl_client list.example");
        })?;
        system.check(&["clinic.example"])?.names("broken", "banner-554-blocked")
    }

    no_resolver_answers {
        let system = Plan::healthy()?.start()?;
        for resolver in [RESOLVER, FOREIGN_RESOLVER] {
            drop_dns_datagrams_to(resolver)?;
        }
        let report = system.check(&["clinic.example"])?;
        report.names("inconclusive", "resolver-unreachable")?;
        // Ten seconds are waited for an answer. What does not rest on one is asked meanwhile, and nothing twice.
        assert!(report.duration_ms() < 20_000, "{} ms", report.duration_ms());
        Ok(())
    }
}
