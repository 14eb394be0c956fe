//! What reply codes, enhanced status codes, EHLO keywords and response codes stand for, in a few words each.

use crate::enhanced::EnhancedCode;

/// Reply codes (RFC 5321 section 4.2.3, RFC 4954 section 6, RFC 3207 section 4, RFC 7504).
const REPLY_CODES: &[(u16, &str)] = &[
    (211, "the state of the server"),
    (214, "help"),
    (220, "the server is ready"),
    (221, "the server closes the connection, as it was asked"),
    (235, "authentication succeeded"),
    (250, "done"),
    (251, "the recipient is elsewhere, and the server forwards to there"),
    (252, "the server does not say whether the mailbox exists, and takes mail for it"),
    (334, "the server asks for the next part of the authentication, in base64"),
    (354, "the message may come now, up to a line with a lone dot"),
    (421, "the server closes the connection: it cannot or will not go on now"),
    (432, "the password has to be changed before this mechanism can be used"),
    (450, "not now: the mailbox cannot be used at this moment, or the client is put off"),
    (451, "not now: the server met an error of its own while it worked on this"),
    (452, "not now: the server has no room, or this is too much at once"),
    (454, "not now: the server cannot do TLS, or cannot check passwords, at this moment"),
    (455, "not now: a parameter cannot be honoured"),
    (500, "the server does not know this command, or the line is too long"),
    (501, "the arguments are not what the command wants"),
    (502, "the server knows the command and does not offer it"),
    (503, "the command comes in the wrong order"),
    (504, "a parameter of the command is not offered"),
    (521, "this host takes no mail at all"),
    (530, "authentication, or TLS, has to come first"),
    (534, "this mechanism is too weak for the server or the account"),
    (535, "user name or password is wrong, or the account may not log in"),
    (538, "this mechanism is offered under TLS only"),
    (550, "no: the mailbox does not exist, or may not be used, or a policy forbids it"),
    (551, "no: the recipient is elsewhere, and the server does not forward"),
    (552, "no: the mailbox is full, or the message is too big"),
    (553, "no: the address cannot be used as it is written, or not by this client"),
    (554, "no: the transaction failed; in place of a banner, no mail is taken from this client"),
    (555, "no: a parameter of MAIL or RCPT is not known"),
    (556, "no: the recipient's domain takes no mail"),
];

/// What a reply code stands for; for one that no RFC has, what its first digit says.
pub fn reply_code(code: u16) -> &'static str {
    let by_digit = || match code / 100 {
        2 => "done",
        3 => "the server wants more before it can do this",
        4 => "not now; the same may succeed later",
        5 => "no, and trying again without a change will not help",
        _ => "no reply code of SMTP",
    };
    REPLY_CODES.iter().find(|(known, _)| *known == code).map_or_else(by_digit, |(_, words)| words)
}

