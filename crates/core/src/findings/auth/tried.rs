//! What became of the try: auth-rejected, auth-backend-down, auth-needs-tls, auth-mechanism-broken,
//! auth-oauth-required, auth-banned. One table from the reply's meaning to the code.

use maildoctor_wire::dialogue::End;
use maildoctor_wire::wording::Meaning;

use super::super::host::ours;
use super::super::server_config::dovecot::{lookup_fails, no_lookup};
use super::super::ways::called;
use super::super::{At, Found, Key, Rule, State, Told};
use crate::case::{Seen, Why};
use crate::questions::smtp::{Auth, AuthWire, Credentials, capabilities};
use crate::questions::tcp::{Connect, Role};
use crate::subject::{Account, Service};

const CODES: &[&str] = &[
    "auth-rejected",
    "auth-backend-down",
    "auth-needs-tls",
    "auth-mechanism-broken",
    "auth-oauth-required",
    "auth-banned",
];

pub(super) const RULES: &[Rule] = &[Rule::service(CODES, &[Role::Smtp, Role::Submission, Role::Smtps], tried)];

fn tried(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let token = at.ask(&Auth { with: Credentials::Token, attempt: 1 });
    let given = at.ask(&Auth { with: Credentials::Given, attempt: 1 });
    if let Ok(seen) = &token {
        judge(at, found, seen, None);
    }
    match given {
        Ok(seen) => {
            let second = at.ask(&Auth { with: Credentials::Given, attempt: 2 }).ok();
            judge(at, found, &seen, second);
        }
        // A mail exchanger need not take users: nothing was tried there, and nothing is missing.
        Err(_) if token.is_err() && connection(at) == Some(Role::Smtp) => return Ok(State::NotApplicable),
        Err(why) if token.is_err() => return Err(why),
        Err(_) => {}
    }
    found.state()
}

fn connection(at: &At<'_, Service>) -> Option<Role> {
    at.ask(&Connect).ok().map(|c| c.role)
}

/// Whether a mechanism stands in the EHLO reply that counts; so where that is not known.
fn offers(at: &At<'_, Service>, mechanism: &str) -> bool {
    capabilities(at.case, &at.on, &at.from)
        .map_or(true, |(_, known)| known.mechanisms().iter().any(|offered| offered.eq_ignore_ascii_case(mechanism)))
}

/// Whether the Dovecot behind a server of this machine says in its log that it cannot look users up.
fn cannot_look_up(at: &At<'_, Service>) -> bool {
    ours(at).unwrap_or(false) && lookup_fails(at.case).is_some()
}

fn judge(at: &At<'_, Service>, found: &mut Found<'_>, seen: &Seen<'_, AuthWire>, second: Option<Seen<'_, AuthWire>>) {
    if seen.accepted().is_some() {
        return;
    }
    // Whoever only asks on, or was cut off by us, has refused nobody.
    let Some(reply) = seen.reply().filter(|r| r.class() >= 4 && seen.failed.is_none()) else {
        found.missed(Why::Denied(seen.id()));
        return;
    };
    let server = called(at.case, &at.on, &at.from);
    let quoted = reply.quoted();
    let other_works = second.filter(|s| s.accepted().is_some());
    let cut = second.filter(|s| {
        s.exchanges.last().is_some_and(|e| matches!(e.end, End::Closed | End::Reset))
            || s.reply().is_some_and(|r| r.code == 421)
    });
    let (code, says) = if let Some(works) = other_works {
        (
            "auth-mechanism-broken",
            format!(
                "{server} offers AUTH {} and refuses it (\"{quoted}\"), while {} with the same password works",
                seen.mechanism, works.mechanism
            ),
        )
    } else if let Some(cut) = cut {
        let how = cut.exchanges.last().map(|e| e.in_words()).unwrap_or_default();
        ("auth-banned", format!("{server} sends us away after a refused AUTH: {how}"))
    } else {
        match seen.meaning() {
            Some(Meaning::AuthBackendDown) => {
                ("auth-backend-down", format!("{server} cannot check passwords: \"{quoted}\""))
            }
            Some(Meaning::TlsRequired) => (
                "auth-needs-tls",
                format!("{server} refuses AUTH because the connection is not encrypted: \"{quoted}\""),
            ),
            Some(Meaning::OauthRequired) => {
                ("auth-oauth-required", format!("{server} takes no passwords any more: \"{quoted}\""))
            }
            // A token may be of a mechanism that was never offered: what is missing there has a code of its own.
            Some(Meaning::MechanismUnsupported) if !offers(at, &seen.mechanism) => {
                found.missed(Why::Denied(seen.id()));
                return;
            }
            Some(Meaning::MechanismUnsupported) => (
                "auth-mechanism-broken",
                format!("{server} offers AUTH {} and does not know it: \"{quoted}\"", seen.mechanism),
            ),
            Some(Meaning::RateLimited) => {
                ("auth-banned", format!("{server} puts us off for too many tries: \"{quoted}\""))
            }
            // Postfix says the same where a password is wrong; what Dovecot could not look up stands in its log.
            _ if cannot_look_up(at) => ("auth-backend-down", format!("{server} cannot check passwords: \"{quoted}\"")),
            _ => {
                ("auth-rejected", format!("{server} refuses the user name and password of {}: \"{quoted}\"", seen.user))
            }
        }
    };
    let down = code == "auth-backend-down" && cannot_look_up(at);
    let finding = found
        .is_a(code, if down { no_lookup() } else { Key::Named(seen.user.clone()) })
        .says(says)
        .detail("user", seen.user.as_str())
        .detail("mechanism", seen.mechanism.as_str())
        .detail("reply", quoted)
        .detail("code", reply.code)
        .detail("address", at.on.0.ip().to_string())
        .also(Account(seen.user.clone()))
        .witnessed(seen.id())
        .owes_step(seen.id());
    if let Some(works) = other_works {
        finding.witnessed(works.id());
    }
}
