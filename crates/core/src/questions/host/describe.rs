//! What was seen on the host, in one line each.

use super::clients::ClientsWire;
use super::dovecot::{Dovecot, DovecotWire};
use super::exim::Exim;
use super::log::{Log, LogWire};
use super::lookups::{Ended, Lookup, LookupsWire, Quality};
use super::machine::{Disk, Machine};
use super::opensmtpd::OpenSmtpd;
use super::postfix::{Postfix, PostfixWire};
use super::queue::{Queue, QueueWire, Standing};
use super::rehearsal::{Rehearsal, RehearsalWire};
use super::resolv_conf::{ResolvConf, nameservers};
use super::rspamd::Rspamd;
use super::sockets::{Listeners, ListenersWire};
use super::units::{Unit, Units, UnitsWire};
use crate::case::{Observation, Question};
use crate::questions::describe::read;

/// The most lookups that a line names: the longest ones.
const MAX_NAMED: usize = 4;

/// The lookups about our own sessions, the longest first.
pub(in crate::questions) fn of_lookups(place: &str, wire: &LookupsWire) -> String {
    let mut lookups: Vec<&Lookup> = wire.lookups.iter().collect();
    lookups.sort_by_key(|lookup| std::cmp::Reverse(lookup.span().length_ms()));
    let named: Vec<String> = lookups.iter().take(MAX_NAMED).map(|lookup| of_lookup(lookup)).collect();
    let more = lookups.len().saturating_sub(MAX_NAMED);
    let more = if more > 0 { format!("; and {more} shorter ones") } else { String::new() };
    let named = if named.is_empty() { "none".to_owned() } else { named.join("; ") };
    format!("captured lookups of {place} about us: {named}{more}{}", lost(&wire.quality))
}

fn of_lookup(lookup: &Lookup) -> String {
    let servers: Vec<String> = lookup.servers().iter().map(ToString::to_string).collect();
    let ended = match lookup.ended() {
        Ended::Unanswered => "no answer for",
        Ended::Failed => "failed after",
        Ended::Answered => "answered after",
    };
    let times = match lookup.sent.len() {
        1 => String::new(),
        many => format!(", asked {many} times"),
    };
    format!(
        "{} {} from {} at {} ms, {ended} {} ms{times}",
        lookup.name,
        lookup.rtype,
        servers.join(" and "),
        lookup.span().from_ms,
        lookup.span().length_ms()
    )
}

/// The real clients that were watched, and the list that kept them longest.
pub(in crate::questions) fn of_clients(place: &str, wire: &ClientsWire) -> String {
    let longest = wire.clients.first().map(|client| {
        format!("; the longest wait for a banner was {} ms, of {}", client.wait().length_ms(), client.address)
    });
    let list = wire.lists.first().map(|list| {
        format!("; {} took up to {} ms and answered {} of {}", list.zone, list.longest_ms, list.answered, list.asked)
    });
    format!(
        "captured clients of {place}: {} connections{}{}{}",
        wire.connections,
        longest.unwrap_or_default(),
        list.unwrap_or_default(),
        lost(&wire.quality)
    )
}

