//! What a negative reply means, by phase, code, enhanced code and wording.
//!
//! One table serves the live check, bounces and logs. A server's wording goes before its enhanced code:
//! Postfix says 5.7.1 for a relay it denies, a list that names the client, and any policy alike.

use serde::{Deserialize, Serialize};

use crate::dialogue::Phase;
use crate::reply::Reply;

/// What a reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meaning {
    /// The mailbox does not exist.
    UnknownRecipient,
    /// The mailbox is disabled.
    DisabledRecipient,
    /// The mailbox is full.
    FullMailbox,
    /// Relaying is refused.
    RelayDenied,
    /// A blacklist is the reason.
    Blacklisted,
    /// The server greylists.
    Greylisted,
    /// We, or all, are too many or too fast.
    RateLimited,
    /// The server is too busy.
    Overloaded,
    /// The sender address is refused.
    SenderRejected,
    /// The account may not use this sender address.
    SenderNotOwned,
    /// Our EHLO name is refused.
    HeloRejected,
    /// Our address has no reverse DNS, or a wrong one.
    PtrRequired,
    /// AUTH comes first.
    AuthRequired,
    /// TLS comes first.
    TlsRequired,
    /// User name or password are wrong.
    WrongCredentials,
    /// The server cannot check passwords.
    AuthBackendDown,
    /// Passwords are not taken any more: OAuth, or an application password.
    OauthRequired,
    /// The mechanism is not supported.
    MechanismUnsupported,
    /// The server's disk is full.
    StorageFull,
    /// The server is misconfigured.
    ConfigError,
    /// The message is too big.
    TooBig,
    /// The message goes in a circle.
    Loop,
    /// The content is refused.
    ContentRejected,
    /// We talked too early, or pipelined where it is not allowed.
    SyncError,
    /// Our address is refused by policy, no list named.
    ClientBlocked,
    /// The domain is not served, or not known, there.
    DomainUnknown,
    /// Put off without a reason that is known.
    Deferred,
    /// Refused without a reason that is known.
    Refused,
}

use Meaning as M;

