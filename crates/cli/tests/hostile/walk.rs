//! Name servers that lead the walk from the root astray: in circles, ever deeper, into crowds, or nowhere.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::peer::{Outcome, Peer, run};

/// The most questions that one walk may ask.
const MAX_QUESTIONS: usize = 400;

const NS: u16 = 2;
const SOA: u16 = 6;
const MX: u16 = 15;
const TXT: u16 = 16;

/// A question, as far as these servers care.
struct Asked<'m> {
    message: &'m [u8],
    name: String,
    rtype: u16,
}

impl<'m> Asked<'m> {
    fn read(message: &'m [u8]) -> Self {
        let (mut labels, mut at) = (Vec::new(), 12);
        while let Some(&length @ 1..) = message.get(at) {
            let end = at + 1 + usize::from(length);
            labels.push(String::from_utf8_lossy(&message[at + 1..end]).to_ascii_lowercase());
            at = end;
        }
        let rtype = u16::from_be_bytes([message[at + 1], message[at + 2]]);
        Self { message, name: labels.join("."), rtype }
    }

    /// The answer: with or without authority, and what the sections hold.
    fn answer(&self, aa: bool, answers: &[Vec<u8>], authority: &[Vec<u8>], additional: &[Vec<u8>]) -> Vec<u8> {
        let question = self.message[12..].iter().position(|&b| b == 0).unwrap() + 12 + 5;
        let mut out = self.message[..question].to_vec();
        out[2] = 0x80 | if aa { 0x04 } else { 0 };
        out[3] = 0;
        for (place, section) in [answers, authority, additional].iter().enumerate() {
            let count = u16::try_from(section.len()).unwrap().to_be_bytes();
            out[6 + 2 * place..8 + 2 * place].copy_from_slice(&count);
            out.extend(section.iter().flatten());
        }
        out
    }

    /// A referral to `zone`, served by `hosts`, all of which are at this machine where `glue` says so.
    fn referral(&self, zone: &str, hosts: &[String], glue: bool) -> Vec<u8> {
        let ns: Vec<_> = hosts.iter().map(|host| record(zone, NS, &name(host))).collect();
        let a: Vec<_> = hosts.iter().filter(|_| glue).map(|host| record(host, 1, &[127, 0, 0, 1])).collect();
        self.answer(false, &[], &ns, &a)
    }
}

fn name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}

fn record(owner: &str, rtype: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [&name(owner)[..], &rtype.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &length, data].concat()
}

fn soa(zone: &str) -> Vec<u8> {
    record(zone, SOA, &[&name("ns.example")[..], &name("x.example"), &[0; 20]].concat())
}

/// A server of every zone there is, at one port of this machine, over UDP and TCP. What is too long for a datagram is sent
/// truncated.
fn everywhere(answer: impl Fn(&Asked<'_>) -> Vec<u8> + Send + Sync + 'static) -> Peer {
    let answer = Arc::new(answer);
    let over_tcp = answer.clone();
    let (peer, socket) = Peer::with_datagrams(move |mut stream, _| {
        let _ = serve_stream(&mut stream, &*over_tcp);
    });
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let asked = Asked::read(&buffer[..length]);
            let mut out = answer(&asked);
            if out.len() > 1232 {
                out = asked.answer(false, &[], &[], &[]);
                out[2] |= 0x02;
            }
            let _ = socket.send_to(&out, from);
        }
    });
    peer
}

fn serve_stream(stream: &mut TcpStream, answer: &dyn Fn(&Asked<'_>) -> Vec<u8>) -> std::io::Result<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut question)?;
        let out = answer(&Asked::read(&question));
        stream.write_all(&[&u16::try_from(out.len()).unwrap().to_be_bytes()[..], &out].concat())?;
    }
}

/// Walks down to a domain from a server that is the root, and the resolver as well.
fn walk(peer: &Peer, domain: &str) -> Outcome {
    let hints = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(hints.path(), ". NS a.root.\na.root. A 127.0.0.1\n").unwrap();
    let resolver = format!("127.0.0.1:{}", peer.port);
    let ports = format!("smtp=9,submission=9,smtps=9,https=9,dns={}", peer.port);
    let given = ["--resolver", &resolver, "--foreign-resolver", "none", "--root-hints", hints.path().to_str().unwrap()];
    let outcome = run(&[&["check", domain, "--only", "dns", "--port", &ports], &given[..]].concat());
    let asked = outcome.outcomes("dns.authoritative/1").len();
    assert!((1..=MAX_QUESTIONS).contains(&asked), "{asked} questions");
    assert_ne!(outcome.verdict(), "healthy", "{:?}", outcome.roots());
    outcome
}

/// The zone of the last `labels` labels of a name.
fn zone_of(name: &str, labels: usize) -> String {
    let all: Vec<&str> = name.split('.').collect();
    all[all.len().saturating_sub(labels)..].join(".")
}

