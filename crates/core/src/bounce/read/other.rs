//! Automatic messages that look like bounces and are none, and what marks one that is.

use mail_parser::{Message, MimeHeaders};

use super::Unreadable;
use super::fields::{bare, is_address, kept};

/// The most addresses that are taken from a header of failed recipients.
const MAX_FAILED: usize = 100;

/// What the header of a message says of it as a bounce.
#[derive(Debug, Default)]
pub(super) struct Sort {
    /// A mail system wrote it, and no person.
    pub(super) of_a_system: bool,
    /// It answers for a person who is away.
    pub(super) is_autoreply: bool,
    /// The recipients that failed, where the header has them, as Exim's and Google's do.
    pub(super) failed: Vec<String>,
    /// Its subject.
    pub(super) subject: String,
}

/// Reads the header for it.
pub(super) fn sort(message: &Message<'_>) -> Sort {
    let value = |name: &str| message.header_raw(name.to_owned()).unwrap_or_default().trim().to_lowercase();
    let failed: Vec<String> = message
        .header_raw("X-Failed-Recipients")
        .unwrap_or_default()
        .split([',', ' ', '\t', '\r', '\n'])
        .map(bare)
        .filter(|word| is_address(word))
        .take(MAX_FAILED)
        .map(kept)
        .collect();
    let from = value("From");
    let system = ["mailer-daemon", "postmaster", "mail delivery", "mail.delivery"];
    let of_a_system = system.iter().any(|name| from.contains(name)) || !failed.is_empty();
    let subject = message.subject().unwrap_or_default().to_owned();
    let says_so = value("Auto-Submitted").starts_with("auto-replied")
        || ["X-Autoreply", "X-Autorespond"].iter().any(|name| message.header(*name).is_some())
        || value("Precedence") == "auto_reply"
        || is_away(&subject);
    Sort { of_a_system, is_autoreply: says_so && !of_a_system, failed, subject }
}

/// Whether a subject is one that mail programs give to what they answer for a person who is away.
fn is_away(subject: &str) -> bool {
    const BEGIN: [&str; 10] = [
        "out of office",
        "out of the office",
        "automatic reply",
        "auto-reply",
        "autoreply",
        "abwesenheit",
        "automatische antwort",
        "réponse automatique",
        "respuesta automática",
        "risposta automatica",
    ];
    let subject = subject.trim().to_lowercase();
    BEGIN.iter().any(|begin| subject.starts_with(begin))
}

/// What a message is by its parts, where that is no bounce.
pub(super) fn other(message: &Message<'_>) -> Option<Unreadable> {
    message.parts.iter().find_map(|part| {
        let kind = part.content_type()?;
        let of = |name: &str| kind.c_subtype.as_deref().is_some_and(|sub| sub.eq_ignore_ascii_case(name));
        match kind.c_type.to_ascii_lowercase().as_str() {
            "message" if of("feedback-report") => Some(Unreadable::Feedback),
            "message" if of("disposition-notification") => Some(Unreadable::Receipt),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    #[test]
    fn what_is_no_bounce_is_called_by_its_name() {
        let report = |kind: &str, fields: &str| {
            format!(
                "From: fbl@example.net\nTo: abuse@example.org\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type={kind}; boundary=b\n\n--b\nContent-Type: text/plain\n\nThe mailbox does not exist.\n\n--b\nContent-Type: message/{kind}\n\n{fields}\n\n--b\nContent-Type: message/rfc822\n\nFrom: carl@example.org\nSubject: Returned\nMIME-Version: 1.0\nContent-Type: multipart/report; boundary=c\n\n--c\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; anna@example.net\nAction: failed\nStatus: 5.1.1\n\n--c--\n--b--\n"
            )
        };
        let complaint = report("feedback-report", "Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1");
        assert_eq!(read(complaint.as_bytes()), Err(Unreadable::Feedback));
        let receipt = report(
            "disposition-notification",
            "Final-Recipient: rfc822; anna@example.net\nDisposition: manual-action/MDN-sent-manually; displayed",
        );
        assert_eq!(read(receipt.as_bytes()), Err(Unreadable::Receipt));
    }

    #[test]
    fn who_is_away_has_got_the_message() {
        let away = |header: &str| {
            format!(
                "From: Anna <anna@example.net>\nTo: carl@example.org\n{header}\n\nI am away. My mailbox at example.com does not exist any more.\n"
            )
        };
        for header in ["Subject: Out of Office: hello", "Subject: x\nAuto-Submitted: auto-replied (vacation)"] {
            assert_eq!(read(away(header).as_bytes()), Err(Unreadable::AutoReply), "{header}");
        }
        // Exim calls its bounces so as well.
        let exim = away("Subject: x\nAuto-Submitted: auto-replied")
            .replace("Anna <anna", "Mail Delivery System <Mailer-Daemon");
        assert!(read(exim.as_bytes()).is_ok());
    }
}
