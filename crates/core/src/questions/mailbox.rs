//! Questions to mailboxes: whether one can log in, and whether the test message turned up.

use std::fmt;

use maildoctor_wire::received::Hop;
use serde::{Deserialize, Serialize};

use super::smtp::Path;
use super::tcp::Connect;
use crate::case::{Case, Question, Why};
use crate::subject::{Account, Service, VantageId};

/// `mailbox.login/1`: logging in by IMAP or POP3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login;

/// What came of logging in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum LoginResult {
    /// We are in.
    In,
    /// The server refused the user name or the password.
    Refused {
        /// Its answer.
        answer: String,
    },
    /// The dialogue failed before that.
    Failed {
        /// What failed, in words.
        error: String,
    },
    /// Not tried: the connection is not verified TLS, and a password is not sent over it.
    Withheld {
        /// Why, in words.
        because: String,
    },
}

impl fmt::Display for LoginResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoginResult::In => f.write_str("done"),
            LoginResult::Refused { answer } => write!(f, "refused: \"{answer}\""),
            LoginResult::Failed { error } => write!(f, "failed: {error}"),
            LoginResult::Withheld { because } => write!(f, "not tried: {because}"),
        }
    }
}

/// The wire facts of a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginWire {
    /// The user name.
    pub user: String,
    /// What came of it.
    #[serde(flatten)]
    pub result: LoginResult,
}

/// `mailbox.arrival/1`: whether the message sent by a path turned up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The path it was sent by.
    pub path: Path,
}

/// What became of the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Arrived {
    /// It turned up.
    Found {
        /// The folder.
        folder: String,
        /// The folder is one for junk.
        junk: bool,
        /// From the server's 250 to the moment we saw it, in milliseconds.
        after_ms: u64,
        /// Its Received headers, the last hop first.
        hops: Vec<Hop>,
        /// The headers that say where it was delivered: name and value.
        headers: Vec<(String, String)>,
        /// Whether the body is the one that was sent.
        body_kept: bool,
        /// Whether it was removed afterwards.
        removed: bool,
    },
    /// It did not turn up in the time given.
    Missing {
        /// How long was looked, in milliseconds.
        waited_ms: u64,
        /// The folders that were looked into.
        folders: Vec<String>,
    },
    /// The mailbox could not be read.
    Unreadable {
        /// Why, in words.
        error: String,
    },
}

/// The wire facts of an arrival.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrivalWire {
    /// The mark that was looked for.
    pub mark: String,
    /// The queue id that the server gave.
    pub queue_id: Option<String>,
    /// What became of it.
    #[serde(flatten)]
    pub arrived: Arrived,
}

impl Question for Login {
    const PROBE: &'static str = "mailbox.login/1";
    type On = Service;
    type Wire = LoginWire;
    type View = LoginWire;

    fn read(wire: LoginWire) -> Option<LoginWire> {
        Some(wire)
    }

    fn needs(&self, case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
        case.ask(&Connect, on, from)?.need(|c| c.open())
    }
}

impl Question for Arrival {
    const PROBE: &'static str = "mailbox.arrival/1";
    type On = Account;
    type Wire = ArrivalWire;
    type View = ArrivalWire;

    fn read(wire: ArrivalWire) -> Option<ArrivalWire> {
        Some(wire)
    }
}
