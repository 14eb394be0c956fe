//! Where the domain's users send: found by SRV records, by the usual names, or at the exchanger itself.

use std::net::{IpAddr, SocketAddr};

use futures::future::{join, join_all};

use super::{MAX_WAYS, Visited};
use crate::probe::Context;
use crate::probe::dns;
use crate::probe::envelope::mail_before_tls;
use crate::probe::session::{self, Way};
use crate::questions::dns::Via;
use crate::questions::tcp::Role;

/// Where the domain's users send: by SRV, by the usual names, or at the exchanger itself.
pub(super) async fn submission_of(context: &Context, domain: &str) -> (Vec<Visited>, bool) {
    if !context.options.wants("auth") && !context.options.wants("tls") {
        return (Vec::new(), false);
    }
    let names = [format!("smtp.{domain}"), format!("mail.{domain}")];
    let usual =
        join_all(names.iter().map(|name| async move { (name.clone(), dns::addresses(context, name, Via::Own).await) }));
    let (srv, usual) = join(dns::submission_srv(context, domain), usual).await;
    let expected = context.options.user.is_some() || !srv.is_empty();
    let ports = &context.options.ports;
    let mut ways: Vec<Way> = Vec::new();
    for (host, port, implicit) in &srv {
        let role = if *implicit { Role::Smtps } else { Role::Submission };
        let addresses = dns::addresses(context, host, Via::Own).await;
        ways.extend(addresses.into_iter().take(4).map(|ip| Way {
            service: SocketAddr::new(ip, *port),
            host: Some(host.clone()),
            role,
            expected,
        }));
    }
    if ways.is_empty() {
        let mut hosts: Vec<(String, Vec<IpAddr>)> =
            usual.into_iter().filter(|(_, addresses)| !addresses.is_empty()).take(1).collect();
        if hosts.is_empty() {
            let exchangers = dns::exchangers(context, domain, Via::Own).await;
            for exchanger in exchangers.into_iter().take(1) {
                let addresses = dns::addresses(context, &exchanger.host, Via::Own).await;
                hosts.push((exchanger.host, addresses));
            }
        }
        for (host, addresses) in hosts {
            for ip in addresses.into_iter().take(4) {
                for role in [Role::Submission, Role::Smtps] {
                    ways.push(Way {
                        service: SocketAddr::new(ip, ports.of(role)),
                        host: Some(host.clone()),
                        role,
                        expected,
                    });
                }
            }
        }
    }
    (visit_submission(context, ways).await, expected && !srv.is_empty())
}

pub(super) async fn visit_submission(context: &Context, ways: Vec<Way>) -> Vec<Visited> {
    join_all(ways.into_iter().take(MAX_WAYS).map(|way| async move {
        let visit = session::first_visit(context, &way).await;
        let mut visited = Visited { way: way.clone(), preference: None, offers_auth: false, took_target: false };
        if let Some(session) = visit.session {
            visited.offers_auth = session.capabilities.as_ref().is_some_and(|c| !c.mechanisms().is_empty());
            session.talk.quit().await;
            if way.role == Role::Submission
                && let Some(mut plain) = session::later_visit(context, &way, false).await
            {
                let sender = context.options.user.clone().filter(|u| u.contains('@')).unwrap_or_default();
                mail_before_tls(context, &way, &mut plain, &sender).await;
                plain.talk.quit().await;
            }
        }
        visited
    }))
    .await
}
