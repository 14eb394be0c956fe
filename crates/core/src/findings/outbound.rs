//! `check --outbound`: which rules speak of a sender and a receiver, of whose domain, and who must act.

use std::net::IpAddr;

use maildoctor_wire::rdns::is_private;

use super::ways::sources;
use super::{Finding, Rule, Scope, services};
use crate::case::{Case, ObsId, Skip, Why};
use crate::catalogue::Party;
use crate::questions::outbound::Sending;
use crate::questions::tcp::Role;
use crate::subject::{Addr, Domain, Subject, VantageId};

use super::At;

/// Whom a code is about where mail is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The sender: its domain, its addresses, its resolver.
    Ours,
    /// The receiver, who must act.
    Theirs,
    /// What the receiver has against the sender: it says so, and the sender must act.
    Between,
    /// Either, as the domain is whose.
    Both,
}

use Side::{Between, Both, Ours, Theirs};

/// What has to do with mail that is sent; no other rule runs.
const SIDES: &[(&str, Side)] = &[
    ("ptr-missing", Ours),
    ("ptr-mismatch", Ours),
    ("ptr-generic", Ours),
    ("helo-unresolvable", Ours),
    ("spf-missing", Ours),
    ("spf-multiple", Ours),
    ("spf-syntax", Ours),
    ("spf-too-many-lookups", Ours),
    ("spf-pass-all", Ours),
    ("spf-ptr-or-deprecated", Ours),
    ("spf-excludes-server", Ours),
    ("dkim-missing", Ours),
    ("dkim-key-broken", Ours),
    ("dkim-key-weak", Ours),
    ("dmarc-missing", Ours),
    ("dmarc-syntax", Ours),
    ("ip-listed", Ours),
    ("ip-listed-pbl", Ours),
    ("domain-listed", Ours),
    ("dnsbl-lists-everyone", Ours),
    ("dnsbl-zone-dead", Ours),
    ("dnsbl-query-blocked", Ours),
    ("port25-blocked-here", Ours),
    ("vantage-unusable", Ours),
    ("resolver-unreachable", Both),
    ("resolver-servfail", Both),
    ("domain-not-found", Both),
    ("mx-split-horizon", Between),
    ("mx-missing", Theirs),
    ("mx-null", Theirs),
    ("mx-is-ip", Theirs),
    ("mx-lookup-failed", Theirs),
    ("mx-unresolvable", Theirs),
    ("mx-all-down", Theirs),
    ("dnssec-bogus", Theirs),
    ("connect-refused", Theirs),
    ("connect-timeout", Theirs),
    ("connect-reset", Theirs),
    ("host-unreachable", Theirs),
    ("banner-timeout", Theirs),
    ("banner-missing-220", Theirs),
    ("banner-421-overload", Theirs),
    ("banner-554-blocked", Between),
    ("helo-rejected", Between),
    ("rcpt-rejected-dnsbl", Between),
    ("sender-rejected", Between),
    ("rate-limited", Between),
    ("recipient-refused", Between),
    ("recipient-unknown", Theirs),
    ("recipient-mailbox-full", Theirs),
    ("recipient-disabled", Theirs),
    ("relay-denied-for-own-domain", Theirs),
    ("auth-required-for-mx", Theirs),
    ("greylisting", Theirs),
    ("rcpt-deferred", Theirs),
    ("rcpt-timeout", Theirs),
    ("server-storage-full", Theirs),
    ("server-config-error", Theirs),
];

fn side(code: &str) -> Option<Side> {
    SIDES.iter().find(|(known, _)| *known == code).map(|(_, side)| *side)
}

/// The side of a rule: that of its first code, which is what the rule is about.
fn side_of(rule: &Rule) -> Option<Side> {
    rule.codes.first().and_then(|code| side(code))
}

/// Whether a rule has to do with this run: all of them, unless mail is sent.
pub(super) fn concerns(case: &Case, rule: &Rule) -> bool {
    // The services are theirs: nothing is said of our own by what theirs greet with.
    let of_theirs = matches!(rule.scope, Scope::Service(..));
    case.terms.outbound.is_none() || side_of(rule).is_some_and(|side| side != Ours || !of_theirs)
}

