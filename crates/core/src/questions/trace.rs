//! Questions to a message that was received: its header fields, and the form it came in.
//!
//! Texts are kept in the form of [`maildoctor_wire::octets::escape`].

mod afresh;
mod filters;

use std::net::IpAddr;

use maildoctor_wire::auth_results::{self, AuthResults};
use maildoctor_wire::received::{self, Hop};
use serde::{Deserialize, Serialize};

use super::way::Way;
use crate::case::Question;
use crate::subject::Mail;

pub use afresh::{Checked, Seals, SealsWire, Signature, SignatureWire};
pub use filters::Filtered;

/// The most hops that are read.
const MAX_HOPS: usize = 100;

/// `trace.message/1`: the message as it lies in the mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received;

/// The wire facts of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReceivedWire {
    /// Name and unfolded value of each header field, the topmost first.
    pub fields: Vec<(String, String)>,
    /// Whether the header was longer than is kept.
    pub cut: bool,
    /// How long the message is.
    pub octets: u64,
    /// The first line of over 998 octets: its number from 1, and its octets.
    pub long_line: Option<(u64, u64)>,
    /// The first line that ends with a bare LF among lines that end with CRLF.
    pub bare_lf: Option<u64>,
}

/// How a message reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The wire facts.
    pub wire: ReceivedWire,
    /// The hops, the newest first.
    pub hops: Vec<Hop>,
    /// How long the hops took, and what their clocks say.
    pub way: Way,
    /// What the receiving server found of the sender: its own Authentication-Results.
    pub results: Option<AuthResults>,
    /// The servers of further Authentication-Results, which anybody on the way may have written.
    pub others: Vec<String>,
    /// What filters say of the message, the topmost first.
    pub filters: Vec<Filtered>,
}

impl Message {
    /// The values of all fields of a name, the topmost first.
    pub fn values<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m str> {
        let fields = self.wire.fields.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.as_str())
    }

    /// The value of the topmost field of a name.
    pub fn value<'m>(&'m self, name: &'m str) -> Option<&'m str> {
        self.values(name).next()
    }

    /// The domain of the author: of the one address in the one From.
    pub fn author_domain(&self) -> Option<String> {
        domain_of(self.value("From")?)
    }
}

/// Who handed a message over to the receiving side, as the server there wrote it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOver {
    /// The client's address.
    pub ip: IpAddr,
    /// Its EHLO name.
    pub helo: String,
    /// The envelope sender; empty for the null sender.
    pub sender: String,
}

impl Message {
    /// Who handed it over from outside: by the newest hop whose client is no server of the same house. `None` where no hop
    /// shows it, or the envelope sender is not known (no Return-Path).
    pub fn handed_over(&self) -> Option<HandedOver> {
        let path = self.value("Return-Path")?;
        let sender = path.trim().trim_matches(['<', '>']).trim().to_owned();
        let outside = |hop: &&Hop| {
            let same_house = hop.from.as_deref().zip(hop.by.as_deref()).is_some_and(|(from, by)| related(from, by));
            hop.address.is_some_and(|ip| !is_inner(ip) && !same_house)
        };
        let hop = self.hops.iter().find(outside)?;
        Some(HandedOver { ip: hop.address?, helo: hop.from.clone()?, sender })
    }
}

/// Whether an address is one of a house's own network, or of this very machine.
fn is_inner(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// The domain of the last address in a field, in lower case.
pub fn domain_of(value: &str) -> Option<String> {
    let inner = value.rsplit_once('<').map_or(value, |(_, inner)| inner);
    let domain = inner.split(['>', ' ', ',']).next()?.rsplit_once('@')?.1;
    (!domain.is_empty()).then(|| domain.trim_matches('.').to_ascii_lowercase())
}

/// Whether two names share their last two labels, as servers of one house do.
pub fn related(one: &str, other: &str) -> bool {
    let tail = |name: &str| {
        let name = name.trim_matches('.').to_ascii_lowercase();
        let mut labels: Vec<String> = name.rsplit('.').take(2).map(str::to_owned).collect();
        labels.reverse();
        labels.join(".")
    };
    tail(one).contains('.') && tail(one) == tail(other) || one.eq_ignore_ascii_case(other)
}

impl Question for Received {
    const PROBE: &'static str = "trace.message/1";
    type On = Mail;
    type Wire = ReceivedWire;
    type View = Message;

    fn read(wire: ReceivedWire) -> Option<Message> {
        let of = |name: &'static str| wire.fields.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name));
        let hops: Vec<Hop> = of("Received").take(MAX_HOPS).map(|(_, value)| received::parse(value)).collect();
        let (results, others) = results(&wire.fields, &hops);
        let (way, filters) = (Way::of(&hops), filters::read(&wire.fields));
        Some(Message { hops, way, results, others, filters, wire })
    }
}

/// The Authentication-Results of the receiving server, and the servers of all others. Only the topmost counts, and it must
/// name a server that had the message up there: everything below was there when the message came, and may be forged
/// (RFC 8601 section 7.1).
fn results(fields: &[(String, String)], hops: &[Hop]) -> (Option<AuthResults>, Vec<String>) {
    let mut own = None;
    let mut others = Vec::new();
    let mut above = 0_usize;
    for (name, value) in fields {
        if name.eq_ignore_ascii_case("Received") {
            above += 1;
        } else if name.eq_ignore_ascii_case("Authentication-Results")
            && let Some(read) = auth_results::parse(value)
        {
            let near = || hops.iter().take(above + 1).filter_map(|hop| hop.by.as_deref());
            // Exchange Online names no server.
            let server = read.server.as_deref().unwrap_or("outlook.com");
            let is_first = own.is_none() && others.is_empty();
            if is_first && near().any(|by| related(by, server)) {
                own = Some(read);
            } else if others.len() < MAX_HOPS {
                others.push(read.server.unwrap_or_else(|| "a server without a name".to_owned()));
            }
        }
    }
    (own, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: &[(&str, &str)]) -> Message {
        let fields = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Received::read(ReceivedWire { fields, ..ReceivedWire::default() }).unwrap()
    }

    const HOP: (&str, &str) = (
        "Received",
        "from a.example.net ([192.0.2.1]) by mx.example.org with ESMTPS id 1; Tue, 24 Nov 2026 13:00:05 +0000",
    );

    #[test]
    fn only_the_topmost_results_of_a_server_on_the_way_count() {
        let own = ("Authentication-Results", "mail.example.org; dmarc=fail header.from=example.net");
        let forged = ("Authentication-Results", "mail.example.org; dmarc=pass header.from=example.net");
        let stranger = ("Authentication-Results", "mx.example.com; dmarc=pass");
        let read = message(&[own, HOP, forged]);
        assert_eq!(read.results.unwrap().results[0].result, "fail");
        assert_eq!(read.others, ["mail.example.org"]);
        let read = message(&[stranger, HOP, own]);
        assert_eq!((read.results, read.others.len()), (None, 2), "what stands below a stranger's is no better");
    }

    #[test]
    fn domains_of_authors() {
        assert_eq!(domain_of("\"x@y\" <Anna@Example.ORG>").as_deref(), Some("example.org"));
        assert_eq!(domain_of("anna@example.org (Anna)").as_deref(), Some("example.org"));
        assert_eq!(domain_of("undisclosed"), None);
        assert!(related("mx.google.com", "google.com") && !related("mx.example.org", "example.com"));
        assert!(!related("localhost", "other") && related("localhost", "LOCALHOST"));
    }
}
