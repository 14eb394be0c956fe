//! The strategy for a control that changes the one server there is: as few changes as can be.
//!
//! The lists are halved until one is left, and that one is tried alone. So one guilty list among N takes at most ⌈log2 N⌉ + 3
//! measurements, the first as everything is and the last with everything put back included; each but those that need no change is
//! a reload of the server. Where no list alone explains the wait, the other settings are tried alone, then everything off at once;
//! and what several make together is found by switching them on again, one after the other.

use std::collections::BTreeMap;

use super::candidate::{Candidate, Kind, Off};
use super::compare::{Event, Watch};
use super::experiment::{EXPLAINED_PERCENT, NOTEWORTHY_MS};
use super::outcome::{Culprit, How, Isolation, Measured, Note, Outcome};
use super::waits::{Waits, signed};
use super::{Control, ControlError, noise};
use crate::diagnosis::Confidence;

/// The most measurements that one guilty list among so many takes, with everything put back at the end.
pub fn most_measurements(lists: usize) -> usize {
    lists.max(1).next_power_of_two().ilog2() as usize + 3
}

/// Finds the candidates that make the wait with few changes, one at a time, and puts everything back at the end.
///
/// # Errors
/// [`ControlError`] where the control cannot measure; then nothing has been put back yet.
pub async fn bisect<C: Control>(control: &C, watch: Watch<'_>) -> Result<Isolation, ControlError> {
    Halving { control, watch, measured: Vec::new(), base: Waits::default(), culprits: Vec::new(), notes: Vec::new() }
        .run()
        .await
}

struct Halving<'a, C> {
    control: &'a C,
    watch: Watch<'a>,
    measured: Vec<Measured>,
    /// The wait as everything is.
    base: Waits,
    culprits: Vec<Culprit>,
    notes: Vec<Note>,
}

