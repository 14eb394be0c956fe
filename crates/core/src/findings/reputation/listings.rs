//! Addresses and domains that DNS lists have entries for: ip-listed, ip-listed-pbl, domain-listed.
//!
//! A list is believed where its test entries are as they must be (RFC 5782 section 5). What an answer means differs
//! from list to list; of one that is not known the code is shown as it came.

use std::net::{IpAddr, Ipv4Addr};

use maildoctor_wire::dnsbl::{self, Meaning};
use maildoctor_wire::reply::Reply;

use super::super::outbound::{Part, Whose};
use super::super::refusals::{lay_on, refusals_of};
use super::super::ways::target_rcpt;
use super::super::{At, Finding, Found, Key, Rule, State, Told, services};
use super::{answers, refusals_by, test_domain};
use crate::case::{Seen, Why};
use crate::catalogue::{Party, Severity};
use crate::questions::dns::{Dns, ListEntry, ListedDomain, RecordType, Via};
use crate::questions::tcp::Role;
use crate::subject::{Addr, Domain, Kind, Zone};

pub(super) const RULES: &[Rule] = &[
    Rule::addr(&["ip-listed", "ip-listed-pbl"], address),
    Rule::domain(&["domain-listed"], domain).over_all_vantages(),
];

/// The most of a list's reason that is shown, in characters.
const MAX_REASON: usize = 160;

/// What a list says of something that it lists.
struct Listing {
    zone: Zone,
    answer: Ipv4Addr,
    meaning: Meaning,
    /// What its answer means, where the list documents it.
    words: Option<String>,
    /// The list's own reason, escaped.
    reason: Option<String>,
}

impl Listing {
    /// The worst of what an answer says; `None` where it lists nothing, or does not say.
    fn read(zone: &Zone, answer: &[Ipv4Addr], texts: Option<&Seen<'_, Dns>>) -> Option<Self> {
        let read = |answer: &Ipv4Addr| {
            let (meaning, words) = dnsbl::read(zone.as_str(), *answer);
            (*answer, meaning, words)
        };
        let all: Vec<_> = answer.iter().map(read).collect();
        let of = |wanted: Meaning| all.iter().find(|(_, meaning, _)| *meaning == wanted);
        let (answer, meaning, words) = of(Meaning::Listed).or_else(|| of(Meaning::Policy))?.clone();
        let reason = texts.and_then(|seen| {
            let texts = seen.definite()?.texts();
            texts.first().map(|text| text.chars().take(MAX_REASON).collect())
        });
        Some(Self { zone: zone.clone(), answer, meaning, words, reason })
    }

    /// The list, and what it says.
    fn in_words(&self) -> String {
        let what = self.words.as_ref().map_or_else(String::new, |words| format!(", {words}"));
        let reason = self.reason.as_ref().map_or_else(String::new, |reason| format!("; its reason: \"{reason}\""));
        format!("{} ({}{what}{reason})", self.zone, self.answer)
    }

    fn details(&self, finding: &mut Finding) {
        finding
            .detail("zone", self.zone.as_str())
            .detail("answer", self.answer.to_string())
            .known("meaning", self.words.as_deref())
            .known("reason", self.reason.as_deref())
            .known("removal", dnsbl::known(self.zone.as_str()).map(|list| list.removal));
    }
}

/// How bad a listing is.
fn severity(at: &At<'_, Addr>, whose: Whose, listing: &Listing) -> Severity {
    let policy = listing.meaning == Meaning::Policy;
    let wide = dnsbl::known(listing.zone.as_str()).is_some_and(|list| list.wide);
    match whose {
        // It matters only where it is what the server refuses us for.
        Whose::Ours => Severity::Advice,
        // Mail comes in all the same; what this server sends itself does not get out everywhere.
        Whose::Tested(Part::Exchanger) if policy => Severity::Advice,
        Whose::Tested(Part::Exchanger) => Severity::Risk,
        Whose::Tested(Part::Sender) if policy || !wide => Severity::Risk,
        // This receiver takes the mail; many others will not.
        Whose::Tested(Part::Sender) if taken(at) => Severity::Degraded,
        Whose::Tested(Part::Sender) => Severity::Blocker,
    }
}

/// Whether a server takes the recipient under test.
fn taken(at: &At<'_, Addr>) -> bool {
    services(at.case, &[Role::Smtp], &at.from, false).into_iter().any(|service| {
        target_rcpt(&At::new(at.case, service, at.from.clone())).is_ok_and(|reply| reply.accepted().is_some())
    })
}

/// The answers of every list that was asked for an address.
fn asked_for<'c>(at: &At<'c, Addr>) -> Vec<(Zone, Seen<'c, Dns>)> {
    let of = |seen: Seen<'c, Dns>| {
        let asked: ListEntry = serde_json::from_value(seen.observation().asked.clone()).ok()?;
        let wanted = asked.address == at.on.0 && asked.rtype == RecordType::A && seen.observation().vantage == at.from;
        wanted.then(|| Some((Zone::of(&seen.observation().subject)?.clone(), seen)))?
    };
    at.case.every::<ListEntry>().filter_map(of).inspect(|(_, seen)| at.note(seen.id())).collect()
}

