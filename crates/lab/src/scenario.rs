//! Stories in TOML: which faults are on, and what the receiver does to which command.
//!
//! ```toml
//! faults = ["dnsbl-timeout"]
//! dane = true                 # TLSA records hold the exchangers' keys
//!
//! [[blacklist]]               # the receiver asks these, one after the other, instead of the usual one
//! zone = "bl.example"
//! action = "silent"           # answer, silent
//! delay = "2s"                # how long an answer takes
//! lists = ["127.0.0.1"]       # whom it lists
//!
//! [policy]                    # the domain announces MTA-STS, and its host serves this
//! text = "version: STSv1\nmode: enforce\nmx: *.lab.example\nmax_age: 86400\n"
//! status = 200
//! content_type = "text/plain"
//! location = "https://…"      # with a status of 301, 302 …
//! manner = "whole"            # whole, endless, drip, cut, silent
//!
//! [[rule]]
//! on = "RCPT"                 # BANNER, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, CONTENT, RSET, VRFY, NOOP, QUIT
//! matches = "bert@"           # only where the argument holds this text
//! nth = 1                     # only the first time it fits
//! role = "mx"                 # mx, submission, smtps; all where absent
//! reply = "450 4.7.1 come back later"
//! delay = "1500ms"
//! action = "drip"             # reply, silent, cut, reset, drip (one octet a second), split (octet by octet),
//!                             # tease (a first line at once, the rest after the delay)
//! ```

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::blacklists::Blacklist;
use crate::web::Policy;

/// What of a server's role a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Mail exchange.
    Mx,
    /// Submission, port 587.
    Submission,
    /// Submission with implicit TLS, port 465.
    Smtps,
}

/// What happens to the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The reply is sent.
    #[default]
    Reply,
    /// Nothing is ever answered.
    Silent,
    /// The connection is closed.
    Cut,
    /// The connection is reset.
    Reset,
    /// The reply is sent, one octet a second.
    Drip,
    /// The reply is sent octet by octet.
    Split,
    /// A first line of the reply at once, the rest after the delay, as postscreen does in its greet wait.
    Tease,
}

/// A rule on a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The command.
    pub on: String,
    /// Only where the argument (for `CONTENT`: the message) holds this text, whatever its case.
    #[serde(default)]
    pub matches: Option<String>,
    /// Only the n-th time, counted over all connections.
    #[serde(default)]
    pub nth: Option<u32>,
    /// Only at servers of this role.
    #[serde(default)]
    pub role: Option<Role>,
    /// Only after AUTH, or only before.
    #[serde(default)]
    pub authenticated: Option<bool>,
    /// The reply, instead of the usual one; lines are separated by `\n`.
    #[serde(default)]
    pub reply: Option<String>,
    /// The delay before it.
    #[serde(default, deserialize_with = "duration")]
    pub delay: Duration,
    /// What happens.
    #[serde(default)]
    pub action: Action,
}

impl Rule {
    /// A rule that answers a command with a reply.
    pub fn reply(on: &str, reply: &str) -> Self {
        Self {
            on: on.to_owned(),
            matches: None,
            nth: None,
            role: None,
            authenticated: None,
            reply: Some(reply.to_owned()),
            delay: Duration::ZERO,
            action: Action::Reply,
        }
    }

    /// The same, only at servers of a role.
    #[must_use]
    pub fn at(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// The same, only where the argument holds a text.
    #[must_use]
    pub fn matching(mut self, text: &str) -> Self {
        self.matches = Some(text.to_owned());
        self
    }

    /// A rule that answers late, as usual otherwise.
    pub fn late(on: &str, delay: Duration) -> Self {
        Self { reply: None, delay, ..Self::reply(on, "") }
    }

    /// A rule that does something else than to answer.
    pub fn does(on: &str, action: Action) -> Self {
        Self { reply: None, action, ..Self::reply(on, "") }
    }
}

pub(crate) fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 =
        digits.parse().map_err(|_| serde::de::Error::custom(format!("`{text}` is no delay such as 1500ms or 2s")))?;
    match text.get(digits.len()..) {
        Some("ms") => Ok(Duration::from_millis(number)),
        Some("s") => Ok(Duration::from_secs(number)),
        _ => Err(serde::de::Error::custom(format!("`{text}` is no delay such as 1500ms or 2s"))),
    }
}

fn some_duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// A story.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Faults by their catalogue code.
    #[serde(default)]
    pub faults: Vec<String>,
    /// Another domain sends to the lab, and is what is looked at.
    #[serde(default)]
    pub outbound: bool,
    /// Rules on commands.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
    /// The blacklists that the receiver asks; the usual one where there are none.
    #[serde(default, rename = "blacklist")]
    pub blacklists: Option<Vec<Blacklist>>,
    /// The MTA-STS policy; the domain announces none where absent.
    #[serde(default)]
    pub policy: Option<Policy>,
    /// TLSA records hold the exchangers' keys.
    #[serde(default)]
    pub dane: bool,
    /// Where the receiver's settings are kept beyond this run.
    #[serde(default)]
    pub settings: Option<PathBuf>,
    /// How long the receiver waits for an answer of the DNS before it asks once more.
    #[serde(default, deserialize_with = "some_duration")]
    pub dns_wait: Option<Duration>,
}

impl Scenario {
    /// The healthy system with some faults switched on.
    pub fn with_faults(faults: &[&str]) -> Self {
        Self { faults: faults.iter().map(|f| (*f).to_owned()).collect(), ..Self::default() }
    }

    /// Reads a story; an error names the line.
    ///
    /// # Errors
    /// TOML's own, with the line and what is allowed there.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_of_the_guide_reads() {
        let guide = include_str!("../../../docs/LAB.md");
        let story = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        assert_eq!(Scenario::from_toml(story).unwrap().rules.len(), 3);
    }

    #[test]
    fn a_story_reads_and_a_typing_error_is_named() {
        let story =
            Scenario::from_toml("faults = ['cert-expired']\n[[rule]]\non = 'RCPT'\nnth = 2\nreply = '450 4.7.1 later'\ndelay = '20ms'\naction = 'split'\n")
                .unwrap();
        assert_eq!(
            (story.rules[0].nth, story.rules[0].delay, story.rules[0].action),
            (Some(2), Duration::from_millis(20), Action::Split)
        );
        let error = Scenario::from_toml("[[rule]]\non = 'RCPT'\nreplly = '450'\n").unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("replly"), "{error}");
    }
}
