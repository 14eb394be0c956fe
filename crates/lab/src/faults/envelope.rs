//! Faults of the envelope: senders and recipients.

use std::time::Duration;

use maildoctor_wire::dnsbl;

use super::part::Part::*;
use super::part::{at, shut};
use super::{Fault, SLOW, at_mx, fault, late, reply, source, to_target};
use crate::BLACKLIST;
use crate::dns::data;
use crate::scenario::{Action, Rule};

pub(super) const FAULTS: &[Fault] = &[
    fault("recipient-unknown", at(&[Typed, Recipient, Strangers]).shutting(&[Recipient, Strangers]), |s| {
        s.target = "nobody@lab.example".to_owned();
        Ok(())
    }),
    fault("recipient-mailbox-full", shut(&[Recipient]), |s| to_target(s, "452 4.2.2 Mailbox full")),
    fault("recipient-disabled", shut(&[Recipient]), |s| to_target(s, "550 5.2.1 The mailbox is disabled")),
    fault("recipient-catch-all", at(&[Strangers]), |s| at_mx(s, |mx| mx.catch_all = true)),
    fault("greylisting", shut(&[Recipient]), |s| {
        to_target(s, "450 4.7.1 Greylisting in action, please come back later")
    }),
    fault("rcpt-deferred", shut(&[Recipient]), |s| to_target(s, "450 4.0.0 try again later")),
    fault("rcpt-rejected-dnsbl", shut(&[Blacklist, Recipient, Strangers, Postmaster, Relay]), |s| {
        s.zones.add(&dnsbl::query_name(source(), BLACKLIST), data::address([127, 0, 0, 3].into()));
        Ok(())
    }),
    fault("rcpt-slow", at(&[RcptWait]), |s| late(s, &Rule::late("RCPT", SLOW))),
    fault("mail-slow", at(&[MailWait]), |s| late(s, &Rule::late("MAIL", SLOW))),
    fault("rcpt-timeout", shut(&[RcptWait, Recipient, Strangers, Postmaster, Relay]), |s| {
        s.pace.hurry(Duration::from_secs(2), None);
        at_mx(s, |mx| mx.rules.push(Rule::does("RCPT", Action::Silent)))
    }),
    fault("sender-rejected", shut(&[Sender]), |s| {
        reply(s, "MAIL", "550 5.1.8 Sender address rejected: Domain not found")
    }),
    fault("rate-limited", shut(&[Recipient]), |s| {
        to_target(s, "450 4.7.1 you are sending too fast, rate limit exceeded")
    }),
    fault("vrfy-enabled", at(&[Vrfy]), |s| at_mx(s, |mx| mx.tells = true)),
    fault("null-sender-rejected", at(&[Sender]), |s| {
        at_mx(s, |mx| mx.rules.push(Rule::reply("MAIL", "550 5.7.1 bounces are not accepted").matching("<>")))
    }),
    fault("postmaster-missing", at(&[Postmaster]), |s| {
        at_mx(s, |mx| mx.rules.push(Rule::reply("RCPT", "550 5.1.1 User unknown").matching("postmaster@")))
    }),
];
