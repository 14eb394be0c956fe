//! What each place saw of one server, side by side, and in what the places differ.
//!
//! Machines behind one address need not be one machine: names under one parent domain, certificates for one name and a
//! second more or less are no difference. What is kept is what no healthy system shows.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::case::{Case, ObsId, Seen};
use crate::questions::length;
use crate::questions::smtp::{BannerView, Channel, Ehlo, FIRST, StepView};
use crate::questions::tcp::{Connect, ConnectWire, Role};
use crate::questions::tls::{Handshake, TlsView, Trust};
use crate::subject::{Service, Subject, VantageId};

use super::super::services;

/// From here on a banner is slow, in milliseconds; quick beside it is what took less than a quarter.
pub(in super::super) const SLOW_MS: u64 = 5000;

/// What one place saw of one server.
#[derive(Clone)]
pub(in super::super) struct Sight<'c> {
    pub(in super::super) from: VantageId,
    pub(in super::super) connect: Seen<'c, ConnectWire>,
    pub(in super::super) banner: Option<Seen<'c, BannerView>>,
    hello: Option<Seen<'c, StepView>>,
    pub(in super::super) tls: Option<Seen<'c, TlsView>>,
}

/// The same for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sighting {
    /// The place.
    pub vantage: String,
    /// The server.
    pub subject: Subject,
    /// The name by which the place came to it.
    pub host: Option<String>,
    /// What came of the connection: `open`, `refused`, `no answer to SYN` …
    pub connection: String,
    /// How long the handshake took, or was waited for, in milliseconds.
    pub connect_ms: u64,
    /// The reply code of the greeting; null where none came.
    pub greeting: Option<u16>,
    /// The name in the greeting.
    pub greets_as: Option<String>,
    /// How long the greeting was waited for, in milliseconds.
    pub banner_ms: Option<u64>,
    /// Whether STARTTLS is offered.
    pub starttls: Option<bool>,
    /// The certificate's SHA-256.
    pub certificate: Option<String>,
    /// The names that it is for.
    pub certificate_names: Vec<String>,
    /// Whether its chain leads to a trusted root.
    pub certificate_trusted: Option<bool>,
}

/// Something in which the places differ: what it is, in words, and the observations of those that stand apart.
pub(super) struct Difference {
    pub(super) what: &'static str,
    pub(super) apart: Vec<ObsId>,
}

/// What each place that could tell saw of a server.
pub(in super::super) fn sights<'c>(case: &'c Case, on: &Service) -> Vec<Sight<'c>> {
    case.vantage_ids().filter_map(|from| Sight::of(case, on, from)).collect()
}

/// What each place saw of each server, where there are several places.
pub(crate) fn of(case: &Case) -> Vec<Sighting> {
    let Some(first) = case.vantage_ids().next().filter(|_| case.vantages.len() > 1) else { return Vec::new() };
    let all = services(case, &[Role::Smtp, Role::Submission, Role::Smtps], &first, true);
    all.iter().flat_map(|service| sights(case, service)).map(|sight| sight.told()).collect()
}

impl<'c> Sight<'c> {
    /// What was seen from `from`; `None` where the place cannot tell anything of the server.
    fn of(case: &'c Case, on: &Service, from: VantageId) -> Option<Self> {
        let connect = case.ask(&Connect, on, &from).ok().filter(|c| c.open().is_some() || c.kept_out())?;
        Some(Self {
            connect,
            banner: case.ask(&FIRST, on, &from).ok(),
            hello: case.ask(&Ehlo { channel: Channel::Plain }, on, &from).ok(),
            tls: case.ask(&Handshake, on, &from).ok(),
            from,
        })
    }

    /// Every observation it rests on.
    pub(super) fn shown(&self) -> impl Iterator<Item = ObsId> {
        let more = [self.banner.map(|b| b.id()), self.hello.map(|h| h.id()), self.tls.map(|t| t.id())];
        std::iter::once(self.connect.id()).chain(more.into_iter().flatten())
    }

    /// The host's name in the greeting, in lower case; `None` where it says none.
    pub(in super::super) fn greets_as(&self) -> Option<String> {
        let banner = self.banner.as_ref()?.view().greeted()?;
        banner.host.as_ref().map(|host| host.to_ascii_lowercase()).filter(|host| !host.is_empty())
    }

    /// How long the greeting took that came, in milliseconds.
    pub(in super::super) fn wait_ms(&self) -> Option<u64> {
        let banner = self.banner.as_ref()?.view();
        banner.reply().map(|_| banner.wire.exchange.wait_ms())
    }

