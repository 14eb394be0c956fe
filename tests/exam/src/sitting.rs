//! The exam as a whole: the healthy system, each fault alone, pairs of faults, and what came of each.

use std::collections::BTreeMap;
use std::path::Path;

use maildoctor_lab::faults::Fault;

use crate::choice::Pair;
use crate::judge::{Alone, Mark, mark};
use crate::paper::{ExamError, Paper};
use crate::queue::all_at_once;

/// How many labs run at once: most of an exam's time is waiting on purpose.
const AT_ONCE: usize = 24;

/// One run with one fault.
pub struct Single {
    /// The fault.
    pub fault: &'static Fault,
    /// What was said.
    pub paper: Result<Paper, ExamError>,
}

impl Single {
    /// Whether the fault's root stands first, and the fault itself is among the findings.
    pub fn is_right(&self) -> bool {
        self.paper.as_ref().is_ok_and(|paper| {
            paper.roots().next() == Some(self.fault.expect) && paper.findings().any(|code| code == self.fault.code)
        })
    }
}

/// One run with two faults.
pub struct Double {
    /// The faults.
    pub pair: Pair,
    /// How it went; what kept it from being judged otherwise.
    pub mark: Result<Mark, String>,
}

impl Double {
    /// Whether all is as it must be.
    pub fn is_right(&self) -> bool {
        self.mark.as_ref().is_ok_and(Mark::is_right)
    }
}

/// One run that is to be made.
#[derive(Clone, Copy)]
enum Job {
    Healthy,
    Single(&'static Fault),
    Double(Pair),
}

impl Job {
    /// Makes it. Of a pair only what its mark needs is kept: there are thousands.
    fn sit(self, program: &Path) -> Result<Paper, ExamError> {
        match self {
            Self::Healthy => Paper::of(program, &[]),
            Self::Single(fault) => Paper::of(program, &[fault.code]),
            Self::Double(pair) => {
                let paper = Paper::of(program, &pair.map(|fault| fault.code))?;
                Ok(paper.about(&pair.map(|fault| fault.expect)))
            }
        }
    }
}

/// An exam that was sat.
pub struct Sitting {
    /// The healthy system.
    pub healthy: Result<Paper, ExamError>,
    /// Each fault alone, in the order of the list.
    pub singles: Vec<Single>,
    /// Pairs, in the order given.
    pub doubles: Vec<Double>,
}

impl Sitting {
    /// Checks a healthy lab, one with each of these faults, and one with each of these pairs. What goes wrong is
    /// tried once more by itself: a machine that is busy with two dozen labs may be slow where the lab is not.
    /// `done` is called after each run.
    pub fn of(program: &Path, faults: &[&'static Fault], pairs: &[Pair], done: &(dyn Fn() + Sync)) -> Self {
        let mut jobs: Vec<Job> = vec![Job::Healthy];
        jobs.extend(faults.iter().map(|fault| Job::Single(fault)));
        jobs.extend(pairs.iter().map(|pair| Job::Double(*pair)));
        let mut papers = all_at_once(&jobs, AT_ONCE, |job| {
            let paper = job.sit(program);
            done();
            paper
        })
        .into_iter();
        let mut healthy = papers.next().unwrap_or_else(|| Paper::of(program, &[]));
        if !healthy.as_ref().is_ok_and(Paper::is_silent) {
            healthy = Paper::of(program, &[]);
        }
        let singles: Vec<Single> = faults
            .iter()
            .zip(papers.by_ref())
            .map(|(&fault, paper)| {
                let first = Single { fault, paper };
                let again = || Single { fault, paper: Paper::of(program, &[fault.code]) };
                if first.is_right() { first } else { again() }
            })
            .collect();
        let alone: BTreeMap<&str, Alone> = singles
            .iter()
            .filter_map(|single| Some((single.fault.code, Alone::of(single.fault, single.paper.as_ref().ok()?))))
            .collect();
        let judge = |pair: Pair, paper: Result<Paper, ExamError>| -> Double {
            let known = pair.map(|fault| alone.get(fault.code));
            let mark = match (paper, known) {
                (Ok(paper), [Some(one), Some(two)]) => Ok(mark([one, two], &paper)),
                (Err(error), _) => Err(error.to_string()),
                (Ok(_), _) => Err("one of the two was not seen alone".to_owned()),
            };
            Double { pair, mark }
        };
        let doubles = pairs
            .iter()
            .zip(papers)
            .map(|(&pair, paper)| {
                let first = judge(pair, paper);
                let again = || judge(pair, Job::Double(pair).sit(program));
                if first.is_right() { first } else { again() }
            })
            .collect();
        Self { healthy, singles, doubles }
    }
}
