//! The SPF record and all it leads to: spf-missing, spf-multiple, spf-syntax, spf-too-many-lookups, spf-pass-all,
//! spf-ptr-or-deprecated.

use std::cell::RefCell;

use maildoctor_wire::records::spf::{self, MAX_LOOKUPS, MAX_NAMES, MAX_VOID, Node, Tree};

use super::super::{At, Found, Rule, State, Told};
use super::{Ids, Texts, texts_at, views};
use crate::case::Why;
use crate::questions::dns::{Data, Followed, RecordType, Via};
use crate::questions::policies::{self, record_type};
use crate::subject::Domain;

pub(super) const RULES: &[Rule] = &[
    Rule::domain(&["spf-missing"], missing).over_all_vantages(),
    Rule::domain(&["spf-multiple"], multiple).over_all_vantages(),
    Rule::domain(&["spf-syntax"], syntax).over_all_vantages(),
    Rule::domain(&["spf-too-many-lookups"], too_many).over_all_vantages(),
    Rule::domain(&["spf-pass-all"], pass_all).over_all_vantages(),
    Rule::domain(&["spf-ptr-or-deprecated"], deprecated).over_all_vantages(),
];

/// The domain's SPF records.
pub(super) fn policies(at: &At<'_, Domain>) -> Result<Texts, Why> {
    texts_at(at, at.on.as_str(), spf::is_spf)
}

/// The policy as a tree, and the answers it was read from.
pub(super) fn tree(at: &At<'_, Domain>) -> Result<(Tree, Ids), Why> {
    let ids = RefCell::new(Ids::new());
    let tree = spf::tree(at.on.as_str(), &|ask| {
        let views = views(at, &ask.name, record_type(ask.rtype));
        match views.find(|view| policies::holds(view, ask.rtype)) {
            policies::Found::Here(seen) | policies::Found::Nowhere(seen) | policies::Found::Silent(seen) => {
                ids.borrow_mut().insert(seen.id());
            }
            policies::Found::Unasked => {}
        }
        views.answer(ask.rtype)
    });
    match tree {
        Ok(tree) => Ok((tree, ids.into_inner())),
        Err(asks) => {
            let first = asks.first().map(|ask| {
                let question = Followed { rtype: record_type(ask.rtype), via: Via::Own };
                at.ask_of(&question, &Domain::new(&ask.name)).err().unwrap_or(Why::NotPlanned)
            });
            Err(first.unwrap_or(Why::NotPlanned))
        }
    }
}

/// The tree of a domain that has exactly one SPF record; `None` where it has not.
fn one_tree(at: &At<'_, Domain>) -> Result<Option<(Tree, Ids)>, Why> {
    if policies(at)?.only().is_none() {
        return Ok(None);
    }
    tree(at).map(Some)
}

fn missing(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let policy = policies(at)?;
    if policy.nxdomain {
        return Ok(State::NotApplicable);
    }
    if policy.list.is_empty() {
        found
            .is(at.on.clone())
            .says(format!("{} has no SPF record, so nobody can tell which servers may send its mail", at.on))
            .detail("domain", at.on.as_str())
            .witnessed(policy.id);
    }
    found.state()
}

fn multiple(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let policy = policies(at)?;
    if policy.list.len() > 1 {
        found
            .is(at.on.clone())
            .says(format!(
                "{} has {} SPF records, which receivers must treat as an error; there may be only one",
                at.on,
                policy.list.len()
            ))
            .detail("domain", at.on.as_str())
            .detail("count", policy.list.len())
            .detail("records", policy.list.join(" | "))
            .witnessed(policy.id);
    }
    found.state()
}

fn syntax(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let Some((tree, ids)) = one_tree(at)? else { return Ok(State::NotApplicable) };
    if let Some((domain, flaw)) = tree.flaws.first() {
        let whose = if *domain == at.on.as_str() { String::new() } else { format!(", by way of {domain}") };
        let more = if tree.flaws.len() > 1 { format!(", and {} more", tree.flaws.len() - 1) } else { String::new() };
        let finding = found
            .is(at.on.clone())
            .says(format!("the SPF record of {} is void{whose}: {flaw}{more}", at.on))
            .detail("domain", at.on.as_str())
            .detail("holder", domain.as_str())
            .detail("position", flaw.at)
            .detail("flaw", flaw.what.as_str())
            .known("record", tree.root.text.as_deref());
        ids.iter().for_each(|id| {
            finding.witnessed(*id);
        });
    }
    missed(at, found, &tree);
    found.state()
}

