//! When a difference is one: robust statistics over few measurements.

/// A difference below this is no use to anybody.
pub(super) const WORTH_MS: i64 = 300;

/// The share of the whole wait below which a difference is left alone: one part in so many.
const WORTH_PART: i64 = 20;

/// How far beyond the noise a difference must lie when the measurements do not all agree.
const CLEAR: i64 = 3;

/// The middle of some numbers, the mean of the two where there is no one; 0 of none.
pub(super) fn median(numbers: &[i64]) -> i64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0);
    lower + (upper - lower) / 2
}

/// How far numbers usually lie from their middle: the median absolute deviation, scaled as a standard deviation.
pub(super) fn spread(numbers: &[i64]) -> i64 {
    let middle = median(numbers);
    let off: Vec<i64> = numbers.iter().map(|n| (n - middle).abs()).collect();
    median(&off).saturating_mul(14_826) / 10_000
}

/// The smallest difference that is looked at, given the waits of the same thing measured again and again.
pub(super) fn worth(same: &[i64]) -> i64 {
    WORTH_MS.max(median(same) / WORTH_PART).max(spread(same).saturating_mul(CLEAR))
}

/// What differences, one of each round, say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// The variant is quicker by so many milliseconds (or slower, where negative); `clear`: every round said so.
    Differs { ms: i64, clear: bool },
    /// There is no difference worth anything.
    Same { clear: bool },
    /// The rounds contradict each other.
    Unclear,
}

/// What the rounds say. Fewer than two are enough for nothing, but for a difference where there will be no more.
pub(super) fn concludes(differences: &[i64], worth: i64, last: bool) -> Says {
    let enough = differences.len() >= 2;
    let all = |test: fn(i64, i64) -> bool| enough && differences.iter().all(|&d| test(d, worth));
    let middle = median(differences);
    if all(|d, worth| d >= worth) || all(|d, worth| d <= -worth) {
        Says::Differs { ms: middle, clear: true }
    } else if all(|d, worth| d.abs() < worth) {
        Says::Same { clear: true }
    } else if !last || differences.is_empty() {
        Says::Unclear
    } else if middle.abs() < worth {
        // One round may show a guilty one; it acquits nobody.
        if enough { Says::Same { clear: false } } else { Says::Unclear }
    } else if middle.abs() > spread(differences).saturating_mul(CLEAR) {
        Says::Differs { ms: middle, clear: false }
    } else {
        Says::Unclear
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_middle_is_not_moved_by_one_that_is_far_off() {
        assert_eq!(median(&[3, 1, 2]), 2);
        assert_eq!(median(&[1, 2, 3, 100_000]), 2);
        assert_eq!((median(&[]), spread(&[]), spread(&[7])), (0, 0, 0));
        assert!(spread(&[10, 11, 12, 9_000]) < 10);
    }

    #[test]
    fn one_round_is_no_round() {
        assert_eq!(concludes(&[15_000], 300, false), Says::Unclear);
        assert_eq!(concludes(&[15_000, 14_990], 300, false), Says::Differs { ms: 14_995, clear: true });
        assert_eq!(concludes(&[20, -40], 300, false), Says::Same { clear: true });
        // Where the others were answered from memory, one is left, and that it may be noise says nothing.
        assert_eq!(concludes(&[6_000], 50_000, true), Says::Unclear);
    }

    #[test]
    fn one_round_out_of_line_is_outvoted_in_the_end_and_not_before() {
        let rounds = [15_000, 15_010, 0, 14_980];
        assert_eq!(concludes(&rounds, 750, false), Says::Unclear);
        assert_eq!(concludes(&rounds, 750, true), Says::Differs { ms: 14_990, clear: false });
        assert_eq!(concludes(&[900, -900, 4_000, -3_000], 300, true), Says::Same { clear: false });
        assert_eq!(concludes(&[900, 4_000, -3_000, 2_000], 300, true), Says::Unclear);
    }

    proptest! {
        #[test]
        fn a_clear_word_is_said_by_every_round(rounds in proptest::collection::vec(-20_000_i64..20_000, 0..8), last: bool) {
            match concludes(&rounds, 300, last) {
                Says::Differs { clear: true, .. } => prop_assert!(rounds.len() > 1 && rounds.iter().all(|d| d.abs() >= 300)),
                Says::Same { clear: true } => prop_assert!(rounds.len() > 1 && rounds.iter().all(|d| d.abs() < 300)),
                _ => {}
            }
        }
    }
}
