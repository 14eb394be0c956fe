//! How the answers of several resolvers read to those who look for a policy (SPF, DKIM, DMARC …).
//!
//! A record counts where any resolver shows it: the resolver here may have a view of its own, and receivers
//! out there go by theirs. That there is none is said only where every resolver that was to be asked says so.

use std::ops::Deref;

use maildoctor_wire::octets::unescape;
use maildoctor_wire::records::spf::{Answer, AskType};

use super::dns::{Dns, RecordType};

/// What the resolvers said to one question; each `V` is a view, with whatever the caller keeps beside it.
#[derive(Debug, Clone)]
pub struct Views<V> {
    /// The resolver here, where it was asked.
    pub own: Option<V>,
    /// Resolvers out there that were asked.
    pub others: Vec<V>,
    /// Where the resolver here has nothing, one out there is asked as well.
    pub others_expected: bool,
}

/// What they come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<V> {
    /// It is there.
    Here(V),
    /// It is not.
    Nowhere(V),
    /// No answer tells: one that was given in vain.
    Silent(V),
    /// Not everybody was asked who has to be.
    Unasked,
}

impl<V: Copy + Deref<Target = Dns>> Views<V> {
    /// Lays the answers together; `fits` says whether one holds what is looked for.
    pub fn find(&self, fits: impl Fn(&Dns) -> bool) -> Found<V> {
        let all = || self.own.iter().chain(&self.others).copied();
        let definite = || all().filter(|view| view.definite().is_some());
        if let Some(view) = definite().find(|view| fits(view)) {
            return Found::Here(view);
        }
        let own_lacks_it = self.own.is_some_and(|view| view.definite().is_some());
        if own_lacks_it && self.others_expected && self.others.is_empty() {
            return Found::Unasked;
        }
        match (definite().next(), all().next()) {
            (Some(view), _) => Found::Nowhere(view),
            (None, Some(view)) => Found::Silent(view),
            (None, None) => Found::Unasked,
        }
    }

    /// What SPF is told; `None` for what is still to be asked.
    pub fn answer(&self, rtype: AskType) -> Option<Answer> {
        match self.find(|view| holds(view, rtype)) {
            Found::Here(view) | Found::Nowhere(view) => Some(answer(&view, rtype)),
            Found::Silent(_) => Some(Answer::Failed),
            Found::Unasked => None,
        }
    }
}

/// Whether an answer holds what SPF asks for: policies, where texts are asked for.
pub fn holds(view: &Dns, rtype: AskType) -> bool {
    match answer(view, rtype) {
        Answer::Texts(texts) => texts.iter().any(|text| maildoctor_wire::records::spf::is_spf(text)),
        Answer::Addresses(found) => !found.is_empty(),
        Answer::Names(found) => !found.is_empty(),
        Answer::Failed => false,
    }
}

fn answer(view: &Dns, rtype: AskType) -> Answer {
    let Some(definite) = view.definite() else { return Answer::Failed };
    match rtype {
        AskType::Txt => Answer::Texts(texts(view)),
        AskType::A | AskType::Aaaa => Answer::Addresses(definite.addresses()),
        AskType::Mx => Answer::Names(definite.mx().into_iter().map(|(_, host)| host.to_owned()).collect()),
        AskType::Ptr => Answer::Names(definite.names().into_iter().map(str::to_owned).collect()),
    }
}

/// The TXT records of an answer as they were published.
pub fn texts(view: &Dns) -> Vec<String> {
    let plain = |text: &str| String::from_utf8_lossy(&unescape(text)).into_owned();
    view.definite().map(|answer| answer.texts().into_iter().map(plain).collect()).unwrap_or_default()
}

/// The record type that a question of SPF is asked by.
pub fn record_type(rtype: AskType) -> RecordType {
    match rtype {
        AskType::Txt => RecordType::Txt,
        AskType::A => RecordType::A,
        AskType::Aaaa => RecordType::Aaaa,
        AskType::Mx => RecordType::Mx,
        AskType::Ptr => RecordType::Ptr,
    }
}
