//! A copy of resolv.conf in Postfix' chroot that is out of date: chroot-resolv-conf-stale.

use super::super::host::{every, ours_of};
use super::super::ways::banner_wait;
use super::super::{At, Basis, Finding, Found, Key, Rule, Share, Told};
use crate::case::{ObsId, Why};
use crate::questions::dns::{RecordType, Records, Via};
use crate::questions::host::lookups::{Lookups, ResolverSeen};
use crate::questions::host::postfix::{Postfix, PostfixView};
use crate::questions::host::resolv_conf::{RESOLV_CONF, ResolvConf, ResolvConfView};
use crate::questions::smtp::FIRST;
use crate::subject::{Domain, Service, VantageId};

pub(super) const RULES: &[Rule] = &[Rule::vantage(&["chroot-resolv-conf-stale"], stale).over_all_vantages()];

/// A banner that came sooner waited for no resolver, in milliseconds.
const WAITED_MS: u64 = 1_500;

fn stale(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    let here = VantageId::local();
    for postfix in every(at, &Postfix { folder: String::new() })? {
        let Some(path) = postfix.chrooted_resolv_conf() else {
            continue;
        };
        let copy = at.ask_from(&ResolvConf { path: path.clone() }, &here, &here)?;
        let system = at.ask_from(&ResolvConf { path: RESOLV_CONF.to_owned() }, &here, &here)?;
        if copy.servers == system.servers {
            continue;
        }
        // Another resolver than the system's is a choice, as long as one answers.
        let Some(silence) = all_silent(at, &copy)? else {
            continue;
        };
        let named = |view: &ResolvConfView| {
            let addresses: Vec<String> = view.servers.iter().map(|server| server.ip().to_string()).collect();
            addresses.join(" and ")
        };
        let what = if copy.is_there { "names" } else { "is missing, which stands for" };
        let finding = found.is(Key::Named(path.clone()));
        finding
            .says(format!(
                "{path}, which Postfix reads in its chroot, {what} {}, where nobody answers; the system asks {}",
                named(&copy),
                named(&system)
            ))
            .detail("path", path)
            .detail("resolvers", named(&copy))
            .detail("system", named(&system))
            .detail("services", chrooted(&postfix))
            .detail("file", postfix.file("master.cf"))
            .witnessed(copy.id())
            .witnessed(system.id());
        for id in silence {
            finding.witnessed(id);
        }
        // Whoever reads this copy asks the dead, and nobody else.
        let dead = |server: &ResolverSeen| server.dead() && copy.servers.contains(&server.server);
        for lookups in at.case.every::<Lookups>().filter(|lookups| lookups.resolvers.iter().any(dead)) {
            finding.claims(lookups.id(), Share::Whole, Basis::Captured);
        }
        for service in ours_of(at.case) {
            explain_wait(at, finding, service);
        }
    }
    found.state()
}

/// Lays it over a wait for the banner: whoever asks nobody but the dead waits for them.
fn explain_wait(at: &At<'_, VantageId>, finding: &mut Finding, service: Service) {
    if let Ok(banner) = at.ask_of(&FIRST, &service)
        && banner_wait(&banner).length_ms() >= WAITED_MS
    {
        finding.also(service).claims(banner.id(), Share::Whole, Basis::OwnMeasure);
    }
}

/// The services of master.cf that run in the chroot and look names up.
fn chrooted(postfix: &PostfixView) -> String {
    let asks = |command: &str| matches!(command, "smtpd" | "dnsblog" | "smtp");
    let names = postfix.wire.services.iter().filter(|service| service.chroot && asks(&service.command));
    names.map(|service| service.name.as_str()).collect::<Vec<_>>().join(" ")
}

/// The lookups that show that no resolver of a resolv.conf answers; `None` where one does.
fn all_silent(at: &At<'_, VantageId>, copy: &ResolvConfView) -> Result<Option<Vec<ObsId>>, Why> {
    let domain = at.case.target.domain.clone().or_else(|| at.case.target.host.clone()).ok_or(Why::NotPlanned)?;
    let mut silence = Vec::new();
    for server in &copy.servers {
        let question = Records { rtype: RecordType::Soa, via: Via::Server(*server) };
        let seen = at.ask_from(&question, &Domain::new(&domain), &VantageId::local())?;
        if !seen.unanswered() {
            return Ok(None);
        }
        silence.push(seen.id());
    }
    Ok(Some(silence))
}
