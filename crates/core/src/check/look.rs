//! One look from one vantage: which services there are, each visited at once, and what builds on them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::{join, join_all, join3, join4};

use super::account::{account_tests, tries_account};
use super::board::{Board, Search};
use super::exchange::{Known, blacklists, exchange_host, exchange_service, exchangers, promises};
use super::submission::{submission_of, visit_submission};
use super::{nobody, outbound};
use crate::probe::dns::{self, Located};
use crate::probe::envelope::Envelope;
use crate::probe::session::{self, Way};
use crate::probe::{Context, autoconfig, blacklist, records, token};
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

/// What the parts of one look share.
pub(super) struct Look<'a> {
    pub context: &'a Context,
    pub envelope: Envelope,
    pub board: Board,
    pub known: Known,
}

/// Looks at the target. The first vantage is the one that sends, logs in and asks blacklists.
pub(super) async fn look(context: &Arc<Context>, target: &Target, first: bool) -> Outcome {
    let options = &context.options;
    if let (Some(outbound), Target::Address { address, domain }) = (&options.outbound, target) {
        if first {
            outbound::look(context, outbound, address, domain).await;
        }
        return Outcome::default();
    }
    if let Some(text) = options.token.as_ref().filter(|_| first) {
        token::read(context, text, options.user.as_deref(), options.login.as_ref());
    }
    let domain = target.domain().or(options.domain.as_deref()).map(str::to_owned);
    let look = Look {
        context,
        envelope: Plan::new(context, target, domain.as_deref()).envelope(),
        board: Board::new(first && tries_account(options)),
        known: Known::default(),
    };
    // What builds on the services may not take an empty board for the whole of it.
    let searches = (look.board.search(Role::Smtp), look.board.search(Role::Submission));
    let services = services(&look, target, searches);
    let records = async {
        if let Some(domain) = domain.as_deref().filter(|_| first && options.wants("records")) {
            records::look(context, domain).await;
        }
    };
    let lists = async {
        if let Some(domain) = domain.as_deref().filter(|_| first && options.wants("reputation")) {
            join_all(options.dnsbl.iter().map(|zone| blacklist::domain(context, zone, domain))).await;
        }
    };
    let account = async {
        if first {
            account_tests(&look).await;
            if let Some(domain) = domain.as_deref().filter(|_| options.wants("records")) {
                records::follow_arrivals(context, domain).await;
            }
        }
    };
    // Boxed: the parts of a look are large, and a debug build would have them all on its stack.
    let announced = async {
        if let Some(domain) = target.domain().filter(|_| first && options.wants("dns")) {
            // A mailbox that is read is the better proof, and its service is visited as such.
            autoconfig::look(context, domain, options.mailbox.is_none()).await;
        }
    };
    let besides = join4(control(context), lists, records, announced);
    join3(Box::pin(services), Box::pin(account), Box::pin(besides)).await.0
}

/// All services that belong to the target, each visited.
async fn services(look: &Look<'_>, target: &Target, (exchangers, submission): (Search<'_>, Search<'_>)) -> Outcome {
    match target {
        Target::Domain(name) | Target::Address { domain: name, .. } => {
            let all = whole_domain(look, name, matches!(target, Target::Domain(_)), exchangers);
            let (is_host, submission_expected) = join(all, submission_of(look, name, submission)).await;
            return Outcome { is_host, submission_expected };
        }
        Target::Host { host, role, port } => {
            one_host(look, host, Some(host), (*role, *port), (exchangers, submission)).await;
        }
        Target::Ip { ip, role, port } => {
            one_host(look, &ip.to_string(), None, (*role, *port), (exchangers, submission)).await;
        }
    }
    Outcome::default()
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
pub(super) async fn control(context: &Context) {
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

/// The domain's records by every resolver, and every exchanger that any of them names. Gives whether the name is
/// a host that its parent's MX names, and that has no MX of its own.
async fn whole_domain(look: &Look<'_>, domain: &str, may_be_host: bool, search: Search<'_>) -> bool {
    let context = look.context;
    let views: Vec<_> = std::iter::once(Via::Own)
        .chain(context.options.foreign_resolvers.iter().map(|addr| Via::Foreign(*addr)))
        .map(|via| by_view(look, domain, via, look.board.search(Role::Smtp)))
        .collect();
    drop(search);
    let parent = async {
        match domain.split_once('.').filter(|(_, parent)| may_be_host && parent.contains('.')) {
            Some((_, parent)) => dns::exchangers(context, parent, Via::Own)
                .await
                .iter()
                .any(|e| e.preference.is_some() && e.host == domain),
            None => false,
        }
    };
    let (has_mx, named_by_parent) = join(join_all(views), parent).await;
    named_by_parent && !has_mx.contains(&true)
}

/// The same by one resolver. Gives whether an MX record led to a service.
async fn by_view(look: &Look<'_>, domain: &str, via: Via, search: Search<'_>) -> bool {
    let context = look.context;
    let visited = async {
        let found = exchangers(look, domain, via).await;
        let hosts: Vec<_> =
            found.iter().map(|exchanger| exchange_host(look, exchanger, via, look.board.search(Role::Smtp))).collect();
        drop(search);
        join_all(hosts).await;
        found.iter().any(|exchanger| exchanger.preference.is_some())
    };
    join(visited, dns::other_records(context, domain, via)).await.0
}

/// A named host or an address: its one service, and submission there where an account was given.
async fn one_host(
    look: &Look<'_>,
    host: &str,
    name: Option<&String>,
    (role, port): (Role, Option<u16>),
    (exchangers, submission): (Search<'_>, Search<'_>),
) {
    let context = look.context;
    // What the resolvers out there say tells a fault of the resolver here from one of the name.
    let elsewhere = join_all(
        context.options.foreign_resolvers.iter().map(|addr| dns::addresses(context, host, Via::Foreign(*addr))),
    );
    let visits = one_host_visited(look, host, name, (role, port), (exchangers, submission));
    join(visits, elsewhere).await;
}

async fn one_host_visited(
    look: &Look<'_>,
    host: &str,
    name: Option<&String>,
    (role, port): (Role, Option<u16>),
    (exchangers, submission): (Search<'_>, Search<'_>),
) {
    let context = look.context;
    let Located { addresses, alias_of } = dns::locate(context, host, Via::Own).await;
    let ports = &context.options.ports;
    let way = |ip: IpAddr, role: Role, port: Option<u16>| Way {
        service: SocketAddr::new(ip, port.unwrap_or_else(|| ports.of(role))),
        host: name.cloned(),
        role,
        expected: true,
    };
    let reverse = join_all(addresses.iter().map(|ip| dns::reverse(context, *ip)));
    if role == Role::Smtp {
        let exchange: Vec<_> = addresses
            .iter()
            .map(|ip| {
                let way = way(*ip, role, port);
                let service = way.service;
                let entry = look.board.enter(&way, None);
                join(exchange_service(look, way, entry), blacklists(look, service))
            })
            .collect();
        drop(exchangers);
        let wanted = context.options.user.is_some();
        let ways = addresses
            .iter()
            .filter(|_| wanted)
            .flat_map(|ip| [Role::Submission, Role::Smtps].map(|r| way(*ip, r, None)))
            .collect();
        let promised = async {
            if let Some(host) = name {
                promises(look, host, alias_of.as_deref()).await;
            }
        };
        let besides = join(reverse, promised);
        join3(join_all(exchange), visit_submission(look, ways, submission), besides).await;
        return;
    }
    drop(exchangers);
    let ways = addresses.iter().map(|ip| way(*ip, role, port)).collect();
    join(visit_submission(look, ways, submission), reverse).await;
}