/// Words (in lower case; all must be there) → meaning. The first that fits decides.
const WORDS: &[(&[&str], Meaning)] = &[
    (&["improper", "pipelining"], M::SyncError),
    (&["synchronization error"], M::SyncError),
    (&["protocol synchronization"], M::SyncError),
    (&["greylist"], M::Greylisted),
    (&["graylist"], M::Greylisted),
    (&["grey-list"], M::Greylisted),
    (&["postgrey"], M::Greylisted),
    (&["try again in", "minutes", "first"], M::Greylisted),
    (&["blocked using"], M::Blacklisted),
    (&["is listed in"], M::Blacklisted),
    (&["listed by"], M::Blacklisted),
    (&["blacklisted at"], M::Blacklisted),
    (&["found in dns blacklist"], M::Blacklisted),
    (&["rejected because", "in a black list at"], M::Blacklisted),
    (&["dnsbl"], M::Blacklisted),
    (&["rbl"], M::Blacklisted),
    (&["blocked by", "spamhaus"], M::Blacklisted),
    (&["due to listing in"], M::Blacklisted),
    (&["spamhaus.org/query"], M::Blacklisted),
    (&["check.spamhaus.org"], M::Blacklisted),
    (&["spamcop"], M::Blacklisted),
    (&["cannot find your hostname"], M::PtrRequired),
    (&["cannot find your reverse hostname"], M::PtrRequired),
    (&["reverse dns"], M::PtrRequired),
    (&["no ptr"], M::PtrRequired),
    (&["ptr record"], M::PtrRequired),
    (&["rdns"], M::PtrRequired),
    (&["basic authentication is disabled"], M::OauthRequired),
    (&["smtpclientauthentication is disabled"], M::OauthRequired),
    (&["application-specific password required"], M::OauthRequired),
    (&["please log in via your web browser"], M::OauthRequired),
    (&["generic failure"], M::AuthBackendDown),
    (&["temporary authentication failure"], M::AuthBackendDown),
    (&["connection lost to authentication server"], M::AuthBackendDown),
    // What an account may send in a day, as Google says it: no mailbox is full there.
    (&["sending", "quota", "exceeded"], M::RateLimited),
    (&["sending limit"], M::RateLimited),
    (&["mailbox", "full"], M::FullMailbox),
    (&["mailfolder", "full"], M::FullMailbox),
    (&["mailbox", "quota"], M::FullMailbox),
    (&["mailbox size limit"], M::FullMailbox),
    (&["mailbox exceeded"], M::FullMailbox),
    (&["mailbox has exceeded"], M::FullMailbox),
    (&["over quota"], M::FullMailbox),
    (&["overquota"], M::FullMailbox),
    (&["quota exceeded"], M::FullMailbox),
    (&["exceeded storage allocation"], M::FullMailbox),
    (&["insufficient system storage"], M::StorageFull),
    (&["insufficient disk space"], M::StorageFull),
    (&["insufficient system resources"], M::StorageFull),
    (&["no space left"], M::StorageFull),
    (&["local error in processing"], M::ConfigError),
    (&["proxy negotiation failed"], M::ConfigError),
    (&["server configuration error"], M::ConfigError),
    (&["server configuration problem"], M::ConfigError),
    (&["lookup failure"], M::ConfigError),
    (&["queue file write error"], M::ConfigError),
    (&["temporary local problem"], M::ConfigError),
    // Postfix, for a milter that is down or fails.
    (&["service unavailable - try again later"], M::ConfigError),
    // Exim, where it cannot write into its spool.
    (&["unexpected failure"], M::ConfigError),
    (&["client certificate"], M::ClientBlocked),
    // Postfix could not ask the server behind it whether the address is good.
    (&["recipient address rejected", "unverified address"], M::Deferred),
    (&["alias expansion error"], M::ConfigError),
    (&["too many hops"], M::Loop),
    (&["loops back to myself"], M::Loop),
    (&["routing loop"], M::Loop),
    (&["mail loop"], M::Loop),
    (&["not owned by user"], M::SenderNotOwned),
    (&["not logged in"], M::SenderNotOwned),
    (&["sendasdenied"], M::SenderNotOwned),
    (&["client does not have permissions to send as this sender"], M::SenderNotOwned),
    (&["not allowed to send as"], M::SenderNotOwned),
    (&["helo command rejected"], M::HeloRejected),
    (&["invalid helo"], M::HeloRejected),
    (&["helo", "must"], M::HeloRejected),
    (&["ehlo", "invalid"], M::HeloRejected),
    (&["syntactically invalid", "argument"], M::HeloRejected),
    (&["need fully-qualified hostname"], M::HeloRejected),
    (&["relay access denied"], M::RelayDenied),
    (&["relay not permitted"], M::RelayDenied),
    (&["relaying denied"], M::RelayDenied),
    (&["relaying is not"], M::RelayDenied),
    (&["relaying not allowed"], M::RelayDenied),
    (&["unable to relay"], M::RelayDenied),
    (&["not permitted to relay"], M::RelayDenied),
    (&["we do not relay"], M::RelayDenied),
    (&["isn't in my list of allowed rcpthosts"], M::RelayDenied),
    (&["isn't in my control/rcpthosts"], M::RelayDenied),
    (&["relay denied"], M::RelayDenied),
    (&["delivery is not allowed to this address"], M::RelayDenied),
    (&["smtp auth", "required"], M::AuthRequired),
    (&["authentication required"], M::AuthRequired),
    (&["authentication is required"], M::AuthRequired),
    (&["must authenticate"], M::AuthRequired),
    (&["please authenticate"], M::AuthRequired),
    (&["must issue a starttls"], M::TlsRequired),
    (&["must issue starttls"], M::TlsRequired),
    (&["starttls", "first"], M::TlsRequired),
    (&["encryption required"], M::TlsRequired),
    (&["too many connections"], M::Overloaded),
    (&["too busy"], M::Overloaded),
    (&["too many concurrent"], M::Overloaded),
    (&["max connections"], M::Overloaded),
    (&["maximum number of connections"], M::Overloaded),
    (&["server busy"], M::Overloaded),
    (&["all server ports are busy"], M::Overloaded),
    (&["rate limit"], M::RateLimited),
    (&["ratelimit"], M::RateLimited),
    (&["throttl"], M::RateLimited),
    (&["too much mail"], M::RateLimited),
    (&["too many messages"], M::RateLimited),
    (&["too many errors"], M::RateLimited),
    (&["too many recipients"], M::RateLimited),
    (&["sending too"], M::RateLimited),
    (&["unusual rate"], M::RateLimited),
    (&["rate of"], M::RateLimited),
    (&["message size exceeds"], M::TooBig),
    (&["message too big"], M::TooBig),
    (&["message too large"], M::TooBig),
    (&["exceeds size limit"], M::TooBig),
    (&["size limit exceeded"], M::TooBig),
    (&["exceeds the maximum message size"], M::TooBig),
    (&["unroutable sender"], M::SenderRejected),
    (&["unrouteable sender"], M::SenderRejected),
    (&["user unknown"], M::UnknownRecipient),
    (&["unknown user"], M::UnknownRecipient),
    (&["unknown recipient"], M::UnknownRecipient),
    (&["recipient unknown"], M::UnknownRecipient),
    (&["recipient name is not recognized"], M::UnknownRecipient),
    (&["not listed in", "directory"], M::UnknownRecipient),
    (&["not listed in", "address book"], M::UnknownRecipient),
    (&["no such user"], M::UnknownRecipient),
    (&["no such recipient"], M::UnknownRecipient),
    (&["no mailbox here"], M::UnknownRecipient),
    (&["no mailbox by that name"], M::UnknownRecipient),
    (&["mailbox unavailable"], M::UnknownRecipient),
    (&["mailbox not found"], M::UnknownRecipient),
    (&["does not exist"], M::UnknownRecipient),
    (&["doesn't exist"], M::UnknownRecipient),
    (&["undeliverable address"], M::UnknownRecipient),
    (&["unrouteable address"], M::UnknownRecipient),
    (&["unroutable address"], M::UnknownRecipient),
    (&["user doesn't have"], M::UnknownRecipient),
    (&["invalid recipient"], M::UnknownRecipient),
    (&["invalid mailbox"], M::UnknownRecipient),
    (&["recipient not found"], M::UnknownRecipient),
    (&["not a valid recipient"], M::UnknownRecipient),
    (&["recipnotfound"], M::UnknownRecipient),
    (&["account", "disabled"], M::DisabledRecipient),
    (&["mailbox", "disabled"], M::DisabledRecipient),
    (&["account", "suspended"], M::DisabledRecipient),
    (&["account", "inactive"], M::DisabledRecipient),
    (&["sender address rejected"], M::SenderRejected),
    (&["sender verify failed"], M::SenderRejected),
    (&["sender rejected"], M::SenderRejected),
    (&["domain of sender address", "does not"], M::SenderRejected),
    (&["access denied", "banned"], M::ClientBlocked),
    (&["banned sending ip"], M::ClientBlocked),
    (&["your ip", "blocked"], M::ClientBlocked),
    (&["client host rejected"], M::ClientBlocked),
    (&["bad reputation"], M::ClientBlocked),
    (&["poor reputation"], M::ClientBlocked),
    (&["blocked"], M::ClientBlocked),
    (&["spam"], M::ContentRejected),
    (&["due to content"], M::ContentRejected),
    (&["content rejected"], M::ContentRejected),
    (&["unacceptable content"], M::ContentRejected),
    (&["virus"], M::ContentRejected),
    (&["malware"], M::ContentRejected),
    (&["dmarc"], M::ContentRejected),
];

