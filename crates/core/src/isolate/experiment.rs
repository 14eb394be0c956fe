//! The strategy for controls that measure many variants at once: each candidate off alone, everything off, and groups where one
//! alone does not explain.
//!
//! A server asks some lists one after another, and each costs its own time; it asks others at the same time, and the slowest of
//! them hides the rest. So what is hidden is looked for once what hides it is off, and of several that hide each other each is
//! tried as the only one that is on.

use super::candidate::{Candidate, Off};
use super::compare::{Bench, Compared, Difference, Effect, Rules, Watch};
use super::outcome::{Culprit, How, Isolation, Note, Outcome};
use super::waits::{Waits, signed};
use super::{Control, ControlError};
use crate::diagnosis::Confidence;

/// From this wait on there is something to explain.
pub const NOTEWORTHY_MS: u64 = 1000;

/// How often hidden culprits are looked for behind those that are known.
const MAX_STAGES: usize = 4;

/// A part of the wait from which on it counts as explained, in percent.
pub(super) const EXPLAINED_PERCENT: i64 = 80;

/// Finds the candidates that make the wait.
///
/// # Errors
/// [`ControlError`] where the control cannot measure.
pub async fn experiment<C: Control>(control: &C, rules: Rules, watch: Watch<'_>) -> Result<Isolation, ControlError> {
    let bench = Bench { control, rules, watch, measured: Vec::new() };
    let all: Off = control.candidates().iter().map(|candidate| candidate.id.clone()).collect();
    Search { bench, all, off: Off::new(), culprits: Vec::new(), notes: Vec::new(), remaining: Waits::default() }
        .run()
        .await
}

struct Search<'a, C> {
    bench: Bench<'a, C>,
    /// Everything that can be switched off.
    all: Off,
    /// What was found guilty so far.
    off: Off,
    culprits: Vec<Culprit>,
    notes: Vec<Note>,
    /// The wait with `off` switched off.
    remaining: Waits,
}

