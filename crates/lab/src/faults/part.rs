//! The parts of the system that faults are done to, and which part is seen through which.
//!
//! That is what pairs of faults need: two faults of one part exclude each other, and a fault that nothing gets past
//! hides those of every part behind it.

use Part::*;

/// A part of the system: it is in one state at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The resolver of `check`.
    Resolver,
    /// What was typed: the target.
    Typed,
    /// What that resolver answers for the domain.
    Answers,
    /// How the domain is delegated, and its name servers.
    Zone,
    /// The domain's MX records.
    Mx,
    /// The SPF record.
    Spf,
    /// The DKIM key.
    Dkim,
    /// The DMARC record.
    Dmarc,
    /// The record of TLS reporting.
    TlsReports,
    /// MTA-STS: its record and its policy.
    TransportPolicy,
    /// The TLSA records of the exchangers.
    Tlsa,
    /// The BIMI record.
    Bimi,
    /// The records by which mail programs set themselves up.
    Autoconfig,
    /// The addresses of the exchangers.
    MxAddress,
    /// Their reverse names.
    MxReverse,
    /// The reverse name of the client.
    ClientReverse,
    /// The blacklist.
    Blacklist,
    /// A list of what kind of addresses there are.
    PolicyList,
    /// A list of domains.
    DomainList,
    /// How long the exchangers wait for an answer of the DNS.
    Patience,
    /// How the exchangers meet connections.
    Door,
    /// How they meet those over IPv6, where they have an address for it.
    MxIpv6,
    /// What the wait for a banner shows no cause of: other causes of a wait do not stand out beside it.
    Pause,
    /// How long the banner takes.
    BannerWait,
    /// The banner's code, and whether it came from the exchanger.
    Banner,
    /// What the exchangers call themselves.
    Name,
    /// How long EHLO takes.
    EhloWait,
    /// Whether a client's name is taken.
    Hello,
    /// What the exchangers offer.
    Offers,
    /// STARTTLS.
    Starttls,
    /// The exchangers' certificates.
    Certificate,
    /// What is sent before STARTTLS is over.
    Injection,
    /// How long MAIL takes.
    MailWait,
    /// The senders that are taken.
    Sender,
    /// How long RCPT takes.
    RcptWait,
    /// The recipient under test.
    Recipient,
    /// Recipients that cannot exist.
    Strangers,
    /// The postmaster.
    Postmaster,
    /// Recipients of other domains.
    Relay,
    /// VRFY.
    Vrfy,
    /// How submission meets connections.
    SubmissionDoor,
    /// TLS of submission.
    SubmissionTls,
    /// Port 465.
    Smtps,
    /// The mechanisms of AUTH.
    Mechanisms,
    /// What AUTH is answered.
    Auth,
    /// The token given.
    Token,
    /// The password given.
    Password,
    /// The senders that submission takes.
    SubmissionSender,
    /// The recipients that submission takes.
    SubmissionRecipient,
    /// The reply to the message.
    Content,
    /// Where the end of a message is seen.
    EndOfMessage,
    /// What becomes of a message that was taken.
    Delivery,
    /// How the mailbox is read.
    Mailbox,
}

impl Part {
    /// The parts that this one is seen through.
    const fn through(self) -> &'static [Part] {
        match self {
            Resolver => &[],
            Typed => &[Resolver],
            Answers => &[Typed],
            Zone => &[Answers],
            Mx | Spf | Dkim | Dmarc | TlsReports | TransportPolicy | Bimi | Autoconfig | DomainList
            | SubmissionDoor => &[Zone],
            MxAddress => &[Mx],
            Tlsa => &[Mx],
            MxReverse | Door => &[MxAddress],
            // A name or a list that does not answer is seen by the wait for a banner.
            BannerWait => &[Door],
            ClientReverse | Blacklist | PolicyList | Patience => &[Door, Pause],
            MxIpv6 => &[Door],
            Pause => &[],
            Banner => &[BannerWait],
            Name | EhloWait | Hello => &[Banner],
            Offers | MailWait | Sender => &[Hello],
            Starttls => &[Offers],
            Certificate => &[Starttls],
            Injection => &[Certificate],
            RcptWait | Strangers | Postmaster | Relay => &[Sender],
            Recipient | Vrfy => &[Sender, RcptWait],
            SubmissionTls | Smtps => &[SubmissionDoor],
            Mechanisms => &[SubmissionTls],
            Auth => &[Mechanisms],
            Token => &[],
            Password => &[Auth],
            SubmissionSender => &[Password],
            SubmissionRecipient => &[SubmissionSender],
            Content | EndOfMessage => &[Recipient],
            Delivery => &[Content, Mailbox],
            Mailbox => &[Password],
        }
    }

    /// Whether this part is seen through another, near or far.
    pub fn is_behind(self, other: Part) -> bool {
        self.through().iter().any(|part| *part == other || part.is_behind(other))
    }
}

/// Where a fault is, and what is hidden by it.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The parts it changes.
    pub at: &'static [Part],
    /// The parts that nothing gets past while it is there.
    pub shuts: &'static [Part],
}

/// A fault that changes these parts and hides nothing.
pub(super) const fn at(at: &'static [Part]) -> Place {
    Place { at, shuts: &[] }
}

/// A fault that changes these parts, and nothing gets past them.
pub(super) const fn shut(at: &'static [Part]) -> Place {
    Place { at, shuts: at }
}

impl Place {
    /// The same, and nothing gets past these parts.
    pub(super) const fn shutting(self, shuts: &'static [Part]) -> Place {
        Place { shuts, ..self }
    }

    /// Whether a fault here and one there change the same part: they cannot be on together.
    pub fn excludes(&self, other: &Place) -> bool {
        self.at.iter().any(|part| other.at.contains(part))
    }

    /// Whether a fault here makes somebody wait on purpose: two such faults at once take long to check.
    pub fn waits(&self) -> bool {
        self.at.iter().any(|part| matches!(part, BannerWait | EhloWait | MailWait | RcptWait | Patience))
    }

    /// Whether a fault here hides one there.
    pub fn hides(&self, other: &Place) -> bool {
        other.at.iter().any(|part| self.shuts.iter().any(|shut| part.is_behind(*shut)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_door_hides_the_certificate_and_not_the_records() {
        let door = shut(&[Door]);
        assert!(door.hides(&at(&[Certificate])) && door.hides(&at(&[Recipient])));
        assert!(!door.hides(&at(&[Spf])) && !door.hides(&at(&[Mechanisms])));
        assert!(door.excludes(&at(&[Door])) && !door.excludes(&at(&[Banner])));
    }
}
