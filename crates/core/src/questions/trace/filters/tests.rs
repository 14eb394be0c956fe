use maildoctor_wire::auth_results;
use proptest::prelude::*;

use super::*;

fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

fn of(of: &[(&str, &str)]) -> Vec<Filtered> {
    read(&fields(of), None, 0)
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
    assert_eq!(amavis[0].reasons, ["SPF_PASS -0.001", "BAYES_00 -1.9"]);
    assert_eq!(of(&[("X-Spam-Status", "Maybe")]), []);
    let kerio = of(&[(
        "X-Spam-Status",
        "No, hits=0.0 required=5.0 tests=AWL: 0.001, BAYES_00: -1.665,TOTAL_SCORE: -1.664,autolearn=ham",
    )]);
    assert_eq!(
        (kerio[0].reasons.join(" "), kerio[0].scored()),
        ("AWL 0.001 BAYES_00 -1.665".into(), "0.0 of 5.0".into())
    );
}

#[test]
fn the_report_gives_the_tests_their_weights_and_the_heaviest_comes_first() {
    let status = (
        "X-Spam-Status",
        "Yes, score=5.0 required=5.0 tests=BAYES_50,SUBJ_ALL_CAPS,UNDISC_FREEM,SPF_PASS autolearn=no",
    );
    let report = (
        "X-Spam-Report",
        "* -0.0 SPF_PASS SPF: sender matches         *  0.8 BAYES_50 BODY: 40 to 60%         *      [score: 0.5000]         *  1.0 SUBJ_ALL_CAPS Subject is in capitals         *  3.2 UNDISC_FREEM Undisclosed",
    );
    for order in [[status, report], [report, status]] {
        let read = of(&order);
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].reasons, ["UNDISC_FREEM 3.2", "SUBJ_ALL_CAPS 1", "BAYES_50 0.8"]);
    }
    let exim =
        of(&[("X-Spam_report", "(8.1 / 5.0 requ) RDNS_NONE=1.3, BAYES_99=3.5 autolearn=no"), ("X-Spam_score", "8.1")]);
    assert_eq!((exim.len(), exim[0].junk, exim[0].scored().as_str()), (1, Some(true), "8.1 of 5.0"));
    assert_eq!(exim[0].reasons[0], "RDNS_NONE 1.3");
    let fastmail = of(&[
        ("X-Spam-score", "0.0"),
        ("X-Spam-hits", "HTML_MESSAGE 0.5, RCVD_MED -2.3, LANGUAGES en, SA_VERSION 4.0.1"),
    ]);
    assert_eq!((fastmail[0].junk, fastmail[0].scored().as_str(), fastmail[0].reasons.len()), (None, "0.0", 2));
}

#[test]
fn a_flag_alone_is_a_verdict_and_beside_a_filter_it_is_that_filters() {
    assert_eq!(of(&[("X-Spam-Flag", "YES")])[0].junk, Some(true));
    assert_eq!(of(&[("X-Spam", "undefined"), ("X-Spam-Score", "*")]), []);
    let read = of(&[("X-Spam-Status", "No, score=-0.2"), ("X-Spam-Score", "-1"), ("X-Spam-Flag", "NO")]);
    assert_eq!(
        (read.len(), read[0].filter, read[0].junk, read[0].scored().as_str()),
        (1, "SpamAssassin", Some(false), "-0.2")
    );
    let rspamd = of(&[("X-Spam", "Yes"), ("X-Spamd-Result", "default: False [7.10 / 15.00]; A(1.00)[]")]);
    assert_eq!((rspamd.len(), rspamd[0].filter, rspamd[0].junk), (1, "Rspamd", Some(true)));
}

