//! A control without a server: the clock is tokio's, and tests pause it.

use std::time::Duration;

use maildoctor_wire::dialogue::Phase;
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use super::candidate::{Candidate, CandidateId, Kind, Off};
use super::outcome::{How, Isolation, Note, Outcome};
use super::waits::Waits;
use super::{Control, ControlError, Rules, experiment};
use crate::catalogue::Step;
use crate::diagnosis::Confidence;

/// How the candidates' waits come together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    OneAfterAnother,
    AtTheSameTime,
}

pub(super) struct Simulated {
    pub(super) candidates: Vec<Candidate>,
    /// What each candidate costs, in milliseconds.
    pub(super) costs: Vec<u64>,
    /// What the server takes in any case.
    pub(super) own: u64,
    asks: Asks,
    /// Up to so many milliseconds more or less, as they come.
    noise: Vec<u64>,
    pub(super) count: std::sync::atomic::AtomicUsize,
    /// The answers are remembered after so many measurements.
    pub(super) remembers_after: usize,
}

impl Simulated {
    pub(super) fn new(costs: &[u64], asks: Asks) -> Self {
        let candidates = (0..costs.len()).map(|at| Candidate::new(Kind::List, Some(&name(at)), Vec::new())).collect();
        Self {
            candidates,
            costs: costs.to_vec(),
            own: 20,
            asks,
            noise: vec![0],
            count: 0.into(),
            remembers_after: usize::MAX,
        }
    }
}

fn name(at: usize) -> String {
    format!("list{at}.example")
}

pub(super) fn ids(at: &[usize]) -> Off {
    at.iter().map(|&at| CandidateId(format!("list:{}", name(at)))).collect()
}

impl Control for Simulated {
    fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    fn at_once(&self) -> usize {
        8
    }

    async fn measure(&self, off: &Off) -> Result<Waits, ControlError> {
        let nth = self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let on = self.candidates.iter().zip(&self.costs).filter(|(c, _)| !off.contains(&c.id)).map(|(_, cost)| *cost);
        let asked = match self.asks {
            Asks::OneAfterAnother => on.sum(),
            Asks::AtTheSameTime => on.max().unwrap_or(0),
        };
        let asked = if nth >= self.remembers_after { 0 } else { asked };
        let noise = self.noise[nth % self.noise.len()];
        let began = Instant::now();
        sleep(Duration::from_millis(self.own + asked + noise)).await;
        Ok(Waits::of(Phase::Banner, began.elapsed(), true))
    }

    fn remedy(&self, _guilty: &Off) -> Vec<Step> {
        Vec::new()
    }
}

fn run(control: &Simulated) -> Isolation {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(experiment(control, Rules::default(), &|_| {})).unwrap()
}

#[test]
fn a_quick_server_has_nothing_to_explain() {
    let found = run(&Simulated::new(&[0, 5, 10], Asks::OneAfterAnother));
    assert_eq!((found.outcome, found.culprits.len()), (Outcome::Quick, 0));
}

#[test]
fn a_wait_that_no_setting_makes_is_pinned_on_none() {
    let mut control = Simulated::new(&[0, 3, 0, 2], Asks::OneAfterAnother);
    control.own = 15_000;
    let found = run(&control);
    assert_eq!((found.outcome, found.culprits.len()), (Outcome::NoneOfThem, 0));
}

#[test]
fn without_candidates_a_wait_stays_unexplained() {
    let mut control = Simulated::new(&[], Asks::OneAfterAnother);
    control.own = 15_000;
    assert_eq!(run(&control).outcome, Outcome::NoneOfThem);
}

#[test]
fn what_is_left_and_short_is_laid_on_nobody() {
    let mut costs = [10; 13];
    costs[0] = 3_000;
    let mut control = Simulated::new(&costs, Asks::OneAfterAnother);
    control.noise = vec![180, 180, 0, 0];
    assert_eq!(run(&control).guilty(), ids(&[0]));
}

#[test]
fn two_that_hide_each_other_have_to_go_together() {
    let found = run(&Simulated::new(&[0, 15_000, 0, 15_000, 0], Asks::AtTheSameTime));
    assert_eq!(found.outcome, Outcome::Explained);
    assert_eq!(found.culprits.len(), 1);
    assert_eq!((found.culprits[0].how, found.culprits[0].share_ms), (How::Together, 15_000));
    assert_eq!(found.guilty(), ids(&[1, 3]));
}

