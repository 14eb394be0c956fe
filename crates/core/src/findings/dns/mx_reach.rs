//! Whether the exchangers, taken together, take the mail: mx-primary-down, mx-all-down, mx-wrong-host,
//! mx-preference-inverted, mx-ipv6-broken.

use maildoctor_wire::wording::Meaning;

use super::super::ways::{exchangers, own_mx, shut, target_rcpt, ways};
use super::super::{At, Basis, Found, Rule, Share, State, Told};
use crate::case::{ObsId, Why};
use crate::questions::dns::{Addresses, RecordType, Via};
use crate::questions::smtp::greeted;
use crate::questions::tcp::{Connect, Role};
use crate::subject::{Domain, Host, Service};

pub(super) const RULES: &[Rule] = &[
    Rule::domain(&["mx-primary-down"], primary_down),
    Rule::domain(&["mx-all-down"], all_down),
    Rule::domain(&["mx-wrong-host"], wrong_host),
    Rule::domain(&["mx-preference-inverted"], preference_inverted),
    Rule::domain(&["mx-ipv6-broken"], ipv6_broken),
];

/// The observations that show that no way into a host is open; `None` where one is, or where it is not known.
fn host_shut(at: &At<'_, Domain>, host: &Host) -> Option<Vec<ObsId>> {
    let ways = ways(at.case, host, &at.from);
    if ways.is_empty() {
        let v4 = at.ask_of(&Addresses { rtype: RecordType::A, via: Via::Own }, host).ok()?;
        let none = v4.definite().is_some_and(|a| a.addresses().is_empty());
        return none.then(|| vec![v4.id()]);
    }
    let shown: Vec<ObsId> = ways.iter().filter_map(|way| shut(at.case, way, &at.from)).collect();
    shown.iter().for_each(|id| at.note(*id));
    (shown.len() == ways.len()).then_some(shown)
}

/// The exchangers, or the domain itself by the implicit MX.
fn hosts(at: &At<'_, Domain>) -> Result<Vec<(u16, Host)>, Why> {
    let named = exchangers(at)?;
    let own = own_mx(at)?;
    let answer = own.need(|d| d.definite())?;
    if named.is_empty() && answer.mx().is_empty() && !answer.nxdomain {
        // Without any address there is no implicit MX either: that is what mx-missing says.
        let implicit = Host::new(at.on.as_str());
        return Ok(if ways(at.case, &implicit, &at.from).is_empty() { Vec::new() } else { vec![(0, implicit)] });
    }
    Ok(named)
}

fn primary_down(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let hosts = hosts(at)?;
    let Some(best) = hosts.iter().map(|(p, _)| *p).min() else {
        return Ok(State::NotApplicable);
    };
    let (primaries, backups): (Vec<_>, Vec<_>) = hosts.iter().partition(|(p, _)| *p == best);
    if backups.is_empty() {
        return Ok(State::NotApplicable);
    }
    let down: Option<Vec<Vec<ObsId>>> = primaries.iter().map(|(_, host)| host_shut(at, host)).collect();
    let alive =
        backups.iter().any(|(_, host)| ways(at.case, host, &at.from).iter().any(|w| greeted(at.case, w, &at.from)));
    if let (Some(shown), true) = (down, alive) {
        let name = primaries.first().map(|(_, h)| h.to_string()).unwrap_or_default();
        let finding = found
            .is(at.on.clone())
            .says(format!("the preferred mail exchanger {name} is down, and a backup takes the mail of {}", at.on))
            .detail("domain", at.on.as_str())
            .detail("host", name.as_str());
        for id in shown.into_iter().flatten() {
            finding.witnessed(id).owes_step(id);
        }
    }
    found.state()
}

fn all_down(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let hosts = hosts(at)?;
    if hosts.is_empty() {
        return Ok(State::NotApplicable);
    }
    let down: Option<Vec<Vec<ObsId>>> = hosts.iter().map(|(_, host)| host_shut(at, host)).collect();
    if let Some(shown) = down {
        let finding = found
            .is(at.on.clone())
            .says(format!("no mail exchanger of {} can be talked to", at.on))
            .detail("domain", at.on.as_str());
        for id in shown.into_iter().flatten() {
            finding.witnessed(id).owes_step(id);
        }
    }
    found.state()
}

