//! The findings: one rule file and one entry (`<code>.md`) each, by area.
//!
//! A rule is pure. It asks the case questions about one subject and says what it found; no rule sees
//! another's findings. Symptoms and causes meet in the diagnosis alone.

mod auth;
mod banner;
mod client;
mod connect;
mod delivery;
mod dns;
mod ehlo;
mod envelope;
mod firewall;
mod found;
mod host;
mod log_says;
mod mailbox;
mod outbound;
pub(crate) mod records;
mod refusals;
mod relay;
pub mod replies;
mod reputation;
#[path = "server-config/mod.rs"]
mod server_config;
mod tls;
pub(crate) mod trace;
mod units;
pub(crate) mod vantage;
mod ways;
mod window;

use crate::case::{Case, ObsId, Why};
use crate::catalogue;
use crate::options::AREAS;
use crate::questions::tcp::{Connect, Role};
use crate::subject::{Account, Addr, Answer, Domain, Host, Kind, Mail, Resolver, Service, Subject, VantageId, Zone};

pub(crate) use host::installed;

pub use found::{Basis, Claim, Finding, Found, Key, Owes, Share, State, Suggestion, Told};
pub use vantage::sights::Sighting;
pub use window::At;

/// A rule's body, over one kind of subject.
type Examine<K> = fn(&At<'_, K>, &mut Found<'_>) -> Told;

/// What a rule runs over.
#[derive(Clone, Copy)]
enum Scope {
    Domain(Examine<Domain>),
    Host(Examine<Host>),
    Addr(Examine<Addr>),
    Service(&'static [Role], Examine<Service>),
    Account(Examine<Account>),
    Answer(Examine<Answer>),
    Mail(Examine<Mail>),
    Resolver(Examine<Resolver>),
    Zone(Examine<Zone>),
    Vantage(Examine<VantageId>),
}

/// A rule: its codes, what it runs over, and its body. A family of codes that one table tells apart is
/// one rule with several codes.
#[derive(Clone, Copy)]
pub struct Rule {
    /// The codes it can find.
    pub codes: &'static [&'static str],
    scope: Scope,
    /// Whether it runs once, over all vantages, looking from the first.
    overall: bool,
}

impl Rule {
    const fn new(codes: &'static [&'static str], scope: Scope) -> Self {
        Self { codes, scope, overall: false }
    }

    /// A rule over the mail domain under test.
    pub const fn domain(codes: &'static [&'static str], examine: Examine<Domain>) -> Self {
        Self::new(codes, Scope::Domain(examine))
    }

    /// A rule over each host.
    pub const fn host(codes: &'static [&'static str], examine: Examine<Host>) -> Self {
        Self::new(codes, Scope::Host(examine))
    }

    /// A rule over each address.
    pub const fn addr(codes: &'static [&'static str], examine: Examine<Addr>) -> Self {
        Self::new(codes, Scope::Addr(examine))
    }

    /// A rule over each service of certain roles.
    pub const fn service(codes: &'static [&'static str], roles: &'static [Role], examine: Examine<Service>) -> Self {
        Self::new(codes, Scope::Service(roles, examine))
    }

    /// A rule over the account given.
    pub const fn account(codes: &'static [&'static str], examine: Examine<Account>) -> Self {
        Self::new(codes, Scope::Account(examine))
    }

    /// A rule over the resolver of each vantage.
    pub const fn resolver(codes: &'static [&'static str], examine: Examine<Resolver>) -> Self {
        Self::new(codes, Scope::Resolver(examine))
    }

    /// A rule over each answer that a bounce or a log quotes.
    pub const fn answer(codes: &'static [&'static str], examine: Examine<Answer>) -> Self {
        Self::new(codes, Scope::Answer(examine))
    }

    /// A rule over each message that was received.
    pub const fn mail(codes: &'static [&'static str], examine: Examine<Mail>) -> Self {
        Self::new(codes, Scope::Mail(examine))
    }

    /// A rule over each zone that was asked or named.
    pub const fn zone(codes: &'static [&'static str], examine: Examine<Zone>) -> Self {
        Self::new(codes, Scope::Zone(examine))
    }

    /// A rule over each vantage.
    pub const fn vantage(codes: &'static [&'static str], examine: Examine<VantageId>) -> Self {
        Self::new(codes, Scope::Vantage(examine))
    }

    /// The same rule, run once instead of once a vantage: it compares vantages itself.
    #[must_use]
    pub const fn over_all_vantages(mut self) -> Self {
        self.overall = true;
        self
    }

    /// Whether one of its codes is in an area that was to be checked. What `--only` and `--skip` have no name
    /// for (firewalls, vantages, the client's token) goes with what was looked at.
    fn is_wanted(&self, areas: &[String]) -> bool {
        let wanted = |area: &str| areas.iter().any(|a| a == area) || !AREAS.contains(&area);
        areas.is_empty() || self.codes.iter().filter_map(|code| catalogue::entry(code)).any(|entry| wanted(&entry.area))
    }

    fn run(&self, case: &Case, out: &mut Examined) {
        if !outbound::concerns(case, self) {
            return;
        }
        let everywhere: Vec<VantageId> = case.vantage_ids().collect();
        let vantages = if self.overall { everywhere.into_iter().take(1).collect() } else { everywhere };
        for from in &vantages {
            match self.scope {
                Scope::Domain(examine) => self.over(case, outbound::domains(case, self), from, examine, out),
                Scope::Host(examine) => self.over(case, case.graph().all(), from, examine, out),
                Scope::Addr(examine) => self.over(case, case.graph().all(), from, examine, out),
                Scope::Service(roles, examine) => {
                    self.over(case, services(case, roles, from, self.overall), from, examine, out);
                }
                Scope::Account(examine) => self.over(case, case.graph().all(), from, examine, out),
                Scope::Answer(examine) => self.over(case, case.graph().all(), from, examine, out),
                Scope::Mail(examine) => self.over(case, case.graph().all(), from, examine, out),
                Scope::Resolver(examine) => {
                    let own = case.graph().below::<Resolver>(&from.clone().into());
                    self.over(case, own, from, examine, out);
                }
                Scope::Zone(examine) => self.over(case, case.graph().all(), from, examine, out),
                Scope::Vantage(examine) => self.over(case, Some(from.clone()), from, examine, out),
            }
        }
    }

    fn over<K: Kind>(
        &self,
        case: &Case,
        subjects: impl IntoIterator<Item = K>,
        from: &VantageId,
        examine: Examine<K>,
        out: &mut Examined,
    ) {
        for on in subjects {
            let subject: Subject = on.clone().into();
            let at = At::new(case, on, from.clone());
            let mut found = Found::new(self.codes, subject.clone(), Some(from.clone()));
            let told = examine(&at, &mut found);
            for &code in self.codes {
                let state = if found.findings.iter().any(|f| f.code == code) {
                    Ok(State::Found)
                } else {
                    told.clone().and_then(|state| found.instead(state))
                };
                out.checks.push(Check {
                    code,
                    subject: subject.clone(),
                    vantage: from.clone(),
                    state,
                    evidence: at.evidence(),
                });
            }
            out.findings.append(&mut found.findings);
            out.suggestions.append(&mut found.suggestions);
        }
    }
}

