//! The capture around a look: begun before it, ended after it, and what it saw joined with the sessions that were had.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::case::{Question, Recorder, millis};
use crate::options::Options;
use crate::probe::Context;
use crate::probe::host::capture::places::listening_on;
use crate::probe::host::capture::resolving::{Resolving, of_listeners};
use crate::probe::host::capture::{Asked, Capture, Caught, Connection, Tally, Watched};
use crate::questions::dns::{DnsResult, RecordType};
use crate::questions::host::clients::{Client, Clients, ClientsWire};
use crate::questions::host::lookups::{
    IdentSeen, Lookup, Lookups, LookupsWire, ProgramAsked, Quality, ResolverSeen, Sending,
};
use crate::questions::smtp::{Banner, Ehlo, Mail, Rcpt};
use crate::questions::tcp::{Connect, Role};
use crate::subject::{Kind, Service, VantageId};
use crate::target::Target;
use crate::vantage::{Asking, Footprints};

/// The most lookups about ourselves that are written down.
const MAX_LOOKUPS: usize = 400;

/// The most clients that are written down: those that waited longest.
const MAX_CLIENTS: usize = 40;

/// The most lookups of one client that are written down: those that took longest.
const MAX_CLIENT_LOOKUPS: usize = 20;

/// How long a resolver of the server may take to answer us: two tries.
const CONTROL_LIMIT: Duration = Duration::from_secs(4);

/// What is still on its way when the look ends.
const LAST_PACKETS: Duration = Duration::from_millis(60);

/// A capture that goes on while the look does.
pub(super) struct Watching {
    capture: Capture,
    resolving: Resolving,
    /// Whether each of the server's resolvers answers us.
    controls: Option<JoinHandle<HashMap<SocketAddr, bool>>>,
    until: Option<Instant>,
}

impl Watching {
    /// Begins to watch the SMTP ports of the run, and those of programs that the server asks.
    ///
    /// # Errors
    /// What keeps the packets from being read.
    pub(super) async fn begin(
        options: &Options,
        smtp: &[u16],
        programs: Vec<u16>,
        contexts: &[Arc<Context>],
    ) -> io::Result<Self> {
        let start = contexts.first().map_or_else(std::time::Instant::now, |c| c.recorder.start());
        let smtp = smtp.to_vec();
        let dns: BTreeSet<u16> = [53, options.ports.named("dns").unwrap_or(53)].into_iter().collect();
        let watched = Watched { smtp: smtp.clone(), dns: dns.into_iter().collect(), programs };
        // Files of /proc and a socket: quick, and yet not the reactor's work.
        let begun = tokio::task::spawn_blocking(move || -> io::Result<(Capture, Resolving, bool)> {
            let places = listening_on(&smtp);
            let here = places.is_empty() || places.iter().any(|place| place.ours);
            let mut shut = Vec::new();
            let mut others = Vec::new();
            for place in places.iter().filter(|place| !place.ours) {
                match place.open() {
                    Ok(network) => others.push((place.name.clone(), network)),
                    Err(error) => shut.push(format!("the network of {} cannot be entered ({error})", place.name)),
                }
            }
            let elsewhere = places.iter().find(|place| !place.ours).filter(|_| !here).map(|place| place.pid);
            let mut resolving = of_listeners(&smtp, elsewhere);
            let capture = Capture::begin(watched, others, start)?;
            resolving.blind.extend(shut.into_iter().chain(capture.shut.iter().cloned()));
            Ok((capture, resolving, here))
        });
        let (capture, resolving, here) = begun.await.map_err(io::Error::other)??;
        // Another network's resolvers may not be reached from ours.
        let controls = contexts.iter().find(|c| here && c.vantage.kind() == "local").map(|context| {
            let (context, resolvers) = (context.clone(), resolving.resolvers.clone());
            tokio::spawn(async move { answer_us(&context, &resolvers).await })
        });
        Ok(Self { capture, resolving, controls, until: options.listen.map(|listen| Instant::now() + listen) })
    }

    /// Watches to the end of the time that was asked for, and writes down what was seen.
    pub(super) async fn end(self, contexts: &[Arc<Context>]) {
        let Some(first) = contexts.first() else { return };
        let recorder = &first.recorder;
        if let Some(until) = self.until {
            let _step = recorder.step("the server's clients, who are watched");
            sleep_until(until.min(first.deadline)).await;
        }
        tokio::time::sleep(LAST_PACKETS).await;
        let controls = match self.controls {
            Some(controls) => controls.await.unwrap_or_default(),
            None => HashMap::new(),
        };
        let capture = self.capture;
        let Ok(caught) = tokio::task::spawn_blocking(move || capture.end()).await else { return };
        let own = Footprints::together(contexts.iter().map(|c| &c.vantage.footprints));
        Seen::new(caught, self.resolving, &controls, &own, recorder).record(recorder);
    }
}

