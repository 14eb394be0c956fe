//! What spam filters write into a message: SpamAssassin, Rspamd, Exchange, Gmail.

/// The most reasons of one filter that are kept.
const MAX_REASONS: usize = 40;

/// What a filter says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filtered {
    /// The filter.
    pub filter: &'static str,
    /// Whether it takes the message for junk; `None` where it does not say.
    pub junk: Option<bool>,
    /// Its score, as it is written.
    pub score: Option<String>,
    /// The score from which on it is junk.
    pub limit: Option<String>,
    /// The reasons: the names of tests, with their scores where they stand there.
    pub reasons: Vec<String>,
}

impl Filtered {
    /// Score and limit, as a person writes them.
    pub fn scored(&self) -> String {
        match (&self.score, &self.limit) {
            (Some(score), Some(limit)) => format!("{score} of {limit}"),
            (Some(score), None) => score.clone(),
            _ => String::new(),
        }
    }
}

/// Reads what filters say in a header, the topmost first; each filter once.
pub(super) fn read(fields: &[(String, String)]) -> Vec<Filtered> {
    let mut out: Vec<Filtered> = Vec::new();
    for (name, value) in fields {
        let read = match name.to_ascii_lowercase().as_str() {
            "x-spam-status" => spam_status(value),
            "x-spamd-result" => rspamd(value),
            "x-rspamd-action" => Some(rspamd_action(value)),
            "x-forefront-antispam-report" => forefront(value),
            "x-ms-exchange-organization-scl" => exchange(value),
            "x-microsoft-antispam" => bulk(value),
            "x-gmail-labels" => gmail(value),
            _ => None,
        };
        let Some(read) = read else { continue };
        match out.iter_mut().find(|held| held.filter == read.filter) {
            Some(held) => {
                held.junk = held.junk.or(read.junk);
                held.score = held.score.take().or(read.score);
                held.limit = held.limit.take().or(read.limit);
                held.reasons.extend(read.reasons);
                held.reasons.truncate(MAX_REASONS);
            }
            None => out.push(read),
        }
    }
    out
}

/// `Yes, score=7.2 required=5.0 tests=BAYES_99,HTML_MESSAGE autolearn=no`.
fn spam_status(value: &str) -> Option<Filtered> {
    let (verdict, rest) = value.split_once(',')?;
    let junk = match verdict.trim().to_ascii_lowercase().as_str() {
        "yes" => true,
        "no" => false,
        _ => return None,
    };
    let after = |key: &str| rest.split_once(key).and_then(|(_, found)| found.split_whitespace().next());
    // Folded after commas, so the list ends at the next `key=`.
    let tests = rest.split_once("tests=").map_or("", |(_, tests)| tests);
    let end =
        tests.match_indices('=').find_map(|(at, _)| tests.get(..at)?.rfind(' ').filter(|_| !bracketed(tests, at)));
    let tests = tests.get(..end.unwrap_or(tests.len())).unwrap_or_default();
    Some(Filtered {
        filter: "SpamAssassin",
        junk: Some(junk),
        score: after("score=").or_else(|| after("hits=")).map(|s| s.trim_end_matches(',').to_owned()),
        limit: after("required=").map(|s| s.trim_end_matches(',').to_owned()),
        reasons: reasons(tests.trim_matches(['[', ']', ' ']).split([',', ' ']).filter(|test| *test != "none")),
    })
}

/// Whether an octet stands within square brackets: amavis writes `tests=[A=1, B=2]`.
fn bracketed(text: &str, at: usize) -> bool {
    text.starts_with('[') && text.find(']').is_some_and(|end| at < end)
}

fn reasons<'t>(tests: impl Iterator<Item = &'t str>) -> Vec<String> {
    tests.map(str::trim).filter(|test| !test.is_empty()).take(MAX_REASONS).map(str::to_owned).collect()
}