/// What gave no answer leaves the rest untold.
fn missed(at: &At<'_, Domain>, found: &mut Found<'_>, tree: &Tree) {
    for name in &tree.unanswered {
        let views = views(at, name, RecordType::Txt);
        let id = views.own.iter().chain(&views.others).next().map(|seen| seen.id());
        found.missed(id.map_or(Why::NotPlanned, Why::Denied));
    }
    if tree.cut {
        found.missed(Why::NotPlanned);
    }
}

fn too_many(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let Some((tree, ids)) = one_tree(at)? else { return Ok(State::NotApplicable) };
    let domain = at.on.as_str();
    if tree.too_many() {
        let says = if tree.lookups() > MAX_LOOKUPS {
            let at_least = if tree.cut { "at least " } else { "" };
            format!(
                "the SPF record of {domain} needs {at_least}{} DNS lookups, and receivers stop at {MAX_LOOKUPS}",
                tree.lookups()
            )
        } else if let Some(name) = tree.crowded.first() {
            format!("the SPF record of {domain} asks for the exchangers of {name}, which has more than {MAX_NAMES}")
        } else {
            let names: Vec<&str> = tree.voids.iter().map(|(_, name)| name.as_str()).collect();
            format!(
                "the SPF record of {domain} looks up {} names that give nothing ({}), and receivers stop after {MAX_VOID}",
                names.len(),
                names.join(", ")
            )
        };
        let finding = found
            .is(at.on.clone())
            .says(says)
            .detail("domain", domain)
            .detail("lookups", tree.lookups())
            .detail("void_lookups", tree.voids.len())
            .detail("tree", outline(&tree.root));
        ids.iter().for_each(|id| {
            finding.witnessed(*id);
        });
    }
    missed(at, found, &tree);
    found.state()
}

/// Where the lookups go: each term of the domain's own record and what it costs, the dearest first.
fn outline(root: &Node) -> String {
    let mut parts: Vec<(usize, String)> = root
        .below
        .iter()
        .map(|node| (node.lookups + 1, node.term.clone().unwrap_or_else(|| node.domain.clone())))
        .collect();
    let own = root.lookups.saturating_sub(parts.iter().map(|(n, _)| n).sum());
    parts.push((own, "other terms".to_owned()));
    parts.sort_by_key(|(lookups, _)| std::cmp::Reverse(*lookups));
    parts.retain(|(lookups, _)| *lookups > 0);
    parts.iter().map(|(lookups, term)| format!("{term} {lookups}")).collect::<Vec<_>>().join(", ")
}

fn pass_all(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let Some((tree, ids)) = one_tree(at)? else { return Ok(State::NotApplicable) };
    if let Some((domain, term)) = tree.open.first() {
        let whose = if *domain == at.on.as_str() { String::new() } else { format!(" by way of {domain}") };
        let finding = found
            .is(at.on.clone())
            .says(format!("the SPF record of {} lets everybody send{whose}: `{term}`", at.on))
            .detail("domain", at.on.as_str())
            .detail("holder", domain.as_str())
            .detail("term", term.as_str());
        ids.iter().for_each(|id| {
            finding.witnessed(*id);
        });
    }
    missed(at, found, &tree);
    found.state()
}

fn deprecated(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let obsolete = at.ask(&Followed { rtype: RecordType::Spf, via: Via::Own });
    if let Ok(seen) = &obsolete {
        let there = seen.definite().is_some_and(|answer| {
            answer.answers.iter().any(|record| matches!(record.data, Data::Other { number: 99 }))
        });
        if there {
            found
                .is(at.on.clone())
                .says(format!("{} still has an SPF record of the abolished type 99, which nobody reads", at.on))
                .detail("domain", at.on.as_str())
                .witnessed(seen.id());
        }
    }
    let Some((tree, ids)) = one_tree(at)? else { return found.state() };
    if let Some(term) = tree.reverse.first() {
        let finding = found
            .is(at.on.clone())
            .says(format!(
                "the SPF record of {} rests on reverse names (`{term}`), which is slow and should not be used",
                at.on
            ))
            .detail("domain", at.on.as_str())
            .detail("term", term.as_str());
        ids.iter().for_each(|id| {
            finding.witnessed(*id);
        });
    }
    found.state()
}
