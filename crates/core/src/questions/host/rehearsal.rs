//! The question how Exim would greet a client that it does not know, by its own rehearsal (`exim -bh`): its settings are gone
//! through as for a connection from an address, up to the banner, and nobody is served.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::asks::Place;
use crate::case::{Question, Span};
use crate::subject::VantageId;

/// `host.rehearsal/1`: Exim's rehearsal of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The program, by its name or path.
    pub program: String,
    /// The address from which the client would come.
    pub client: IpAddr,
}

/// What Exim said while it rehearsed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsalWire {
    /// The lines of [`telling`], in their order.
    pub lines: Vec<Spoken>,
    /// When it ended, or was not waited for any longer, in milliseconds since it began.
    pub until_ms: u64,
    /// Whether it came to its end.
    pub whole: bool,
    /// Why there was no rehearsal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<String>,
}

/// One line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// When it came, in milliseconds since the rehearsal began.
    pub at_ms: u64,
    /// The line, without the mark at its beginning.
    pub text: String,
}

impl Question for Rehearsal {
    const PROBE: &'static str = "host.rehearsal/1";
    type On = VantageId;
    type Wire = RehearsalWire;
    type View = RehearsalWire;

    fn read(wire: RehearsalWire) -> Option<RehearsalWire> {
        wire.flaw.is_none().then_some(wire)
    }
}

/// How lines begin that are kept. Others show the values of conditions, and some of those are secret.
const KEPT: [&str; 10] = [
    CHECKS,
    DEFERRED,
    PAUSES,
    PROCESSES,
    "=> that means ",
    "IP address ",
    "end of ACL ",
    "host in host_reject_connection? ",
    "looking up host name for ",
    "using ACL ",
];

const CHECKS: &str = "dnslists check: ";
const DEFERRED: &str = "LOG: DNS list lookup defer";
const PAUSES: &str = "delay modifier requests ";
const PROCESSES: &str = "processing \"";

/// The longest line that is kept, in octets.
const MAX_LINE: usize = 300;

/// What is kept of a line of Exim's; `None` where nothing is.
pub fn telling(line: &str) -> Option<&str> {
    let line = line.strip_prefix(">>> ").unwrap_or(line).trim();
    (line.len() <= MAX_LINE && KEPT.iter().any(|start| line.starts_with(start))).then_some(line)
}

/// A list that was asked about the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListAsked<'w> {
    /// Its zone.
    pub zone: &'w str,
    /// When it was waited for, since the rehearsal began.
    pub span: Span,
    /// Whether no answer came.
    pub failed: bool,
}

/// A wait on purpose, which the rehearsal leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// How long it would be, in milliseconds.
    pub ms: u64,
    /// Where the statement begins that makes it.
    pub place: Place,
}

impl RehearsalWire {
    /// The lists that were asked, in their order.
    pub fn lists(&self) -> Vec<ListAsked<'_>> {
        let mut found = Vec::new();
        for (place, spoken) in self.lines.iter().enumerate() {
            let Some(zone) = spoken.text.strip_prefix(CHECKS) else { continue };
            let next = self.lines.get(place + 1);
            let to_ms = next.map_or(self.until_ms, |next| next.at_ms);
            found.push(ListAsked {
                zone: zone.split(['=', '!', '&', ',']).next().unwrap_or(zone).trim(),
                span: Span { from_ms: spoken.at_ms, to_ms },
                // What was still waited for when nobody watched any longer had no answer either.
                failed: next.map_or(!self.whole, |next| next.text.starts_with(DEFERRED)),
            });
        }
        found
    }

    /// The waits on purpose that it came by, in their order.
    pub fn pauses(&self) -> Vec<Paused> {
        let mut place = None;
        let mut found = Vec::new();
        for spoken in &self.lines {
            if let Some((_, at)) = spoken.text.strip_prefix(PROCESSES).and_then(|rest| rest.split_once('(')) {
                place = at.trim_end_matches(')').rsplit_once(' ');
            } else if let Some(seconds) = spoken.text.strip_prefix(PAUSES).and_then(|rest| rest.split('-').next()) {
                let (file, line) = place.unzip();
                found.extend(seconds.parse::<u64>().ok().filter(|seconds| *seconds > 0).map(|seconds| Paused {
                    ms: seconds.saturating_mul(1000),
                    place: Place {
                        setting: "delay".to_owned(),
                        file: file.map(str::to_owned),
                        line: line.and_then(|line| line.parse().ok()),
                    },
                }));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What Exim 4.96 says, with the times at which it said it.
    const SAID: &str = "0 >>> host in hosts_connection_nolog? no (option unset)
0 >>> looking up host name for 198.51.100.7
0 >>> IP address lookup failed: h_errno=1
0 LOG: no host name found for IP address 198.51.100.7
0 >>> host in host_reject_connection? no (option unset)
1 >>> using ACL \"acl_check_connect\"
1 >>> processing \"deny\" (/etc/exim4/exim4.conf 24)
1 >>> check condition = ${if eq{a password}{a password}}
2 >>> check dnslists = bl2.example : bl1.example=127.0.0.2
2 >>> dnslists check: bl2.example
2 >>> new DNS lookup for 7.100.51.198.bl2.example
5 >>> => that means 198.51.100.7 is not listed at bl2.example
5 >>> dnslists check: bl1.example=127.0.0.2
5 >>> new DNS lookup for 7.100.51.198.bl1.example
3790 LOG: DNS list lookup defer (probably timeout) for 7.100.51.198.bl1.example: assumed not in list
3790 >>> processing \"warn\" (/etc/exim4/exim4.conf 27)
3790 >>> delay modifier requests 20-second delay
3790 >>> delay skipped in -bh checking mode
3790 >>> end of ACL \"acl_check_connect\": ACCEPT";

    fn heard(said: &str) -> RehearsalWire {
        let lines = said.lines().filter_map(|line| {
            let (at, line) = line.split_once(' ')?;
            Some(Spoken { at_ms: at.parse().ok()?, text: telling(line)?.to_owned() })
        });
        RehearsalWire { lines: lines.collect(), until_ms: 4000, whole: true, flaw: None }
    }

    #[test]
    fn each_list_has_its_time_and_its_end() {
        let heard = heard(SAID);
        let lists: Vec<_> = heard.lists().into_iter().map(|l| (l.zone.to_owned(), l.span, l.failed)).collect();
        let span = |from_ms, to_ms| Span { from_ms, to_ms };
        let wanted = [("bl2.example".to_owned(), span(2, 5), false), ("bl1.example".to_owned(), span(5, 3790), true)];
        assert_eq!(lists, wanted);
        let place =
            Place { setting: "delay".to_owned(), file: Some("/etc/exim4/exim4.conf".to_owned()), line: Some(27) };
        assert_eq!(heard.pauses(), [Paused { ms: 20_000, place }]);
    }

    #[test]
    fn values_of_conditions_are_not_kept() {
        assert!(!format!("{:?}", heard(SAID)).contains("password"));
    }

    #[test]
    fn a_list_that_was_waited_for_to_the_end_did_not_answer() {
        let cut = RehearsalWire { whole: false, ..heard("0 >>> dnslists check: bl1.example") };
        let lists = cut.lists();
        assert!(lists[0].failed);
        assert_eq!(lists[0].span.length_ms(), 4000);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "([0-9] (>>> )?(dnslists check: |processing \"|delay modifier requests )?[ -~]{0,40}\n){0,20}") {
            let heard = heard(&text);
            let _ = (heard.lists().len(), heard.pauses().len());
        }
    }
}