impl<C: Control> Halving<'_, C> {
    async fn run(mut self) -> Result<Isolation, ControlError> {
        self.base = self.measure("the wait as everything is", &Off::new()).await?;
        if self.base.is_cut() {
            self.notes.push(Note::Cut);
        } else if self.base.total_ms() < NOTEWORTHY_MS {
            let remaining = self.base.clone();
            return Ok(self.ends(Outcome::Quick, remaining));
        }
        let (lists, others): (Vec<Candidate>, Vec<Candidate>) =
            self.control.candidates().iter().cloned().partition(|candidate| candidate.kind == Kind::List);
        let mut found = self.halve(&lists).await?;
        for other in &others {
            if found.is_none() {
                found = self.alone(other).await?;
            }
        }
        let (outcome, remaining) = match found {
            Some(remaining) => (Outcome::Explained, remaining),
            None => self.several(&[others, lists].concat()).await?,
        };
        // With everything put back the wait must be there again, or it was something else that went away.
        let again = self.measure("everything put back", &Off::new()).await?;
        if self.explains(&again) {
            self.notes.push(Note::Faded);
            for culprit in &mut self.culprits {
                culprit.confidence = culprit.confidence.min(Confidence::Likely);
            }
        }
        Ok(self.ends(outcome, remaining))
    }

    /// One list among many, by halves; the wait without it, where it is one alone.
    async fn halve(&mut self, lists: &[Candidate]) -> Result<Option<Waits>, ControlError> {
        let mut suspects = lists;
        while suspects.len() > 1 {
            let (half, rest) = suspects.split_at(suspects.len().div_ceil(2));
            let quick = self.measure("half of the lists that are left out", &ids(half)).await?;
            let hit = self.explains(&quick);
            suspects = if hit { half } else { rest };
            if let ([one], true) = (half, hit) {
                self.guilty(one, &quick);
                return Ok(Some(quick));
            }
        }
        match suspects {
            [one] => self.alone(one).await,
            _ => Ok(None),
        }
    }

    /// One candidate alone; the wait without it, where that explains the wait.
    async fn alone(&mut self, one: &Candidate) -> Result<Option<Waits>, ControlError> {
        let without = self.measure("this one alone out", &ids(std::slice::from_ref(one))).await?;
        if !self.explains(&without) {
            return Ok(None);
        }
        self.guilty(one, &without);
        Ok(Some(without))
    }

    fn guilty(&mut self, one: &Candidate, without: &Waits) {
        self.accuse(one, &self.base.clone(), without, How::Alone);
    }

    /// Several: everything out, then switched on again from the first on, to find each that brings a part of the wait back.
    async fn several(&mut self, all: &[Candidate]) -> Result<(Outcome, Waits), ControlError> {
        let none = self.measure("everything out", &ids(all)).await?;
        let worth = noise::worth(&[signed(self.base.total_ms())]);
        if self.base.longer_than(&none).is_none_or(|saved| saved < worth) {
            return Ok((Outcome::NoneOfThem, self.base.clone()));
        }
        let costs = |waits: &Waits| waits.longer_than(&none).is_some_and(|ms| ms >= worth);
        let mut from = 0;
        let remaining = loop {
            let out: Off = self.culprits.iter().flat_map(Culprit::ids).collect();
            let rest = self.measure("all but the culprits on", &out).await?;
            if !costs(&rest) || from >= all.len() {
                break rest;
            }
            // On up to `quick` there is no wait, on up to `slow` there is.
            let (mut quick, mut slow) = (from, all.len());
            let (mut without, mut with) = (none.clone(), rest);
            while slow - quick > 1 {
                let middle = quick.midpoint(slow);
                let mut off = out.clone();
                off.extend(ids(all.get(middle..).unwrap_or_default()));
                let waits = self.measure("some of them on again", &off).await?;
                if costs(&waits) {
                    (slow, with) = (middle, waits);
                } else {
                    (quick, without) = (middle, waits);
                }
            }
            if let Some(one) = all.get(quick) {
                self.accuse(one, &with, &without, How::SwitchedOn);
            }
            from = slow;
        };
        let saved = self.base.longer_than(&remaining).unwrap_or(0);
        let explained = saved * 100 >= signed(self.base.total_ms()) * EXPLAINED_PERCENT;
        Ok((if explained { Outcome::Explained } else { Outcome::Partly }, remaining))
    }

    fn accuse(&mut self, one: &Candidate, with: &Waits, without: &Waits, how: How) {
        let steps: BTreeMap<_, _> =
            with.steps.keys().map(|phase| (*phase, signed(with.at(*phase)) - signed(without.at(*phase)))).collect();
        self.culprits.push(Culprit {
            settings: vec![one.clone()],
            share_ms: signed(with.total_ms()) - signed(without.total_ms()),
            steps: steps.into_iter().filter(|(_, ms)| *ms != 0).collect(),
            how,
            confidence: Confidence::Proven,
        });
    }

    /// Whether these waits leave so little that what was out explains the rest.
    fn explains(&self, waits: &Waits) -> bool {
        let saved = self.base.longer_than(waits).unwrap_or(0);
        saved * 100 >= signed(self.base.total_ms()) * EXPLAINED_PERCENT
    }

    async fn measure(&mut self, why: &'static str, off: &Off) -> Result<Waits, ControlError> {
        (self.watch)(Event::Round { why, of: 1 });
        let waits = self.control.measure(off).await?;
        let measured = Measured { off: off.clone(), waits: waits.clone() };
        (self.watch)(Event::Measured(measured.clone()));
        self.measured.push(measured);
        Ok(waits)
    }

    fn ends(mut self, outcome: Outcome, remaining: Waits) -> Isolation {
        self.culprits.sort_by_key(|culprit| std::cmp::Reverse(culprit.share_ms));
        Isolation {
            outcome,
            baseline: self.base,
            remaining,
            culprits: self.culprits,
            notes: self.notes,
            measured: self.measured,
        }
    }
}