#[test]
fn name_servers_that_lie_in_each_others_zones_end() {
    // `org` is served by a host in `one`, which is served by a host in `two`, which is served by a host in `one`.
    let peer = everywhere(|asked| {
        let zone = zone_of(&asked.name, 1);
        let other = if zone == "one" { "ns.two" } else { "ns.one" };
        asked.referral(&zone, &[other.to_owned()], false)
    });
    let outcome = walk(&peer, "example.org");
    assert!(outcome.outcomes("dns.authoritative/1").len() < 20, "a circle of two is seen as one");
}

#[test]
fn a_host_that_always_lies_one_zone_further_is_given_up() {
    // Every zone is served by forty hosts, each in a zone of its own that nobody has heard of.
    let peer = everywhere(|asked| {
        let zone = zone_of(&asked.name, 1);
        let hosts: Vec<String> = (0..40).map(|n| format!("ns.{zone}x{n}")).collect();
        asked.referral(&zone, &hosts, false)
    });
    walk(&peer, "example.org");
}

#[test]
fn referrals_that_go_down_for_ever_end() {
    let deep = format!("{}example.org", "a.".repeat(60));
    let depth = std::sync::atomic::AtomicUsize::new(0);
    // Each answer leads one label further down, whoever asks.
    let peer = everywhere(move |asked| {
        let labels = depth.fetch_add(1, Ordering::SeqCst) / 2 + 1;
        let zone = zone_of(&asked.name, labels);
        asked.referral(&zone, &[format!("ns.{zone}")], true)
    });
    walk(&peer, &deep);
}

#[test]
fn a_crowd_of_name_servers_is_not_all_asked() {
    let peer = everywhere(|asked| {
        let hosts: Vec<String> = (0..1000).map(|n| format!("n{n}.org")).collect();
        asked.referral("example.org", &hosts, true)
    });
    let outcome = walk(&peer, "example.org");
    let cuts = outcome.outcomes("dns.walk/1");
    let servers = cuts[0]["cuts"].as_array().unwrap().iter().map(|cut| cut["servers"].as_array().unwrap().len());
    assert!(servers.max().unwrap() <= 13, "{:?}", cuts[0]);
}

#[test]
fn answers_full_of_long_names_and_texts_do_not_make_it_grow() {
    // One name of 253 octets, to which thousands of records point back.
    let long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
    let peer = everywhere(move |asked| {
        if asked.name.is_empty() || (asked.rtype == NS && !asked.name.contains(".example.org")) {
            let hosts: Vec<String> = (0..13).map(|n| format!("n{n}.example.org")).collect();
            return asked.referral("example.org", &hosts, true);
        }
        let first = record(&long, TXT, &[&[255][..], &[0x1b; 255]].concat());
        let mut records = vec![soa(&asked.name), first];
        // Where that name stands: after the header, the question and the SOA.
        let question = asked.message[12..].iter().position(|&b| b == 0).unwrap() + 5;
        let pointer = (0xc000 | u16::try_from(12 + question + records[0].len()).unwrap()).to_be_bytes();
        records.extend(
            (0..3000).map(|_| [&pointer[..], &MX.to_be_bytes(), &[0, 1, 0, 0, 0, 60, 0, 4, 0, 10], &pointer].concat()),
        );
        asked.answer(true, &records, &[], &[])
    });
    walk(&peer, "example.org");
}

#[test]
fn wrong_ids_and_garbage_over_both_lead_nowhere() {
    let peer = everywhere(|asked| match asked.rtype {
        NS => asked.referral(&zone_of(&asked.name, 2), &["ns.example.org".to_owned()], true),
        SOA => b"this is no DNS message at all, and was never meant to be one".to_vec(),
        _ => {
            let mut wrong = asked.answer(true, &[soa(&asked.name)], &[], &[]);
            wrong[0] ^= 0xff;
            wrong
        }
    });
    let outcome = walk(&peer, "example.org");
    assert!(!outcome.finds("nameservers-disagree"), "{:?}", outcome.roots());
}

#[test]
fn a_stream_that_drips_does_not_stretch_the_deadline() {
    let dripping = |mut stream: TcpStream, over: &AtomicBool| {
        let _ = stream.write_all(&[0xff, 0xff]);
        while !over.load(Ordering::SeqCst) && stream.write_all(&[0]).is_ok() {
            std::thread::sleep(Duration::from_millis(300));
        }
    };
    let (peer, socket) = Peer::with_datagrams(dripping);
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let asked = Asked::read(&buffer[..length]);
            let out = match asked.rtype {
                NS => asked.referral("example.org", &["ns.example.org".to_owned()], true),
                SOA => asked.answer(true, &[soa(&asked.name)], &[], &[]),
                _ => asked.answer(true, &[], &[soa("example.org")], &[]),
            };
            let _ = socket.send_to(&out, from);
        }
    });
    walk(&peer, "example.org");
}