/// The ports on which a server greets, in the clear or under TLS.
pub(super) fn smtp_ports(options: &Options, target: &Target) -> Vec<u16> {
    let given = match target {
        Target::Host { port, .. } | Target::Ip { port, .. } => *port,
        _ => None,
    };
    let usual = [Role::Smtp, Role::Submission, Role::Smtps].map(|role| options.ports.of(role));
    usual.into_iter().chain(given).collect::<BTreeSet<u16>>().into_iter().collect()
}

/// Asks each resolver for the name servers of the root, which every resolver that works can tell.
async fn answer_us(context: &Context, resolvers: &[SocketAddr]) -> HashMap<SocketAddr, bool> {
    let limit = CONTROL_LIMIT.min(context.left());
    let asked = resolvers.iter().map(|server| async move {
        let answer = context.vantage.lookup(*server, ".", RecordType::Ns, Asking { limit, ..Asking::default() }).await;
        (*server, !matches!(answer.result, DnsResult::Silent { .. } | DnsResult::Unreachable { .. }))
    });
    join_all(asked).await.into_iter().collect()
}

/// What the capture saw, taken apart.
struct Seen {
    quality: Quality,
    resolvers: Vec<ResolverSeen>,
    lookups: Vec<Lookup>,
    connections: Vec<Connection>,
    idents: Vec<IdentSeen>,
    programs: Vec<Asked>,
    own: Footprints,
    now_ms: u64,
}

impl Seen {
    fn new(
        caught: Caught,
        resolving: Resolving,
        controls: &HashMap<SocketAddr, bool>,
        own: &Footprints,
        recorder: &Recorder,
    ) -> Self {
        let quality =
            Quality { packets: caught.packets, dropped: caught.dropped, whole: caught.whole, blind: resolving.blind };
        let sorted = caught.sorted(own, &resolving.resolvers);
        let lookups = sorted.lookups.into_iter().map(|lookup| {
            let sent = lookup.tries.iter().map(|sent| Sending {
                server: sent.server,
                tcp: sent.tcp,
                at_ms: millis(sent.at),
                answered_ms: sent.answer.map(|(at, _)| millis(at)),
                rcode: sent.answer.map(|(_, rcode)| rcode),
            });
            Lookup::new(lookup.name, lookup.rtype, sent.collect(), resolving.timeout_ms)
        });
        let idents = sorted.idents.into_iter().map(|ident| IdentSeen {
            client: ident.client.ip(),
            at_ms: millis(ident.at),
            answered_ms: ident.answered.map(millis),
            given_up_ms: ident.given_up.map(millis),
        });
        Self {
            quality,
            resolvers: resolvers(&resolving.resolvers, &sorted.resolvers, controls),
            lookups: lookups.collect(),
            connections: sorted.connections,
            idents: idents.collect(),
            programs: sorted.programs,
            own: own.clone(),
            now_ms: millis(recorder.now()),
        }
    }

    /// Writes both questions down for every service that was tried and stands on this host.
    fn record(&self, recorder: &Recorder) {
        let names = envelope_names(recorder);
        let from = VantageId::local();
        let took = (Duration::ZERO, recorder.now());
        for (service, role) in tried(recorder) {
            let connections: Vec<&Connection> =
                self.connections.iter().filter(|c| c.server == service.0 && c.here).collect();
            if connections.is_empty() {
                let because = format!("{service} does not stand on this host: no connection to it came in here");
                for probe in [Lookups::PROBE, Clients::PROBE] {
                    recorder.skip(probe, Some(service.into()), &because, "");
                }
                continue;
            }
            let (ours, theirs): (Vec<&Connection>, Vec<&Connection>) =
                connections.into_iter().partition(|c| self.own.connected(c.client));
            let mut own: BTreeSet<IpAddr> = ours.iter().map(|c| c.client.ip()).collect();
            // As whom the server was told to take us.
            own.extend(recorder.so_far::<Banner>().into_iter().filter_map(|(_, wire)| wire.source));
            recorder.record(&Lookups, &service, &from, took, &self.about_us(&own, &names));
            // Of other people's sessions under TLS no banner is seen.
            if !role.implicit_tls() {
                recorder.record(&Clients, &service, &from, took, &self.about_clients(&theirs));
            }
        }
    }

    fn about_us(&self, own: &BTreeSet<IpAddr>, names: &BTreeSet<String>) -> LookupsWire {
        let concerns = |lookup: &&Lookup| match lookup.about() {
            Some(address) => own.contains(&address),
            None => is_of(&lookup.name, names),
        };
        LookupsWire {
            quality: self.quality.clone(),
            own: own.iter().copied().collect(),
            resolvers: self.resolvers.clone(),
            lookups: self.lookups.iter().filter(concerns).take(MAX_LOOKUPS).cloned().collect(),
            idents: self.idents.iter().filter(|ident| own.contains(&ident.client)).cloned().collect(),
            programs: self
                .programs
                .iter()
                .filter(|asked| asked.about.is_some_and(|client| own.contains(&client)))
                .take(MAX_LOOKUPS)
                .map(|asked| ProgramAsked {
                    server: asked.server,
                    at_ms: millis(asked.at),
                    answered_ms: asked.answered.map(millis),
                })
                .collect(),
        }
    }

