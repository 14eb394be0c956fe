//! What ssh says on its standard error, read line by line and without I/O.
//!
//! A client over a shared connection is only told "refused by peer". Why a channel did not open is said by the
//! master alone, as `channel 4: open failed: connect failed: Connection refused`, so its debug lines have to tell
//! which channel went where: `channel_connect_stdio_fwd: 192.0.2.7:25`, then `channel 4: new stdio-forward`.

use std::collections::{HashMap, VecDeque};

use crate::questions::tcp::Opened;

/// The most failures and channels that are remembered: far above what politeness lets us open at once.
const MAX_REMEMBERED: usize = 256;

/// The last lines that are kept for the words of a failure.
const MAX_WORDS: usize = 8;

/// A channel that did not open.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    /// The number of its request, counted from 0.
    request: u64,
    target: String,
    reason: String,
}

/// The master's words, as far as they matter.
#[derive(Debug, Default)]
pub(super) struct MasterLog {
    requests: u64,
    /// Where the channel leads that gets its number next.
    next: Option<String>,
    channels: HashMap<u32, (u64, String)>,
    failures: VecDeque<Failure>,
    words: VecDeque<String>,
}

impl MasterLog {
    /// Takes a line in.
    pub(super) fn hear(&mut self, line: &str) {
        let line = line.trim();
        let (debug, text) = match line.split_once(": ") {
            Some((level, text)) if level.starts_with("debug") => (true, text),
            _ => (false, line),
        };
        if let Some(target) = text.strip_prefix("channel_connect_stdio_fwd") {
            self.next = Some(target.trim_start_matches([':', ' ']).to_owned());
        } else if let Some((channel, what)) = about_channel(text) {
            self.channel(channel, what);
        } else if !debug && !line.is_empty() {
            if self.words.len() == MAX_WORDS {
                self.words.pop_front();
            }
            self.words.push_back(line.to_owned());
        }
    }

    fn channel(&mut self, channel: u32, what: &str) {
        if what.starts_with("new ") && what.contains("stdio-forward") {
            if let Some(target) = self.next.take().filter(|_| self.channels.len() < MAX_REMEMBERED) {
                self.channels.insert(channel, (self.requests, target));
            }
            self.requests += 1;
        } else if let Some(reason) = what.strip_prefix("open failed: ") {
            if let Some((request, target)) = self.channels.remove(&channel) {
                if self.failures.len() == MAX_REMEMBERED {
                    self.failures.pop_front();
                }
                self.failures.push_back(Failure { request, target, reason: reason.to_owned() });
            }
        } else if what.starts_with("free") {
            self.channels.remove(&channel);
        }
    }

    /// How many channels were asked for: what is asked for from now on has this number or a higher one.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// Why a channel to `target` did not open that was asked for as number `since` or later; each is given once.
    pub(super) fn failure(&mut self, target: &str, since: u64) -> Option<String> {
        let place = self.failures.iter().position(|f| f.request >= since && f.target == target)?;
        self.failures.remove(place).map(|failure| failure.reason)
    }

    /// The last thing that ssh itself had to say, such as `Permission denied (publickey).`
    pub(super) fn last_words(&self) -> Option<&str> {
        self.words.back().map(|line| line.strip_prefix("ssh: ").unwrap_or(line))
    }
}

/// `channel N: WHAT`.
fn about_channel(text: &str) -> Option<(u32, &str)> {
    let (number, what) = text.strip_prefix("channel ")?.split_once(": ")?;
    Some((number.parse().ok()?, what))
}