/// What was read on the machine; `None` for a probe that is none of it.
pub(in crate::questions) fn of_machine(observation: &Observation) -> Option<String> {
    let asked = |key: &str| observation.asked.get(key).and_then(|value| value.as_str()).unwrap_or_default();
    match observation.probe.as_str() {
        Listeners::PROBE => read::<Listeners>(observation).map(|wire| of_listeners(&wire)),
        Postfix::PROBE => read::<Postfix>(observation).map(|wire| of_postfix(asked("folder"), &wire)),
        Exim::PROBE => read::<Exim>(observation).map(|wire| match wire.flaws.first() {
            Some(flaw) => format!("settings of Exim in {}: {flaw}", wire.file),
            None => format!("settings of Exim in {}", wire.file),
        }),
        OpenSmtpd::PROBE => read::<OpenSmtpd>(observation).map(|wire| {
            let runs = if wire.runs { "; it runs" } else { "; it does not run" };
            let flaw =
                wire.refuses.iter().chain(&wire.flaws).next().map(|flaw| format!(": {flaw}")).unwrap_or_default();
            format!("settings of OpenSMTPD in {}{runs}{flaw}", asked("file"))
        }),
        Rspamd::PROBE => read::<Rspamd>(observation).map(|wire| match wire.flaws.first() {
            Some(flaw) => format!("settings of Rspamd in {}: {flaw}", asked("folder")),
            None => format!("settings of Rspamd in {}, which asks {} DNS lists", asked("folder"), wire.lists.len()),
        }),
        ResolvConf::PROBE => read::<ResolvConf>(observation).map(|wire| match (&wire.text, &wire.flaw) {
            (Some(text), _) => {
                let servers: Vec<String> = nameservers(text).map(|server| server.ip().to_string()).collect();
                format!(
                    "{} names {}",
                    asked("path"),
                    if servers.is_empty() { "nobody".to_owned() } else { servers.join(", ") }
                )
            }
            (None, Some(flaw)) => flaw.clone(),
            (None, None) => format!("there is no {}", asked("path")),
        }),
        Machine::PROBE => read::<Machine>(observation).map(|wire| {
            let addresses: Vec<String> = wire.addresses.iter().map(ToString::to_string).collect();
            format!("this machine is {}, with {}", wire.hostname, addresses.join(", "))
        }),
        Dovecot::PROBE => read::<Dovecot>(observation).map(|wire| of_dovecot(&wire)),
        Disk::PROBE => read::<Disk>(observation).map(|wire| match wire.flaw {
            Some(flaw) => flaw,
            None => format!(
                "file system of {}: {} of {} octets free, {} of {} files",
                asked("path"),
                wire.available,
                wire.size,
                wire.files_available,
                wire.files
            ),
        }),
        Queue::PROBE => {
            let server = serde_json::from_value::<Queue>(observation.asked.clone()).map(|queue| queue.server.name());
            read::<Queue>(observation).map(|wire| of_queue(server.unwrap_or("the server"), &wire))
        }
        Units::PROBE => read::<Units>(observation).map(|wire| of_units(&wire)),
        Rehearsal::PROBE => read::<Rehearsal>(observation).map(|wire| of_rehearsal(asked("client"), &wire)),
        Log::PROBE => read::<Log>(observation).map(|wire| of_log(asked("source"), &wire)),
        _ => None,
    }
}

/// The most sockets that a line names.
const MAX_SOCKETS: usize = 12;