#[test]
fn rspamd_says_it_in_two_fields() {
    let read = of(&[
        (
            "X-Spamd-Result",
            "default: False [7.10 / 15.00]; R_SPF_FAIL(1.00)[-all]; MIME_GOOD(-0.10)[text/plain]; BAYES_SPAM(5.10)[99%]; ARC_NA(0.00)[]",
        ),
        ("X-Rspamd-Action", "add header"),
    ]);
    assert_eq!((read.len(), read[0].junk, read[0].scored().as_str()), (1, Some(true), "7.10 of 15.00"));
    assert_eq!(read[0].reasons, ["BAYES_SPAM 5.1", "R_SPF_FAIL 1", "action add header"]);
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

#[test]
fn where_exchange_put_it_outweighs_its_level() {
    let level = ("X-MS-Exchange-Organization-SCL", "5");
    let inbox = of(&[level, ("X-Microsoft-Antispam-Mailbox-Delivery", "ucf:1;jmr:0;auth:1;dest:I;ENG:(1)")]);
    assert_eq!(inbox[0].junk, Some(false), "the recipient trusts the sender");
    let junk =
        of(&[("X-Microsoft-Antispam-Mailbox-Delivery", "ucf:0;dest:J;"), ("X-MS-Exchange-Organization-SCL", "1")]);
    assert_eq!((junk[0].junk, junk[0].reasons.len()), (Some(true), 1));
    let results = auth_results::parse("spf=none; compauth=fail reason=001").unwrap();
    let read = read(&fields(&[level]), Some(&results), 0);
    assert!(read[0].reasons[0].starts_with("compauth=fail reason=001 ("), "{:?}", read[0].reasons);
    assert!(of(&[("X-MS-Exchange-Organization-SCL", "-1")])[0].reasons[0].contains("not filtered"));
}

#[test]
fn what_was_thought_of_outgoing_mail_is_no_verdict_here() {
    assert_eq!(of(&[("X-Forefront-Antispam-Report", "CIP:255.255.255.255; SCL:1; SFV:NSPM; CAT:NONE; DIR:OUT;")]), []);
    let out = of(&[("X-Forefront-Antispam-Report", "SCL:5;SFV:SPM;CAT:OSPM;DIR:OUT;")]);
    assert_eq!((out[0].filter, out[0].junk), ("Microsoft, when it sent the message", None));
    assert_eq!(of(&[("X-Proofpoint-Spam-Details", "rule=outbound_notspam policy=outbound score=0")]), []);
    // A field between hops below the receiving house's is that of a server on the way.
    let hop = ("Received", "x");
    let status = ("X-Spam-Status", "Yes, score=9 required=5 tests=A_B");
    let on = |of: &[(&str, &str)]| read(&fields(of), None, 1)[0].earlier;
    assert!(on(&[hop, hop, status, hop]) && !on(&[hop, status, hop, hop]) && !on(&[hop, hop, hop, status]));
}

#[test]
fn filters_of_providers_and_appliances() {
    for (name, value, filter, junk, scored) in [
        (
            "X-Barracuda-Spam-Status",
            "Yes, SCORE=4.10 using global scores of TAG_LEVEL=1000.0 QUARANTINE_LEVEL=4.0 KILL_LEVEL=5.0 tests=BSF_SC0, MISSING_DATE",
            "Barracuda",
            Some(true),
            "4.10 of 4.0",
        ),
        (
            "X-Example-MailScanner-SpamCheck",
            "spam, SpamAssassin (not cached, score=9.1, required 6, BAYES_99 3.50, RDNS_NONE 1.27)",
            "MailScanner",
            Some(true),
            "9.1 of 6",
        ),
        (
            "X-Example-MailScanner-SpamCheck",
            "not spam, SpamAssassin (score=-1.9, required 6, BAYES_00 -1.90)",
            "MailScanner",
            Some(false),
            "-1.9 of 6",
        ),
        (
            "X-Spam-Report",
            "IsSpam=no, Probability=11%, Hits= RETURN_RECEIPT 0.5, FROM_US_TLD 0.1",
            "PureMessage",
            Some(false),
            "11%",
        ),
        ("X-Proofpoint-Spam-Details", "rule=spam policy=default score=99 mlxscore=99", "Proofpoint", Some(true), "99"),
        ("X-Proofpoint-Spam-Details", "rule=notspam policy=default score=0", "Proofpoint", Some(false), "0"),
        ("X-UI-Filterresults", "junk:10;V03:K0:x", "GMX", Some(true), "10"),
        ("X-UI-Filterresults", "notjunk:1;V03:K0:x", "GMX", Some(false), "1"),
        ("X-GMX-Antispam", "5 (nemesis text profiler); Detail=V3;", "GMX", Some(true), ""),
        ("X-VR-SPAMSTATE", "SPAM", "OVH", Some(true), ""),
        ("X-Yandex-Spam", "4", "Yandex", Some(true), ""),
        ("X-Yandex-Spam", "1", "Yandex", Some(false), ""),
        ("X-SES-Spam-Verdict", "FAIL", "Amazon SES", Some(true), ""),
        ("X-YahooFilteredBulk", "192.0.2.1", "Yahoo", Some(true), ""),
        ("X-DSPAM-Result", "Innocent", "DSPAM", Some(false), ""),
        ("X-Bogosity", "Spam, tests=bogofilter, spamicity=0.999", "bogofilter", Some(true), ""),
        ("X-CRM114-Status", "SPAM ( pR: -15.8 )", "CRM114", Some(true), ""),
        ("X-Mimecast-Spam-Score", "12", "Mimecast", None, "12"),
    ] {
        let read = of(&[(name, value)]);
        assert_eq!(
            (read[0].filter, read[0].junk, read[0].scored().as_str()),
            (filter, junk, scored),
            "{name}: {value}"
        );
    }
    for (name, value) in [
        ("X-UI-Filterresults", "unknown:2;V03:K0:x"),
        ("X-Mimecast-Spam-Score", "0"),
        ("X-Bogosity", "Unsure, tests=bogofilter"),
        ("X-SES-Spam-Verdict", "GRAY"),
        ("X-Spam-Report", "no weights here"),
    ] {
        assert_eq!(of(&[(name, value)]), [], "{name}: {value}");
    }
}

proptest! {
    #[test]
    fn any_field_can_be_read(value in ".{0,80}|[A-Z:;=,\\[\\]() /0-9a-z*.]{0,80}") {
        for name in [
            "X-Spam-Status", "X-Spam-Report", "X-Spam-Score", "X-Spamd-Result", "X-Rspamd-Action", "X-Forefront-Antispam-Report",
            "X-Microsoft-Antispam", "X-Microsoft-Antispam-Mailbox-Delivery", "X-Barracuda-Spam-Status", "X-GMX-Antispam",
            "X-UI-Filterresults", "X-Proofpoint-Spam-Details", "A-MailScanner-SpamCheck",
        ] {
            let _ = of(&[(name, &value)]);
        }
        let _ = of(&[("X-Spam-Status", &format!("Yes, {value}"))]);
        let _ = of(&[("X-Spam-Report", &format!("(1 / 2) {value}")), ("X-Spam-Report", &format!("IsSpam=yes {value}"))]);
    }
}
