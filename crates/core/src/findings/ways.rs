//! What many rules ask: the domain's exchangers, the ways into them, and how a way is called.

use crate::case::{Case, ObsId, Seen, Span, Why};
use crate::questions::dns::{Addresses, RecordType, Records, Via};
use crate::questions::smtp::{BannerView, Channel, Ehlo, FIRST, Rcpt, Recipient, Sender, StepView};
use crate::questions::tcp::{Connect, Role};
use crate::subject::{Addr, Domain, Host, Service, Subject, VantageId};

use maildoctor_wire::dialogue::{End, Exchange};
use maildoctor_wire::wording::Meaning;

use super::{At, Basis, Finding, Share, services};
use crate::questions::dns::Dns;

/// The answer to the domain's MX question by the resolver here.
pub(super) fn own_mx<'c>(at: &At<'c, Domain>) -> Result<Seen<'c, Dns>, Why> {
    at.ask(&Records { rtype: RecordType::Mx, via: Via::Own })
}

/// The answers of the resolvers out there to the same question, as far as they are definite.
pub(super) fn foreign_mx<'c>(at: &At<'c, Domain>) -> Vec<Seen<'c, Dns>> {
    at.case
        .every::<Records>()
        .filter(|seen| {
            foreign(seen, RecordType::Mx)
                && Subject::from(at.on.clone()) == seen.observation().subject
                && seen.observation().vantage == at.from
                && seen.definite().is_some()
        })
        .collect()
}

fn foreign(seen: &Seen<'_, Dns>, rtype: RecordType) -> bool {
    serde_json::from_value::<Records>(seen.observation().asked.clone())
        .is_ok_and(|q| q.rtype == rtype && matches!(q.via, Via::Foreign(_)))
}

/// Lays a finding over what every resolver that was asked answers for the exchangers.
pub(super) fn claims_every_mx(finding: &mut Finding, at: &At<'_, Domain>) {
    let own = own_mx(at).ok().into_iter();
    for seen in own.chain(foreign_mx(at)) {
        finding.claims(seen.id(), Share::Whole, Basis::Witnessed);
    }
}

/// Preference and host of each exchanger, by the resolver here.
pub(super) fn exchangers(at: &At<'_, Domain>) -> Result<Vec<(u16, Host)>, Why> {
    let seen = own_mx(at)?;
    let answer = seen.need(|d| d.definite())?;
    Ok(answer
        .mx()
        .into_iter()
        .filter(|(_, host)| !host.is_empty())
        .map(|(preference, host)| (preference, Host::new(host)))
        .collect())
}

/// The mail exchange services of a host that were tried from a vantage.
pub(super) fn ways(case: &Case, host: &Host, from: &VantageId) -> Vec<Service> {
    let addresses: Vec<Addr> = match host.as_str().parse() {
        Ok(ip) => vec![Addr(ip)],
        Err(_) => case.graph().below(&host.clone().into()),
    };
    services(case, &[Role::Smtp], from, false).into_iter().filter(|s| addresses.contains(&Addr(s.0.ip()))).collect()
}

/// The observation that shows that a way in is shut: nobody answers, or only to send us away.
pub(super) fn shut(case: &Case, service: &Service, from: &VantageId) -> Option<ObsId> {
    let connect = case.ask(&Connect, service, from).ok()?;
    if connect.open().is_none() {
        return connect.kept_out().then_some(connect.id());
    }
    let banner = case.ask(&FIRST, service, from).ok()?;
    let sent_away = match banner.reply() {
        None => true,
        Some(reply) => reply.code == 421 || reply.code == 554,
    };
    sent_away.then_some(banner.id())
}

/// The name by which people know a service: host and address.
pub(super) fn called(case: &Case, service: &Service, from: &VantageId) -> String {
    match host_of(case, service, from) {
        Some(host) => format!("{host} ({})", service.0.ip()),
        None => service.0.ip().to_string(),
    }
}

/// The host by which we came to a service.
pub(super) fn host_of(case: &Case, service: &Service, from: &VantageId) -> Option<String> {
    case.ask(&Connect, service, from).ok().and_then(|c| c.host.clone())
}

/// The reply to the address under test as a stranger, by whichever sender was taken.
pub(super) fn target_rcpt<'c>(at: &At<'c, Service>) -> Result<Seen<'c, StepView>, Why> {
    rcpt(at, Recipient::Target)
}

