//! Received headers as servers write them.

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

/// What matters of a hop: client, address, server, protocol, TLS, login.
fn read(text: &str) -> (String, String, String, String, Option<bool>, bool) {
    let hop = parse(text);
    let word = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let (encrypted, login) = (hop.is_encrypted(), hop.is_authenticated());
    assert_eq!(hop.at, Some(1_795_521_605), "{text}");
    (word(hop.from), word(hop.address.map(|a| a.to_string())), word(hop.by), word(hop.with), encrypted, login)
}

fn told(
    from: &str,
    address: &str,
    by: &str,
    with: &str,
    encrypted: Option<bool>,
    login: bool,
) -> (String, String, String, String, Option<bool>, bool) {
    (from.to_owned(), address.to_owned(), by.to_owned(), with.to_owned(), encrypted, login)
}

#[test]
fn clients_that_are_written_in_the_ways_of_many_servers() {
    let (a, mx, v4, v6) = ("a.example.net", "mx.example.org", "192.0.2.9", "2001:db8::9");
    for (from, name, address) in [
        // Exim: the greeting, ident, port; a name of the DNS, or none.
        ("from a.example.net ([192.0.2.9] helo=[10.0.0.5])", a, v4),
        ("from [192.0.2.9] (port=53312 helo=a.example.net)", a, v4),
        ("from ([192.0.2.9:53798] helo=a.example.net)", a, v4),
        ("from a.example.net ([192.0.2.9]:11218 helo=x ident=[W9/Q])", a, v4),
        ("from a.example.net (b.example) [192.0.2.9.13219] (mail)", a, v4),
        ("from a.example.net ([2001:db8::9]:52313)", a, v6),
        // qmail and what follows it.
        ("from unknown (HELO a.example.net) (anna@192.0.2.9)", a, v4),
        ("from unknown (HELO [10.0.0.5]) ([192.0.2.9])", "[10.0.0.5]", v4),
        ("from 192.0.2.9 (EHLO a.example.net) (192.0.2.9)", a, v4),
        ("from 192.0.2.9 (EHLO a.example.net)", a, v4),
        ("from a.example.net (192.0.2.9)", a, v4),
        // Sendmail, Courier, Postfix, ZMailer, CommuniGate, MDaemon.
        ("from a.example.net (IDENT:x@b.example [192.0.2.9] (may be forged))", a, v4),
        ("from a.example.net (x@[192.0.2.9])", a, v4),
        ("from a.example.net (b.example [::ffff:192.0.2.9])", a, v4),
        ("from a.example.net (b.example[192.0.2.9])", a, v4),
        ("from 10.0.0.5 (b.example [192.0.2.9])", "10.0.0.5", v4),
        ("from a.example.net ([192.0.2.9]:43448 \"EHLO\ta.example.net\" rhost-flags-OK-OK-OK-OK)", a, v4),
        ("from [192.0.2.9] (account anna@example.org HELO a.example.net)", a, v4),
        ("from [IPV6:2001:db8::9]", "[IPV6:2001:db8::9]", v6),
        // Exchange, XMail, Yahoo, Google.
        ("from a.example.net (2001:db8::9)", a, v6),
        ("from a.example.net ([fe80::1%11])", a, "fe80::1"),
        ("from a.example.net (192.0.2.9:23198)", a, v4),
        ("from a.example.net ( 192.0.2.9)", a, v4),
        ("from a.example.net (a.example.net. [192.0.2.9])", a, v4),
        ("(from a.example.net [192.0.2.9])", a, v4),
        ("from mail pickup service", "mail pickup service", "-"),
        ("from [192.0.2.9]", "[192.0.2.9]", v4),
        ("from localhost", "localhost", "-"),
    ] {
        let text = format!("{from} by mx.example.org with ESMTP id 1; Tue, 24 Nov 2026 13:00:05 +0100");
        assert_eq!(read(&text), told(name, address, mx, "ESMTP", Some(false), text.contains("account")), "{text}");
    }
}