#[test]
fn the_slower_of_two_hides_the_other_and_both_get_their_share() {
    let found = run(&Simulated::new(&[5_000, 0, 15_000], Asks::AtTheSameTime));
    let shares: Vec<_> = found.culprits.iter().map(|c| (c.ids(), c.share_ms, c.how)).collect();
    assert_eq!(shares, [(ids(&[2]), 10_000, How::Alone), (ids(&[0]), 5_000, How::AfterTheOthers)]);
    assert_eq!((found.outcome, found.remaining.total_ms()), (Outcome::Explained, 20));
}

#[test]
fn answers_that_are_remembered_are_no_acquittal() {
    let mut control = Simulated::new(&[0, 15_000, 0], Asks::OneAfterAnother);
    control.remembers_after = 6;
    let found = run(&control);
    assert_eq!(found.guilty(), ids(&[1]));
    assert!(found.notes.contains(&Note::Faded));
    assert_eq!(found.culprits[0].confidence, Confidence::Likely);
}

#[test]
fn a_server_that_turns_away_without_its_list_does_not_convict_the_list() {
    struct TurnsAway(Simulated);
    impl Control for TurnsAway {
        fn candidates(&self) -> &[Candidate] {
            self.0.candidates()
        }
        fn at_once(&self) -> usize {
            8
        }
        async fn measure(&self, off: &Off) -> Result<Waits, ControlError> {
            if off.len() == 1 && off.contains(&self.0.candidates[0].id) {
                return Ok(Waits::of(Phase::Banner, Duration::from_millis(3), false));
            }
            self.0.measure(off).await
        }
        fn remedy(&self, _guilty: &Off) -> Vec<Step> {
            Vec::new()
        }
    }
    let control = TurnsAway(Simulated::new(&[0, 9_000], Asks::OneAfterAnother));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let found = runtime.block_on(experiment(&control, Rules::default(), &|_| {})).unwrap();
    assert_eq!(found.guilty(), ids(&[1]));
    assert!(found.notes.iter().any(|note| matches!(note, Note::TurnedAway { .. })));
}

fn asks() -> impl Strategy<Value = Asks> {
    prop_oneof![Just(Asks::OneAfterAnother), Just(Asks::AtTheSameTime)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_guilty_of_many_is_found_in_noise(
        many in 1_usize..14,
        guilty in any::<prop::sample::Index>(),
        cost in 3_000_u64..40_000,
        noise in proptest::collection::vec(0_u64..250, 1..40),
        asks in asks(),
    ) {
        let guilty = guilty.index(many);
        let mut costs = vec![10; many];
        costs[guilty] = cost;
        let mut control = Simulated::new(&costs, asks);
        control.noise = noise;
        let found = run(&control);
        prop_assert_eq!(found.guilty(), ids(&[guilty]));
        prop_assert_eq!(found.outcome, Outcome::Explained);
        prop_assert!((found.culprits[0].share_ms - i64::try_from(cost).unwrap()).abs() <= 500);
    }

    #[test]
    fn two_guilty_of_many_are_both_found(
        many in 2_usize..14,
        first in any::<prop::sample::Index>(),
        apart in any::<prop::sample::Index>(),
        costs_of_both in (4_000_u64..20_000, 4_000_u64..20_000),
        noise in proptest::collection::vec(0_u64..100, 1..40),
        asks in asks(),
    ) {
        let first = first.index(many);
        let second = (first + 1 + apart.index(many - 1)) % many;
        let mut costs = vec![0; many];
        costs[first] = costs_of_both.0;
        costs[second] = costs_of_both.1;
        let mut control = Simulated::new(&costs, asks);
        control.noise = noise;
        let found = run(&control);
        prop_assert_eq!(found.guilty(), ids(&[first, second]));
        prop_assert!(found.remaining.total_ms() < 1_000);
    }

    #[test]
    fn nobody_is_convicted_of_noise(
        many in 0_usize..14,
        own in 0_u64..20_000,
        noise in proptest::collection::vec(0_u64..280, 1..60),
    ) {
        let mut control = Simulated::new(&vec![0; many], Asks::OneAfterAnother);
        control.own = own;
        control.noise = noise;
        prop_assert_eq!(run(&control).culprits, Vec::new());
    }
}