    /// In a few words: where it stands, whether it was let in, and who greeted it.
    pub(super) fn in_words(&self) -> String {
        let reply = self.banner.as_ref().and_then(|banner| banner.view().reply());
        let greeted = match (self.connect.open(), reply, self.wait_ms()) {
            (None, ..) => String::new(),
            (_, Some(reply), Some(ms)) if reply.code == 220 => {
                let name = self.greets_as().map(|name| format!(" by {name}")).unwrap_or_default();
                format!(", greeted{name} after {}", length(ms))
            }
            (_, Some(reply), _) => format!(", sent away with {}", reply.code),
            (_, None, _) => ", no banner".to_owned(),
        };
        format!("{} {}{greeted}", self.from, self.connect.opened)
    }

    fn starttls(&self) -> Option<bool> {
        Some(self.hello?.view().capabilities.as_ref()?.offers("STARTTLS"))
    }

    /// Whether it showed itself to be the server that was looked for: a certificate from a trusted root, for that name.
    pub(in super::super) fn proved_itself(&self) -> bool {
        self.tls.is_some_and(|tls| {
            tls.wire.trust == Some(Trust::Anchored)
                && tls.wire.server_name.as_ref().zip(tls.view().leaf()).is_some_and(|(name, leaf)| leaf.is_for(name))
        })
    }

    fn told(&self) -> Sighting {
        let banner = self.banner.as_ref().map(Seen::view);
        let leaf = self.tls.and_then(|tls| tls.view().leaf());
        Sighting {
            vantage: self.from.0.clone(),
            subject: self.connect.observation().subject.clone(),
            host: self.connect.host.clone(),
            connection: self.connect.opened.to_string(),
            connect_ms: self.connect.observation().took_ms,
            greeting: banner.and_then(BannerView::reply).map(|reply| reply.code),
            greets_as: banner.and_then(BannerView::greeted).and_then(|b| b.host.clone()),
            banner_ms: self.wait_ms(),
            starttls: self.starttls(),
            certificate: leaf.map(|leaf| leaf.fingerprint.clone()),
            certificate_names: leaf.map(|leaf| leaf.names.clone()).unwrap_or_default(),
            certificate_trusted: self.tls.and_then(|tls| tls.wire.trust.as_ref().map(|t| *t == Trust::Anchored)),
        }
    }
}

