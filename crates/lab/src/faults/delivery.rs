//! Faults of content, delivery and mailboxes.

use std::time::Duration;

use super::part::Part::*;
use super::part::{at, shut};
use super::{Fault, at_mx, content, fault, sends, to_target};
use crate::DOMAIN;
use crate::mailbox::Protocol;
use crate::tls::Variant;

pub(super) const FAULTS: &[Fault] = &[
    fault("data-rejected-content", shut(&[Content]), |s| {
        content(s, "554 5.7.1 Message rejected as spam by content filter")
    }),
    fault("data-rejected-size", shut(&[Content]), |s| content(s, "552 5.3.4 Message size exceeds fixed limit")),
    fault("server-storage-full", shut(&[Recipient]), |s| to_target(s, "452 4.3.1 Insufficient system storage")),
    fault("server-config-error", shut(&[Recipient]), |s| to_target(s, "451 4.3.5 Server configuration error")),
    fault("mail-loop", shut(&[Content]), |s| content(s, "554 5.4.6 Too many hops")),
    fault("accepted-not-delivered", shut(&[Delivery]), |s| {
        s.pace.end_by(Some(Duration::from_secs(8)));
        sends(s, |server| server.loses = true)
    }),
    fault("smtp-smuggling", at(&[EndOfMessage]), |s| {
        s.send = true;
        at_mx(s, |mx| mx.bare_line_feeds_end = true)
    }),
    fault("delivered-to-junk", at(&[Delivery]), |s| sends(s, |server| server.folder = ".Junk")),
    fault("imap-unreachable", shut(&[Mailbox]), |s| {
        s.mailbox = Some(Protocol::Imap);
        s.mailboxes.iter_mut().for_each(|m| m.shut |= m.protocol == Protocol::Imap);
        Ok(())
    }),
    fault("pop3-unreachable", shut(&[Mailbox]), |s| {
        s.mailbox = Some(Protocol::Pop3);
        s.mailboxes.iter_mut().for_each(|m| m.shut |= m.protocol == Protocol::Pop3);
        Ok(())
    }),
    fault("imap-login-failed", shut(&[Mailbox]), |s| {
        s.mailbox = Some(Protocol::Imap);
        s.mailboxes.iter_mut().for_each(|m| m.refuses = true);
        Ok(())
    }),
    fault("imap-cert-problem", shut(&[Mailbox]), |s| {
        s.mailbox = Some(Protocol::Imap);
        let tls = s.authority.server(&[&format!("mail.{DOMAIN}")], Variant::Expired)?;
        s.mailboxes.iter_mut().for_each(|m| m.tls = tls.clone());
        Ok(())
    }),
];
