//! What many rules ask of the machine itself: its settings, and whose mail the run is about.

use crate::case::{Case, ObsId, Question, Seen, Skip, Why};
use crate::questions::host::accepting::Accepting;
use crate::questions::host::asks::{Asks, Endpoint, List, Place, Spares, Stage};
use crate::questions::host::clients::Clients;
use crate::questions::host::complaint::{Complaint, complaint};
use crate::questions::host::exim::Exim;
use crate::questions::host::log::Log;
use crate::questions::host::lookups::{Lookup, Lookups, Sought};
use crate::questions::host::machine::Machine;
use crate::questions::host::opensmtpd::OpenSmtpd;
use crate::questions::host::postfix::Postfix;
use crate::questions::host::queue::MailServer;
use crate::questions::host::rspamd::{Rspamd, RspamdWire};
use crate::questions::smtp::Message;
use crate::questions::tcp::{Connect, Role};
use crate::questions::xclient::{BY_XCLIENT, StrangersRcpt};
use crate::subject::{Kind, Service, VantageId};

use super::banner::rehearsed::passes;
use super::ways::sources;
use super::{At, Finding, services};

/// Every answer to a question that was put to this machine; `like` says why there is none.
pub(super) fn every<'c, Q, K>(at: &At<'c, K>, like: &Q) -> Result<Vec<Seen<'c, Q::View>>, Why>
where
    Q: Question<On = VantageId>,
    K: Kind,
{
    let found: Vec<Seen<'c, Q::View>> = at.case.every::<Q>().collect();
    found.iter().for_each(|seen| at.note(seen.id()));
    if !found.is_empty() {
        return Ok(found);
    }
    let here = VantageId::local();
    match at.ask_from(like, &here, &here) {
        // It was asked, with other parameters, and nothing could be read.
        Err(Why::NotPlanned) => {
            let tried = at.case.observations.iter().find(|observation| observation.probe == Q::PROBE);
            Err(tried.map_or(Why::NotPlanned, |observation| Why::Failed(observation.id)))
        }
        other => other.map(|seen| vec![seen]),
    }
}

/// The mail server whose settings were read on this machine.
pub(crate) fn installed(case: &Case) -> Option<MailServer> {
    let postfix = case.every::<Postfix>().next().map(|_| MailServer::Postfix);
    let exim = || case.every::<Exim>().next().map(|_| MailServer::Exim);
    let opensmtpd = case.every::<OpenSmtpd>().next();
    // It is read beside others only where it is the one that runs.
    let runs = opensmtpd.as_ref().filter(|seen| seen.runs).map(|_| MailServer::OpenSmtpd);
    runs.or(postfix).or_else(exim).or(opensmtpd.map(|_| MailServer::OpenSmtpd))
}

/// Whether a message for an address is for the recipient under test, or for the domain where that is all that is known.
pub(super) fn is_under_test(case: &Case, address: &str) -> bool {
    let of_domain = |domain: &String| {
        address.rsplit_once('@').is_some_and(|(_, own)| own.trim_end_matches('.').eq_ignore_ascii_case(domain))
    };
    match (&case.target.address, &case.target.domain) {
        (Some(wanted), _) => wanted.eq_ignore_ascii_case(address),
        (None, Some(domain)) => of_domain(domain),
        (None, None) => false,
    }
}

/// Whether a service under test is one of this machine: by its address, or by the name it is known under.
pub(super) fn ours(at: &At<'_, Service>) -> Result<bool, Why> {
    let here = VantageId::local();
    at.ask_from(&Machine, &here, &here)?;
    Ok(ours_of(at.case).contains(&at.on))
}

/// The services under test that are this machine's own.
pub(super) fn ours_of(case: &Case) -> Vec<Service> {
    services(case, &[Role::Smtp, Role::Submission, Role::Smtps], &VantageId::local(), true)
        .into_iter()
        .filter(|service| is_here(case, service))
        .collect()
}

/// Whether a service is of this machine, by its address or by the name that we came by.
pub(super) fn is_here(case: &Case, service: &Service) -> bool {
    let Some(machine) = case.every::<Machine>().next() else { return false };
    let mut names: Vec<String> = vec![machine.hostname.clone()];
    names.extend(case.every::<Postfix>().filter_map(|p| p.setting("myhostname").map(str::to_ascii_lowercase)));
    names.extend(case.every::<Exim>().filter_map(|e| e.setting("primary_hostname").map(str::to_ascii_lowercase)));
    // A name without a dot is that of many machines.
    names.retain(|name| name.contains('.') && !name.starts_with("localhost."));
    let tried = case.every::<Connect>().filter(|seen| seen.observation().subject == (*service).into());
    machine.addresses.contains(&service.0.ip())
        || tried.filter_map(|seen| seen.host.clone()).any(|host| names.contains(&host.to_ascii_lowercase()))
}

