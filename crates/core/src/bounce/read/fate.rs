//! Whether a bounce in free form says that it is over, or that its server still tries.

use crate::questions::bounce::Action;

/// Words with which a server ends its tries of one message, whatever the last answer was: in qmail's, Exim's and
/// Sendmail's bounces.
const GIVEN_UP: [&str; 7] = [
    "retry timeout exceeded",
    "not going to try again",
    "in the queue too long",
    "deleted from queue",
    "no further delivery attempts",
    "will not continue trying",
    "failing for a long time",
];

/// Words of a warning: the server goes on.
const GOES_ON: [&str; 10] = [
    "warning only",
    "not yet been delivered",
    "not yet received your message",
    "will be retried",
    "being retried",
    "will retry",
    "attempts will continue",
    "will continue trying",
    "message is delayed",
    "delivery incomplete",
];

/// Words of a bounce: what a warning does not have.
const FAILED: [&str; 17] = [
    "permanent error",
    "permanent failure",
    "permanent fatal error",
    "permanent delivery error",
    "failed permanently",
    "could not be delivered",
    "cannot be delivered",
    "was not delivered",
    "did not reach the following",
    "unable to deliver",
    "undeliverable",
    "undelivered",
    "delivery has failed",
    "delivery failed",
    "delivery failure",
    "returned mail",
    "cannot send message",
];

/// What became of the message by the words around one answer.
pub(super) fn of_answer(piece: &str) -> Option<Action> {
    has(piece, &GIVEN_UP).then_some(Action::Failed)
}

/// What became of it by the words of the whole text: the parts of it that are no answer of another server.
pub(super) fn of_text(parts: &[String]) -> Option<Action> {
    let any = |words: &[&str]| parts.iter().any(|part| has(part, words));
    if any(&GOES_ON) {
        Some(Action::Delayed)
    } else if any(&FAILED) {
        Some(Action::Failed)
    } else {
        None
    }
}

fn has(text: &str, words: &[&str]) -> bool {
    // Lines are broken anywhere.
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    words.iter().any(|word| flat.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_no_bounce_and_a_bounce_no_warning() {
        let of = |text: &str| of_text(&[text.to_owned()]);
        let warning =
            "THIS IS A WARNING ONLY. Your message could not be delivered for more than 4 hours.\nIt will be retried.";
        assert_eq!(of(warning), Some(Action::Delayed));
        assert_eq!(of("A message could not be\ndelivered. This is a permanent error."), Some(Action::Failed));
        assert_eq!(of("connect to mx.example.net: Connection timed out"), None);
        assert_eq!(of_answer("421 busy. I'm not going to try again; it was too long."), Some(Action::Failed));
        assert_eq!(of_answer("452 4.2.2 Mailbox full"), None);
    }
}
