//! What is being waited for, and for how long already: on standard error, and only on a terminal.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use maildoctor_core::case::Noted;
use tokio::sync::mpsc::UnboundedReceiver;

/// How often the line is drawn anew.
const TICK: Duration = Duration::from_millis(120);

/// Whether progress is shown at all.
pub(crate) fn is_shown() -> bool {
    std::io::stderr().is_terminal()
}

/// Shows what is waited for until the sender is dropped.
pub(crate) async fn show(mut noted: UnboundedReceiver<Noted>) {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    let mut open: BTreeMap<u64, (String, Instant)> = BTreeMap::new();
    let mut seen = 0_usize;
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            next = noted.recv() => match next {
                Some(Noted::Began { step, what }) => { open.insert(step, (what, Instant::now())); }
                Some(Noted::Ended { step }) => { open.remove(&step); }
                Some(Noted::Seen(_)) => seen += 1,
                None => break,
            },
            _ = tick.tick() => {
                bar.tick();
                // The oldest step is the one that the run waits for.
                if let Some((what, since)) = open.values().next() {
                    let others = open.len().saturating_sub(1);
                    let more = if others > 0 { format!(", and {others} more") } else { String::new() };
                    let what = maildoctor_core::report::text::harmless(what);
                    bar.set_message(format!("{seen} seen; waiting {:.1} s for the {what}{more}", since.elapsed().as_secs_f32()));
                }
            }
        }
    }
    bar.finish_and_clear();
}
