//! Name servers that answer with garbage, with something else, with too much, or hardly at all.

use std::io::{Read, Write};
use std::net::UdpSocket;

use crate::peer::{Outcome, Peer, run};

/// A DNS server that answers every question with what `answer` makes of it.
fn dns(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap().to_string();
    serve(socket, answer);
    at
}

fn serve(socket: UdpSocket, answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) {
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&answer(&buffer[..length]), from);
        }
    });
}

/// A DNS server that says over UDP that its answers are too long, and answers over TCP as `act` does.
fn over_tcp(
    act: impl Fn(std::net::TcpStream, &std::sync::atomic::AtomicBool) + Send + Sync + 'static,
) -> (Peer, String) {
    let (peer, socket) = Peer::with_datagrams(act);
    let at = format!("127.0.0.1:{}", peer.port);
    serve(socket, |question| {
        let mut answer = question.to_vec();
        answer[2] |= 0x82;
        answer
    });
    (peer, at)
}

/// Checks a domain by a resolver. The walk from the root goes to a closed port of this machine.
fn check_with(resolver: &str) -> Outcome {
    check_from(resolver, "9")
}

/// Checks a domain by a resolver. The walk from the root goes to a port of this machine.
fn check_from(resolver: &str, root_port: &str) -> Outcome {
    let hints = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(hints.path(), ". NS root.\nroot. A 127.0.0.1\n").unwrap();
    run(&[
        "check",
        "example.org",
        "--resolver",
        resolver,
        "--foreign-resolver",
        "none",
        "--root-hints",
        hints.path().to_str().unwrap(),
        "--port",
        &format!("smtp=9,submission=9,smtps=9,https=9,dns={root_port}"),
    ])
}

/// The end of the question section.
fn end_of_question(question: &[u8]) -> usize {
    question.iter().skip(12).position(|&b| b == 0).unwrap() + 12 + 5
}

/// The question as an answer with `count` records, which follow.
fn answer_to(question: &[u8], count: u16, records: &[u8]) -> Vec<u8> {
    let mut answer = question[..end_of_question(question)].to_vec();
    answer[2] |= 0x80;
    answer[6..8].copy_from_slice(&count.to_be_bytes());
    answer[8..12].fill(0);
    answer.extend_from_slice(records);
    answer
}

#[test]
fn garbage_and_wrong_ids_are_no_answer() {
    let garbage = dns(|_| b"this is no DNS message at all".to_vec());
    assert_eq!(check_with(&garbage).first(), "mx-lookup-failed");
    let wrong_id = dns(|question| {
        let mut answer = question.to_vec();
        answer[0] ^= 0xff;
        answer[2] |= 0x80;
        answer
    });
    assert_eq!(check_with(&wrong_id).first(), "mx-lookup-failed");
}

#[test]
fn an_answer_to_another_question_is_none() {
    // The right id, and a null MX for a name that nobody asked about.
    let elsewhere = dns(|question| {
        let mut answer = answer_to(question, 1, &[0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, 3, 0, 0, 0]);
        answer[13] ^= 0x01;
        answer
    });
    let outcome = check_with(&elsewhere);
    assert_eq!(outcome.first(), "mx-lookup-failed", "{:?}", outcome.roots());
    assert!(!outcome.finds("mx-null"), "it took a record that is another name's");
}

/// What a captive portal says to every question, whomever it was put to: no such name, with recursion, and no zone's SOA.
#[test]
fn a_network_that_answers_for_the_root_servers_is_not_believed() {
    let portal = dns(|question| {
        let mut answer = answer_to(question, 0, &[]);
        answer[3] = 0x83;
        answer
    });
    let port = portal.rsplit_once(':').unwrap().1;
    let outcome = check_from(&portal, port);
    assert_eq!(outcome.report["verdict"], "inconclusive", "{:?}", outcome.roots());
    assert!(!outcome.finds("domain-not-found"), "it believed that the domain does not exist");
    assert!(outcome.finds("vantage-unusable"), "{:?}", outcome.roots());
}

#[test]
fn a_circle_of_aliases_ends() {
    // Every question is answered by an alias from the name to itself (a pointer to the question).
    let circle = dns(|question| answer_to(question, 1, &[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 12]));
    assert_ne!(check_with(&circle).verdict(), "healthy");
}

/// An answer over TCP with thousands of exchangers; to any other question there is none.
fn thousands(question: &[u8]) -> Vec<u8> {
    let end = end_of_question(question);
    if question[end - 4..end - 2] != [0, 15] {
        return answer_to(question, 0, &[]);
    }
    let records: Vec<u8> = (0..3500_u16)
        .flat_map(|n| {
            let label = format!("m{n:04}");
            let head = [0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, 10];
            [&head[..], &n.to_be_bytes(), &[5], label.as_bytes(), &[0xc0, 12]].concat()
        })
        .collect();
    // One octet more than the pointer needs would be a lie about the length: 2 + 1 + 5 + 2 = 10.
    answer_to(question, 3500, &records)
}

#[test]
fn thousands_of_exchangers_are_not_all_visited() {
    let (_peer, at) = over_tcp(|mut stream, _| {
        let mut length = [0; 2];
        while stream.read_exact(&mut length).is_ok() {
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            if stream.read_exact(&mut question).is_err() {
                return;
            }
            let answer = thousands(&question);
            let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
            if stream.write_all(&[&length, answer.as_slice()].concat()).is_err() {
                return;
            }
        }
    });
    let outcome = check_with(&at);
    assert_ne!(outcome.verdict(), "healthy");
    let asked = outcome.outcomes("dns.host/1").len();
    assert!((2..=40).contains(&asked), "{asked} lookups of addresses, two for each exchanger");
}

#[test]
fn an_answer_over_tcp_that_drips_does_not_stretch_the_deadline() {
    let (_peer, at) = over_tcp(|mut stream, over| {
        let _ = stream.write_all(&[0xff, 0xff]);
        while !over.load(std::sync::atomic::Ordering::SeqCst) && stream.write_all(&[0]).is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
    });
    let outcome = check_with(&at);
    assert_ne!(outcome.verdict(), "healthy");
    assert!(!outcome.states("mx-lookup-failed").contains(&"clear"), "{:?}", outcome.roots());
}
