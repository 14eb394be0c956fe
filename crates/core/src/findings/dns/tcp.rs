//! dns-tcp-blocked: name servers answer over UDP, and not over TCP. Whose fault that is shows in which of them do.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::ways::own_mx;
use super::super::{At, Found, Rule, Told};
use crate::case::{ObsId, Why};
use crate::catalogue::{Party, Severity};
use crate::questions::dns::walk::{Authoritative, Walk};
use crate::questions::dns::{DnsResult, Transport};
use crate::subject::{Domain, Kind, Resolver};

pub(super) const RULES: &[Rule] = &[Rule::domain(&["dns-tcp-blocked"], blocked)];

/// Servers of so many different zones must be deaf over TCP before the way out is blamed.
const INDEPENDENT: usize = 2;

/// A server that was asked over both.
struct Asked {
    zone: Domain,
    at: std::net::SocketAddr,
    /// Over TCP it answered.
    open: bool,
    shown: [ObsId; 2],
}

fn blocked(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let own = own_mx(at)?;
    if let DnsResult::Truncated { tcp } = &own.wire.result {
        let server = own.wire.server;
        found
            .is(Resolver(server))
            .says(format!("the resolver {server} cuts its answer short and cannot be asked over TCP: {tcp}"))
            .detail("server", server.ip().to_string())
            .also(Resolver(server))
            .witnessed(own.id());
        return found.state();
    }
    let walk = at.ask(&Walk)?;
    let asked = asked(at);
    let (open, deaf): (Vec<&Asked>, Vec<&Asked>) = asked.iter().partition(|a| a.open);
    let Some(first) = deaf.first() else {
        return if open.is_empty() { Err(Why::Denied(walk.id())) } else { found.state() };
    };
    let zones: BTreeSet<&Domain> = deaf.iter().map(|a| &a.zone).collect();
    let zone = walk.view().cuts.last().map(crate::questions::dns::walk::Cut::domain);
    let theirs: Vec<&&Asked> = deaf.iter().filter(|a| Some(&a.zone) == zone.as_ref()).collect();
    if open.is_empty() && zones.len() >= INDEPENDENT {
        let finding = found
            .is(at.from.clone())
            .says(format!(
                "no name server can be asked over TCP from here: {} of {} zones answer over UDP alone",
                count(deaf.len(), "server"),
                zones.len()
            ))
            .detail("server", first.at.ip().to_string())
            .also(at.from.clone());
        for shown in deaf.iter().flat_map(|a| a.shown) {
            finding.witnessed(shown);
        }
    } else if let (Some(first), Some(zone)) = (theirs.first(), zone.filter(|_| !open.is_empty())) {
        let all = !open.iter().any(|a| a.zone == zone);
        let names: Vec<String> = theirs.iter().map(|a| a.at.ip().to_string()).collect();
        let finding = found
            .is(zone.clone())
            .says(format!("name servers of {zone} answer over UDP and not over TCP: {}", names.join(", ")))
            .party(Party::Target)
            .severity(if all { Severity::Risk } else { Severity::Advice })
            .detail("server", first.at.ip().to_string())
            .detail("zone", zone.as_str());
        for one in theirs {
            finding.also(Resolver(one.at)).witnessed(one.shown[0]).witnessed(one.shown[1]);
        }
        for other in open.iter().filter(|a| a.zone != zone).take(1) {
            finding.witnessed(other.shown[1]);
        }
    } else if open.is_empty() {
        found.missed(Why::Denied(walk.id()));
    }
    found.state()
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Every server that answered over UDP and was asked over TCP as well; each once.
fn asked(at: &At<'_, Domain>) -> Vec<Asked> {
    let mut found: Vec<Asked> = Vec::new();
    let mut been: BTreeSet<IpAddr> = BTreeSet::new();
    let seen: Vec<_> = at
        .case
        .every::<Authoritative>()
        .filter(|s| s.observation().vantage == at.from)
        .filter_map(|s| {
            let asked: Authoritative = serde_json::from_value(s.observation().asked.clone()).ok()?;
            Some((Domain::of(&s.observation().subject)?.clone(), asked.transport, s))
        })
        .collect();
    for (zone, _, tcp) in seen.iter().filter(|(_, transport, _)| *transport == Transport::Tcp) {
        let server = tcp.wire.server;
        let udp = seen
            .iter()
            .find(|(_, transport, s)| *transport == Transport::Udp && s.wire.server == server && s.rcode().is_some());
        if let Some((_, _, udp)) = udp
            && been.insert(server.ip())
        {
            at.note(tcp.id());
            let open = !tcp.unanswered();
            found.push(Asked { zone: zone.clone(), at: server, open, shown: [udp.id(), tcp.id()] });
        }
    }
    found
}
