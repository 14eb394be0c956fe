//! Whether a server can be reached at all: connect-refused, connect-timeout, connect-reset, connect-slow,
//! host-unreachable, host-unresolvable, port25-blocked-here.

use maildoctor_wire::rdns::is_private;

use super::ways::{Cut, address_answers, called, cut, host_of, senders_shut};
use super::{At, Basis, Found, Key, Rule, Share, State, Told, services};
use crate::case::{Case, ObsId, Seen, Skip, Why};
use crate::catalogue::Severity;
use crate::questions::smtp::FIRST;
use crate::questions::tcp::{Connect, Opened, Role};
use crate::subject::{Host, Service, VantageId};

const ROLES: &[Role] = &[Role::Smtp, Role::Submission, Role::Smtps];

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::service(&["connect-refused"], ROLES, refused),
        Rule::service(&["connect-timeout"], ROLES, timed_out),
        Rule::service(&["connect-reset"], ROLES, reset),
        Rule::service(&["host-unreachable"], ROLES, unreachable),
        Rule::service(&["connect-slow"], &[Role::Smtp], slow),
        Rule::host(&["host-unresolvable"], unresolvable),
        Rule::vantage(&["port25-blocked-here"], blocked_here),
    ]
}

/// A server that is up wherever one looks from.
pub(super) const CONTROL: &str = "--control-mx gmail-smtp-in.l.google.com";

/// From here on a TCP handshake has lost a SYN (the first is sent again after about a second), in milliseconds.
const SLOW_MS: u64 = 900;

/// Whether a dead port of this service matters: an exchanger's always, unless it is the IPv6 side of a host
/// that answers on IPv4 (mx-ipv6-broken); a submission port only where users have no other way.
fn matters(at: &At<'_, Service>, role: Role) -> bool {
    if role != Role::Smtp {
        return senders_shut(at.case, &at.on, &at.from);
    }
    let host = host_of(at.case, &at.on, &at.from);
    let twin_open = services(at.case, &[Role::Smtp], &at.from, false)
        .into_iter()
        .filter(|s| s.0.is_ipv4() && at.on.0.is_ipv6())
        .any(|s| {
            host.is_some() && host_of(at.case, &s, &at.from) == host && at.ask_of(&Connect, &s).is_ok_and(|c| c.taken())
        });
    !twin_open
}

/// One fault for all exchangers together, and one for all ports where users send.
fn group(role: Role) -> Key {
    Key::Named(if role == Role::Smtp { "exchangers" } else { "senders" }.to_owned())
}

/// A failed connection of one kind.
fn failed(at: &At<'_, Service>, found: &mut Found<'_>, is_it: impl Fn(&Opened) -> bool, words: &str) -> Told {
    let connect = at.ask(&Connect)?;
    if !is_it(&connect.opened) || !matters(at, connect.role) {
        return found.state();
    }
    let says = format!("{} port {} {words}", called(at.case, &at.on, &at.from), at.on.0.port());
    // Who named an account wants to send; mail for the domain arrives without.
    let severity = (connect.role != Role::Smtp && !at.case.terms.credentials).then_some(Severity::Degraded);
    let finding = found
        .is(group(connect.role))
        .says(says)
        .detail("host", connect.host.clone().unwrap_or_else(|| at.on.0.ip().to_string()))
        .detail("address", at.on.0.ip().to_string())
        .detail("port", at.on.0.port())
        .detail("waited_ms", connect.observation().took_ms)
        .witnessed(connect.id())
        .claims(connect.id(), Share::Whole, Basis::Witnessed)
        .owes_step(connect.id());
    if let Some(severity) = severity {
        finding.severity(severity);
    }
    found.state()
}

fn refused(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    failed(at, found, |o| *o == Opened::Refused, "refuses connections: nothing listens there")
}

fn timed_out(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let others = services(at.case, &[Role::Alive], &at.from, false);
    let same: Vec<_> =
        others.iter().filter(|s| s.0.ip() == at.on.0.ip()).filter_map(|s| at.ask_of(&Connect, s).ok()).collect();
    let alive = same.iter().any(|c| c.open().is_some() || c.opened == Opened::Refused);
    let words = if alive {
        "does not answer, while other ports of the host do: the port is filtered"
    } else {
        "does not answer: packets to it vanish"
    };
    failed(at, found, |o| *o == Opened::TimedOut, words)
}

fn unreachable(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    // An address that no network routes to is no fault of the path.
    if is_private(at.on.0.ip()) && !at.on.0.ip().is_loopback() {
        return Ok(State::NotApplicable);
    }
    failed(
        at,
        found,
        |o| matches!(o, Opened::Unreachable { .. }),
        "cannot be reached: a router says that there is no way",
    )
}

