//! clock-wrong-here: peers at several addresses tell one time, and this machine another.

use super::super::server_config::clock::{ALIKE_S, WRONG_S, believable, length, off};
use super::super::{At, Basis, Found, Share, State, Told};
use crate::case::{Case, ObsId, Why};
use crate::questions::smtp::Banner;
use crate::questions::sts::{Fetch, Fetched};
use crate::questions::tls::Handshake;
use crate::subject::{Kind as _, Service, VantageId};

/// So many peers must agree with each other before our clock is blamed.
const WITNESSES: usize = 2;

/// A peer that told the time.
struct Witness {
    /// Its address, or its host where it was asked by HTTPS.
    who: String,
    /// How far its clock is ahead of ours, in seconds.
    off: i64,
    shown: ObsId,
}

pub(super) fn here(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    let witnesses = witnesses(at.case);
    witnesses.iter().for_each(|witness| at.note(witness.shown));
    let Some(first) = witnesses.first() else { return Err(Why::NotPlanned) };
    if witnesses.iter().any(|witness| witness.off.abs() < WRONG_S) {
        return Ok(State::Clear);
    }
    let agreeing: Vec<&Witness> = witnesses.iter().filter(|w| (w.off - first.off).abs() < ALIKE_S).collect();
    if agreeing.len() < WITNESSES || agreeing.len() < witnesses.len() {
        return Err(Why::Denied(first.shown));
    }
    if !believable(at.case, first.off) {
        return Ok(State::Clear);
    }
    let who: Vec<&str> = agreeing.iter().map(|witness| witness.who.as_str()).collect();
    let direction = if first.off > 0 { "behind" } else { "ahead of" };
    let finding = found
        .is(at.on.clone())
        .says(format!(
            "the clock of this machine is {} {direction} that of {}, which agree with each other",
            length(first.off.unsigned_abs()),
            who.join(" and ")
        ))
        .detail("off_s", first.off)
        .detail("peers", who);
    for witness in &agreeing {
        finding.proof(witness.shown, Basis::OwnMeasure);
    }
    let now = at.case.now().as_second();
    for seen in at.case.every::<Handshake>() {
        let Some(leaf) = seen.leaf() else { continue };
        let term = leaf.not_before.as_second()..=leaf.not_after.as_second();
        if !term.contains(&now) && term.contains(&now.saturating_add(first.off)) {
            finding.claims(seen.id(), Share::Whole, Basis::OwnMeasure);
        }
    }
    found.state()
}

/// Every peer that told the time, once.
fn witnesses(case: &Case) -> Vec<Witness> {
    let banners = case.every::<Banner>().filter_map(|seen| {
        let who = Service::of(&seen.observation().subject)?.0.ip().to_string();
        let off = off(case, seen.observation(), &seen.reply()?.text())?;
        Some(Witness { who, off, shown: seen.id() })
    });
    let policies = case.every::<Fetch>().filter_map(|seen| {
        let Fetched::Answered { date: Some(date), .. } = &seen.fetched else { return None };
        Some(Witness { who: seen.host.clone(), off: off(case, seen.observation(), date)?, shown: seen.id() })
    });
    let mut found: Vec<Witness> = Vec::new();
    for witness in banners.chain(policies) {
        if found.iter().all(|known| known.who != witness.who) {
            found.push(witness);
        }
    }
    found
}
