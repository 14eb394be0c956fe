//! What is held against a run: what it must name, what it may leave unknown, and what it must not say.

use std::collections::BTreeSet;
use std::fmt;

use maildoctor_lab::faults::Fault;

use crate::paper::Paper;

/// What a run with one fault shows of it: what pairs are held against.
#[derive(Debug)]
pub struct Alone {
    /// The fault.
    pub fault: &'static Fault,
    /// Every root cause that was named.
    pub roots: BTreeSet<String>,
    /// Every finding: where the root is hidden, its symptoms stand for themselves.
    pub findings: BTreeSet<String>,
    /// Where the fault's root was found.
    pub places: BTreeSet<String>,
}

impl Alone {
    /// Reads it from the run.
    pub fn of(fault: &'static Fault, paper: &Paper) -> Self {
        let found = paper.states(fault.expect).filter(|(_, state)| *state == "found").map(|(place, _)| place);
        let owned = |codes: &mut dyn Iterator<Item = &str>| codes.map(str::to_owned).collect();
        Self {
            fault,
            roots: owned(&mut paper.roots()),
            findings: owned(&mut paper.findings()),
            places: found.collect(),
        }
    }
}

/// How a run with two faults went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Roots that had to be named and were not.
    pub missed: Vec<&'static str>,
    /// Roots that are not named since the other fault hides them, and are said to be unknown.
    pub hidden: Vec<&'static str>,
    /// Roots that may not be named, and are said not to be there.
    pub denied: Vec<&'static str>,
    /// Roots that were named, and that neither fault has.
    pub invented: Vec<String>,
}

impl Mark {
    /// Whether all is as it must be.
    pub fn is_right(&self) -> bool {
        self.missed.is_empty() && self.denied.is_empty() && self.invented.is_empty()
    }
}

/// Marks a run in which two faults were on. A fault whose root is named, or which is itself found and explained, is
/// right. One that is not must be hidden by the other, and is then clear nowhere where it was found alone.
pub fn mark([one, two]: [&Alone; 2], paper: &Paper) -> Mark {
    let named: BTreeSet<&str> = paper.findings().collect();
    let mut out = Mark { missed: Vec::new(), hidden: Vec::new(), denied: Vec::new(), invented: Vec::new() };
    let mut known: BTreeSet<&str> = [one, two].into_iter().flat_map(|alone| &alone.roots).map(String::as_str).collect();
    for (this, other) in [(one, two), (two, one)] {
        let expected = this.fault.expect;
        if named.contains(expected) || named.contains(this.fault.code) {
            continue;
        }
        if paper.states(expected).any(|(place, state)| state == "clear" && this.places.contains(&place)) {
            out.denied.push(expected);
        } else if other.fault.place.hides(&this.fault.place) {
            out.hidden.push(expected);
            known.extend(this.findings.iter().map(String::as_str));
        } else {
            out.missed.push(expected);
        }
    }
    out.invented = paper.roots().filter(|root| !known.contains(root)).map(str::to_owned).collect();
    out
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let invented: Vec<&str> = self.invented.iter().map(String::as_str).collect();
        let parts = [
            ("missed", &self.missed),
            ("said not to be there", &self.denied),
            ("invented", &invented),
            ("hidden", &self.hidden),
        ];
        let said: Vec<String> = parts
            .into_iter()
            .filter(|(_, codes)| !codes.is_empty())
            .map(|(word, codes)| format!("{word}: {}", codes.join(", ")))
            .collect();
        if said.is_empty() { f.write_str("both named") } else { f.write_str(&said.join("; ")) }
    }
}
