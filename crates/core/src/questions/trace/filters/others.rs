//! Rspamd, Gmail's exports, and the filters of providers and appliances.

use super::{MAX_REASONS, Said, spamassassin};

/// The filter.
pub(super) const RSPAMD: &str = "Rspamd";

/// What a field says whose name has one meaning.
pub(super) fn of(name: &str, value: &str) -> Option<Said> {
    let value = value.trim();
    match name {
        "x-spamd-result" => rspamd(value),
        "x-rspamd-action" => rspamd_action(value),
        "x-gmail-labels" => gmail(value),
        "x-barracuda-spam-status" => spamassassin::barracuda(value),
        "x-barracuda-spam-report" => Some(Said { filter: "Barracuda", ..spamassassin::report(value)? }),
        "x-proofpoint-spam-details" => proofpoint(value),
        "x-mimecast-spam-score" => scored("Mimecast", value),
        "x-ui-filterresults" | "ui-inboundreport" => gmx(value),
        "x-gmx-antispam" => gmx_antispam(value),
        "x-vr-spamstate" | "x-ovh-spam-status" => worded("OVH", value, &["SPAM"], &["OK"]),
        "x-vr-spamscore" => scored("OVH", value),
        "x-gnd-status" => worded("Gandi", value, &["SPAM"], &["LEGIT"]),
        "x-gnd-spam-score" => scored("Gandi", value),
        "x-yandex-spam" => worded("Yandex", value, &["4"], &["1"]),
        "x-ses-spam-verdict" => worded("Amazon SES", value, &["FAIL"], &["PASS"]),
        "x-yahoofilteredbulk" => Some(Said {
            filter: "Yahoo",
            junk: Some(true),
            reasons: vec![format!("filtered as bulk, for its client {value}")],
            ..Said::default()
        }),
        "x-dspam-result" => worded("DSPAM", value, &["SPAM", "BLOCKLISTED"], &["INNOCENT", "WHITELISTED"]),
        "x-bogosity" => worded("bogofilter", value, &["SPAM", "YES"], &["HAM", "NO"]),
        "x-crm114-status" => worded("CRM114", value, &["SPAM"], &["GOOD"]),
        // Its name begins with the organisation's.
        _ if name.ends_with("-mailscanner-spamcheck") => spamassassin::mailscanner(value),
        _ => None,
    }
}

/// A verdict that is the first word.
fn worded(filter: &'static str, value: &str, junk: &[&str], fine: &[&str]) -> Option<Said> {
    let word = value.split([' ', ',', ';', '(']).next()?.to_ascii_uppercase();
    let junk = if junk.contains(&word.as_str()) {
        true
    } else if fine.contains(&word.as_str()) {
        false
    } else {
        return None;
    };
    Some(Said { filter, junk: Some(junk), ..Said::default() })
}

/// A score without a verdict; none where nothing counted.
fn scored(filter: &'static str, value: &str) -> Option<Said> {
    let score: f64 = value.parse().ok()?;
    (score > 0.0).then(|| Said { filter, score: Some(value.to_owned()), ..Said::default() })
}

/// `default: False [3.20 / 15.00]; SYMBOL(0.10)[…]; …`.
fn rspamd(value: &str) -> Option<Said> {
    let mut parts = value.split(';');
    let (verdict, scores) = parts.next()?.split_once('[')?;
    let (score, limit) = scores.split_once(']')?.0.split_once('/')?;
    let symbol = |part: &str| {
        let (name, score) = part.trim().split_once('(')?;
        let score: f64 = score.split_once(')')?.0.parse().ok()?;
        // What counts for the message is no reason.
        (score > 0.0).then(|| (name.to_owned(), Some(score)))
    };
    Some(Said {
        filter: RSPAMD,
        // The verdict tells refusal alone: what goes to junk is said by the action.
        junk: verdict.to_ascii_lowercase().contains("true").then_some(true),
        score: Some(score.trim().to_owned()),
        limit: Some(limit.trim().to_owned()),
        tests: parts.filter_map(symbol).take(MAX_REASONS).collect(),
        ..Said::default()
    })
}

fn rspamd_action(value: &str) -> Option<Said> {
    let action = value.to_ascii_lowercase();
    let junk = match action.as_str() {
        "add header" | "rewrite subject" | "reject" | "quarantine" => Some(true),
        "no action" => Some(false),
        _ => None,
    };
    Some(Said { filter: RSPAMD, junk, reasons: vec![format!("action {action}")], ..Said::default() })
}

/// Labels of an export of Gmail; in the message itself Gmail says nothing of its verdict.
fn gmail(value: &str) -> Option<Said> {
    let junk = value.split(',').any(|label| label.trim().eq_ignore_ascii_case("Spam"));
    let reasons = vec!["label Spam".to_owned()];
    junk.then(|| Said { filter: "Gmail", junk: Some(true), reasons, ..Said::default() })
}

/// `rule=notspam policy=default score=0 mlxscore=0 …`; rules of outgoing mail say nothing of this side.
fn proofpoint(value: &str) -> Option<Said> {
    let of = |key: &str| value.split_whitespace().find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    let rule = of("rule").filter(|rule| !rule.starts_with("outbound"))?;
    let junk = match rule {
        rule if rule.ends_with("notspam") || rule.ends_with("safe") => Some(false),
        rule if rule.ends_with("spam") || rule.ends_with("phish") || rule.ends_with("malware") => Some(true),
        _ => None,
    };
    let score = of("score").map(str::to_owned);
    Some(Said { filter: "Proofpoint", junk, score, reasons: vec![format!("rule {rule}")], ..Said::default() })
}

/// `junk:10;…`, `notjunk:1;…` (GMX, WEB.DE).
fn gmx(value: &str) -> Option<Said> {
    let (verdict, level) = value.split(';').next()?.split_once(':')?;
    let junk = match verdict {
        "junk" => true,
        "notjunk" => false,
        _ => return None,
    };
    Some(Said { filter: "GMX", junk: Some(junk), score: Some(level.to_owned()), ..Said::default() })
}

/// `0 (Mail was not recognized as spam); Detail=V3`, `5 (nemesis text profiler); …`.
fn gmx_antispam(value: &str) -> Option<Said> {
    let level: u8 = value.split([' ', ';']).next()?.parse().ok()?;
    let why = value.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(why, _)| why.to_owned());
    let reasons = Vec::from_iter(why.filter(|_| level > 0));
    Some(Said { filter: "GMX", junk: Some(level > 0), reasons, ..Said::default() })
}
