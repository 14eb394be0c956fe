//! The sender's side of what a reply means.

use maildoctor_wire::enhanced::EnhancedCode;
use maildoctor_wire::wording::Meaning;

use Meaning as M;

use super::{Fault, Retry};

/// What an answer means for the one who sent the message.
#[derive(Debug, PartialEq, Eq)]
pub struct Sense {
    /// Whose fault it is.
    pub fault: Fault,
    /// Whether sending it again can succeed.
    pub retry: Retry,
    /// What is the matter, as a clause.
    pub means: &'static str,
    /// What to do.
    pub advice: &'static str,
}

const fn sense(fault: Fault, retry: Retry, means: &'static str, advice: &'static str) -> Sense {
    Sense { fault, retry, means, advice }
}

use Fault as F;
use Retry as R;

/// Meaning → sense.
pub(super) const MEANINGS: &[(Meaning, Sense)] = &[
    (
        M::UnknownRecipient,
        sense(
            F::Recipient,
            R::No,
            "the mailbox does not exist there",
            "Check the address letter by letter, and ask the recipient by another way for the right one. Take it off your lists.",
        ),
    ),
    (
        M::DisabledRecipient,
        sense(
            F::Recipient,
            R::AfterChange,
            "the mailbox exists and is closed",
            "Ask the recipient by another way; only they or their provider can open it again.",
        ),
    ),
    (
        M::FullMailbox,
        sense(
            F::Recipient,
            R::Yes,
            "the recipient's mailbox is full",
            "Tell the recipient by another way; it can be delivered once they have made room.",
        ),
    ),
    (
        M::RelayDenied,
        sense(
            F::TheirServer,
            R::AfterChange,
            "that server does not take mail for the recipient's domain",
            "If the server is your own outgoing server, let your mail program log in there. Otherwise their MX record names a server that does not know their domain: tell them.",
        ),
    ),
    (
        M::Blacklisted,
        sense(
            F::YourServer,
            R::AfterChange,
            "the address of your server is on a blacklist that they use",
            "Find out why it was listed (a hacked account, a form on a web site), stop that, then ask the list named in the reply to take the address off.",
        ),
    ),
    (
        M::Greylisted,
        sense(
            F::Nobody,
            R::Yes,
            "their server puts strangers off at the first try",
            "Nothing: a server that tries again after some minutes gets through. If it never does, yours retries from changing addresses or not at all.",
        ),
    ),
    (
        M::RateLimited,
        sense(
            F::YourServer,
            R::Yes,
            "too much came from your server in too short a time, or too much of it was wrong",
            "Send to this provider more slowly and over fewer connections, and clean your lists of dead addresses.",
        ),
    ),
    (
        M::Overloaded,
        sense(
            F::TheirServer,
            R::Yes,
            "their server is too busy",
            "Nothing: your server tries again. If it lasts for hours, tell the other postmaster.",
        ),
    ),
    (
        M::SenderRejected,
        sense(
            F::YourDomain,
            R::AfterChange,
            "they refuse the sender's address or its domain",
            "Check that the sender's domain exists and can receive mail (MX, and an answer to RCPT for the sender), and that nothing rewrites the sender.",
        ),
    ),
    (
        M::SenderNotOwned,
        sense(
            F::YourMessage,
            R::AfterChange,
            "the account that logged in may not use this sender address",
            "Send with the account's own address, or let your provider allow this one for the account.",
        ),
    ),
    (
        M::HeloRejected,
        sense(
            F::YourServer,
            R::AfterChange,
            "they refuse the name that your server gives in EHLO",
            "Let your server say its full name, one that resolves to its address (Postfix: myhostname or smtp_helo_name).",
        ),
    ),
    (
        M::PtrRequired,
        sense(
            F::YourServer,
            R::AfterChange,
            "the address of your server has no reverse DNS that they accept",
            "Have whoever owns the address set its PTR record to your server's name, and let that name resolve to the address.",
        ),
    ),
    (
        M::AuthRequired,
        sense(
            F::YourServer,
            R::AfterChange,
            "that server wants a login before it takes the message",
            "If it is your outgoing server, give it user name and password. If it should take mail from outside for the recipient, the server is closed to strangers: tell them.",
        ),
    ),
    (
        M::TlsRequired,
        sense(
            F::YourServer,
            R::AfterChange,
            "that server takes mail over TLS only",
            "Let your server use STARTTLS when it sends (Postfix: smtp_tls_security_level = may).",
        ),
    ),
    (
        M::WrongCredentials,
        sense(
            F::YourServer,
            R::AfterChange,
            "user name or password were not accepted",
            "Check the account with which your server or program logs in.",
        ),
    ),
    (
        M::AuthBackendDown,
        sense(
            F::TheirServer,
            R::Yes,
            "that server cannot check passwords at the moment",
            "Nothing at your side; tell those who run it if it lasts.",
        ),
    ),
    (
        M::OauthRequired,
        sense(
            F::YourServer,
            R::AfterChange,
            "plain passwords are not accepted there any more",
            "Use OAuth 2.0, or a password made for this application.",
        ),
    ),
    (
        M::MechanismUnsupported,
        sense(
            F::YourServer,
            R::AfterChange,
            "that server does not know the way your server wanted to log in, or the command it gave",
            "Use a login mechanism that the server lists after EHLO.",
        ),
    ),
    (
        M::StorageFull,
        sense(
            F::TheirServer,
            R::Yes,
            "their server has no room left",
            "Tell the other postmaster; your server tries again.",
        ),
    ),
    (
        M::ConfigError,
        sense(
            F::TheirServer,
            R::Yes,
            "their server has a fault of its own",
            "Tell the other postmaster, with the reply and its time.",
        ),
    ),
    (
        M::TooBig,
        sense(
            F::YourMessage,
            R::AfterChange,
            "the message is bigger than they accept",
            "Send the files as a link, or smaller: in transit they grow by a third.",
        ),
    ),
    (
        M::Loop,
        sense(
            F::InBetween,
            R::AfterChange,
            "the message went in a circle between servers",
            "Look for two servers, or two forwarding rules, that each send to the other: the Received headers of the returned message show them.",
        ),
    ),
    (
        M::ContentRejected,
        sense(
            F::YourMessage,
            R::AfterChange,
            "they refuse the content of the message as unwanted",
            "Look at what the reply names. Attachments, links and short texts without a greeting are the usual cause; send a plain text to find out.",
        ),
    ),
    (
        M::SyncError,
        sense(
            F::YourServer,
            R::AfterChange,
            "your server spoke before its turn",
            "Take out what changes the SMTP dialogue on the way (a firewall's mail filter), or bring the sending program up to date.",
        ),
    ),
    (
        M::ClientBlocked,
        sense(
            F::YourServer,
            R::AfterChange,
            "they block your server by a rule of their own",
            "Ask the other postmaster to take your server off their block list; see first whether it sent unwanted mail.",
        ),
    ),
    (
        M::DomainUnknown,
        sense(
            F::Recipient,
            R::No,
            "the recipient, or the domain, is not known there",
            "Check the address letter by letter, the part after the @ as well.",
        ),
    ),
];