/// The reply to a recipient as a stranger, by whichever sender was taken. Many servers refuse a sender only here.
pub(super) fn rcpt<'c>(at: &At<'c, Service>, recipient: Recipient) -> Result<Seen<'c, StepView>, Why> {
    let by = |sender| at.ask(&Rcpt { recipient, sender, authenticated: false });
    match by(Sender::Null) {
        Ok(null) if null.meaning != Some(Meaning::SenderRejected) => Ok(null),
        refused => by(Sender::Given).or(refused),
    }
}

/// The reply by which the target's recipient is refused because of the null sender.
pub(super) fn null_refused_at_rcpt<'c>(at: &At<'c, Service>) -> Option<Seen<'c, StepView>> {
    let asked = Rcpt { recipient: Recipient::Target, sender: Sender::Null, authenticated: false };
    at.ask(&asked).ok().filter(|seen| seen.meaning == Some(Meaning::SenderRejected))
}

/// How long a banner was waited for, from the opening of the connection: under implicit TLS the observation begins
/// after the handshake, and the wait before it.
pub(super) fn banner_wait(banner: &Seen<'_, BannerView>) -> Span {
    let span = banner.observation().span();
    let opened = span.to_ms.saturating_sub(banner.wire.exchange.wait_ms());
    Span { from_ms: opened.min(span.from_ms), to_ms: span.to_ms }
}

/// Whether another exchanger takes the address under test.
pub(super) fn another_takes(at: &At<'_, Service>) -> bool {
    services(at.case, &[Role::Smtp], &at.from, false).into_iter().filter(|s| *s != at.on).any(|service| {
        let other = At::new(at.case, service, at.from.clone());
        target_rcpt(&other).is_ok_and(|r| r.accepted().is_some())
    })
}

/// Whether a submission port matters: submission is expected, and neither 587 nor 465 of the address lets anybody in.
pub(super) fn senders_shut(case: &Case, service: &Service, from: &VantageId) -> bool {
    let all = services(case, &[Role::Submission, Role::Smtps], from, false);
    let mut own = all.iter().filter(|s| s.0.ip() == service.0.ip()).peekable();
    case.terms.submission_expected
        && own.peek().is_some()
        && own.all(|s| case.ask(&Connect, s, from).is_ok_and(|c| c.open().is_none()) || cut(case, s, from).is_some())
}

/// Where a service that takes the connection cuts it without a word.
pub(super) enum Cut {
    /// Before any banner.
    BeforeBanner(ObsId),
    /// In place of a reply to EHLO.
    AtEhlo(ObsId),
}

/// Whether a service that takes the connection cuts it without a word, and where.
pub(super) fn cut(case: &Case, service: &Service, from: &VantageId) -> Option<Cut> {
    let ended = |exchange: &Exchange| matches!(exchange.end, End::Closed | End::Reset) && exchange.reply.is_none();
    if let Some(banner) = case.ask(&FIRST, service, from).ok().filter(|b| ended(&b.wire.exchange)) {
        return Some(Cut::BeforeBanner(banner.id()));
    }
    [Channel::Tls, Channel::Plain].into_iter().find_map(|channel| {
        let ehlo = case.ask(&Ehlo { channel }, service, from).ok()?;
        ended(&ehlo.exchange).then(|| Cut::AtEhlo(ehlo.id()))
    })
}

/// Both questions for a host's addresses by the resolver here.
pub(super) fn address_answers<'c, K: crate::subject::Kind>(
    at: &At<'c, K>,
    host: &Host,
) -> Result<[Seen<'c, Dns>; 2], Why> {
    let ask = |rtype| at.ask_of(&Addresses { rtype, via: Via::Own }, host);
    Ok([ask(RecordType::A)?, ask(RecordType::Aaaa)?])
}

/// Source addresses of the connections of a vantage.
pub(super) fn sources(case: &Case, from: &VantageId) -> Vec<std::net::IpAddr> {
    let mut found: Vec<_> = case
        .every::<Connect>()
        .filter(|c| c.observation().vantage == *from)
        .filter_map(|c| match &c.opened {
            crate::questions::tcp::Opened::Open { local } => local.map(|l| l.ip()),
            _ => None,
        })
        .collect();
    found.sort();
    found.dedup();
    found
}
