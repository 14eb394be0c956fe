//! The lab's DNS: one zone store with several views, and names that misbehave on purpose.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// TCP connections at once.
const MAX_TCP: usize = 64;

/// How long a TCP client may be idle.
const TCP_IDLE: Duration = Duration::from_secs(10);

/// The time to live of every record.
const TTL: u32 = 300;

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum View {
    /// The resolver of the lab itself.
    Here,
    /// A resolver out there.
    Outside,
}

/// What a name does instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It answers late.
    Late(Duration),
    /// It never answers.
    Silent,
    /// It answers with this code and nothing else.
    Code(ResponseCode),
    /// It answers with octets that are no DNS message.
    Garbage,
}

/// Records and misbehaviour by name, for each view.
#[derive(Debug, Clone, Default)]
pub struct Zones {
    records: HashMap<(View, String), Vec<RData>>,
    faults: Vec<(View, String, Fault)>,
}

fn canonical(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{}.", canonical(text))).unwrap_or_else(|_| Name::root())
}

impl Zones {
    /// Adds a record in both views.
    pub fn add(&mut self, owner: &str, data: RData) {
        self.add_in(View::Here, owner, data.clone());
        self.add_in(View::Outside, owner, data);
    }

    /// Adds a record in one view.
    pub fn add_in(&mut self, view: View, owner: &str, data: RData) {
        self.records.entry((view, canonical(owner))).or_default().push(data);
    }

    /// Takes away the records of a type, in one view.
    pub fn remove(&mut self, view: View, owner: &str, rtype: RecordType) {
        if let Some(records) = self.records.get_mut(&(view, canonical(owner))) {
            records.retain(|data| data.record_type() != rtype);
        }
    }

    /// Takes a name away altogether, in one view.
    pub fn forget(&mut self, view: View, owner: &str) {
        self.records.remove(&(view, canonical(owner)));
    }

    /// Makes a name, and all below it, misbehave in both views.
    pub fn break_below(&mut self, suffix: &str, fault: Fault) {
        for view in [View::Here, View::Outside] {
            self.break_in(view, suffix, fault);
        }
    }

    /// Makes a name, and all below it, misbehave in one view. An empty suffix is every name.
    pub fn break_in(&mut self, view: View, suffix: &str, fault: Fault) {
        self.faults.push((view, canonical(suffix), fault));
    }

    fn fault(&self, view: View, owner: &str) -> Option<Fault> {
        let below = |suffix: &str| {
            suffix.is_empty() || owner == suffix || owner.strip_suffix(suffix).is_some_and(|head| head.ends_with('.'))
        };
        self.faults.iter().find(|(v, suffix, _)| *v == view && below(suffix)).map(|(_, _, fault)| *fault)
    }

    /// Answer records and code for a question.
    fn answer(&self, view: View, owner: &str, rtype: RecordType) -> (ResponseCode, Vec<Record>) {
        let mut answers = Vec::new();
        let mut at = canonical(owner);
        for _ in 0..8 {
            let Some(records) = self.records.get(&(view, at.clone())) else {
                let below = format!(".{at}");
                let exists = !answers.is_empty() || self.records.keys().any(|(v, n)| *v == view && n.ends_with(&below));
                return (if exists { ResponseCode::NoError } else { ResponseCode::NXDomain }, answers);
            };
            let found = records.iter().filter(|data| data.record_type() == rtype);
            let before = answers.len();
            answers.extend(found.map(|data| Record::from_rdata(name(&at), TTL, data.clone())));
            let alias = records
                .iter()
                .find_map(|data| if let RData::CNAME(target) = data { Some(target.0.clone()) } else { None });
            match alias {
                Some(target) if answers.len() == before && rtype != RecordType::CNAME => {
                    answers.push(Record::from_rdata(name(&at), TTL, RData::CNAME(CNAME(target.clone()))));
                    at = canonical(&target.to_ascii());
                }
                _ => break,
            }
        }
        (ResponseCode::NoError, answers)
    }
}

/// Record data from plain values.
pub mod data {
    use super::{A, AAAA, CNAME, IpAddr, MX, NS, PTR, RData, SOA, SRV, TXT, name};

    /// An address.
    pub fn address(ip: IpAddr) -> RData {
        match ip {
            IpAddr::V4(v4) => RData::A(A(v4)),
            IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
        }
    }

    /// A mail exchanger; an empty host is the null MX.
    pub fn mx(preference: u16, host: &str) -> RData {
        RData::MX(MX::new(preference, name(host)))
    }

    /// A name server.
    pub fn ns(host: &str) -> RData {
        RData::NS(NS(name(host)))
    }

    /// An alias.
    pub fn cname(target: &str) -> RData {
        RData::CNAME(CNAME(name(target)))
    }

    /// A reverse name.
    pub fn ptr(host: &str) -> RData {
        RData::PTR(PTR(name(host)))
    }

    /// A start of authority.
    pub fn soa(primary: &str) -> RData {
        RData::SOA(SOA::new(name(primary), name(&format!("hostmaster.{primary}")), 1, 3600, 600, 86_400, 300))
    }

    /// A text.
    pub fn txt(text: &str) -> RData {
        RData::TXT(TXT::new(vec![text.to_owned()]))
    }

