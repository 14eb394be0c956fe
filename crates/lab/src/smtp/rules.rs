//! Which rules of a story fit a command, and what they make of its reply together.

use std::sync::PoisonError;
use std::time::Duration;

use super::{Behaviour, Site};
use crate::scenario::Action;

/// What the rules make of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Verdict {
    /// The wait before it.
    pub(super) delay: Duration,
    /// The reply in place of the usual one.
    pub(super) reply: Option<String>,
    /// What happens.
    pub(super) action: Action,
}

impl Verdict {
    /// Whether the command is answered, and with a reply that takes it, where the usual one does.
    pub(super) fn takes(&self) -> bool {
        let answers = !matches!(self.action, Action::Silent | Action::Cut | Action::Reset);
        answers && self.reply.as_ref().is_none_or(|text| text.starts_with('2'))
    }
}

/// What the rules make of the reply to a command. Rules that only delay add up; of the others the first
/// decides. Each counts how often it fitted.
pub(super) fn judge(site: &Site, behaviour: &Behaviour, on: &str, argument: &[u8], authenticated: bool) -> Verdict {
    let mut out = Verdict::default();
    let mut decided = false;
    for rule in &behaviour.rules {
        let only_delays = rule.reply.is_none() && rule.action == Action::Reply;
        let wanted = rule.on.eq_ignore_ascii_case(on)
            && rule.role.is_none_or(|role| role == behaviour.role)
            && rule.authenticated.is_none_or(|wanted| wanted == authenticated)
            && (only_delays || !decided);
        if !wanted || !rule.matches.as_ref().is_none_or(|text| holds(argument, text)) {
            continue;
        }
        let mut counts = site.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(rule.clone()).or_default();
        *count += 1;
        if rule.nth.is_some_and(|nth| nth != *count) {
            continue;
        }
        out.delay = out.delay.saturating_add(rule.delay);
        if !only_delays {
            (out.reply, out.action, decided) = (rule.reply.clone(), rule.action, true);
        }
    }
    out
}

/// Whether an argument, or a whole message, holds a text, whatever its case.
fn holds(argument: &[u8], text: &str) -> bool {
    text.is_empty() || argument.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn a_text_is_held_whatever_its_case() {
        assert!(holds(b"TO:<Anna@Lab.Example>", "anna@"));
        assert!(holds(b"", "") && holds(b"x", ""));
        assert!(!holds(b"TO:<bert@lab.example>", "anna@"));
        assert!(!holds(b"", "anna@"));
    }
}
