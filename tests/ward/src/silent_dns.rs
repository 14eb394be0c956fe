//! Name servers of other people that are dead, or slow.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
    thread,
    time::Duration,
};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{
        RData, Record, RecordType,
        rdata::{A, SOA},
    },
};

use crate::WardError;

/// Longest question that is read, in octets.
const LONGEST: usize = 1232;

/// How a name server of a trial behaves.
#[derive(Clone, Copy, Debug)]
pub enum DnsManner {
    /// Takes questions and never answers.
    Silent,
    /// Answers after this time that there is no such name, but for the test entry 2.0.0.127 of a blacklist.
    Slow(Duration),
    /// Answers at once that there is no such name, but for the test entry of a blacklist; of names below this one it never
    /// says anything.
    SilentAbout(&'static str),
    /// Has an address for every name there is, as an abandoned blacklist's parking page has.
    Everything(Ipv4Addr),
    /// Has an address for every name, and answers a question for an IPv6 address with another code than it should, as some load
    /// balancers do: `NXDOMAIN`, `SERVFAIL`, or not at all.
    OddAboutIpv6(Ipv4Addr, Option<ResponseCode>),
}

/// Listens on port 53 of `address` as long as the trial runs.
///
/// # Errors
/// When the port cannot be had.
pub fn dns_responder(address: &str, manner: DnsManner) -> Result<(), WardError> {
    let socket = Arc::new(UdpSocket::bind((address, 53)).map_err(WardError::io(address))?);
    thread::spawn(move || {
        let mut buffer = [0; LONGEST];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let question = buffer.get(..length).unwrap_or_default().to_vec();
            let socket = Arc::clone(&socket);
            match manner {
                DnsManner::Silent => {}
                DnsManner::Slow(delay) => {
                    thread::spawn(move || {
                        thread::sleep(delay);
                        answer(&socket, &question, from, None);
                    });
                }
                DnsManner::SilentAbout(name) => {
                    if !asks_below(&question, name) {
                        answer(&socket, &question, from, None);
                    }
                }
                DnsManner::Everything(address) => answer(&socket, &question, from, Some(address)),
                DnsManner::OddAboutIpv6(address, odd) => {
                    let of_ipv6 = |message: Message| {
                        message.queries.first().is_some_and(|query| query.query_type() == RecordType::AAAA)
                    };
                    if !Message::from_vec(&question).is_ok_and(of_ipv6) {
                        answer(&socket, &question, from, Some(address));
                    } else if let Some(code) = odd {
                        refuse(&socket, &question, from, code);
                    }
                }
            }
        }
    });
    Ok(())
}

fn asks_below(question: &[u8], name: &str) -> bool {
    let below =
        |message: Message| message.queries.first().is_some_and(|query| query.name().to_string().ends_with(name));
    Message::from_vec(question).is_ok_and(below)
}

fn answer(socket: &UdpSocket, question: &[u8], to: SocketAddr, everything: Option<Ipv4Addr>) {
    let Ok(message) = Message::from_vec(question) else {
        return;
    };
    let Some(query) = message.queries.first().cloned() else {
        return;
    };
    let listed = everything
        .or_else(|| query.name().to_string().starts_with("2.0.0.127.").then_some(Ipv4Addr::new(127, 0, 0, 2)));
    let mut reply = Message::response(message.metadata.id, message.metadata.op_code);
    reply.metadata.authoritative = true;
    reply.metadata.recursion_desired = message.metadata.recursion_desired;
    match listed {
        Some(address) if query.query_type() == RecordType::A => {
            reply.add_answer(Record::from_rdata(query.name().clone(), 60, RData::A(A(address))));
        }
        Some(_) => {}
        None => {
            reply.metadata.response_code = ResponseCode::NXDomain;
            // Without its SOA record nobody would remember that there is nothing (RFC 2308 section 5).
            let zone = query.name().trim_to(2);
            let soa = SOA::new(zone.clone(), zone.clone(), 1, 3600, 600, 86_400, 60);
            reply.add_authority(Record::from_rdata(zone, 60, RData::SOA(soa)));
        }
    }
    reply.add_query(query);
    if let Ok(bytes) = reply.to_vec() {
        // Who asked may be gone: nothing is to be done about it.
        let _ = socket.send_to(&bytes, to);
    }
}

/// Answers a question with a code and nothing else.
fn refuse(socket: &UdpSocket, question: &[u8], to: SocketAddr, code: ResponseCode) {
    let Ok(message) = Message::from_vec(question) else {
        return;
    };
    let mut reply = Message::response(message.metadata.id, message.metadata.op_code);
    reply.metadata.authoritative = true;
    reply.metadata.response_code = code;
    message.queries.first().cloned().map(|query| reply.add_query(query));
    if let Ok(bytes) = reply.to_vec() {
        let _ = socket.send_to(&bytes, to);
    }
}
