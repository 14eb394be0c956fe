//! What the sending server says where no other server answered: it could not connect, or found nobody to ask.

use maildoctor_wire::enhanced::EnhancedCode;
use maildoctor_wire::wording::{Meaning, meaning};
use maildoctor_wire::{dialogue::Phase, reply::Reply};

use super::senses::{self, Sense};
use super::{Fault, Retry};

const fn sense(fault: Fault, retry: Retry, means: &'static str, advice: &'static str) -> Sense {
    Sense { fault, retry, means, advice }
}

const NO_ANSWER: Sense = sense(
    Fault::InBetween,
    Retry::Yes,
    "their server did not answer the connection",
    "Find out whether it is down for everybody or only for you: run `maildoctor check` for the recipient's domain from your server and from another network.",
);
const REFUSED: Sense = sense(
    Fault::TheirServer,
    Retry::Yes,
    "nothing accepts mail at their server's address: the connection was refused",
    "Their mail server is not running or its MX record names the wrong host. Tell the other postmaster.",
);
const UNREACHABLE: Sense = sense(
    Fault::InBetween,
    Retry::Yes,
    "there is no way to their server from yours",
    "Check whether your server has a route for this kind of address (IPv6 without a route is the usual case).",
);
const CUT: Sense = sense(
    Fault::InBetween,
    Retry::Yes,
    "the connection broke off in the middle",
    "Run `maildoctor check` for the recipient's domain: a firewall, the size of packets, or their server cuts it.",
);
const NO_DOMAIN: Sense = sense(
    Fault::Recipient,
    Retry::No,
    "the recipient's domain does not exist, or has no mail server",
    "Check the part after the @ letter by letter. If it is right, the domain's owner must mend its DNS.",
);
const NO_HOSTS: Sense = sense(
    Fault::Recipient,
    Retry::AfterChange,
    "the mail servers that the recipient's domain names do not exist",
    "The owner of the recipient's domain must mend its MX records; tell them by another way.",
);
const NO_LOOKUP: Sense = sense(
    Fault::InBetween,
    Retry::Yes,
    "the DNS gave no answer about the recipient's domain",
    "Your server tries again. If it lasts, check your own resolver first, then the name servers of the recipient's domain.",
);
const NULL_MX: Sense = sense(
    Fault::Recipient,
    Retry::No,
    "the recipient's domain says that it takes no mail at all (null MX)",
    "There is no mailbox at this domain; use another address.",
);
const LOOP: Sense = sense(
    Fault::YourServer,
    Retry::AfterChange,
    "your server is named as the mail server of a domain for which it takes no mail",
    "Either the domain's MX record should name another host, or your server should know the domain (Postfix: mydestination or relay_domains).",
);
const NO_TLS: Sense = sense(
    Fault::TheirServer,
    Retry::Yes,
    "their server does not offer the TLS that yours demands",
    "Tell the other postmaster; or let your server send to this domain without TLS if you may.",
);
const BAD_TLS: Sense = sense(
    Fault::TheirServer,
    Retry::Yes,
    "no TLS that your server accepts came about with theirs",
    "Run `maildoctor check` for the recipient's domain: it names the certificate or version that fails.",
);

const NO_SERVER: Sense = sense(
    Fault::InBetween,
    Retry::Yes,
    "your server could not connect to any of their servers",
    "Its own log says why (OpenSMTPD: the line `mta error` before). Run `maildoctor check` for the recipient's domain from your server and from another network.",
);
pub(super) const GAVE_UP: Sense = sense(
    Fault::InBetween,
    Retry::Yes,
    "your server tried until its time was over, and gave up",
    "Its log says at what each try failed: `maildoctor bounce` reads it. Run `maildoctor check` for the recipient's domain, then send the message again.",
);

const OWN_FAULT: Sense = sense(
    Fault::YourServer,
    Retry::Yes,
    "your own server could not hand the message on",
    "Its log says why, at the same time as the try: look for lines with fatal, error or warning, and for a program that is not there.",
);

/// What OpenSMTPD writes, in lower case, where it has given up on a message.
pub(in crate::bounce) const EXPIRED: &str = "envelope expired";

