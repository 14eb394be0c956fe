//! Which server it is, by the marks it leaves in its banner, its EHLO reply and its other replies.

use serde::{Deserialize, Serialize};

use crate::reply::Reply;

/// Where a mark was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the banner.
    Banner,
    /// In the reply to EHLO.
    Ehlo,
    /// In any other reply.
    Reply,
}

/// A server that was recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recognised {
    /// Its name: `Postfix`, `Exchange Online`.
    pub software: String,
    /// How sure, in percent: 90 and more where it names itself.
    pub percent: u8,
}

use Place::{Banner, Ehlo, Reply as Any};

/// A mark: software, weight in percent, where, and the words that must all be there (in lower case).
type Mark = (&'static str, u8, Place, &'static [&'static str]);

/// The marks, from the products' own default texts. A self-given name weighs most; a habit of wording less.
const MARKS: &[Mark] = &[
    ("Postfix", 95, Banner, &["esmtp postfix"]),
    ("Postfix", 60, Any, &["queued as "]),
    ("Postfix", 70, Any, &["recipient address rejected"]),
    ("Postfix", 70, Any, &["relay access denied"]),
    ("Postfix", 60, Any, &["service unavailable; client host ["]),
    ("Postfix", 50, Ehlo, &["pipelining", "etrn", "enhancedstatuscodes", "dsn"]),
    ("Exim", 95, Banner, &["esmtp exim"]),
    ("Exim", 60, Ehlo, &[" hello ", "["]),
    ("Exim", 60, Any, &["relay not permitted"]),
    ("Exim", 60, Any, &["ok id="]),
    ("Exim", 60, Any, &["unrouteable address"]),
    ("Exim", 40, Any, &["administrative prohibition"]),
    ("Sendmail", 95, Banner, &["sendmail"]),
    ("Sendmail", 60, Ehlo, &["pleased to meet you"]),
    ("Sendmail", 60, Any, &["message accepted for delivery"]),
    ("qmail", 80, Any, &[" qp "]),
    ("qmail", 60, Any, &["sorry, that domain isn't in my list of allowed rcpthosts"]),
    ("qmail", 50, Any, &["(#5."]),
    ("qmail", 55, Banner, &["no uce esmtp"]),
    ("Exchange Online", 98, Banner, &["outlook.com microsoft esmtp"]),
    ("Exchange Online", 95, Banner, &["protection.outlook.com"]),
    ("Exchange", 90, Banner, &["microsoft esmtp mail service"]),
    ("Exchange", 70, Ehlo, &["x-anonymoustls"]),
    ("Exchange", 70, Ehlo, &["x-exps"]),
    ("Exchange", 60, Ehlo, &["chunking", "binarymime", "smtputf8", "8bitmime", "enhancedstatuscodes", "hello ["]),
    ("Exchange", 70, Any, &["[internalid="]),
    ("Google", 98, Banner, &["google.com esmtp"]),
    ("Google", 90, Banner, &["gsmtp"]),
    ("Google", 80, Any, &[" gsmtp"]),
    ("Yahoo", 90, Banner, &["yahoo.com esmtp"]),
    ("iCloud", 90, Banner, &["icloud.com esmtp"]),
    ("ModusMail", 98, Banner, &["modusmail"]),
    ("ModusMail", 95, Banner, &["modusgate"]),
    ("MailEnable", 98, Banner, &["mailenable"]),
    ("hMailServer", 95, Banner, &["hmailserver"]),
    ("hMailServer", 50, Any, &["550 unknown user"]),
    ("OpenSMTPD", 98, Banner, &["opensmtpd"]),
    ("OpenSMTPD", 70, Any, &["message accepted for delivery: id="]),
    ("Courier", 60, Ehlo, &["xverp=courier"]),
    ("Courier", 95, Banner, &["courier"]),
    ("Haraka", 98, Banner, &["haraka"]),
    ("Haraka", 60, Ehlo, &["haraka says hi"]),
    ("Zimbra", 95, Banner, &["zimbra"]),
    ("Kerio Connect", 95, Banner, &["kerio connect"]),
    ("MDaemon", 95, Banner, &["mdaemon"]),
    ("SmarterMail", 95, Banner, &["smartermail"]),
    ("IceWarp", 95, Banner, &["icewarp"]),
    ("CommuniGate Pro", 95, Banner, &["communigate pro"]),
    ("Domino", 95, Banner, &["lotus domino"]),
    ("Dovecot", 90, Banner, &["dovecot ready"]),
    ("Stalwart", 95, Banner, &["stalwart"]),
    ("Maddy", 90, Banner, &["maddy"]),
    ("Cisco ESA", 90, Banner, &["iphmx.com"]),
    ("Cisco ESA", 60, Any, &["#5.1.0 address rejected"]),
    ("Proofpoint", 95, Banner, &["pphosted.com"]),
    ("Mimecast", 95, Banner, &["mimecast"]),
    ("Barracuda", 90, Banner, &["ess.barracudanetworks.com"]),
    ("Barracuda", 80, Banner, &["barracuda"]),
    ("Trend Micro", 90, Banner, &["tmes.trendmicro"]),
    ("Symantec", 90, Banner, &["messagelabs"]),
    ("Amazon SES", 95, Banner, &["simpleemailservice"]),
    ("James", 90, Banner, &["apache james"]),
    ("Mailpit", 95, Banner, &["mailpit"]),
];

/// Recognises a server by its replies: the software with the most weight, where it has enough.
pub fn recognise<'a>(replies: impl IntoIterator<Item = (Place, &'a Reply)>) -> Option<Recognised> {
    let mut weights: Vec<(&'static str, u32)> = Vec::new();
    for (place, reply) in replies {
        let text = reply.quoted().to_lowercase();
        for (software, percent, at, words) in MARKS {
            let fits = (*at == place || *at == Any) && words.iter().all(|word| text.contains(word));
            if fits {
                // Two independent marks leave the product of their doubts.
                match weights.iter_mut().find(|(name, _)| name == software) {
                    Some((_, doubt)) => *doubt = *doubt * u32::from(100 - percent) / 100,
                    None => weights.push((software, u32::from(100 - percent) * 100)),
                }
            }
        }
    }
    let (software, doubt) = weights.into_iter().min_by_key(|(_, doubt)| *doubt)?;
    let percent = u8::try_from(100 - doubt.div_ceil(100).min(100)).unwrap_or(0);
    (percent >= 50).then(|| Recognised { software: software.to_owned(), percent })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_banner(text: &str) -> Option<String> {
        recognise([(Banner, &Reply::line(220, text))]).map(|r| r.software)
    }

    #[test]
    fn servers_that_name_themselves() {
        assert_eq!(by_banner("mx.example.org ESMTP Postfix (Debian/GNU)").as_deref(), Some("Postfix"));
        assert_eq!(by_banner("mx.example.org ESMTP Exim 4.96 Tue, 24 Nov 2026").as_deref(), Some("Exim"));
        assert_eq!(by_banner("mx.google.com ESMTP a1-b2.3 - gsmtp").as_deref(), Some("Google"));
        assert_eq!(
            by_banner("X.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready").as_deref(),
            Some("Exchange Online")
        );
        assert_eq!(by_banner("example.org ModusMail ESMTP Receiver version 4.5 ready").as_deref(), Some("ModusMail"));
        assert_eq!(by_banner("mx.example.org ESMTP"), None);
    }

    #[test]
    fn several_small_marks_add_up() {
        let relay = Reply::line(454, "4.7.1 <x@example.net>: Relay access denied");
        let ehlo = Reply {
            code: 250,
            lines: ["mx", "PIPELINING", "SIZE", "ETRN", "ENHANCEDSTATUSCODES", "DSN"].map(str::to_owned).into(),
            flaws: vec![],
        };
        let found = recognise([(Ehlo, &ehlo), (Any, &relay)]).unwrap();
        assert_eq!(found.software, "Postfix");
        assert!(found.percent > 80);
    }
}
