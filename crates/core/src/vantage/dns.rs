//! Asking a DNS server from a vantage: UDP with retries, TCP where the answer was truncated.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::dnssec::PublicKey;
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RData, RecordType as WireType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::time::{timeout, timeout_at};

use super::{Footprints, Vantage, Way};
use crate::case::millis;
use crate::questions::dns::{Attempt, Data, DnsResult, DnsWire, ExtendedError, Record, RecordType, Transport, to_hex};

/// How long a lookup may take in all.
pub const DNS_LIMIT: Duration = Duration::from_secs(10);

/// When the question is sent again, since the lookup began.
pub const RETRY_AT: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

/// The datagram size that we say we take (DNS flag day 2020).
const UDP_PAYLOAD: u16 = 1232;

/// The most records of the answer section that are kept.
const MAX_RECORDS: usize = 512;

/// The most records of each other section: thirteen name servers with four addresses each, and signatures.
const MAX_ASIDE: usize = 72;

/// The largest message that a case keeps as it came, in octets.
const MAX_KEPT: usize = 8192;

/// How a question is put.
#[derive(Debug, Clone, Copy)]
pub struct Asking {
    /// The server is to find the answer out for us (RD).
    pub recursion: bool,
    /// Signatures are wanted (DO, RFC 3225); the message is kept as it came.
    pub signatures: bool,
    /// The resolver is not to validate (CD, RFC 4035 section 3.2.2).
    pub unchecked: bool,
    /// Over TCP at once.
    pub over_tcp: bool,
    /// How long it may take in all.
    pub limit: Duration,
    /// When the question is sent again over UDP, since the lookup began.
    pub retry_at: [Duration; 2],
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            recursion: true,
            signatures: false,
            unchecked: false,
            over_tcp: false,
            limit: DNS_LIMIT,
            retry_at: RETRY_AT,
        }
    }
}

impl Vantage {
    /// Asks a server for the records of a name.
    pub async fn lookup(&self, server: SocketAddr, name: &str, rtype: RecordType, asking: Asking) -> DnsWire {
        let limit = asking.limit;
        let began = Instant::now();
        let mut attempts = Vec::new();
        let Some(question) = Question::new(name, rtype, asking) else {
            let result = DnsResult::Garbage { flaw: "the name cannot be put into a question".to_owned() };
            return DnsWire { name: name.to_owned(), server, attempts, result };
        };
        let result = match self.way {
            Way::Direct { bind } if !asking.over_tcp => {
                match ask_udp(&self.footprints, server, bind, &question, limit, began, &mut attempts).await {
                    Err(Retry::OverTcp) => self
                        .ask_tcp(server, &question, limit, began, &mut attempts)
                        .await
                        .unwrap_or_else(|tcp| DnsResult::Truncated { tcp }),
                    Err(Retry::GivenUp(result)) | Ok(result) => result,
                }
            }
            _ => match self.ask_tcp(server, &question, limit, began, &mut attempts).await {
                Ok(result) => result,
                Err(error) if began.elapsed() >= limit => {
                    let _ = error;
                    DnsResult::Silent { waited_ms: millis(began.elapsed()) }
                }
                Err(error) => DnsResult::Unreachable { error },
            },
        };
        DnsWire { name: name.trim_end_matches('.').to_owned(), server, attempts, result }
    }

    /// One question over TCP (RFC 7766).
    async fn ask_tcp(
        &self,
        server: SocketAddr,
        question: &Question,
        limit: Duration,
        began: Instant,
        attempts: &mut Vec<Attempt>,
    ) -> Result<DnsResult, String> {
        let at = began.elapsed();
        let left = limit.saturating_sub(at).max(Duration::from_millis(1));
        let exchange = async {
            let mut connection = self.connect(server, left).await.map_err(|opened| match opened {
                crate::questions::tcp::Opened::Refused => "refused".to_owned(),
                crate::questions::tcp::Opened::TimedOut => "timeout".to_owned(),
                crate::questions::tcp::Opened::Unreachable { what } => format!("{what} unreachable"),
                crate::questions::tcp::Opened::Reset => "reset".to_owned(),
                crate::questions::tcp::Opened::NoRouteHere { error }
                | crate::questions::tcp::Opened::Failed { error } => error,
                crate::questions::tcp::Opened::Open { .. } => "open".to_owned(),
            })?;
            if let Some(local) = connection.local {
                self.footprints.note_question(local.port(), question.id);
            }
            let length = u16::try_from(question.octets.len()).map_err(|e| e.to_string())?;
            let framed = [&length.to_be_bytes(), question.octets.as_slice()].concat();
            connection.stream.write_all(&framed).await.map_err(|e| e.to_string())?;
            let length = connection.stream.read_u16().await.map_err(|e| e.to_string())?;
            let mut octets = vec![0; usize::from(length)];
            connection.stream.read_exact(&mut octets).await.map_err(|e| e.to_string())?;
            Ok::<_, String>(octets)
        };
        let outcome = timeout(left, exchange).await.unwrap_or_else(|_| Err("timeout".to_owned()));
        let end = match &outcome {
            Ok(_) => "answer".to_owned(),
            Err(error) => error.clone(),
        };
        attempts.push(Attempt {
            transport: Transport::Tcp,
            at_ms: millis(at),
            took_ms: millis(began.elapsed() - at),
            end,
        });
        let octets = outcome?;
        Ok(match question.read(&octets) {
            Ok(message) => answered(&message, question.signatures.then_some(octets.as_slice())),
            Err(flaw) => DnsResult::Garbage { flaw },
        })
    }
}

