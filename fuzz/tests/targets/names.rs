//! Names that stand for addresses, and Received headers.

use std::net::IpAddr;

use maildoctor_fuzz::text;
use maildoctor_wire::{dnsbl, octets, rdns, received};

const WORDS: &[&str] = &[
    "from",
    "by",
    "with",
    "ESMTPS",
    "id",
    "for",
    " ",
    "\r\n\t",
    "(",
    ")",
    "[192.0.2.9]",
    "[IPv6:2001:db8::1]",
    "<anna@example.org>",
    ";",
    "Tue,",
    "24",
    "Nov",
    "2026",
    "13:00:05",
    "+0100",
    "-9999",
    ".",
    "2",
    "0",
    "192",
    "f",
    "in-addr.arpa",
    "ip6.arpa",
    "list.example",
    "dyn",
    "pool",
];

fn address(input: &[u8]) -> IpAddr {
    match input {
        [a, b, c, d] => IpAddr::from([*a, *b, *c, *d]),
        _ => {
            let mut octets = [0; 16];
            octets.iter_mut().zip(input).for_each(|(to, from)| *to = *from);
            IpAddr::from(octets)
        }
    }
}

#[test]
fn names_made_of_addresses_turn_back() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let ip = address(input);
        assert_eq!(rdns::parse_ptr(&rdns::ptr_name(ip)), Some(ip));
        assert_eq!(dnsbl::parse(&dnsbl::query_name(ip, "list.example")), Some((ip, "list.example")));
    });
}

#[test]
fn names_of_any_kind_are_read() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let name = text(input, WORDS);
        let _ = dnsbl::is_zone(&name);
        let _ = rdns::looks_generic(&name, address(input));
        if let Some((ip, zone)) = dnsbl::parse(&name) {
            assert!(!zone.is_empty() && name.ends_with(zone), "{ip} in {name:?}");
        }
        if let Some(ip) = rdns::parse_ptr(&name) {
            assert_eq!(rdns::parse_ptr(&rdns::ptr_name(ip)), Some(ip), "{name:?}");
        }
    });
}

#[test]
fn received_headers_are_read() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let value = text(input, WORDS);
        let hop = received::parse(&value);
        for word in [&hop.id, &hop.recipient, &hop.helo].into_iter().flatten() {
            assert!(!word.contains(char::is_whitespace), "{word:?}");
        }
        // Names of several words have one blank between them.
        for name in [&hop.from, &hop.by, &hop.with].into_iter().flatten() {
            assert_eq!(name.split_whitespace().collect::<Vec<_>>().join(" "), *name);
        }
        // The years from 1900 to 9999, and two days for zones.
        assert!(hop.at.is_none_or(|at| (-2_209_161_600..253_402_473_600).contains(&at)), "{:?}", hop.at);
        let _ = received::parse_date(&value);
    });
}

#[test]
fn octets_become_harmless_and_turn_back() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let escaped = octets::escape(input);
        assert!(!escaped.chars().any(octets::harmful));
        assert_eq!(octets::unescape(&escaped), input);
        let _ = octets::unescape(&String::from_utf8_lossy(input));
        let quoted = octets::shell_word(&escaped);
        assert!(!quoted.is_empty());
    });
}