/// One rule's answer for one code on one subject from one vantage.
#[derive(Debug, Clone)]
pub struct Check {
    /// The code that was looked for.
    pub code: &'static str,
    /// What was looked at.
    pub subject: Subject,
    /// Where from.
    pub vantage: VantageId,
    /// What came of it.
    pub state: Told,
    /// What the rule was told of.
    pub evidence: Vec<ObsId>,
}

impl Check {
    /// Why it could not be told.
    pub fn why(&self) -> Option<&Why> {
        self.state.as_ref().err()
    }
}

/// What all rules said of a case.
#[derive(Debug, Default)]
pub struct Examined {
    /// Every finding, as each rule said it.
    pub findings: Vec<Finding>,
    /// Every check.
    pub checks: Vec<Check>,
    /// What rules would have the user try next.
    pub suggestions: Vec<Suggestion>,
}

/// Runs every rule over a case, in any order: none sees another's findings.
pub fn examine(case: &Case) -> Examined {
    let rules: Vec<Rule> = all().into_iter().filter(|rule| rule.is_wanted(&case.terms.areas)).collect();
    examine_with(case, &rules)
}

/// Runs certain rules over a case.
pub fn examine_with(case: &Case, rules: &[Rule]) -> Examined {
    let mut out = Examined::default();
    for rule in rules {
        rule.run(case, &mut out);
    }
    outbound::assign(case, &mut out.findings);
    log_says::add(case, &mut out.findings);
    out
}

/// The services of certain roles that were tried from a vantage (or from any), in order.
pub fn services(case: &Case, roles: &[Role], from: &VantageId, from_anywhere: bool) -> Vec<Service> {
    let mut found: Vec<Service> = case
        .every::<Connect>()
        .filter(|seen| roles.contains(&seen.role))
        .filter(|seen| from_anywhere || seen.observation().vantage == *from)
        .filter_map(|seen| Service::of(&seen.observation().subject).copied())
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Every rule, area by area.
pub fn all() -> Vec<Rule> {
    [
        dns::rules(),
        connect::rules(),
        banner::rules(),
        ehlo::rules(),
        firewall::rules(),
        tls::rules(),
        auth::rules(),
        client::rules(),
        records::rules(),
        relay::rules(),
        envelope::rules(),
        delivery::rules(),
        mailbox::rules(),
        trace::rules(),
        reputation::rules(),
        server_config::rules(),
        vantage::rules(),
    ]
    .concat()
}