/// Subject and detail of enhanced status codes (RFC 3463 and IANA's registry).
const ENHANCED: &[((u16, u16), &str)] = &[
    ((1, 0), "something about the address"),
    ((1, 1), "the mailbox does not exist"),
    ((1, 2), "the recipient's host or domain does not exist"),
    ((1, 3), "the recipient's address is not written as one"),
    ((1, 4), "the address stands for more than one mailbox"),
    ((1, 5), "the recipient's address is good"),
    ((1, 6), "the mailbox has moved, and no new address is known"),
    ((1, 7), "the sender's address is not written as one"),
    ((1, 8), "the sender's host or domain does not exist or is not good"),
    ((1, 9), "the message was handed to a system that knows no delivery reports"),
    ((1, 10), "the recipient's domain has a null MX: it takes no mail"),
    ((2, 0), "something about the mailbox"),
    ((2, 1), "the mailbox is disabled"),
    ((2, 2), "the mailbox is full"),
    ((2, 3), "the message is larger than this mailbox may take"),
    ((2, 4), "a mailing list could not be expanded"),
    ((3, 0), "something about the receiving system"),
    ((3, 1), "the receiving system's disk is full"),
    ((3, 2), "the receiving system takes no messages now"),
    ((3, 3), "the receiving system lacks a feature that the message needs"),
    ((3, 4), "the message is too big for the receiving system"),
    ((3, 5), "the receiving system is set up wrongly"),
    ((3, 6), "the requested priority was changed"),
    ((4, 0), "something about the network or the routing"),
    ((4, 1), "no answer from the next host"),
    ((4, 2), "the connection broke, or the client waited too long"),
    ((4, 3), "a directory or name server failed"),
    ((4, 4), "no way to the next host is known"),
    ((4, 5), "the mail system is overloaded"),
    ((4, 6), "the message goes in a circle"),
    ((4, 7), "the message waited too long and was given up"),
    ((5, 0), "something about the protocol"),
    ((5, 1), "the command is not valid here"),
    ((5, 2), "the command is not written as it should be"),
    ((5, 3), "too many recipients at once"),
    ((5, 4), "the arguments of the command are wrong"),
    ((5, 5), "the two sides speak different versions of the protocol"),
    ((5, 6), "the authentication exchange has too long a line"),
    ((6, 0), "something about the message's form"),
    ((6, 1), "a kind of content is not taken there"),
    ((6, 2), "the content would have to be converted, and may not"),
    ((6, 3), "the content would have to be converted, and cannot"),
    ((6, 4), "the content was converted with a loss"),
    ((6, 5), "the content could not be converted"),
    ((6, 6), "the content of the message cannot be had"),
    ((6, 7), "the address is not in ASCII, and the next host takes no other"),
    ((6, 8), "a reply in UTF-8 is needed, and the client takes none"),
    ((6, 9), "the message has headers in UTF-8, and the next host takes none"),
    ((7, 0), "something about security or policy"),
    ((7, 1), "not permitted: a policy refuses it"),
    ((7, 2), "the sender may not write to this mailing list"),
    ((7, 3), "a conversion that security would need is not possible"),
    ((7, 4), "a security feature is not supported"),
    ((7, 5), "a cryptographic operation failed"),
    ((7, 6), "a cryptographic algorithm is not supported"),
    ((7, 7), "the message was changed on its way"),
    ((7, 8), "user name or password is wrong"),
    ((7, 9), "the mechanism is too weak"),
    ((7, 10), "encryption is needed"),
    ((7, 11), "encryption is needed for this mechanism"),
    ((7, 12), "the password has to be changed first"),
    ((7, 13), "the account is disabled"),
    ((7, 14), "the trust relationship that is needed is not there"),
    ((7, 15), "the priority is too low"),
    ((7, 16), "the message is too big for its priority"),
    ((7, 17), "the mailbox has changed its owner"),
    ((7, 18), "the domain has changed its owner"),
    ((7, 19), "whether the mailbox has changed its owner cannot be told"),
    ((7, 20), "no DKIM signature passes"),
    ((7, 21), "no DKIM signature that would be accepted passes"),
    ((7, 22), "no DKIM signature of the author's domain passes"),
    ((7, 23), "SPF fails"),
    ((7, 24), "SPF cannot be evaluated"),
    ((7, 25), "the client's address has no reverse name that leads back"),
    ((7, 26), "several authentication checks fail"),
    ((7, 27), "the sender's domain has a null MX: it takes no mail, so it should send none"),
    ((7, 28), "too much mail from one source"),
    ((7, 29), "the ARC chain does not validate"),
    ((7, 30), "REQUIRETLS cannot be kept"),
];

/// What an enhanced status code stands for; `None` for one that is in no registry.
pub fn enhanced(code: EnhancedCode) -> Option<&'static str> {
    ENHANCED.iter().find(|(kind, _)| *kind == code.kind()).map(|(_, words)| *words)
}

