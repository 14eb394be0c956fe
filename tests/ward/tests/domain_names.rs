//! Faults of the domain name system, on real name servers and resolvers.

use maildoctor_ward::{MX_ADDRESS, Plan, Zones, trial};

trial! {
    no_such_domain {
        Plan::healthy()?.start()?.check(&["missing.example"])?.names("broken", "domain-not-found")
    }

    null_mx {
        let system = Plan::healthy_but(|plan| { plan.zones.domain.remove("@ MX").add("@ MX 0 ."); })?;
        system.check(&["clinic.example"])?.names("broken", "mx-null")
    }

    mx_that_leads_nowhere {
        let system = Plan::healthy_but(|plan| { plan.zones.domain.remove("@ MX").add("@ MX 10 gone"); })?;
        system.check(&["clinic.example"])?.names("broken", "mx-unresolvable")
    }

    mx_that_is_an_alias {
        let system = Plan::healthy_but(|plan| {
            plan.zones.domain.remove("@ MX").add("@ MX 10 mail").add("mail CNAME mx1");
            if let Ok(identity) = plan.authority.identity(&["mx1.clinic.example", "mail.clinic.example"]) {
                plan.identity = identity;
            }
        })?;
        system.check(&["clinic.example"])?.names("at-risk", "mx-is-cname")
    }

    mx_that_is_an_address {
        let system = Plan::healthy_but(|plan| { plan.zones.domain.remove("@ MX").add(format!("@ MX 10 {MX_ADDRESS}.")); })?;
        system.check(&["clinic.example"])?.names("broken", "mx-is-ip")
    }

    no_mx_but_an_address {
        let system = Plan::healthy_but(|plan| { plan.zones.domain.remove("@ MX").add(format!("@ A {MX_ADDRESS}")); })?;
        system.check(&["clinic.example"])?.names("at-risk", "mx-missing")
    }

    no_reverse_name {
        let system = Plan::healthy_but(|plan| { plan.zones.reverse.remove("10 PTR"); })?;
        system.check(&["clinic.example"])?.names("at-risk", "ptr-missing")
    }

    reverse_name_that_does_not_confirm {
        let system = Plan::healthy_but(|plan| { plan.zones.reverse.remove("10 PTR").add("10 PTR old.clinic.example."); })?;
        system.check(&["clinic.example"])?.names("at-risk", "ptr-mismatch")
    }

    split_horizon {
        let system = Plan::healthy_but(|plan| {
            let mut outside = Zones::healthy();
            outside.domain.remove("@ MX").remove("mx1").remove("_");
            plan.outside = Some(outside);
        })?;
        system.check(&["clinic.example"])?.names("broken", "mx-split-horizon")
    }
}
