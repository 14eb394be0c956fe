//! Dates of mail headers (RFC 5322 section 3.3), and the forms beside it that servers write.

use super::tokens::outside_comments;

/// How many words may stand before a date that no semicolon announces.
const MAX_WORDS: usize = 12;

/// The widest zone there is, in hours.
const MAX_ZONE: i64 = 14;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A date of a mail header as seconds since 1970; the weekday and comments are not needed. `None` also where the zone is
/// missing, or a name that may mean several: a time that may be hours off is none.
pub fn parse_date(text: &str) -> Option<i64> {
    let text = text.replace(',', " ");
    seconds(&outside_comments(&text))
}

/// The seconds of a date that words begin with.
pub(super) fn at_start(words: &[&str]) -> Option<i64> {
    let words: Vec<&str> = words.iter().flat_map(|word| word.split(',')).collect();
    seconds(&words)
}

/// The date at the end of words that no semicolon divides: where it begins, and its seconds.
pub(super) fn at_end(words: &[&str]) -> Option<(usize, i64)> {
    let from = words.len().saturating_sub(MAX_WORDS);
    (from..words.len()).find_map(|at| {
        let seconds = at_start(words.get(at..)?)?;
        Some((at, seconds))
    })
}

fn seconds(words: &[&str]) -> Option<i64> {
    let mut words = words.iter().copied().filter(|word| !word.is_empty()).peekable();
    let is_name = |word: &str| word.bytes().all(|b| b.is_ascii_alphabetic());
    // `Tue, 24 Nov 2026`, and `Tue Nov 24` of ctime(3), which has the year behind the time.
    if words.peek().is_some_and(|word| is_name(word) && month(word).is_none()) {
        words.next();
    }
    let first = words.next()?;
    let mut year = None;
    let (day, month) = if let Some(month) = month(first).filter(|_| is_name(first)) {
        (words.next()?.parse().ok()?, month)
    } else if let Some(day) = day_in_one_word(first) {
        year = Some(day.0);
        (day.2, day.1)
    } else {
        let day = first.parse().ok()?;
        let month = month(words.next()?)?;
        year = Some(words.next()?.parse().ok()?);
        (day, month)
    };
    // `2026-11-24T13:00:05Z`
    let time = match first.split_once('T').filter(|_| first.starts_with(|c: char| c.is_ascii_digit())) {
        Some((_, time)) => time,
        None => words.next()?,
    };
    let (clock, zone) = match time.find(['+', '-', 'Z']) {
        Some(at) => (time.get(..at)?, time.get(at..)),
        None => (time, None),
    };
    let mut second_of_day = clock_seconds(clock)?;
    let mut zone = zone.or_else(|| words.next());
    if let Some(half) = zone.filter(|word| matches!(word.to_ascii_uppercase().as_str(), "AM" | "PM")) {
        second_of_day = second_of_day % 43_200 + if half.eq_ignore_ascii_case("PM") { 43_200 } else { 0 };
        zone = words.next();
    }
    if year.is_none() {
        // The year of ctime(3) stands before a zone or behind it.
        let word = zone?;
        year = word.parse().ok();
        zone = words.next();
        if year.is_none() {
            (year, zone) = (zone.and_then(|y| y.parse().ok()), Some(word));
        }
    }
    // RFC 5322 section 4.3: years of two and three digits.
    let year = match year? {
        year @ 0..=49 => year + 2000,
        year @ 50..=999 => year + 1900,
        year => year,
    };
    if !(1..=31).contains(&day) || !(1900..=9999).contains(&year) {
        return None;
    }
    Some(days_since_1970(year, month, day) * 86_400 + second_of_day - zone_seconds(zone?)?)
}

fn month(word: &str) -> Option<i64> {
    let word = word.to_ascii_lowercase();
    i64::try_from(1 + MONTHS.iter().position(|name| word.starts_with(name))?).ok()
}

/// `2026-11-24` and `24-Nov-26`, as year, month and day.
fn day_in_one_word(word: &str) -> Option<(i64, i64, i64)> {
    let word = word.split('T').next()?;
    let mut parts = word.split('-');
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    if let Some(month) = month(second) {
        return Some((third.parse().ok()?, month, first.parse().ok()?));
    }
    let month = second.parse().ok().filter(|month| (1..=12).contains(month))?;
    (first.len() == 4).then_some((first.parse().ok()?, month, third.parse().ok()?))
}

