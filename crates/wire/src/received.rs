//! Received headers (RFC 5321 section 4.4) and the dates in them (RFC 5322 section 3.3).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One hop, as its Received header tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The name or literal after `from`.
    pub from: Option<String>,
    /// The host after `by`.
    pub by: Option<String>,
    /// The protocol after `with`: `ESMTPS`, `LMTP` …
    pub with: Option<String>,
    /// The queue id after `id`.
    pub id: Option<String>,
    /// The recipient after `for`.
    pub recipient: Option<String>,
    /// The time, in seconds since 1970.
    pub at: Option<i64>,
    /// The client's address, where the server wrote it down in brackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The version of TLS, where the server wrote it down: `1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
}

impl Hop {
    /// Whether the message came by TLS: the version says so, or the protocol's name (RFC 3848, RFC 6531 section 4.3).
    /// `None` where neither tells: a name without S also stands where a server does not keep to RFC 3848.
    pub fn is_encrypted(&self) -> Option<bool> {
        let with = self.with.as_deref().unwrap_or_default().to_ascii_uppercase();
        match with.as_str() {
            _ if self.tls.is_some() => Some(true),
            "ESMTPS" | "ESMTPSA" | "LMTPS" | "LMTPSA" | "UTF8SMTPS" | "UTF8SMTPSA" | "UTF8LMTPS" | "UTF8LMTPSA" => {
                Some(true)
            }
            "SMTP" | "ESMTP" | "ESMTPA" | "LMTP" | "LMTPA" | "UTF8SMTP" | "UTF8SMTPA" | "UTF8LMTP" | "UTF8LMTPA" => {
                Some(false)
            }
            _ => None,
        }
    }

    /// Whether the client had logged in: the protocol's name says so (RFC 3848).
    pub fn is_authenticated(&self) -> bool {
        let with = self.with.as_deref().unwrap_or_default().to_ascii_uppercase();
        matches!(
            with.as_str(),
            "ESMTPA" | "ESMTPSA" | "LMTPA" | "LMTPSA" | "UTF8SMTPA" | "UTF8SMTPSA" | "UTF8LMTPA" | "UTF8LMTPSA"
        )
    }
}

/// Reads the value of a Received header, unfolded or folded.
pub fn parse(value: &str) -> Hop {
    let (clauses, date) = match value.rsplit_once(';') {
        Some((clauses, date)) => (clauses, Some(date)),
        None => (value, None),
    };
    let mut hop = Hop { at: date.and_then(parse_date), address: client_address(clauses), ..Hop::default() };
    hop.tls = tls_version(clauses);
    let words = words_outside_comments(clauses);
    for pair in words.windows(2) {
        let [keyword, word] = pair else { continue };
        let slot = match keyword.to_ascii_lowercase().as_str() {
            "from" => &mut hop.from,
            "by" => &mut hop.by,
            "with" => &mut hop.with,
            "id" => &mut hop.id,
            "for" => &mut hop.recipient,
            _ => continue,
        };
        if slot.is_none() {
            *slot = Some(word.trim_matches(['<', '>', ';']).to_owned());
        }
    }
    hop
}

/// The last address in brackets before `by`: names before it are the client's own word.
fn client_address(clauses: &str) -> Option<IpAddr> {
    let from = clauses.trim_start();
    let head = from.get(..4).filter(|word| word.eq_ignore_ascii_case("from")).map(|_| from)?;
    let end = head.find(" by ").or_else(|| head.find("\tby ")).unwrap_or(head.len());
    let brackets = head.get(..end)?.split('[').skip(1).filter_map(|part| part.split(']').next());
    brackets.filter_map(|text| text.trim_start_matches("IPv6:").parse().ok()).last()
}

/// The version of TLS as the servers write it: `TLSv1.3` (Postfix, Sendmail), `TLS1.3` (Exim), `TLS1_3` (Gmail,
/// Exchange).
fn tls_version(clauses: &str) -> Option<String> {
    clauses.match_indices("TLS").find_map(|(at, _)| {
        let rest = clauses.get(at + 3..)?;
        let mut signs = rest.strip_prefix('v').unwrap_or(rest).chars();
        let major = signs.next().filter(char::is_ascii_digit)?;
        let minor = match signs.next() {
            Some('.' | '_') => signs.next().filter(char::is_ascii_digit)?,
            _ => '0',
        };
        Some(format!("{major}.{minor}"))
    })
}