impl<C: Control> Search<'_, C> {
    async fn run(mut self) -> Result<Isolation, ControlError> {
        let rest = self.rest();
        let mut variants = vec![self.all.clone()];
        variants.extend(self.each_of(&rest));
        let first = self.bench.compare("each setting off alone, and all of them", &self.off, &variants).await?;
        let baseline = first.base.clone();
        self.remaining = baseline.clone();
        self.remark(&first, &rest);
        if baseline.is_cut() {
            self.notes.push(Note::Cut);
        }
        if baseline.total_ms() < NOTEWORTHY_MS && !baseline.is_cut() {
            return Ok(self.ends(Outcome::Quick, baseline));
        }
        let possible = match first.effects.first() {
            Some(Effect::Saves(saving)) => saving.ms,
            Some(Effect::Nothing | Effect::Costs(_)) => return Ok(self.ends(Outcome::NoneOfThem, baseline)),
            _ => signed(baseline.total_ms()),
        };
        self.take(&first, &rest, How::Alone);
        self.look_behind().await?;
        let saved: i64 = self.culprits.iter().map(|culprit| culprit.share_ms).sum();
        if saved > possible + possible / 4 {
            self.notes.push(Note::Overlap);
        }
        let outcome = if self.culprits.is_empty() {
            Outcome::Unclear
        } else if saved * 100 >= signed(baseline.total_ms()) * EXPLAINED_PERCENT {
            Outcome::Explained
        } else {
            Outcome::Partly
        };
        Ok(self.ends(outcome, baseline))
    }

    /// As long as more could be saved than the known culprits save: looks for what they hid.
    async fn look_behind(&mut self) -> Result<(), ControlError> {
        for _ in 0..MAX_STAGES {
            let rest = self.rest();
            if !self.off.is_empty() {
                let all = [self.all.clone()];
                let check = self.bench.compare("what is left without the culprits", &self.off, &all).await?;
                self.remaining = check.base.clone();
                let short = self.remaining.total_ms() < NOTEWORTHY_MS && !self.remaining.is_cut();
                if short || rest.is_empty() || !matches!(check.effects.first(), Some(Effect::Saves(_))) {
                    return Ok(());
                }
                let variants = self.each_of(&rest);
                let next = self.bench.compare("what the culprits hid", &self.off, &variants).await?;
                self.remark(&next, &rest);
                if self.take(&next, &rest, How::AfterTheOthers) {
                    continue;
                }
            }
            return self.group(&rest).await;
        }
        Ok(())
    }

    /// No candidate alone saves anything, and all together do: which of them waits when it is the only one on?
    async fn group(&mut self, rest: &[Candidate]) -> Result<(), ControlError> {
        let variants: Vec<Off> =
            rest.iter().map(|candidate| self.all.iter().filter(|id| **id != candidate.id).cloned().collect()).collect();
        let alone = self.bench.compare("each setting as the only one on", &self.all, &variants).await?;
        let costs = rest.iter().zip(&alone.effects).filter(|(_, effect)| matches!(effect, Effect::Costs(_)));
        let members: Vec<Candidate> = costs.map(|(candidate, _)| candidate.clone()).collect();
        let narrowed = !members.is_empty();
        let settings = if narrowed { members } else { rest.to_vec() };
        let mut without = self.off.clone();
        without.extend(settings.iter().map(|candidate| candidate.id.clone()));
        let variants = [self.off.clone(), self.all.clone()];
        let check = self.bench.compare("those that wait alone, off together", &without, &variants).await?;
        let Some(Effect::Costs(share)) = check.effects.first() else {
            return Ok(());
        };
        let (how, surest) =
            if narrowed { (How::Together, Confidence::Proven) } else { (How::NotNarrowed, Confidence::Possible) };
        let saved = Difference {
            ms: -share.ms,
            steps: share.steps.iter().map(|(phase, ms)| (*phase, -ms)).collect(),
            clear: share.clear,
        };
        self.remaining = check.base.clone();
        self.off = without;
        self.culprits.push(culprit(settings, &saved, how, surest));
        Ok(())
    }

    /// Takes those that save something for culprits; whether there were any.
    fn take(&mut self, compared: &Compared, rest: &[Candidate], how: How) -> bool {
        let mut any = false;
        for (candidate, effect) in rest.iter().zip(of_each(compared, rest)) {
            if let Effect::Saves(saving) = effect {
                self.off.insert(candidate.id.clone());
                self.culprits.push(culprit(vec![candidate.clone()], saving, how, Confidence::Proven));
                any = true;
            }
        }
        any
    }

    fn remark(&mut self, compared: &Compared, rest: &[Candidate]) {
        if compared.faded {
            self.notes.push(Note::Faded);
        }
        for (candidate, effect) in rest.iter().zip(of_each(compared, rest)) {
            match effect {
                Effect::TurnedAway => self.notes.push(Note::TurnedAway { id: candidate.id.clone() }),
                Effect::Unclear => self.notes.push(Note::Contradicts { id: candidate.id.clone() }),
                _ => {}
            }
        }
    }

    /// The candidates that are not known as culprits.
    fn rest(&self) -> Vec<Candidate> {
        self.bench.control.candidates().iter().filter(|c| !self.off.contains(&c.id)).cloned().collect()
    }

    /// The culprits off, and one more.
    fn each_of(&self, rest: &[Candidate]) -> Vec<Off> {
        let with = |candidate: &Candidate| {
            let mut off = self.off.clone();
            off.insert(candidate.id.clone());
            off
        };
        rest.iter().map(with).collect()
    }

    fn ends(mut self, outcome: Outcome, baseline: Waits) -> Isolation {
        self.culprits.sort_by_key(|culprit| std::cmp::Reverse(culprit.share_ms));
        self.notes.sort();
        self.notes.dedup();
        Isolation {
            outcome,
            baseline,
            remaining: self.remaining,
            culprits: self.culprits,
            notes: self.notes,
            measured: self.bench.measured,
        }
    }
}

/// The effects of the candidates alone, which stand at the end.
fn of_each<'a>(compared: &'a Compared, rest: &[Candidate]) -> impl Iterator<Item = &'a Effect> {
    compared.effects.iter().skip(compared.effects.len().saturating_sub(rest.len()))
}

fn culprit(settings: Vec<Candidate>, saving: &Difference, how: How, surest: Confidence) -> Culprit {
    let confidence = if saving.clear { surest } else { surest.min(Confidence::Likely) };
    Culprit { settings, share_ms: saving.ms, steps: saving.steps.clone(), how, confidence }
}
