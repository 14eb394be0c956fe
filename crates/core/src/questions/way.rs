//! The way of a message by its hops: how long each took, and whose clock disagrees with the others.

use maildoctor_wire::received::Hop;

/// Up to here clocks may disagree, in seconds: servers write their header at different moments of a transfer.
const TOLERANCE_S: i64 = 5;

/// From here on a hop kept the message, in seconds.
const SLOW_S: i64 = 60;

/// One hop that wrote its time down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Its place among all hops, the first one in time being 0.
    pub place: usize,
    /// The server, as it names itself.
    pub host: String,
    /// The time by its clock, in seconds since 1970.
    pub at: i64,
}

/// What the times of the hops say of the servers' clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clocks {
    /// No hop arrives before it was sent.
    Agree,
    /// With one server left out all others agree.
    Off {
        /// That server.
        host: String,
        /// How far its clock is off at least, in seconds: ahead where positive.
        seconds: i64,
    },
    /// A hop arrives before it was sent, and it cannot be told which of the clocks is wrong.
    Unclear {
        /// The server that passed the message on.
        earlier: String,
        /// The server that took it, earlier by its own clock.
        later: String,
        /// By how many seconds.
        seconds: i64,
    },
}

/// A long time between two hops whose clocks agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slow {
    /// The server that had the message.
    pub earlier: Stop,
    /// The server that got it next.
    pub later: Stop,
    /// How long, in seconds.
    pub seconds: i64,
}

/// The hops of a message in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The hops that wrote their time down.
    pub stops: Vec<Stop>,
    /// What the times say of the clocks.
    pub clocks: Clocks,
}

impl Way {
    /// Reads hops, the newest first as they stand in a message. When it was fetched from a mailbox is no part of the way: it
    /// lay there as long as its owner pleased.
    pub fn of(hops: &[Hop]) -> Self {
        let timed = hops.iter().rev().enumerate().filter(|(_, hop)| !hop.is_fetched()).filter_map(|(place, hop)| {
            let host = hop.by.as_deref().map(str::to_ascii_lowercase);
            Some(Stop { place, host: host.unwrap_or_else(|| format!("hop {}", place + 1)), at: hop.at? })
        });
        let stops: Vec<Stop> = timed.collect();
        let clocks = clocks(&stops);
        Self { stops, clocks }
    }

    /// The hops whose clocks can be believed: all but those of servers that may be wrong.
    fn sound(&self) -> Vec<&Stop> {
        let doubted = |stop: &Stop| match &self.clocks {
            Clocks::Agree => false,
            Clocks::Off { host, .. } => stop.host == *host,
            Clocks::Unclear { earlier, later, .. } => stop.host == *earlier || stop.host == *later,
        };
        self.stops.iter().filter(|stop| !doubted(stop)).collect()
    }

    /// The long times between hops, the longest first.
    pub fn slow(&self) -> Vec<Slow> {
        let sound = self.sound();
        let mut slow: Vec<Slow> = pairs(&sound)
            .filter(|(earlier, later)| later.at - earlier.at >= SLOW_S)
            .map(|(earlier, later)| Slow {
                earlier: earlier.clone(),
                later: later.clone(),
                seconds: later.at - earlier.at,
            })
            .collect();
        slow.sort_by_key(|slow| std::cmp::Reverse(slow.seconds));
        slow
    }

    /// From the first hop to the last, in seconds, as far as clocks can be believed.
    pub fn took(&self) -> Option<i64> {
        match self.sound().as_slice() {
            [first, .., last] => Some((last.at - first.at).max(0)),
            _ => None,
        }
    }
}

fn pairs<'s>(stops: &'s [&'s Stop]) -> impl Iterator<Item = (&'s Stop, &'s Stop)> {
    stops.iter().zip(stops.iter().skip(1)).map(|(earlier, later)| (*earlier, *later))
}

fn clocks(stops: &[Stop]) -> Clocks {
    let all: Vec<&Stop> = stops.iter().collect();
    let steps = || pairs(&all).map(|(earlier, later)| (earlier, later, earlier.at - later.at));
    let Some((earlier, later, seconds)) = steps().max_by_key(|step| step.2).filter(|step| step.2 > TOLERANCE_S) else {
        return Clocks::Agree;
    };
    let unclear = Clocks::Unclear { earlier: earlier.host.clone(), later: later.host.clone(), seconds };
    // Whoever is left out, the others must agree; and the shorter their way is then, the better that explains it.
    let mut suspects: Vec<(i64, &str)> = Vec::new();
    for host in [&earlier.host, &later.host] {
        let rest: Vec<&Stop> = stops.iter().filter(|stop| stop.host != *host).collect();
        let (Some(first), Some(last)) = (rest.first(), rest.last()) else { continue };
        if rest.len() > 1 && pairs(&rest).all(|(earlier, later)| earlier.at - later.at <= TOLERANCE_S) {
            suspects.push((last.at - first.at, host));
        }
    }
    suspects.sort();
    let host = match suspects.as_slice() {
        [(_, only)] => *only,
        [(short, host), (long, _)] if long - short >= seconds / 2 => *host,
        _ => return unclear,
    };
    off(stops, host).map_or(unclear, |seconds| Clocks::Off { host: host.to_owned(), seconds })
}