    /// A service.
    pub fn srv(port: u16, host: &str) -> RData {
        RData::SRV(SRV::new(0, 1, port, name(host)))
    }
}

/// The zone store, shared by servers and by those who change it while they run.
pub type Shared = Arc<Mutex<Zones>>;

/// Serves a view on UDP and TCP until the set is dropped.
///
/// # Errors
/// Where the address cannot be used.
pub async fn serve(zones: Shared, view: View, on: SocketAddr, tasks: &mut JoinSet<()>) -> io::Result<()> {
    let udp = Arc::new(UdpSocket::bind(on).await?);
    let tcp = TcpListener::bind(on).await?;
    let store = zones.clone();
    tasks.spawn(async move {
        let mut buffer = [0_u8; 4096];
        loop {
            let Ok((length, from)) = udp.recv_from(&mut buffer).await else {
                continue;
            };
            let (udp, store) = (udp.clone(), store.clone());
            let question = buffer.get(..length).unwrap_or_default().to_vec();
            tokio::spawn(async move {
                if let Some(answer) = reply(&store, view, &question, true).await {
                    let _ = udp.send_to(&answer, from).await;
                }
            });
        }
    });
    tasks.spawn(async move {
        let slots = Arc::new(Semaphore::new(MAX_TCP));
        while let Ok(slot) = slots.clone().acquire_owned().await {
            let Ok((mut stream, _)) = tcp.accept().await else {
                continue;
            };
            let zones = zones.clone();
            tokio::spawn(async move {
                let _slot = slot;
                let talk = async {
                    loop {
                        let length = tokio::time::timeout(TCP_IDLE, stream.read_u16()).await.ok()?.ok()?;
                        let mut question = vec![0; usize::from(length)];
                        tokio::time::timeout(TCP_IDLE, stream.read_exact(&mut question)).await.ok()?.ok()?;
                        let answer = reply(&zones, view, &question, false).await?;
                        let framed = [&u16::try_from(answer.len()).ok()?.to_be_bytes(), answer.as_slice()].concat();
                        stream.write_all(&framed).await.ok()?;
                    }
                };
                let _: Option<()> = talk.await;
            });
        }
    });
    Ok(())
}

/// The answer to a message; `None` where there is to be none.
async fn reply(zones: &Shared, view: View, octets: &[u8], udp: bool) -> Option<Vec<u8>> {
    let question = Message::from_vec(octets).ok()?;
    if question.metadata.message_type != MessageType::Query {
        return None;
    }
    let query = question.queries.first()?.clone();
    let owner = canonical(&query.name().to_ascii());
    let (fault, (code, answers)) = {
        let zones = zones.lock().unwrap_or_else(PoisonError::into_inner);
        (zones.fault(view, &owner), zones.answer(view, &owner, query.query_type()))
    };
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.metadata.recursion_desired = question.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    message.metadata.response_code = code;
    message.add_query(query);
    match fault {
        Some(Fault::Silent) => return None,
        Some(Fault::Garbage) => return Some(b"this is no DNS message".to_vec()),
        Some(Fault::Code(code)) => message.metadata.response_code = code,
        late => {
            if let Some(Fault::Late(delay)) = late {
                tokio::time::sleep(delay).await;
            }
            message.add_answers(answers);
        }
    }
    let payload = question.edns.as_ref().map_or(512, |edns| usize::from(edns.max_payload()).clamp(512, 4096));
    if question.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        message.set_edns(edns);
    }
    let octets = message.to_vec().ok()?;
    if udp && octets.len() > payload {
        message.answers.clear();
        message.metadata.truncation = true;
        return message.to_vec().ok();
    }
    Some(octets)
}

/// How the receiver asks its resolver: as a libc does, one server, a few tries, each with its time-out.
#[derive(Debug, Clone, Copy)]
pub struct Stub {
    /// The resolver.
    pub server: SocketAddr,
    /// How long each try waits.
    pub wait: Duration,
    /// How many tries.
    pub tries: u32,
}

impl Stub {
    /// The addresses or names that a question gives; `None` where nothing was answered.
    pub async fn ask(&self, owner: &str, rtype: RecordType) -> Option<Vec<RData>> {
        let socket = UdpSocket::bind(if self.server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await.ok()?;
        socket.connect(self.server).await.ok()?;
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(hickory_proto::op::Query::query(name(owner), rtype));
        let octets = message.to_vec().ok()?;
        let mut buffer = [0_u8; 4096];
        for _ in 0..self.tries {
            socket.send(&octets).await.ok()?;
            if let Ok(Ok(length)) = tokio::time::timeout(self.wait, socket.recv(&mut buffer)).await
                && let Ok(answer) = Message::from_vec(buffer.get(..length).unwrap_or_default())
                && answer.metadata.id == message.metadata.id
            {
                return Some(answer.answers.into_iter().map(|r| r.data).collect());
            }
        }
        None
    }

    /// The IPv4 addresses of a name.
    pub async fn addresses(&self, owner: &str) -> Option<Vec<Ipv4Addr>> {
        let records = self.ask(owner, RecordType::A).await?;
        Some(records.into_iter().filter_map(|data| if let RData::A(a) = data { Some(a.0) } else { None }).collect())
    }
}
