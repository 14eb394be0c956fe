//! What an isolation came to, in words.

use std::fmt::Write as _;

use maildoctor_core::catalogue::Step;
use maildoctor_core::diagnosis::Confidence;
use maildoctor_core::isolate::in_place::Back;
use maildoctor_core::isolate::{Candidate, Culprit, Event, How, Isolation, Note, Outcome, Waits};
use maildoctor_core::report::text::{harmless, wrap};

use crate::output;

/// A line of progress.
pub(super) fn event(event: &Event) -> String {
    match event {
        Event::Round { .. } => String::new(),
        Event::Measured(measured) => {
            let out: Vec<&str> = measured.off.iter().map(|id| id.0.as_str()).collect();
            let out = if out.is_empty() { "nothing".to_owned() } else { out.join(" ") };
            let cut = if measured.waits.is_cut() { "  (no banner in that time)" } else { "" };
            format!("  {:>8}  with {out} left out{cut}\n", seconds(measured.waits.total_ms()))
        }
    }
}

/// What was put back.
pub(super) fn back(back: &Back) -> String {
    let mut said = String::new();
    if back.gone {
        said.push_str("The lab of an earlier run is gone, and its settings with it; there is nothing to put back.\n");
    } else if back.foreign.is_empty() {
        said.push_str("All settings are as they were before.\n");
    } else {
        said.push_str(
            "What we changed is put back. Somebody else changed settings meanwhile, and these are not touched:\n",
        );
        for change in &back.foreign {
            said.push_str(&format!("  {change}\n"));
        }
    }
    if back.restarted {
        said.push_str(
            "The SMTP service was stopped and started for it, so that nothing measured stays in its cache.\n",
        );
    }
    said
}

/// What was found among so many candidates, and how the culprits would be taken out of the settings.
pub(super) fn isolation(found: &Isolation, candidates: usize, remedy: &[Step]) -> String {
    let total = seconds(found.baseline.total_ms());
    let at = phases(&found.baseline);
    let head = match found.outcome {
        Outcome::Quick => {
            ("NOTHING WAITS:", format!("the server answers a new client after {total}, which is no wait to explain."))
        }
        Outcome::NoneOfThem => (
            "NONE OF THEM:",
            format!(
                "the server waits {total} ({at}), and as long with all {candidates} of its lookups, services and pauses that can be \
                 switched off. The cause is something else: the machine's load, a table that is looked up elsewhere, or the network."
            ),
        ),
        Outcome::Unclear => (
            "UNCLEAR:",
            format!(
                "the server waits {total} ({at}), less with everything switched off, and the measurements do not tell which setting \
                 it is. Try again when the machine is quieter, with more --tries where copies are measured."
            ),
        ),
        Outcome::Explained | Outcome::Partly => (
            "FOUND:",
            format!(
                "{} a new client wait {total} ({at}); {} remain without that.",
                names(found),
                seconds(found.remaining.total_ms())
            ),
        ),
    };
    let width = output::style().width;
    let text = wrap(&harmless(&format!("{} {}", head.0, head.1)), width, "", "  ");
    let mut out = text.replacen(head.0, &output::emphasis(head.0), 1);
    for culprit in &found.culprits {
        let _ = write!(out, "\n{}", of_culprit(culprit, found.baseline.total_ms()));
    }
    for note in &found.notes {
        let _ = write!(out, "\n{}", wrap(&harmless(&format!("Note: {}", of_note(note))), width, "", "  "));
    }
    if !remedy.is_empty() && !found.culprits.is_empty() {
        let _ = writeln!(out, "\nTo take it out of the settings (nothing of this was done):");
        for step in remedy {
            // Where there are commands they say it all.
            if step.commands.is_empty() {
                out.push_str(&wrap(&harmless(&step.text), width, "  ", "  "));
            }
            for command in &step.commands {
                let _ = writeln!(out, "  {}", harmless(command));
            }
        }
    }
    out
}

/// The exit code of an outcome.
pub(super) fn exit_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Quick => 0,
        Outcome::Explained | Outcome::Partly => 1,
        Outcome::NoneOfThem | Outcome::Unclear => crate::EXIT_ERROR,
    }
}

fn names(found: &Isolation) -> String {
    let settings: Vec<String> =
        found.culprits.iter().flat_map(|culprit| &culprit.settings).map(Candidate::in_words).collect();
    format!("{} {}", settings.join(" and "), if settings.len() == 1 { "makes" } else { "make" })
}

fn of_culprit(culprit: &Culprit, total: u64) -> String {
    let share = u64::try_from(culprit.share_ms).unwrap_or(0);
    let percent = (share * 100).checked_div(total).unwrap_or(0).min(100);
    let settings: Vec<String> = culprit.settings.iter().map(|candidate| harmless(&candidate.in_words())).collect();
    let how = match culprit.how {
        How::Alone => "switched off alone it saves that",
        How::AfterTheOthers => "with those above off it saves that",
        How::SwitchedOn => "switched on again it brings that back",
        How::Together => "only together: each of them alone keeps the wait up",
        How::NotNarrowed => "together; which of them it is could not be told",
    };
    let sure = match culprit.confidence {
        Confidence::Proven => "proven",
        Confidence::Likely => "likely",
        Confidence::Possible => "possible",
    };
    let mut text = format!(
        "* {}: {} of {}, {percent} % ({sure}: {how})\n",
        settings.join(" and "),
        seconds(share),
        seconds(total)
    );
    for place in culprit.settings.iter().flat_map(|candidate| &candidate.places) {
        let _ = writeln!(text, "  set by {}", harmless(&place.in_words()));
    }
    text
}

fn of_note(note: &Note) -> String {
    match note {
        Note::Faded => {
            "the wait did not come back when the same was measured again: it has gone away by itself, or a resolver \
                        remembers the answers. A client address that was never asked about (--client) shows it again."
                .to_owned()
        }
        Note::Cut => "a reply did not come within --timeout, so the wait is longer than that.".to_owned(),
        Note::TurnedAway { id } => {
            format!("without {id} the client was turned away earlier, so that its share is not known.")
        }
        Note::Contradicts { id } => format!("the measurements without {id} contradict each other."),
        Note::Overlap => "the shares add up to more than the wait: changing one of these may be enough.".to_owned(),
    }
}

/// At which steps the server waits.
fn phases(waits: &Waits) -> String {
    let slow = waits.steps.iter().filter(|(_, step)| step.ms >= 100);
    let slow: Vec<String> =
        slow.map(|(phase, step)| format!("{} at {}", seconds(step.ms), format!("{phase:?}").to_uppercase())).collect();
    if slow.is_empty() { "no step takes long".to_owned() } else { slow.join(", ") }
}

/// A wait in seconds.
pub(super) fn seconds(ms: u64) -> String {
    format!("{}.{:02} s", ms / 1000, ms % 1000 / 10)
}