struct Question {
    id: u16,
    name: Name,
    rtype: WireType,
    signatures: bool,
    retry_at: [Duration; 2],
    octets: Vec<u8>,
}

impl Question {
    fn new(name: &str, rtype: RecordType, asking: Asking) -> Option<Self> {
        let name = Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).ok()?;
        let rtype = rtype.on_the_wire();
        let mut message = Message::query();
        message.metadata.recursion_desired = asking.recursion;
        message.metadata.checking_disabled = asking.unchecked;
        // Asks the resolver to say in AD what it validated (RFC 6840 section 5.7).
        message.metadata.authentic_data = true;
        message.add_query(Query::query(name.clone(), rtype));
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD);
        edns.set_dnssec_ok(asking.signatures);
        message.set_edns(edns);
        let octets = message.to_vec().ok()?;
        let Asking { signatures, retry_at, .. } = asking;
        Some(Self { id: message.metadata.id, name, rtype, signatures, retry_at, octets })
    }

    /// The message, where it answers this question.
    fn read(&self, octets: &[u8]) -> Result<Message, String> {
        let message = Message::from_vec(octets).map_err(|e| format!("no DNS message: {e}"))?;
        let fits = |q: &Query| *q.name() == self.name && q.query_type() == self.rtype;
        if message.metadata.id != self.id {
            Err("another id than the question's".to_owned())
        } else if message.metadata.message_type != MessageType::Response || message.metadata.op_code != OpCode::Query {
            Err("not a response to a query".to_owned())
        } else if !message.queries.is_empty() && !message.queries.iter().any(fits) {
            Err("it answers another question".to_owned())
        } else {
            Ok(message)
        }
    }
}

enum Retry {
    OverTcp,
    GivenUp(DnsResult),
}

async fn ask_udp(
    footprints: &Footprints,
    server: SocketAddr,
    bind: Option<std::net::IpAddr>,
    question: &Question,
    limit: Duration,
    began: Instant,
    attempts: &mut Vec<Attempt>,
) -> Result<DnsResult, Retry> {
    let unreachable = |e: std::io::Error| Retry::GivenUp(DnsResult::Unreachable { error: e.to_string() });
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let from = bind.filter(|ip| ip.is_ipv4() == server.is_ipv4()).map_or(any, |ip| SocketAddr::new(ip, 0));
    let socket = UdpSocket::bind(from).await.map_err(unreachable)?;
    socket.connect(server).await.map_err(unreachable)?;
    if let Ok(local) = socket.local_addr() {
        footprints.note_question(local.port(), question.id);
    }
    let start = tokio::time::Instant::now();
    let [second, third] = question.retry_at;
    let sends = [Duration::ZERO, second, third];
    let mut flaw = None;
    let mut error = None;
    for (turn, &at) in sends.iter().enumerate() {
        if at >= limit {
            break;
        }
        let until = sends.get(turn + 1).copied().unwrap_or(limit).min(limit);
        let sent_ms = millis(began.elapsed());
        let mut attempt = Attempt { transport: Transport::Udp, at_ms: sent_ms, took_ms: 0, end: "timeout".to_owned() };
        if let Err(e) = socket.send(&question.octets).await {
            attempt.end = "unreachable".to_owned();
            error = Some(e);
        }
        let mut buffer = [0_u8; 4096];
        // Wrong answers are passed over until the time for this try is up: the right one may follow.
        loop {
            let received = timeout_at(start + until, socket.recv(&mut buffer)).await;
            attempt.took_ms = millis(began.elapsed()).saturating_sub(sent_ms);
            match received {
                Err(_) => break,
                Ok(Err(e)) => {
                    attempt.end =
                        if e.kind() == std::io::ErrorKind::ConnectionRefused { "refused" } else { "unreachable" }
                            .to_owned();
                    error = Some(e);
                    tokio::time::sleep_until((start + until).min(start + began.elapsed() + Duration::from_millis(200)))
                        .await;
                    break;
                }
                Ok(Ok(length)) => match question.read(buffer.get(..length).unwrap_or_default()) {
                    Ok(message) => {
                        attempt.end = if message.metadata.truncation { "truncated" } else { "answer" }.to_owned();
                        attempts.push(attempt);
                        let raw = buffer.get(..length).filter(|_| question.signatures);
                        return if message.metadata.truncation {
                            Err(Retry::OverTcp)
                        } else {
                            Ok(answered(&message, raw))
                        };
                    }
                    Err(wrong) => {
                        attempt.end = format!("garbage: {wrong}");
                        flaw = Some(wrong);
                    }
                },
            }
        }
        let refused = error.is_some();
        attempts.push(attempt);
        if refused && turn > 0 {
            break;
        }
    }
    Err(Retry::GivenUp(match (flaw, error) {
        (Some(flaw), _) => DnsResult::Garbage { flaw },
        (None, Some(error)) => DnsResult::Unreachable { error: error.to_string() },
        (None, None) => DnsResult::Silent { waited_ms: millis(began.elapsed()) },
    }))
}

