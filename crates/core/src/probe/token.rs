//! The AUTH token that was given, read: what it says goes into the case, the password does not.

use std::time::Duration;

use maildoctor_wire::token::{self, Certainty, Token};
use secrecy::SecretString;

use super::Context;
use crate::options::Login;
use crate::questions::client::{TokenRead, TokenWire, TrapWire};
use crate::subject::Account;

/// The account that the token's findings are about.
pub fn account(user: Option<&str>) -> Account {
    Account(user.unwrap_or("token").to_owned())
}

/// Reads the token and writes down what it says.
pub fn read(context: &Context, text: &SecretString, user: Option<&str>, login: Option<&Login>) {
    let known = login.map(|l| (l.user.as_str(), &l.password));
    let wire = match Token::decode(text) {
        Ok(token) => TokenWire {
            octets: token.len(),
            authzid: token.authzid(),
            user: token.user(),
            has_password: token.password_octets().is_some_and(|n| n > 0),
            traps: token::traps(&token, known)
                .into_iter()
                .map(|t| TrapWire { code: t.code.to_owned(), certainty: word(t.certainty).to_owned(), says: t.says })
                .collect(),
        },
        Err(error) => TokenWire {
            octets: 0,
            authzid: None,
            user: None,
            has_password: false,
            traps: vec![TrapWire {
                code: "auth-token-encoding".to_owned(),
                certainty: "proven".to_owned(),
                says: error.to_string(),
            }],
        },
    };
    let now = context.recorder.now();
    context.record(&TokenRead, &account(user), (now, Duration::ZERO), &wire);
}

fn word(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Possible => "possible",
        Certainty::Likely => "likely",
        Certainty::Proven => "proven",
    }
}
