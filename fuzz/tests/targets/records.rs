//! The TXT records of a mail domain, and the SPF evaluation with a hostile DNS behind it.

use std::collections::HashMap;

use maildoctor_fuzz::text;
use maildoctor_wire::records::spf::evaluate::{Evaluated, Identity, evaluate};
use maildoctor_wire::records::spf::tree::tree;
use maildoctor_wire::records::spf::{Answer, Ask, AskType, Record, is_spf};
use maildoctor_wire::records::{Flaw, bimi, dkim, dmarc, mtasts, tlsrpt};

const WORDS: &[&str] = &[
    "v=spf1",
    " ",
    "include:",
    "redirect=",
    "exp=",
    "a.example",
    "b.example",
    "%{i}",
    "%{l1r-}",
    "%{d}",
    "%{p}",
    "%%",
    "%",
    "ip4:",
    "192.0.2.0/24",
    "ip6:",
    "2001:db8::/32",
    "mx",
    "a",
    "ptr",
    "exists:",
    "-all",
    "~all",
    "?",
    "/33",
    "//129",
    "v=DMARC1",
    "v=DKIM1",
    "v=TLSRPTv1",
    "v=BIMI1",
    "v=STSv1",
    "id=",
    "version: STSv1",
    "mode: enforce",
    "mx: ",
    "*.",
    "max_age: 86400",
    "\r\n",
    ";",
    "p=",
    "none",
    "reject",
    "rua=mailto:x@example.org!10m",
    "pct=",
    "k=rsa",
    "p=MIGfMA0G",
    "t=y:s",
    "=",
    "l=https://example.org/logo.svg",
    "é",
];

fn stand_within(flaws: &[Flaw], text: &str) {
    let last = text.chars().count() + 1;
    assert!(flaws.iter().all(|flaw| (1..=last).contains(&flaw.at)), "{flaws:?} in {text:?}");
}

#[test]
fn records_are_read_and_flaws_stand_within_them() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let text = text(input, WORDS);
        stand_within(&Record::parse(&text).flaws, &text);
        stand_within(&dmarc::Dmarc::parse(&text).flaws, &text);
        stand_within(&dkim::Key::parse(&text).flaws, &text);
        stand_within(&tlsrpt::TlsRpt::parse(&text).flaws, &text);
        stand_within(&bimi::Bimi::parse(&text).flaws, &text);
        stand_within(&mtasts::StsRecord::parse(&text).flaws, &text);
        let lines = text.split('\n').count();
        let policy = mtasts::StsPolicy::parse(&text);
        assert!(policy.flaws.iter().all(|f| f.line.is_none_or(|n| (1..=lines).contains(&n))));
        assert!(policy.mx.iter().all(|mx| mx.contains("*.") || policy.covers(mx).is_some()));
        assert!(!(mtasts::is_sts(&text) && mtasts::is_nearly_sts(&text)));
        assert!(!(dmarc::is_dmarc(&text) && dmarc::is_nearly_dmarc(&text)));
        assert!(!(tlsrpt::is_tlsrpt(&text) && tlsrpt::is_nearly_tlsrpt(&text)));
        let _ = (is_spf(&text), dkim::is_key(&text), bimi::is_bimi(&text), dmarc::report_host(&text));
        assert!(dmarc::walk(&text).len() <= 8);
    });
}

/// What a DNS answers whose every record the fuzzer wrote.
fn answer(ask: &Ask, policies: &[String]) -> Answer {
    let place = ask.name.bytes().map(usize::from).sum::<usize>();
    let chosen = policies.get(place % policies.len().max(1)).map(String::as_str).unwrap_or_default();
    match ask.rtype {
        AskType::Txt => Answer::Texts(vec![format!("v=spf1 {chosen}")]),
        AskType::A | AskType::Aaaa if place.is_multiple_of(3) => Answer::Addresses(Vec::new()),
        AskType::A | AskType::Aaaa => Answer::Addresses(vec![std::net::IpAddr::from([192, 0, 2, 9])]),
        AskType::Mx | AskType::Ptr => Answer::Names(vec!["a.example".to_owned(); place % 13]),
    }
}

/// Asks until the evaluation has all that it wants; `None` where there is no end to it.
fn evaluated(identity: &Identity<'_>, policies: &[String]) -> Option<Evaluated> {
    let mut known: HashMap<Ask, Answer> = HashMap::new();
    for _ in 0..400 {
        match evaluate(identity, &|ask| known.get(ask).cloned()) {
            Ok(evaluated) => return Some(evaluated),
            Err(ask) => {
                let answered = answer(&ask, policies);
                assert!(known.insert(ask, answered).is_none(), "the same question twice");
            }
        }
    }
    None
}

#[test]
fn spf_comes_to_an_end_whatever_the_dns_says() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let text = text(input, WORDS);
        let policies: Vec<String> = text.split('\n').map(str::to_owned).collect();
        let ip = std::net::IpAddr::from([198, 51, 100, input.first().copied().unwrap_or(9)]);
        for mail_from in ["anna@a.example", "", text.as_str()] {
            let found = evaluated(&Identity { ip, helo: "client.example", mail_from }, &policies);
            assert!(found.is_some_and(|found| found.lookups <= 11), "{text:?}");
        }
        let mut known: HashMap<Ask, Answer> = HashMap::new();
        for round in 0.. {
            assert!(round < 100, "there is no end to the rounds");
            match tree("a.example", &|ask| known.get(ask).cloned()) {
                Ok(_) => break,
                Err(asked) => known.extend(asked.into_iter().map(|ask| (ask.clone(), answer(&ask, &policies)))),
            }
        }
    });
}