fn address(at: &At<'_, Addr>, found: &mut Found<'_>) -> Told {
    let Some(whose) = Whose::of(at)? else { return Ok(State::NotApplicable) };
    let asked = asked_for(at);
    let entry = |address: IpAddr, rtype| ListEntry { address, rtype, via: Via::Own };
    if asked.is_empty() {
        at.ask_of(&entry(at.on.0, RecordType::A), &Zone::new("any.list"))?;
    }
    for (zone, seen) in asked {
        let texts = at.ask_of(&entry(at.on.0, RecordType::Txt), &zone).ok();
        let listing = match listed(&seen, &zone, texts.as_ref()) {
            Ok(Some(listing)) => listing,
            Ok(None) => continue,
            Err(why) => {
                found.missed(why);
                continue;
            }
        };
        let test = match nobody_is_listed(at.ask_of(&entry(dnsbl::TEST_UNLISTED.into(), RecordType::A), &zone)) {
            Ok(test) => test,
            Err(why) => {
                found.missed(why);
                continue;
            }
        };
        let policy = listing.meaning == Meaning::Policy;
        let code = if policy { "ip-listed-pbl" } else { "ip-listed" };
        let called = whose.called();
        let finding = found.is_a(code, Key::Named(format!("{called} {zone}")));
        finding
            .says(format!("{called} {} is on the list {}", at.on, listing.in_words()))
            .detail("address", at.on.to_string())
            .witnessed(seen.id())
            .witnessed(test);
        if let Some(texts) = texts {
            finding.witnessed(texts.id());
        }
        listing.details(finding);
        finding.severity(severity(at, whose, &listing));
        if whose == Whose::Ours {
            finding.suspected = true;
            finding.party(Party::Here);
        }
        // It is the client whom servers refuse by lists, and never themselves.
        if whose != Whose::Tested(Part::Exchanger) {
            let by_this_list = |_, reply: &Reply| dnsbl::is_named_in(zone.as_str(), &reply.text());
            lay_on(finding, refusals_of(at.case, at.on.0, by_this_list));
        }
    }
    found.state()
}

/// What a list says to a question, where it says anything.
fn listed(seen: &Seen<'_, Dns>, zone: &Zone, texts: Option<&Seen<'_, Dns>>) -> Result<Option<Listing>, Why> {
    let definite = seen.need(|dns| dns.definite())?;
    let answers = answers(&definite);
    let refused = answers.iter().any(|answer| dnsbl::read(zone.as_str(), *answer).0 == Meaning::Refused);
    match Listing::read(zone, &answers, texts) {
        None if refused => Err(Why::Denied(seen.id())),
        listing => Ok(listing),
    }
}

/// The observation that shows that a list does not list everybody.
fn nobody_is_listed(test: Result<Seen<'_, Dns>, Why>) -> Result<crate::case::ObsId, Why> {
    let test = test?;
    let listed = !test.need(|dns| dns.definite())?.addresses().is_empty();
    if listed { Err(Why::Denied(test.id())) } else { Ok(test.id()) }
}

fn domain(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let name = at.on.as_str();
    let entry = |name: &str, rtype| ListedDomain { name: name.to_owned(), rtype, via: Via::Own };
    let zones: Vec<Zone> = at.case.graph().all();
    let mut asked = false;
    for zone in zones {
        let Ok(seen) = at.ask_of(&entry(name, RecordType::A), &zone) else { continue };
        asked = true;
        let texts = at.ask_of(&entry(name, RecordType::Txt), &zone).ok();
        let listing = match listed(&seen, &zone, texts.as_ref()) {
            Ok(Some(listing)) => listing,
            Ok(None) => continue,
            Err(why) => {
                found.missed(why);
                continue;
            }
        };
        let no_domain = at.ask_of(&entry(dnsbl::TEST_NO_DOMAIN, RecordType::A), &zone);
        let test = at.ask_of(&entry(test_domain(zone.as_str()), RecordType::A), &zone);
        let tests = match (nobody_is_listed(no_domain), test) {
            (Ok(no_domain), Ok(test)) => [no_domain, test.id()],
            (Err(why), _) | (_, Err(why)) => {
                found.missed(why);
                continue;
            }
        };
        let finding = found.is(zone.clone());
        finding
            .says(format!("the domain {name} is on the list {}", listing.in_words()))
            .detail("domain", name)
            .witnessed(seen.id());
        for id in tests.into_iter().chain(texts.map(|texts| texts.id())) {
            finding.witnessed(id);
        }
        listing.details(finding);
        lay_on(finding, refusals_by(at.case, &zone));
    }
    if !asked {
        at.ask_of(&entry(name, RecordType::A), &Zone::new("any.list"))?;
    }
    found.state()
}
