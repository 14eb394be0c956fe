//! The blacklists that the lab's receiver may ask, and what is wrong with some of them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use maildoctor_wire::console::{MAX_BLACKLISTS, SettingsError};
use maildoctor_wire::dnsbl;
use serde::Deserialize;

use crate::DOMAIN;
use crate::dns::{Fault, Zones, data};

/// The blacklist that the receiver asks where nothing else is said, and that faults are done to.
pub const BLACKLIST: &str = "dnsbl.lab.example";

/// What a blacklist does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Does {
    /// It answers at once.
    #[default]
    Answer,
    /// It never answers.
    Silent,
}

/// A blacklist of a story.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blacklist {
    /// Its zone.
    pub zone: String,
    /// What it does.
    #[serde(default)]
    pub action: Does,
    /// How long it takes to answer.
    #[serde(default, deserialize_with = "crate::scenario::duration")]
    pub delay: Duration,
    /// The addresses that it lists.
    #[serde(default)]
    pub lists: Vec<IpAddr>,
}

impl Blacklist {
    /// A list that works.
    pub fn healthy(zone: &str) -> Self {
        Self { zone: zone.to_owned(), action: Does::Answer, delay: Duration::ZERO, lists: Vec::new() }
    }

    /// Puts the zone into the DNS: its test entry (RFC 5782 section 5), what it lists, what is wrong with it.
    pub(crate) fn publish(&self, zones: &mut Zones) {
        zones.add(&self.zone, data::soa(&format!("ns1.{DOMAIN}")));
        let code: IpAddr = dnsbl::TEST_LISTED.into();
        for address in std::iter::once(&code).chain(&self.lists) {
            zones.add(&dnsbl::query_name(*address, &self.zone), data::address(Ipv4Addr::new(127, 0, 0, 2).into()));
        }
        match self.action {
            Does::Silent => zones.break_below(&self.zone, Fault::Silent),
            Does::Answer if !self.delay.is_zero() => zones.break_below(&self.zone, Fault::Late(self.delay)),
            Does::Answer => {}
        }
    }
}

/// As many lists as are asked for, all well; [`BLACKLIST`] is one of them, neither the first nor the last
/// where there are more than two.
///
/// # Errors
/// Where the receiver does not ask so many.
pub fn many(count: usize) -> Result<Vec<Blacklist>, SettingsError> {
    if count > MAX_BLACKLISTS {
        return Err(SettingsError::TooMany(MAX_BLACKLISTS, "blacklist servers"));
    }
    let place = count * 2 / 3;
    let zone = |number: usize| match number == place {
        true => BLACKLIST.to_owned(),
        false => format!("bl{}.lab.example", number + 1),
    };
    Ok((0..count).map(|number| Blacklist::healthy(&zone(number))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_that_faults_are_done_to_is_among_many() {
        for count in 1..=MAX_BLACKLISTS {
            let lists = many(count).unwrap();
            assert_eq!((lists.len(), lists.iter().filter(|l| l.zone == BLACKLIST).count()), (count, 1));
        }
        assert_eq!(many(0).unwrap(), []);
        assert!(many(MAX_BLACKLISTS + 1).is_err());
    }
}
