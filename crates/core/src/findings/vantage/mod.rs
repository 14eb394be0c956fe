//! vantages-disagree: what one sees depends on where one stands. vantage-unusable: a place cannot be looked from.

use super::{At, Found, Rule, State, Told};
use crate::case::{Skip, Why};
use crate::questions::place::Opening;
use crate::questions::tcp::{Connect, Role};
use crate::subject::{Service, VantageId};

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::service(&["vantages-disagree"], &[Role::Smtp, Role::Submission, Role::Smtps], disagree)
            .over_all_vantages(),
        Rule::vantage(&["vantage-unusable"], unusable),
    ]
}

fn unusable(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    // This machine needs no opening.
    let Ok(opening) = at.ask(&Opening) else { return Ok(State::NotApplicable) };
    if let Some(error) = opening.failure() {
        found
            .is(at.on.clone())
            .says(format!("{} could not be looked from: {error}", at.on))
            .detail("vantage", at.on.to_string())
            .detail("error", error)
            .witnessed(opening.id());
    }
    found.state()
}

fn disagree(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let mut seen = Vec::new();
    for from in at.case.vantage_ids() {
        if let Ok(connect) = at.ask_from(&Connect, &at.on, &from)
            && (connect.open().is_some() || connect.kept_out())
        {
            seen.push((from, connect.open().is_some(), connect.id()));
        }
    }
    if seen.len() < 2 {
        return Err(Why::Skipped(Skip { because: "only one place was looked from".to_owned(), option: String::new() }));
    }
    if seen.iter().any(|s| s.1) && seen.iter().any(|s| !s.1) {
        let table: Vec<String> =
            seen.iter().map(|(from, open, _)| format!("{from}: {}", if *open { "open" } else { "shut" })).collect();
        let finding = found
            .is(at.on)
            .says(format!("the places disagree about {}: {}", at.on, table.join(", ")))
            .detail("table", table);
        for (_, open, id) in &seen {
            finding.witnessed(*id);
            if !open {
                finding.owes_step(*id);
            }
        }
    }
    found.state()
}
