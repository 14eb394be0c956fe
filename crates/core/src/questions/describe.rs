//! An observation in one line, for people: what was asked, and what was seen.

use super::dns::walk;
use super::host::{self, clients, lookups};
use super::sts;
use super::xclient::StrangersRcpt;
use super::{bounce, dns, line_ends, mailbox, outbound, packets, place, smtp, tcp, tls, trace};
use crate::case::{Observation, Question};

/// A length of time as people say it: whole milliseconds under a second, else seconds with a tenth.
pub fn length(ms: u64) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{:.1} s", ms as f64 / 1000.0) }
}

/// What was asked and what was seen; unknown probes are quoted as they stand.
pub fn describe(observation: &Observation) -> String {
    let known = match observation.probe.as_str() {
        dns::Records::PROBE
        | dns::Addresses::PROBE
        | dns::ReverseNames::PROBE
        | dns::Followed::PROBE
        | dns::ListEntry::PROBE
        | dns::ListedDomain::PROBE
        | walk::Authoritative::PROBE
        | walk::Unchecked::PROBE
        | walk::Again::PROBE => of_dns(observation),
        walk::Walk::PROBE => read::<walk::Walk>(observation).map(|w| of_walk(observation, &w)),
        tcp::Connect::PROBE => read::<tcp::Connect>(observation).map(|w| of_connect(observation, &w)),
        smtp::Banner::PROBE => read::<smtp::Banner>(observation).map(|w| {
            let source = w.source.map(|ip| format!(" for {ip}")).unwrap_or_default();
            let (waited, said) = (w.exchange.wait_ms(), w.exchange.in_words());
            format!("banner of {}{source} after {waited} ms: {said}", place(observation))
        }),
        smtp::Ehlo::PROBE
        | smtp::Helo::PROBE
        | smtp::Starttls::PROBE
        | smtp::Mail::PROBE
        | smtp::Rcpt::PROBE
        | StrangersRcpt::PROBE
        | smtp::Vrfy::PROBE
        | smtp::Rset::PROBE
        | smtp::Quit::PROBE => read::<smtp::Ehlo>(observation).map(|w| {
            format!(
                "{} at {} after {} ms: {}",
                w.exchange.command.as_deref().unwrap_or("reply"),
                place(observation),
                w.exchange.wait_ms(),
                w.exchange.in_words()
            )
        }),
        smtp::Visited::PROBE => read::<smtp::Visited>(observation).map(|w| {
            let came = if w.ready { "a session was ready" } else { "there was no session" };
            format!("another visit to {}: {came} after {} ms", place(observation), observation.took_ms)
        }),
        smtp::Auth::PROBE => read::<smtp::Auth>(observation).map(|w| {
            let last = w.exchanges.last().map_or_else(|| w.failed.clone().unwrap_or_default(), |e| e.in_words());
            format!("AUTH {} as {} at {}: {last}", w.mechanism, w.user, place(observation))
        }),
        smtp::Message::PROBE => read::<smtp::Message>(observation).map(|w| {
            let last = w.last().map_or_else(String::new, |e| format!("{} after {} ms", e.in_words(), e.wait_ms()));
            format!("test message at {}: {last}", place(observation))
        }),
        smtp::Injection::PROBE => read::<smtp::Injection>(observation).map(|w| {
            format!(
                "NOOP sent with STARTTLS to {}: {}",
                place(observation),
                w.answered.as_deref().unwrap_or("not answered under TLS")
            )
        }),
        line_ends::LineEnds::PROBE => read::<line_ends::LineEnds>(observation).map(|w| of_line_ends(observation, &w)),
        bounce::Answered::PROBE => read::<bounce::Answered>(observation).map(|said| {
            let host = said.host.as_deref().unwrap_or("the sending server");
            format!("{host} of {}: {}", said.recipients.first().map_or("a recipient", String::as_str), said.quoted())
        }),
        bounce::Returned::PROBE => read::<bounce::Returned>(observation)
            .map(|whole| format!("the returned message has {} hops", whole.hops.len())),
        trace::Received::PROBE => read::<trace::Received>(observation)
            .map(|w| format!("the message has {} header fields and {} octets", w.fields.len(), w.octets)),
        trace::Signature::PROBE => read::<trace::Signature>(observation).map(|w| {
            let reason = w.checked.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("the DKIM signature of {} ({}): {}{reason}", w.domain, w.selector, w.checked.result())
        }),
        trace::Seals::PROBE => read::<trace::Seals>(observation).map(|w| {
            let reason = w.checked.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("the ARC chain of {}: {}{reason}", w.by.join(", "), w.checked.result())
        }),
        outbound::Sending::PROBE => read::<outbound::Sending>(observation).map(|w| {
            let all: Vec<String> = w.addresses.iter().map(|source| source.address.to_string()).collect();
            format!("mail leaves from {}", if all.is_empty() { "nowhere".to_owned() } else { all.join(" and ") })
        }),
        tls::Handshake::PROBE => read::<tls::Handshake>(observation).map(|w| of_tls(observation, w)),
        tls::SmallSegments::PROBE => read::<tls::SmallSegments>(observation).map(|w| {
            let came = if w.done { "done" } else { "stalls as well" };
            format!(
                "TLS with {} in segments of {} octets after {} ms: {came}",
                place(observation),
                w.segment,
                observation.took_ms
            )
        }),
        packets::LargePacket::PROBE => read::<packets::LargePacket>(observation).map(|w| of_packets(observation, &w)),
        sts::Fetch::PROBE => read::<sts::Fetch>(observation).map(|w| of_policy(observation, &w)),
        mailbox::Login::PROBE => read::<mailbox::Login>(observation)
            .map(|w| format!("login as {} at {}: {}", w.user, place(observation), w.result)),
        mailbox::Arrival::PROBE => read::<mailbox::Arrival>(observation).map(|w| match w.arrived {
            mailbox::Arrived::Found { folder, after_ms, .. } => {
                format!("the test message lay in {folder} after {after_ms} ms")
            }
            mailbox::Arrived::Missing { waited_ms, folders } => {
                format!("the test message was in none of {} for {waited_ms} ms", folders.join(", "))
            }
            mailbox::Arrived::Unreadable { error } => {
                format!("the mailbox cannot be read: {error}")
            }
        }),
        lookups::Lookups::PROBE => {
            read::<lookups::Lookups>(observation).map(|w| host::describe::of_lookups(&place(observation), &w))
        }
        clients::Clients::PROBE => {
            read::<clients::Clients>(observation).map(|w| host::describe::of_clients(&place(observation), &w))
        }
        place::Opening::PROBE => read::<place::Opening>(observation).map(|w| match w {
            place::Opened::Ready { resolver, source, .. } => {
                let from = source.map(|ip| format!("{ip} and ")).unwrap_or_default();
                format!("can be looked from, as {from}with the resolver {resolver}")
            }
            place::Opened::Failed { error } => format!("cannot be looked from: {error}"),
        }),
        _ => host::describe::of_machine(observation),
    };
    known.unwrap_or_else(|| format!("{} {}: {}", observation.probe, observation.subject, observation.outcome))
}