/// EHLO keywords (IANA's registry of SMTP service extensions).
const KEYWORDS: &[(&str, &str)] = &[
    ("8BITMIME", "octets above 127 may stand in a message (RFC 6152)"),
    ("AUTH", "mechanisms for logging in (RFC 4954)"),
    ("BINARYMIME", "messages need no lines, with BDAT (RFC 3030)"),
    ("BURL", "a message may be fetched from an IMAP server (RFC 4468)"),
    ("CHUNKING", "messages may come in pieces, with BDAT (RFC 3030)"),
    ("DELIVERBY", "a message may say by when it has to arrive (RFC 2852)"),
    ("DSN", "delivery reports may be asked for (RFC 3461)"),
    ("ENHANCEDSTATUSCODES", "replies carry codes such as 5.1.1 (RFC 2034)"),
    ("ETRN", "a client may ask for its waiting mail (RFC 1985)"),
    ("EXPN", "mailing lists may be expanded"),
    ("FUTURERELEASE", "a message may be held back until a time (RFC 4865)"),
    ("HELP", "HELP is answered"),
    ("LIMITS", "how much the server takes in a session (RFC 9422)"),
    ("MT-PRIORITY", "messages may have a priority (RFC 6710)"),
    ("PIPELINING", "commands may be sent ahead of their replies (RFC 2920)"),
    ("REQUIRETLS", "TLS may be demanded on the whole way (RFC 8689)"),
    ("SIZE", "the largest message that is taken (RFC 1870)"),
    ("SMTPUTF8", "addresses and headers may be in UTF-8 (RFC 6531)"),
    ("STARTTLS", "TLS may begin in this connection (RFC 3207); here with :starttls"),
    ("VRFY", "VRFY is answered"),
    ("XCLIENT", "proxies may pass on who their client is (Postfix)"),
    ("XFORWARD", "filters may pass on who the client was (Postfix)"),
];

/// What an EHLO keyword offers; `None` for one that is not known.
pub fn keyword(keyword: &str) -> Option<&'static str> {
    KEYWORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(keyword)).map(|(_, words)| *words)
}

/// Response codes in brackets of IMAP (RFC 9051 section 7.1, RFC 5530) and POP3 (RFC 2449, RFC 3206).
const RESPONSE_CODES: &[(&str, &str)] = &[
    ("ALERT", "the server wants a person to read this"),
    ("ALREADYEXISTS", "it exists already"),
    ("AUTH", "user name or password is wrong"),
    ("AUTHENTICATIONFAILED", "user name or password is wrong, or the account may not log in"),
    ("AUTHORIZATIONFAILED", "the login is good, and may not act for the user that was asked for"),
    ("CANNOT", "it cannot be done, whoever asks"),
    ("CAPABILITY", "what the server can do"),
    ("CLIENTBUG", "the server takes this for a mistake of the client"),
    ("CONTACTADMIN", "the administrator has to be asked"),
    ("CORRUPTION", "the server's data is damaged"),
    ("EXPIRED", "the password or the account has expired"),
    ("IN-USE", "another session holds the mailbox"),
    ("INUSE", "another session holds what is needed"),
    ("LIMIT", "a limit is reached"),
    ("LOGIN-DELAY", "the last login is too short a time ago"),
    ("NONEXISTENT", "it does not exist"),
    ("NOPERM", "it is not permitted"),
    ("OVERQUOTA", "the mailbox is over its quota"),
    ("PRIVACYREQUIRED", "TLS has to come first"),
    ("SERVERBUG", "the server met a mistake of its own"),
    ("SYS/PERM", "a fault of the server that will not go away by itself"),
    ("SYS/TEMP", "a fault of the server that may go away"),
    ("TRYCREATE", "the folder does not exist, and may be made"),
    ("UNAVAILABLE", "something behind the server does not answer, such as its password check"),
];

/// What the response code in brackets of a text stands for, with the code; `None` where there is none that is known.
pub fn response_code(text: &str) -> Option<(&'static str, &'static str)> {
    let (_, rest) = text.split_once('[')?;
    let code = rest.split([']', ' ']).next()?;
    RESPONSE_CODES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_registries_have_is_told() {
        assert_eq!(reply_code(354), "the message may come now, up to a line with a lone dot");
        assert_eq!(reply_code(559), "no, and trying again without a change will not help");
        assert_eq!(enhanced(EnhancedCode(4, 2, 2)), Some("the mailbox is full"));
        assert_eq!(enhanced(EnhancedCode(5, 7, 139)), None);
        assert!(keyword("starttls").is_some_and(|words| words.contains("TLS")));
        assert_eq!(response_code("NO [AUTHENTICATIONFAILED] no").map(|(code, _)| code), Some("AUTHENTICATIONFAILED"));
        assert_eq!(response_code("NO no"), None);
    }

    #[test]
    fn tables_are_in_order_and_without_doubles() {
        assert!(REPLY_CODES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(ENHANCED.is_sorted_by(|a, b| a.0 < b.0));
        assert!(KEYWORDS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(RESPONSE_CODES.is_sorted_by(|a, b| a.0 < b.0));
    }
}
