//! What an answer means for the one who sent the message: whose fault, final or not, and what to do.
//!
//! What a reply means is the table of [`maildoctor_wire::wording`]; which code that is, the table of
//! [`crate::findings::replies`]. What is added here is the sender's side of it.

mod local;
mod providers;
mod senses;

use maildoctor_wire::dialogue::Phase;
use maildoctor_wire::reply::Reply;
use maildoctor_wire::wording::{Meaning, meaning};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::findings::replies;
use crate::questions::bounce::{Action, Said};

pub(super) use local::EXPIRED;
pub use providers::Pattern;
pub use senses::Sense;

/// The code of what no table knows.
pub const UNKNOWN: &str = "bounce-unknown";

/// The code of a bounce that answers a message of somebody else.
pub const FORGED: &str = "bounce-forged";

/// Whose fault it is, seen from the one who sent the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The server that sends for you.
    YourServer,
    /// Your domain: its DNS records.
    YourDomain,
    /// The message itself.
    YourMessage,
    /// The recipient: the address, its mailbox, its domain.
    Recipient,
    /// Their server.
    TheirServer,
    /// The network, or the DNS, in between.
    InBetween,
    /// Nobody: it is meant to be so, or it was delivered.
    Nobody,
    /// Somebody who forged your address.
    NotYours,
    /// The answer does not tell.
    Unknown,
}

impl Fault {
    /// Whose it is, in a few words.
    pub fn in_words(self) -> &'static str {
        match self {
            Fault::YourServer => "your server",
            Fault::YourDomain => "your domain",
            Fault::YourMessage => "the message itself",
            Fault::Recipient => "the recipient's side: address, mailbox or domain",
            Fault::TheirServer => "their server",
            Fault::InBetween => "something in between: the network or the DNS",
            Fault::Nobody => "nobody's",
            Fault::NotYours => "not yours: somebody used your address",
            Fault::Unknown => "the answer does not tell",
        }
    }
}

/// Whether it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The message was delivered, or passed on.
    Delivered,
    /// The sending server still tries.
    Temporary,
    /// The sending server has given up, or will: the answer was final.
    Final,
}

/// Whether sending it again can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// Yes, with nothing changed.
    Yes,
    /// Only once what the answer complains of was changed.
    AfterChange,
    /// No: not to this address.
    No,
    /// Nothing to send again.
    NotNeeded,
}

/// What an answer means.
#[derive(Debug, Clone, Copy)]
pub struct Judgement {
    /// The catalogue's code.
    pub code: &'static str,
    /// Whose fault it is, what it means, what to do.
    pub sense: &'static Sense,
    /// Whether it is over.
    pub outcome: Outcome,
    /// Whether sending it again can succeed.
    pub retry: Retry,
    /// The provider whose reply it is, where it is one that is known.
    pub provider: Option<&'static Pattern>,
}

/// What an answer means; `None` where the message was delivered.
pub fn judge(said: &Said) -> Option<Judgement> {
    let outcome = outcome(said);
    if outcome == Outcome::Delivered {
        return None;
    }
    let provider = said.reply.as_ref().and_then(|reply| providers::recognise(said.host.as_deref(), reply));
    let (code, sense) = provider
        .and_then(|pattern| of_provider(said, pattern))
        .or_else(|| known(said))
        .unwrap_or((UNKNOWN, senses::unknown(said.enhanced())));
    Some(Judgement { code, sense, outcome, retry: sense.retry, provider })
}

/// Whether free text tells of a failed delivery in words that are known without a reply code.
pub fn is_known(text: &str) -> bool {
    local::of_words(text).is_some()
}

/// Every code that [`judge`] can give, in no order.
pub fn codes() -> Vec<&'static str> {
    let by_meaning = senses::MEANINGS.iter().filter_map(|(meaning, _)| code_of(Phase::Rcpt, *meaning));
    let phases = [
        Phase::Banner,
        Phase::Ehlo,
        Phase::Helo,
        Phase::Starttls,
        Phase::Auth,
        Phase::Mail,
        Phase::Data,
        Phase::Content,
    ];
    let by_phase =
        phases.into_iter().flat_map(|phase| senses::MEANINGS.iter().filter_map(move |(m, _)| code_of(phase, *m)));
    let mut all: Vec<&str> = by_meaning
        .chain(by_phase)
        .chain(local::codes())
        .chain(senses::PROVIDERS.iter().map(|(code, _)| *code))
        .chain([UNKNOWN, FORGED])
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn known(said: &Said) -> Option<(&'static str, &'static Sense)> {
    let phase = said.phase.unwrap_or(Phase::Rcpt);
    if let Some(reply) = &said.reply {
        if let Some(found) = given_up(reply) {
            return Some(found);
        }
        return deferred(reply)
            .or_else(|| of_meaning(phase, meaning(phase, reply)?))
            .or_else(|| of_no_server(said, reply));
    }
    if let Some(found) = said.words.as_deref().and_then(local::of_words) {
        return Some(found);
    }
    // The sending server's own words, read as a reply of the class that its status gives: 554 and 451 alone mean nothing.
    let temporary = said.status.is_some_and(|status| status.0 == 4);
    let status = said.status.map(|status| format!("{status} ")).unwrap_or_default();
    let text = format!("{status}{}", said.words.as_deref().unwrap_or_default());
    let reply = Reply::line(if temporary { 451 } else { 554 }, &text);
    meaning(phase, &reply).and_then(|m| of_meaning(phase, m)).or_else(|| local::of_status(said.status?))
}

