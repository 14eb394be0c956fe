//! A policy as a tree: every record that it leads to, what each costs, and what is wrong with the whole.
//!
//! The tree is walked for the sender that matches nothing, who costs the most. What depends on the sender
//! (`exists:%{i}…`) is counted and not followed.

use super::evaluate::is_domain;
use super::{
    Answer, Answers, Ask, AskType, DomainSpec, MAX_LOOKUPS, MAX_NAMES, MAX_VOID, Meaning, Mechanism, Qualifier, Record,
    is_spf,
};
use crate::records::Flaw;

/// The records of one tree that are read: four times what any policy may need.
const MAX_RECORDS: usize = 40;

/// How deep includes are followed.
const MAX_DEPTH: usize = 12;

/// Networks larger than this let in more than any one organisation has.
const WIDEST_V4: u8 = 8;

/// The same for IPv6.
const WIDEST_V6: u8 = 16;

/// One record of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The domain whose record it is.
    pub domain: String,
    /// The term that led here; `None` for the domain under test.
    pub term: Option<String>,
    /// The record's text, where there is exactly one.
    pub text: Option<String>,
    /// The lookups of this record and of all below it.
    pub lookups: usize,
    /// The records below.
    pub below: Vec<Node>,
}

/// A whole policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The domain's own record.
    pub root: Node,
    /// Why the policy is void: whose record, and what is wrong with it.
    pub flaws: Vec<(String, Flaw)>,
    /// Names that were looked up for nothing: term and name.
    pub voids: Vec<(String, String)>,
    /// Names with more exchangers or names than are looked at.
    pub crowded: Vec<String>,
    /// Terms that let everybody pass, and whose record they are in.
    pub open: Vec<(String, String)>,
    /// Terms with `ptr` or `%{p}` in the domain's own record.
    pub reverse: Vec<String>,
    /// Names that gave no answer that tells.
    pub unanswered: Vec<String>,
    /// The walk ended before the tree did.
    pub cut: bool,
}

impl Tree {
    /// The lookups a sender costs that matches nothing.
    pub fn lookups(&self) -> usize {
        self.root.lookups
    }

    /// Whether more lookups are needed than may be.
    pub fn too_many(&self) -> bool {
        self.lookups() > MAX_LOOKUPS || self.voids.len() > MAX_VOID || !self.crowded.is_empty()
    }
}

struct Walk<'a> {
    answers: Answers<'a>,
    needs: Vec<Ask>,
    records: usize,
    tree: Tree,
}

/// Where a record stands in the tree.
#[derive(Clone, Copy)]
struct Place<'t> {
    depth: usize,
    /// What a pass of this record means for the whole.
    passes: bool,
    /// It is the domain's own: the record itself, or where `redirect=` leads.
    own: bool,
    term: Option<&'t str>,
}

/// Walks the policy of a domain.
///
/// # Errors
/// The questions that must be answered before more can be told; answered together they save rounds.
pub fn tree(domain: &str, answers: Answers<'_>) -> Result<Tree, Vec<Ask>> {
    let root = Node { domain: domain.to_owned(), term: None, text: None, lookups: 0, below: Vec::new() };
    let empty = Tree {
        root,
        flaws: Vec::new(),
        voids: Vec::new(),
        crowded: Vec::new(),
        open: Vec::new(),
        reverse: Vec::new(),
        unanswered: Vec::new(),
        cut: false,
    };
    let mut walk = Walk { answers, needs: Vec::new(), records: 0, tree: empty };
    walk.tree.root = walk.node(domain, Place { depth: 0, passes: true, own: true, term: None });
    if walk.needs.is_empty() {
        Ok(walk.tree)
    } else {
        walk.needs.sort();
        walk.needs.dedup();
        Err(walk.needs)
    }
}

