use super::*;
use crate::bounce::judge::judge;
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn clock() -> Clock {
    Clock { now: "2026-11-24T14:00:00Z".parse().unwrap(), zone: TimeZone::UTC }
}

fn read_all(text: &[u8]) -> Summary {
    read(text, &mut std::io::empty(), &clock(), &mut |_| {}).unwrap()
}

/// Code, count, recipients and host of each cause.
fn told(text: &str) -> Vec<(&'static str, u64, String, Option<String>)> {
    assert!(is_log(text.as_bytes()), "{text}");
    let all = read_all(text.as_bytes()).reading.said;
    all.iter()
        .map(|said| (judge(said).unwrap().code, said.count, said.recipients.join(" "), said.host.clone()))
        .collect()
}

fn one(code: &'static str, count: u64, recipients: &str, host: &str) -> (&'static str, u64, String, Option<String>) {
    (code, count, recipients.to_owned(), Some(host.to_owned()).filter(|h| !h.is_empty()))
}

#[test]
fn postfix() {
    let log = "Nov 24 13:00:01 mail postfix/qmgr[1]: 4F1X2Y3Z: from=<carl@example.org>, size=300, nrcpt=1 (queue active)
Nov 24 13:00:05 mail postfix/smtp[2]: 4F1X2Y3Z: to=<anna@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=1, delays=0/0/1/0, dsn=5.1.1, status=bounced (host mx.example.net[192.0.2.1] said: 550 5.1.1 <anna@example.net>: Recipient address rejected: User unknown (in reply to RCPT TO command))
Nov 24 13:00:06 mail postfix/smtp[2]: 4F1X2Y40: to=<bert@example.com>, relay=mx.example.com[192.0.2.2]:25, delay=1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.2] said: 550 5.1.1 <bert@example.com>: Recipient address rejected: User unknown (in reply to RCPT TO command))
Nov 24 13:00:07 mail postfix/smtp[2]: 4F1X2Y41: to=<dora@example.net>, relay=none, delay=30, dsn=4.4.1, status=deferred (connect to mx.example.net[192.0.2.1]:25: Connection timed out)
Nov 24 13:00:08 mail postfix/smtp[2]: 4F1X2Y42: to=<emil@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 1)
";
    assert_eq!(
        told(log),
        [
            one("recipient-unknown", 2, "anna@example.net bert@example.com", "mx.example.net"),
            one("connect-timeout", 1, "dora@example.net", "mx.example.net"),
        ]
    );
    let summary = read_all(log.as_bytes());
    assert_eq!(summary.delivered, 1);
    let unknown = &summary.reading.said[0];
    assert_eq!(unknown.first.unwrap().to_string(), "2026-11-24T13:00:05Z");
    assert_eq!(unknown.last.unwrap().to_string(), "2026-11-24T13:00:06Z");
}

#[test]
fn two_lines_belong_together_by_host_and_queue_id_and_never_by_time() {
    let deferred = |host: &str, id: &str| {
        format!(
            "2026-11-24T13:00:05+00:00 {host} postfix/smtp[2]: {id}: to=<a@example.net>, relay=mx.example.net[192.0.2.1]:25, dsn=4.7.1, status=deferred (host mx.example.net[192.0.2.1] said: 451 4.7.1 Greylisted (in reply to RCPT TO command))\n"
        )
    };
    let sent = |host: &str, id: &str| {
        format!(
            "2026-11-24T13:05:05+00:00 {host} postfix/smtp[2]: {id}: to=<a@example.net>, relay=mx.example.net[192.0.2.1]:25, dsn=2.0.0, status=sent (250 Ok)\n"
        )
    };
    let later = |log: String| {
        let all = read_all(log.as_bytes()).reading.said;
        (all[0].count, all[0].delivered_later, all[0].waiting)
    };
    assert_eq!(later(deferred("one", "AAAA1") + &deferred("one", "AAAA1") + &sent("one", "AAAA1")), (2, 1, 0));
    assert_eq!(later(deferred("one", "AAAA1") + &sent("two", "AAAA1")), (1, 0, 1), "another host's queue");
    assert_eq!(later(deferred("one", "AAAA1") + &sent("one", "BBBB1")), (1, 0, 1), "another message");
}

