//! What the domain's own name servers say when they are asked themselves: delegation-broken, nameserver-unreachable,
//! nameservers-disagree.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::super::ways::own_mx;
use super::super::{At, Basis, Finding, Found, Rule, Share, State, Told};
use super::views::{MxSet, called, mx_set};
use crate::case::{Seen, Why};
use crate::catalogue::Severity;
use crate::questions::dns::walk::{Authoritative, Cut, Ended, Source, Standing, Walk, WalkWire};
use crate::questions::dns::{Dns, RecordType, Transport, Via};
use crate::subject::{Domain, Resolver};

pub(super) const RULES: &[Rule] = &[
    Rule::domain(&["delegation-broken"], delegation).over_all_vantages(),
    Rule::domain(&["nameserver-unreachable"], unreachable).over_all_vantages(),
    Rule::domain(&["nameservers-disagree"], disagree).over_all_vantages(),
];

/// From here on a lookup by the resolver here is slow, in milliseconds.
const SLOW_MS: u64 = 1000;

/// One address of a name server, asked itself.
pub(super) struct Server<'c> {
    /// Its name.
    pub(super) host: String,
    /// Where it was asked.
    pub(super) at: SocketAddr,
    /// What it is to the zone.
    pub(super) standing: Standing,
    /// Its answer to the question for the SOA.
    pub(super) soa: Seen<'c, Dns>,
    source: Source,
}

impl Server<'_> {
    pub(super) fn serves(&self) -> bool {
        matches!(self.standing, Standing::Serves { .. })
    }

    fn called(&self) -> String {
        format!("{} ({})", self.host, self.at.ip())
    }
}

/// The zone that holds the domain and its servers, as far as they were asked.
pub(super) struct Zone<'c> {
    pub(super) walk: Seen<'c, WalkWire>,
    pub(super) cut: &'c Cut,
    pub(super) servers: Vec<Server<'c>>,
}

impl<'c> Zone<'c> {
    /// The zone as the walk came to it; `None` where that is nobody's in particular: the domain does not exist, or only
    /// the zone of a whole top-level domain was reached.
    pub(super) fn of(at: &At<'c, Domain>) -> Result<Option<Self>, Why> {
        let walk = at.ask(&Walk)?;
        if walk.ended == Ended::Unfinished {
            return Err(Why::Denied(walk.id()));
        }
        let Some(cut) = walk.view().zone().filter(|cut| cut.zone.contains('.') && cut.zone != ".") else {
            return Ok(None);
        };
        let ask = |place| at.ask_of(&question(&cut.zone, RecordType::Soa, place, Transport::Udp), &cut.domain()).ok();
        let mut servers = Vec::new();
        for named in &cut.servers {
            for ip in &named.addresses {
                let place = SocketAddr::new(*ip, walk.port);
                let Some(soa) = ask(place) else { continue };
                let standing = soa.standing(&cut.zone);
                servers.push(Server { host: named.host.clone(), at: place, standing, soa, source: named.source });
            }
        }
        // Where nothing at all answers over IPv6 the silence of one server over IPv6 says nothing of that server.
        let v6 = at.case.every::<Authoritative>().any(|seen| seen.wire.server.is_ipv6() && !seen.unanswered());
        servers.retain(|s| v6 || s.at.is_ipv4() || s.standing != Standing::Silent);
        Ok(Some(Self { walk, cut, servers }))
    }

    pub(super) fn serving(&self) -> impl Iterator<Item = &Server<'c>> {
        self.servers.iter().filter(|s| s.serves())
    }

    /// The addresses that the zone's own servers give for one of its name servers, with what shows them, where these are
    /// others than those the zone above gave along.
    fn moved(&self, at: &At<'c, Domain>, server: &Server<'c>) -> Option<(Vec<IpAddr>, Seen<'c, Dns>)> {
        let rtype = if server.at.is_ipv4() { RecordType::A } else { RecordType::Aaaa };
        self.serving().filter(|_| server.source == Source::Glue).find_map(|other| {
            let mut asked = question(&self.cut.zone, rtype, other.at, Transport::Udp);
            asked.name.clone_from(&server.host);
            let answer = at.ask_of(&asked, &self.cut.domain()).ok().filter(|a| a.authoritative())?;
            let addresses = answer.definite()?.addresses();
            (!addresses.is_empty() && !addresses.contains(&server.at.ip())).then_some((addresses, answer))
        })
    }
}