/// What one exchanger says to the address under test.
struct Said {
    preference: u16,
    host: Host,
    service: Service,
    accepted: bool,
    meaning: Option<Meaning>,
    id: ObsId,
}

/// What each exchanger says to the address under test.
fn verdicts(at: &At<'_, Domain>) -> Result<Vec<Said>, Why> {
    let mut out = Vec::new();
    for (preference, host) in exchangers(at)? {
        for way in ways(at.case, &host, &at.from) {
            let window = At::new(at.case, way, at.from.clone());
            if let Ok(rcpt) = target_rcpt(&window)
                && rcpt.reply().is_some()
            {
                at.note(rcpt.id());
                let accepted = rcpt.accepted().is_some();
                out.push(Said {
                    preference,
                    host: host.clone(),
                    service: way,
                    accepted,
                    meaning: rcpt.meaning,
                    id: rcpt.id(),
                });
            }
        }
    }
    if out.is_empty() { Err(Why::NotPlanned) } else { Ok(out) }
}

fn wrong_host(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let verdicts = verdicts(at)?;
    let Some(knows) = verdicts.iter().find(|v| v.accepted) else {
        return Ok(State::NotApplicable);
    };
    for Said { host, service, meaning, id, .. } in &verdicts {
        if matches!(meaning, Some(Meaning::RelayDenied | Meaning::DomainUnknown)) {
            found
                .is(host.clone())
                .says(format!(
                    "the mail exchanger {host} does not know {} (it refuses to relay), while {} takes its mail",
                    at.on, knows.host
                ))
                .detail("domain", at.on.as_str())
                .detail("host", host.as_str())
                .also(*service)
                .witnessed(*id)
                .witnessed(knows.id)
                .claims(*id, Share::Whole, Basis::Witnessed);
        }
    }
    found.state()
}

fn preference_inverted(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let verdicts = verdicts(at)?;
    let Some(best) = verdicts.iter().map(|v| v.preference).min() else {
        return Ok(State::NotApplicable);
    };
    let first_defers = verdicts
        .iter()
        .filter(|v| v.preference == best)
        .all(|v| matches!(v.meaning, Some(Meaning::Deferred | Meaning::Refused)));
    let takes = verdicts.iter().find(|v| v.preference > best && v.accepted);
    if let (true, Some(takes), Some(first)) = (first_defers, takes, verdicts.iter().find(|v| v.preference == best)) {
        found
            .is(at.on.clone())
            .says(format!(
                "{} stands first among the mail exchangers of {} and sends mail away, while {} with the higher number takes it",
                first.host, at.on, takes.host
            ))
            .detail("domain", at.on.as_str())
            .detail("host", first.host.as_str())
            .witnessed(first.id)
            .witnessed(takes.id);
    }
    found.state()
}

fn ipv6_broken(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let exchangers = exchangers(at)?;
    if exchangers.is_empty() {
        return Ok(State::NotApplicable);
    }
    for (_, host) in exchangers {
        let ways = ways(at.case, &host, &at.from);
        let open4 = ways
            .iter()
            .any(|w| w.0.is_ipv4() && at.ask_of(&Connect, w).is_ok_and(|c| c.role == Role::Smtp && c.taken()));
        for way in ways.iter().filter(|w| w.0.is_ipv6()) {
            let connect = at.ask_of(&Connect, way)?;
            if open4 && connect.kept_out() {
                found
                    .is(host.clone())
                    .says(format!(
                        "the mail exchanger {host} answers at its IPv4 address, and not at its IPv6 address {}",
                        way.0.ip()
                    ))
                    .detail("host", host.as_str())
                    .detail("address", way.0.ip().to_string())
                    .also(*way)
                    .witnessed(connect.id())
                    .claims(connect.id(), Share::Whole, Basis::Witnessed);
            } else if connect.open().is_none() {
                found.missed(Why::Failed(connect.id()));
            }
        }
    }
    found.state()
}
