//! Exchange Online Protection and Exchange (Microsoft's pages on anti-spam message headers).

use maildoctor_wire::auth_results::AuthResults;

use super::Said;

/// The filter.
pub(super) const NAME: &str = "Microsoft";

/// From this bulk complaint level on mail is junk by default.
const BULK_LIMIT: u8 = 7;

/// `CIP:192.0.2.1;CTRY:DE;SCL:5;IPV:NLI;SFV:SPM;CAT:SPM;…`.
pub(super) fn report(value: &str) -> Option<Said> {
    let of = |key: &str| {
        let pairs = value.split(';').filter_map(|pair| pair.trim().split_once(':'));
        pairs.map(|(k, v)| (k, v.trim())).find(|(k, v)| *k == key && !v.is_empty()).map(|(_, v)| v)
    };
    let told = |key: &str, table: &[(&str, &str)]| {
        let value = of(key)?;
        let known = table.iter().find(|(code, _)| *code == value);
        known.map(|(_, means)| format!("{key}:{value} ({means})"))
    };
    let reasons = [told("SFV", VERDICTS), told("CAT", CATEGORIES), told("IPV", CONNECTIONS), told("PTR", NAMES)];
    let reasons: Vec<String> = reasons.into_iter().flatten().collect();
    if of("DIR") == Some("OUT") {
        // What it thought of the message when it sent it. It lets such mail go out by servers of their own.
        let suspected = of("SFV") == Some("SPM");
        return suspected.then(|| Said { filter: "Microsoft, when it sent the message", reasons, ..Said::default() });
    }
    let said = of("SCL").and_then(level).unwrap_or(Said { filter: NAME, ..Said::default() });
    (said.score.is_some() || !reasons.is_empty()).then_some(Said { reasons, ..said })
}

/// What the filter did.
const VERDICTS: &[(&str, &str)] = &[
    ("BLK", "the sender is on the recipient's list of blocked senders"),
    ("SKB", "the sender is on a block list of the anti-spam policy"),
    ("SKS", "a mail flow rule had marked it as spam before"),
    ("SPM", "the filter took it for spam"),
    ("SFE", "the sender is on the recipient's list of safe senders"),
    ("SKA", "the sender is on an allow list of the anti-spam policy"),
    ("SKI", "mail within the organisation is not filtered"),
    ("SKN", "a mail flow rule had marked it as no spam before"),
    ("SKQ", "it was released from quarantine"),
];

const CATEGORIES: &[(&str, &str)] = &[
    ("AMP", "malware"),
    ("BIMP", "it impersonates a brand"),
    ("BULK", "bulk mail"),
    ("DIMP", "it impersonates a domain"),
    ("FTBP", "an attachment of a kind that is not let pass"),
    ("GIMP", "mailbox intelligence takes it for impersonation"),
    ("HPHISH", "phishing, with high confidence"),
    ("HPHSH", "phishing, with high confidence"),
    ("HSPM", "spam, with high confidence"),
    ("INTOS", "phishing from within the organisation"),
    ("MALW", "malware"),
    ("OSPM", "spam, by the filter of outgoing mail"),
    ("PHSH", "phishing"),
    ("SAP", "an attachment that Safe Attachments found dangerous"),
    ("SPM", "spam"),
    ("SPOOF", "the sender's address is forged"),
    ("UIMP", "it impersonates a user"),
];

/// What connection filtering says of the sending address; `NLI`, on no list, is no reason.
const CONNECTIONS: &[(&str, &str)] =
    &[("CAL", "the sending address is on the list of allowed addresses: no filtering")];

const NAMES: &[(&str, &str)] = &[("InfoDomainNonexistent", "the sending address has no reverse name")];

/// The spam confidence level: 5 and more goes to the junk folder by default.
pub(super) fn level(value: &str) -> Option<Said> {
    let level: i8 = value.trim().parse().ok()?;
    let reasons = if level == -1 { vec!["SCL -1 (it was not filtered)".to_owned()] } else { Vec::new() };
    Some(Said {
        filter: NAME,
        junk: Some(level >= 5),
        score: Some(format!("SCL {level}")),
        limit: Some("9, junk from 5".to_owned()),
        reasons,
        ..Said::default()
    })
}

/// `BCL:7;…`: the bulk complaint level, 0 to 9.
pub(super) fn bulk(value: &str) -> Option<Said> {
    let level: u8 = value.split(';').find_map(|pair| pair.trim().strip_prefix("BCL:"))?.trim().parse().ok()?;
    let weight = if level >= BULK_LIMIT { "many complaints about" } else { "complaints about" };
    let reason = format!("BCL:{level} ({weight} bulk mail of this sender; junk from {BULK_LIMIT} by default)");
    Some(Said { filter: NAME, reasons: Vec::from_iter((level > 0).then_some(reason)), ..Said::default() })
}

/// `ucf:0;jmr:0;auth:0;dest:J;…`: where the mailbox put it. That outweighs the level, since the recipient has lists and rules.
pub(super) fn delivery(value: &str) -> Option<Said> {
    let dest = value.split(';').find_map(|pair| pair.trim().strip_prefix("dest:"))?;
    let put = match dest.trim() {
        "J" => true,
        "I" => false,
        _ => return None,
    };
    let reasons = Vec::from_iter(put.then(|| "dest:J (the mailbox put it into the junk folder)".to_owned()));
    Some(Said { filter: NAME, put: Some(put), reasons, ..Said::default() })
}

/// Why composite authentication failed, by the code behind `compauth=fail`.
pub(super) fn composite(results: &AuthResults) -> Option<String> {
    let failed = results.results.iter().find(|result| result.method == "compauth" && result.result == "fail")?;
    let code = failed.property("reason").or(failed.reason.as_deref()).unwrap_or_default();
    let means = match code {
        "000" => "DMARC fails, and the policy is quarantine or reject",
        "001" => "the sender's domain proves nothing: no SPF, DKIM or DMARC that holds for it",
        "002" => "a policy of the organisation forbids this sender to use this domain",
        "010" => "DMARC fails, and the domain is one of the organisation's own",
        _ if code.starts_with('6') => "the domain is one of the organisation's own, and nothing proves the sender",
        _ => return Some("compauth=fail".to_owned()),
    };
    Some(format!("compauth=fail reason={code} ({means})"))
}