/// The question to one server of a zone for records of the zone itself.
pub(super) fn question(zone: &str, rtype: RecordType, place: SocketAddr, transport: Transport) -> Authoritative {
    Authoritative { name: zone.to_owned(), rtype, via: Via::Authoritative(place), transport }
}

/// What fails because no server of the zone serves it: the lookups by the resolver here.
fn claims_lookups(finding: &mut Finding, at: &At<'_, Domain>) {
    if let Ok(own) = own_mx(at)
        && own.definite().is_none()
    {
        finding.claims(own.id(), Share::Whole, Basis::Witnessed);
    }
}

fn delegation(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let Some(zone) = Zone::of(at)? else { return Ok(State::NotApplicable) };
    let none_serves = zone.serving().next().is_none();
    let name = zone.cut.zone.as_str();
    let mut faults: Vec<(String, Option<&Server<'_>>)> = Vec::new();
    let mut shown = Vec::new();
    for server in &zone.servers {
        let moved = zone.moved(at, server);
        if let Some((addresses, answer)) = moved.filter(|_| !server.serves()) {
            let right: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            shown.push(answer.id());
            let what = format!("{} has the address {} by the zone itself", server.called(), right.join(", "));
            faults.push((what, Some(server)));
        } else if let Standing::Lame(says) = &server.standing {
            faults.push((format!("{} says {says}", server.called()), Some(server)));
        }
    }
    for host in zone.cut.servers.iter().filter(|s| s.addresses.is_empty()) {
        let what = match host.source {
            Source::Loop => format!("{} lies in a zone whose own servers lead back here", host.host),
            _ => format!("{} has no address", host.host),
        };
        faults.push((what, None));
    }
    let Some((first, server)) = faults.first() else {
        return if zone.servers.is_empty() { Err(Why::Denied(zone.walk.id())) } else { Ok(State::Clear) };
    };
    let more = if faults.len() > 1 { format!(", and {} more like it", faults.len() - 1) } else { String::new() };
    let finding = found
        .is(zone.cut.domain())
        .says(format!("the zone above names a server for {name} that does not serve it: {first}{more}"))
        .severity(if none_serves { Severity::Blocker } else { Severity::Degraded })
        .detail("zone", name)
        .detail("faults", faults.iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>())
        .known("server", server.map(|s| s.at.ip().to_string()).as_deref())
        .witnessed(zone.walk.id());
    for server in faults.iter().filter_map(|(_, server)| *server) {
        finding.also(Resolver(server.at)).witnessed(server.soa.id());
    }
    for id in shown {
        finding.witnessed(id);
    }
    if none_serves {
        claims_lookups(finding, at);
    }
    found.state()
}

fn unreachable(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let Some(zone) = Zone::of(at)? else { return Ok(State::NotApplicable) };
    let silent = |s: &&Server<'_>| s.standing == Standing::Silent && zone.moved(at, s).is_none();
    let dead: Vec<&Server<'_>> = zone.servers.iter().filter(silent).collect();
    let Some(first) = dead.first() else {
        return if zone.servers.is_empty() { Err(Why::Denied(zone.walk.id())) } else { Ok(State::Clear) };
    };
    let none_serves = zone.serving().next().is_none();
    let names: Vec<String> = dead.iter().map(|s| s.called()).collect();
    let name = zone.cut.zone.as_str();
    let says = match (dead.len(), zone.servers.len()) {
        (all, of) if all == of => format!("no name server of {name} answers: {}", names.join(", ")),
        (_, of) => format!("of the {of} name server addresses of {name} these do not answer: {}", names.join(", ")),
    };
    let finding = found
        .is(zone.cut.domain())
        .says(says)
        .severity(if none_serves { Severity::Blocker } else { Severity::Degraded })
        .detail("zone", name)
        .detail("servers", names)
        .detail("server", first.at.ip().to_string())
        .witnessed(zone.walk.id());
    for server in &dead {
        finding.also(Resolver(server.at)).witnessed(server.soa.id());
        let tcp = question(&zone.cut.zone, RecordType::Soa, server.at, Transport::Tcp);
        if let Ok(tcp) = at.ask_of(&tcp, &zone.cut.domain()) {
            finding.witnessed(tcp.id());
        }
    }
    if none_serves {
        claims_lookups(finding, at);
    } else if let Ok(own) = own_mx(at)
        && own.observation().took_ms >= SLOW_MS
    {
        // The resolver here had to find out as well that this server is silent.
        finding.claims(own.id(), Share::Whole, Basis::OwnMeasure);
    }
    found.state()
}

fn disagree(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let Some(zone) = Zone::of(at)? else { return Ok(State::NotApplicable) };
    let serving: Vec<&Server<'_>> = zone.serving().collect();
    let Some(first) = serving.first().filter(|_| serving.len() > 1) else {
        return if serving.is_empty() { Err(Why::Denied(zone.walk.id())) } else { Ok(State::NotApplicable) };
    };
    let mut sets: Vec<(&Server<'_>, MxSet, Seen<'_, Dns>)> = Vec::new();
    for server in &serving {
        let mut asked = question(&zone.cut.zone, RecordType::Mx, server.at, Transport::Udp);
        asked.name = at.on.as_str().to_owned();
        let mx = at.ask_of(&asked, &zone.cut.domain())?;
        if let Some(set) = mx_set(&mx) {
            sets.push((server, set, mx));
        }
    }
    let serials: BTreeSet<u32> = serving
        .iter()
        .filter_map(|s| if let Standing::Serves { serial, .. } = s.standing { Some(serial) } else { None })
        .collect();
    let other = sets.iter().find(|(_, set, _)| sets.first().is_some_and(|(_, held, _)| held != set));
    let name = zone.cut.zone.as_str();
    if let (Some((one, one_set, _)), Some((two, two_set, _))) = (sets.first(), other) {
        let finding = found
            .is(zone.cut.domain())
            .says(format!(
                "the name servers of {name} disagree about the mail exchangers of {}: {} says {}, {} says {}",
                at.on,
                one.called(),
                called(one_set),
                two.called(),
                called(two_set)
            ))
            .detail("zone", name)
            .detail("domain", at.on.as_str())
            .detail("server", one.at.ip().to_string())
            .detail("other", two.at.ip().to_string())
            .detail("serials", serials.iter().copied().collect::<Vec<_>>());
        for (server, _, mx) in &sets {
            finding.also(Resolver(server.at)).witnessed(mx.id()).witnessed(server.soa.id());
        }
        let all: BTreeSet<&str> = sets.iter().flat_map(|(_, set, _)| set).map(|(_, host)| host.as_str()).collect();
        let doubtful = all.into_iter().filter(|host| sets.iter().any(|(_, set, _)| set.iter().all(|(_, h)| h != host)));
        super::views::claims_ways(finding, at, doubtful);
    } else if serials.len() > 1 {
        // A zone that has just been changed is on its way to its other servers; some providers count for each server.
        let finding = found
            .is(zone.cut.domain())
            .says(format!("the name servers of {name} hold the zone with different serial numbers"))
            .severity(Severity::Advice)
            .detail("zone", name)
            .detail("server", first.at.ip().to_string())
            .detail("serials", serials.iter().copied().collect::<Vec<_>>());
        for server in &serving {
            finding.also(Resolver(server.at)).witnessed(server.soa.id());
        }
    }
    found.state()
}
