//! The lists that mail servers ask most, and what their answers mean, as those who run them document it.

use std::net::Ipv4Addr;

use super::Meaning;

/// What a list has entries for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// IP addresses.
    Addresses,
    /// Domain names.
    Domains,
}

/// A list that is known.
#[derive(Debug)]
pub struct Known {
    /// Its zones; a customer's key may stand before them.
    zones: &'static [&'static str],
    /// What people call it.
    pub name: &'static str,
    /// The word by which replies name it or whoever runs it, in lower case.
    pub word: &'static str,
    /// What it has entries for.
    pub holds: Holds,
    /// It has entries for IPv6 addresses.
    pub ipv6: bool,
    /// So many receivers refuse by it that a listing keeps most mail from arriving.
    pub wide: bool,
    /// The domain that it lists for tests, where it has another than `test` (RFC 5782 section 5).
    test: Option<&'static str>,
    answers: Answers,
    /// Where a listing is looked up and taken back.
    pub removal: &'static str,
    /// When it was closed, where it was.
    pub closed: Option<&'static str>,
}

#[derive(Debug)]
enum Answers {
    /// The last two octets of 127.0.x.y.
    Codes(&'static [([u8; 2], Meaning, &'static str)]),
    /// Bits of the last octet, and what the octet is where the list refuses.
    Bits(&'static [(u8, &'static str)], u8),
}

use Answers::{Bits, Codes};
use Meaning as M;

/// An address list without IPv6 that says 127.0.0.2 for everything, to be varied.
const PLAIN: Known = Known {
    zones: &[],
    name: "",
    word: "",
    holds: Holds::Addresses,
    ipv6: false,
    wide: false,
    test: None,
    answers: Codes(&[]),
    removal: "",
    closed: None,
};

