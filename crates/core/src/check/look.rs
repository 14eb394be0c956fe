//! One look from one vantage: which services there are, each visited at once, and what builds on them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::{join, join_all, join3};

use super::account::account_tests;
use super::exchange::{Known, blacklists, exchange_host, exchange_service};
use super::submission::{submission_of, visit_submission};
use super::{Visited, nobody};
use crate::probe::dns;
use crate::probe::envelope::Envelope;
use crate::probe::session::{self, Way};
use crate::probe::{Context, blacklist, records, token};
use crate::questions::dns::Via;
use crate::questions::tcp::Role;
use crate::target::Target;

/// What the caller needs to know of a look.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The name that was given as a domain is a host that its parent's MX names.
    pub is_host: bool,
    /// An SRV record says that there is submission.
    pub submission_expected: bool,
}

/// Looks at the target. The first vantage is the one that sends, logs in and asks blacklists.
pub(super) async fn look(context: &Arc<Context>, target: &Target, first: bool) -> Outcome {
    let mut out = Outcome::default();
    let options = &context.options;
    if let Some(text) = options.token.as_ref().filter(|_| first) {
        token::read(context, text, options.user.as_deref(), options.login.as_ref());
    }
    let domain = target.domain().or(options.domain.as_deref()).map(str::to_owned);
    let envelope = Plan::new(context, target, domain.as_deref()).envelope();
    let control = control(context);
    let policies = async {
        if let Some(domain) = domain.as_deref().filter(|_| first && options.wants("records")) {
            records::look(context, domain).await;
        }
    };
    let lists = async {
        if let Some(domain) = domain.as_deref().filter(|_| first && options.wants("reputation")) {
            join_all(options.dnsbl.iter().map(|zone| blacklist::domain(context, zone, domain))).await;
        }
    };
    let control = async { join3(control, policies, lists).await.0 };
    let (exchange, submitted, ()) = match target {
        Target::Domain(name) | Target::Address { domain: name, .. } => {
            let all = whole_domain(context, name, &envelope, matches!(target, Target::Domain(_)));
            let ((exchange, is_host), (submitted, srv), ()) = join3(all, submission_of(context, name), control).await;
            out.is_host = is_host;
            out.submission_expected = srv;
            (exchange, submitted, ())
        }
        Target::Host { host, role, port } => {
            let ((exchange, submitted), ()) =
                join(one_host(context, host, Some(host), *role, *port, &envelope), control).await;
            (exchange, submitted, ())
        }
        Target::Ip { ip, role, port } => {
            let ((exchange, submitted), ()) =
                join(one_host(context, &ip.to_string(), None, *role, *port, &envelope), control).await;
            (exchange, submitted, ())
        }
    };
    if first {
        account_tests(context, &envelope, exchange, submitted).await;
        if let Some(domain) = domain.as_deref().filter(|_| options.wants("records")) {
            records::follow_arrivals(context, domain).await;
        }
    }
    out
}

/// What the envelope is made of.
struct Plan {
    target: Option<String>,
    domain: Option<String>,
    sender: Option<String>,
    relay: Option<String>,
}

impl Plan {
    fn new(context: &Context, target: &Target, domain: Option<&str>) -> Self {
        let options = &context.options;
        let address = match target {
            Target::Address { address, .. } => Some(address.clone()),
            _ => None,
        };
        let user = options.user.clone().filter(|u| u.contains('@'));
        // What is sent must turn up in the mailbox that is watched: it goes to that mailbox's owner.
        let owner = options.mailbox_login.as_ref().map(|login| login.user.clone()).filter(|u| u.contains('@'));
        let watched = options.mailbox.as_ref().and_then(|_| owner.or_else(|| user.clone()));
        let sender = options.mail_from.clone().or_else(|| user.clone());
        let default_relay = options
            .mail_from
            .as_deref()
            .and_then(|f| f.rsplit_once('@'))
            .map(|(_, d)| d)
            .filter(|d| Some(*d) != domain);
        Self {
            target: options.rcpt.clone().or(address).or(watched).or_else(|| domain.map(|d| format!("postmaster@{d}"))),
            domain: domain.map(str::to_owned),
            sender,
            relay: options.relay_rcpt.clone().or_else(|| default_relay.map(|d| format!("{}@{d}", nobody()))),
        }
    }