/// Words (in lower case; all must be there) → code and sense. The first that fits decides.
const WORDS: &[(&[&str], &str, &Sense)] = &[
    (&["nullmx"], "mx-null", &NULL_MX),
    (&["null mx"], "mx-null", &NULL_MX),
    (&["does not accept mail"], "mx-null", &NULL_MX),
    (&["loops back to myself"], "mail-loop", &LOOP),
    (&["local configuration error"], "mail-loop", &LOOP),
    (&["host not found, try again"], "mx-lookup-failed", &NO_LOOKUP),
    (&["host lookup did not complete"], "mx-lookup-failed", &NO_LOOKUP),
    (&["name server: host name lookup failure"], "mx-lookup-failed", &NO_LOOKUP),
    (&["name service error", "try again"], "mx-lookup-failed", &NO_LOOKUP),
    (&["non-existent hosts"], "mx-unresolvable", &NO_HOSTS),
    (&["no valid mx hosts found"], "mx-unresolvable", &NO_HOSTS),
    (&["unable to find an smtp connection"], "mx-unresolvable", &NO_HOSTS),
    (&["unable to look up host", "temporary failure"], "mx-lookup-failed", &NO_LOOKUP),
    (&["unable to look up host"], "mx-unresolvable", &NO_HOSTS),
    (&["unable to lookup dns"], "mx-lookup-failed", &NO_LOOKUP),
    (&["host or domain name not found"], "domain-not-found", &NO_DOMAIN),
    (&["host not found"], "domain-not-found", &NO_DOMAIN),
    (&["host unknown"], "domain-not-found", &NO_DOMAIN),
    (&["couldn't find any host named"], "domain-not-found", &NO_DOMAIN),
    (&["couldn't find a mail exchanger"], "domain-not-found", &NO_DOMAIN),
    (&["domain does not exist"], "domain-not-found", &NO_DOMAIN),
    (&["dns domain", "does not exist"], "domain-not-found", &NO_DOMAIN),
    (&["tls is required, but was not offered"], "starttls-not-offered", &NO_TLS),
    (&["a tls session is required"], "starttls-not-offered", &NO_TLS),
    (&["certificate not trusted"], "cert-untrusted-root", &BAD_TLS),
    (&["certificate not verified"], "cert-untrusted-root", &BAD_TLS),
    (&["certificate verification failed"], "cert-untrusted-root", &BAD_TLS),
    (&["cannot start tls"], "tls-handshake-failed", &BAD_TLS),
    (&["tls error"], "tls-handshake-failed", &BAD_TLS),
    (&["connection timed out"], "connect-timeout", &NO_ANSWER),
    (&["connect to", "timed out"], "connect-timeout", &NO_ANSWER),
    (&["operation timed out"], "connect-timeout", &NO_ANSWER),
    (&["wasn't able to establish an smtp connection"], "connect-timeout", &NO_ANSWER),
    (&["connection refused"], "connect-refused", &REFUSED),
    (&["connect error 10061"], "connect-refused", &REFUSED),
    (&["no route to host"], "host-unreachable", &UNREACHABLE),
    (&["network is unreachable"], "host-unreachable", &UNREACHABLE),
    (&["network unreachable"], "host-unreachable", &UNREACHABLE),
    (&["lost connection"], "connect-reset", &CUT),
    (&["connection reset"], "connect-reset", &CUT),
    (&["remote host closed connection"], "connect-reset", &CUT),
    (&["connected to", "but connection died"], "connect-reset", &CUT),
    (&["broken pipe"], "connect-reset", &CUT),
    (&["premature end-of-input"], "connect-reset", &CUT),
    (&["network error on destination mxs"], "mx-all-down", &NO_SERVER),
    (&[EXPIRED], super::UNKNOWN, &GAVE_UP),
    (&["unknown mail transport error"], "server-config-error", &OWN_FAULT),
    (&["retry timeout exceeded"], super::UNKNOWN, &GAVE_UP),
    (&["have been failing for a long time"], super::UNKNOWN, &GAVE_UP),
    (&["delivery failed ", " attempts:"], super::UNKNOWN, &GAVE_UP),
    (&["could not be delivered for", "deleted from queue"], super::UNKNOWN, &GAVE_UP),
];

/// What is known from a status code alone (RFC 3463 section 3.5).
const STATUS: &[((u16, u16), &str, &Sense)] = &[
    ((4, 1), "connect-timeout", &NO_ANSWER),
    ((4, 2), "connect-reset", &CUT),
    ((4, 3), "mx-lookup-failed", &NO_LOOKUP),
    ((4, 4), "domain-not-found", &NO_DOMAIN),
    ((4, 7), super::UNKNOWN, &GAVE_UP),
];

/// What a mailbox's own server says without a reply code: the words that tell by themselves.
const PLAIN: [Meaning; 5] =
    [Meaning::UnknownRecipient, Meaning::FullMailbox, Meaning::DisabledRecipient, Meaning::TooBig, Meaning::Loop];

/// Code and sense of the sending server's own words.
pub(super) fn of_words(text: &str) -> Option<(&'static str, &'static Sense)> {
    let lower = text.to_lowercase();
    let local = WORDS.iter().find(|(words, ..)| words.iter().all(|word| lower.contains(word)));
    if let Some((_, code, sense)) = local {
        return Some((code, sense));
    }
    let said = meaning(Phase::Rcpt, &Reply::line(554, &lower)).filter(|meaning| PLAIN.contains(meaning))?;
    senses::MEANINGS
        .iter()
        .find(|(m, _)| *m == said)
        .and_then(|(m, sense)| Some((super::code_of(Phase::Rcpt, *m)?, sense)))
}

/// Code and sense of a status code that stands alone.
pub(super) fn of_status(status: EnhancedCode) -> Option<(&'static str, &'static Sense)> {
    STATUS.iter().find(|(kind, ..)| *kind == status.kind()).map(|(_, code, sense)| (*code, *sense))
}

pub(super) fn codes() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(_, code, _)| *code).chain(STATUS.iter().map(|(_, code, _)| *code))
}