/// The domains that a rule looks at.
pub(super) fn domains(case: &Case, rule: &Rule) -> Vec<Domain> {
    let (theirs, ours) = (case.mail_domain(), case.sender_domain());
    let mut domains: Vec<Domain> = match side_of(rule) {
        _ if ours.is_none() => theirs.into_iter().collect(),
        Some(Ours) => ours.into_iter().collect(),
        Some(Both) => theirs.into_iter().chain(ours).collect(),
        Some(Theirs | Between) | None => theirs.into_iter().collect(),
    };
    domains.dedup();
    domains
}

/// Gives each finding to whoever must act: the sender is the target here, the receiver a third party.
pub(super) fn assign(case: &Case, findings: &mut [Finding]) {
    let Some(ours) = case.sender_domain().map(Subject::from) else { return };
    for finding in findings {
        let side = match side(finding.code) {
            Some(Both) if finding.party == Party::Target && !finding.subjects.contains(&ours) => Theirs,
            Some(side) => side,
            None => continue,
        };
        finding.party = match (side, finding.party) {
            (Theirs, Party::Target) => Party::ThirdParty,
            (Ours | Both | Between, Party::Here) => Party::Target,
            (_, party) => party,
        };
    }
}

/// The addresses that mail is sent from, and the observation that shows them.
///
/// # Errors
/// Why they are not known.
pub(super) fn sending(case: &Case, from: &VantageId) -> Result<(Vec<IpAddr>, ObsId), Why> {
    let seen = case.ask(&Sending, from, from)?;
    Ok((seen.addresses.iter().map(|source| source.address).collect(), seen.id()))
}

/// What an address is to the mail under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The domain's mail is exchanged at it.
    Exchanger,
    /// Mail is sent from it.
    Sender,
}

impl Part {
    /// How such an address is called.
    pub(super) fn called(self) -> &'static str {
        match self {
            Part::Exchanger => "the mail exchanger's address",
            Part::Sender => "the sending address",
        }
    }
}

/// What an address is to the mail under test; `None` where it is nothing.
///
/// # Errors
/// Where mail is sent through a translation of addresses, and the one that the world sees was not named.
pub(super) fn part(at: &At<'_, Addr>) -> Result<Option<Part>, Why> {
    let routable = at.on.0.is_loopback() || !is_private(at.on.0);
    if case_sends(at.case) {
        let Ok((addresses, id)) = sending(at.case, &at.from) else { return Ok(None) };
        if !addresses.contains(&at.on.0) {
            return Ok(None);
        }
        at.note(id);
        return if routable { Ok(Some(Part::Sender)) } else { Err(hidden(at.on.0)) };
    }
    let exchanges = services(at.case, &[Role::Smtp], &at.from, false).iter().any(|s| s.0.ip() == at.on.0);
    Ok((routable && exchanges).then_some(Part::Exchanger))
}

/// Whose address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// A mail exchanger of the domain, or the sender.
    Tested(Part),
    /// The one that we come from.
    Ours,
}

impl Whose {
    /// Whose an address is; `None` where it is nobody's of this run.
    ///
    /// # Errors
    /// As [`part`].
    pub(super) fn of(at: &At<'_, Addr>) -> Result<Option<Self>, Why> {
        let part = part(at)?.map(Whose::Tested);
        let ours = || sources(at.case, &at.from).contains(&at.on.0) && !case_sends(at.case);
        Ok(part.or_else(|| ours().then_some(Whose::Ours)))
    }

    /// How such an address is called.
    pub(super) fn called(self) -> &'static str {
        match self {
            Whose::Tested(part) => part.called(),
            Whose::Ours => "our own address",
        }
    }
}

/// Whether mail is sent, and not received, in this case.
pub(super) fn case_sends(case: &Case) -> bool {
    case.terms.outbound.is_some()
}

/// Nobody outside sees a private address.
pub(super) fn hidden(address: IpAddr) -> Why {
    Why::Skipped(Skip {
        because: format!(
            "connections leave from {address}, a private address, and which one the world sees is not known"
        ),
        option: "--source-ip ADDR".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_table_has_an_entry_and_a_rule() {
        let rules = super::super::all();
        for (code, _) in SIDES {
            assert!(crate::catalogue::entry(code).is_some(), "{code}");
            assert!(rules.iter().any(|rule| rule.codes.contains(code)), "{code}");
        }
    }
}
