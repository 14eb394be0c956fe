//! Faults of connecting, greeting and EHLO, and of firewalls in between.

use std::time::Duration;

use super::part::Part::*;
use super::part::{at, shut};
use super::{Fault, SLOW, at_mx, fault, late, reply};
use crate::BLACKLIST;
use crate::dns::Fault as Dns;
use crate::scenario::{Action, Rule};
use crate::smtp::Door;

pub(super) const FAULTS: &[Fault] = &[
    fault("connect-refused", shut(&[Door]), |s| at_mx(s, |mx| mx.door = Door::Shut)),
    fault("connect-timeout", at(&[Door, MxIpv6]).shutting(&[Door]), |s| {
        s.pace.hurry(Duration::from_secs(4), None);
        at_mx(s, |mx| mx.door = Door::Full)
    }),
    fault("connect-reset", shut(&[Door]), |s| at_mx(s, |mx| mx.door = Door::Reset)),
    fault("host-unresolvable", at(&[Typed, Answers, Zone]).shutting(&[Typed]), |s| {
        s.target = "ghost.lab.example:25".to_owned();
        Ok(())
    }),
    fault("banner-slow", at(&[BannerWait, Pause]).shutting(&[Pause]), |s| late(s, &Rule::late("BANNER", SLOW))),
    fault("banner-timeout", at(&[BannerWait]).shutting(&[BannerWait, Pause]), |s| {
        s.pace.hurry(Duration::from_secs(2), Some(Duration::from_secs(8)));
        at_mx(s, |mx| mx.rules.push(Rule::does("BANNER", Action::Silent)))
    }),
    fault("banner-missing-220", shut(&[Banner, Name]), |s| reply(s, "BANNER", "250 mx1.lab.example hello")),
    fault("banner-421-overload", shut(&[Banner, Name]), |s| {
        reply(s, "BANNER", "421 4.3.2 mx1.lab.example too many connections, try later")
    }),
    fault("banner-554-blocked", shut(&[Banner, Name]), |s| {
        reply(s, "BANNER", "554 5.7.1 mx1.lab.example your address is blocked by policy")
    }),
    fault("banner-greet-delay", at(&[BannerWait, Banner]), |s| {
        late(s, &Rule { action: Action::Tease, ..Rule::late("BANNER", SLOW) })
    }),
    fault("banner-no-hostname", at(&[Name]), |s| at_mx(s, |mx| mx.banner = "ESMTP ready".to_owned())),
    fault("banner-localhost", at(&[Name]), |s| {
        at_mx(s, |mx| {
            mx.host = "localhost.localdomain".to_owned();
            mx.banner = "localhost.localdomain ESMTP".to_owned();
        })
    }),
    fault("banner-leaks-version", at(&[Name]), |s| {
        at_mx(s, |mx| mx.banner = format!("{} ESMTP Exim 4.96.1 ready", mx.host))
    }),
    fault("dnsbl-timeout", at(&[Blacklist]), |s| {
        s.zones.break_below(BLACKLIST, Dns::Silent);
        s.asks_list = true;
        s.pace.waits(s.stub.longest());
        Ok(())
    }),
    fault("dnsbl-slow", at(&[Blacklist, Patience]), |s| {
        let wait = Duration::from_millis(5500);
        s.zones.break_below(BLACKLIST, Dns::Late(wait));
        s.stub.wait = Duration::from_secs(8);
        s.asks_list = true;
        s.pace.waits(wait);
        Ok(())
    }),
    fault("ehlo-rejected", shut(&[Offers]), |s| at_mx(s, |mx| mx.helo_only = true)),
    fault("ehlo-slow", at(&[EhloWait]), |s| late(s, &Rule::late("EHLO", SLOW))),
    fault("helo-rejected", shut(&[Hello, Offers]), |s| {
        reply(s, "EHLO", "550 5.7.1 Helo command rejected: Access denied")
            .and_then(|()| reply(s, "HELO", "550 5.7.1 Helo command rejected: Access denied"))
    }),
    fault("size-limit-small", at(&[Offers]), |s| {
        at_mx(s, |mx| mx.capabilities = vec!["PIPELINING".to_owned(), "SIZE 1000000".to_owned()])
    }),
    fault("reply-malformed", at(&[Offers, Starttls]), |s| {
        reply(s, "EHLO", "250-mx1.lab.example\n251-SIZE 33554432\n250-PIPELINING\n250 STARTTLS")
    }),
    fault("firewall-masks-smtp", at(&[Banner, Name, Offers]).shutting(&[Offers]), |s| {
        reply(s, "BANNER", "220 **********************0*0***********2*************")?;
        at_mx(s, |mx| mx.helo_only = true)
    }),
    fault("firewall-strips-starttls", at(&[Offers, Starttls]).shutting(&[Starttls]), |s| {
        reply(s, "EHLO", "250-mx1.lab.example\n250-PIPELINING\n250-SIZE 33554432\n250-8BITMIME\n250 XXXXXXXA")
    }),
    fault("esmtp-pipelining-violation", shut(&[Hello, Offers]), |s| {
        reply(s, "EHLO", "554 5.5.0 SMTP synchronization error")
            .and_then(|()| reply(s, "HELO", "554 5.5.0 SMTP synchronization error"))
    }),
];
