//! Name servers of a mail exchanger that answer oddly when they are asked for an IPv6 address, as some load balancers do.

use std::net::Ipv4Addr;

use hickory_proto::op::ResponseCode;
use maildoctor_ward::{DOMAIN, DnsManner, MX, MX_ADDRESS, Plan, THIRD_PARTY, WardError, dns_responder, trial};

/// The exchanger's name lies in a zone whose server is such a one; mail arrives all the same.
fn behind_a_balancer(odd: Option<ResponseCode>) -> Result<(), WardError> {
    let address: Ipv4Addr = MX_ADDRESS.parse().map_err(|_| WardError::Wrong(MX_ADDRESS.to_owned()))?;
    dns_responder(THIRD_PARTY, DnsManner::OddAboutIpv6(address, odd))?;
    let mut plan = Plan::healthy()?;
    plan.zones.domain.remove("@ MX").add("@ MX 10 mx.balanced.example.");
    plan.zones.example.add("balanced NS ns1.list");
    plan.identity = plan.authority.identity(&["mx.balanced.example", MX, DOMAIN])?;
    plan.start()?.check(&[DOMAIN])?.healthy_with(&["mx-single", "vrfy-enabled"])
}

trial! {
    no_such_name_for_ipv6 {
        behind_a_balancer(Some(ResponseCode::NXDomain))
    }

    a_failure_for_ipv6 {
        behind_a_balancer(Some(ResponseCode::ServFail))
    }

    silence_for_ipv6 {
        behind_a_balancer(None)
    }
}
