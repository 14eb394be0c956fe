//! Connections that no process of the server takes: process-limit-reached.

use super::super::banner::captured::{ALL, COSTLY_MS, of_the_wait};
use super::super::ways::banner_wait;
use super::super::{At, Basis, Found, Key, Rule, Share, Told};
use crate::case::{Case, ObsId, Span, Why};
use crate::questions::host::accepting::Accepting;
use crate::questions::host::asks::Place;
use crate::questions::host::postfix::Postfix;
use crate::questions::smtp::FIRST;
use crate::subject::{Service, VantageId};

pub(super) const RULES: &[Rule] = &[Rule::service(&["process-limit-reached"], ALL, limit_reached)];

/// It was looked so often that a connection was there at most this long before it was seen, in milliseconds.
const FIRST_LOOK_MS: u64 = 400;

fn limit_reached(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let seen = at.ask_from(&Accepting, &at.on, &VantageId::local())?;
    let banner = at.ask(&FIRST)?;
    let wait = banner_wait(&banner);
    for lying in &seen.lying {
        let Some(span) = lying.within(wait) else { continue };
        let early = span.from_ms.saturating_sub(wait.from_ms) < FIRST_LOOK_MS;
        let span = if early { Span { from_ms: wait.from_ms, ..span } } else { span };
        if span.length_ms() < COSTLY_MS {
            continue;
        }
        let limit = limit(at.case, at.on.0.port());
        if lying.served == 0 || limit.as_ref().is_some_and(|(limit, ..)| lying.served < *limit) {
            // There is room for more processes, or there are none: why nobody takes the connection is not told by this.
            found.missed(Why::Denied(seen.id()));
            continue;
        }
        let basis = if limit.is_some() { Basis::Captured } else { Basis::OwnMeasure };
        let of_the_limit = limit
            .as_ref()
            .map_or_else(String::new, |(limit, place, _)| format!(", and {limit} is the limit ({})", place.in_words()));
        let finding = found
            .is(Key::Subject(at.on.into()))
            .says(format!(
                "{} spent in the kernel's queue, for no process took the connection: the server was serving {} other sessions{of_the_limit}, and {} waited",
                of_the_wait(at, span.length_ms(), wait, "the banner"),
                lying.served,
                lying.waiting
            ))
            .detail("sessions", lying.served)
            .detail("waiting", lying.waiting)
            .detail("delay_ms", span.length_ms())
            .proof(seen.id(), basis)
            .claims(banner.id(), Share::Of(span), basis);
        if let Some((_, place, settings)) = &limit {
            finding.stands_at(place).proof(*settings, Basis::Witnessed);
        }
    }
    found.state()
}

/// How many processes may serve a port, where that is set, and the observation of the settings.
fn limit(case: &Case, port: u16) -> Option<(u32, Place, ObsId)> {
    case.every::<Postfix>().find_map(|seen| {
        let service = seen.service_on(port).filter(|service| service.command == "smtpd")?;
        let limit = seen.process_limit(service)?;
        let place = match service.limit {
            Some(_) => Place {
                setting: "maxproc".to_owned(),
                file: Some(format!("{}/master.cf", seen.folder())),
                line: service.line,
            },
            None => seen.place(service, "default_process_limit", None),
        };
        Some((limit, place, seen.id()))
    })
}