#[test]
fn exim() {
    let log = "2026-11-24 13:00:05 1a4USF-0001ig-0d <= carl@example.org U=carl P=local S=424
2026-11-24 13:00:06 1a4USF-0001ig-0d ** anna@example.net R=dnslookup T=remote_smtp H=mx.example.net [192.0.2.1] X=TLS1.3:X:256 CV=yes: SMTP error from remote mail server after RCPT TO:<anna@example.net>: 550-5.7.1 one\\n550 5.1.1 User unknown
2026-11-24 13:00:07 1a4USF-0001ig-0e == bert@example.com R=dnslookup T=remote_smtp defer (111): Connection refused
2026-11-24 13:00:08 1a4USF-00000001234-0fAb ** emil@example.invalid: Unrouteable address
2026-11-24 13:00:09 1a4USF-0001ig-0e => bert@example.com R=dnslookup T=remote_smtp H=mx.example.com [192.0.2.2] C=\"250 OK\"
";
    assert_eq!(
        told(log),
        [
            one("recipient-unknown", 2, "anna@example.net emil@example.invalid", "mx.example.net"),
            one("connect-refused", 1, "bert@example.com", ""),
        ]
    );
    assert_eq!(read_all(log.as_bytes()).reading.said[1].delivered_later, 1);
}

#[test]
fn sendmail() {
    let log = "Nov 24 13:00:05 mail sm-mta[7]: v3JBZmt1030310: to=<anna@example.net>, ctladdr=<carl@example.org> (1000/1000), delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30, relay=mx.example.net. [192.0.2.1], dsn=5.1.1, stat=User unknown
Nov 24 13:00:06 mail sm-mta[7]: v3JBZmt1030311: to=<bert@example.com>, delay=00:00:01, mailer=esmtp, pri=30, relay=mx.example.com., dsn=4.0.0, stat=Deferred: Connection refused by mx.example.com.
Nov 24 13:00:07 mail sm-mta[7]: v3JBZmt1030312: to=<dora@example.com>, mailer=esmtp, relay=mx.example.com. [192.0.2.2], dsn=2.0.0, stat=Sent (OK id=1)
Nov 24 13:00:08 mail sm-mta[7]: v3JBZmt1030313: to=<emil@example.org>, mailer=esmtp, relay=mx.example.org. [192.0.2.3], dsn=5.1.1, reply=550 5.7.25 no reverse DNS, stat=User unknown
";
    assert_eq!(
        told(log),
        [
            one("recipient-unknown", 1, "anna@example.net", "mx.example.net"),
            one("connect-refused", 1, "bert@example.com", "mx.example.com"),
            one("bounce-provider-ptr", 1, "emil@example.org", "mx.example.org"),
        ]
    );
}

#[test]
fn opensmtpd() {
    let log = "Nov 24 13:00:05 mail smtpd[9]: 5e4d3c2b1a0f9e8d mta delivery evpid=11aa22bb33cc44dd from=<carl@example.org> to=<anna@example.net> rcpt=<-> source=\"192.0.2.9\" relay=\"192.0.2.1 (mx.example.net)\" delay=2s result=\"PermFail\" stat=\"550 5.1.1 User unknown\"
Nov 24 13:00:06 mail smtpd[9]: 5e4d3c2b1a0f9e8e mta delivery evpid=11aa22bb33cc44de from=<carl@example.org> to=<bert@example.net> rcpt=<-> source=\"192.0.2.9\" relay=\"192.0.2.1 (mx.example.net)\" delay=2s result=\"Ok\" stat=\"250 Ok\"
";
    assert_eq!(told(log), [one("recipient-unknown", 1, "anna@example.net", "mx.example.net")]);
    assert_eq!(read_all(log.as_bytes()).delivered, 1);
}

#[test]
fn opensmtpd_gives_up_on_an_envelope_by_its_number() {
    let log = "Nov 24 13:00:05 mail smtpd[9]: 0000000000000000 mta delivery evpid=11aa22bb33cc44dd from=<carl@example.org> to=<anna@example.net> rcpt=<-> source=\"-\" relay=\"example.net\" delay=11s result=\"TempFail\" stat=\"Network error on destination MXs\"
Nov 24 13:00:05 mail smtpd[8]: relay: Expire for 11aa22bb33cc44dd: from=<carl@example.org>, to=<anna@example.net>, rcpt=<->, delay=11s, stat=Envelope expired
";
    let told = told(log);
    assert_eq!(told, [one("mx-all-down", 1, "anna@example.net", ""), one("bounce-unknown", 1, "anna@example.net", "")]);
    let all = read_all(log.as_bytes()).reading.said;
    let outcomes: Vec<_> = all.iter().map(|said| judge(said).unwrap().outcome).collect();
    assert_eq!(outcomes, [crate::bounce::judge::Outcome::Temporary, crate::bounce::judge::Outcome::Final]);
    assert_eq!(all[0].waiting, 0, "it waits no longer");
}

