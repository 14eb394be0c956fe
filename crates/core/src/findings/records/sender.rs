//! The server that really sends, held against SPF: spf-excludes-server.
//!
//! Which server hands a domain's mail to the world cannot be seen from outside: it need not be an exchanger,
//! nor the host of submission. A message of ours that arrived shows it: there the next server wrote down from
//! whom it took it, and what it made of that client. With `--outbound` the sending address is what is asked about.

use std::cell::RefCell;
use std::net::IpAddr;

use maildoctor_wire::rdns::is_private;
use maildoctor_wire::records::spf::{self, Evaluated, Identity, Verdict};
use maildoctor_wire::reply::Reply;

use super::super::outbound::{hidden, sending};
use super::super::refusals::{lay_on, refusals_of};
use super::super::{At, Basis, Found, Rule, State, Told};
use super::{Ids, views};
use crate::case::{Case, ObsId, Skip, Why};
use crate::catalogue::Severity;
use crate::questions::dns::Followed;
use crate::questions::mailbox::{Arrival, Arrived, client_of};
use crate::questions::outbound::Sending;
use crate::questions::policies::{self, record_type};
use crate::questions::smtp::Path;
use crate::subject::{Addr, Domain};

pub(super) const RULES: &[Rule] = &[Rule::domain(&["spf-excludes-server"], excludes).over_all_vantages()];

/// Who handed the message over, as the receiving server saw it.
struct Handover {
    ip: IpAddr,
    helo: String,
    arrival: ObsId,
    /// The receiver itself says that SPF refuses the client.
    refused_there: bool,
}

/// Whether a header of the receiver says that SPF does not let the client pass.
fn says_fail(name: &str, value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    match name.to_ascii_lowercase().as_str() {
        "received-spf" => ["fail", "softfail"].iter().any(|word| value.split_whitespace().next() == Some(word)),
        "authentication-results" => value
            .split(';')
            .any(|part| ["spf=fail", "spf=softfail"].iter().any(|word| part.split_whitespace().next() == Some(word))),
        _ => false,
    }
}

fn handover(case: &Case) -> Option<Handover> {
    case.every::<Arrival>().find_map(|seen| {
        let asked: Arrival = serde_json::from_value(seen.observation().asked.clone()).ok()?;
        let Arrived::Found { hops, headers, .. } = &seen.arrived else { return None };
        let (ip, helo) = client_of(hops).filter(|_| asked.path == Path::Submission)?;
        Some(Handover {
            ip,
            helo: helo.to_owned(),
            arrival: seen.id(),
            refused_there: headers.iter().any(|(name, value)| says_fail(name, value)),
        })
    })
}

fn excludes(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    match &at.case.terms.outbound {
        Some(outbound) => excludes_sender(at, found, &outbound.sender),
        None => excludes_relay(at, found),
    }
}

/// Whether a reply says that SPF is its reason (RFC 7372: X.7.23, X.7.24).
fn names_spf(reply: &Reply) -> bool {
    let text = reply.text().to_ascii_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "spf");
    let code = reply.enhanced().is_some_and(|code| matches!(code.kind(), (7, 23 | 24)));
    words || code || text.contains("sender policy framework")
}

/// The addresses that mail is sent from, each held against the sender's record.
fn excludes_sender(at: &At<'_, Domain>, found: &mut Found<'_>, sender: &str) -> Told {
    let (addresses, known) = sending(at.case, &at.from)?;
    at.note(known);
    let helo = at.case.ask(&Sending, &at.from, &at.from).ok().and_then(|seen| seen.helo.clone()).unwrap_or_default();
    for ip in addresses {
        if is_private(ip) && !ip.is_loopback() {
            found.missed(hidden(ip));
            continue;
        }
        let (out, ids) = match evaluate(at, ip, &helo, sender) {
            Ok(told) => told,
            Err(why) => {
                found.missed(why);
                continue;
            }
        };
        if out.verdict == Verdict::TempError {
            found.missed(Why::Denied(known));
        }
        if !matches!(out.verdict, Verdict::Fail | Verdict::SoftFail) {
            continue;
        }
        let term = out.by.map(|(_, term)| term).unwrap_or_default();
        let finding = found
            .is(Addr(ip))
            .says(format!(
                "the SPF record of {} does not list the sending address {ip}: `{term}` makes it a {}",
                at.on,
                out.verdict.name()
            ))
            .detail("domain", at.on.as_str())
            .detail("address", ip.to_string())
            .detail("term", term)
            .detail("result", out.verdict.name())
            .witnessed(known);
        // Many refuse what the domain itself disowns; a softfail is only counted.
        if out.verdict == Verdict::Fail {
            finding.severity(Severity::Degraded);
        }
        ids.iter().for_each(|id| {
            finding.witnessed(*id);
        });
        lay_on(finding, refusals_of(at.case, ip, |_, reply| names_spf(reply)));
    }
    found.state()
}

