//! Questions to a server that lets us say who its client is: XCLIENT, an extension of Postfix.

use serde::{Deserialize, Serialize};

use super::smtp::{Banner, StepView, StepWire, step};
use crate::case::{Case, Question, Why};
use crate::subject::{Service, VantageId};

/// The greeting of a client that the server does not know, after XCLIENT.
pub const BY_XCLIENT: Banner = Banner { visit: 5 };

/// `smtp.rcpt-by-xclient/1`: the reply to RCPT with the address under test, for a client that the server does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrangersRcpt;

step!(StrangersRcpt, "smtp.rcpt-by-xclient/1", |_, case, on, from| {
    case.ask(&BY_XCLIENT, on, from)?.need(|banner| banner.greeted()).map(|_| ())
});
