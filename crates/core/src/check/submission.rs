//! Where the domain's users send: found by SRV records, by the usual names, or at the exchanger itself.

use std::net::{IpAddr, SocketAddr};

use futures::future::{join, join_all};

use super::MAX_WAYS;
use super::board::{Entry, Search};
use super::exchange::exchangers;
use super::look::Look;
use crate::probe::dns;
use crate::probe::envelope::mail_before_tls;
use crate::probe::session::{self, Way};
use crate::probe::submission::goodbye;
use crate::questions::dns::Via;
use crate::questions::smtp::Errand;
use crate::questions::tcp::Role;

/// Where the domain's users send: by SRV, by the usual names, or at the exchanger itself. Gives whether an SRV
/// record says that there is submission; `search` ends when the services are known.
pub(super) async fn submission_of(look: &Look<'_>, domain: &str, search: Search<'_>) -> bool {
    let context = look.context;
    if !context.options.wants("auth") && !context.options.wants("tls") {
        return false;
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
            let exchangers = exchangers(look, domain, Via::Own).await;
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
    visit_submission(look, ways, search).await;
    expected && !srv.is_empty()
}

/// Visits services for submission; `search` ends when each has its place on the board.
pub(super) async fn visit_submission(look: &Look<'_>, ways: Vec<Way>, search: Search<'_>) {
    let visits: Vec<_> = ways
        .into_iter()
        .take(MAX_WAYS)
        .map(|way| {
            let entry = look.board.enter(&way, None);
            visit(look, way, entry)
        })
        .collect();
    drop(search);
    join_all(visits).await;
}

/// One service: the session is kept for the account where it is wanted.
async fn visit(look: &Look<'_>, way: Way, entry: Entry<'_>) {
    let context = look.context;
    let Some(session) = session::first_visit(context, &way).await.session else {
        return;
    };
    let offers = session.offers_auth();
    let spare = if offers { entry.keep(&way, session) } else { Some(session) };
    entry.offers_auth(offers);
    let before_tls = async {
        if way.role == Role::Submission
            && let Some(mut plain) = session::later_visit(context, &way, Errand::BeforeTls, false).await
        {
            let sender = context.options.user.clone().filter(|u| u.contains('@')).unwrap_or_default();
            mail_before_tls(context, &way, &mut plain, &sender).await;
            plain.leave(context, &way).await;
        }
    };
    join(goodbye(context, &way, spare), before_tls).await;
}
