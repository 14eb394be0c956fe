//! SpamAssassin, in its own words and in those of amavis, Exim, Kerio, Fastmail, Barracuda and MailScanner; and the fields
//! that other filters have taken over from it.

use super::{MAX_REASONS, Said, UNNAMED};

/// The filter.
pub(super) const NAME: &str = "SpamAssassin";

/// `Yes, score=7.2 required=5.0 tests=BAYES_99,HTML_MESSAGE autolearn=no`.
pub(super) fn status(value: &str) -> Option<Said> {
    let (verdict, rest) = value.split_once(',').unwrap_or((value, ""));
    let junk = yes(verdict)?;
    let tests = rest.split_once("tests=").map_or("", |(_, tests)| tests);
    Some(Said {
        filter: NAME,
        junk: Some(junk),
        score: behind(rest, "score=").or_else(|| behind(rest, "hits=")),
        limit: behind(rest, "required="),
        tests: tests_of(tests),
        ..Said::default()
    })
}

/// `Yes, SCORE=4.10 using global scores of TAG_LEVEL=3.5 QUARANTINE_LEVEL=4.0 KILL_LEVEL=9.0 tests=…`.
pub(super) fn barracuda(value: &str) -> Option<Said> {
    let said = status(&value.replacen("SCORE=", "score=", 1))?;
    let levels = ["TAG_LEVEL=", "QUARANTINE_LEVEL=", "KILL_LEVEL="].iter().filter_map(|level| behind(value, level));
    let lowest =
        levels.filter_map(|level| Some((level.parse::<f64>().ok()?, level))).min_by(|a, b| a.0.total_cmp(&b.0));
    Some(Said { filter: "Barracuda", limit: said.limit.or(lowest.map(|(_, level)| level)), ..said })
}

/// `spam, SpamAssassin (not cached, score=9.1, required 6, BAYES_99 3.50, RDNS_NONE 1.27)`.
pub(super) fn mailscanner(value: &str) -> Option<Said> {
    let verdict = value.split([',', '(']).next().unwrap_or_default().trim().to_ascii_lowercase();
    let junk = match verdict.as_str() {
        "spam" => true,
        "not spam" => false,
        _ => return None,
    };
    let limit = behind(value, "required ");
    let tests = weighted(value.trim_end_matches(')')).into_iter().filter(|(test, _)| test != "required");
    Some(Said {
        filter: "MailScanner",
        junk: Some(junk),
        score: behind(value, "score="),
        limit,
        tests: tests.collect(),
        ..Said::default()
    })
}

/// The weights of the tests: `*  0.8 BAYES_50 BODY: …`, `BAYES_99=3.5, …` (Exim), `BAYES_00 -1.9, …` (Fastmail),
/// `5.14 MISSING_MID  Missing …` (Barracuda). `None` where it has none.
pub(super) fn report(value: &str) -> Option<Said> {
    if let Some(said) = puremessage(value) {
        return Some(said);
    }
    let listed = weighted(value);
    let tests = if listed.is_empty() { lines(value) } else { listed };
    // `(8.1 / 5.0 requ) …`
    let head = value.trim_start().strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(head, _)| head);
    let (score, limit) = head.and_then(|head| head.split_once('/')).unzip();
    let number = |text: Option<&str>| text.and_then(|t| t.split_whitespace().next()).map(str::to_owned);
    let limits = number(score).zip(number(limit));
    let junk = limits.as_ref().and_then(|(s, l)| Some(s.parse::<f64>().ok()? >= l.parse::<f64>().ok()?));
    let (score, limit) = limits.unzip();
    (!tests.is_empty() || score.is_some()).then(|| Said { filter: NAME, junk, score, limit, tests, ..Said::default() })
}

/// `IsSpam=no, Probability=11%, Hits= RETURN_RECEIPT 0.5, …`.
fn puremessage(value: &str) -> Option<Said> {
    let junk = yes(&behind(value, "IsSpam=")?)?;
    let score = behind(value, "Probability=");
    Some(Said { filter: "PureMessage", junk: Some(junk), score, tests: weighted(value), ..Said::default() })
}

/// `YES` or `NO` of a field that many filters write.
pub(super) fn flag(value: &str) -> Option<Said> {
    Some(Said { filter: UNNAMED, junk: Some(yes(value)?), ..Said::default() })
}

/// A score of a filter that many use.
pub(super) fn score(value: &str) -> Option<Said> {
    let number = value.split_whitespace().next()?;
    number.parse::<f64>().ok()?;
    Some(Said { filter: UNNAMED, score: Some(number.to_owned()), ..Said::default() })
}

fn yes(word: &str) -> Option<bool> {
    match word.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}

fn behind(text: &str, key: &str) -> Option<String> {
    let found = text.split_once(key)?.1.split([' ', ',', ')', ';']).find(|word| !word.is_empty())?;
    Some(found.to_owned())
}

/// The tests of a status: names, with weights behind `=` (amavis) or `:` (Kerio). The list is folded after commas, so it ends at
/// the next key, which is in small letters.
fn tests_of(text: &str) -> Vec<(String, Option<f64>)> {
    let mut out: Vec<(String, Option<f64>)> = Vec::new();
    for item in text.split([',', ' ', '[', ']']).filter(|item| !item.is_empty()) {
        let (name, weight) = item.split_once(['=', ':']).unwrap_or((item, ""));
        if name.starts_with(|c: char| c.is_ascii_lowercase()) || out.len() >= MAX_REASONS {
            break;
        }
        match (item.parse::<f64>(), out.last_mut()) {
            (Ok(weight), Some((_, slot))) => *slot = Some(weight),
            // Kerio's sum.
            _ if name == "TOTAL_SCORE" => break,
            _ => out.push((name.to_owned(), weight.parse().ok())),
        }
    }
    out
}

/// Pairs of a test and its weight, between commas.
fn weighted(text: &str) -> Vec<(String, Option<f64>)> {
    let pair = |item: &str| {
        let mut words = item.rsplit([' ', '=']).filter(|word| !word.is_empty());
        let weight: f64 = words.next()?.parse().ok()?;
        let name = words.next().filter(|name| is_test(name))?;
        Some((name.to_owned(), Some(weight)))
    };
    text.split(',').filter_map(pair).take(MAX_REASONS).collect()
}

/// Lines of a report that lost their ends: each begins with a weight, and the test's name follows.
fn lines(text: &str) -> Vec<(String, Option<f64>)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let pairs = words.windows(2).filter_map(|pair| {
        let [weight, name] = pair else { return None };
        let is_weight = weight.contains('.') && weight.len() <= 6;
        let weight: f64 = weight.parse().ok().filter(|_| is_weight && is_test(name))?;
        Some(((*name).to_owned(), Some(weight)))
    });
    pairs.take(MAX_REASONS).collect()
}

/// Whether a word is the name of a test: capitals, digits and underscores.
fn is_test(word: &str) -> bool {
    word.len() > 2
        && word.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}