/// What the sending server puts into the form of a reply where it has tried until its time was over, as Exchange and many
/// others do: `550 4.4.7 QUEUE.Expired; message expired`. Behind it may stand at what the last try failed.
fn given_up(reply: &Reply) -> Option<(&'static str, &'static Sense)> {
    let text = reply.text();
    let expired = reply.class() == 5 && text.trim_start().starts_with("4.4.7");
    expired.then(|| local::of_words(&text).unwrap_or((UNKNOWN, &local::GAVE_UP)))
}

/// Sendmail puts a code before its own words too: `421 … Deferred: Connection timed out`.
fn deferred(reply: &Reply) -> Option<(&'static str, &'static Sense)> {
    let text = reply.text();
    let (_, why) = text.split_once("... Deferred: ")?;
    local::of_words(why)
}

/// A reply that no table knows and no other server said may hold the sending server's own words.
fn of_no_server(said: &Said, reply: &Reply) -> Option<(&'static str, &'static Sense)> {
    // That server could not ask the one behind it: what it ran into is not between it and us.
    let text = reply.text();
    let asked_behind = text.to_ascii_lowercase().contains("unverified address");
    if said.host.is_none() && !asked_behind { local::of_words(&text) } else { None }
}

fn of_provider(said: &Said, pattern: &Pattern) -> Option<(&'static str, &'static Sense)> {
    if let Some(meaning) = pattern.meaning {
        return of_meaning(said.phase.unwrap_or(Phase::Rcpt), meaning);
    }
    let named = |code: &str| pattern.code.as_deref() == Some(code);
    senses::PROVIDERS.iter().find(|(code, _)| named(code)).map(|(code, sense)| (*code, sense))
}

fn of_meaning(phase: Phase, meaning: Meaning) -> Option<(&'static str, &'static Sense)> {
    // Refused and Deferred are in no table: the sender gains nothing by a sense that says the reply again.
    let sense = senses::MEANINGS.iter().find(|(m, _)| *m == meaning).map(|(_, sense)| sense)?;
    Some((code_of(phase, meaning).unwrap_or(UNKNOWN), sense))
}

/// What merely says "no" or "not now" is unknown here: the sender gains nothing by a code that says it again.
fn code_of(phase: Phase, meaning: Meaning) -> Option<&'static str> {
    match meaning {
        Meaning::Refused | Meaning::Deferred => return None,
        // Whoever wants reverse DNS, the sender must do the same.
        Meaning::PtrRequired => return Some("bounce-provider-ptr"),
        _ => {}
    }
    replies::code(phase, meaning).or_else(|| replies::code(Phase::Rcpt, meaning))
}

