//! Faults of the domain name system.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use maildoctor_wire::rdns;

use super::part::Part::*;
use super::part::{at, shut};
use super::{Fault, at_mx, fault, one_exchanger, source, symptom};
use crate::DOMAIN;
use crate::dns::{Fault as Dns, View, data};
use crate::scenario::Rule;
use crate::signing::Signatures;
use crate::smtp::Door;

pub(super) const FAULTS: &[Fault] = &[
    fault("domain-not-found", shut(&[Typed]), |s| {
        s.target = "anna@nowhere.example".to_owned();
        Ok(())
    }),
    fault("resolver-unreachable", shut(&[Resolver]), |s| {
        s.resolver = Some(SocketAddr::new(s.plan.nobody(), s.plan.dns));
        Ok(())
    }),
    fault("resolver-servfail", shut(&[Resolver, Answers, Blacklist]), |s| {
        s.zones.break_in(View::Here, DOMAIN, Dns::Code(ResponseCode::ServFail));
        Ok(())
    }),
    fault("resolver-slow", at(&[Answers, Blacklist]), |s| {
        s.zones.break_in(View::Here, DOMAIN, Dns::Late(Duration::from_millis(1500)));
        Ok(())
    }),
    fault("dns-slow", at(&[Zone, Blacklist]), |s| {
        s.zones.break_below(DOMAIN, Dns::Late(Duration::from_millis(1500)));
        Ok(())
    }),
    fault("mx-missing", shut(&[Mx]), |s| {
        for view in [View::Here, View::Outside] {
            s.zones.remove(view, DOMAIN, RecordType::MX);
        }
        Ok(())
    }),
    symptom("mx-lookup-failed", "delegation-broken", shut(&[Zone, Blacklist]), |s| {
        s.zones.break_below(DOMAIN, Dns::Code(ResponseCode::ServFail));
        Ok(())
    }),
    fault("dnssec-bogus", shut(&[Answers, Zone, Blacklist]), |s| {
        s.zones.spoil_signatures(Signatures::Expired);
        for view in [View::Here, View::Outside] {
            s.zones.break_in(view, DOMAIN, Dns::Bogus);
        }
        Ok(())
    }),
    fault("delegation-broken", at(&[Zone]), |s| {
        s.zones.break_in(View::Server(2), DOMAIN, Dns::Code(ResponseCode::Refused));
        Ok(())
    }),
    fault("nameserver-unreachable", at(&[Zone]), |s| {
        s.zones.break_in(View::Server(1), DOMAIN, Dns::Silent);
        Ok(())
    }),
    fault("nameservers-disagree", at(&[Zone, Mx]), |s| {
        let mut old = s.zones.at(View::Outside, DOMAIN);
        old.retain(|record| record.record_type() != RecordType::MX);
        old.push(data::mx(10, "mx2.lab.example"));
        s.zones.differ(View::Server(2), DOMAIN, old);
        Ok(())
    }),
    fault("mx-stale-cache", at(&[Mx, MxAddress]).shutting(&[Mx]), |s| {
        // The old exchanger is a machine that is gone.
        s.zones.remove(View::Here, DOMAIN, RecordType::MX);
        s.zones.add_in(View::Here, DOMAIN, data::mx(10, "old.lab.example"));
        s.zones.add("old.lab.example", data::address(s.plan.nobody()));
        s.zones.add(&rdns::ptr_name(s.plan.nobody()), data::ptr("old.lab.example"));
        s.zones.remember(View::Here, DOMAIN);
        Ok(())
    }),
    fault("dns-tcp-blocked", at(&[Zone]), |s| {
        for view in [View::Root, View::Server(1), View::Server(2)] {
            s.zones.without_tcp(view);
        }
        Ok(())
    }),
    fault("domain-expired-or-parked", at(&[Zone, Mx]).shutting(&[Mx]), |s| {
        for view in [View::Here, View::Outside, View::Root] {
            s.zones.remove(view, DOMAIN, RecordType::NS);
            s.zones.remove(view, DOMAIN, RecordType::MX);
            s.zones.add_in(view, DOMAIN, data::ns("ns1.pendingrenewaldeletion.com"));
            s.zones.add_in(view, "ns1.pendingrenewaldeletion.com", data::address(s.plan.authoritative(1)));
        }
        Ok(())
    }),
    fault("autoconfig-srv-wrong", at(&[Autoconfig]), |s| {
        s.zones.add("_imaps._tcp.lab.example", data::srv(993, "old.lab.example"));
        Ok(())
    }),
    fault("mx-null", shut(&[Mx]), |s| {
        one_exchanger(s, "");
        Ok(())
    }),
    fault("mx-unresolvable", at(&[Mx, MxAddress]).shutting(&[Mx]), |s| {
        one_exchanger(s, "gone.lab.example");
        Ok(())
    }),
    fault("mx-is-cname", at(&[MxAddress, MxReverse]), |s| {
        s.zones.forget(View::Here, "mx1.lab.example");
        s.zones.forget(View::Outside, "mx1.lab.example");
        s.zones.add("mx1.lab.example", data::cname("real.lab.example"));
        s.zones.add("real.lab.example", data::address(s.plan.mx(1)));
        s.zones.forget(View::Here, &rdns::ptr_name(s.plan.mx(1)));
        s.zones.add(&rdns::ptr_name(s.plan.mx(1)), data::ptr("real.lab.example"));
        Ok(())
    }),
    fault("mx-is-ip", at(&[Mx, MxAddress]).shutting(&[Mx]), |s| {
        let ip = s.plan.mx(1).to_string();
        one_exchanger(s, &ip);
        Ok(())
    }),
    fault("mx-private-address", at(&[Mx]), |s| {
        // A multicast address: connecting to it sends no packet.
        s.zones.add(DOMAIN, data::mx(5, "mx9.lab.example"));
        s.zones.add("mx9.lab.example", data::address([224, 0, 0, 9].into()));
        Ok(())
    }),
    fault("mx-wrong-host", at(&[Mx, Recipient]), |s| {
        s.mx[0].rules.push(Rule::reply("RCPT", "554 5.7.1 Relay access denied").matching("@lab.example"));
        Ok(())
    }),
    fault("mx-split-horizon", at(&[Mx]), |s| {
        s.zones.remove(View::Outside, DOMAIN, RecordType::MX);
        Ok(())
    }),
    symptom("mx-primary-down", "connect-refused", at(&[Mx, Door, MxIpv6]), |s| {
        s.mx[0].door = Door::Shut;
        Ok(())
    }),
    symptom("mx-all-down", "connect-refused", shut(&[Door]), |s| at_mx(s, |mx| mx.door = Door::Shut)),
    fault("mx-preference-inverted", at(&[Mx, Recipient]), |s| {
        s.mx[0].rules.push(Rule::reply("RCPT", "450 4.7.0 use the other exchanger").matching("@lab.example"));
        Ok(())
    }),
    fault("mx-single", at(&[Mx]), |s| {
        one_exchanger(s, "mx1.lab.example");
        Ok(())
    }),
    fault("mx-duplicate", at(&[Mx]), |s| {
        s.zones.add(DOMAIN, data::mx(30, "mx1.lab.example"));
        Ok(())
    }),
    fault("mx-ipv6-broken", at(&[MxAddress, MxReverse, MxIpv6]), |s| {
        s.zones.add("mx1.lab.example", data::address(std::net::Ipv6Addr::LOCALHOST.into()));
        s.zones.add(&rdns::ptr_name(std::net::Ipv6Addr::LOCALHOST.into()), data::ptr("mx1.lab.example"));
        Ok(())
    }),
    fault("ptr-missing", at(&[MxReverse]), |s| {
        for number in [1, 2] {
            let name = rdns::ptr_name(s.plan.mx(number));
            s.zones.forget(View::Here, &name);
            s.zones.forget(View::Outside, &name);
        }
        Ok(())
    }),
    fault("ptr-mismatch", at(&[MxReverse]), |s| {
        for number in [1, 2] {
            let name = rdns::ptr_name(s.plan.mx(number));
            s.zones.forget(View::Here, &name);
            s.zones.add(&name, data::ptr("elsewhere.visitor.example"));
        }
        Ok(())
    }),
    fault("ptr-generic", at(&[MxReverse]), |s| {
        for number in [1, 2] {
            let ip = s.plan.mx(number);
            let host = format!("{}.dyn.visitor.example", ip.to_string().replace('.', "-"));
            let name = rdns::ptr_name(ip);
            s.zones.forget(View::Here, &name);
            s.zones.add(&name, data::ptr(&host));
            s.zones.add(&host, data::address(ip));
        }
        Ok(())
    }),
    fault("ptr-slow", at(&[ClientReverse, Patience]), |s| {
        s.zones.break_below(&rdns::ptr_name(source()), Dns::Silent);
        s.pace.waits(s.stub.longest());
        Ok(())
    }),
    fault("helo-unresolvable", at(&[Name]), |s| {
        at_mx(s, |mx| {
            mx.host = "ghost.lab.example".to_owned();
            mx.banner = "ghost.lab.example ESMTP".to_owned();
        })
    }),
];