/// Subject and detail of the enhanced code → meaning, for the permanent and the temporary class alike.
const CODES: &[((u16, u16), Meaning)] = &[
    ((1, 1), M::UnknownRecipient),
    ((1, 10), M::DomainUnknown),
    ((1, 2), M::DomainUnknown),
    ((1, 6), M::DisabledRecipient),
    ((1, 7), M::SenderRejected),
    ((1, 8), M::SenderRejected),
    ((2, 1), M::DisabledRecipient),
    ((2, 2), M::FullMailbox),
    ((3, 1), M::StorageFull),
    ((3, 2), M::Overloaded),
    ((3, 4), M::TooBig),
    ((3, 5), M::ConfigError),
    ((3, 0), M::ConfigError),
    ((4, 6), M::Loop),
    ((2, 3), M::TooBig),
    ((7, 8), M::WrongCredentials),
    ((7, 9), M::OauthRequired),
    ((7, 139), M::OauthRequired),
    ((7, 57), M::AuthRequired),
    ((7, 11), M::TlsRequired),
    ((7, 25), M::PtrRequired),
    ((7, 28), M::RateLimited),
];

/// Words by which whoever puts strangers off says that a second try will do.
const LATER: &[&str] = &["try again", "later", "come back", "minutes", "seconds", "delayed"];

