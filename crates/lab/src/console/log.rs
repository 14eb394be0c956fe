//! What happened in the lab, the latest lines of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use maildoctor_wire::console::Line;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

/// The lines that are kept.
const MAX_LINES: usize = 2000;

/// The longest line, in characters.
const MAX_CHARS: usize = 400;

#[derive(Debug, Default)]
struct Lines {
    last: u64,
    kept: VecDeque<Line>,
}

/// The log.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Lines>>);

impl Log {
    /// Writes down what is told, until the set is dropped.
    pub(super) fn follow(mut events: Receiver<String>, tasks: &mut JoinSet<()>) -> Self {
        let log = Self::default();
        let here = log.clone();
        tasks.spawn(async move {
            loop {
                match events.recv().await {
                    Ok(text) => here.add(&text),
                    Err(RecvError::Lagged(missed)) => here.add(&format!("({missed} events left out)")),
                    Err(RecvError::Closed) => break,
                }
            }
        });
        log
    }

    fn add(&self, text: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.last += 1;
        let line = Line {
            number: lines.last,
            at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
            text: text.chars().take(MAX_CHARS).collect(),
        };
        lines.kept.push_back(line);
        if lines.kept.len() > MAX_LINES {
            lines.kept.pop_front();
        }
    }

    /// The lines after that with this number.
    pub(super) fn after(&self, number: u64) -> Vec<Line> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.kept.iter().filter(|line| line.number > number).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_lines_are_kept() {
        let log = Log::default();
        for number in 1..=MAX_LINES + 5 {
            log.add(&format!("event {number}"));
        }
        let kept = log.after(0);
        assert_eq!((kept.len(), kept[0].number), (MAX_LINES, 6));
        assert_eq!(log.after(kept[MAX_LINES - 2].number), kept[MAX_LINES - 1..]);
    }
}