pub(super) fn read<Q: Question>(observation: &Observation) -> Option<Q::Wire> {
    serde_json::from_value(observation.outcome.clone()).ok()
}

/// The subject's value without its kind.
fn place(observation: &Observation) -> String {
    let text = observation.subject.to_string();
    text.split_once(':').map_or(text.clone(), |(_, value)| value.to_owned())
}

fn of_dns(observation: &Observation) -> Option<String> {
    let wire = read::<dns::Records>(observation)?;
    let rtype = observation.asked.get("type").and_then(|t| t.as_str()).unwrap_or("PTR");
    let view = dns::Dns { wire };
    let answer = view.definite().map(|a| a.answers.iter().map(record).collect::<Vec<_>>()).unwrap_or_default();
    let answer = if answer.is_empty() { view.in_words() } else { answer.join(", ") };
    let how = match observation.asked.get("transport").and_then(|t| t.as_str()) {
        Some("tcp") => " over TCP",
        _ if observation.probe == walk::Unchecked::PROBE => " without validation (CD)",
        _ => "",
    };
    let name = if view.wire.name.is_empty() { "." } else { &view.wire.name };
    Some(format!("{name} {rtype} from {}{how} after {} ms: {answer}", view.wire.server, observation.took_ms))
}

fn of_walk(observation: &Observation, wire: &walk::WalkWire) -> String {
    let zones: Vec<&str> = wire.cuts.iter().map(|cut| cut.zone.as_str()).collect();
    let end = match wire.ended {
        walk::Ended::Reached => "reached",
        walk::Ended::NoSuchName => "no such name there",
        walk::Ended::DeadEnd => "no server shows the way on",
        walk::Ended::Unfinished => "not finished",
    };
    let questions = if wire.questions == 1 { "1 question".to_owned() } else { format!("{} questions", wire.questions) };
    format!("walk from the root to {}: {} ({end}, {questions})", place(observation), zones.join(" > "))
}

