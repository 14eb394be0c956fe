//! The faults, by catalogue code: how each is made, and what `check` must name first.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use maildoctor_wire::{dnsbl, rdns};

use crate::dns::{Fault as Dns, View, data};
use crate::mailbox::Protocol;
use crate::scenario::{Action, Role, Rule};
use crate::smtp::{Behaviour, Door};
use crate::tls::Variant;
use crate::{BLACKLIST, DOMAIN, LabError, Setup};

/// A fault.
pub struct Fault {
    /// The catalogue's code.
    pub code: &'static str,
    /// The code that must stand first in the diagnosis: itself, or the root that causes it.
    pub expect: &'static str,
    /// How it is made.
    pub apply: fn(&mut Setup) -> Result<(), LabError>,
}

/// A fault by its code.
pub fn find(code: &str) -> Option<&'static Fault> {
    FAULTS.iter().find(|fault| fault.code == code)
}

/// Every fault.
pub fn all() -> &'static [Fault] {
    FAULTS
}

const fn fault(code: &'static str, apply: fn(&mut Setup) -> Result<(), LabError>) -> Fault {
    Fault { code, expect: code, apply }
}

const fn symptom(code: &'static str, expect: &'static str, apply: fn(&mut Setup) -> Result<(), LabError>) -> Fault {
    Fault { code, expect, apply }
}

/// Long enough to count as slow.
const SLOW: Duration = Duration::from_millis(6500);

fn at_mx(setup: &mut Setup, change: impl Fn(&mut Behaviour)) -> Result<(), LabError> {
    setup.mx.iter_mut().for_each(change);
    Ok(())
}

fn at_senders(setup: &mut Setup, change: impl Fn(&mut Behaviour)) -> Result<(), LabError> {
    change(&mut setup.submission);
    change(&mut setup.smtps);
    Ok(())
}

fn reply(setup: &mut Setup, on: &str, text: &str) -> Result<(), LabError> {
    at_mx(setup, |mx| mx.rules.push(Rule::reply(on, text)))
}

fn to_target(setup: &mut Setup, text: &str) -> Result<(), LabError> {
    at_mx(setup, |mx| mx.rules.push(Rule::reply("RCPT", text).matching("anna@")))
}

fn certificate(setup: &mut Setup, variant: Variant) -> Result<(), LabError> {
    let tls = setup.authority.server(&[&format!("mx1.{DOMAIN}"), &format!("mx2.{DOMAIN}")], variant)?;
    setup.mx.iter_mut().for_each(|mx| mx.tls = Some(tls.clone()));
    Ok(())
}

fn one_exchanger(setup: &mut Setup, host: &str) {
    for view in [View::Here, View::Outside] {
        setup.zones.remove(view, DOMAIN, RecordType::MX);
    }
    setup.zones.add(DOMAIN, data::mx(10, host));
}

fn auth_reply(setup: &mut Setup, text: &str) -> Result<(), LabError> {
    at_senders(setup, |s| s.rules.push(Rule::reply("AUTH", text)))
}

fn content(setup: &mut Setup, text: &str) -> Result<(), LabError> {
    setup.send = true;
    for server in setup.servers() {
        server.rules.push(Rule::reply("CONTENT", text));
    }
    Ok(())
}

fn sends(setup: &mut Setup, change: impl Fn(&mut Behaviour)) -> Result<(), LabError> {
    setup.send = true;
    setup.servers().for_each(change);
    Ok(())
}

fn token(setup: &mut Setup, octets: &str) -> Result<(), LabError> {
    use base64::Engine;
    setup.token = Some(base64::engine::general_purpose::STANDARD.encode(octets));
    setup.wrong_password = true;
    Ok(())
}

fn source() -> IpAddr {
    [127, 0, 0, 1].into()
}