const LISTS: &[Known] = &[
    // https://docs.spamhaus.com/datasets/docs/source/10-data-type-documentation/datasets/040-zones.html
    Known {
        zones: &[
            "zen.spamhaus.org",
            "sbl-xbl.spamhaus.org",
            "sbl.spamhaus.org",
            "xbl.spamhaus.org",
            "pbl.spamhaus.org",
            "zen.dq.spamhaus.net",
            "sbl-xbl.dq.spamhaus.net",
            "sbl.dq.spamhaus.net",
            "xbl.dq.spamhaus.net",
            "pbl.dq.spamhaus.net",
        ],
        name: "Spamhaus",
        word: "spamhaus",
        ipv6: true,
        wide: true,
        answers: Codes(&[
            ([0, 2], M::Listed, "SBL: it sent spam or serves those who do"),
            ([0, 3], M::Listed, "SBL CSS: it sent spam of low reputation, found automatically"),
            ([0, 4], M::Listed, "XBL: it is infected, hijacked or an open proxy"),
            ([0, 9], M::Listed, "SBL DROP: its network is hijacked or leased by criminals"),
            ([0, 10], M::Policy, "PBL: its provider says that it must not send mail itself"),
            ([0, 11], M::Policy, "PBL: by its kind it should not send mail itself, says Spamhaus"),
            ([0, 30], M::Listed, "BCL: it controls a botnet"),
        ]),
        removal: "https://check.spamhaus.org/",
        ..PLAIN
    },
    // The same page; https://www.spamhaus.org/faqs/domain-blocklist/
    Known {
        zones: &["dbl.spamhaus.org", "dbl.dq.spamhaus.net"],
        name: "Spamhaus DBL",
        word: "spamhaus",
        holds: Holds::Domains,
        wide: true,
        test: Some("dbltest.com"),
        answers: Codes(&[
            ([1, 2], M::Listed, "a domain of low reputation, seen in spam"),
            ([1, 4], M::Listed, "a domain of phishing"),
            ([1, 5], M::Listed, "a domain of malware"),
            ([1, 6], M::Listed, "a domain that controls a botnet"),
            ([1, 102], M::Listed, "a legitimate domain that spammers abuse"),
            ([1, 103], M::Listed, "a legitimate redirector that spammers abuse"),
            ([1, 104], M::Listed, "a legitimate domain that is abused for phishing"),
            ([1, 105], M::Listed, "a legitimate domain that is abused for malware"),
            ([1, 106], M::Listed, "a legitimate domain that is abused to control a botnet"),
            ([1, 255], M::Refused, "it lists domains, and was asked for an address"),
        ]),
        removal: "https://check.spamhaus.org/",
        ..PLAIN
    },
    // https://www.spamcop.net/fom-serve/cache/291.html
    Known {
        zones: &["bl.spamcop.net"],
        name: "SpamCop",
        word: "spamcop",
        wide: true,
        answers: Codes(&[([0, 2], M::Listed, "users reported spam from it; it goes by itself when the reports end")]),
        removal: "https://www.spamcop.net/bl.shtml",
        ..PLAIN
    },
    // https://www.barracudacentral.org/rbl/how-to-use
    Known {
        zones: &["b.barracudacentral.org", "bb.barracudacentral.org"],
        name: "Barracuda",
        word: "barracuda",
        wide: true,
        answers: Codes(&[([0, 2], M::Listed, "it sent spam or malware")]),
        removal: "https://www.barracudacentral.org/rbl/removal-request",
        ..PLAIN
    },
    // https://docs.abusix.com/abusix-mail-intelligence/gbG8EcJ3x3fSUv8cMZLiwA/production-zones/iCox1CE9UoWUhGtRWdSaNm
    Known {
        zones: &[
            "combined.mail.abusix.zone",
            "black.mail.abusix.zone",
            "exploit.mail.abusix.zone",
            "dynamic.mail.abusix.zone",
        ],
        name: "Abusix",
        word: "abusix",
        ipv6: true,
        answers: Codes(&[
            ([0, 2], M::Listed, "it wrote to spam traps"),
            ([0, 3], M::Listed, "its reputation is very low"),
            ([0, 4], M::Listed, "it is infected, hijacked or an open proxy"),
            ([0, 11], M::Policy, "by its kind it should not send mail itself"),
            ([0, 12], M::Policy, "by its kind it should not send mail itself"),
            ([0, 200], M::Listed, "it was entered by hand"),
        ]),
        removal: "https://lookup.abusix.com/",
        ..PLAIN
    },
    // http://www.uceprotect.net/en/index.php?m=6&s=11
    Known {
        zones: &["dnsbl-1.uceprotect.net"],
        name: "UCEPROTECT level 1",
        word: "uceprotect",
        answers: Codes(&[([0, 2], M::Listed, "it wrote to spam traps; it goes by itself a week after the last time")]),
        removal: "https://www.uceprotect.net/en/rblcheck.php",
        ..PLAIN
    },
    Known {
        zones: &["dnsbl-2.uceprotect.net"],
        name: "UCEPROTECT level 2",
        word: "uceprotect",
        answers: Codes(&[([0, 2], M::Listed, "addresses beside it sent spam, which says nothing of itself")]),
        removal: "https://www.uceprotect.net/en/rblcheck.php",
        ..PLAIN
    },
    Known {
        zones: &["dnsbl-3.uceprotect.net"],
        name: "UCEPROTECT level 3",
        word: "uceprotect",
        answers: Codes(&[([0, 2], M::Listed, "its provider as a whole is listed, which says nothing of itself")]),
        removal: "https://www.uceprotect.net/en/rblcheck.php",
        ..PLAIN
    },
    // https://psbl.org/about
    Known {
        zones: &["psbl.surriel.com"],
        name: "PSBL",
        word: "psbl",
        ipv6: true,
        answers: Codes(&[([0, 2], M::Listed, "it wrote to spam traps; anybody may take it out")]),
        removal: "https://psbl.org/",
        ..PLAIN
    },
    // https://mailspike.org/usage.html
    Known {
        zones: &["bl.mailspike.net", "z.mailspike.net"],
        name: "Mailspike",
        word: "mailspike",
        answers: Codes(&[
            ([0, 2], M::Listed, "it takes part in a wave of spam"),
            ([0, 10], M::Listed, "its reputation is the worst there is"),
            ([0, 11], M::Listed, "its reputation is very bad"),
            ([0, 12], M::Listed, "its reputation is bad"),
        ]),
        removal: "https://mailspike.org/",
        ..PLAIN
    },
    // http://www.backscatterer.org/?target=usage
    Known {
        zones: &["ips.backscatterer.org"],
        name: "Backscatterer",
        word: "backscatterer",
        answers: Codes(&[([0, 2], M::Listed, "it sends bounces or callbacks to people who sent nothing")]),
        removal: "http://www.backscatterer.org/?target=test",
        ..PLAIN
    },
    // https://surbl.org/lists
    Known {
        zones: &["multi.surbl.org"],
        name: "SURBL",
        word: "surbl",
        holds: Holds::Domains,
        test: Some("surbl-org-permanent-test-point.com"),
        answers: Bits(&[(8, "PH: phishing"), (16, "MW: malware"), (64, "ABUSE: spam"), (128, "CR: a cracked site")], 1),
        removal: "https://surbl.org/surbl-analysis",
        ..PLAIN
    },
    // http://www.uribl.com/about.shtml, http://uribl.com/refused.shtml
    Known {
        zones: &["multi.uribl.com", "black.uribl.com"],
        name: "URIBL",
        word: "uribl",
        holds: Holds::Domains,
        test: Some("test.uribl.com"),
        answers: Bits(
            &[
                (2, "black: a domain of spammers"),
                (4, "grey: a domain in bulk mail"),
                (8, "red: a young domain seen in mail"),
            ],
            1,
        ),
        removal: "https://admin.uribl.com/",
        ..PLAIN
    },
    // https://www.dnswl.org/?page_id=15
    Known {
        zones: &["list.dnswl.org"],
        name: "DNSWL",
        word: "dnswl",
        ipv6: true,
        answers: Codes(&[([0, 255], M::Refused, "too many queries")]),
        removal: "https://www.dnswl.org/",
        ..PLAIN
    },
    // Closed by Proofpoint; its zones were emptied.
    Known { zones: &["sorbs.net"], name: "SORBS", word: "sorbs", closed: Some("5 June 2024"), removal: "", ..PLAIN },
];

