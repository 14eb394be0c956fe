//! Faults of connecting, greeting and EHLO, and of firewalls in between.

use std::time::Duration;

use super::{Fault, SLOW, at_mx, fault, reply};
use crate::BLACKLIST;
use crate::dns::Fault as Dns;
use crate::scenario::{Action, Rule};
use crate::smtp::Door;

pub(super) const FAULTS: &[Fault] = &[
    fault("connect-refused", |s| at_mx(s, |mx| mx.door = Door::Shut)),
    fault("connect-timeout", |s| {
        s.arguments.extend(["--timeout", "4s"].map(str::to_owned));
        at_mx(s, |mx| mx.door = Door::Full)
    }),
    fault("connect-reset", |s| at_mx(s, |mx| mx.door = Door::Reset)),
    fault("host-unresolvable", |s| {
        s.target = "ghost.lab.example:25".to_owned();
        Ok(())
    }),
    fault("banner-slow", |s| at_mx(s, |mx| mx.rules.push(Rule::late("BANNER", SLOW)))),
    fault("banner-timeout", |s| {
        s.arguments.extend(["--timeout", "2s", "--deadline", "8s"].map(str::to_owned));
        at_mx(s, |mx| mx.rules.push(Rule::does("BANNER", Action::Silent)))
    }),
    fault("banner-missing-220", |s| reply(s, "BANNER", "250 mx1.lab.example hello")),
    fault("banner-421-overload", |s| reply(s, "BANNER", "421 4.3.2 mx1.lab.example too many connections, try later")),
    fault("banner-554-blocked", |s| reply(s, "BANNER", "554 5.7.1 mx1.lab.example your address is blocked by policy")),
    fault("banner-greet-delay", |s| {
        at_mx(s, |mx| mx.rules.push(Rule { action: Action::Tease, ..Rule::late("BANNER", SLOW) }))
    }),
    fault("banner-no-hostname", |s| at_mx(s, |mx| mx.banner = "ESMTP ready".to_owned())),
    fault("banner-localhost", |s| {
        at_mx(s, |mx| {
            mx.host = "localhost.localdomain".to_owned();
            mx.banner = "localhost.localdomain ESMTP".to_owned();
        })
    }),
    fault("banner-leaks-version", |s| at_mx(s, |mx| mx.banner = format!("{} ESMTP Exim 4.96.1 ready", mx.host))),
    fault("dnsbl-timeout", |s| {
        s.zones.break_below(BLACKLIST, Dns::Silent);
        s.arguments.push(format!("--dnsbl={BLACKLIST}"));
        Ok(())
    }),
    fault("dnsbl-slow", |s| {
        s.zones.break_below(BLACKLIST, Dns::Late(Duration::from_millis(5500)));
        s.stub.wait = Duration::from_secs(8);
        s.arguments.push(format!("--dnsbl={BLACKLIST}"));
        Ok(())
    }),
    fault("ehlo-rejected", |s| at_mx(s, |mx| mx.helo_only = true)),
    fault("ehlo-slow", |s| at_mx(s, |mx| mx.rules.push(Rule::late("EHLO", SLOW)))),
    fault("helo-rejected", |s| {
        reply(s, "EHLO", "550 5.7.1 Helo command rejected: Access denied")
            .and_then(|()| reply(s, "HELO", "550 5.7.1 Helo command rejected: Access denied"))
    }),
    fault("size-limit-small", |s| {
        at_mx(s, |mx| mx.capabilities = vec!["PIPELINING".to_owned(), "SIZE 1000000".to_owned()])
    }),
    fault("reply-malformed", |s| {
        reply(s, "EHLO", "250-mx1.lab.example\n251-SIZE 33554432\n250-PIPELINING\n250 STARTTLS")
    }),
    fault("firewall-masks-smtp", |s| {
        reply(s, "BANNER", "220 **********************0*0***********2*************")?;
        at_mx(s, |mx| mx.helo_only = true)
    }),
    fault("firewall-strips-starttls", |s| {
        reply(s, "EHLO", "250-mx1.lab.example\n250-PIPELINING\n250-SIZE 33554432\n250-8BITMIME\n250 XXXXXXXA")
    }),
    fault("esmtp-pipelining-violation", |s| {
        reply(s, "EHLO", "554 5.5.0 SMTP synchronization error")
            .and_then(|()| reply(s, "HELO", "554 5.5.0 SMTP synchronization error"))
    }),
];
