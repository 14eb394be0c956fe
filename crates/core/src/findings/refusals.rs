//! The replies by which servers turn us away, from the banner to RCPT, for causes that they name.

use std::net::IpAddr;

use maildoctor_wire::dialogue::Phase;
use maildoctor_wire::reply::Reply;

use super::{Basis, Finding, Share};
use crate::case::{Case, ObsId, Observation, subject_of};
use crate::questions::smtp::{Banner, Ehlo, Helo, Mail, Rcpt};
use crate::subject::Service;

/// A reply that turns us away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Who says it.
    pub(super) service: Service,
    /// Where it is said.
    pub(super) id: ObsId,
}

/// The refusals whose words fit.
pub(super) fn refusals(case: &Case, fits: impl Fn(Phase, &Reply) -> bool) -> Vec<Refusal> {
    let mut out = Vec::new();
    let mut take = |phase: Phase, reply: Option<&Reply>, observation: &Observation| {
        let refused = reply.filter(|reply| matches!(reply.class(), 4 | 5) && fits(phase, reply));
        let service = subject_of::<Service>(observation).filter(|_| refused.is_some());
        out.extend(service.map(|service| Refusal { service: *service, id: observation.id }));
    };
    case.every::<Banner>().for_each(|seen| take(Phase::Banner, seen.reply(), seen.observation()));
    case.every::<Ehlo>().for_each(|seen| take(Phase::Ehlo, seen.reply(), seen.observation()));
    case.every::<Helo>().for_each(|seen| take(Phase::Ehlo, seen.reply(), seen.observation()));
    case.every::<Mail>().for_each(|seen| take(Phase::Mail, seen.reply(), seen.observation()));
    case.every::<Rcpt>().for_each(|seen| take(Phase::Rcpt, seen.reply(), seen.observation()));
    out
}

/// The same, of servers that saw this address: an IPv4 address is not what a server on IPv6 saw.
pub(super) fn refusals_of(case: &Case, address: IpAddr, fits: impl Fn(Phase, &Reply) -> bool) -> Vec<Refusal> {
    let same = |refusal: &Refusal| refusal.service.0.is_ipv4() == address.is_ipv4();
    refusals(case, fits).into_iter().filter(same).collect()
}

/// Claims refusals: the servers themselves say that this is their reason.
pub(super) fn lay_on(finding: &mut Finding, refusals: Vec<Refusal>) {
    for Refusal { service, id } in refusals {
        finding.also(service).claims(id, Share::Whole, Basis::ServerSaid);
    }
}
