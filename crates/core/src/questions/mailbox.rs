//! Questions to mailboxes: whether one can log in, and whether the test message turned up.

use std::fmt;
use std::net::IpAddr;

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

/// The client that handed a message over, as the first server behind that of submission wrote it down.
pub fn client_of(hops: &[Hop]) -> Option<(IpAddr, &str)> {
    let [.., second, first] = hops else { return None };
    let (by, helo) = (first.by.as_deref()?, second.from.as_deref()?);
    let ip = second.address?;
    let elsewhere = second.by.as_deref().is_some_and(|next| !next.eq_ignore_ascii_case(by));
    (elsewhere && !ip.is_loopback()).then_some((ip, helo))
}

#[cfg(test)]
mod tests {
    use maildoctor_wire::received::parse;

    use super::*;

    #[test]
    fn the_client_is_whom_the_next_server_saw() {
        let hops = |lines: &[&str]| -> Vec<Hop> { lines.iter().map(|line| parse(line)).collect() };
        let way = hops(&[
            "from out.example.org (out.example.org [192.0.2.25]) by mx.example.net with ESMTPS id 2; Tue, 24 Nov 2026 13:00:06 +0000",
            "from [198.51.100.9] (client [198.51.100.9]) by out.example.org with ESMTPSA id 1; Tue, 24 Nov 2026 13:00:05 +0000",
        ]);
        assert_eq!(client_of(&way), Some(("192.0.2.25".parse().unwrap(), "out.example.org")));
        // Delivered on the very server that took it: nobody sent it anywhere.
        assert_eq!(client_of(&way[1..]), None);
        let local = hops(&[
            "from mail.example.org ([127.0.0.1]) by mail.example.org with LMTP id 2; Tue, 24 Nov 2026 13:00:06 +0000",
            "from client (client [198.51.100.9]) by mail.example.org with ESMTPSA id 1; Tue, 24 Nov 2026 13:00:05 +0000",
        ]);
        assert_eq!(client_of(&local), None);
    }
}
