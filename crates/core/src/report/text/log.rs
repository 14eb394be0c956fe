//! What the server's own log says of the mail in question: the first thing anybody looks at.

use std::fmt::Write as _;

use super::super::model::Report;
use super::{Style, harmless, heading, wrap};
use crate::case::Question;
use crate::questions::host::log::{Log, LogWire};

/// The most lines of one log that are shown, the last ones; the case keeps more.
const MAX_LINES: usize = 8;

/// Writes the section; nothing where no log was read, or none speaks of this mail.
pub(super) fn section(out: &mut String, report: &Report, style: Style, width: usize) {
    for observation in report.observations.iter().map(|record| &record.0).filter(|o| o.probe == Log::PROBE) {
        let Ok(wire) = serde_json::from_value::<LogWire>(observation.outcome.clone()) else {
            continue;
        };
        if wire.about.is_empty() {
            continue;
        }
        let source = observation.asked.get("source").and_then(|source| source.as_str()).unwrap_or_default();
        heading(out, &format!("What the log says of this mail ({})", harmless(source)), style);
        let earlier = wire.about.len().saturating_sub(MAX_LINES);
        for line in wire.about.iter().skip(earlier) {
            out.push_str(&wrap(&harmless(line), width, "  ", "    "));
        }
        if earlier > 0 {
            let _ = writeln!(out, "  {}", style.dim(&format!("{earlier} earlier lines are in the JSON report")));
        }
    }
}