#[test]
fn exchange() {
    let log = "\u{feff}#Software: Microsoft Exchange Server\r\n#Version: 15.0.0.0\r\n#Fields: date-time,client-ip,client-hostname,server-ip,server-hostname,source-context,connector-id,source,event-id,internal-message-id,message-id,network-message-id,recipient-address,recipient-status,total-bytes\r\n2026-11-24T13:00:05.123Z,192.0.2.9,ex1,192.0.2.1,mx.example.net,ctx,Out,SMTP,FAIL,42,<1@example.org>,n,anna@example.net,\"'[{LRT=};{LED=550 5.1.1 User, unknown};{FQDN=mx.example.net};{IP=192.0.2.1}]'\",100\r\n2026-11-24T13:00:06.123Z,192.0.2.9,ex1,192.0.2.1,mx.example.net,ctx,Out,SMTP,SENDEXTERNAL,43,<2@example.org>,n,bert@example.net,250 OK,100\r\n";
    assert_eq!(told(log), [one("recipient-unknown", 1, "anna@example.net", "mx.example.net")]);
    let summary = read_all(log.as_bytes());
    assert_eq!(summary.delivered, 1);
    assert_eq!(summary.reading.said[0].quoted(), "550 5.1.1 User, unknown");
    assert_eq!(summary.reading.said[0].last.unwrap().to_string(), "2026-11-24T13:00:05.123Z");
}

#[test]
fn journald() {
    let message = "4F1X: to=<anna@example.net>, relay=mx.example.net[192.0.2.1]:25, dsn=4.3.1, status=deferred (host mx.example.net[192.0.2.1] said: 452 4.3.1 Insufficient system storage (in reply to MAIL FROM command))";
    let export = format!(
        "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795525205000000\n_HOSTNAME=mail\nMESSAGE={message}\nSYSLOG_IDENTIFIER=postfix/smtp\n\n__CURSOR=s=2\nMESSAGE=other\n"
    );
    let json = format!(
        "{{\"__REALTIME_TIMESTAMP\":\"1795525205000000\",\"_HOSTNAME\":\"mail\",\"MESSAGE\":{}}}\n",
        serde_json::to_string(message).unwrap()
    );
    for log in [export, json] {
        assert_eq!(told(&log), [one("server-storage-full", 1, "anna@example.net", "mx.example.net")]);
        let said = &read_all(log.as_bytes()).reading.said[0];
        assert_eq!(said.first.unwrap().to_string(), "2026-11-24T13:00:05Z");
    }
}

#[test]
fn what_is_no_mail_log_is_none() {
    for text in [
        "",
        "550 5.1.1 User unknown",
        "Nov 24 13:00:05 mail sshd[2]: Accepted publickey",
        "2026-11-24 13:00:05 hello world",
        include_str!("../samples/postfix.eml"),
    ] {
        assert!(!is_log(text.as_bytes()), "{text}");
    }
}

#[test]
fn many_causes_and_messages_stay_within_bounds() {
    let mut groups = Groups::default();
    for number in 0..5_000 {
        let (id, recipient) = (format!("Q{number}"), format!("a@domain{number}.example"));
        let event = event::Event {
            id: id.as_bytes(),
            recipient: recipient.as_bytes(),
            text: b"connect to mx: Connection refused",
            ..event::Event::default()
        };
        groups.add(&event);
    }
    let (said, left_out) = groups.finish(&clock());
    assert_eq!(said.len(), crate::bounce::read::MAX_ANSWERS);
    assert_eq!(said.iter().map(|s| s.count).sum::<u64>() + left_out, 5_000);
}

proptest! {
    #[test]
    fn any_octets_can_be_read_as_any_log(
        start in prop_oneof![Just(""), Just("#Fields: date-time\n"), Just("__CURSOR=1\n"), Just("{\"MESSAGE\":\"x\"}\n"), Just("2026-11-24 13:00:05 1a4USF-0001ig-0d == "), Just("Nov 24 13:00:01 m postfix/smtp[1]: A: to=<a@b>, status=deferred (")],
        octets in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let text = [start.as_bytes(), &octets].concat();
        let _ = is_log(&text);
        let _ = read(&text, &mut std::io::empty(), &clock(), &mut |_| {});
    }

    #[test]
    fn a_log_cut_anywhere_can_be_read(cut in 0_usize..300) {
        let line = b"Nov 24 13:00:05 mail postfix/smtp[2]: 4F1X2Y3Z: to=<anna@example.net>, relay=mx.example.net[192.0.2.1]:25, dsn=5.1.1, status=bounced (host mx.example.net[192.0.2.1] said: 550 5.1.1 x (in reply to RCPT TO command))";
        let _ = read(&line[..cut.min(line.len())], &mut std::io::empty(), &clock(), &mut |_| {});
    }
}