/// The table of some sights, as programs read it.
pub(super) fn table(sights: &[Sight<'_>]) -> serde_json::Value {
    sights.iter().filter_map(|sight| serde_json::to_value(sight.told()).ok()).collect()
}

/// In what the places differ.
pub(super) fn differences(sights: &[Sight<'_>]) -> Vec<Difference> {
    let yes_and_no = |what, told: &dyn Fn(&Sight<'_>) -> Option<(bool, ObsId)>| {
        let told: Vec<(bool, ObsId)> = sights.iter().filter_map(told).collect();
        let apart: Vec<ObsId> = told.iter().filter(|(yes, _)| !yes).map(|(_, id)| *id).collect();
        (!apart.is_empty() && apart.len() < told.len()).then_some(Difference { what, apart })
    };
    let strangers = |what, apart: Vec<ObsId>| (!apart.is_empty()).then_some(Difference { what, apart });
    let slow = slow_and_quick(sights).map(|(slow, _)| slow).unwrap_or_default();
    [
        yes_and_no("whether the port is open", &|s| Some((s.connect.open().is_some(), s.connect.id()))),
        yes_and_no("whether the server greets them or sends them away", &|s| {
            let banner = s.banner?;
            banner.reply().map(|reply| (reply.code == 220, banner.id()))
        }),
        strangers("which server greets them", strangers_by(sights, Sight::other_name, |s| s.banner.map(|b| b.id()))),
        yes_and_no("whether STARTTLS is offered", &|s| Some((s.starttls()?, s.hello?.id()))),
        strangers(
            "which certificate they are shown",
            strangers_by(sights, Sight::other_certificate, |s| s.tls.map(|t| t.id())),
        ),
        strangers("how long the banner takes", slow.iter().filter_map(|s| Some(s.banner?.id())).collect()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The places at which the banner is slow, where it is quick at others: these too.
pub(in super::super) fn slow_and_quick<'s, 'c>(
    sights: &'s [Sight<'c>],
) -> Option<(Vec<&'s Sight<'c>>, Vec<&'s Sight<'c>>)> {
    let waited = |fits: &dyn Fn(u64) -> bool| -> Vec<&'s Sight<'c>> {
        sights.iter().filter(|sight| sight.wait_ms().is_some_and(fits)).collect()
    };
    let slow = waited(&|ms| ms >= SLOW_MS);
    let least = slow.iter().filter_map(|sight| sight.wait_ms()).min()?;
    let quick = waited(&|ms| ms.saturating_mul(4) < least);
    (!quick.is_empty()).then_some((slow, quick))
}

/// The places that met another server than most did, or than the one that proved itself.
pub(in super::super) fn strangers<'s, 'c>(sights: &'s [Sight<'c>]) -> Option<(&'s Sight<'c>, Vec<&'s Sight<'c>>)> {
    let other = |one: &Sight<'_>, another: &Sight<'_>| {
        // Who holds the key of a certificate for the name is the server, whatever it greets as.
        !(one.proved_itself() && another.proved_itself()) && (one.other_name(another) || one.other_certificate(another))
    };
    let met: Vec<&Sight<'_>> = sights.iter().filter(|sight| sight.greets_as().is_some()).collect();
    let one = most_agree(&met, other)?;
    let apart: Vec<&Sight<'_>> = met.into_iter().filter(|another| other(one, another)).collect();
    (!apart.is_empty()).then_some((one, apart))
}

fn strangers_by<'s, 'c>(
    sights: &'s [Sight<'c>],
    other: impl Fn(&Sight<'c>, &Sight<'c>) -> bool + Copy,
    shown: impl Fn(&Sight<'c>) -> Option<ObsId>,
) -> Vec<ObsId> {
    let Some(one) = most_agree(&sights.iter().collect::<Vec<_>>(), other) else { return Vec::new() };
    sights.iter().filter(|another| other(one, another)).filter_map(shown).collect()
}

/// The sight with which most others agree; of several such the one that proved itself, or whose greeting names the
/// host that was looked for, or the first.
fn most_agree<'s, 'c>(
    sights: &[&'s Sight<'c>],
    other: impl Fn(&Sight<'c>, &Sight<'c>) -> bool,
) -> Option<&'s Sight<'c>> {
    let rank = |sight: &Sight<'c>| {
        let agree = sights.iter().filter(|another| !other(sight, another)).count();
        let named = sight.connect.host.as_deref().zip(sight.greets_as()).is_some_and(|(host, name)| *host == name);
        (agree, sight.proved_itself(), named)
    };
    let best = sights.iter().map(|sight| rank(sight)).max()?;
    sights.iter().copied().find(|sight| rank(sight) == best)
}

impl<'c> Sight<'c> {
    /// Whether two greetings name machines of different domains.
    fn other_name(&self, another: &Sight<'c>) -> bool {
        self.greets_as().zip(another.greets_as()).is_some_and(|(one, other)| is_a_stranger(&one, &other))
    }

    /// Whether two certificates cannot be two of one server: they share no domain; or for the same names one comes from
    /// a trusted root and the other from a root that nobody knows, as those of a box that reads along do.
    fn other_certificate(&self, another: &Sight<'c>) -> bool {
        let (Some(one), Some(other)) = (self.tls, another.tls) else { return false };
        let (Some(a), Some(b)) = (one.view().leaf(), other.view().leaf()) else { return false };
        if a.fingerprint == b.fingerprint {
            return false;
        }
        let domains = |names: &[String]| names.iter().map(|name| parent(name)).collect::<BTreeSet<_>>();
        let (of_one, of_other) = (domains(&a.names), domains(&b.names));
        let apart = !of_one.is_empty() && !of_other.is_empty() && of_one.is_disjoint(&of_other);
        let forged = |one: &TlsView, other: &TlsView| {
            one.wire.trust == Some(Trust::Anchored)
                && matches!(other.wire.trust, Some(Trust::UnknownRoot { .. } | Trust::IssuerMissing { .. }))
        };
        apart || forged(one.view(), other.view()) || forged(other.view(), one.view())
    }
}

/// Whether two greetings cannot be two machines of one cluster behind one address: they share no parent domain.
fn is_a_stranger(one: &str, other: &str) -> bool {
    !one.is_empty() && !other.is_empty() && parent(one) != parent(other)
}

/// The last two labels of a name.
fn parent(name: &str) -> String {
    let mut labels: Vec<&str> = name.trim_end_matches('.').rsplit('.').take(2).collect();
    labels.reverse();
    labels.join(".").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{is_a_stranger, parent};

    #[test]
    fn machines_of_one_domain_behind_one_address_are_no_strangers() {
        assert!(!is_a_stranger("mx1.example.org", "mx2.example.org"));
        assert!(is_a_stranger("mx1.example.org", "smtp.provider.example"));
        assert!(!is_a_stranger("", "smtp.provider.example"));
    }

    #[test]
    fn a_parent_is_two_labels() {
        assert_eq!(parent("A.b.Example.ORG."), "example.org");
        assert_eq!(parent("localhost"), "localhost");
    }
}
