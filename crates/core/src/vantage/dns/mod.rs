//! Asking a DNS server from a vantage: UDP with retries, TCP where the answer was truncated, and without EDNS where the server
//! does not know it.

mod answer;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType as WireType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::time::{timeout, timeout_at};

use self::answer::answered;
use super::{Footprints, Vantage, Way};
use crate::case::millis;
use crate::questions::dns::{Attempt, DnsResult, DnsWire, RecordType, Transport};

/// How long a lookup may take in all.
pub const DNS_LIMIT: Duration = Duration::from_secs(10);

/// When the question is sent again, since the lookup began.
pub const RETRY_AT: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

/// How long after a refusal the question may be sent again.
const REFUSED_PAUSE: Duration = Duration::from_millis(200);

/// The datagram size that we say we take (DNS flag day 2020).
const UDP_PAYLOAD: u16 = 1232;

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
        let mut course = Course { limit: asking.limit, began: Instant::now(), attempts: Vec::new() };
        let result = match Question::new(name, rtype, asking) {
            Some(question) => self.ask(server, &question, &mut course).await,
            None => DnsResult::Garbage { flaw: "the name cannot be put into a question".to_owned() },
        };
        DnsWire { name: name.trim_end_matches('.').to_owned(), server, attempts: course.attempts, result }
    }

    /// A server that does not understand EDNS is asked once more without it (RFC 6891 section 6.2.2), as resolvers do.
    async fn ask(&self, server: SocketAddr, question: &Question, course: &mut Course) -> DnsResult {
        let result = self.ask_once(server, question, course).await;
        let DnsResult::Answered { rcode, .. } = &result else { return result };
        match question.without_edns().filter(|_| matches!(rcode.as_str(), "FORMERR" | "NOTIMP")) {
            Some(plain) => {
                if let Some(attempt) = course.attempts.last_mut() {
                    attempt.end = format!("{rcode} to EDNS");
                }
                self.ask_once(server, &plain, course).await
            }
            None => result,
        }
    }

    async fn ask_once(&self, server: SocketAddr, question: &Question, course: &mut Course) -> DnsResult {
        match self.way {
            Way::Direct { bind } if !question.asking.over_tcp => {
                match ask_udp(&self.footprints, server, bind, question, course).await {
                    Err(Retry::OverTcp) => {
                        self.ask_tcp(server, question, course).await.unwrap_or_else(|tcp| DnsResult::Truncated { tcp })
                    }
                    Err(Retry::GivenUp(result)) | Ok(result) => result,
                }
            }
            _ => match self.ask_tcp(server, question, course).await {
                Ok(result) => result,
                Err(_) if course.left().is_zero() => DnsResult::Silent { waited_ms: millis(course.began.elapsed()) },
                Err(error) => DnsResult::Unreachable { error },
            },
        }
    }

    /// One question over TCP (RFC 7766).
    async fn ask_tcp(&self, server: SocketAddr, question: &Question, course: &mut Course) -> Result<DnsResult, String> {
        let at = course.began.elapsed();
        let left = course.left().max(Duration::from_millis(1));
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
        course.attempts.push(Attempt {
            transport: Transport::Tcp,
            at_ms: millis(at),
            took_ms: millis(course.began.elapsed() - at),
            end,
        });
        let octets = outcome?;
        Ok(match question.read(&octets) {
            Ok(message) => answered(&message, question.asking.signatures.then_some(octets.as_slice())),
            Err(flaw) => DnsResult::Garbage { flaw },
        })
    }
}

/// How far a lookup has come.
struct Course {
    limit: Duration,
    began: Instant,
    attempts: Vec<Attempt>,
}

impl Course {
    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.began.elapsed())
    }
}

struct Question {
    id: u16,
    name: Name,
    rtype: WireType,
    asking: Asking,
    edns: bool,
    octets: Vec<u8>,
}

impl Question {
    fn new(name: &str, rtype: RecordType, asking: Asking) -> Option<Self> {
        let name = Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).ok()?;
        Self::put(name, rtype.on_the_wire(), asking, true)
    }

    /// The same question as it was put before there was EDNS; `None`: it is put so already.
    fn without_edns(&self) -> Option<Self> {
        self.edns.then(|| Self::put(self.name.clone(), self.rtype, self.asking, false))?
    }

    fn put(name: Name, rtype: WireType, asking: Asking, edns: bool) -> Option<Self> {
        let mut message = Message::query();
        message.metadata.recursion_desired = asking.recursion;
        message.metadata.checking_disabled = asking.unchecked;
        // Asks the resolver to say in AD what it validated (RFC 6840 section 5.7).
        message.metadata.authentic_data = true;
        message.add_query(Query::query(name.clone(), rtype));
        if edns {
            let mut edns = Edns::new();
            edns.set_max_payload(UDP_PAYLOAD);
            edns.set_dnssec_ok(asking.signatures);
            message.set_edns(edns);
        }
        let octets = message.to_vec().ok()?;
        Some(Self { id: message.metadata.id, name, rtype, asking, edns, octets })
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
    course: &mut Course,
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
    let (began, limit) = (course.began, course.left());
    let [second, third] = question.asking.retry_at;
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
                    tokio::time::sleep_until((start + until).min(tokio::time::Instant::now() + REFUSED_PAUSE)).await;
                    break;
                }
                Ok(Ok(length)) => match question.read(buffer.get(..length).unwrap_or_default()) {
                    Ok(message) => {
                        attempt.end = if message.metadata.truncation { "truncated" } else { "answer" }.to_owned();
                        course.attempts.push(attempt);
                        let raw = buffer.get(..length).filter(|_| question.asking.signatures);
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
        course.attempts.push(attempt);
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