fn answered(message: &Message, raw: Option<&[u8]>) -> DnsResult {
    let records = |section: &[hickory_proto::rr::Record], most: usize| section.iter().take(most).map(record).collect();
    DnsResult::Answered {
        rcode: rcode_name(message.metadata.response_code),
        aa: message.metadata.authoritative,
        ad: message.metadata.authentic_data,
        ra: message.metadata.recursion_available,
        answers: records(&message.answers, MAX_RECORDS),
        authority: records(&message.authorities, MAX_ASIDE),
        additional: records(&message.additionals, MAX_ASIDE),
        ede: message.edns.as_ref().map(extended_errors).unwrap_or_default(),
        raw: raw.filter(|octets| octets.len() <= MAX_KEPT).map(|octets| STANDARD.encode(octets)),
    }
}

fn extended_errors(edns: &Edns) -> Vec<ExtendedError> {
    edns.options()
        .as_ref()
        .iter()
        .filter_map(|(code, option)| match (u16::from(*code), option) {
            (15, EdnsOption::Unknown(_, data)) => {
                let (code, text) = data.split_at_checked(2)?;
                Some(ExtendedError {
                    code: u16::from_be_bytes(code.try_into().ok()?),
                    text: maildoctor_wire::octets::escape(text),
                })
            }
            _ => None,
        })
        .collect()
}

fn rcode_name(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        other => format!("RCODE{}", u16::from(other)),
    }
}

fn text(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_owned()
}

fn record(record: &hickory_proto::rr::Record) -> Record {
    let data = match &record.data {
        RData::A(a) => Data::A { address: a.0 },
        RData::AAAA(a) => Data::Aaaa { address: a.0 },
        RData::MX(mx) => Data::Mx { preference: mx.preference, exchange: text(&mx.exchange) },
        RData::NS(ns) => Data::Ns { host: text(&ns.0) },
        RData::CNAME(c) => Data::Cname { target: text(&c.0) },
        RData::PTR(p) => Data::Ptr { host: text(&p.0) },
        RData::SOA(soa) => Data::Soa { primary: text(&soa.mname), serial: soa.serial, minimum: soa.minimum },
        RData::TXT(txt) => Data::Txt { text: maildoctor_wire::octets::escape(&txt.txt_data.concat()) },
        RData::SRV(srv) => {
            Data::Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target: text(&srv.target) }
        }
        RData::TLSA(tlsa) => Data::Tlsa {
            usage: u8::from(tlsa.cert_usage),
            selector: u8::from(tlsa.selector),
            matching: u8::from(tlsa.matching),
            data: to_hex(&tlsa.cert_data),
        },
        RData::DNSSEC(DNSSECRData::DS(ds)) => {
            Data::Ds { tag: ds.key_tag(), algorithm: ds.algorithm().into(), digest: ds.digest_type().into() }
        }
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Data::Dnskey {
            flags: key.flags(),
            algorithm: key.public_key().algorithm().into(),
            tag: key.calculate_key_tag().unwrap_or_default(),
        },
        RData::DNSSEC(DNSSECRData::RRSIG(sig)) => {
            let input = sig.input();
            Data::Rrsig {
                covers: input.type_covered.into(),
                algorithm: input.algorithm.into(),
                tag: input.key_tag,
                signer: text(&input.signer_name),
                inception: input.sig_inception.get(),
                expiration: input.sig_expiration.get(),
            }
        }
        other => Data::Other { number: u16::from(other.record_type()) },
    };
    Record { name: text(&record.name), ttl: record.ttl, data }
}