/// What the codes about providers mean.
pub(super) const PROVIDERS: [(&str, Sense); 3] = [
    (
        "bounce-provider-auth",
        sense(
            F::YourDomain,
            R::AfterChange,
            "the message does not prove that your domain sent it: they want SPF, DKIM and DMARC to pass",
            "Let every server that sends for your domain stand in its SPF record and sign with DKIM under your domain. `maildoctor check` for your domain shows what is missing.",
        ),
    ),
    (
        "bounce-provider-reputation",
        sense(
            F::YourServer,
            R::AfterChange,
            "the address of your server, or your domain, has a bad reputation with them",
            "Find out what was sent that their users did not want (a hacked account, old lists), stop it, then ask them by the link in the reply to lift the block. Send slowly until then.",
        ),
    ),
    (
        "bounce-provider-ptr",
        sense(
            F::YourServer,
            R::AfterChange,
            "the address of your server has no reverse DNS that they accept",
            "Have whoever owns the address set its PTR record to your server's name, and let that name resolve to the address.",
        ),
    ),
];

const UNKNOWN: Sense = sense(
    F::Unknown,
    R::AfterChange,
    "the server gives no reason that is known",
    "Read the reply itself; if it does not help, ask the other postmaster with the note below.",
);

/// What the subject of an enhanced status code says by itself (RFC 3463 section 3).
const BY_SUBJECT: [(u16, Sense); 7] = [
    (
        1,
        sense(
            F::Recipient,
            R::AfterChange,
            "something is wrong with an address, the status code says no more",
            "Check the recipient's address and the sender's.",
        ),
    ),
    (
        2,
        sense(
            F::Recipient,
            R::AfterChange,
            "the mailbox does not take the message, the status code says no more",
            "Ask the recipient by another way whether the mailbox works.",
        ),
    ),
    (
        3,
        sense(
            F::TheirServer,
            R::Yes,
            "their mail system has a fault, the status code says no more",
            "Tell the other postmaster, with the reply and its time.",
        ),
    ),
    (
        4,
        sense(
            F::InBetween,
            R::Yes,
            "the message did not get there in time or by any way, the status code says no more",
            "Run `maildoctor check` for the recipient's domain from your server.",
        ),
    ),
    (
        5,
        sense(
            F::Unknown,
            R::AfterChange,
            "the two servers did not understand each other, the status code says no more",
            "Run `maildoctor check` for the recipient's domain from your server.",
        ),
    ),
    (
        6,
        sense(
            F::YourMessage,
            R::AfterChange,
            "the form of the message is not accepted, the status code says no more",
            "Send a plain text to find out which part it is.",
        ),
    ),
    (
        7,
        sense(
            F::Unknown,
            R::AfterChange,
            "a rule of theirs refuses it, the status code says no more",
            "Read the reply itself; if it does not help, ask the other postmaster with the note below.",
        ),
    ),
];

/// What is known of an answer that no table knows: by the subject of its status code.
pub(super) fn unknown(status: Option<EnhancedCode>) -> &'static Sense {
    let subject = status.map(|status| status.1);
    BY_SUBJECT.iter().find(|(s, _)| Some(*s) == subject).map_or(&UNKNOWN, |(_, sense)| sense)
}
