//! Taking things out of Postfix's lists, everything else left to the letter.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::questions::host::postfix::asks::zone_of;
use crate::questions::host::postfix::files::words;

/// What goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Out {
    /// Zones of DNS lists.
    pub(super) zones: BTreeSet<String>,
    /// Policy services and milters, as they are named.
    pub(super) sockets: BTreeSet<String>,
    /// Every `sleep`.
    pub(super) pauses: bool,
}

/// Where the words of a value stand: split at blanks and commas, but not within braces.
fn spans(value: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut depth, mut start) = (0_usize, None);
    for (at, c) in value.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let gap = depth == 0 && (c == ',' || c.is_whitespace());
        match (gap, start) {
            (true, Some(from)) => {
                found.push(from..at);
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    found.extend(start.map(|from| from..value.len()));
    found
}

/// Whether a restriction is one that has a DNS list as its argument.
fn asks_a_list(name: &str) -> bool {
    matches!(name, "reject_rbl_client" | "permit_dnswl_client" | "permit_rhswl_client")
        || name.starts_with("reject_rhsbl_")
}

/// A list of restrictions, or of milters, without what goes.
pub(super) fn without(value: &str, out: &Out) -> String {
    let spans = spans(value);
    let word = |at: usize| spans.get(at).and_then(|span| value.get(span.clone()));
    let gone = |name: &str, argument: Option<&str>| match argument {
        Some(argument) if asks_a_list(name) => out.zones.contains(&zone_of(argument)),
        Some(_) if name == "sleep" => out.pauses,
        Some(argument) if name == "check_policy_service" => out.sockets.contains(first(argument)),
        _ => false,
    };
    cut(value, &spans, |at| {
        let own = word(at).unwrap_or_default();
        if own.starts_with('{') {
            let inner = words(own.trim_start_matches('{').trim_end_matches('}'));
            let name = inner.first().map_or("", |word| word.text());
            return usize::from(gone(name, inner.get(1).map(|word| word.text())) || out.sockets.contains(name));
        }
        let warned = usize::from(own == "warn_if_reject");
        let (name, argument) = (word(at + warned).unwrap_or_default(), word(at + warned + 1));
        if gone(name, argument) { warned + 2 } else { usize::from(out.sockets.contains(own)) }
    })
}

/// The name of a socket, without what is set for it.
fn first(argument: &str) -> &str {
    argument.trim_start_matches(['{', ' ']).split([',', ' ', '}']).next().unwrap_or_default()
}

/// The sites of postscreen without what goes.
pub(super) fn sites_without(value: &str, out: &Out) -> String {
    let spans = spans(value);
    cut(value, &spans, |at| {
        let site = spans.get(at).and_then(|span| value.get(span.clone())).unwrap_or_default();
        usize::from(out.zones.contains(&zone_of(site)))
    })
}

/// A value without the words that `goes` counts, beginning with the one it is asked about.
fn cut(value: &str, spans: &[Range<usize>], goes: impl Fn(usize) -> usize) -> String {
    let mut kept = Vec::new();
    let mut at = 0;
    let mut any = false;
    while at < spans.len() {
        match goes(at) {
            0 => {
                kept.extend(spans.get(at).and_then(|span| value.get(span.clone())));
                at += 1;
            }
            many => {
                any = true;
                at += many;
            }
        }
    }
    if any { kept.join(" ") } else { value.to_owned() }
}

/// A list as the shadow goes through it to its end: what would turn the client away only warns, and nothing is verified by a
/// message of the server's own.
pub(super) fn to_its_end(value: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    for span in spans(value) {
        let word = value.get(span).unwrap_or_default();
        match word {
            // Nothing behind these is asked, in production either.
            "permit" | "reject" | "defer" => break,
            _ if word.starts_with("reject_unverified_") => {}
            _ if word.starts_with("reject_") && kept.last().is_none_or(|last| last != "warn_if_reject") => {
                kept.extend(["warn_if_reject".to_owned(), word.to_owned()]);
            }
            _ => kept.push(word.to_owned()),
        }
    }
    if kept.last().is_some_and(|last| last == "warn_if_reject") {
        kept.pop();
    }
    kept.join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn out(zones: &[&str], sockets: &[&str]) -> Out {
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Out { zones: set(zones), sockets: set(sockets), pauses: false }
    }

    #[test]
    fn a_list_goes_with_its_argument_and_its_warning() {
        let value = "permit_mynetworks, reject_rbl_client A.example=127.0.0.[2..4], warn_if_reject reject_rbl_client b.example,\n reject";
        assert_eq!(
            without(value, &out(&["a.example"], &[])),
            "permit_mynetworks warn_if_reject reject_rbl_client b.example reject"
        );
        assert_eq!(
            without(value, &out(&["b.example"], &[])),
            "permit_mynetworks reject_rbl_client A.example=127.0.0.[2..4] reject"
        );
        assert_eq!(without(value, &out(&["c.example"], &[])), value);
    }

    #[test]
    fn pauses_go_with_their_time() {
        let paused = Out { pauses: true, ..Out::default() };
        assert_eq!(without("sleep 5, reject_rbl_client a.example", &paused), "reject_rbl_client a.example");
        assert_eq!(without("sleep 5", &out(&["a.example"], &[])), "sleep 5");
    }

    #[test]
    fn policy_services_and_milters_go_in_either_form() {
        let value = "check_policy_service unix:private/p, { check_policy_service inet:127.0.0.1:1, timeout=5s } reject";
        assert_eq!(
            without(value, &out(&[], &["unix:private/p"])),
            "{ check_policy_service inet:127.0.0.1:1, timeout=5s } reject"
        );
        assert_eq!(without(value, &out(&[], &["inet:127.0.0.1:1"])), "check_policy_service unix:private/p reject");
        let milters = "inet:127.0.0.1:9, { inet:127.0.0.1:8, connect_timeout=3s }";
        assert_eq!(without(milters, &out(&[], &["inet:127.0.0.1:8"])), "inet:127.0.0.1:9");
    }

    #[test]
    fn the_shadow_goes_to_the_end_of_a_list() {
        let value = "permit_mynetworks, reject_unknown_client_hostname, reject_rbl_client a.example, reject_unverified_sender, permit, x";
        assert_eq!(
            to_its_end(value),
            "permit_mynetworks, warn_if_reject, reject_unknown_client_hostname, warn_if_reject, reject_rbl_client, a.example"
        );
        assert_eq!(sites_without("a.example*2 b.example=127.0.0.2*3", &out(&["b.example"], &[])), "a.example*2");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(value in "[ -~\n]{0,120}") {
            let none = Out::default();
            prop_assert_eq!(without(&value, &none), value.clone());
            let _ = (to_its_end(&value), sites_without(&value, &out(&["a.example"], &[])));
        }
    }
}
