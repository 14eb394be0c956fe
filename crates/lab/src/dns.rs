//! The lab's DNS: one zone store with several views, and names that misbehave on purpose.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TLSA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use crate::accept;
use crate::signing::{self, Signatures, ZoneKey};

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
    /// The root server: it delegates the domain, and knows no other name.
    Root,
    /// An authoritative server of the domain, 1 or 2. It says what the outside sees, but where told otherwise.
    Server(u8),
}

impl View {
    /// Whoever may be asked for the domain's records.
    const EVERYBODY: [View; 4] = [View::Here, View::Outside, View::Server(1), View::Server(2)];
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
    /// Its signatures do not fit: SERVFAIL, but for those who want no validation (CD).
    Bogus,
    /// It answers with octets that are no DNS message.
    Garbage,
    /// It is from before EDNS: FORMERR to whoever uses it (RFC 6891 section 7), an answer to everybody else.
    WithoutEdns,
}

/// Records and misbehaviour by name, for each view.
#[derive(Debug, Clone, Default)]
pub struct Zones {
    records: HashMap<(View, String), Vec<RData>>,
    faults: Vec<(View, String, Fault)>,
    without_tcp: HashSet<View>,
    ages: HashMap<(View, String), Instant>,
    keys: Option<Keys>,
    signatures: Signatures,
}