#[test]
fn servers_that_write_more_than_the_grammar_has() {
    let (a, mx, v4) = ("a.example.net", "mx.example.org", "192.0.2.9");
    let date = "Tue, 24 Nov 2026 13:00:05 +0100";
    for (text, expected) in [
        (
            format!("from a.example.net (192.0.2.9) by mx.example.org (10.0.0.1) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA) id 15.20.3109.25 via Frontend Transport; {date}"),
            told(a, v4, mx, "Microsoft SMTP Server", Some(true), false),
        ),
        (
            format!("from a.example.net ([192.0.2.9]) by mx.example.org over TLS secured channel with Microsoft SMTPSVC(7.5.7601.23143); {date}"),
            told(a, v4, mx, "Microsoft SMTPSVC", Some(true), false),
        ),
        (
            format!("from a.example.net (192.0.2.9) by mx.example.org with Microsoft SMTP Server (TLS) id 14.3.1; {date}"),
            told(a, v4, mx, "Microsoft SMTP Server", Some(true), false),
        ),
        (
            format!("from a.example.net ([192.0.2.9]) by mx.example.org with ESMTP/TLS/ECDHE-RSA-AES256-GCM-SHA384; {date}"),
            told(a, v4, mx, "ESMTP/TLS/ECDHE-RSA-AES256-GCM-SHA384", Some(true), false),
        ),
        (
            format!("from a.example.net (192.0.2.9) by mx.example.org with (DHE-RSA-AES256-SHA encrypted) SMTP; {date}"),
            told(a, v4, mx, "SMTP", Some(true), false),
        ),
        (
            format!("from 192.0.2.9 (EHLO a.example.net) by mx.example.org with SMTPs; {date}"),
            told(a, v4, mx, "SMTPs", Some(true), false),
        ),
        (
            format!("from a.example.net ([192.0.2.9]) by mx.example.org (IceWarp 12.0) with ASMTP (SSL) id 1; {date}"),
            told(a, v4, mx, "ASMTP", Some(true), true),
        ),
        (
            format!("from a.example.net ([192.0.2.9]) by mx.example.org with MailEnable ESMTP; {date}"),
            told(a, v4, mx, "MailEnable ESMTP", Some(false), false),
        ),
        (
            format!("from a.example.net (a.example.net [192.0.2.9]) (authenticated bits=0) by mx.example.org (8.14/8.14) with ESMTP id 1 (version=TLSv1/SSLv3 cipher=AES256 bits=256 verify=NO); {date}"),
            told(a, v4, mx, "ESMTP", Some(true), true),
        ),
        (
            format!("from a.example.net ([192.0.2.9]) (AUTH: LOGIN anna, SSL: TLSv1/SSLv3,128bits,RC4-MD5) by mx.example.org with esmtp; {date} id 0000DB"),
            told(a, v4, mx, "esmtp", Some(true), true),
        ),
        (
            format!("from a.example.net([192.0.2.9]), claiming to be \"x\" via SMTP by mx.example.org, id 1; {date}"),
            told(a, v4, mx, "SMTP", Some(false), false),
        ),
        (
            format!("from a.example.net (unknown [192.0.2.9]) by Forcepoint Email with ESMTPS id 1; {date}"),
            told(a, v4, "Forcepoint Email", "ESMTPS", Some(true), false),
        ),
        (
            format!("FROM a.example.net (b [192.0.2.9]) BY mx.example.org ID 434B508E.174A6 ; {date}"),
            told(a, v4, mx, "-", None, false),
        ),
        (
            "from a.example.net (192.0.2.9)\tby mx.example.org (SG) with ESMTP id abc-DEF\tTue, 24 Nov 2026 12:00:05.365 +0000 (UTC)".to_owned(),
            told(a, v4, mx, "ESMTP", Some(false), false),
        ),
        (
            "by mx.example.org with SMTP id filter-1-61A85080-1A\t2026-11-24 12:00:05.051111042 +0000 UTC m=+6843203.979711569".to_owned(),
            told("-", "-", mx, "SMTP", Some(false), false),
        ),
        (
            format!("(anna@example.net) by mx.example.org via listexpand\tid S1726604 (ORCPT <rfc822;bob@example.org>); {date}"),
            told("-", "-", mx, "-", None, false),
        ),
        (
            format!("(from anna@localhost) by mx.example.org (8.14/8.14) id 1; {date}"),
            told("anna@localhost", "-", mx, "-", None, false),
        ),
        (
            format!("from 192.0.2.9 (SquirrelMail authenticated user anna); by mx.example.org with HTTP; {date}"),
            told("192.0.2.9", v4, mx, "HTTP", None, true),
        ),
        (
            format!("from a.example.net [192.0.2.9] by mx.example.org with POP3 (fetchmail-6.4.6) for <anna@localhost> (single-drop); {date}"),
            told(a, v4, mx, "POP3", None, false),
        ),
        (
            format!("by 2001:db8:10:: with SMTP id z20csp1; {date} (PDT)"),
            told("-", "-", "2001:db8:10::", "SMTP", Some(false), false),
        ),
    ] {
        assert_eq!(read(&text), expected, "{text}");
    }
    assert_eq!(
        parse("from a by b with SMTP; x (using TLSv1.3 with cipher y)").tls.as_deref(),
        Some("1.3"),
        "behind the date"
    );
    assert_eq!(parse("(qmail 84907 invoked from network); 24 Nov 2026 12:00:05 -0000").from, None);
    assert!(parse("from a by b with POP3 (fetchmail-6.4.6); x").is_fetched());
    assert!(!parse("from a by b with LMTP; x").is_fetched());
    assert_eq!(parse("from a by b with mapi id 15.20.1; x").id, None, "a version is no queue id");
    assert_eq!(parse("from a by b (version=TLSv1/SSLv3 cipher=x); x").tls, None, "so ciphers are called");
    assert_eq!(parse("from TLS12.example.net by b with SMTP; x").is_encrypted(), Some(false), "a name is no version");
}

proptest! {
    #[test]
    fn any_header_can_be_read(text in ".{0,200}") {
        let _ = parse(&text);
    }
}
