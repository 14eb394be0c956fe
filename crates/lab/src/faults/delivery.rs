//! Faults of content, delivery and mailboxes.

use super::{Fault, at_mx, content, fault, sends, to_target};
use crate::DOMAIN;
use crate::mailbox::Protocol;
use crate::tls::Variant;

pub(super) const FAULTS: &[Fault] = &[
    fault("data-rejected-content", |s| content(s, "554 5.7.1 Message rejected as spam by content filter")),
    fault("data-rejected-size", |s| content(s, "552 5.3.4 Message size exceeds fixed limit")),
    fault("server-storage-full", |s| to_target(s, "452 4.3.1 Insufficient system storage")),
    fault("server-config-error", |s| to_target(s, "451 4.3.5 Server configuration error")),
    fault("mail-loop", |s| content(s, "554 5.4.6 Too many hops")),
    fault("accepted-not-delivered", |s| {
        s.arguments.extend(["--deadline", "8s"].map(str::to_owned));
        sends(s, |server| server.loses = true)
    }),
    fault("smtp-smuggling", |s| {
        s.send = true;
        at_mx(s, |mx| mx.bare_line_feeds_end = true)
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
];
