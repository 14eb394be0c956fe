//! What was seen on the host, in one line each.

use super::clients::ClientsWire;
use super::lookups::{Ended, Lookup, LookupsWire, Quality};

/// The most lookups that a line names: the longest ones.
const MAX_NAMED: usize = 4;

/// The lookups about our own sessions, the longest first.
pub(in crate::questions) fn of_lookups(place: &str, wire: &LookupsWire) -> String {
    let mut lookups: Vec<&Lookup> = wire.lookups.iter().collect();
    lookups.sort_by_key(|lookup| std::cmp::Reverse(lookup.span().length_ms()));
    let named: Vec<String> = lookups.iter().take(MAX_NAMED).map(|lookup| of_lookup(lookup)).collect();
    let more = lookups.len().saturating_sub(MAX_NAMED);
    let more = if more > 0 { format!("; and {more} shorter ones") } else { String::new() };
    let named = if named.is_empty() { "none".to_owned() } else { named.join("; ") };
    format!("captured lookups of {place} about us: {named}{more}{}", lost(&wire.quality))
}

fn of_lookup(lookup: &Lookup) -> String {
    let servers: Vec<String> = lookup.servers().iter().map(ToString::to_string).collect();
    let ended = match lookup.ended() {
        Ended::Unanswered => "no answer for",
        Ended::Failed => "failed after",
        Ended::Answered => "answered after",
    };
    let times = match lookup.sent.len() {
        1 => String::new(),
        many => format!(", asked {many} times"),
    };
    format!(
        "{} {} from {} at {} ms, {ended} {} ms{times}",
        lookup.name,
        lookup.rtype,
        servers.join(" and "),
        lookup.span().from_ms,
        lookup.span().length_ms()
    )
}

/// The real clients that were watched, and the list that kept them longest.
pub(in crate::questions) fn of_clients(place: &str, wire: &ClientsWire) -> String {
    let longest = wire.clients.first().map(|client| {
        format!("; the longest wait for a banner was {} ms, of {}", client.wait().length_ms(), client.address)
    });
    let list = wire.lists.first().map(|list| {
        format!("; {} took up to {} ms and answered {} of {}", list.zone, list.longest_ms, list.answered, list.asked)
    });
    format!(
        "captured clients of {place}: {} connections{}{}{}",
        wire.connections,
        longest.unwrap_or_default(),
        list.unwrap_or_default(),
        lost(&wire.quality)
    )
}

fn lost(quality: &Quality) -> String {
    if quality.dropped > 0 { format!("; {} packets were lost", quality.dropped) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::super::lookups::{ResolverSeen, Sending};
    use super::*;

    #[test]
    fn the_longest_lookup_stands_first_with_its_resolver() {
        let server = "192.0.2.53:53".parse().unwrap();
        let sent = |at_ms, answered_ms: Option<u64>| {
            vec![Sending { server, tcp: false, at_ms, answered_ms, rcode: answered_ms.map(|_| 0) }]
        };
        let lookup = |name: &str, sent| Lookup::new(name.to_owned(), "A".to_owned(), sent, Some(5000));
        let wire = LookupsWire {
            quality: Quality { dropped: 2, ..Quality::default() },
            own: Vec::new(),
            resolvers: Vec::<ResolverSeen>::new(),
            lookups: vec![lookup("quick.example", sent(10, Some(14))), lookup("dead.example", sent(10, None))],
            idents: Vec::new(),
        };
        assert_eq!(
            of_lookups("192.0.2.7:25", &wire),
            "captured lookups of 192.0.2.7:25 about us: dead.example A from 192.0.2.53:53 at 10 ms, no answer for 5000 ms; \
             quick.example A from 192.0.2.53:53 at 10 ms, answered after 4 ms; 2 packets were lost"
        );
    }
}
