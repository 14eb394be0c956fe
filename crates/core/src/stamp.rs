//! The stamps of logs: RFC 3339, the date and time of Exim, the syslog form without a year, microseconds of journald.

use jiff::Timestamp;
use jiff::civil::DateTime;

use jiff::tz::TimeZone;

/// How the stamps of a log are read that say no zone or no year.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The present: a stamp without a year is of the last twelve months.
    pub now: Timestamp,
    /// The zone of stamps that name none.
    pub zone: TimeZone,
}

/// How long a stamp is at most, in octets.
pub(crate) const MAX_OCTETS: usize = 40;

/// The stamp at the beginning of a line: its octets, and what follows it.
pub(crate) fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let digits = |at: usize| line.get(at).is_some_and(u8::is_ascii_digit);
    let end = if digits(0) && digits(3) && line.get(4) == Some(&b'-') {
        // `2026-11-24T13:00:05+01:00 `, or `2026-11-24 13:00:05.123 +0100 `: a blank, then maybe a zone.
        let blank = |from: usize| line.get(from..)?.iter().position(|b| *b == b' ').map(|at| from + at);
        let first = blank(0).unwrap_or(line.len());
        let end = if first == 10 { blank(11).unwrap_or(line.len()) } else { first };
        match line.get(end + 1) {
            Some(b'+' | b'-') if digits(end + 2) && digits(end + 5) => end + 6,
            _ => end,
        }
    } else if line.get(..15).is_some_and(is_syslog) {
        15
    } else {
        0
    };
    let (stamp, rest) = line.split_at_checked(end).unwrap_or((&[], line));
    if stamp.len() > MAX_OCTETS { (&[], line) } else { (stamp, rest.trim_ascii_start()) }
}

/// `Nov 24 13:00:05`.
fn is_syslog(stamp: &[u8]) -> bool {
    matches!(stamp, [a, b, c, b' ', _, d, b' ', h, _, b':', _, _, b':', _, s]
        if [a, b, c].iter().all(|x| x.is_ascii_alphabetic()) && [d, h, s].iter().all(|x| x.is_ascii_digit()))
}

/// The instant of a stamp.
pub(crate) fn read(stamp: &[u8], clock: &Clock) -> Option<Timestamp> {
    let text = std::str::from_utf8(stamp).ok()?.trim();
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Timestamp::from_microsecond(text.parse().ok()?).ok();
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    if let Some(day) = text.get(..6).filter(|_| is_syslog(stamp)) {
        let time = text.get(7..)?;
        let year = clock.now.to_zoned(clock.zone.clone()).year();
        // A stamp without a year is of this year, unless that would lie ahead of us by more than a day.
        return [year, year - 1].into_iter().find_map(|year| {
            let civil = DateTime::strptime("%b %d %Y %H:%M:%S", format!("{day} {year} {time}")).ok()?;
            let instant = civil.to_zoned(clock.zone.clone()).ok()?.timestamp();
            (instant.as_second() <= clock.now.as_second() + 86_400).then_some(instant)
        });
    }
    if let Some((civil, zone)) = text.rsplit_once(' ').filter(|(_, zone)| zone.starts_with(['+', '-'])) {
        return Timestamp::strptime("%Y-%m-%d %H:%M:%S%.f %z", format!("{civil} {zone}")).ok();
    }
    text.parse::<DateTime>().ok()?.to_zoned(clock.zone.clone()).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_all_forms() {
        let clock = Clock { now: "2026-11-24T14:00:00Z".parse().unwrap(), zone: TimeZone::UTC };
        for (line, rest, instant) in [
            ("Nov 24 13:00:05 mail x", "mail x", Some("2026-11-24T13:00:05Z")),
            ("Nov  4 13:00:05 mail x", "mail x", Some("2026-11-04T13:00:05Z")),
            ("Dec 31 23:00:05 mail x", "mail x", Some("2025-12-31T23:00:05Z")),
            ("2026-11-24T13:00:05.123456+01:00 mail x", "mail x", Some("2026-11-24T12:00:05.123456Z")),
            ("2026-11-24 13:00:05 1abc-0-1 == a", "1abc-0-1 == a", Some("2026-11-24T13:00:05Z")),
            ("2026-11-24 13:00:05.123 +0100 1abc-0-1 == a", "1abc-0-1 == a", Some("2026-11-24T12:00:05.123Z")),
            ("no stamp", "no stamp", None),
            ("2026-11-99 99:00:05 x", "x", None),
        ] {
            let (stamp, left) = split(line.as_bytes());
            assert_eq!(left, rest.as_bytes(), "{line}");
            assert_eq!(read(stamp, &clock), instant.map(|i| i.parse().unwrap()), "{line}");
        }
        assert_eq!(read(b"1795525205000000", &clock), Some("2026-11-24T13:00:05Z".parse().unwrap()));
    }
}