/// Who listens, the mail ports first.
fn of_listeners(wire: &ListenersWire) -> String {
    let mut listeners: Vec<_> = wire.listeners.iter().collect();
    listeners.sort_by_key(|listener| !MAIL_PORTS.contains(&listener.at.port()));
    let named: Vec<String> = listeners
        .iter()
        .take(MAX_SOCKETS)
        .map(|listener| match listener.held_by.first() {
            Some(process) => format!("{} ({})", listener.at, process.name),
            None => listener.at.to_string(),
        })
        .collect();
    let more = listeners.len().saturating_sub(MAX_SOCKETS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("listening sockets: {}{more}", if named.is_empty() { "none".to_owned() } else { named.join(", ") })
}

/// The ports on which mail is received, submitted and fetched.
const MAIL_PORTS: [u16; 7] = [25, 465, 587, 110, 143, 993, 995];

fn of_postfix(folder: &str, wire: &PostfixWire) -> String {
    let version = wire.settings.get("mail_version").map(|version| format!(" {version}")).unwrap_or_default();
    let flaw = wire.flaws.first().map(|flaw| format!(": {flaw}")).unwrap_or_default();
    format!("settings of Postfix{version} in {folder}{flaw}")
}

fn of_dovecot(wire: &DovecotWire) -> String {
    let runs = match wire.runs {
        Some(true) => "; it runs",
        Some(false) => "; it does not run",
        None => "",
    };
    let flaw = wire.flaws.first().map(|flaw| format!(": {flaw}")).unwrap_or_default();
    let spoken = wire.setting("protocols").map(|list| format!(", protocols {list}")).unwrap_or_default();
    format!("settings of Dovecot{spoken}{runs}{flaw}")
}

/// The services of mail that systemd does not see running.
fn of_units(wire: &UnitsWire) -> String {
    if let Some(flaw) = &wire.flaw {
        return format!("units of systemd: {flaw}");
    }
    let ailing: Vec<String> = wire.units.iter().filter_map(Unit::ails).collect();
    match (wire.units.len(), ailing.is_empty()) {
        (0, _) => "units of systemd: none of mail".to_owned(),
        (many, true) => format!("units of systemd: {many} of mail, all run"),
        (_, false) => format!("units of systemd: {}", ailing.join("; ")),
    }
}

/// How much lies in a queue.
fn of_queue(server: &str, wire: &QueueWire) -> String {
    if let Some(flaw) = &wire.flaw {
        return format!("queue of {server}: {flaw}");
    }
    let in_words = |standing: &Standing| match standing {
        Standing::Active => "on the way",
        Standing::Deferred => "waiting for another try",
        Standing::Held => "on hold",
    };
    let counts: Vec<String> = wire.counts.iter().map(|(at, count)| format!("{count} {}", in_words(at))).collect();
    let counts = if counts.is_empty() { "empty".to_owned() } else { counts.join(", ") };
    let paused = if wire.paused.is_empty() { String::new() } else { format!("; paused: {}", wire.paused.join(", ")) };
    format!("queue of {server}: {counts}{paused}")
}

/// What a rehearsal of a connection waited for: its lists, the longest first.
fn of_rehearsal(client: &str, wire: &RehearsalWire) -> String {
    if let Some(flaw) = &wire.flaw {
        return format!("rehearsal of a connection from {client}: {flaw}");
    }
    let mut lists = wire.lists();
    lists.sort_by_key(|asked| std::cmp::Reverse(asked.span.length_ms()));
    let named: Vec<String> = lists
        .iter()
        .take(MAX_NAMED)
        .map(|asked| {
            let how = if asked.failed { "no answer for" } else { "answered after" };
            format!("{}, {how} {} ms", asked.zone, asked.span.length_ms())
        })
        .collect();
    let named = if named.is_empty() { "no list is asked".to_owned() } else { named.join("; ") };
    let ended = if wire.whole { "took" } else { "had not ended after" };
    format!("Exim's rehearsal of a connection from {client} {ended} {} ms: {named}", wire.until_ms)
}

/// What a log says last of the run's mail.
fn of_log(source: &str, wire: &LogWire) -> String {
    if let Some(flaw) = &wire.flaw {
        return format!("log {source}: {flaw}");
    }
    if let Some(line) = wire.complaints.first() {
        return format!("log {source}, complaints of the processes that served us: {line}");
    }
    match wire.about.last() {
        Some(line) => format!("log {source}, {} lines about this mail, the last: {line}", wire.about.len()),
        None => format!("log {source}: no line about this mail"),
    }
}

fn lost(quality: &Quality) -> String {
    if quality.dropped > 0 { format!("; {} packets were lost", quality.dropped) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::super::lookups::{ResolverSeen, Sending};
    use super::*;

    #[test]
    fn the_longest_lookup_stands_first_with_its_resolver() {
        let server = "192.0.2.53:53".parse().unwrap();
        let sent = |at_ms, answered_ms: Option<u64>| {
            vec![Sending { server, tcp: false, at_ms, answered_ms, rcode: answered_ms.map(|_| 0) }]
        };
        let lookup = |name: &str, sent| Lookup::new(name.to_owned(), "A".to_owned(), sent, Some(5000));
        let wire = LookupsWire {
            quality: Quality { dropped: 2, ..Quality::default() },
            own: Vec::new(),
            resolvers: Vec::<ResolverSeen>::new(),
            lookups: vec![lookup("quick.example", sent(10, Some(14))), lookup("dead.example", sent(10, None))],
            idents: Vec::new(),
            programs: Vec::new(),
        };
        assert_eq!(
            of_lookups("192.0.2.7:25", &wire),
            "captured lookups of 192.0.2.7:25 about us: dead.example A from 192.0.2.53:53 at 10 ms, no answer for 5000 ms; \
             quick.example A from 192.0.2.53:53 at 10 ms, answered after 4 ms; 2 packets were lost"
        );
    }
}
