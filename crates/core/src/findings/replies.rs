//! From what a reply means, and where it came, to the finding's code: one table for the live check, for typed
//! sessions, and for texts that quote a reply.

use maildoctor_wire::dialogue::Phase;
use maildoctor_wire::wording::Meaning;

use Meaning as M;

/// Where the phase decides.
const BY_PHASE: &[(Phase, Meaning, &str)] = &[
    (Phase::Banner, M::RateLimited, "banner-421-overload"),
    (Phase::Banner, M::Overloaded, "banner-421-overload"),
    (Phase::Banner, M::Deferred, "banner-421-overload"),
    (Phase::Banner, M::Blacklisted, "banner-554-blocked"),
    (Phase::Banner, M::ClientBlocked, "banner-554-blocked"),
    (Phase::Banner, M::PtrRequired, "banner-554-blocked"),
    (Phase::Banner, M::Refused, "banner-554-blocked"),
    (Phase::Ehlo, M::MechanismUnsupported, "ehlo-rejected"),
    (Phase::Ehlo, M::Refused, "ehlo-rejected"),
    (Phase::Starttls, M::Deferred, "starttls-refused"),
    (Phase::Starttls, M::Refused, "starttls-refused"),
    (Phase::Auth, M::TlsRequired, "auth-needs-tls"),
    (Phase::Auth, M::RateLimited, "auth-banned"),
    (Phase::Rcpt, M::ClientBlocked, "recipient-refused"),
    (Phase::Rcpt, M::PtrRequired, "recipient-refused"),
    (Phase::Rcpt, M::DomainUnknown, "recipient-refused"),
    (Phase::Rcpt, M::ContentRejected, "recipient-refused"),
    (Phase::Rcpt, M::Refused, "recipient-refused"),
    (Phase::Rcpt, M::Deferred, "rcpt-deferred"),
    (Phase::Mail, M::Deferred, "rcpt-deferred"),
    (Phase::Mail, M::ClientBlocked, "recipient-refused"),
    (Phase::Mail, M::PtrRequired, "recipient-refused"),
    (Phase::Data, M::Refused, "data-rejected-content"),
    (Phase::Content, M::Refused, "data-rejected-content"),
];

/// Where the words are plain whatever they answer.
const ANYWHERE: &[(Meaning, &str)] = &[
    (M::UnknownRecipient, "recipient-unknown"),
    (M::DisabledRecipient, "recipient-disabled"),
    (M::FullMailbox, "recipient-mailbox-full"),
    (M::RelayDenied, "relay-denied-for-own-domain"),
    (M::Blacklisted, "rcpt-rejected-dnsbl"),
    (M::Greylisted, "greylisting"),
    (M::RateLimited, "rate-limited"),
    (M::Overloaded, "rate-limited"),
    (M::SenderRejected, "sender-rejected"),
    (M::SenderNotOwned, "relay-sender-not-owned"),
    (M::HeloRejected, "helo-rejected"),
    (M::AuthRequired, "auth-required-for-mx"),
    (M::WrongCredentials, "auth-rejected"),
    (M::AuthBackendDown, "auth-backend-down"),
    (M::OauthRequired, "auth-oauth-required"),
    (M::MechanismUnsupported, "auth-mechanism-broken"),
    (M::StorageFull, "server-storage-full"),
    (M::ConfigError, "server-config-error"),
    (M::TooBig, "data-rejected-size"),
    (M::Loop, "mail-loop"),
    (M::ContentRejected, "data-rejected-content"),
    (M::SyncError, "esmtp-pipelining-violation"),
];

/// The code for a meaning in a phase; `None` where the catalogue has none that fits.
pub fn code(phase: Phase, meaning: Meaning) -> Option<&'static str> {
    BY_PHASE
        .iter()
        .find(|(at, m, _)| *at == phase && *m == meaning)
        .map(|(_, _, code)| *code)
        .or_else(|| ANYWHERE.iter().find(|(m, _)| *m == meaning).map(|(_, code)| *code))
}

/// The code for a meaning in a phase, where a rule answers for it.
pub(super) fn code_among(phase: Phase, meaning: Meaning, codes: &[&'static str]) -> Option<&'static str> {
    code(phase, meaning).filter(|code| codes.contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_table_has_an_entry() {
        let all = BY_PHASE.iter().map(|(_, _, code)| *code).chain(ANYWHERE.iter().map(|(_, code)| *code));
        for code in all {
            assert!(crate::catalogue::entry(code).is_some(), "{code}");
        }
    }

    #[test]
    fn the_phase_decides_before_the_words_alone() {
        assert_eq!(code(Phase::Banner, M::Blacklisted), Some("banner-554-blocked"));
        assert_eq!(code(Phase::Rcpt, M::Blacklisted), Some("rcpt-rejected-dnsbl"));
        assert_eq!(code(Phase::Rcpt, M::TlsRequired), None);
        assert_eq!(code_among(Phase::Rcpt, M::RelayDenied, &["recipient-unknown"]), None);
    }
}