/// The queue ids of the messages that this run sent.
pub(super) fn sent(case: &Case) -> Vec<String> {
    case.every::<Message>().filter_map(|seen| seen.view().queue_id.clone()).collect()
}

/// Whether a service stands on this machine: our own connections to it came in here, or went to what is this machine's by address or name.
pub(super) fn stands_here(at: &At<'_, Service>) -> bool {
    let here = VantageId::local();
    at.ask_from(&Accepting, &at.on, &here).is_ok()
        || at.ask_from(&Lookups, &at.on, &here).is_ok()
        || at.from == here && is_here(at.case, &at.on)
}

/// Why a service of this machine is not seen as strangers see it: its settings let our address pass before they ask the
/// lists that they name for one of `stages` (or for any). `None` where they do not, or where real clients were watched.
pub(super) fn exempt(at: &At<'_, Service>, stages: &[Stage]) -> Option<Why> {
    let own = sources(at.case, &at.from);
    let watched = at.ask_from(&Clients, &at.on, &VantageId::local()).is_ok_and(|seen| seen.connections > 0);
    if watched || own.is_empty() || !stands_here(at) {
        return None;
    }
    let (_, asks, settings) = asked(at.case).into_iter().find(|(port, ..)| *port == at.on.0.port())?;
    let concerns = |list: &&List| stages.is_empty() || stages.contains(&list.stage);
    let addresses = own.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    // What the server was told by XCLIENT is a stranger.
    let greeted = at.ask(&BY_XCLIENT).is_ok();
    let asked_at_rcpt = at.ask(&StrangersRcpt).is_ok();
    let met = |list: &&List| match list.stage {
        Stage::Connect => greeted,
        Stage::Helo | Stage::Mail | Stage::Rcpt => asked_at_rcpt,
        Stage::Screen | Stage::Data | Stage::Content => false,
    };
    let left = asks.lists.iter().filter(concerns).filter(|list| !met(list));
    let because = left.into_iter().find_map(|list| match list.spares {
        Spares::Nobody => None,
        Spares::OwnNetworks => {
            let place = own.iter().map(|address| asks.spares(*address)).collect::<Option<Vec<_>>>()?.first().copied()?;
            Some(format!(
                "this address ({addresses}) would be exempt: {} lets it pass before {} is asked, so strangers may wait where we do not",
                place.in_words(),
                list.zone
            ))
        }
        Spares::Some if asked_about_us(at, &list.zone) || passes(at.case, &list.zone) => None,
        Spares::Some => Some(format!(
            "whether this address ({addresses}) is exempt cannot be told: {} stands behind a condition on the client's address, so strangers may wait for {} where we do not",
            list.place.in_words(),
            list.zone
        )),
    })?;
    at.note(settings);
    let option = if at.case.terms.gives("--listen") { "--from ssh:OUTSIDE" } else { "--listen 60s" };
    Some(Why::Skipped(Skip { because, option: option.to_owned() }))
}

/// Why a service of this machine is not seen as strangers see it: its settings count every address that we come from among
/// its own networks.
pub(super) fn among_its_own(at: &At<'_, Service>) -> Option<Why> {
    let own = sources(at.case, &at.from);
    let (_, asks, settings) = asked(at.case).into_iter().find(|(port, ..)| *port == at.on.0.port())?;
    let place = own.iter().map(|address| asks.spares(*address)).collect::<Option<Vec<_>>>()?.first().copied()?;
    if !stands_here(at) {
        return None;
    }
    at.note(settings);
    let addresses = own.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let because = format!("{} has this address ({addresses}) among the server's own networks", place.in_words());
    Some(Why::Skipped(Skip { because, option: "--from ssh:OUTSIDE".to_owned() }))
}

/// Whether the server was seen asking a list about us.
fn asked_about_us(at: &At<'_, Service>, zone: &str) -> bool {
    at.ask_from(&Lookups, &at.on, &VantageId::local()).is_ok_and(|seen| {
        let about_us = |lookup: &Lookup| match lookup.sought() {
            Sought::Listing(address, of) => seen.own.contains(&address) && of.eq_ignore_ascii_case(zone),
            _ => false,
        };
        seen.lookups.iter().any(about_us)
    })
}

