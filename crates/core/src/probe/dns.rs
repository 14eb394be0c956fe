//! What is asked of the DNS: the domain's records, the addresses of its hosts, reverse names, blacklists.

use std::net::IpAddr;
use std::time::Duration;

use futures::future::{join, join_all};
use maildoctor_wire::rdns;
use tokio::time::timeout;

use super::Context;
use crate::questions::autoconfig::{SENDING, targets};
use crate::questions::dns::walk::Unchecked;
use crate::questions::dns::{Addresses, Dns, DnsWire, RecordType, Records, ReverseNames, Via};
use crate::subject::{Addr, Domain, Host};
use crate::vantage::{Asking, DNS_LIMIT};

/// The most MX hosts whose addresses are asked for; RFC 5321 knows no limit, and hostile zones no shame.
pub const MAX_MX_HOSTS: usize = 20;

/// The most addresses of one host that are tried.
pub const MAX_ADDRESSES: usize = 16;

/// How long a resolver may take to say who serves the root: most know it by heart.
const CONTROL_LIMIT: Duration = Duration::from_secs(3);

/// When a resolver that has not answered yet is asked that as well: both waits end together.
const CONTROL_FROM: Duration = DNS_LIMIT.saturating_sub(CONTROL_LIMIT);

/// A host that takes mail for the domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanger {
    /// Its preference; `None` for the implicit MX.
    pub preference: Option<u16>,
    /// Its name.
    pub host: String,
}

/// The exchangers of a domain as one server sees them; the domain itself where it has no MX (RFC 5321
/// section 5.1). Empty for a null MX, or where nothing usable was answered.
pub async fn exchangers(context: &Context, domain: &str, via: Via) -> Vec<Exchanger> {
    let (question, on) = (Records { rtype: RecordType::Mx, via }, Domain::new(domain));
    let asked = context.lookup(&question, &on, via, domain, RecordType::Mx);
    let view = if via == Via::Own { controlled(context, asked).await } else { Dns { wire: asked.await } };
    if view.rcode() == Some("SERVFAIL") {
        unchecked(context, domain, via).await;
    }
    let Some(answer) = view.definite() else {
        return Vec::new();
    };
    let mut found: Vec<Exchanger> = Vec::new();
    for (preference, host) in answer.mx() {
        let host = Host::new(host).as_str().to_owned();
        if !host.is_empty() && !found.iter().any(|e| e.host == host) {
            found.push(Exchanger { preference: Some(preference), host });
        }
    }
    if answer.mx().is_empty() && !answer.nxdomain {
        found.push(Exchanger { preference: None, host: domain.to_owned() });
    }
    found.truncate(MAX_MX_HOSTS);
    found
}

/// The same question with the CD bit, to a resolver that failed: an answer then means that validation is what fails. Whether it
/// fails for the root as well tells the domain's fault from the resolver's.
async fn unchecked(context: &Context, domain: &str, via: Via) {
    let rtype = RecordType::Mx;
    let asking = Asking { unchecked: true, ..Asking::default() };
    let (question, on) = (Unchecked { rtype, via }, Domain::new(domain));
    join(context.lookup_as(&question, &on, via, domain, rtype, asking), control(context, via)).await;
}

/// An answer of the resolver here; where it is late or does not come, the resolver is asked the control question as well.
async fn controlled(context: &Context, asked: impl Future<Output = DnsWire>) -> Dns {
    let mut asked = std::pin::pin!(asked);
    match timeout(CONTROL_FROM, &mut asked).await {
        Ok(wire) => {
            let view = Dns { wire };
            if view.unanswered() {
                control(context, Via::Own).await;
            }
            view
        }
        Err(_) => Dns { wire: join(asked, control(context, Via::Own)).await.0 },
    }
}

/// A question that any resolver answers, to one that failed or was silent about the domain: it may only be waiting for servers
/// of the domain that are silent themselves.
async fn control(context: &Context, via: Via) {
    let rtype = RecordType::Soa;
    let asking = Asking { limit: CONTROL_LIMIT, ..Asking::default() };
    context.lookup_as(&Records { rtype, via }, &Domain::new("."), via, ".", rtype, asking).await;
}

/// The other records of the domain, for the report and for rules that compare resolvers.
pub async fn other_records(context: &Context, domain: &str, via: Via) {
    let types = [RecordType::A, RecordType::Aaaa, RecordType::Ns, RecordType::Soa, RecordType::Txt];
    some_records(context, domain, via, &types).await;
}

/// Records of some types of the domain.
pub async fn some_records(context: &Context, domain: &str, via: Via, types: &[RecordType]) {
    let on = Domain::new(domain);
    join_all(types.iter().map(|rtype| {
        let (on, rtype) = (&on, *rtype);
        async move { context.lookup(&Records { rtype, via }, on, via, domain, rtype).await }
    }))
    .await;
}

/// Where a host is.
#[derive(Debug, Default)]
pub struct Located {
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The name that it is an alias of, at the end of the chain.
    pub alias_of: Option<String>,
}

/// Both families of a host's addresses.
pub async fn addresses(context: &Context, host: &str, via: Via) -> Vec<IpAddr> {
    locate(context, host, via).await.addresses
}

/// Both families of a host's addresses, and whether it is an alias.
pub async fn locate(context: &Context, host: &str, via: Via) -> Located {
    if let Ok(ip) = host.parse::<IpAddr>() {
        // An MX that holds an address is a fault, and still shows where the mail was meant to go.
        return Located { addresses: vec![ip], alias_of: None };
    }
    let on = Host::new(host);
    let ask = |rtype| {
        let on = &on;
        async move { context.lookup(&Addresses { rtype, via }, on, via, host, rtype).await }
    };
    let (v4, v6) = join(ask(RecordType::A), ask(RecordType::Aaaa)).await;
    let mut found = Located::default();
    for wire in [v4, v6] {
        let view = Dns { wire };
        let Some(answer) = view.definite() else { continue };
        found.addresses.extend(answer.addresses().into_iter().take(MAX_ADDRESSES));
        found.alias_of = found.alias_of.or_else(|| answer.alias().map(str::to_owned));
    }
    found
}

/// The reverse name of an address, and whether it leads back.
pub async fn reverse(context: &Context, address: IpAddr) {
    let via = Via::Own;
    let name = rdns::ptr_name(address);
    let wire = context.lookup(&ReverseNames { via }, &Addr(address), via, &name, RecordType::Ptr).await;
    let view = Dns { wire };
    let names: Vec<String> =
        view.definite().map(|a| a.names().into_iter().take(4).map(str::to_owned).collect()).unwrap_or_default();
    join_all(names.iter().map(|name| addresses(context, name, via))).await;
}

/// The hosts that SRV records name for submission (RFC 6186, RFC 8314).
pub async fn submission_srv(context: &Context, domain: &str) -> Vec<(String, u16, bool)> {
    let via = Via::Own;
    let ask = |service: &'static str, implicit: bool| async move {
        let name = format!("{service}.{domain}");
        let question = Records { rtype: RecordType::Srv, via };
        let wire = context.lookup(&question, &Domain::new(&name), via, &name, RecordType::Srv).await;
        targets(&Dns { wire }).into_iter().map(|(host, port)| (host, port, implicit)).collect::<Vec<_>>()
    };
    let [plain, at_once] = SENDING;
    let (starttls, implicit) = join(ask(plain, false), ask(at_once, true)).await;
    [starttls, implicit].concat()
}
