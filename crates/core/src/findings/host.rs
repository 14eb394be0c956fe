//! What many rules ask of the machine itself: the settings of its mail servers.

use crate::case::{Case, ObsId};
use crate::questions::host::asks::{Asks, List};
use crate::questions::host::postfix::Postfix;

/// What each mail server on this machine asks of others, port by port, with the observation of its settings.
pub(super) fn asked(case: &Case) -> Vec<(u16, Asks, ObsId)> {
    case.every::<Postfix>()
        .flat_map(|seen| {
            let ports: Vec<u16> = seen.listening().filter_map(|(_, port)| port).collect();
            let id = seen.id();
            ports.into_iter().filter_map(move |port| Some((port, seen.asks(port)?, id)))
        })
        .collect()
}

/// The place where this machine's mail server names a DNS list, with the observation of its settings.
pub(super) fn configured(case: &Case, zone: &str) -> Option<(List, ObsId)> {
    asked(case)
        .into_iter()
        .find_map(|(_, asks, id)| asks.lists.into_iter().find(|list| list.zone == zone).map(|list| (list, id)))
}