/// What a reply with a code of 4xx or 5xx means in a phase; `None` for any other reply.
pub fn meaning(phase: Phase, reply: &Reply) -> Option<Meaning> {
    if !matches!(reply.class(), 4 | 5) {
        return None;
    }
    if phase == Phase::Auth {
        return Some(of_auth(reply));
    }
    let text = reply.text().to_lowercase();
    let by_words = WORDS.iter().find(|(words, _)| words.iter().all(|w| contains_word(&text, w))).map(|(_, m)| *m);
    // At MAIL nobody was named yet but the sender: what does not exist is the sender, or its domain.
    let of_sender = phase == Phase::Mail && by_words == Some(M::UnknownRecipient);
    let by_words = if of_sender { Some(M::SenderRejected) } else { by_words };
    let kind = reply.enhanced().map(|e| e.kind());
    let by_code = kind.and_then(|kind| CODES.iter().find(|(k, _)| *k == kind)).map(|(_, m)| *m);
    // An exact enhanced code beats words that stand in many texts; one that ends in 0 is "other or undefined"
    // (RFC 3463 section 3), and not exact.
    let exact = kind.is_some_and(|(_, detail)| detail != 0);
    let loose = matches!(by_words, Some(M::ContentRejected | M::ClientBlocked | M::RateLimited | M::UnknownRecipient));
    if let (true, true, Some(m)) = (loose, exact, by_code) {
        return Some(m);
    }
    if let Some(m) = by_words.or(by_code) {
        return Some(m);
    }
    Some(match (phase, reply.code, kind) {
        (_, 530, _) => M::AuthRequired,
        (_, 552, _) => M::TooBig,
        (_, 452, _) => M::StorageFull,
        (Phase::Rcpt, 450 | 451, Some((7, 1))) if LATER.iter().any(|words| text.contains(words)) => M::Greylisted,
        (Phase::Rcpt, 550, None) => M::UnknownRecipient,
        (Phase::Content, _, Some((7, _))) if reply.class() == 5 => M::ContentRejected,
        (Phase::Content, 550 | 554, None) => M::ContentRejected,
        (_, 421, _) => M::Overloaded,
        _ if reply.class() == 4 => M::Deferred,
        _ => M::Refused,
    })
}

fn of_auth(reply: &Reply) -> Meaning {
    let text = reply.text().to_lowercase();
    let says = |words: &str| text.contains(words);
    let kind = reply.enhanced().map(|e| e.kind());
    match (reply.code, kind) {
        (534, Some((7, 9))) | (_, Some((7, 139))) => M::OauthRequired,
        _ if says("basic authentication is disabled")
            || says("application-specific password")
            || says("smtpclientauthentication is disabled")
            || says("web browser") =>
        {
            M::OauthRequired
        }
        (538, _) | (_, Some((7, 11))) => M::TlsRequired,
        (530, _) if says("starttls") => M::TlsRequired,
        // Exim says 435 when its password check cannot be made.
        (454 | 451 | 435, _) => M::AuthBackendDown,
        _ if says("generic failure") || says("connection lost to authentication server") => M::AuthBackendDown,
        (500..=504, _) => M::MechanismUnsupported,
        (421, _) => M::RateLimited,
        (535 | 534 | 525 | 526 | 550 | 553 | 554, _) => M::WrongCredentials,
        _ if reply.class() == 4 => M::Deferred,
        _ => M::WrongCredentials,
    }
}

/// Short marks such as `rbl` must stand as words, not within others.
fn contains_word(text: &str, word: &str) -> bool {
    if word.len() > 5 {
        return text.contains(word);
    }
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|w| w == word) || (word.len() == 5 && text.contains(word))
}