/// How far a server's clock is off at least, from the believed hops around it.
fn off(stops: &[Stop], host: &str) -> Option<i64> {
    let mut bounds: (Option<i64>, Option<i64>) = (None, None);
    for (place, stop) in stops.iter().enumerate().filter(|(_, stop)| stop.host == host) {
        let before = stops.iter().take(place).rev().find(|other| other.host != host);
        let after = stops.iter().skip(place + 1).find(|other| other.host != host);
        if let Some(after) = after {
            bounds.0 = bounds.0.max(Some(stop.at - after.at));
        }
        if let Some(before) = before {
            let most = stop.at - before.at;
            bounds.1 = Some(bounds.1.map_or(most, |held: i64| held.min(most)));
        }
    }
    match bounds {
        (Some(least), _) if least > TOLERANCE_S => Some(least),
        (_, Some(most)) if most < -TOLERANCE_S => Some(most),
        _ => None,
    }
}

/// A time in words: `45 s`, `12 min`, `3.5 h`, `2 days`.
pub fn in_words(seconds: i64) -> String {
    let s = seconds.unsigned_abs();
    match s {
        0..120 => format!("{s} s"),
        120..7_200 => format!("{} min", (s + 30) / 60),
        7_200..172_800 => format!("{:.1} h", s as f64 / 3600.0),
        _ => format!("{:.1} days", s as f64 / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Hops by server and second, the first in time first.
    fn way(stops: &[(&str, i64)]) -> Way {
        let hop = |(host, at): &(&str, i64)| Hop { by: Some((*host).to_owned()), at: Some(*at), ..Hop::default() };
        Way::of(&stops.iter().rev().map(hop).collect::<Vec<_>>())
    }

    #[test]
    fn clocks_that_agree_and_a_hop_that_kept_the_message() {
        let way = way(&[("a", 0), ("b", 2), ("c", 1802), ("d", 1801)]);
        assert_eq!(way.clocks, Clocks::Agree);
        let slow = way.slow();
        assert_eq!((slow.len(), slow[0].earlier.host.as_str(), slow[0].seconds), (1, "b", 1800));
        assert_eq!(way.took(), Some(1801));
    }

    #[test]
    fn the_clock_that_is_wrong_is_the_one_without_which_all_agree() {
        let off = |host: &str, seconds| Clocks::Off { host: host.to_owned(), seconds };
        let ahead = way(&[("a", 3600), ("b", 1), ("c", 2)]);
        assert_eq!(ahead.clocks, off("a", 3599));
        let behind = way(&[("a", 0), ("b", -3600), ("c", 2)]);
        assert_eq!((behind.clocks.clone(), behind.slow()), (off("b", -3600), vec![]), "its way back is no delay");
        let last = way(&[("a", 0), ("b", 1), ("c", -90)]);
        assert_eq!(last.clocks, off("c", -91));
        let twice = way(&[("a", 0), ("b", 500), ("b", 501), ("c", 3)]);
        assert_eq!(twice.clocks, off("b", 498));
    }

    #[test]
    fn of_two_servers_nobody_knows_which_is_wrong() {
        let two = way(&[("a", 100), ("b", 0)]);
        assert_eq!(two.clocks, Clocks::Unclear { earlier: "a".into(), later: "b".into(), seconds: 100 });
        assert_eq!((two.took(), two.slow()), (None, vec![]));
        assert_eq!(way(&[]).clocks, Clocks::Agree);
    }

    #[test]
    fn the_time_in_a_mailbox_is_no_delay() {
        let hop =
            |with: &str, at| Hop { by: Some("a".into()), with: Some(with.into()), at: Some(at), ..Hop::default() };
        let way = Way::of(&[hop("POP3", 40_000), hop("ESMTP", 3), hop("ESMTP", 1)]);
        assert_eq!((way.slow(), way.took()), (vec![], Some(2)));
    }

    proptest! {
        #[test]
        fn any_times_can_be_read(times in proptest::collection::vec((0_u8..4, -300_000_000_000_i64..300_000_000_000), 0..12)) {
            let names = ["a", "b", "c", "d"];
            let stops: Vec<_> = times.iter().map(|(n, at)| (names[usize::from(*n)], *at)).collect();
            let way = way(&stops);
            prop_assert!(way.slow().iter().all(|slow| slow.seconds >= SLOW_S));
        }
    }
}
