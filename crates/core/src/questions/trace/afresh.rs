//! The signatures of a received message, verified anew: with the text that lies in the mailbox now, and the keys that the
//! DNS shows now.

use serde::{Deserialize, Serialize};

use crate::case::Question;
use crate::subject::Mail;

/// `trace.signature/1`: a DKIM signature (RFC 6376 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Its place among the signatures, from 1; the topmost first.
    pub number: usize,
}

/// The wire facts of a signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureWire {
    /// Who signed: `d=`. Empty where the signature cannot be read.
    pub domain: String,
    /// Which key: `s=`.
    pub selector: String,
    /// The octets of the text that are signed, where not all are: `l=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_octets: Option<u64>,
    /// What came of it.
    #[serde(flatten)]
    pub checked: Checked,
}

/// `trace.seals/1`: the chain of ARC (RFC 8617 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seals;

/// The wire facts of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealsWire {
    /// Who sealed it, the first in time first.
    pub by: Vec<String>,
    /// What came of the whole chain.
    #[serde(flatten)]
    pub checked: Checked,
}

/// What came of verifying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "checked", rename_all = "kebab-case")]
pub enum Checked {
    /// It holds.
    Pass,
    /// The text is not the one that was signed: its hash is another.
    BodyChanged,
    /// The text is, and a signed header field is not; or the key is not the one that signed.
    HeaderChanged,
    /// It has passed its own last day (`x=`).
    Expired,
    /// There is no such key now.
    KeyGone,
    /// The key was taken back: `p=` is empty.
    KeyRevoked,
    /// The key's record, or the signature, cannot be used.
    Unusable {
        /// Why, in words.
        why: String,
    },
    /// The key could not be asked for.
    NoAnswer {
        /// Why, in words.
        why: String,
    },
}

impl Checked {
    /// The result's name (RFC 8601 section 2.7.1).
    pub fn result(&self) -> &'static str {
        match self {
            Checked::Pass => "pass",
            Checked::BodyChanged | Checked::HeaderChanged => "fail",
            Checked::Expired => "neutral",
            Checked::KeyGone | Checked::KeyRevoked | Checked::Unusable { .. } => "permerror",
            Checked::NoAnswer { .. } => "temperror",
        }
    }

    /// What happened, where it does not hold.
    pub fn reason(&self) -> Option<String> {
        Some(match self {
            Checked::Pass => return None,
            Checked::BodyChanged => "the text was changed after it was signed".to_owned(),
            Checked::HeaderChanged => "a signed header field was changed, or it was signed by another key".to_owned(),
            Checked::Expired => "the signature has passed its own last day".to_owned(),
            Checked::KeyGone => "there is no such key any more".to_owned(),
            Checked::KeyRevoked => "the key was revoked".to_owned(),
            Checked::Unusable { why } | Checked::NoAnswer { why } => why.clone(),
        })
    }

    /// Whether the message differs from what was signed.
    pub fn is_changed(&self) -> bool {
        matches!(self, Checked::BodyChanged | Checked::HeaderChanged)
    }
}

impl Question for Signature {
    const PROBE: &'static str = "trace.signature/1";
    type On = Mail;
    type Wire = SignatureWire;
    type View = SignatureWire;

    fn read(wire: SignatureWire) -> Option<SignatureWire> {
        Some(wire)
    }
}

impl Question for Seals {
    const PROBE: &'static str = "trace.seals/1";
    type On = Mail;
    type Wire = SealsWire;
    type View = SealsWire;

    fn read(wire: SealsWire) -> Option<SealsWire> {
        Some(wire)
    }
}