/// What the processes that served us complain of, of one of some kinds: the first line of that, and the log.
pub(super) fn complained<'c>(case: &'c Case, kinds: &[Complaint]) -> Option<(ObsId, &'c str)> {
    let is_one = |line: &&String| complaint(line).is_some_and(|kind| kinds.contains(&kind));
    case.every::<Log>().find_map(|log| Some((log.id(), log.view().complaints.iter().find(is_one)?.as_str())))
}

impl Finding {
    /// Adds the place at which this machine's settings name a list, where they were read.
    pub(super) fn named_in_settings(&mut self, case: &Case, zone: &str) {
        if let Some((list, settings)) = configured(case, zone) {
            let says = format!("{}; it stands in {}", self.says, list.place.in_words());
            self.says(says).stands_at(&list.place).witnessed(settings);
        }
    }

    /// Where the setting stands that has to be changed, as far as that is known.
    pub(super) fn stands_at(&mut self, place: &Place) -> &mut Self {
        self.detail("setting", place.setting.as_str()).known("file", place.file.as_deref());
        if let Some(line) = place.line {
            self.detail("line", line);
        }
        self
    }
}

/// What each mail server on this machine asks of others, port by port, with the observation of its settings.
pub(super) fn asked(case: &Case) -> Vec<(u16, Asks, ObsId)> {
    let postfix = case.every::<Postfix>().flat_map(|seen| {
        let ports: Vec<u16> = seen.listening().filter_map(|(_, port)| port).collect();
        let id = seen.id();
        ports.into_iter().filter_map(move |port| Some((port, seen.asks(port)?, id)))
    });
    let exim = case.every::<Exim>().flat_map(|seen| {
        let id = seen.id();
        seen.ports().into_iter().map(move |port| (port, seen.asks(), id))
    });
    let opensmtpd = case.every::<OpenSmtpd>().flat_map(|seen| {
        let id = seen.id();
        seen.ports().into_iter().map(move |port| (port, seen.asks(port), id))
    });
    // Where OpenSMTPD runs, settings of others for the same port are left over.
    let mut all: Vec<(u16, Asks, ObsId)> = opensmtpd.chain(postfix).chain(exim).collect();
    if let Some(rspamd) = case.every::<Rspamd>().next() {
        for (_, asks, _) in &mut all {
            if asks.milters.iter().any(|milter| rspamd.is(milter)) {
                asks.lists.extend(rspamd.asked());
            }
        }
    }
    all
}

/// The line at which the settings of this machine set the largest message that is taken.
pub(super) fn largest_message(case: &Case) -> Option<(Place, ObsId)> {
    const SETTING: &str = "message_size_limit";
    let opensmtpd = case.every::<OpenSmtpd>().filter_map(|seen| Some((seen.view().largest.clone()?.1, seen.id())));
    let postfix = case.every::<Postfix>().map(|seen| (seen.place_in_main(SETTING, None), seen.id()));
    let exim = case.every::<Exim>().map(|seen| (seen.place(SETTING), seen.id()));
    opensmtpd.chain(postfix).chain(exim).find(|(place, _)| place.line.is_some())
}

/// Rspamd, where it is what a mail server asks there.
pub(super) fn rspamd_at<'c>(case: &'c Case, endpoint: &Endpoint) -> Option<Seen<'c, RspamdWire>> {
    case.every::<Rspamd>().find(|rspamd| rspamd.is(endpoint))
}

/// Whether what a list says is weighed with much else, as Rspamd does: a list that says nothing then does no harm.
pub(super) fn is_weighed(case: &Case, list: &List) -> bool {
    case.every::<Rspamd>().any(|rspamd| rspamd.lists.iter().any(|own| own.place == list.place))
}

/// The place where this machine's mail server names a DNS list, with the observation of its settings.
pub(super) fn configured(case: &Case, zone: &str) -> Option<(List, ObsId)> {
    asked(case)
        .into_iter()
        .flat_map(|(_, asks, id)| asks.lists.into_iter().map(move |list| (list, id)))
        .filter(|(list, _)| list.zone == zone)
        // Where it stands twice, the place at which it does harm counts.
        .min_by_key(|(list, _)| !list.refuses)
}