/// The words of a header outside its comments, which may nest.
fn words_outside_comments(text: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => plain.push(c),
            _ => {}
        }
        if depth > 0 && !plain.ends_with(' ') {
            plain.push(' ');
        }
    }
    plain.split_whitespace().map(str::to_owned).collect()
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A date of a mail header as seconds since 1970; the weekday and comments are not needed.
pub fn parse_date(text: &str) -> Option<i64> {
    let words = words_outside_comments(&text.replace(',', ", "));
    let mut words = words.iter().map(|w| w.trim_end_matches(',')).filter(|w| !w.is_empty()).peekable();
    if words.peek().is_some_and(|w| w.bytes().all(|b| b.is_ascii_alphabetic())) {
        words.next();
    }
    let day: i64 = words.next()?.parse().ok()?;
    let name = words.next()?.to_ascii_lowercase();
    let month = 1 + i64::try_from(MONTHS.iter().position(|m| name.starts_with(m))?).ok()?;
    let year: i64 = words.next()?.parse().ok()?;
    // RFC 5322 section 4.3: years of two and three digits.
    let year = match year {
        0..=49 => year + 2000,
        50..=999 => year + 1900,
        _ => year,
    };
    let mut clock = words.next()?.split(':').map(|n| n.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next().flatten().unwrap_or(0));
    let valid = (1..=31).contains(&day)
        && (1900..=9999).contains(&year)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !valid {
        return None;
    }
    let offset = words.next().and_then(zone_seconds).unwrap_or(0);
    Some(days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

fn zone_seconds(zone: &str) -> Option<i64> {
    let named = |hours: i64| Some(hours * 3600);
    match zone.to_ascii_uppercase().as_str() {
        "UT" | "GMT" | "Z" | "UTC" => return Some(0),
        "EST" | "CDT" => return named(-5),
        "EDT" => return named(-4),
        "CST" | "MDT" => return named(-6),
        "MST" | "PDT" => return named(-7),
        "PST" => return named(-8),
        "CET" => return named(1),
        "CEST" => return named(2),
        _ => {}
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: i64 = zone.strip_prefix(['+', '-']).filter(|d| d.len() == 4)?.parse().ok()?;
    Some(sign * ((digits / 100) * 3600 + (digits % 100) * 60))
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
    fn hops_of_several_servers() {
        let postfix = parse(
            "from client.example.net (unknown [192.0.2.9])\r\n\tby mx.example.org (Postfix) with ESMTPS id 4F1X2Y\r\n\tfor <anna@example.org>; Tue, 24 Nov 2026 13:00:05 +0100 (CET)",
        );
        assert_eq!(postfix.from.as_deref(), Some("client.example.net"));
        assert_eq!(postfix.by.as_deref(), Some("mx.example.org"));
        assert_eq!((postfix.with.as_deref(), postfix.id.as_deref()), (Some("ESMTPS"), Some("4F1X2Y")));
        assert_eq!(postfix.recipient.as_deref(), Some("anna@example.org"));
        assert_eq!((postfix.at, postfix.address), (Some(1_795_521_605), "192.0.2.9".parse().ok()));
        let exim = parse(
            "from [192.0.2.1] (helo=x) ([IPv6:2001:db8::9])\n\tby mx.example.org with esmtp; Tue, 24 Nov 2026 13:00:05 +0100",
        );
        assert_eq!(exim.address, "2001:db8::9".parse().ok());
        let qmail = parse("(qmail 29052 invoked by uid 89); 19 Apr 2005 23:51:33 -0000");
        assert_eq!(qmail.at, Some(1_113_954_693));
    }

    #[test]
    fn the_protocol_and_the_comment_tell_of_tls() {
        let of = |text: &str| {
            let hop = parse(text);
            (hop.tls.clone(), hop.is_encrypted(), hop.is_authenticated())
        };
        let version = |text: &str| Some(text.to_owned());
        assert_eq!(
            of(
                "from a (a [192.0.2.1]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) by b (Postfix) with ESMTPS id 1; x"
            ),
            (version("1.3"), Some(true), false)
        );
        assert_eq!(
            of("from a ([192.0.2.1]) by b with esmtpsa (TLS1.2) tls TLS_ECDHE_RSA_WITH_AES_128 (Exim 4.96) id 1; x"),
            (version("1.2"), Some(true), true)
        );
        assert_eq!(
            of("from a by mx.google.com with ESMTPS id 1 (version=TLS1_3 cipher=TLS_AES bits=1/1); x").0,
            version("1.3")
        );
        assert_eq!(of("from a by b with ESMTPA id 1; x"), (None, Some(false), true));
        assert_eq!(of("from a by b with HTTP; x"), (None, None, false));
    }

    #[test]
    fn dates_in_old_and_new_forms() {
        assert_eq!(parse_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(parse_date("1 Jan 70 01:00 +0100"), Some(0));
        assert_eq!(parse_date("Thu, 29 Feb 2024 12:00:00 EST"), Some(1_709_226_000));
        assert_eq!(parse_date("yesterday"), None);
        assert_eq!(parse_date("1 Jan 2024 25:00:00 +0000"), None);
    }

    proptest! {
        #[test]
        fn any_header_can_be_read(text in ".{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn any_date_can_be_read(text in "[0-9A-Za-z:+, -]{0,60}") {
            let _ = parse_date(&text);
        }
    }
}
