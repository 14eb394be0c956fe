//! Something between here and the Internet answers DNS in everybody's name: root servers seem to speak as resolvers do.

use crate::case::{Case, ObsId, Seen};
use crate::questions::dns::walk::Authoritative;
use crate::questions::dns::{Data, Dns, DnsResult};
use crate::subject::{Domain, Subject, VantageId};

/// The answers that came in the name of root servers and are none of theirs; empty where one is, or none came.
///
/// A root server is authoritative (AA) or refers downwards, and never offers recursion (RA).
pub(in super::super) fn intercepted(case: &Case, from: &VantageId) -> Vec<ObsId> {
    let root = Subject::from(Domain::new("."));
    let answers: Vec<_> = case
        .every::<Authoritative>()
        .filter(|seen| seen.observation().subject == root && seen.observation().vantage == *from)
        .filter(|seen| matches!(seen.wire.result, DnsResult::Answered { .. }))
        .collect();
    if answers.iter().all(|seen| speaks_as_a_resolver(seen)) {
        answers.iter().map(Seen::id).collect()
    } else {
        Vec::new()
    }
}

fn speaks_as_a_resolver(dns: &Dns) -> bool {
    matches!(dns.wire.result, DnsResult::Answered { aa: false, ra: true, .. })
}

/// Whether an answer denies a name without the SOA of a zone that would know (RFC 2308 section 2.1).
pub(in super::super) fn denied_by_nobody(dns: &Dns) -> bool {
    let DnsResult::Answered { rcode, authority, .. } = &dns.wire.result else { return false };
    rcode == "NXDOMAIN" && !authority.iter().any(|record| matches!(record.data, Data::Soa { .. }))
}