fn outcome(said: &Said) -> Outcome {
    let class = said.reply.as_ref().map(Reply::class).or_else(|| said.status.map(|status| status.0));
    match (said.action, class) {
        (Some(Action::Done), _) | (None, Some(2)) => Outcome::Delivered,
        (Some(Action::Delayed), _) | (None, Some(4)) => Outcome::Temporary,
        (Some(Action::Failed), _) | (None, Some(_)) => Outcome::Final,
        // Servers try again where they could not connect, until they give up.
        (None, None) => said.words.as_deref().and_then(local::of_words).map_or(Outcome::Final, |(_, sense)| {
            let goes_on = sense.retry == Retry::Yes && *sense != local::GAVE_UP;
            if goes_on { Outcome::Temporary } else { Outcome::Final }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: u16, text: &str) -> Judgement {
        judge(&Said { reply: Some(Reply::line(code, text)), ..Said::default() }).unwrap()
    }

    fn own(words: &str) -> Judgement {
        judge(&Said { words: Some(words.to_owned()), ..Said::default() }).unwrap()
    }

    #[test]
    fn whose_fault_and_what_then() {
        let j = of(550, "5.1.1 <a@example.net>: Recipient address rejected: User unknown");
        assert_eq!(
            (j.code, j.sense.fault, j.outcome, j.retry),
            ("recipient-unknown", Fault::Recipient, Outcome::Final, Retry::No)
        );
        let j = of(451, "4.7.1 Greylisting in action, please come back later");
        assert_eq!(
            (j.code, j.sense.fault, j.outcome, j.retry),
            ("greylisting", Fault::Nobody, Outcome::Temporary, Retry::Yes)
        );
        let j = of(554, "5.7.1 Client host [192.0.2.1] blocked using dnsbl.example.net");
        assert_eq!((j.code, j.sense.fault, j.retry), ("rcpt-rejected-dnsbl", Fault::YourServer, Retry::AfterChange));
        let j = of(552, "5.2.2 Mailbox full");
        assert_eq!((j.code, j.sense.fault), ("recipient-mailbox-full", Fault::Recipient));
        let j = of(452, "4.3.1 Insufficient system storage");
        assert_eq!((j.code, j.sense.fault, j.outcome), ("server-storage-full", Fault::TheirServer, Outcome::Temporary));
        let j = of(550, "5.7.26 This mail has been blocked because the sender is unauthenticated. abc - gsmtp");
        assert_eq!((j.code, j.sense.fault), ("bounce-provider-auth", Fault::YourDomain));
        let j = of(450, "4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]");
        assert_eq!((j.code, j.sense.fault, j.outcome), ("bounce-provider-ptr", Fault::YourServer, Outcome::Temporary));
        let j = of(451, "Internal resource temporarily unavailable - https://community.mimecast.com/docs/DOC-1369#451");
        assert_eq!((j.code, j.retry), ("greylisting", Retry::Yes));
        // A rule of theirs, which need not be that they do not know the domain.
        let j = of(554, "5.7.1 <a@example.net>: Recipient address rejected: Access denied");
        assert_eq!((j.code, j.sense.fault), (UNKNOWN, Fault::Unknown));
        let j = of(550, "5.4.1 Recipient address rejected: Access denied. AS(201806281)");
        assert_eq!((j.code, j.sense.fault, j.retry), ("recipient-unknown", Fault::Recipient, Retry::No));
        let j = of(550, "4.4.7 QUEUE.Expired; message expired");
        assert_eq!(
            (j.code, j.sense.fault, j.outcome, j.retry),
            (UNKNOWN, Fault::InBetween, Outcome::Final, Retry::Yes)
        );
        let j = of(
            550,
            "4.4.7 Message expired: unable to deliver in 840 minutes.<421 4.4.0 Unable to lookup DNS for a.example>",
        );
        assert_eq!((j.code, j.sense.fault, j.outcome), ("mx-lookup-failed", Fault::InBetween, Outcome::Final));
        let j = of(554, "5.0.0 no");
        assert_eq!((j.code, j.sense.fault), (UNKNOWN, Fault::Unknown));
    }

    #[test]
    fn what_the_sending_server_says_of_its_own_accord() {
        for (words, code, fault, outcome) in [
            (
                "connect to mx.example.net[192.0.2.1]:25: Connection timed out",
                "connect-timeout",
                Fault::InBetween,
                Outcome::Temporary,
            ),
            (
                "connect to mx.example.net[192.0.2.1]:25: Connection refused",
                "connect-refused",
                Fault::TheirServer,
                Outcome::Temporary,
            ),
            (
                "Host or domain name not found. Name service error for name=example.net type=MX: Host not found",
                "domain-not-found",
                Fault::Recipient,
                Outcome::Final,
            ),
            (
                "Host or domain name not found. Name service error for name=example.net type=MX: Host not found, try again",
                "mx-lookup-failed",
                Fault::InBetween,
                Outcome::Temporary,
            ),
            ("Domain example.net does not accept mail (nullMX)", "mx-null", Fault::Recipient, Outcome::Final),
            ("unknown user: \"anna\"", "recipient-unknown", Fault::Recipient, Outcome::Final),
            ("unknown mail transport error", "server-config-error", Fault::YourServer, Outcome::Temporary),
            // Exim, of a host that it has tried for days.
            ("retry timeout exceeded", UNKNOWN, Fault::InBetween, Outcome::Final),
            (
                "all relevant MX records point to non-existent hosts",
                "mx-unresolvable",
                Fault::Recipient,
                Outcome::Final,
            ),
            (
                "TLS is required, but was not offered by host mx.example.net[192.0.2.1]",
                "starttls-not-offered",
                Fault::TheirServer,
                Outcome::Temporary,
            ),
        ] {
            let j = own(words);
            assert_eq!((j.code, j.sense.fault, j.outcome), (code, fault, outcome), "{words}");
        }
    }

    #[test]
    fn a_code_before_the_sending_servers_own_words() {
        let j = of(421, "example.net (smtp)... Deferred: Connection timed out during user open with example.net");
        assert_eq!(j.code, "connect-timeout");
        assert_eq!(of(426, "connection timed out").code, "connect-timeout");
        let behind = "4.1.1 <a@example.net>: Recipient address rejected: unverified address: connect to mx.example.net[192.0.2.1]:25: Connection timed out";
        assert_eq!(of(450, behind).code, UNKNOWN);
        let theirs = Said { host: Some("mx.example.net".to_owned()), ..Said::default() };
        let theirs = Said { reply: Some(Reply::line(451, "4.4.1 Connection timed out")), ..theirs };
        assert_eq!(judge(&theirs).unwrap().code, UNKNOWN);
    }

    #[test]
    fn a_status_alone_says_something() {
        let said = Said { status: "5.4.4".parse().ok(), action: Some(Action::Failed), ..Said::default() };
        assert_eq!(judge(&said).unwrap().code, "domain-not-found");
        let said = Said { status: "2.0.0".parse().ok(), ..Said::default() };
        assert!(judge(&said).is_none());
    }

    #[test]
    fn every_code_has_an_entry() {
        for code in codes() {
            assert!(crate::catalogue::entry(code).is_some(), "{code}");
        }
    }
}
