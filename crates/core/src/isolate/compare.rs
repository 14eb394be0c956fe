//! One comparison: the same server with this and with that switched off, round by round, until the difference is beyond the noise.

use std::collections::BTreeMap;

use futures::StreamExt;
use maildoctor_wire::dialogue::Phase;

use super::candidate::Off;
use super::noise::{self, Says};
use super::outcome::Measured;
use super::waits::{Waits, signed};
use super::{Control, ControlError};

/// How often the base is measured in a round, where that costs no time: its own differences are the noise.
const BASE_COPIES: usize = 2;

/// What a strategy may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How often the same is measured at most; from 2.
    pub tries: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self { tries: 4 }
    }
}

/// What happens, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A round of so many measurements begins.
    Round {
        /// What it is to tell.
        why: &'static str,
        /// How many measurements it has.
        of: usize,
    },
    /// One measurement ended.
    Measured(Measured),
}

/// Who watches.
pub type Watch<'a> = &'a (dyn Fn(Event) + Sync);

/// What a variant saves, or costs where it is negative.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) ms: i64,
    pub(super) steps: BTreeMap<Phase, i64>,
    /// Every round said so.
    pub(super) clear: bool,
}

/// What came of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    Saves(Difference),
    Costs(Difference),
    Nothing,
    Unclear,
    /// The client was turned away before it came as far as with the base.
    TurnedAway,
}

/// What came of a comparison.
#[derive(Debug)]
pub(super) struct Compared {
    /// The middle one of the base's measurements.
    pub(super) base: Waits,
    /// One effect for each variant.
    pub(super) effects: Vec<Effect>,
    /// The base was quick in some rounds and slow in others.
    pub(super) faded: bool,
}

/// Where comparisons are made, and every measurement is kept.
pub(super) struct Bench<'a, C> {
    pub(super) control: &'a C,
    pub(super) rules: Rules,
    pub(super) watch: Watch<'a>,
    pub(super) measured: Vec<Measured>,
}

struct Round {
    base: Waits,
    variants: Vec<Option<Waits>>,
}

impl<C: Control> Bench<'_, C> {
    /// Compares each of `variants` with `base`.
    pub(super) async fn compare(
        &mut self,
        why: &'static str,
        base: &Off,
        variants: &[Off],
    ) -> Result<Compared, ControlError> {
        let tries = self.rules.tries.max(2);
        let mut rounds: Vec<Round> = Vec::new();
        let mut bases: Vec<Waits> = Vec::new();
        let mut open: Vec<usize> = (0..variants.len()).collect();
        loop {
            let round = self.round(why, base, variants, &open, &mut bases).await?;
            rounds.push(round);
            let last = rounds.len() >= tries;
            let compared = judge(&rounds, &bases, variants.len(), last);
            open.retain(|&at| matches!(compared.effects.get(at), Some(Effect::Unclear)));
            if last || (rounds.len() >= 2 && open.is_empty()) {
                return Ok(compared);
            }
        }
    }

    async fn round(
        &mut self,
        why: &'static str,
        base: &Off,
        variants: &[Off],
        open: &[usize],
        bases: &mut Vec<Waits>,
    ) -> Result<Round, ControlError> {
        let at_once = self.control.at_once().max(1);
        let copies = if at_once > 1 { BASE_COPIES } else { 1 };
        let mut jobs: Vec<(Option<usize>, &Off)> = vec![(None, base); copies];
        jobs.extend(open.iter().filter_map(|&at| Some((Some(at), variants.get(at)?))));
        (self.watch)(Event::Round { why, of: jobs.len() });
        let control = self.control;
        let measure = async |(at, off): (Option<usize>, &Off)| (at, off.clone(), control.measure(off).await);
        let mut running = futures::stream::iter(jobs).map(measure).buffer_unordered(at_once);
        let mut round = Round { base: Waits::default(), variants: vec![None; variants.len()] };
        let mut own = Vec::new();
        while let Some((at, off, waits)) = running.next().await {
            let measured = Measured { off, waits: waits? };
            (self.watch)(Event::Measured(measured.clone()));
            self.measured.push(measured.clone());
            match at {
                None => own.push(measured.waits),
                Some(at) => {
                    if let Some(slot) = round.variants.get_mut(at) {
                        *slot = Some(measured.waits);
                    }
                }
            }
        }
        round.base = typical(&own);
        bases.extend(own);
        Ok(round)
    }
}

/// The measurement with the middle total.
fn typical(all: &[Waits]) -> Waits {
    let mut sorted: Vec<&Waits> = all.iter().collect();
    sorted.sort_by_key(|waits| waits.total_ms());
    sorted.get(sorted.len().saturating_sub(1) / 2).map(|waits| (*waits).clone()).unwrap_or_default()
}

/// What the rounds so far say about each variant.
fn judge(rounds: &[Round], bases: &[Waits], variants: usize, last: bool) -> Compared {
    let peak = rounds.iter().map(|round| round.base.total_ms()).max().unwrap_or(0);
    // A wait that was there once and is gone was answered from memory: such a round compares nothing.
    let remembered = |waits: &Waits| signed(waits.total_ms()) < signed(peak) / 2 && signed(peak) > noise::WORTH_MS;
    let counted: Vec<&Round> = rounds.iter().filter(|round| !remembered(&round.base)).collect();
    let totals: Vec<i64> = bases.iter().filter(|w| !remembered(w)).map(|w| signed(w.total_ms())).collect();
    let worth = noise::worth(&totals);
    let effects = (0..variants).map(|at| effect(&counted, at, worth, last)).collect();
    let base: Vec<Waits> = counted.iter().map(|round| round.base.clone()).collect();
    Compared { base: typical(&base), effects, faded: counted.len() < rounds.len() }
}

fn effect(rounds: &[&Round], at: usize, worth: i64, last: bool) -> Effect {
    let pairs: Vec<(&Waits, &Waits)> =
        rounds.iter().filter_map(|round| Some((&round.base, round.variants.get(at)?.as_ref()?))).collect();
    let differences: Vec<i64> = pairs.iter().filter_map(|(base, variant)| base.longer_than(variant)).collect();
    if differences.len() * 2 < pairs.len() {
        return Effect::TurnedAway;
    }
    let difference = |ms, clear| {
        let phases = pairs.iter().flat_map(|(base, _)| base.steps.keys().copied());
        let steps = phases.map(|phase| {
            let each: Vec<i64> = pairs.iter().map(|(base, variant)| base.longer_at(phase, variant)).collect();
            (phase, noise::median(&each))
        });
        Difference { ms, steps: steps.filter(|(_, ms)| ms.abs() >= worth).collect(), clear }
    };
    match noise::concludes(&differences, worth, last) {
        Says::Differs { ms, clear } if ms > 0 => Effect::Saves(difference(ms, clear)),
        Says::Differs { ms, clear } => Effect::Costs(difference(ms, clear)),
        Says::Same { .. } => Effect::Nothing,
        Says::Unclear => Effect::Unclear,
    }
}
