//! Faults of the envelope: senders and recipients.

use maildoctor_wire::dnsbl;

use super::{Fault, SLOW, at_mx, fault, reply, source, to_target};
use crate::BLACKLIST;
use crate::dns::data;
use crate::scenario::{Action, Rule};

pub(super) const FAULTS: &[Fault] = &[
    fault("recipient-unknown", |s| {
        s.target = "nobody@lab.example".to_owned();
        Ok(())
    }),
    fault("recipient-mailbox-full", |s| to_target(s, "452 4.2.2 Mailbox full")),
    fault("recipient-disabled", |s| to_target(s, "550 5.2.1 The mailbox is disabled")),
    fault("recipient-catch-all", |s| at_mx(s, |mx| mx.catch_all = true)),
    fault("greylisting", |s| to_target(s, "450 4.7.1 Greylisting in action, please come back later")),
    fault("rcpt-deferred", |s| to_target(s, "450 4.0.0 try again later")),
    fault("rcpt-rejected-dnsbl", |s| {
        s.zones.add(&dnsbl::query_name(source(), BLACKLIST), data::address([127, 0, 0, 3].into()));
        Ok(())
    }),
    fault("rcpt-slow", |s| at_mx(s, |mx| mx.rules.push(Rule::late("RCPT", SLOW)))),
    fault("mail-slow", |s| at_mx(s, |mx| mx.rules.push(Rule::late("MAIL", SLOW)))),
    fault("rcpt-timeout", |s| {
        s.arguments.extend(["--timeout", "2s"].map(str::to_owned));
        at_mx(s, |mx| mx.rules.push(Rule::does("RCPT", Action::Silent)))
    }),
    fault("sender-rejected", |s| reply(s, "MAIL", "550 5.1.8 Sender address rejected: Domain not found")),
    fault("rate-limited", |s| to_target(s, "450 4.7.1 you are sending too fast, rate limit exceeded")),
    fault("vrfy-enabled", |s| at_mx(s, |mx| mx.tells = true)),
    fault("null-sender-rejected", |s| {
        at_mx(s, |mx| mx.rules.push(Rule::reply("MAIL", "550 5.7.1 bounces are not accepted").matching("<>")))
    }),
    fault("postmaster-missing", |s| {
        at_mx(s, |mx| mx.rules.push(Rule::reply("RCPT", "550 5.1.1 User unknown").matching("postmaster@")))
    }),
];