const FAULTS: &[Fault] = &[
    fault("domain-not-found", |s| {
        s.target = "anna@nowhere.example".to_owned();
        Ok(())
    }),
    fault("resolver-unreachable", |s| {
        s.resolver = Some(SocketAddr::new(s.plan.nobody(), s.plan.dns));
        Ok(())
    }),
    fault("resolver-servfail", |s| {
        s.zones.break_in(View::Here, DOMAIN, Dns::Code(ResponseCode::ServFail));
        Ok(())
    }),
    fault("resolver-slow", |s| {
        s.zones.break_in(View::Here, DOMAIN, Dns::Late(Duration::from_millis(1500)));
        Ok(())
    }),
    fault("dns-slow", |s| {
        s.zones.break_below(DOMAIN, Dns::Late(Duration::from_millis(1500)));
        Ok(())
    }),
    fault("mx-missing", |s| {
        for view in [View::Here, View::Outside] {
            s.zones.remove(view, DOMAIN, RecordType::MX);
        }
        Ok(())
    }),
    fault("mx-lookup-failed", |s| {
        s.zones.break_below(DOMAIN, Dns::Code(ResponseCode::ServFail));
        Ok(())
    }),
    fault("mx-null", |s| {
        one_exchanger(s, "");
        Ok(())
    }),
    fault("mx-unresolvable", |s| {
        one_exchanger(s, "gone.lab.example");
        Ok(())
    }),
    fault("mx-is-cname", |s| {
        s.zones.forget(View::Here, "mx1.lab.example");
        s.zones.forget(View::Outside, "mx1.lab.example");
        s.zones.add("mx1.lab.example", data::cname("real.lab.example"));
        s.zones.add("real.lab.example", data::address(s.plan.mx(1)));
        s.zones.forget(View::Here, &rdns::ptr_name(s.plan.mx(1)));
        s.zones.add(&rdns::ptr_name(s.plan.mx(1)), data::ptr("real.lab.example"));
        Ok(())
    }),
    fault("mx-is-ip", |s| {
        let ip = s.plan.mx(1).to_string();
        one_exchanger(s, &ip);
        Ok(())
    }),
    fault("mx-private-address", |s| {
        // A multicast address: connecting to it sends no packet.
        s.zones.add(DOMAIN, data::mx(5, "mx9.lab.example"));
        s.zones.add("mx9.lab.example", data::address([224, 0, 0, 9].into()));
        Ok(())
    }),
    fault("mx-wrong-host", |s| {
        s.mx[0].rules.push(Rule::reply("RCPT", "554 5.7.1 Relay access denied").matching("@lab.example"));
        Ok(())
    }),
    fault("mx-split-horizon", |s| {
        s.zones.remove(View::Outside, DOMAIN, RecordType::MX);
        Ok(())
    }),
    symptom("mx-primary-down", "connect-refused", |s| {
        s.mx[0].door = Door::Shut;
        Ok(())
    }),
    symptom("mx-all-down", "connect-refused", |s| at_mx(s, |mx| mx.door = Door::Shut)),
    fault("mx-preference-inverted", |s| {
        s.mx[0].rules.push(Rule::reply("RCPT", "450 4.7.0 use the other exchanger").matching("@lab.example"));
        Ok(())
    }),
    fault("mx-single", |s| {
        one_exchanger(s, "mx1.lab.example");
        Ok(())
    }),
    fault("mx-duplicate", |s| {
        s.zones.add(DOMAIN, data::mx(30, "mx1.lab.example"));
        Ok(())
    }),
    fault("mx-ipv6-broken", |s| {
        s.zones.add("mx1.lab.example", data::address(std::net::Ipv6Addr::LOCALHOST.into()));
        s.zones.add(&rdns::ptr_name(std::net::Ipv6Addr::LOCALHOST.into()), data::ptr("mx1.lab.example"));
        Ok(())
    }),
    fault("ptr-missing", |s| {
        for number in [1, 2] {
            let name = rdns::ptr_name(s.plan.mx(number));
            s.zones.forget(View::Here, &name);
            s.zones.forget(View::Outside, &name);
        }
        Ok(())
    }),
    fault("ptr-mismatch", |s| {
        for number in [1, 2] {
            let name = rdns::ptr_name(s.plan.mx(number));
            s.zones.forget(View::Here, &name);
            s.zones.add(&name, data::ptr("elsewhere.visitor.example"));
        }
        Ok(())
    }),
    fault("ptr-generic", |s| {
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
    fault("ptr-slow", |s| {
        s.zones.break_below(&rdns::ptr_name(source()), Dns::Silent);
        Ok(())
    }),
    fault("helo-unresolvable", |s| {
        at_mx(s, |mx| {
            mx.host = "ghost.lab.example".to_owned();
            mx.banner = "ghost.lab.example ESMTP".to_owned();
        })
    }),
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
    fault("starttls-not-offered", |s| at_mx(s, |mx| mx.starttls = false)),
    fault("starttls-not-enforced", |s| {
        s.submission.lax = true;
        Ok(())
    }),
    fault("starttls-refused", |s| reply(s, "STARTTLS", "454 4.7.0 TLS not available due to local problem")),
    fault("starttls-injection", |s| at_mx(s, |mx| mx.keeps_plaintext = true)),
    fault("tls-handshake-failed", |s| {
        let tls = crate::tls::without_certificate()?;
        at_mx(s, |mx| mx.tls = Some(tls.clone()))
    }),
    fault("cert-expired", |s| certificate(s, Variant::Expired)),
    fault("cert-expires-soon", |s| certificate(s, Variant::ExpiresSoon)),
    fault("cert-not-yet-valid", |s| certificate(s, Variant::NotYetValid)),
    fault("cert-name-mismatch", |s| certificate(s, Variant::OtherName)),
    fault("cert-self-signed", |s| certificate(s, Variant::SelfSigned)),
    fault("cert-chain-incomplete", |s| certificate(s, Variant::ChainIncomplete)),
    fault("cert-untrusted-root", |s| certificate(s, Variant::UnknownRoot)),
    fault("starttls-keeps-auth-plain", |s| {
        s.submission.auth_before_tls = true;
        Ok(())
    }),
    symptom("submission-closed", "connect-refused", |s| at_senders(s, |sender| sender.door = Door::Shut)),
    fault("smtps-not-tls", |s| {
        s.smtps.tls = None;
        Ok(())
    }),
    fault("auth-not-offered", |s| at_senders(s, |sender| sender.mechanisms.clear())),
    fault("auth-plain-missing", |s| at_senders(s, |sender| sender.mechanisms = vec!["CRAM-MD5"])),
    fault("auth-legacy-format", |s| at_senders(s, |sender| sender.auth_old_form = true)),
    fault("auth-rejected", |s| {
        s.wrong_password = true;
        Ok(())
    }),
    fault("auth-backend-down", |s| {
        auth_reply(s, "454 4.7.0 Temporary authentication failure: Connection lost to authentication server")
    }),
    fault("auth-needs-tls", |s| auth_reply(s, "538 5.7.11 Encryption required for requested authentication mechanism")),
    fault("auth-mechanism-broken", |s| {
        at_senders(s, |sender| {
            sender.rules.push(Rule::reply("AUTH", "535 5.7.8 mechanism out of order").matching("PLAIN"));
        })
    }),
    fault("auth-oauth-required", |s| {
        auth_reply(s, "535 5.7.139 Authentication unsuccessful, basic authentication is disabled")
    }),
    fault("auth-required-for-mx", |s| reply(s, "RCPT", "530 5.7.0 Authentication required")),
    fault("auth-token-no-leading-nul", |s| token(s, "anna@lab.example\0geheim")),
    fault("auth-token-at-lost", |s| token(s, "\0anna.example\0geheim")),
    fault("auth-token-octal-eaten", |s| token(s, "\0anna@lab.example\x0bgeheim")),
    fault("auth-token-trailing-newline", |s| token(s, "\0anna@lab.example\0geheim\n")),
    fault("auth-token-authzid", |s| token(s, "bert\0anna@lab.example\0geheim")),
    fault("relay-open", |s| at_mx(s, |mx| mx.relays = true)),
    fault("relay-denied-when-authenticated", |s| {
        at_senders(s, |sender| {
            sender.rules.push(Rule::reply("RCPT", "554 5.7.1 Relay access denied").matching("visitor.example"));
        })
    }),
    fault("relay-denied-for-own-domain", |s| {
        at_mx(s, |mx| mx.rules.push(Rule::reply("RCPT", "554 5.7.1 Relay access denied").matching("@lab.example")))
    }),
    fault("relay-sender-not-owned", |s| {
        at_senders(s, |sender| {
            sender.rules.push(Rule {
                authenticated: Some(true),
                ..Rule::reply("MAIL", "553 5.7.1 Sender address rejected: not owned by user anna")
            });
        })
    }),
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
    fault("data-rejected-content", |s| content(s, "554 5.7.1 Message rejected as spam by content filter")),
    fault("data-rejected-size", |s| content(s, "552 5.3.4 Message size exceeds fixed limit")),
    fault("server-storage-full", |s| to_target(s, "452 4.3.1 Insufficient system storage")),
    fault("server-config-error", |s| to_target(s, "451 4.3.5 Server configuration error")),
    fault("mail-loop", |s| content(s, "554 5.4.6 Too many hops")),
    fault("accepted-not-delivered", |s| {
        s.arguments.extend(["--deadline", "8s"].map(str::to_owned));
        sends(s, |server| server.loses = true)
    }),
    fault("delivered-to-junk", |s| sends(s, |server| server.folder = ".Junk")),
    fault("imap-unreachable", |s| {
        s.mailbox = Some(Protocol::Imap);
        s.mailboxes.iter_mut().for_each(|m| m.shut |= m.protocol == Protocol::Imap);
        Ok(())
    }),
    fault("pop3-unreachable", |s| {
        s.mailbox = Some(Protocol::Pop3);
        s.mailboxes.iter_mut().for_each(|m| m.shut |= m.protocol == Protocol::Pop3);
        Ok(())
    }),
    fault("imap-login-failed", |s| {
        s.mailbox = Some(Protocol::Imap);
        s.mailboxes.iter_mut().for_each(|m| m.refuses = true);
        Ok(())
    }),
    fault("imap-cert-problem", |s| {
        s.mailbox = Some(Protocol::Imap);
        let tls = s.authority.server(&[&format!("mail.{DOMAIN}")], Variant::Expired)?;
        s.mailboxes.iter_mut().for_each(|m| m.tls = tls.clone());
        Ok(())
    }),
    fault("esmtp-pipelining-violation", |s| {
        reply(s, "EHLO", "554 5.5.0 SMTP synchronization error")
            .and_then(|()| reply(s, "HELO", "554 5.5.0 SMTP synchronization error"))
    }),
    fault("tls-on-starttls-port", |s| {
        s.arguments.extend(["--timeout", "2s", "--deadline", "12s"].map(str::to_owned));
        for mx in &mut s.mx {
            mx.role = Role::Smtps;
        }
        Ok(())
    }),
];
