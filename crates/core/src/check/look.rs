//! One look from one vantage: which services there are, each visited at once, and what builds on them.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{join, join_all, join3};

use crate::chance;
use crate::options::{Login, MailboxSpec};
use crate::probe::dns::{self, Exchanger};
use crate::probe::envelope::{Envelope, mail_before_tls};
use crate::probe::mailbox::{self, Watch};
use crate::probe::message::{self, Sent};
use crate::probe::session::{self, SECOND_VISIT_FROM, Way};
use crate::probe::{Context, submission, token};
use crate::questions::dns::Via;
use crate::questions::smtp::{Credentials, Path};
use crate::questions::tcp::Role;
use crate::subject::Account;
use crate::target::Target;

/// The most services of one role that are visited.
const MAX_WAYS: usize = 32;

/// What the caller needs to know of a look.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The name that was given as a domain is a host that its parent's MX names.
    pub is_host: bool,
    /// An SRV record says that there is submission.
    pub submission_expected: bool,
}

/// What a visit found that later steps build on.
#[derive(Debug, Clone)]
struct Visited {
    way: Way,
    preference: Option<u16>,
    offers_auth: bool,
    took_target: bool,
}

/// What was visited and asked already: two resolvers may lead to the same server.
#[derive(Default)]
struct Known {
    ways: Mutex<BTreeSet<SocketAddr>>,
    listed: Mutex<BTreeSet<IpAddr>>,
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

/// A local part that nobody has.
fn nobody() -> String {
    format!("maildoctor-{:016x}", chance::number())
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

/// The addresses of an exchanger, each visited unless it was before.
async fn exchange_host(
    context: &Context,
    exchanger: &Exchanger,
    via: Via,
    envelope: &Envelope,
    known: &Known,
) -> Vec<Visited> {
    let addresses = dns::addresses(context, &exchanger.host, via).await;
    let port = context.options.ports.of(Role::Smtp);
    let new: Vec<IpAddr> = {
        let mut visited = known.ways.lock().unwrap_or_else(PoisonError::into_inner);
        addresses
            .into_iter()
            .filter(|ip| visited.len() < MAX_WAYS && visited.insert(SocketAddr::new(*ip, port)))
            .collect()
    };
    join_all(new.into_iter().map(|ip| async move {
        let way = Way {
            service: SocketAddr::new(ip, port),
            host: Some(exchanger.host.clone()),
            role: Role::Smtp,
            expected: true,
        };
        let service = way.service;
        let (mut visited, (), ()) = join3(
            exchange_service(context, way, envelope),
            dns::reverse(context, ip),
            blacklists(context, service, known),
        )
        .await;
        visited.preference = exchanger.preference;
        visited
    }))
    .await
}

/// One mail exchanger: session and envelope, and what looks behind a slow banner or a dead port.
async fn exchange_service(context: &Context, way: Way, envelope: &Envelope) -> Visited {
    if !context.options.talks() {
        return Visited { way, preference: None, offers_auth: false, took_target: false };
    }
    let visit = session::first_visit(context, &way).await;
    let mut visited = Visited { way: way.clone(), preference: None, offers_auth: false, took_target: false };
    if !visit.open {
        alive(context, &way).await;
        return visited;
    }
    let starttls = visit.session.as_ref().is_some_and(|s| s.channel == crate::questions::smtp::Channel::Tls);
    let session = match visit.session {
        Some(session) => Some(session),
        None if visit.tls_failed => session::later_visit(context, &way, false).await,
        None => None,
    };
    let envelope_tests = async {
        let Some(mut session) = session else { return };
        visited.offers_auth = session.capabilities.as_ref().is_some_and(|c| !c.mechanisms().is_empty());
        visited.took_target = envelope.as_stranger(context, &way, &mut session).await.accepted;
        session.talk.quit().await;
    };
    let own_name = async {
        let host = way.host.as_deref().unwrap_or_default();
        if let Some(name) = visit.greets_as.as_deref().filter(|n| !n.eq_ignore_ascii_case(host) && !n.starts_with('['))
        {
            dns::addresses(context, name, Via::Own).await;
        }
    };
    let look_again = async {
        if visit.greeted && visit.banner >= SECOND_VISIT_FROM {
            session::second_banner(context, &way).await;
        }
    };
    let injected = async {
        if starttls && context.options.wants("tls") {
            session::injection(context, &way).await;
        }
    };
    join3(envelope_tests, look_again, join(injected, own_name)).await;
    visited
}

/// Whether anything else of a host answers: a host that is down is told from a port that is filtered.
async fn alive(context: &Context, way: &Way) {
    let ports = [context.options.ports.named("https").unwrap_or(443), context.options.ports.of(Role::Submission), 80];
    join_all(ports.into_iter().filter(|port| *port != way.service.port()).map(|port| async move {
        let knock = Way {
            service: SocketAddr::new(way.service.ip(), port),
            host: way.host.clone(),
            role: Role::Alive,
            expected: false,
        };
        session::knock(context, &knock).await
    }))
    .await;
}

/// Where the domain's users send: by SRV, by the usual names, or at the exchanger itself.
async fn submission_of(context: &Context, domain: &str) -> (Vec<Visited>, bool) {
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

async fn visit_submission(context: &Context, ways: Vec<Way>) -> Vec<Visited> {
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

/// The blacklists that were named, for a server's address and our own; each address once.
async fn blacklists(context: &Context, way: SocketAddr, known: &Known) {
    let source = context.vantage.source_for(way);
    let new: Vec<IpAddr> = {
        let mut listed = known.listed.lock().unwrap_or_else(PoisonError::into_inner);
        [Some(way.ip()), source].into_iter().flatten().filter(|ip| listed.insert(*ip)).collect()
    };
    if new.is_empty() {
        return;
    }
    let lists = join_all(context.options.dnsbl.iter().map(|zone| dns::blacklist(context, zone, &new)));
    // With a name given for EHLO nobody else looks our own name up, and a slow one may be what is waited for.
    let own = async {
        if let Some(ip) = source.filter(|ip| context.options.helo.is_some() && new.contains(ip)) {
            dns::reverse(context, ip).await;
        }
    };
    join(lists, own).await;
}

/// AUTH, messages and the mailbox, in the order in which each rests on the one before.
async fn account_tests(context: &Context, envelope: &Envelope, mut exchange: Vec<Visited>, submitted: Vec<Visited>) {
    let options = &context.options;
    let mut sent: Vec<Sent> = Vec::new();
    let recipient = envelope.target.clone();
    exchange.sort_by_key(|v| (!v.took_target, v.preference));
    let by_mx = async {
        let best = exchange.first().filter(|v| v.took_target && options.send)?;
        let mut session = session::later_visit(context, &best.way, true).await?;
        let sent = message::send(
            context,
            &best.way,
            &mut session,
            Path::Mx,
            options.mail_from.as_deref().unwrap_or_default(),
            recipient.as_deref()?,
        )
        .await;
        session.talk.quit().await;
        sent
    };
    // The submission service where the account is tried: 587 before 465, and 25 where nothing else offers AUTH.
    let mut candidates: Vec<&Visited> = submitted.iter().chain(&exchange).filter(|v| v.offers_auth).collect();
    candidates.sort_by_key(|v| v.way.role);
    candidates.sort_by_key(|v| v.way.role == Role::Smtp);
    let by_submission = async {
        let way = &candidates.first()?.way;
        if let Some(token) = &options.token {
            submission::send_token(context, way, token, options.user.as_deref().unwrap_or("token")).await;
        }
        if let Some(login) = &options.login {
            let mut session = submission::authenticate(context, way, login, Credentials::Given).await?;
            let as_user = Envelope {
                target: envelope.target.clone(),
                domain: envelope.domain.clone(),
                sender: envelope.sender.clone(),
                relay: envelope.relay.clone(),
                nobody: envelope.nobody.clone(),
                authenticated: true,
            };
            as_user.as_user(context, way, &mut session).await;
            let mut sent = None;
            if options.send && !session.talk.dialogue().is_over() {
                sent = message::send(
                    context,
                    way,
                    &mut session,
                    Path::Submission,
                    envelope.sender.as_deref().unwrap_or_default(),
                    recipient.as_deref()?,
                )
                .await;
            }
            session.talk.quit().await;
            return sent;
        }
        if options.probe_auth {
            let wrong = Login { user: nobody(), password: nobody().into() };
            if let Some(session) = submission::authenticate(context, way, &wrong, Credentials::Wrong).await {
                session.talk.quit().await;
            }
        }
        None
    };
    let outside = by_outside(context, recipient.as_deref());
    let (mx, submission, outside) = join3(by_mx, by_submission, outside).await;
    sent.extend([mx, submission, outside].into_iter().flatten());
    mailbox_tests(context, &sent).await;
}

async fn by_outside(context: &Context, recipient: Option<&str>) -> Option<Sent> {
    let outside = context.options.outside.as_ref().filter(|_| context.options.send)?;
    let address = dns::addresses(context, &outside.host, Via::Own).await.into_iter().next()?;
    let port = outside.port.unwrap_or_else(|| context.options.ports.of(outside.role));
    let way = Way {
        service: SocketAddr::new(address, port),
        host: Some(outside.host.clone()),
        role: outside.role,
        expected: true,
    };
    let _ = session::first_visit(context, &way).await.session?.talk.quit().await;
    let mut session = submission::authenticate(context, &way, &outside.login, Credentials::Given).await?;
    let sent = message::send(context, &way, &mut session, Path::Outside, &outside.login.user, recipient?).await;
    session.talk.quit().await;
    sent
}

async fn mailbox_tests(context: &Context, sent: &[Sent]) {
    let Some(spec) = &context.options.mailbox else {
        return;
    };
    let addresses = match spec {
        MailboxSpec::Server { host, .. } => dns::addresses(context, host, Via::Own).await,
        MailboxSpec::Maildir(_) => Vec::new(),
    };
    let Some(watch) = Watch::of(context, spec, &addresses) else {
        return;
    };
    if let Watch::Server(server) = &watch {
        if context.budget.spent() {
            context.recorder.skip(
                "mailbox.login/1",
                None,
                "SMTP AUTH refused the account, and a mailbox login would only add another failed try",
                "",
            );
            return;
        }
        if !mailbox::try_login(context, server).await {
            return;
        }
    }
    let account = Account(match &watch {
        Watch::Server(server) => server.login.user.clone(),
        Watch::Maildir(path) => context.options.user.clone().unwrap_or_else(|| path.display().to_string()),
    });
    if !sent.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        mailbox::watch(context, &watch, &account, sent).await;
    }
}
