//! What the client holds: the traps of an AUTH token, one table from trap to code; and bounces.

mod bounces;

use super::{At, Basis, Found, Rule, Share, State, Told};
use crate::questions::client::TokenRead;
use crate::questions::smtp::{Auth, Credentials};
use crate::subject::{Account, Service};

const CODES: &[&str] = &[
    "auth-token-no-leading-nul",
    "auth-token-at-lost",
    "auth-token-octal-eaten",
    "auth-token-dollar-eaten",
    "auth-token-trailing-newline",
    "auth-token-line-wrapped",
    "auth-token-authzid",
    "auth-token-encoding",
];

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    vec![Rule::account(CODES, traps), bounces::rule()]
}

fn traps(at: &At<'_, Account>, found: &mut Found<'_>) -> Told {
    let token = at.ask(&TokenRead)?;
    for trap in &token.traps {
        let Some(code) = CODES.iter().copied().find(|code| *code == trap.code) else {
            continue;
        };
        let basis = match trap.certainty.as_str() {
            "proven" => Basis::Witnessed,
            "likely" => Basis::OwnMeasure,
            _ => Basis::Pattern,
        };
        let finding = found
            .is_a(code, at.on.clone())
            .says(format!("the AUTH token is not right: {}", trap.says))
            .known("user", token.user.as_deref())
            .detail("octets", token.octets)
            .proof(token.id(), basis);
        if let Some(authzid) = token.authzid.as_ref().filter(|z| !z.is_empty()) {
            finding.detail("authzid", authzid.as_str());
        }
        for service in at.case.graph().below::<Service>(&at.on.clone().into()) {
            if let Ok(auth) = at.ask_of(&Auth { with: Credentials::Token, attempt: 1 }, &service) {
                finding.claims(auth.id(), Share::Whole, basis);
            }
        }
    }
    if token.traps.is_empty() { Ok(State::Clear) } else { found.state() }
}
