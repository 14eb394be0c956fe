//! Questions to a text that quotes answers of mail servers: a bounce, a log, a pasted reply.
//!
//! Texts are kept in the form of [`maildoctor_wire::octets::escape`].

use jiff::Timestamp;
use maildoctor_wire::dialogue::Phase;
use maildoctor_wire::enhanced::EnhancedCode;
use maildoctor_wire::received::Hop;
use maildoctor_wire::reply::Reply;
use serde::{Deserialize, Serialize};

use crate::case::Question;
use crate::subject::Answer;

/// The subject on which [`Returned`] is asked: what concerns the bounce as a whole.
pub const WHOLE: &str = "whole";

/// What became of a message for a recipient, as the server that reports says it (RFC 3464 section 2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Given up.
    Failed,
    /// Still tried.
    Delayed,
    /// Delivered, relayed or expanded.
    Done,
}

/// `bounce.answer/1`: what was said of a recipient, or of many in the same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered;

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Said {
    /// The recipients; of many only the first few.
    pub recipients: Vec<String>,
    /// How many times it was said.
    pub count: u64,
    /// How many of the messages that were put off were delivered by a later try.
    pub delivered_later: u64,
    /// How many of them had no end yet when the log ended.
    pub waiting: u64,
    /// When it was said first, where the text tells.
    pub first: Option<Timestamp>,
    /// When it was said last.
    pub last: Option<Timestamp>,
    /// The server that said it; `None` where the sending server says it of its own accord.
    pub host: Option<String>,
    /// What became of the message, where the text says so.
    pub action: Option<Action>,
    /// What was answered, where the text says so.
    pub phase: Option<Phase>,
    /// The reply.
    pub reply: Option<Reply>,
    /// The status that the reporting server gives (RFC 3464 section 2.3.4).
    pub status: Option<EnhancedCode>,
    /// The reporting server's own words, where no reply is quoted.
    pub words: Option<String>,
}

impl Default for Said {
    fn default() -> Self {
        Self {
            recipients: Vec::new(),
            count: 1,
            delivered_later: 0,
            waiting: 0,
            first: None,
            last: None,
            host: None,
            action: None,
            phase: None,
            reply: None,
            status: None,
            words: None,
        }
    }
}

impl Said {
    /// What was said, as a person would quote it.
    pub fn quoted(&self) -> String {
        match (&self.reply, &self.words, self.status) {
            (Some(reply), _, _) => reply.quoted(),
            (None, Some(words), _) => words.clone(),
            (None, None, Some(status)) => status.to_string(),
            (None, None, None) => String::new(),
        }
    }

    /// The enhanced status code: of the reply, else of the report.
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        self.reply.as_ref().and_then(Reply::enhanced).or(self.status)
    }
}

impl Question for Answered {
    const PROBE: &'static str = "bounce.answer/1";
    type On = Answer;
    type Wire = Said;
    type View = Said;

    fn read(wire: Said) -> Option<Said> {
        Some(wire)
    }
}

/// `bounce.returned/1`: what the bounce says of itself, and the headers it gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned;

/// The bounce and the message that it returns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReturnedWire {
    /// The server that wrote the bounce.
    pub reporter: Option<String>,
    /// The address that the bounce was sent to: the envelope sender of the message.
    pub returned_to: Option<String>,
    /// The returned message's From.
    pub from: Option<String>,
    /// The returned message's Message-ID.
    pub message_id: Option<String>,
    /// The returned message's Date.
    pub date: Option<String>,
    /// The hops of the returned message, the newest first.
    pub hops: Vec<Hop>,
    /// Whether a header of the returned message says that SPF failed for its sender (RFC 7208 section 8.4).
    pub spf_failed: bool,
    /// Names, addresses and networks of the servers that send for the user, as the user gave them.
    pub ours: Vec<String>,
}

impl Question for Returned {
    const PROBE: &'static str = "bounce.returned/1";
    type On = Answer;
    type Wire = ReturnedWire;
    type View = ReturnedWire;

    fn read(wire: ReturnedWire) -> Option<ReturnedWire> {
        Some(wire)
    }
}