    fn about_clients(&self, connections: &[&Connection]) -> ClientsWire {
        let mut about: BTreeMap<IpAddr, Vec<&Lookup>> = BTreeMap::new();
        for lookup in &self.lookups {
            if let Some(address) = lookup.about() {
                about.entry(address).or_default().push(lookup);
            }
        }
        let addresses: BTreeSet<IpAddr> = connections.iter().map(|c| c.client.ip()).collect();
        let lists = ClientsWire::lists_of(addresses.iter().filter_map(|a| about.get(a)).flatten().copied());
        let mut clients: Vec<Client> = connections
            .iter()
            .map(|connection| Client {
                address: connection.client.ip(),
                at_ms: millis(connection.at),
                first_ms: connection.first.map(millis),
                banner_ms: connection.greeted.map(millis),
                ended_ms: connection.ended.map_or(self.now_ms, millis),
                lookups: Vec::new(),
                idents: Vec::new(),
            })
            .collect();
        clients.sort_by_key(|client| Reverse(client.wait().length_ms()));
        clients.truncate(MAX_CLIENTS);
        for client in &mut clients {
            let wait = client.wait();
            let meanwhile = |l: &&&Lookup| l.span().from_ms >= wait.from_ms && l.span().from_ms <= wait.to_ms;
            let mut lookups: Vec<Lookup> =
                about.get(&client.address).into_iter().flatten().filter(meanwhile).map(|l| (*l).clone()).collect();
            lookups.sort_by_key(|lookup| Reverse(lookup.span().length_ms()));
            lookups.truncate(MAX_CLIENT_LOOKUPS);
            client.lookups = lookups;
            let of_it = |i: &&IdentSeen| i.client == client.address && i.at_ms >= wait.from_ms && i.at_ms <= wait.to_ms;
            client.idents = self.idents.iter().filter(of_it).take(MAX_CLIENT_LOOKUPS).cloned().collect();
        }
        ClientsWire {
            quality: self.quality.clone(),
            connections: u32::try_from(connections.len()).unwrap_or(u32::MAX),
            clients,
            lists,
        }
    }
}

/// The SMTP services that were tried.
pub(super) fn tried(recorder: &Recorder) -> BTreeMap<Service, Role> {
    let connects = recorder.so_far::<Connect>().into_iter().filter(|(_, wire)| wire.role.speaks_smtp());
    connects.filter_map(|(observation, wire)| Some((*Service::of(&observation.subject)?, wire.role))).collect()
}

/// The resolvers that were asked or should have been: the server's own in their order, then others.
fn resolvers(
    configured: &[SocketAddr],
    tallies: &BTreeMap<SocketAddr, Tally>,
    controls: &HashMap<SocketAddr, bool>,
) -> Vec<ResolverSeen> {
    let others = tallies.keys().filter(|server| !configured.contains(server));
    configured
        .iter()
        .chain(others)
        .map(|server| {
            let tally = tallies.get(server).copied().unwrap_or_default();
            ResolverSeen {
                server: *server,
                place: configured.iter().position(|c| c == server).map(|place| place + 1),
                asked: tally.asked,
                answered: tally.answered,
                answers_us: controls.get(server).copied(),
            }
        })
        .collect()
}

/// The names that a server may look up because of what we said: our own, and the domains of the envelope.
fn envelope_names(recorder: &Recorder) -> BTreeSet<String> {
    let hello = recorder.so_far::<Ehlo>().into_iter().map(|(_, wire)| wire);
    let mail = recorder.so_far::<Mail>().into_iter().map(|(_, wire)| wire);
    let rcpt = recorder.so_far::<Rcpt>().into_iter().map(|(_, wire)| wire);
    hello
        .chain(mail)
        .chain(rcpt)
        .filter_map(|wire| wire.argument)
        .map(|argument| argument.rsplit_once('@').map_or(argument.clone(), |(_, domain)| domain.to_owned()))
        .map(|name| name.trim_matches(['<', '>', '.']).to_ascii_lowercase())
        .filter(|name| name.contains('.') && !name.starts_with('['))
        .collect()
}

/// Whether a name is one of those, below one of them, or one of them within a list of names.
fn is_of(name: &str, names: &BTreeSet<String>) -> bool {
    names.iter().any(|own| {
        name == own
            || name.strip_suffix(own.as_str()).is_some_and(|rest| rest.ends_with('.'))
            || name.strip_prefix(own.as_str()).is_some_and(|rest| rest.starts_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_envelope_are_known_also_within_a_list() {
        let names = BTreeSet::from(["example.org".to_owned()]);
        for name in ["example.org", "mx.example.org", "example.org.rhsbl.example.net"] {
            assert!(is_of(name, &names), "{name}");
        }
        for name in ["notexample.org", "example.organic.example", "example.net"] {
            assert!(!is_of(name, &names), "{name}");
        }
    }
}