/// What a reason says of the target. The first part is one of RFC 4254 section 5.1; what follows is what the
/// far machine's connect() said.
pub(super) fn outcome(reason: &str) -> Opened {
    let (kind, said) = reason.split_once(": ").unwrap_or((reason, ""));
    if kind == "administratively prohibited" {
        let error = "its ssh server does not forward connections to that address (AllowTcpForwarding, PermitOpen)";
        return Opened::Failed { error: error.to_owned() };
    }
    let unreachable = |what: &str| Opened::Unreachable { what: what.to_owned() };
    match said {
        "Connection refused" => Opened::Refused,
        "Connection timed out" | "Operation timed out" => Opened::TimedOut,
        "Connection reset by peer" => Opened::Reset,
        "No route to host" | "Host is down" => unreachable("host"),
        "Network is unreachable" => unreachable("network"),
        "Permission denied" | "Operation not permitted" => unreachable("prohibited"),
        // sshd's words where connect() failed on the spot: that machine has no way out for the family.
        "open failed" => Opened::NoRouteHere { error: "that machine has no route to it".to_owned() },
        _ => Opened::Failed { error: format!("its ssh server says \"{reason}\"") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heard(text: &str) -> MasterLog {
        let mut log = MasterLog::default();
        text.lines().for_each(|line| log.hear(line));
        log
    }

    #[test]
    fn two_channels_at_once_are_told_apart() {
        let mut log = heard(
            "debug1: channel 1: new mux-control [mux-control] (inactive timeout: 0)
             debug1: channel_connect_stdio_fwd: 192.0.2.7:25
             debug1: channel 2: new stdio-forward [stdio-forward] (inactive timeout: 0)
             debug1: channel_connect_stdio_fwd: 2001:db8::1:25
             debug1: channel 4: new [stdio-forward]
             channel 4: open failed: connect failed: Connection refused
             channel 2: open failed: connect failed: No route to host",
        );
        assert_eq!(log.failure("192.0.2.7:25", 0).as_deref(), Some("connect failed: No route to host"));
        assert_eq!(log.failure("2001:db8::1:25", 0).as_deref(), Some("connect failed: Connection refused"));
        assert_eq!((log.failure("2001:db8::1:25", 0), log.requests(), log.last_words()), (None, 2, None));
    }

    #[test]
    fn a_failure_of_an_earlier_request_is_not_taken_for_a_later_one() {
        let mut log = heard(
            "debug1: channel_connect_stdio_fwd: 192.0.2.7:25
             debug1: channel 2: new stdio-forward [stdio-forward]
             channel 2: open failed: connect failed: Connection timed out",
        );
        assert_eq!(log.failure("192.0.2.7:25", 1), None);
    }

    #[test]
    fn the_last_words_are_ssh_s_own() {
        let log = heard(
            "debug1: Authentications that can continue: publickey
             Warning: Permanently added 'outside' to the list of known hosts.
             root@outside: Permission denied (publickey).
             debug1: Exit status 255",
        );
        assert_eq!(log.last_words(), Some("root@outside: Permission denied (publickey)."));
    }

    #[test]
    fn reasons_stay_apart() {
        assert_eq!(outcome("connect failed: Connection refused"), Opened::Refused);
        assert_eq!(outcome("connect failed: Connection timed out"), Opened::TimedOut);
        assert_eq!(outcome("connect failed: No route to host"), Opened::Unreachable { what: "host".to_owned() });
        assert!(matches!(outcome("connect failed: open failed"), Opened::NoRouteHere { .. }));
        for reason in ["administratively prohibited: open failed", "resource shortage: ", "", "connect failed"] {
            assert!(matches!(outcome(reason), Opened::Failed { .. }), "{reason}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_log_is_survived(lines in proptest::collection::vec("(debug1: )?(channel [0-9]{1,12}: )?(new stdio-forward|open failed: |free|channel_connect_stdio_fwd: )?[a-z: ]{0,9}", 250..300)) {
            let mut log = MasterLog::default();
            lines.iter().for_each(|line| log.hear(line));
            prop_assert!(log.failures.len() <= MAX_REMEMBERED && log.channels.len() <= MAX_REMEMBERED && log.words.len() <= MAX_WORDS);
        }
    }
}