fn ids(candidates: &[Candidate]) -> Off {
    candidates.iter().map(|candidate| candidate.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::super::simulated::{Asks, Simulated, ids as named};
    use super::*;

    async fn search(simulated: &Simulated) -> (Isolation, usize) {
        let found = bisect(simulated, &|_| {}).await.unwrap();
        assert_eq!(found.measured.last().unwrap().off, Off::new(), "everything is put back at the end");
        (found, simulated.count.load(Ordering::Relaxed))
    }

    #[test]
    fn the_bound_is_the_promised_one() {
        for (lists, most) in [(1, 3), (2, 4), (3, 5), (4, 5), (5, 6), (12, 7), (64, 9)] {
            assert_eq!(most_measurements(lists), most, "{lists}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_guilty_list_among_any_number_takes_no_more_reloads_than_promised() {
        for lists in 1..=64 {
            for guilty in 0..lists {
                let mut costs = vec![5; lists];
                costs[guilty] = 15_000;
                for reverse in [false, true] {
                    let mut simulated = Simulated::new(&costs, Asks::OneAfterAnother);
                    if reverse {
                        simulated.candidates.insert(0, Candidate::new(Kind::ReverseLookup, None, Vec::new()));
                        simulated.costs.insert(0, 5);
                    }
                    let (found, reloads) = search(&simulated).await;
                    assert_eq!((found.outcome, found.guilty()), (Outcome::Explained, named(&[guilty])));
                    assert_eq!(found.culprits[0].confidence, Confidence::Proven);
                    assert!(found.culprits[0].share_ms >= 15_000);
                    assert!(reloads <= most_measurements(lists), "{reloads} reloads for {lists} lists");
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn several_guilty_lists_each_get_their_share() {
        for (asks, costs, guilty) in [
            (Asks::OneAfterAnother, vec![0, 6000, 0, 0, 4000, 0, 0, 9000], vec![1, 4, 7]),
            (Asks::OneAfterAnother, vec![6000, 6000], vec![0, 1]),
            (Asks::AtTheSameTime, vec![0, 6000, 0, 6000, 0], vec![1, 3]),
        ] {
            let (found, _) = search(&Simulated::new(&costs, asks)).await;
            assert_eq!((found.outcome, found.guilty()), (Outcome::Explained, named(&guilty)), "{costs:?}");
            for culprit in &found.culprits {
                let at = guilty.iter().copied().find(|&at| culprit.ids() == named(&[at])).unwrap();
                assert_eq!(culprit.share_ms, signed(costs[at]), "{costs:?}");
            }
            assert!(found.remaining.total_ms() < 100);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_reverse_lookup_is_found_as_well() {
        let mut simulated = Simulated::new(&[8000, 5, 5, 5, 5], Asks::OneAfterAnother);
        simulated.candidates[0] = Candidate::new(Kind::ReverseLookup, None, Vec::new());
        let (found, _) = search(&simulated).await;
        assert_eq!((found.outcome, found.culprits[0].settings[0].kind), (Outcome::Explained, Kind::ReverseLookup));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_accused_where_nothing_is_to_be_had() {
        let quick = Simulated::new(&[100, 100], Asks::OneAfterAnother);
        assert_eq!((search(&quick).await.0.outcome, quick.count.load(Ordering::Relaxed)), (Outcome::Quick, 1));
        let mut tarpit = Simulated::new(&[5, 5, 5], Asks::OneAfterAnother);
        tarpit.own = 12_000;
        let (found, _) = search(&tarpit).await;
        assert_eq!((found.outcome, found.culprits.len()), (Outcome::NoneOfThem, 0));
        // The list answers again while we measure: it is no longer said to be proven.
        let mut mended = Simulated::new(&[9000, 0], Asks::OneAfterAnother);
        mended.remembers_after = 1;
        let (found, _) = search(&mended).await;
        assert!(found.notes.contains(&Note::Faded), "{found:?}");
        assert!(found.culprits.iter().all(|culprit| culprit.confidence < Confidence::Proven), "{found:?}");
    }
}