/// The keys of the two zones that the lab's own servers serve.
#[derive(Clone)]
struct Keys {
    root: Arc<ZoneKey>,
    /// None where the domain is not signed.
    domain: Option<Arc<ZoneKey>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

fn canonical(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

pub(crate) fn name(text: &str) -> Name {
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

    /// Gives an authoritative server records of its own at a name, in the place of what the outside sees.
    pub fn differ(&mut self, view: View, owner: &str, records: Vec<RData>) {
        self.records.insert((view, canonical(owner)), records);
    }

    /// The records at a name, as one view has them.
    pub fn at(&self, view: View, owner: &str) -> Vec<RData> {
        self.held(view, &canonical(owner)).cloned().unwrap_or_default()
    }

    /// Makes a view answer for a name out of its memory: the TTL counts down from now on.
    pub fn remember(&mut self, view: View, owner: &str) {
        self.ages.insert((view, canonical(owner)), Instant::now());
    }

    /// Signs the root and the domain.
    pub fn sign_with(&mut self, root: Arc<ZoneKey>, domain: Arc<ZoneKey>) {
        self.keys = Some(Keys { root, domain: Some(domain) });
    }

    /// Takes the domain out of the chain: no keys, no signatures, and no DS record in the root.
    pub fn leave_unsigned(&mut self) {
        self.remove(View::Root, crate::DOMAIN, RecordType::DS);
        for view in [View::Here, View::Outside] {
            self.remove(view, crate::DOMAIN, RecordType::DNSKEY);
        }
        if let Some(keys) = &mut self.keys {
            keys.domain = None;
        }
    }

    /// Whether the domain's signatures are good from now on.
    pub fn spoil_signatures(&mut self, signatures: Signatures) {
        self.signatures = signatures;
    }

    /// What was said, signed by the zone whose server says it.
    fn signed(&self, view: View, owner: &str, said: Said) -> Said {
        let Some(keys) = &self.keys else { return said };
        let (key, quality) = match view {
            View::Root => (Some(&keys.root), Signatures::Good),
            View::Server(_) => (keys.domain.as_ref(), self.signatures),
            View::Here | View::Outside => (None, Signatures::Good),
        };
        let Some(key) = key else { return said };
        let mut authority = said.authority;
        if said.authoritative && said.answers.is_empty() {
            let types = || self.held(view, owner).into_iter().flatten().map(RData::record_type).collect();
            let there = (said.code == ResponseCode::NoError).then(types);
            authority.extend(signing::denial(&name(owner), there, TTL));
        }
        if !said.authoritative && !authority.iter().any(|record| record.record_type() == RecordType::DS) {
            // A referral to a zone that nothing signs is proven to be one.
            authority.extend(signing::denial(&name(crate::DOMAIN), Some(vec![RecordType::NS]), TTL));
        }
        let answers = key.sign(said.answers, quality);
        Said { answers, authority: key.sign(authority, quality), ..said }
    }

    /// Makes a server drop every TCP connection.
    pub fn without_tcp(&mut self, view: View) {
        self.without_tcp.insert(view);
    }

    /// Makes a name, and all below it, misbehave at everybody who may be asked for it.
    pub fn break_below(&mut self, suffix: &str, fault: Fault) {
        for view in View::EVERYBODY {
            self.break_in(view, suffix, fault);
        }
    }

    fn held(&self, view: View, owner: &str) -> Option<&Vec<RData>> {
        let own = self.records.get(&(view, owner.to_owned()));
        match view {
            View::Server(_) => own.or_else(|| self.records.get(&(View::Outside, owner.to_owned()))),
            _ => own,
        }
    }

    fn ttl(&self, view: View, owner: &str) -> u32 {
        let age = self.ages.get(&(view, owner.to_owned())).map(Instant::elapsed).unwrap_or_default();
        TTL.saturating_sub(u32::try_from(age.as_secs()).unwrap_or(TTL))
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
            let Some(records) = self.held(view, &at) else {
                let below = format!(".{at}");
                let held = |v: View| v == view || (v == View::Outside && matches!(view, View::Server(_)));
                let exists = !answers.is_empty() || self.records.keys().any(|(v, n)| held(*v) && n.ends_with(&below));
                return (if exists { ResponseCode::NoError } else { ResponseCode::NXDomain }, answers);
            };
            let found = records.iter().filter(|data| data.record_type() == rtype);
            let before = answers.len();
            answers.extend(found.map(|data| Record::from_rdata(name(&at), self.ttl(view, &at), data.clone())));
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

    /// What a view says to a question.
    fn says(&self, view: View, owner: &str, rtype: RecordType) -> Said {
        let (code, answers) = match view {
            View::Root => return self.root_says(owner, rtype),
            View::Server(_) if !lies_in(owner, crate::DOMAIN) => (ResponseCode::Refused, Vec::new()),
            _ => self.answer(view, owner, rtype),
        };
        let authoritative = matches!(view, View::Server(_)) && code != ResponseCode::Refused;
        let mut authority = Vec::new();
        if authoritative && answers.is_empty() {
            let soa =
                self.held(view, crate::DOMAIN).into_iter().flatten().filter(|d| d.record_type() == RecordType::SOA);
            authority.extend(soa.map(|data| Record::from_rdata(name(crate::DOMAIN), TTL, data.clone())));
        }
        Said { code, authoritative, answers, authority, ..Said::default() }
    }

    /// The root: a referral to the domain's servers with their addresses, and nothing else.
    fn root_says(&self, owner: &str, rtype: RecordType) -> Said {
        let mut said = Said { code: ResponseCode::NoError, authoritative: false, ..Said::default() };
        let delegated = self.at(View::Root, crate::DOMAIN);
        let of_the_cut = owner == crate::DOMAIN && rtype == RecordType::DS;
        if owner.is_empty() || !lies_in(owner, crate::DOMAIN) || delegated.is_empty() || of_the_cut {
            let (code, answers) = self.answer(View::Root, owner, rtype);
            let negative =
                if answers.is_empty() { self.answer(View::Root, ".", RecordType::SOA).1 } else { Vec::new() };
            return Said { code, authoritative: true, answers, authority: negative, ..said };
        }
        for data in delegated {
            if let RData::NS(NS(host)) = &data {
                let glue = self.at(View::Root, &host.to_ascii());
                said.additional.extend(glue.into_iter().map(|data| Record::from_rdata(host.clone(), TTL, data)));
            }
            said.authority.push(Record::from_rdata(name(crate::DOMAIN), TTL, data));
        }
        said
    }
}

/// Whether a name is a zone's own or lies below it.
fn lies_in(owner: &str, zone: &str) -> bool {
    owner.strip_suffix(zone).is_some_and(|head| head.is_empty() || head.ends_with('.'))
}

/// What is said to a question.
#[derive(Default)]
struct Said {
    code: ResponseCode,
    authoritative: bool,
    answers: Vec<Record>,
    authority: Vec<Record>,
    additional: Vec<Record>,
    validated: bool,
}

/// Record data from plain values.
pub mod data {
    use super::{A, AAAA, CNAME, IpAddr, MX, NS, PTR, RData, SOA, SRV, TLSA, TXT, name};

    /// A TLSA record: usage, selector, matching type and data (RFC 6698 section 2.1).
    pub fn tlsa(usage: u8, selector: u8, matching: u8, data: Vec<u8>) -> RData {
        RData::TLSA(TLSA::new(usage.into(), selector.into(), matching.into(), data))
    }

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
        // A string of a TXT record holds 255 octets at most (RFC 1035 section 3.3); readers join them.
        let strings = text.as_bytes().chunks(255).map(|part| String::from_utf8_lossy(part).into_owned());
        RData::TXT(TXT::new(strings.collect()))
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
    accept::each(tcp, MAX_TCP, tasks, move |mut stream, _| {
        let zones = zones.clone();
        async move {
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
    let (fault, said) = {
        let zones = zones.lock().unwrap_or_else(PoisonError::into_inner);
        if !udp && zones.without_tcp.contains(&view) {
            return None;
        }
        let mut said = zones.says(view, &owner, query.query_type());
        if question.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok) {
            said = zones.signed(view, &owner, said);
        } else {
            said.authority.retain(|record| record.record_type() != RecordType::DS);
        }
        said.validated = zones.keys.as_ref().is_some_and(|keys| keys.domain.is_some())
            && matches!(view, View::Here | View::Outside)
            && lies_in(&owner, crate::DOMAIN);
        (zones.fault(view, &owner), said)
    };
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.metadata.recursion_desired = question.metadata.recursion_desired;
    message.metadata.recursion_available = matches!(view, View::Here | View::Outside);
    message.metadata.authoritative = said.authoritative;
    message.metadata.response_code = said.code;
    let wants_to_know = question.metadata.authentic_data || question.edns.as_ref().is_some_and(|e| e.flags().dnssec_ok);
    message.metadata.authentic_data = said.validated && wants_to_know && !question.metadata.checking_disabled;
    message.add_query(query);
    match fault {
        Some(Fault::Silent) => return None,
        Some(Fault::Bogus) if !question.metadata.checking_disabled => {
            message.metadata.response_code = ResponseCode::ServFail;
            message.metadata.authentic_data = false;
        }
        Some(Fault::WithoutEdns) if question.edns.is_some() => {
            // Such servers send back no more than the header.
            message.queries.clear();
            message.metadata.response_code = ResponseCode::FormErr;
            return message.to_vec().ok();
        }
        Some(Fault::Garbage) => return Some(b"this is no DNS message".to_vec()),
        Some(Fault::Code(code)) => {
            message.metadata.response_code = code;
            message.metadata.authoritative = false;
            message.metadata.authentic_data = false;
        }
        late => {
            if let Some(Fault::Late(delay)) = late {
                tokio::time::sleep(delay).await;
            }
            message.add_answers(said.answers);
            message.add_authorities(said.authority);
            message.add_additionals(said.additional);
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
        message.authorities.clear();
        message.additionals.clear();
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
    /// How long a question waits at most: each try to its end.
    pub fn longest(&self) -> Duration {
        self.wait.saturating_mul(self.tries)
    }

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