/// The zone of a blacklist that a reply names, such as `zen.example.org` in
/// `blocked using zen.example.org; …`.
pub fn named_zone(text: &str) -> Option<String> {
    const MARKS: [&str; 12] = [
        "blocked using ",
        "is listed in ",
        "listed in ",
        "listed by ",
        "blacklisted at ",
        "dns blacklist ",
        "black list at ",
        "blacklist at ",
        "listed at ",
        "rejected by ",
        "blocked by ",
        "found in ",
    ];
    let lower = text.to_ascii_lowercase();
    MARKS.iter().find_map(|mark| {
        let after = lower.split_once(mark)?.1;
        let word: String = after
            .trim_start_matches(['"', '\'', '<', '(', '['])
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
            .collect();
        let zone = word.trim_matches('.');
        let is_name = zone.contains('.') && zone.len() <= 253 && zone.parse::<std::net::IpAddr>().is_err();
        is_name.then(|| zone.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(phase: Phase, code: u16, text: &str) -> Meaning {
        meaning(phase, &Reply::line(code, text)).unwrap()
    }

    #[test]
    fn replies_to_rcpt_as_servers_word_them() {
        for (code, text, wanted) in [
            (
                550,
                "5.1.1 <x@example.org>: Recipient address rejected: User unknown in virtual mailbox table",
                M::UnknownRecipient,
            ),
            (550, "Unrouteable address", M::UnknownRecipient),
            (550, "5.1.1 <x@example.org>... User unknown", M::UnknownRecipient),
            (
                550,
                "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
                M::DomainUnknown,
            ),
            (550, "sorry, no mailbox here by that name (#5.1.1)", M::UnknownRecipient),
            (550, "5.1.1 The email account that you tried to reach does not exist.", M::UnknownRecipient),
            (554, "5.7.1 <x@example.net>: Relay access denied", M::RelayDenied),
            (550, "relay not permitted", M::RelayDenied),
            (550, "5.7.1 <x@example.net>... Relaying denied", M::RelayDenied),
            (550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain", M::RelayDenied),
            (553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", M::RelayDenied),
            // A rule of any kind: Postfix says so for an access table.
            (554, "5.7.1 <x@example.net>: Recipient address rejected: Access denied", M::Refused),
            (550, "5.7.1 The domain that you are sending to has a policy that prohibited the mail", M::Refused),
            (550, "5.7.1 Message rejected due to content restrictions", M::ContentRejected),
            (550, "5.7.1 Mail from 192.0.2.1 was rejected due to listing in Spamhaus SBL.", M::Blacklisted),
            (554, "delivery error: dd Not a valid recipient - atlas.example", M::UnknownRecipient),
            (
                554,
                "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using dnsbl.example.net; listed",
                M::Blacklisted,
            ),
            (550, "\"JunkMail rejected - [192.0.2.1] is in an RBL, see http://example.net\"", M::Blacklisted),
            (
                450,
                "4.2.0 <x@example.org>: Recipient address rejected: Greylisted, see http://postgrey.example/",
                M::Greylisted,
            ),
            (451, "4.7.1 Greylisting in action, please come back later", M::Greylisted),
            (451, "4.7.1 Try again later", M::Greylisted),
            (
                450,
                "4.1.1 <x@example.org>: Recipient address rejected: unverified address: connect to mx.example.org: Connection timed out",
                M::Deferred,
            ),
            (450, "4.7.1 <x@example.org>: Recipient address rejected: the mailbox server is being moved", M::Deferred),
            (452, "4.2.2 Mailbox full", M::FullMailbox),
            (552, "5.2.2 <x@example.org>: Quota exceeded (mailbox for user is full)", M::FullMailbox),
            (550, "5.2.1 The email account that you tried to reach is disabled.", M::DisabledRecipient),
            (452, "4.3.1 Insufficient system storage", M::StorageFull),
            (451, "4.3.0 <x@example.org>: Temporary lookup failure", M::ConfigError),
            (451, "4.7.1 Service unavailable - try again later", M::ConfigError),
            (421, "Unexpected failure, please try later", M::ConfigError),
            (503, "Command refused, required Proxy negotiation failed", M::ConfigError),
            (450, "4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]", M::PtrRequired),
            (504, "5.5.2 <testing>: Helo command rejected: need fully-qualified hostname", M::HeloRejected),
            (550, "5.7.1 <a@b.example>: Sender address rejected: Domain not found", M::SenderRejected),
            (553, "5.7.1 <a@example.org>: Sender address rejected: not owned by user anna", M::SenderNotOwned),
            (530, "5.7.0 Must issue a STARTTLS command first", M::TlsRequired),
            (530, "5.7.1 Authentication required", M::AuthRequired),
            (421, "4.7.0 mx.example.org Error: too many errors", M::RateLimited),
            (421, "4.3.2 too many connections from your address", M::Overloaded),
            (554, "5.4.6 Too many hops 26 (25 max)", M::Loop),
            (450, "4.0.0 come back", M::Deferred),
            // Sendmail gives x.3.0 with whatever the server behind it said.
            (553, "5.3.0 <x@example.org>... No such user here", M::UnknownRecipient),
            (550, "User x (x@example.org) not listed in Domino Directory", M::UnknownRecipient),
            (550, "The recipient name is not recognized", M::UnknownRecipient),
            (554, "The message could not be delivered because the user's mailfolder is full.", M::FullMailbox),
            (550, "Mailbox size limit exceeded", M::FullMailbox),
            (552, "Mail size limit exceeded.", M::TooBig),
            (550, "5.4.5 Daily user sending quota exceeded. abc - gsmtp", M::RateLimited),
            (551, "Access forbidden by invalid RDNS record of your mail server (192.0.2.1).", M::PtrRequired),
            (550, "5.7.1 Message content rejected, UBE, id=1-2", M::ContentRejected),
        ] {
            assert_eq!(at(Phase::Rcpt, code, text), wanted, "{code} {text}");
        }
    }

    #[test]
    fn what_does_not_exist_at_mail_is_the_sender() {
        for (code, text) in [(553, "5.1.0 x example.org does not exist"), (550, "Unroutable sender address")] {
            assert_eq!(at(Phase::Mail, code, text), M::SenderRejected, "{text}");
        }
        assert_eq!(at(Phase::Mail, 550, "No such user"), M::SenderRejected);
    }

    #[test]
    fn replies_to_auth() {
        for (code, text, wanted) in [
            (535, "5.7.8 Error: authentication failed: authentication failure", M::WrongCredentials),
            (535, "authorization failed (#5.7.0)", M::WrongCredentials),
            (535, "Incorrect authentication data", M::WrongCredentials),
            // Postfix with Dovecot says no more than this for a wrong password, seen on 3.7 with 2.3.
            (535, "5.7.8 Error: authentication failed: (reason unavailable)", M::WrongCredentials),
            (435, "Unable to authenticate at present", M::AuthBackendDown),
            (535, "5.7.8 Error: authentication failed: generic failure", M::AuthBackendDown),
            (
                454,
                "4.7.0 Temporary authentication failure: Connection lost to authentication server",
                M::AuthBackendDown,
            ),
            (535, "5.7.139 Authentication unsuccessful, basic authentication is disabled.", M::OauthRequired),
            (534, "5.7.9 Application-specific password required.", M::OauthRequired),
            (538, "5.7.11 Encryption required for requested authentication mechanism", M::TlsRequired),
            (504, "5.7.4 Unrecognized authentication type", M::MechanismUnsupported),
        ] {
            assert_eq!(at(Phase::Auth, code, text), wanted, "{code} {text}");
        }
    }

    #[test]
    fn the_zone_that_a_reply_names() {
        assert_eq!(
            named_zone("Client host [192.0.2.1] blocked using zen.example.org; https://x").as_deref(),
            Some("zen.example.org")
        );
        assert_eq!(
            named_zone("rejected because 192.0.2.1 is in a black list at bl.example.net").as_deref(),
            Some("bl.example.net")
        );
        assert_eq!(named_zone("blocked by 192.0.2.1"), None);
    }

    proptest! {
        #[test]
        fn any_reply_has_a_meaning(code in 400_u16..600, text in ".{0,100}") {
            prop_assert!(meaning(Phase::Rcpt, &Reply::line(code, &text)).is_some());
            let _ = named_zone(&text);
        }
    }
}
