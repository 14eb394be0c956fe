//! A server that is to be told by a proxy who its client is (the PROXY protocol), and is come to without one.

use super::super::host::stands_here;
use super::super::{At, Basis, Finding, Share, services};
use crate::case::ObsId;
use crate::questions::host::asks::Place;
use crate::questions::host::exim::Exim;
use crate::questions::host::postfix::Postfix;
use crate::questions::tcp::Role;
use crate::questions::tls::{Handshake, Shaken};
use crate::subject::Service;

/// Postfix' settings that demand it, of smtpd and of postscreen.
const OF_POSTFIX: [&str; 2] = ["smtpd_upstream_proxy_protocol", "postscreen_upstream_proxy_protocol"];

/// Exim's setting for it, and what Exim answers to whoever has none.
const OF_EXIM: &str = "hosts_proxy";
const SAID_BY_EXIM: &str = "Proxy negotiation failed";

/// Adds to a finding of a server that says that it is set up wrongly the setting by which it waits for a proxy's word, and that
/// its handshakes fail for the same reason.
pub(in super::super) fn name(at: &At<'_, Service>, finding: &mut Finding, reply: &str) {
    let Some((place, settings)) = demanded(at, reply) else { return };
    let says = format!(
        "{}; it waits for a proxy to say who its client is, which {} demands, and whoever comes directly says nothing of the kind",
        finding.says,
        place.in_words()
    );
    finding.says(says).stands_at(&place).witnessed(settings);
    for service in services(at.case, &[Role::Smtps], &at.from, false) {
        let other = At::new(at.case, service, at.from.clone());
        let same = demanded(&other, reply).is_some_and(|(own, _)| own == place);
        if let Some(handshake) = other.ask(&Handshake).ok().filter(|_| same)
            && matches!(handshake.wire.shaken, Shaken::Failed { .. } | Shaken::Stalled { .. })
        {
            finding.also(service).claims(handshake.id(), Share::Whole, Basis::Witnessed);
        }
    }
}

/// The setting of a service on this machine by which it wants to hear of a proxy first.
fn demanded(at: &At<'_, Service>, reply: &str) -> Option<(Place, ObsId)> {
    if !stands_here(at) {
        return None;
    }
    let of_postfix = at.case.every::<Postfix>().find_map(|seen| {
        let postfix = seen.view();
        let service = postfix.service_on(at.on.0.port())?;
        let set = |name: &&&str| postfix.setting_of(service, name).is_some_and(|value| !value.is_empty());
        let name = OF_POSTFIX.iter().find(set)?;
        Some((postfix.place(service, name, None), seen.id()))
    });
    let of_exim = || {
        let exim = at.case.every::<Exim>().find(|exim| exim.ports().contains(&at.on.0.port()))?;
        let set = exim.setting(OF_EXIM).is_some_and(|hosts| !hosts.is_empty());
        (set && reply.contains(SAID_BY_EXIM)).then(|| (exim.place(OF_EXIM), exim.id()))
    };
    of_postfix.or_else(of_exim)
}
