//! What a rule looks through: one subject from one vantage, or one subject from everywhere.
//!
//! A window notes every observation it told a rule about: that is the evidence of the check, with no
//! work for the rule.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::case::{Case, ObsId, Question, Seen, Why};
use crate::subject::{Kind, VantageId};

/// One subject, seen from one vantage.
pub struct At<'c, K: Kind> {
    /// The case.
    pub case: &'c Case,
    /// The subject.
    pub on: K,
    /// The vantage.
    pub from: VantageId,
    told: RefCell<BTreeSet<ObsId>>,
}

impl<'c, K: Kind> At<'c, K> {
    /// A window on a subject.
    pub fn new(case: &'c Case, on: K, from: VantageId) -> Self {
        Self { case, on, from, told: RefCell::default() }
    }

    /// Asks about the subject itself.
    ///
    /// # Errors
    /// Why it is not known.
    pub fn ask<Q: Question<On = K>>(&self, question: &Q) -> Result<Seen<'c, Q::View>, Why> {
        self.ask_of(question, &self.on)
    }

    /// Asks about a related subject.
    ///
    /// # Errors
    /// Why it is not known.
    pub fn ask_of<Q: Question>(&self, question: &Q, on: &Q::On) -> Result<Seen<'c, Q::View>, Why> {
        self.ask_from(question, on, &self.from)
    }

    /// Asks about a subject as seen from another vantage.
    ///
    /// # Errors
    /// Why it is not known.
    pub fn ask_from<Q: Question>(&self, question: &Q, on: &Q::On, from: &VantageId) -> Result<Seen<'c, Q::View>, Why> {
        let answer = self.case.ask(question, on, from);
        let id = match &answer {
            Ok(seen) => Some(seen.id()),
            Err(why) => why.shown_by(),
        };
        self.told.borrow_mut().extend(id);
        answer
    }

    /// The first answer to a question that fits, where it was asked more than once; else the last.
    ///
    /// # Errors
    /// Why it is not known.
    pub fn ask_first<Q: Question<On = K>>(
        &self,
        question: &Q,
        fits: impl Fn(&Q::View) -> bool,
    ) -> Result<Seen<'c, Q::View>, Why> {
        self.ask(question)?;
        let seen = self.case.ask_first(question, &self.on, &self.from, fits)?;
        self.note(seen.id());
        Ok(seen)
    }

    /// Notes an observation that the rule came by in another way.
    pub fn note(&self, id: ObsId) {
        self.told.borrow_mut().insert(id);
    }

    /// What the rule was told of.
    pub fn evidence(&self) -> Vec<ObsId> {
        self.told.borrow().iter().copied().collect()
    }
}
