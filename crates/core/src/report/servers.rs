//! The servers that were met, and what each showed of itself.

use super::model::Server;
use crate::case::Case;
use crate::questions::smtp::{FIRST, capabilities, software};
use crate::questions::tcp::{Connect, Role};
use crate::questions::tls::Handshake;
use crate::subject::{Kind, Service};

/// Every SMTP service that took a connection, once, as the first place saw it that reached it.
pub(super) fn servers(case: &Case) -> Vec<Server> {
    let mut out: Vec<(Role, Server)> = Vec::new();
    for seen in case.every::<Connect>() {
        let subject = &seen.observation().subject;
        let Some(service) = Service::of(subject).filter(|_| seen.role.speaks_smtp() && seen.open().is_some()) else {
            continue;
        };
        if out.iter().any(|(_, s)| s.subject == *subject) {
            continue;
        }
        let from = &seen.observation().vantage;
        let known = software(case, service);
        let banner = case.ask(&FIRST, service, from).ok().filter(|b| b.reply().is_some());
        let tls = case.ask(&Handshake, service, from).ok();
        let offers = capabilities(case, service, from).ok();
        let server = Server {
            subject: subject.clone(),
            role: seen.role.name().to_owned(),
            vantage: from.0.clone(),
            host: seen.host.clone(),
            software: known.as_ref().map(|k| k.software.clone()),
            percent: known.map(|k| k.percent),
            banner_ms: banner.map(|b| b.wire.exchange.wait_ms()),
            tls: tls.as_ref().and_then(|t| t.version()).map(str::to_owned),
            certificate_until: tls.as_ref().and_then(|t| t.leaf()).map(|leaf| leaf.not_after.to_string()),
            mechanisms: offers.iter().flat_map(|(_, c)| c.mechanisms()).map(str::to_owned).collect(),
        };
        out.push((seen.role, server));
    }
    // Exchangers before submission, as people think of them.
    out.sort_by_key(|(role, _)| *role);
    out.into_iter().map(|(_, server)| server).collect()
}