    fn envelope(self) -> Envelope {
        Envelope {
            target: self.target,
            domain: self.domain,
            sender: self.sender,
            relay: self.relay,
            nobody: nobody(),
            authenticated: false,
        }
    }
}

/// A server known to be up, asked whether our way out is open at all.
async fn control(context: &Context) {
    let Some(host) = &context.options.control_mx else {
        return;
    };
    let port = context.options.ports.of(Role::Smtp);
    let addresses = dns::addresses(context, host, Via::Own).await;
    join_all(addresses.into_iter().take(2).map(|ip| async move {
        let way =
            Way { service: SocketAddr::new(ip, port), host: Some(host.clone()), role: Role::Control, expected: true };
        session::knock(context, &way).await
    }))
    .await;
}

/// The domain's records by every resolver, and every exchanger that any of them names.
async fn whole_domain(context: &Context, domain: &str, envelope: &Envelope, may_be_host: bool) -> (Vec<Visited>, bool) {
    let known = Known::default();
    let views =
        std::iter::once(Via::Own).chain(context.options.foreign_resolvers.iter().map(|addr| Via::Foreign(*addr)));
    let by_view = join_all(views.map(|via| {
        let known = &known;
        async move {
            let exchangers = async {
                let found = dns::exchangers(context, domain, via).await;
                join_all(found.iter().map(|exchanger| exchange_host(context, exchanger, via, envelope, known)))
                    .await
                    .concat()
            };
            join(exchangers, dns::other_records(context, domain, via)).await.0
        }
    }));
    let parent = async {
        match domain.split_once('.').filter(|(_, parent)| may_be_host && parent.contains('.')) {
            Some((_, parent)) => dns::exchangers(context, parent, Via::Own)
                .await
                .iter()
                .any(|e| e.preference.is_some() && e.host == domain),
            None => false,
        }
    };
    let (visited, named_by_parent) = join(by_view, parent).await;
    let visited = visited.concat();
    // A host that its parent's MX names, and that has no MX of its own.
    let is_host = named_by_parent && visited.iter().all(|v| v.preference.is_none());
    (visited, is_host)
}

/// A named host or an address: its one service, and submission there where an account was given.
async fn one_host(
    context: &Context,
    host: &str,
    name: Option<&String>,
    role: Role,
    port: Option<u16>,
    envelope: &Envelope,
) -> (Vec<Visited>, Vec<Visited>) {
    let addresses = dns::addresses(context, host, Via::Own).await;
    let ports = &context.options.ports;
    let way = |ip: IpAddr, role: Role, port: Option<u16>| Way {
        service: SocketAddr::new(ip, port.unwrap_or_else(|| ports.of(role))),
        host: name.cloned(),
        role,
        expected: true,
    };
    let reverse = join_all(addresses.iter().map(|ip| dns::reverse(context, *ip)));
    if role == Role::Smtp {
        let known = Known::default();
        let exchange =
            join_all(
                addresses.iter().map(|ip| {
                    let (way, known) = (way(*ip, role, port), &known);
                    let service = way.service;
                    async move {
                        join(exchange_service(context, way, envelope), blacklists(context, service, known)).await.0
                    }
                }),
            );
        let submit = async {
            let wanted = context.options.user.is_some();
            let ways = addresses
                .iter()
                .filter(|_| wanted)
                .flat_map(|ip| [Role::Submission, Role::Smtps].map(|r| way(*ip, r, None)))
                .collect();
            visit_submission(context, ways).await
        };
        let (exchange, submitted, _) = join3(exchange, submit, reverse).await;
        return (exchange, submitted);
    }
    let ways = addresses.iter().map(|ip| way(*ip, role, port)).collect();
    let (submitted, _) = join(visit_submission(context, ways), reverse).await;
    (Vec::new(), submitted)
}
