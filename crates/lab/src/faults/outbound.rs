//! Faults of a sender: another domain sends to the lab, and `check --outbound` looks at it as the lab's exchangers do.

use hickory_proto::rr::RecordType;
use maildoctor_wire::{dnsbl, rdns};

use super::part::at;
use super::{Apply, Fault, at_mx};
use crate::blacklists::Blacklist;
use crate::dns::{View, data};
use crate::scenario::Rule;
use crate::{BLACKLIST, LabError, SENDER_DOMAIN, SENDER_HOST, Setup};

pub(super) const FAULTS: &[Fault] = &[
    fault("ptr-missing", |s| {
        forget_name(s);
        refuse(s, "RCPT", "450 4.7.25 Client host rejected: cannot find your hostname")
    }),
    fault("ptr-mismatch", |s| {
        forget_name(s);
        s.zones.add(&rdns::ptr_name(s.plan.sender()), data::ptr("client.visitor.example"));
        refuse(s, "RCPT", "550 5.7.25 the reverse DNS of your address does not lead back to it")
    }),
    fault("ptr-generic", |s| {
        forget_name(s);
        let host = format!("{}.dyn.visitor.example", s.plan.sender().to_string().replace('.', "-"));
        s.zones.add(&rdns::ptr_name(s.plan.sender()), data::ptr(&host));
        s.zones.add(&host, data::address(s.plan.sender()));
        Ok(())
    }),
    fault("helo-unresolvable", |s| {
        for view in [View::Here, View::Outside] {
            s.zones.forget(view, SENDER_HOST);
        }
        forget_name(s);
        s.zones.add(&rdns::ptr_name(s.plan.sender()), data::ptr("mail.visitor.example"));
        s.zones.add("mail.visitor.example", data::address(s.plan.sender()));
        policy(s, "v=spf1 a:mail.visitor.example -all");
        refuse(s, "RCPT", "450 4.7.1 <out.visitor.example>: Helo command rejected: Host not found")
    }),
    fault("spf-excludes-server", |s| {
        policy(s, "v=spf1 ip4:192.0.2.25 -all");
        refuse(s, "RCPT", "550 5.7.23 The message was rejected because of Sender Policy Framework violation")
    }),
    fault("spf-missing", |s| {
        for view in [View::Here, View::Outside] {
            s.zones.remove(view, SENDER_DOMAIN, RecordType::TXT);
        }
        Ok(())
    }),
    fault("ip-listed", |s| {
        s.zones.add(&dnsbl::query_name(s.plan.sender(), BLACKLIST), data::address([127, 0, 0, 3].into()));
        Ok(())
    }),
    fault("ip-listed-pbl", |s| {
        Blacklist::healthy("zen.spamhaus.org").publish(&mut s.zones);
        s.zones.add(&dnsbl::query_name(s.plan.sender(), "zen.spamhaus.org"), data::address([127, 0, 0, 10].into()));
        s.settings.blacklists = vec!["zen.spamhaus.org".to_owned()];
        Ok(())
    }),
    fault("domain-listed", |s| {
        for name in [dnsbl::TEST_DOMAIN, SENDER_DOMAIN] {
            s.zones.add(&dnsbl::domain_query_name(name, "domains.bl.example"), data::address([127, 0, 0, 2].into()));
        }
        s.arguments.push("--dnsbl=domains.bl.example".to_owned());
        refuse(s, "RCPT", "554 5.7.1 Service unavailable; Sender address blocked using domains.bl.example")
    }),
    fault("dnsbl-lists-everyone", |s| {
        for address in [s.plan.sender(), dnsbl::TEST_UNLISTED.into()] {
            s.zones.add(&dnsbl::query_name(address, BLACKLIST), data::address([127, 0, 0, 2].into()));
        }
        Ok(())
    }),
    fault("sender-rejected", |s| refuse(s, "MAIL", "550 5.7.1 you are not welcome here: Sender address rejected")),
    fault("recipient-refused", |s| refuse(s, "RCPT", "554 5.7.1 Client host rejected: Access denied")),
];

/// A fault of the sender: these are tried one at a time, and no pair of them needs places.
const fn fault(code: &'static str, apply: Apply) -> Fault {
    super::fault(code, at(&[]), apply)
}

/// The lab's exchangers refuse.
fn refuse(setup: &mut Setup, on: &str, reply: &str) -> Result<(), LabError> {
    at_mx(setup, |mx| mx.rules.push(Rule::reply(on, reply)))
}

fn forget_name(setup: &mut Setup) {
    let name = rdns::ptr_name(setup.plan.sender());
    for view in [View::Here, View::Outside] {
        setup.zones.forget(view, &name);
    }
}

/// Puts an SPF record in place of the sender's.
fn policy(setup: &mut Setup, text: &str) {
    for view in [View::Here, View::Outside] {
        setup.zones.remove(view, SENDER_DOMAIN, RecordType::TXT);
    }
    setup.zones.add(SENDER_DOMAIN, data::txt(text));
}
