//! A comparison for people.

use std::fmt::Write as _;

use super::{Comparison, Way};
use crate::report::text::{Style, harmless, wrap};

/// Writes the comparison: one line of what it comes to, then the changes by what they mean.
pub fn render(comparison: &Comparison, style: Style) -> String {
    let (before, after) = (&comparison.before, &comparison.after);
    let head = match comparison.changes.iter().map(|c| c.way).min() {
        None => format!("SAME: {} as before", after.verdict.name()),
        Some(way) => format!("{}: {} now, {} before", word(way), after.verdict.name(), before.verdict.name()),
    };
    let mut out = wrap(&format!("{head}. {}", harmless(&after.summary)), style.width, "", "  ");
    if before.target != after.target {
        let line = format!(
            "The two runs had other targets: {} before, {} now.",
            harmless(&before.target),
            harmless(&after.target)
        );
        out.push_str(&wrap(&line, style.width, "  ", "  "));
    }
    for (way, heading) in [
        (Way::Worse, "Worse"),
        (Way::Better, "Better"),
        (Way::Untold, "Found before, and not told by the later run"),
        (Way::Changed, "Changed"),
    ] {
        let mut of_way = comparison.changes.iter().filter(|c| c.way == way).peekable();
        if of_way.peek().is_some() {
            let _ = writeln!(out, "\n{}", style.bold(heading));
        }
        for change in of_way {
            let code = change.code.as_ref().map(|code| format!("{code}: ")).unwrap_or_default();
            let line = format!("{} {code}{}", style.bullet(), harmless(&change.says));
            out.push_str(&wrap(&line, style.width, "  ", "    "));
        }
    }
    let _ = writeln!(out, "\n{}", style.dim(&format!("{} compared with {}", after.started_at, before.started_at)));
    out
}

fn word(way: Way) -> &'static str {
    match way {
        Way::Worse => "WORSE",
        Way::Better => "BETTER",
        Way::Changed => "CHANGED",
        Way::Untold => "NOT TOLD",
    }
}
