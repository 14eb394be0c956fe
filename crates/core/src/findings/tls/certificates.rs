//! The certificate: cert-expired, cert-expires-soon, cert-not-yet-valid, cert-name-mismatch, cert-self-signed,
//! cert-chain-incomplete, cert-untrusted-root.

use std::net::IpAddr;

use jiff::SignedDuration;

use super::super::records::dane::{self, Weight};
use super::super::ways::called;
use super::super::{At, Basis, Finding, Found, Rule, Share, State, Told};
use crate::case::{Seen, Why};
use crate::catalogue::Severity;
use crate::questions::dane::Misfit;
use crate::questions::tcp::{Connect, Role};
use crate::questions::tls::{Certificate, Handshake, TlsView, Trust};
use crate::subject::{Cert, Service};

const ROLES: &[Role] = &[Role::Smtp, Role::Submission, Role::Smtps];

pub(super) const RULES: &[Rule] = &[
    Rule::service(&["cert-expired"], ROLES, expired),
    Rule::service(&["cert-expires-soon"], ROLES, expires_soon),
    Rule::service(&["cert-not-yet-valid"], ROLES, not_yet_valid),
    Rule::service(&["cert-name-mismatch"], ROLES, name_mismatch),
    Rule::service(&["cert-self-signed"], ROLES, self_signed),
    Rule::service(&["cert-chain-incomplete"], ROLES, chain_incomplete),
    Rule::service(&["cert-untrusted-root"], ROLES, untrusted_root),
];

/// A certificate that ends within this time ends soon.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

fn shaken<'c>(at: &At<'c, Service>) -> Result<(Seen<'c, TlsView>, &'c Certificate), Why> {
    let seen = at.ask(&Handshake)?;
    seen.need(|h| h.done())?;
    let leaf = seen.need(|h| h.leaf())?;
    Ok((seen, leaf))
}

/// A finding about the certificate: the same one on several services is one fault.
fn about<'f>(
    at: &At<'_, Service>,
    found: &'f mut Found<'_>,
    seen: &Seen<'_, TlsView>,
    leaf: &Certificate,
    says: &str,
) -> &'f mut Finding {
    let called = called(at.case, &at.on, &at.from);
    found
        .is(Cert(leaf.fingerprint.clone()))
        .says(format!("the certificate of {called} port {} {says}", at.on.0.port()))
        .detail("fingerprint", leaf.fingerprint.as_str())
        .detail("subject_name", leaf.subject.as_str())
        .detail("issuer", leaf.issuer.as_str())
        .detail("names", leaf.names.clone())
        .detail("not_before", leaf.not_before.to_string())
        .detail("not_after", leaf.not_after.to_string())
        .known("host", seen.wire.server_name.as_deref())
        .witnessed(seen.id())
        .claims(seen.id(), Share::Whole, Basis::Witnessed)
}

/// A finding about what DANE may count or leave aside on port 25; `None` where a record alone vouches for the certificate.
/// `counted` is what keeps a record from fitting where the finding is about that.
fn about_unless_dane<'f>(
    at: &At<'_, Service>,
    found: &'f mut Found<'_>,
    seen: &Seen<'_, TlsView>,
    leaf: &Certificate,
    says: &str,
    counted: Option<Misfit>,
) -> Result<Option<&'f mut Finding>, Why> {
    let exchanger = at.ask(&Connect)?.role == Role::Smtp;
    Ok(match if exchanger { dane::weight(at, seen)? } else { Weight::None } {
        Weight::Vouches => None,
        Weight::Forbids(misfit, record) if counted == Some(misfit) => {
            let says = format!("{says}: senders that know DANE do not deliver there");
            Some(about(at, found, seen, leaf, &says).severity(Severity::Blocker).witnessed(record))
        }
        _ => Some(about(at, found, seen, leaf, says)),
    })
}

fn expired(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let (seen, leaf) = shaken(at)?;
    if leaf.not_after < at.case.as_of() {
        let word = if leaf.not_after < at.case.now() { "expired on" } else { "will have expired: it is valid until" };
        let says = format!("{word} {}", leaf.not_after.strftime("%-d %B %Y at %H:%M UTC"));
        if let Some(finding) = about_unless_dane(at, found, &seen, leaf, &says, Some(Misfit::Term))? {
            finding.owes_step(seen.id());
        }
    }
    found.state()
}

fn expires_soon(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let (seen, leaf) = shaken(at)?;
    let left = leaf.not_after.duration_since(at.case.as_of());
    if left > SignedDuration::ZERO && left < SOON {
        let days = left.as_hours() / 24;
        let when = match at.case.terms.at_days {
            Some(_) => format!("will have {days} days left: it expires"),
            None => format!("expires in {days} days,"),
        };
        about(at, found, &seen, leaf, &format!("{when} on {}", leaf.not_after.strftime("%-d %B %Y")));
    }
    found.state()
}

fn not_yet_valid(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let (seen, leaf) = shaken(at)?;
    if leaf.not_before > at.case.as_of() {
        let says = format!("is not valid before {}", leaf.not_before.strftime("%-d %B %Y at %H:%M UTC"));
        if let Some(finding) = about_unless_dane(at, found, &seen, leaf, &says, Some(Misfit::Term))? {
            finding.owes_step(seen.id());
        }
    }
    found.state()
}

fn name_mismatch(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let (seen, leaf) = shaken(at)?;
    let Some(wanted) = seen.wire.server_name.as_deref().filter(|n| n.parse::<IpAddr>().is_err()) else {
        return Ok(State::NotApplicable);
    };
    // Who signs his own certificate gets one sentence about it, not two.
    if !leaf.is_for(wanted) && seen.wire.trust != Some(Trust::SelfSigned) {
        let says = format!("is for {}, and not for {wanted}", leaf.names_in_words());
        if let Some(finding) = about_unless_dane(at, found, &seen, leaf, &says, Some(Misfit::Name))? {
            finding.detail("name", wanted);
        }
    }
    found.state()
}

fn self_signed(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let (seen, leaf) = shaken(at)?;
    if seen.wire.trust == Some(Trust::SelfSigned) {
        about_unless_dane(at, found, &seen, leaf, "is its own issuer: no client that verifies accepts it", None)?;
    }
    found.state()
}

fn chain_incomplete(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let (seen, leaf) = shaken(at)?;
    if let Some(Trust::IssuerMissing { issuer }) = &seen.wire.trust {
        let says = format!("is sent without the certificate of its issuer, {issuer}");
        about_unless_dane(at, found, &seen, leaf, &says, None)?;
    }
    found.state()
}

fn untrusted_root(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let (seen, leaf) = shaken(at)?;
    let says = match &seen.wire.trust {
        Some(Trust::UnknownRoot { root }) => format!("leads to {root}, a root that is not trusted"),
        Some(Trust::Unusable { error }) => format!("cannot be verified: {error}"),
        _ => return found.state(),
    };
    about_unless_dane(at, found, &seen, leaf, &says, None)?;
    found.state()
}