fn excludes_relay(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let user = at.case.terms.user.clone().filter(|user| user.contains('@'));
    let ours = |user: &String| user.rsplit_once('@').is_some_and(|(_, domain)| Domain::new(domain) == at.on);
    let Some((sender, handed)) = user.filter(ours).zip(handover(at.case)) else {
        if at.case.every::<Followed>().next().is_none() {
            return Err(Why::NotPlanned);
        }
        return Err(Why::Skipped(Skip {
            because: "which server sends the domain's mail is shown only by a message that arrived somewhere else"
                .to_owned(),
            option: String::new(),
        }));
    };
    at.note(handed.arrival);
    let (out, ids) = evaluate(at, handed.ip, &handed.helo, &sender)?;
    if !matches!(out.verdict, Verdict::Fail | Verdict::SoftFail) {
        return if out.verdict == Verdict::TempError { Err(Why::Denied(handed.arrival)) } else { Ok(State::Clear) };
    }
    // A relay inside the organisation is no sender to the world: the receiver's own word decides.
    if !handed.refused_there {
        return Err(Why::Denied(handed.arrival));
    }
    let term = out.by.map(|(_, term)| term).unwrap_or_default();
    let finding = found
        .is(at.on.clone())
        .says(format!(
            "the server {} sends mail of {}, and the SPF record does not list it: `{term}` makes it a {}",
            handed.ip,
            at.on,
            out.verdict.name()
        ))
        .detail("domain", at.on.as_str())
        .detail("address", handed.ip.to_string())
        .detail("term", term)
        .detail("result", out.verdict.name())
        .proof(handed.arrival, Basis::ServerSaid);
    ids.iter().for_each(|id| {
        finding.witnessed(*id);
    });
    found.state()
}

/// What SPF makes of a client, by the answers in the case.
pub(in crate::findings) fn evaluate(
    at: &At<'_, Domain>,
    ip: IpAddr,
    helo: &str,
    mail_from: &str,
) -> Result<(Evaluated, Ids), Why> {
    let ids = RefCell::new(Ids::new());
    let out = spf::evaluate(&Identity { ip, helo, mail_from }, &|ask| {
        let views = views(at, &ask.name, record_type(ask.rtype));
        if let policies::Found::Here(seen) | policies::Found::Nowhere(seen) | policies::Found::Silent(seen) =
            views.find(|view| policies::holds(view, ask.rtype))
        {
            ids.borrow_mut().insert(seen.id());
        }
        views.answer(ask.rtype)
    });
    out.map(|out| (out, ids.into_inner())).map_err(|_| Why::NotPlanned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_that_name_spf() {
        for (code, text) in [
            (550, "5.7.23 The message was rejected because of Sender Policy Framework violation"),
            (550, "5.7.1 SPF check failed for example.org"),
            (550, "5.7.24 not accepted"),
        ] {
            assert!(names_spf(&Reply::line(code, text)), "{text}");
        }
        assert!(!names_spf(&Reply::line(550, "5.7.1 Access denied; see https://spfbl.example/")));
    }

    #[test]
    fn only_a_fail_is_one() {
        assert!(says_fail("Received-SPF", "SoftFail (mx.example.net: domain of transitioning …) client-ip=192.0.2.25"));
        assert!(says_fail(
            "Authentication-Results",
            "mx.example.net; dkim=pass header.d=example.org; spf=fail smtp.mailfrom=a@example.org"
        ));
        assert!(!says_fail(
            "Authentication-Results",
            "mx.example.net; spf=pass (no spf=fail here) smtp.mailfrom=a@example.org"
        ));
        assert!(!says_fail("Received-SPF", "pass client-ip=192.0.2.25") && !says_fail("Subject", "fail"));
    }
}
