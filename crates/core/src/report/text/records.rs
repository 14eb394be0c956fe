//! The domain's records: each in a line, SPF as a tree with what each branch costs.

use std::fmt::Write as _;

use super::super::model::Report;
use super::{Style, harmless, heading, wrap};

/// Writes the section; nothing where no record was looked at.
pub(super) fn section(out: &mut String, report: &Report, style: Style, width: usize) {
    if report.records.is_empty() {
        return;
    }
    heading(out, "Records", style);
    for record in &report.records {
        let first = format!("  {:<8}", record.kind);
        let line = format!("{}: {}", harmless(&record.name), harmless(&record.text));
        out.push_str(&wrap(&line, width, &first, "            "));
        for note in &record.notes {
            let _ = writeln!(out, "            {}", style.dim(&harmless(note)));
        }
    }
}
