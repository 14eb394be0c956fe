//! What an isolation came to, in words.

use maildoctor_core::catalogue::Step;
use maildoctor_core::diagnosis::Confidence;
use maildoctor_core::isolate::in_place::Back;
use maildoctor_core::isolate::{Culprit, Event, How, Isolation, Note, Outcome};

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

/// What was found.
pub(super) fn isolation(isolation: &Isolation, remedy: &[Step]) -> String {
    let base = isolation.baseline.total_ms();
    let mut said = match isolation.outcome {
        Outcome::Quick => format!("The banner came after {}: there is no wait to explain.\n", seconds(base)),
        Outcome::Explained => format!("The banner takes {}; {}.\n", seconds(base), names(isolation)),
        Outcome::Partly => format!(
            "The banner takes {}; a part of that is explained: {}. {} remain.\n",
            seconds(base),
            names(isolation),
            seconds(isolation.remaining.total_ms())
        ),
        Outcome::NoneOfThem => format!(
            "The banner takes {}, and it does so with everything left out as well: the wait is made by none of these settings.\n",
            seconds(base)
        ),
        Outcome::Unclear => format!("The banner takes {}, and the measurements do not tell why.\n", seconds(base)),
    };
    for culprit in &isolation.culprits {
        said.push_str(&one(culprit, base));
    }
    for note in &isolation.notes {
        said.push_str(match note {
            Note::Faded => "  The wait did not come back with everything put back: it may have gone away by itself.\n",
            Note::Cut => "  No banner came within the time allowed: the wait is longer than measured.\n",
            Note::TurnedAway { .. } | Note::Contradicts { .. } => "  Some measurements contradict each other.\n",
            Note::Overlap => "  The shares overlap.\n",
        });
    }
    if !isolation.culprits.is_empty() {
        said.push_str("\nThe remedy, not done here:\n");
        for step in remedy {
            said.push_str(&format!("  {}\n", step.text));
            step.commands.iter().for_each(|command| said.push_str(&format!("    {command}\n")));
        }
    }
    said
}

fn names(isolation: &Isolation) -> String {
    let guilty: Vec<String> =
        isolation.culprits.iter().flat_map(|culprit| &culprit.settings).map(|setting| setting.in_words()).collect();
    format!("{} {} it", guilty.join(" and "), if guilty.len() == 1 { "makes" } else { "make" })
}

fn one(culprit: &Culprit, base: u64) -> String {
    let setting = culprit.settings.iter().map(|s| s.in_words()).collect::<Vec<_>>().join(" with ");
    let share = u64::try_from(culprit.share_ms).unwrap_or(0);
    let percent = (share * 100).checked_div(base).unwrap_or(0).min(100);
    let how = match culprit.how {
        How::Alone => "left out alone it saves that",
        How::AfterTheOthers => "with the others out it saves that",
        How::Together => "only together they save that",
        How::SwitchedOn => "switched on again it brings that back",
        How::NotNarrowed => "fewer of them were not found to save that",
    };
    let sure = match culprit.confidence {
        Confidence::Proven => "proven",
        Confidence::Likely => "likely",
        Confidence::Possible => "possible",
    };
    format!("  {setting}: {} of {}, {percent} % ({sure}: {how})\n", seconds(share), seconds(base))
}

fn seconds(ms: u64) -> String {
    format!("{}.{:02} s", ms / 1000, ms % 1000 / 10)
}