/// `13:00`, `13:00:05` and `13:00:05.123`, as seconds of the day.
fn clock_seconds(clock: &str) -> Option<i64> {
    let mut parts = clock.split(':').map(|part| part.split('.').next().unwrap_or_default().parse::<i64>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = match parts.next() {
        Some(second) => second?,
        None => 0,
    };
    let valid = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    valid.then_some(hour * 3600 + minute * 60 + second)
}

/// How far a zone is ahead of UTC. Names that mean one zone only, or that RFC 5322 section 4.3 gives a meaning.
fn zone_seconds(zone: &str) -> Option<i64> {
    let zone = zone.to_ascii_uppercase();
    let hours = match zone.as_str() {
        "UT" | "GMT" | "Z" | "UTC" | "WET" => 0,
        "CET" | "MET" | "MEZ" | "BST" | "WEST" => 1,
        "CEST" | "MEST" | "MESZ" | "EET" | "SAST" => 2,
        "EEST" | "MSK" => 3,
        "PKT" => 5,
        "HKT" | "SGT" => 8,
        "JST" | "KST" => 9,
        "AEST" => 10,
        "AEDT" => 11,
        "NZST" => 12,
        "NZDT" => 13,
        "ADT" | "BRT" | "ART" => -3,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" | "AKDT" => -8,
        "AKST" => -9,
        "HST" => -10,
        _ => return offset(zone.trim_start_matches("GMT").trim_start_matches("UTC")),
    };
    Some(hours * 3600)
}

/// `+0100`, and `+01:00`, `+100` and `+1` beside it.
fn offset(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    // A name behind it is a comment without its parentheses: `+0000UTC`.
    let digits = text.strip_prefix(['+', '-'])?.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (hours, minutes) = match (digits.split_once(':'), digits.len()) {
        (Some(pair), _) => pair,
        (None, 1 | 2) => (digits, "0"),
        (None, 3) => digits.split_at_checked(1)?,
        (None, 4) => digits.split_at_checked(2)?,
        _ => return None,
    };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let valid = (0..=MAX_ZONE).contains(&hours) && (0..60).contains(&minutes);
    valid.then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days from 1970-01-01 in the Gregorian calendar; months count from March, so that the leap day is last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_in_old_and_new_forms() {
        assert_eq!(parse_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(parse_date("1 Jan 70 01:00 +0100"), Some(0));
        assert_eq!(parse_date("Thu, 29 Feb 2024 12:00:00 EST"), Some(1_709_226_000));
        assert_eq!(parse_date("yesterday"), None);
        assert_eq!(parse_date("1 Jan 2024 25:00:00 +0000"), None);
    }

    #[test]
    fn one_moment_in_the_forms_of_many_servers() {
        for text in [
            "Tue, 24 Nov 2026 13:00:05 +0100",
            "Tue,24 Nov 2026 13:00:05 +0100 (CET)",
            "24 Nov 2026 12:00:05 -0000",
            "Tue, 24 Nov 26 12:00:05 GMT",
            "Tuesday, 24-Nov-26 12:00:05 GMT",
            "Tue, 24 Nov 2026 12:00:05.802 +0000 (UTC)",
            "2026-11-24 12:00:05.051111042 +0000 UTC m=+6843203.979711569",
            "2026-11-24T13:00:05+01:00",
            "2026-11-24T12:00:05.5Z",
            "Tue Nov 24 12:00:05 UTC 2026",
            "Tue Nov 24 13:00:05 2026 +0100",
            "Tue, 24 Nov 2026 13:00:05+0100",
            "Tue, 24 Nov 2026 04:00:05 -800",
            "Tue, 24 Nov 2026 08:00:05 EDT",
            "Tue, 24 Nov 2026 13:00:05 GMT+0100",
            "Tue, 24 Nov 2026 1:00:05 PM +0100",
            "Tue, 24 Nov 2026 12:00:05 +0000 id 0000DB.43735815",
            "Tue, 24 November 2026 12:00:05 +0000 (GMT-8) (envelope-from anna@example.net)",
        ] {
            assert_eq!(parse_date(text), Some(1_795_521_605), "{text}");
        }
    }

    #[test]
    fn a_time_that_may_be_hours_off_is_none() {
        for text in [
            "Tue, 24 Nov 2026 13:00:05",
            "Tue Nov 24 13:00:05 2026",
            "Tue, 24 Nov 2026 13:00:05 IST",
            "Tue, 24 Nov 2026 13:00:05 +9900",
            "Tue, 24 Nov 2026 13:00:05 +0075",
            "Tue, 24 Nov 2026 13:00:xx +0100",
            "Di, 24 Mrz 2026 13:00:05 +0100",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_date_can_be_read(text in "[0-9A-Za-z:+, TZ.-]{0,60}") {
            let _ = parse_date(&text);
        }

        #[test]
        fn numbers_of_any_size_can_be_read(n in any::<i64>(), m in any::<i64>()) {
            for text in [format!("{n} Nov {m} 13:00:05 +0000"), format!("{n}-11-{m} 1:{n}:{m} +{n}"), format!("Nov {n} 1:00 {m} +{m}")] {
                let _ = parse_date(&text);
            }
        }
    }
}