/// `default: False [3.20 / 15.00]; SYMBOL(0.10)[…]; …`.
fn rspamd(value: &str) -> Option<Filtered> {
    let mut parts = value.split(';');
    let (verdict, scores) = parts.next()?.split_once('[')?;
    let (score, limit) = scores.split_once(']')?.0.split_once('/')?;
    let symbol = |part: &str| {
        let (name, score) = part.trim().split_once('(')?;
        let score: f64 = score.split_once(')')?.0.parse().ok()?;
        // What counts for nothing, or for the message, is no reason.
        (score > 0.0).then(|| format!("{name} {score}"))
    };
    Some(Filtered {
        filter: "Rspamd",
        // The verdict tells refusal alone: what goes to junk is said by the action.
        junk: verdict.to_ascii_lowercase().contains("true").then_some(true),
        score: Some(score.trim().to_owned()),
        limit: Some(limit.trim().to_owned()),
        reasons: parts.filter_map(symbol).take(MAX_REASONS).collect(),
    })
}

fn rspamd_action(value: &str) -> Filtered {
    let action = value.trim().to_ascii_lowercase();
    let junk = match action.as_str() {
        "add header" | "rewrite subject" | "reject" | "quarantine" => Some(true),
        "no action" => Some(false),
        _ => None,
    };
    Filtered { filter: "Rspamd", junk, reasons: vec![format!("action {action}")], ..Filtered::default() }
}

const EXCHANGE: &str = "Microsoft";

/// `CIP:192.0.2.1;CTRY:DE;SCL:5;SFV:SPM;CAT:SPM;…`.
fn forefront(value: &str) -> Option<Filtered> {
    let pairs = || value.split(';').filter_map(|pair| pair.trim().split_once(':'));
    let of = |key: &str| pairs().find(|(k, v)| *k == key && !v.is_empty()).map(|(_, v)| v);
    let told = |key: &str, table: &[(&str, &str)]| {
        let value = of(key)?;
        let known = table.iter().find(|(code, _)| *code == value);
        known.map(|(_, means)| format!("{key}:{value}, {means}"))
    };
    let mut read = exchange(of("SCL")?)?;
    read.reasons = [told("SFV", VERDICTS), told("CAT", CATEGORIES)].into_iter().flatten().collect();
    Some(read)
}

/// What the filter did, by Microsoft's own page on anti-spam message headers.
const VERDICTS: &[(&str, &str)] = &[
    ("BLK", "the sender is on the recipient's list of blocked senders"),
    ("SKB", "the sender is on a block list of the anti-spam policy"),
    ("SKS", "a mail flow rule had marked it as spam before"),
    ("SPM", "the filter took it for spam"),
    ("SFE", "the sender is on the recipient's list of safe senders"),
    ("SKA", "the sender is on an allow list of the anti-spam policy"),
    ("SKN", "a mail flow rule had marked it as no spam before"),
];

const CATEGORIES: &[(&str, &str)] = &[
    ("BULK", "bulk mail"),
    ("DIMP", "it impersonates a domain"),
    ("UIMP", "it impersonates a user"),
    ("GIMP", "mailbox intelligence takes it for impersonation"),
    ("HPHISH", "phishing, with high confidence"),
    ("HSPM", "spam, with high confidence"),
    ("MALW", "malware"),
    ("PHSH", "phishing"),
    ("SPM", "spam"),
    ("SPOOF", "the sender's address is forged"),
];

/// The spam confidence level: 5 and more goes to the junk folder by default.
fn exchange(value: &str) -> Option<Filtered> {
    let level: i8 = value.trim().parse().ok()?;
    Some(Filtered {
        filter: EXCHANGE,
        junk: Some(level >= 5),
        score: Some(format!("SCL {level}")),
        limit: Some("9, junk from 5".to_owned()),
        reasons: Vec::new(),
    })
}

