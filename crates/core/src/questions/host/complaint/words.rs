//! The words in which mail servers complain of themselves.

/// What a server complains of that is its own affair, and no client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Complaint {
    /// A table that its settings name cannot be opened or asked.
    Table,
    /// Passwords cannot be checked.
    Passwords,
    /// A milter or a scanner cannot be reached.
    Milter,
    /// Its key, its certificate, or its settings of TLS cannot be used.
    Key,
    /// A service of its own, or one that its settings name, cannot be reached.
    Service,
    /// A setting makes no sense: for the most part the process ends over it.
    Setting,
    /// It cannot write into its own queue.
    Spool,
    /// A domain stands in two lists of its settings that exclude each other.
    Twice,
    /// Dovecot could not put a message into a mailbox.
    Delivery,
}

/// Whom a complaint concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Concerns {
    /// Everybody who comes.
    All,
    /// Whom the process serves that says it.
    Served,
}

/// Whose words they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    /// Postfix's, after `warning: `, `error: ` or `fatal: `.
    Postfix,
    /// Exim's.
    Exim,
    /// Dovecot's, after `Error: ` or `Fatal: `.
    Dovecot,
    /// OpenSMTPD's.
    OpenSmtpd,
}

use Complaint::{Delivery, Key, Milter, Passwords, Service, Setting, Spool, Table, Twice};
use Concerns::{All, Served};

/// Postfix's words, after their mark. What a client can bring about is in none of them.
const POSTFIX: [(&str, Complaint, Concerns); 36] = [
    ("no SASL authentication mechanisms", Passwords, All),
    ("SASL: Connect to ", Passwords, Served),
    ("cannot connect to saslauthd", Passwords, Served),
    ("SASL per-process initialization failed", Passwords, All),
    ("connect to Milter service ", Milter, Served),
    ("open database ", Table, All),
    ("unsupported dictionary type", Table, All),
    ("connect to mysql server", Table, All),
    ("connect to pgsql server", Table, All),
    ("Unable to bind to server", Table, All),
    (" is unavailable. ", Table, All),
    ("table lookup problem", Table, All),
    ("map lookup problem", Table, All),
    (" lookup error for ", Table, Served),
    ("map nesting for ", Table, All),
    ("map expansion size for ", Table, All),
    ("error opening chain file", Key, Served),
    ("cannot get RSA certificate", Key, Served),
    ("cannot get RSA private key", Key, Served),
    ("cannot get ECDSA", Key, Served),
    ("cannot load ", Key, Served),
    ("error loading chain from", Key, Served),
    ("Invalid TLS ", Key, Served),
    ("connect to private/", Service, Served),
    ("connect to proxy filter ", Service, Served),
    ("problem talking to server ", Service, Served),
    (" to subsystem ", Service, Served),
    ("unknown smtpd restriction", Setting, Served),
    ("bad mask length", Setting, Served),
    ("bad net/mask", Setting, All),
    ("bad numerical", Setting, All),
    ("bad time value", Setting, All),
    ("in parameter ", Setting, All),
    ("bad boolean configuration", Setting, All),
    ("mail_queue_enter: create file ", Spool, All),
    ("do not list domain ", Twice, All),
];

/// Exim's words; what stands before them in the line is the client.
const EXIM: [(&str, Complaint, Concerns); 7] = [
    ("failed to expand ACL string", Table, Served),
    ("failed to open ", Table, Served),
    ("(cert/key setup", Key, Served),
    ("malware acl condition: ", Milter, All),
    ("spam acl condition: ", Milter, All),
    ("unable to expand ", Setting, All),
    ("Failed to create spool file ", Spool, All),
];

/// OpenSMTPD's words, at the beginning of its messages; a session or an envelope stands before all that a client
/// brings about.
const OPENSMTPD: [(&str, Complaint, Concerns); 4] = [
    ("warn: lost processor: ", Milter, All),
    ("warn: not enough ", Spool, All),
    ("pony express: smtpd: bind: ", Setting, All),
    ("smtpd: load_pki_tree: ", Key, All),
];

/// What Dovecot asks about users, how it says that it could not, and how that somebody gave a wrong password.
const DATABASES: [&str; 7] = ["passwd-file", "passdb", "userdb", "ldap", "sql", "pam", "dict"];
const FAILS: [&str; 4] = [" failed", "ailed to ", "unavailable", "Can't connect"];
const REFUSED: [&str; 4] = ["mismatch", "Authentication failure", "not known", "nvalid credentials"];

/// What a message complains of, and whom it concerns; `None` where it does not, or of a client.
pub(super) fn heard(tongue: Tongue, process: &str, message: &str) -> Option<(Complaint, Concerns)> {
    let among = |words: &[(&str, Complaint, Concerns)], text: &str| {
        words.iter().find(|(words, ..)| text.contains(words)).map(|(_, complaint, concerns)| (*complaint, *concerns))
    };
    match tongue {
        Tongue::Postfix => {
            let marks = ["warning: ", "error: ", "fatal: ", "panic: "];
            let text = marks.iter().find_map(|mark| message.strip_prefix(mark))?;
            // A command that master cannot run serves nobody.
            among(&POSTFIX, text).or_else(|| text.starts_with("master_spawn: exec ").then_some((Setting, All)))
        }
        Tongue::Exim => {
            // What begins such a line is of Exim alone; in others it stands after the client and the command.
            let own = EXIM.iter().filter(|(words, _, concerns)| *concerns == All && message.starts_with(words));
            let own = own.map(|(_, complaint, concerns)| (*complaint, *concerns)).next();
            let of_us = || among(&EXIM, message).filter(|(_, concerns)| *concerns == Served);
            own.or_else(of_us)
        }
        Tongue::OpenSmtpd => {
            let own = OPENSMTPD.iter().find(|(words, ..)| message.starts_with(words));
            own.map(|(_, complaint, concerns)| (*complaint, *concerns))
        }
        Tongue::Dovecot if process.starts_with("auth") => {
            let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
            (says(&DATABASES) && says(&FAILS) && !says(&REFUSED)).then_some((Passwords, All))
        }
        Tongue::Dovecot => Some((Delivery, if message.starts_with("Fatal: ") { All } else { Served })),
    }
}
