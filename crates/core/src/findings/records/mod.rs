//! The records that a mail domain lives by: SPF, DKIM keys, DMARC, MTA-STS, DANE, TLS reporting,
//! BIMI.
//!
//! A record is taken from whichever resolver shows it. That one is missing is said only where the resolver
//! here and one out there both say so.

pub(super) mod dane;
mod dkim;
pub(super) mod dmarc;
mod others;
pub(crate) mod overview;
pub(super) mod sender;
mod spf;
mod sts;
mod tlsa;

use std::collections::BTreeSet;

use super::{At, Rule};
use crate::case::{Case, ObsId, Seen, Why};
use crate::questions::dns::{Dns, Followed, RecordType, Records, Via};
use crate::questions::policies::{Found, Views, texts};
use crate::subject::{Domain, Kind};

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    [spf::RULES, sender::RULES, dkim::RULES, dmarc::RULES, others::RULES, sts::RULES, dane::RULES].concat()
}

/// What stands at a name.
struct Texts {
    /// The texts of the kind that was looked for; empty where there is none.
    list: Vec<String>,
    /// The answer that shows it.
    id: ObsId,
    /// The name that was asked for is an alias of this one.
    alias: Option<String>,
    /// Not even the name exists.
    nxdomain: bool,
}

impl Texts {
    /// The text, where there is exactly one.
    fn only(&self) -> Option<&str> {
        match self.list.as_slice() {
            [text] => Some(text),
            _ => None,
        }
    }
}

/// The answers to one question by all that were asked from the vantage; told to the window.
fn views<'c, K: Kind>(at: &At<'c, K>, name: &str, rtype: RecordType) -> Views<Seen<'c, Dns>> {
    let on = Domain::new(name);
    let own = at.ask_of(&Followed { rtype, via: Via::Own }, &on).ok();
    let subject = on.into();
    let others = at.case.every::<Followed>().filter(|seen| {
        let observation = seen.observation();
        observation.subject == subject
            && observation.vantage == at.from
            && serde_json::from_value::<Followed>(observation.asked.clone())
                .is_ok_and(|asked| asked.rtype == rtype && matches!(asked.via, Via::Foreign(_)))
    });
    let others: Vec<_> = others.collect();
    others.iter().for_each(|seen| at.note(seen.id()));
    Views { own, others, others_expected: has_foreign_resolver(at.case) }
}

/// Whether a resolver out there was asked anything.
fn has_foreign_resolver(case: &Case) -> bool {
    case.every::<Records>().any(|seen| {
        serde_json::from_value::<Records>(seen.observation().asked.clone())
            .is_ok_and(|asked| matches!(asked.via, Via::Foreign(_)))
    })
}

/// The texts of one kind at a name.
///
/// # Errors
/// Why nothing can be told of the name.
fn texts_at<K: Kind>(at: &At<'_, K>, name: &str, fits: impl Fn(&str) -> bool) -> Result<Texts, Why> {
    let views = views(at, name, RecordType::Txt);
    let (seen, there) = match views.find(|view| texts(view).iter().any(|text| fits(text))) {
        Found::Here(seen) => (seen, true),
        Found::Nowhere(seen) => (seen, false),
        Found::Silent(seen) => return Err(Why::Denied(seen.id())),
        Found::Unasked => {
            let question = Followed { rtype: RecordType::Txt, via: Via::Own };
            return Err(at.ask_of(&question, &Domain::new(name)).err().unwrap_or(Why::NotPlanned));
        }
    };
    let definite = seen.definite();
    Ok(Texts {
        list: texts(&seen).into_iter().filter(|text| there && fits(text)).collect(),
        id: seen.id(),
        alias: definite.and_then(|answer| answer.alias()).map(str::to_owned),
        nxdomain: definite.is_some_and(|answer| answer.nxdomain),
    })
}

/// Whether the domain says that it neither takes nor sends mail: a null MX, and an SPF record of `-all` alone.
fn has_no_mail(at: &At<'_, Domain>) -> bool {
    let takes_none = super::ways::own_mx(at).is_ok_and(|mx| {
        mx.definite()
            .is_some_and(|answer| !answer.mx().is_empty() && answer.mx().iter().all(|(_, host)| host.is_empty()))
    });
    takes_none
        && spf::policies(at)
            .is_ok_and(|policy| policy.only().is_some_and(|text| text.trim_end().eq_ignore_ascii_case("v=spf1 -all")))
}

/// Observation numbers of several answers, each once.
type Ids = BTreeSet<ObsId>;
