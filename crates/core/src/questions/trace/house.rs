//! The receiving house: which hops at the top are its own, and which names are those of one house.

use std::net::IpAddr;

use maildoctor_wire::received::Hop;

/// Names below which houses register, where the last label is a country's: `example.co.uk` is a house, `co.uk` is none.
const REGISTRIES: [&str; 19] = [
    "ac", "asso", "co", "com", "edu", "go", "gob", "gouv", "gov", "gv", "id", "ltd", "mil", "ne", "net", "nom", "or",
    "org", "plc",
];

/// Domains of one house, where its servers and what they write have different ones.
const HOUSES: [&[&str]; 8] = [
    &["amazonses.com", "amazonaws.com"],
    &["gmx.net", "gmx.com", "web.de", "mail.com"],
    &["google.com", "gmail.com", "googlemail.com"],
    &["icloud.com", "me.com", "mac.com", "apple.com"],
    &["messagingengine.com", "fastmail.com"],
    &["outlook.com", "office365.com", "office365.us", "hotmail.com", "microsoft.com"],
    &["protonmail.ch", "proton.ch", "proton.me"],
    &["yahoo.com", "yahoo.net", "aol.com"],
];

/// How many hops at the top are those of the receiving house: down to the one that took the message from outside.
pub(super) fn size(hops: &[Hop]) -> usize {
    hops.iter().position(|hop| !is_within(hop)).map_or(hops.len(), |outermost| outermost + 1)
}

/// Whether a hop passed the message on within a house. A server that takes mail from outside writes the client's address.
fn is_within(hop: &Hop) -> bool {
    if hop.is_fetched() {
        return true;
    }
    let names = hop.from.as_deref().zip(hop.by.as_deref());
    match hop.address {
        Some(ip) if is_inner(ip) => true,
        Some(_) => names.is_some_and(|(from, by)| is_one(from, by)),
        None => names.is_none_or(|(from, by)| !from.contains('.') || !by.contains('.') || is_one(from, by)),
    }
}

/// Whether an address is one of a house's own network, or of this very machine.
pub(super) fn is_inner(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Whether two names are those of one house.
pub(super) fn is_one(one: &str, other: &str) -> bool {
    let house = |name: &str| HOUSES.iter().position(|domains| domains.contains(&tail(name).as_str()));
    related(one, other) || house(one).is_some_and(|found| house(other) == Some(found))
}

/// Whether a name in Authentication-Results is that of one of these hops' servers; a host may leave its domain out.
pub(super) fn is_of(server: &str, hops: &[Hop]) -> bool {
    let is_host = |by: &str| by.split('.').next().is_some_and(|host| host.eq_ignore_ascii_case(server));
    hops.iter().filter_map(|hop| hop.by.as_deref()).any(|by| is_one(by, server) || is_host(by))
}

/// Whether two names share the part that a house registers, as servers of one house do.
pub fn related(one: &str, other: &str) -> bool {
    tail(one).contains('.') && tail(one) == tail(other) || one.eq_ignore_ascii_case(other)
}

/// The last two labels of a name, or three where two are no house.
fn tail(name: &str) -> String {
    let name = name.trim_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = name.rsplit('.').collect();
    let is_registry = |country: &&str, below: &&str| country.len() == 2 && REGISTRIES.contains(below);
    let kept = if labels.first().zip(labels.get(1)).is_some_and(|(c, b)| is_registry(c, b)) { 3 } else { 2 };
    let mut labels: Vec<&str> = labels.into_iter().take(kept).collect();
    labels.reverse();
    labels.join(".")
}

#[cfg(test)]
mod tests {
    use maildoctor_wire::received::parse;

    use super::*;

    #[test]
    fn houses_by_their_names() {
        assert!(related("mx.google.com", "google.com") && !related("mx.example.org", "example.com"));
        assert!(!related("localhost", "other") && related("localhost", "LOCALHOST"));
        assert!(!related("mail.alpha.co.uk", "mx.beta.co.uk") && related("mail.alpha.co.uk", "mx.alpha.co.uk"));
        assert!(related("a.db.de", "b.db.de"), "a short name is a house too");
        assert!(is_one("spf.icloud.com", "p1.me.com") && !is_one("spf.icloud.com", "mx.google.com"));
    }

    #[test]
    fn the_house_ends_where_the_message_came_from_outside() {
        let of = |lines: &[&str]| size(&lines.iter().map(|line| parse(line)).collect::<Vec<_>>());
        let outside = "from mail.example.net (mail.example.net [192.0.2.1]) by mx.example.org with ESMTPS id 1; x";
        let theirs = "from [10.0.0.4] by mail.example.net with ESMTPSA id 1; x";
        for inner in [
            "from mx.example.org ([10.0.0.2]) by store.internal with LMTP id 3; x",
            "from mx.example.org (mx.example.org [192.0.2.7]) by store.example.org with LMTP id 3; x",
            "from localhost (localhost [127.0.0.1]) by mx.example.org (Postfix) with ESMTP id 3; x",
            "from mx.example.org by gateway-1-abc with SMTP id 3; x",
            "by 2001:db8:10:: with SMTP id 3; x",
            "(qmail 84907 invoked from network); x",
            "from pop.example.com [192.0.2.7] by localhost with POP3 (fetchmail-6.4.6); x",
        ] {
            assert_eq!(of(&[inner, outside, theirs]), 2, "{inner}");
        }
        assert_eq!(of(&[outside, theirs]), 1);
        assert_eq!(
            of(&["from mail.example.net by mx.example.org (MDaemon PRO v26.0.2) with ESMTP id 1; x", theirs]),
            1
        );
        assert_eq!(of(&[theirs]), 1, "all of it was in one house");
    }
}