fn record(record: &dns::Record) -> String {
    use dns::Data;
    match &record.data {
        Data::A { address } => address.to_string(),
        Data::Aaaa { address } => address.to_string(),
        Data::Mx { preference, exchange } => format!("{preference} {exchange}."),
        Data::Ns { host } => host.clone(),
        Data::Cname { target } => format!("alias of {target}"),
        Data::Ptr { host } => host.clone(),
        Data::Soa { primary, serial, .. } => format!("{primary} serial {serial}"),
        Data::Txt { text } => format!("\"{text}\""),
        Data::Srv { priority, weight, port, target } => format!("{priority} {weight} {port} {target}"),
        Data::Tlsa { usage, selector, matching, data } => format!("{usage} {selector} {matching} {data}"),
        Data::Ds { tag, algorithm, .. } => format!("DS for key {tag}, algorithm {algorithm}"),
        Data::Dnskey { flags, algorithm, tag } => format!("DNSKEY {flags} {tag}, algorithm {algorithm}"),
        Data::Rrsig { tag, signer, .. } => {
            format!("RRSIG by key {tag} of {}", if signer.is_empty() { "." } else { signer })
        }
        Data::Other { number } => format!("type {number}"),
    }
}

fn of_connect(observation: &Observation, wire: &tcp::ConnectWire) -> String {
    let host = wire.host.as_deref().map(|h| format!("{h} ")).unwrap_or_default();
    format!("connection to {host}{} after {} ms: {}", place(observation), observation.took_ms, wire.opened)
}

fn of_line_ends(observation: &Observation, wire: &line_ends::LineEndsWire) -> String {
    let more = match wire.to_the_message() {
        None => "what came then is not known".to_owned(),
        Some([]) => "nothing else was answered".to_owned(),
        Some(more) => {
            let replies: Vec<String> = more.iter().map(|r| r.quoted()).collect();
            format!("and then, to lines of the message itself: {}", replies.join(" / "))
        }
    };
    format!("message with bare line feeds at {}: {}, {more}", place(observation), wire.content.in_words())
}

fn of_policy(observation: &Observation, wire: &sts::FetchWire) -> String {
    let what = match &wire.fetched {
        sts::Fetched::Unreachable => "no connection".to_owned(),
        sts::Fetched::Unsafe => "TLS that cannot be relied on, so nothing was asked".to_owned(),
        sts::Fetched::Failed { error } => error.clone(),
        sts::Fetched::Answered { status, body, .. } => {
            format!("{status} with {} octets", body.as_ref().map_or(0, String::len))
        }
    };
    format!("MTA-STS policy of {} from {} after {} ms: {what}", place(observation), wire.host, observation.took_ms)
}

fn of_tls(observation: &Observation, wire: tls::TlsWire) -> String {
    let Some(view) = <tls::Handshake as Question>::read(wire) else {
        return String::new();
    };
    let what = match &view.wire.shaken {
        tls::Shaken::Done { version, cipher } => format!("{version} {cipher}"),
        tls::Shaken::Failed { error, .. } => error.clone(),
        tls::Shaken::Stalled { waited_ms } => format!("no answer within {waited_ms} ms"),
        tls::Shaken::PlainText { said } => format!("plain text: {said}"),
    };
    let leaf = view.leaf().map(|c| {
        format!(
            "; certificate for {}, valid {} to {}, issued by {}",
            c.names.join(", "),
            c.not_before,
            c.not_after,
            c.issuer
        )
    });
    format!("TLS with {}: {what}{}", place(observation), leaf.unwrap_or_default())
}

fn of_packets(observation: &Observation, wire: &packets::LargePacketWire) -> String {
    let came = |answered, waited_ms| match answered {
        true => format!("answered after {}", length(waited_ms)),
        false => format!("no answer for {}", length(waited_ms)),
    };
    let small = wire.small.map(|small| {
        format!(", and in segments of {} octets {}", small.segment, came(small.answered, small.waited_ms))
    });
    format!(
        "{} octets of commands at once at {}: {}{}",
        wire.octets,
        place(observation),
        came(wire.answered, wire.waited_ms),
        small.unwrap_or_default()
    )
}
