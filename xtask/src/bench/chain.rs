//! The longest chain of a run: steps of which each had to wait for the one before it. No run can be shorter,
//! so what it takes beyond that is time that was lost.

use std::collections::HashMap;

use maildoctor_core::case::Case;

/// The longest chain of a case: how long its steps took together, in milliseconds, and the steps' own words.
pub(crate) fn of_case(case: &Case) -> (u64, Vec<String>) {
    let steps = &case.observations;
    let spans: Vec<(u64, u64)> = steps
        .iter()
        .map(|step| (step.at_ms, step.took_ms))
        .collect();
    let mut known = HashMap::new();
    let (length, chain) = longest(&spans, |earlier, later| {
        let (Some(from), Some(to)) = (steps.get(earlier), steps.get(later)) else {
            return false;
        };
        // A domain's records come before its host's, the host's before its address, that before its service.
        *known
            .entry((&from.subject, &to.subject))
            .or_insert_with(|| case.graph().reaches(&from.subject, &to.subject))
    });
    let words = chain
        .iter()
        .filter_map(|place| steps.get(*place))
        .map(|step| format!("{} {} {} ms", step.probe, step.subject, step.took_ms))
        .collect();
    (length, words)
}

/// The sequence of spans (begin, duration) with the greatest sum in which each begins after the one before it
/// ended and depends on it: that sum, and the places of its spans.
fn longest(
    spans: &[(u64, u64)],
    mut depends: impl FnMut(usize, usize) -> bool,
) -> (u64, Vec<usize>) {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|place| spans.get(*place).map(|(at, took)| (*at, at + took)));
    // For each span in that order: the best sum that ends with it, and the span before it.
    let mut best: Vec<(usize, u64, Option<usize>)> = Vec::with_capacity(spans.len());
    for place in order {
        let Some((at, took)) = spans.get(place).copied() else {
            continue;
        };
        let mut found = (place, took, None);
        for (index, (earlier, sum, _)) in best.iter().enumerate() {
            let ended = spans
                .get(*earlier)
                .is_some_and(|(from, long)| from + long <= at);
            if ended && sum + took > found.1 && depends(*earlier, place) {
                found = (place, sum + took, Some(index));
            }
        }
        best.push(found);
    }
    let mut at = (0..best.len()).max_by_key(|index| best.get(*index).map(|(_, sum, _)| *sum));
    let length = at
        .and_then(|index| best.get(index))
        .map_or(0, |(_, sum, _)| *sum);
    let mut chain = Vec::new();
    while let Some((place, _, before)) = at.and_then(|index| best.get(index)) {
        chain.push(*place);
        at = *before;
    }
    chain.reverse();
    (length, chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_the_longest_of_those_that_depend() {
        // 0 then 1 then 3 depend; 2 is longer than 1 and begins too early for 3.
        let spans = [(0, 10), (10, 20), (5, 28), (30, 5)];
        assert_eq!(longest(&spans, |_, _| true), (35, vec![0, 1, 3]));
        assert_eq!(longest(&spans, |_, _| false), (28, vec![2]));
        assert_eq!(
            longest(&spans, |from, to| (from, to) == (0, 1)),
            (30, vec![0, 1])
        );
        assert_eq!(longest(&[], |_, _| true), (0, Vec::new()));
    }

    #[test]
    fn what_was_noted_late_counts_by_its_time() {
        assert_eq!(longest(&[(50, 5), (0, 50)], |_, _| true), (55, vec![1, 0]));
    }

    #[test]
    fn a_real_case_has_a_chain_from_the_domain_down_to_a_service() {
        let text = include_str!("../../../crates/core/tests/golden/cert-expired.1.json");
        let case = Case::from_json(text).unwrap();
        let (length, words) = of_case(&case);
        assert!(length <= case.duration_ms + words.len() as u64);
        assert!(
            words.first().is_some_and(|step| step.starts_with("dns.")),
            "{words:?}"
        );
        assert!(
            words.last().is_some_and(|step| step.contains("service:")),
            "{words:?}"
        );
    }
}
