//! Faults of AUTH, of tokens made by hand, and of relaying.

use super::part::Part::*;
use super::part::{at, shut};
use super::{Fault, at_mx, at_senders, auth_reply, fault, reply, token};
use crate::scenario::Rule;

pub(super) const FAULTS: &[Fault] = &[
    fault("auth-not-offered", shut(&[Mechanisms]), |s| at_senders(s, |sender| sender.mechanisms.clear())),
    fault("auth-plain-missing", at(&[Mechanisms, Token]), |s| {
        at_senders(s, |sender| sender.mechanisms = vec!["CRAM-MD5"])
    }),
    fault("auth-legacy-format", at(&[Mechanisms]), |s| at_senders(s, |sender| sender.auth_old_form = true)),
    fault("auth-rejected", shut(&[Password]), |s| {
        s.wrong_password = true;
        Ok(())
    }),
    fault("auth-backend-down", shut(&[Auth]), |s| {
        auth_reply(s, "454 4.7.0 Temporary authentication failure: Connection lost to authentication server")
    }),
    fault("auth-needs-tls", shut(&[Auth]), |s| {
        auth_reply(s, "538 5.7.11 Encryption required for requested authentication mechanism")
    }),
    fault("auth-mechanism-broken", at(&[Auth, Mechanisms, Password]).shutting(&[Password]), |s| {
        at_senders(s, |sender| {
            sender.rules.push(Rule::reply("AUTH", "535 5.7.8 mechanism out of order").matching("PLAIN"));
        })
    }),
    fault("auth-oauth-required", shut(&[Auth]), |s| {
        auth_reply(s, "535 5.7.139 Authentication unsuccessful, basic authentication is disabled")
    }),
    fault("auth-required-for-mx", shut(&[Recipient, Strangers, Postmaster, Relay]), |s| {
        reply(s, "RCPT", "530 5.7.0 Authentication required")
    }),
    fault("auth-token-no-leading-nul", at(&[Token, Password]).shutting(&[Password]), |s| {
        token(s, "anna@lab.example\0geheim")
    }),
    fault("auth-token-at-lost", at(&[Token, Password]).shutting(&[Password]), |s| token(s, "\0anna.example\0geheim")),
    fault("auth-token-octal-eaten", at(&[Token, Password]).shutting(&[Password]), |s| {
        token(s, "\0anna@lab.example\x0bgeheim")
    }),
    fault("auth-token-trailing-newline", at(&[Token, Password]).shutting(&[Password]), |s| {
        token(s, "\0anna@lab.example\0geheim\n")
    }),
    fault("auth-token-authzid", at(&[Token, Password]).shutting(&[Password]), |s| {
        token(s, "bert\0anna@lab.example\0geheim")
    }),
    fault("relay-open", at(&[Relay]), |s| at_mx(s, |mx| mx.relays = true)),
    fault("relay-denied-when-authenticated", shut(&[SubmissionRecipient]), |s| {
        at_senders(s, |sender| {
            sender.rules.push(Rule::reply("RCPT", "554 5.7.1 Relay access denied").matching("visitor.example"));
        })
    }),
    fault("relay-denied-for-own-domain", shut(&[Recipient, Strangers, Postmaster]), |s| {
        at_mx(s, |mx| mx.rules.push(Rule::reply("RCPT", "554 5.7.1 Relay access denied").matching("@lab.example")))
    }),
    fault("relay-sender-not-owned", shut(&[SubmissionSender]), |s| {
        at_senders(s, |sender| {
            sender.rules.push(Rule {
                authenticated: Some(true),
                ..Rule::reply("MAIL", "553 5.7.1 Sender address rejected: not owned by user anna")
            });
        })
    }),
];