fn reset(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let connect = at.ask(&Connect)?;
    if connect.opened == Opened::Reset {
        return failed(at, found, |o| *o == Opened::Reset, "cuts the connection at once");
    }
    if connect.open().is_none() || !matters(at, connect.role) && connect.role != Role::Smtp {
        return Ok(State::NotApplicable);
    }
    let server = called(at.case, &at.on, &at.from);
    let port = at.on.0.port();
    let (id, says) = match cut(at.case, &at.on, &at.from) {
        Some(Cut::BeforeBanner(id)) => {
            (id, format!("{server} port {port} takes the connection and cuts it before any banner"))
        }
        Some(Cut::AtEhlo(id)) => {
            (id, format!("{server} port {port} greets and cuts the connection at EHLO: its own log says why"))
        }
        None => {
            at.ask(&FIRST)?;
            return found.state();
        }
    };
    at.note(id);
    found
        .is(group(connect.role))
        .says(says)
        .detail("host", connect.host.clone().unwrap_or_else(|| at.on.0.ip().to_string()))
        .detail("address", at.on.0.ip().to_string())
        .detail("port", port)
        .witnessed(id)
        .claims(id, Share::Whole, Basis::Witnessed)
        .owes_step(id);
    found.state()
}

fn slow(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let connect = at.ask(&Connect)?;
    connect.need(|c| c.open())?;
    let took = connect.observation().took_ms;
    if took >= SLOW_MS {
        found
            .is(at.on)
            .says(format!(
                "the TCP handshake with {} takes {:.1} s: a SYN was lost, or the way is long",
                called(at.case, &at.on, &at.from),
                took as f64 / 1000.0
            ))
            .detail("address", at.on.0.ip().to_string())
            .detail("delay_ms", took)
            .witnessed(connect.id());
    }
    found.state()
}

fn unresolvable(at: &At<'_, Host>, found: &mut Found<'_>) -> Told {
    if at.case.target.host.as_deref() != Some(at.on.as_str()) || at.on.as_str().parse::<std::net::IpAddr>().is_ok() {
        return Ok(State::NotApplicable);
    }
    let [v4, v6] = address_answers(at, &at.on.clone())?;
    let (four, six) = (v4.need(|d| d.definite())?, v6.need(|d| d.definite())?);
    if four.addresses().is_empty() && six.addresses().is_empty() {
        let why = if four.nxdomain { "does not exist" } else { "has neither an A nor an AAAA record" };
        found
            .is(at.on.clone())
            .says(format!("the server's name {} {why}", at.on))
            .detail("host", at.on.as_str())
            .witnessed(v4.id())
            .witnessed(v6.id());
    }
    found.state()
}

/// What shows that a place gets to nobody's port 25: the targets', and then those of servers known to be up.
pub(super) struct Blind {
    targets: Vec<ObsId>,
    controls: Vec<ObsId>,
}

/// Whether the network of a place lets no connection to port 25 out; `None` also where no server known to be up was
/// asked.
pub(super) fn blind(case: &Case, from: &VantageId) -> Option<Blind> {
    let targets = silent(case, &[Role::Smtp], from)?;
    silent(case, &[Role::Control], from).map(|controls| Blind { targets, controls })
}

/// The observations that show that no service of some roles answers a place; `None` where there are none, or one does.
fn silent(case: &Case, roles: &[Role], from: &VantageId) -> Option<Vec<ObsId>> {
    let tried: Vec<_> = services(case, roles, from, false)
        .iter()
        .filter_map(|service| case.ask(&Connect, service, from).ok())
        .collect();
    let shut = |opened: &Opened| matches!(opened, Opened::TimedOut | Opened::Unreachable { .. });
    (!tried.is_empty() && tried.iter().all(|c| shut(&c.opened))).then(|| tried.iter().map(Seen::id).collect())
}

fn blocked_here(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    let tried = |roles| services(at.case, roles, &at.from, false);
    let targets = tried(&[Role::Smtp]);
    let controls = tried(&[Role::Control]);
    targets.iter().chain(&controls).filter_map(|s| at.ask_of(&Connect, s).ok()).for_each(|c| at.note(c.id()));
    if targets.is_empty() {
        return Ok(State::NotApplicable);
    }
    if silent(at.case, &[Role::Smtp], &at.from).is_none() {
        return Ok(State::Clear);
    }
    if controls.is_empty() {
        let (which, option) = match at.case.terms.gives("--control-mx") {
            true => ("the server named by --control-mx has no address", "--control-mx HOST"),
            false => ("no server known to be up was named", CONTROL),
        };
        return Err(Why::Skipped(Skip {
            because: format!("{which}, so it cannot be told whether port 25 is blocked here"),
            option: option.to_owned(),
        }));
    }
    if let Some(Blind { targets, controls }) = blind(at.case, &at.from) {
        let seeing: Vec<String> =
            at.case.vantage_ids().filter(|from| gets_in(at.case, from)).map(|from| from.to_string()).collect();
        let others = match seeing.as_slice() {
            [] => String::new(),
            places => format!("; what is said of the target is what {} saw", places.join(", ")),
        };
        let finding = found
            .is(at.on.clone())
            .says(format!(
                "connections to port 25 do not get out from here ({}): a server known to be up does not answer either{others}",
                at.on
            ))
            .detail("vantage", at.on.to_string());
        for id in targets.into_iter().chain(controls) {
            finding.proof(id, Basis::Experiment).claims(id, Share::Whole, Basis::Experiment);
        }
    }
    found.state()
}

/// Whether some mail exchanger lets a place in.
fn gets_in(case: &Case, from: &VantageId) -> bool {
    let ways = services(case, &[Role::Smtp], from, false);
    ways.iter().any(|way| case.ask(&Connect, way, from).is_ok_and(|connect| connect.open().is_some()))
}
