//! Questions to what the user holds in hand: an AUTH token, and the place we look from.

use serde::{Deserialize, Serialize};

use crate::case::Question;
use crate::subject::Account;

/// `client.token/1`: the AUTH PLAIN token that was given, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRead;

/// A trap the token fell into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrapWire {
    /// The catalogue's code.
    pub code: String,
    /// `possible`, `likely`, `proven`.
    pub certainty: String,
    /// What is wrong, without a secret.
    pub says: String,
}

/// What the token says; the password is not kept, only whether there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenWire {
    /// How many octets it decodes to.
    pub octets: usize,
    /// The authorization identity, where it has three parts.
    pub authzid: Option<String>,
    /// The user name, where it has three parts.
    pub user: Option<String>,
    /// Whether it has a password.
    pub has_password: bool,
    /// The traps.
    pub traps: Vec<TrapWire>,
}

impl Question for TokenRead {
    const PROBE: &'static str = "client.token/1";
    type On = Account;
    type Wire = TokenWire;
    type View = TokenWire;

    fn read(wire: TokenWire) -> Option<TokenWire> {
        Some(wire)
    }
}