impl Walk<'_> {
    /// The answer; `None` where it is still to be asked for, or does not tell.
    fn ask(&mut self, name: &str, rtype: AskType) -> Option<Answer> {
        let ask = Ask::new(name, rtype);
        match (self.answers)(&ask) {
            None => {
                self.needs.push(ask);
                None
            }
            Some(Answer::Failed) => {
                if !self.tree.unanswered.iter().any(|known| known == name) {
                    self.tree.unanswered.push(name.to_owned());
                }
                None
            }
            some => some,
        }
    }

    fn flaw(&mut self, domain: &str, at: usize, what: String) {
        let flaw = (domain.to_owned(), Flaw { at: at + 1, what });
        if !self.tree.flaws.contains(&flaw) {
            self.tree.flaws.push(flaw);
        }
    }

    fn node(&mut self, domain: &str, place: Place<'_>) -> Node {
        let mut node = Node {
            domain: domain.to_owned(),
            term: place.term.map(str::to_owned),
            text: None,
            lookups: 0,
            below: Vec::new(),
        };
        self.records += 1;
        if self.records > MAX_RECORDS || place.depth > MAX_DEPTH {
            self.tree.cut = true;
            return node;
        }
        let Some(answer) = self.ask(domain, AskType::Txt) else { return node };
        let texts = if let Answer::Texts(texts) = answer { texts } else { Vec::new() };
        let policies: Vec<&String> = texts.iter().filter(|text| is_spf(text)).collect();
        match (policies.as_slice(), place.term) {
            ([text], _) => node.text = Some((*text).clone()),
            ([], Some(term)) => {
                self.flaw(domain, 0, format!("{term} leads to {domain}, which has no SPF record"));
                return node;
            }
            ([_, ..], Some(_)) => {
                self.flaw(domain, 0, format!("{domain} has more than one SPF record"));
                return node;
            }
            // None, or several, at the domain itself: those are findings of their own.
            (_, None) => return node,
        }
        let record = Record::parse(node.text.as_deref().unwrap_or_default());
        for flaw in &record.flaws {
            self.tree.flaws.push((domain.to_owned(), flaw.clone()));
        }
        self.terms(&record, place, &mut node);
        node
    }

    fn terms(&mut self, record: &Record, place: Place<'_>, node: &mut Node) {
        for term in &record.terms {
            let (qualifier, mechanism) = match &term.meaning {
                Meaning::Directive(qualifier, mechanism) => (*qualifier, mechanism),
                _ => continue,
            };
            node.lookups += usize::from(term.looks_up());
            if place.passes && qualifier == Qualifier::Pass && is_open(mechanism) {
                self.tree.open.push((node.domain.clone(), term.text.clone()));
            }
            if place.own && uses_reverse_names(mechanism) {
                self.tree.reverse.push(term.text.clone());
            }
            match mechanism {
                Mechanism::Include(spec) => {
                    let passes = place.passes && qualifier == Qualifier::Pass;
                    let inner = Place { depth: place.depth + 1, passes, own: false, term: Some(&term.text) };
                    self.follow(spec, term.at, inner, node);
                }
                Mechanism::A(spec, _) => self.address_of(spec.as_ref(), &term.text, &node.domain.clone()),
                Mechanism::Mx(spec, _) => self.exchangers_of(spec.as_ref(), &term.text, &node.domain.clone()),
                Mechanism::Exists(spec) => self.existence(spec, &term.text),
                // What stands behind it is never reached.
                Mechanism::All => return,
                Mechanism::Ip4(..) | Mechanism::Ip6(..) | Mechanism::Ptr(_) => {}
            }
        }
        for term in &record.terms {
            if let Meaning::Redirect(spec) = &term.meaning {
                node.lookups += 1;
                let inner = Place { depth: place.depth + 1, term: Some(&term.text), ..place };
                self.follow(spec, term.at, inner, node);
            }
        }
    }

    fn follow(&mut self, spec: &DomainSpec, at: usize, place: Place<'_>, node: &mut Node) {
        let Some(target) = spec.plain() else { return };
        if !is_domain(&target) {
            self.flaw(&node.domain, at, format!("`{target}` is no domain"));
            return;
        }
        let inner = self.node(&target, place);
        node.lookups += inner.lookups;
        node.below.push(inner);
    }

    fn void(&mut self, term: &str, name: &str) {
        let void = (term.to_owned(), name.to_owned());
        if !self.tree.voids.contains(&void) {
            self.tree.voids.push(void);
        }
    }

    /// A name without any address: void for clients of either family.
    fn address_of(&mut self, spec: Option<&DomainSpec>, term: &str, domain: &str) {
        let Some(name) = spec.map_or_else(|| Some(domain.to_owned()), DomainSpec::plain) else { return };
        let (v4, v6) = (self.ask(&name, AskType::A), self.ask(&name, AskType::Aaaa));
        let empty = |answer: &Option<Answer>| match answer {
            Some(Answer::Addresses(found)) => found.is_empty(),
            Some(_) => true,
            None => false,
        };
        if empty(&v4) && empty(&v6) {
            self.void(term, &name);
        }
    }

    fn exchangers_of(&mut self, spec: Option<&DomainSpec>, term: &str, domain: &str) {
        let Some(name) = spec.map_or_else(|| Some(domain.to_owned()), DomainSpec::plain) else { return };
        let Some(answer) = self.ask(&name, AskType::Mx) else { return };
        let hosts = if let Answer::Names(hosts) = answer { hosts.len() } else { 0 };
        if hosts == 0 {
            self.void(term, &name);
        } else if hosts > MAX_NAMES && !self.tree.crowded.contains(&name) {
            self.tree.crowded.push(name);
        }
    }

    fn existence(&mut self, spec: &DomainSpec, term: &str) {
        let Some(name) = spec.plain() else { return };
        match self.ask(&name, AskType::A) {
            Some(Answer::Addresses(found)) if !found.is_empty() => {}
            Some(_) => self.void(term, &name),
            None => {}
        }
    }
}

/// Whether a mechanism matches everybody, or more than any one organisation has.
fn is_open(mechanism: &Mechanism) -> bool {
    match mechanism {
        Mechanism::All => true,
        Mechanism::Ip4(_, length) => *length < WIDEST_V4,
        Mechanism::Ip6(_, length) => *length < WIDEST_V6,
        Mechanism::A(_, prefixes) | Mechanism::Mx(_, prefixes) => prefixes.v4 < WIDEST_V4 || prefixes.v6 < WIDEST_V6,
        Mechanism::Include(_) | Mechanism::Ptr(_) | Mechanism::Exists(_) => false,
    }
}

fn uses_reverse_names(mechanism: &Mechanism) -> bool {
    match mechanism {
        Mechanism::Ptr(_) => true,
        Mechanism::Include(spec) | Mechanism::Exists(spec) => spec.needs_reverse_name(),
        Mechanism::A(spec, _) | Mechanism::Mx(spec, _) => spec.as_ref().is_some_and(DomainSpec::needs_reverse_name),
        Mechanism::All | Mechanism::Ip4(..) | Mechanism::Ip6(..) => false,
    }
}