/// What is known of a zone.
pub fn known(zone: &str) -> Option<&'static Known> {
    let zone = zone.trim_end_matches('.').to_ascii_lowercase();
    let is = |of: &&&str| zone.strip_suffix(**of).is_some_and(|key| key.is_empty() || key.ends_with('.'));
    LISTS.iter().find(|list| list.zones.iter().any(|of| is(&of)))
}

impl Known {
    /// The domain that it lists for tests.
    pub fn test_domain(&self) -> &'static str {
        self.test.unwrap_or(super::TEST_DOMAIN)
    }
}

/// Whether a text, such as a reply, names the list of this zone or whoever runs it.
pub fn is_named_in(zone: &str, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let named = crate::wording::named_zone(&text);
    named.as_deref() == Some(zone) || known(zone).is_some_and(|list| text.contains(list.word))
}

/// What the A record of an answer of a zone means, and in words where the list says so.
pub fn read(zone: &str, answer: Ipv4Addr) -> (Meaning, Option<String>) {
    let [first, second, code @ ..] = answer.octets();
    match (first, second, code) {
        (127, 255, [255, _]) => return (Meaning::Refused, None),
        (127, ..) => {}
        _ => return (Meaning::NotAList, None),
    }
    let Some(list) = known(zone) else { return (Meaning::Listed, None) };
    match &list.answers {
        Codes(codes) => match codes.iter().find(|(known, ..)| second == 0 && *known == code) {
            Some((_, meaning, words)) => (*meaning, Some((*words).to_owned())),
            None if list.word == "dnswl" => (Meaning::Welcome, None),
            None => (Meaning::Listed, None),
        },
        Bits(_, refused) if code == [0, *refused] => (Meaning::Refused, None),
        Bits(bits, _) => {
            let set: Vec<&str> = bits.iter().filter(|(bit, _)| code[1] & bit != 0).map(|(_, words)| *words).collect();
            (Meaning::Listed, (!set.is_empty()).then(|| set.join("; ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn meaning(zone: &str, answer: &str) -> Meaning {
        read(zone, answer.parse().unwrap()).0
    }

    #[test]
    fn the_same_code_means_something_else_elsewhere() {
        assert_eq!(meaning("zen.spamhaus.org", "127.0.0.11"), M::Policy);
        assert_eq!(meaning("0123456789abcdef.zen.dq.spamhaus.net", "127.0.0.10"), M::Policy);
        assert_eq!(meaning("bl.mailspike.net", "127.0.0.11"), M::Listed);
        assert_eq!(meaning("dnsbl.example.net", "127.0.0.11"), M::Listed);
        assert_eq!(meaning("list.dnswl.org", "127.0.9.2"), M::Welcome);
    }

    #[test]
    fn a_refusal_is_not_a_listing() {
        for (zone, answer) in [
            ("zen.spamhaus.org", "127.255.255.254"),
            ("dnsbl.example.net", "127.255.255.255"),
            ("multi.uribl.com", "127.0.0.1"),
            ("multi.surbl.org", "127.0.0.1"),
            ("list.dnswl.org", "127.0.0.255"),
            ("dbl.spamhaus.org", "127.0.1.255"),
        ] {
            assert_eq!(meaning(zone, answer), M::Refused, "{zone} {answer}");
        }
        assert_eq!(meaning("zen.spamhaus.org", "203.0.113.7"), M::NotAList);
    }

    #[test]
    fn several_reasons_in_one_answer() {
        let (meaning, words) = read("multi.surbl.org", "127.0.0.80".parse().unwrap());
        assert_eq!((meaning, words.as_deref()), (M::Listed, Some("MW: malware; ABUSE: spam")));
    }

    #[test]
    fn a_reply_names_the_list_or_whoever_runs_it() {
        let said = "Client host [192.0.2.9] blocked using Spamhaus. To request removal see https://www.spamhaus.org/";
        assert!(is_named_in("zen.spamhaus.org", said) && !is_named_in("bl.spamcop.net", said));
        assert!(is_named_in("bl.example.net", "blocked using bl.example.net; x"));
        assert!(!is_named_in("bl.example.net", "5.7.1 Access denied"));
    }

    #[test]
    fn a_list_that_was_closed_is_known_by_all_its_zones() {
        assert_eq!(known("dul.dnsbl.sorbs.net").and_then(|list| list.closed), Some("5 June 2024"));
        assert!(known("notsorbs.net").is_none());
    }

    proptest! {
        #[test]
        fn any_answer_of_any_zone_means_something(zone in "[a-z.]{0,30}|multi.surbl.org|zen.spamhaus.org", answer in any::<u32>()) {
            let (meaning, _) = read(&zone, Ipv4Addr::from(answer));
            prop_assert_eq!(meaning == M::NotAList, Ipv4Addr::from(answer).octets()[0] != 127);
        }
    }
}