/// `BCL:7;…`: the bulk complaint level, 0 to 9.
fn bulk(value: &str) -> Option<Filtered> {
    let level: u8 = value.split(';').find_map(|pair| pair.trim().strip_prefix("BCL:"))?.trim().parse().ok()?;
    let reasons =
        if level > 0 { vec![format!("BCL:{level}, complaints about bulk mail of this sender")] } else { vec![] };
    Some(Filtered { filter: EXCHANGE, reasons, ..Filtered::default() })
}

/// Labels of an export of Gmail; in the message itself Gmail says nothing of its verdict.
fn gmail(value: &str) -> Option<Filtered> {
    let junk = value.split(',').any(|label| label.trim().eq_ignore_ascii_case("Spam"));
    junk.then(|| Filtered {
        filter: "Gmail",
        junk: Some(true),
        reasons: vec!["label Spam".to_owned()],
        ..Filtered::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(fields: &[(&str, &str)]) -> Vec<Filtered> {
        read(&fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn spamassassin_and_amavis() {
        let read = of(&[(
            "X-Spam-Status",
            "Yes, score=7.2 required=5.0 tests=BAYES_99,  HTML_MESSAGE,RDNS_NONE autolearn=no version=4.0.0",
        )]);
        assert_eq!((read[0].junk, read[0].scored().as_str()), (Some(true), "7.2 of 5.0"));
        assert_eq!(read[0].reasons, ["BAYES_99", "HTML_MESSAGE", "RDNS_NONE"]);
        let amavis = of(&[(
            "X-Spam-Status",
            "No, score=-1.9 tagged_above=-999 required=6.2 tests=[BAYES_00=-1.9, SPF_PASS=-0.001] autolearn=ham",
        )]);
        assert_eq!(amavis[0].reasons, ["BAYES_00=-1.9", "SPF_PASS=-0.001"]);
        assert_eq!(of(&[("X-Spam-Status", "Maybe")]), []);
    }

    #[test]
    fn rspamd_says_it_in_two_fields() {
        let read = of(&[
            (
                "X-Spamd-Result",
                "default: False [7.10 / 15.00]; R_SPF_FAIL(1.00)[-all]; MIME_GOOD(-0.10)[text/plain]; ARC_NA(0.00)[]",
            ),
            ("X-Rspamd-Action", "add header"),
        ]);
        assert_eq!((read.len(), read[0].junk, read[0].scored().as_str()), (1, Some(true), "7.10 of 15.00"));
        assert_eq!(read[0].reasons, ["R_SPF_FAIL 1", "action add header"]);
    }

    #[test]
    fn exchange_and_gmail() {
        let read = of(&[
            (
                "X-Forefront-Antispam-Report",
                "CIP:192.0.2.1;CTRY:DE;LANG:en;SCL:5;SRV:;IPV:NLI;SFV:SPM;H:a.example;PTR:;CAT:SPOOF;DIR:INB;",
            ),
            ("X-Microsoft-Antispam", "BCL:7;ARA:13230040"),
            ("X-Gmail-Labels", "Spam,Unread"),
        ]);
        assert_eq!((read[0].junk, read[0].score.as_deref()), (Some(true), Some("SCL 5")));
        assert_eq!(read[0].reasons.len(), 3, "{:?}", read[0].reasons);
        assert_eq!((read[1].filter, read[1].junk), ("Gmail", Some(true)));
        let fine = of(&[("X-Forefront-Antispam-Report", "CIP:192.0.2.1;SCL:1;SFV:NSPM;CAT:NONE;")]);
        assert_eq!((fine[0].junk, fine[0].reasons.len()), (Some(false), 0));
    }

    proptest! {
        #[test]
        fn any_field_can_be_read(value in ".{0,80}|[A-Z:;=,\\[\\]() /0-9a-z]{0,80}") {
            for name in ["X-Spam-Status", "X-Spamd-Result", "X-Rspamd-Action", "X-Forefront-Antispam-Report", "X-Microsoft-Antispam"] {
                let _ = of(&[(name, &value)]);
            }
            let _ = of(&[("X-Spam-Status", &format!("Yes, {value}"))]);
        }
    }
}
