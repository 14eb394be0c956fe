//! Questions to a message that was received: its header fields, and the form it came in.
//!
//! Texts are kept in the form of [`maildoctor_wire::octets::escape`].

mod afresh;
mod filters;
mod house;
mod lists;

use std::net::IpAddr;

use maildoctor_wire::auth_results::{self, AuthResults};
use maildoctor_wire::received::{self, Hop};
use serde::{Deserialize, Serialize};

use super::way::Way;
use crate::case::Question;
use crate::subject::Mail;

pub use afresh::{Checked, Seals, SealsWire, Signature, SignatureWire};
pub use filters::Filtered;
pub use house::related;
pub use lists::List;

/// The most hops that are read.
const MAX_HOPS: usize = 100;

/// The most results that are told.
const MAX_RESULTS: usize = 50;

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

    /// The list that it went over.
    pub fn list(&self) -> Option<List> {
        lists::of(self)
    }

    /// How many hops there are, told or not.
    pub fn hop_count(&self) -> usize {
        self.values("Received").count()
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
    /// Who handed it over from outside: whom the receiving server's Received-SPF names, else the client of the hop that took
    /// it from outside. `None` where no hop shows it, or the envelope sender is not known (no Return-Path).
    pub fn handed_over(&self) -> Option<HandedOver> {
        let path = self.value("Return-Path")?;
        let sender = path.trim().trim_matches(['<', '>']).trim().to_owned();
        let outermost = house::size(&self.hops).checked_sub(1).and_then(|at| self.hops.get(at));
        let hop = match self.spf_client() {
            Some(ip) => self.hops.iter().find(|hop| hop.address == Some(ip))?,
            None => outermost.filter(|hop| hop.address.is_some_and(|ip| !house::is_inner(ip)))?,
        };
        Some(HandedOver { ip: hop.address?, helo: hop.helo.clone().or_else(|| hop.from.clone())?, sender })
    }

    /// The client that SPF was evaluated for, by the topmost Received-SPF (RFC 7208 section 9.1), if the receiving house wrote
    /// it. Where a large provider hands over to itself, no name tells where one house ends.
    fn spf_client(&self) -> Option<IpAddr> {
        let is = |name: &str, wanted: &str| name.eq_ignore_ascii_case(wanted);
        let place = self.wire.fields.iter().position(|(name, _)| is(name, "Received-SPF"))?;
        let above = self.wire.fields.iter().take(place).filter(|(name, _)| is(name, "Received")).count();
        let (_, value) = self.wire.fields.get(place).filter(|_| above <= house::size(&self.hops))?;
        let pair = |part: &str| part.trim().strip_prefix("client-ip=")?.trim_matches('"').parse().ok();
        value.split([';', ' ']).find_map(pair)
    }
}

/// The domain of the last address in a field, in lower case.
pub fn domain_of(value: &str) -> Option<String> {
    let inner = value.rsplit_once('<').map_or(value, |(_, inner)| inner);
    let domain = inner.split(['>', ' ', ',']).next()?.rsplit_once('@')?.1;
    (!domain.is_empty()).then(|| domain.trim_matches('.').to_ascii_lowercase())
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
        let filters = filters::read(&wire.fields, results.as_ref(), house::size(&hops));
        let way = Way::of(&hops);
        Some(Message { hops, way, results, others, filters, wire })
    }
}

/// The Authentication-Results of the receiving house, and the servers of all others. A field counts that stands above or
/// right below the hop at which the house took the message, and names one of its servers: everything below was there when
/// the message came, and may be forged (RFC 8601 section 7.1). What each of several programs of the house found is told
/// together; what one of them has told no other changes.
fn results(fields: &[(String, String)], hops: &[Hop]) -> (Option<AuthResults>, Vec<String>) {
    let mut own: Option<(usize, AuthResults)> = None;
    let mut others: Vec<String> = Vec::new();
    let house = house::size(hops);
    let mut above = 0_usize;
    for (name, value) in fields {
        if name.eq_ignore_ascii_case("Received") {
            above += 1;
        }
        let Some(read) =
            name.eq_ignore_ascii_case("Authentication-Results").then(|| auth_results::parse(value)).flatten()
        else {
            continue;
        };
        // Exchange Online names no server.
        let server = read.server.as_deref().unwrap_or("outlook.com");
        let is_own = above <= house && others.is_empty() && house::is_of(server, hops.get(..house).unwrap_or(hops));
        match &mut own {
            None if is_own => own = Some((above, read)),
            // Below the hop that took the message only where none stands above it.
            Some((place, held)) if is_own && (above < house || *place == house) => add(held, read, *place == above),
            _ => {
                let server = read.server.unwrap_or_else(|| "a server without a name".to_owned());
                if others.len() < MAX_HOPS && !others.contains(&server) {
                    others.push(server);
                }
            }
        }
    }
    (own.map(|(_, results)| results), others)
}

/// Adds what nobody has told yet; and of further signatures, where both stand together.
fn add(held: &mut AuthResults, read: AuthResults, together: bool) {
    let told: Vec<String> = held.results.iter().map(|result| result.method.clone()).collect();
    let is_new = |method: &String| !told.contains(method) || together && method == "dkim";
    let new = read.results.into_iter().filter(|result| is_new(&result.method));
    held.results.extend(new.take(MAX_RESULTS.saturating_sub(told.len())));
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
    fn what_several_programs_of_the_house_found_is_told_together() {
        let field = |value: &'static str| ("Authentication-Results", value);
        let read = message(&[
            HOP,
            field("mx.example.org; dmarc=pass header.from=example.net"),
            field("mx.example.org; dkim=fail header.d=example.com"),
            field("mx.example.org; dkim=pass header.d=example.net; dmarc=fail header.from=example.net"),
        ]);
        let found = |m: &Message| -> Vec<String> {
            let results = m.results.as_ref().map(|read| read.results.clone()).unwrap_or_default();
            results.iter().map(|r| format!("{}={}", r.method, r.result)).collect()
        };
        assert_eq!(
            (found(&read), read.others.len()),
            (vec!["dmarc=pass".into(), "dkim=fail".into(), "dkim=pass".into()], 0)
        );
        // A provider whose servers have another domain than what they write.
        let apple = ("Received", "from a.example.net (a.example.net [192.0.2.1]) by p1.me.com with ESMTPS id 1; x");
        let read = message(&[apple, field("dmarc.icloud.com; dmarc=pass"), field("spf.icloud.com; spf=pass")]);
        assert_eq!(found(&read), ["dmarc=pass", "spf=pass"]);
        // The sender's own house, where the receiving one writes nothing.
        let sender = ("Received", "from pc ([198.51.100.1]) by out.example.net with ESMTPSA id 1; x");
        let read = message(&[HOP, sender, field("out.example.net; dmarc=pass header.from=example.net")]);
        assert_eq!((found(&read).len(), read.others.len()), (0, 1), "it may say what it likes");
    }

    #[test]
    fn who_handed_it_over_is_told_by_the_receiving_server() {
        let path = ("Return-Path", "<anna@example.net>");
        let of = |fields: &[(&str, &str)]| message(&[&[path], fields].concat()).handed_over();
        let within = ("Received", "from in.example.org ([192.0.2.7]) by mx.example.org with ESMTPS id 2; x");
        let into =
            ("Received", "from out.example.org (out.example.org [192.0.2.8]) by in.example.org with ESMTPS id 1; x");
        let inside = ("Received", "from pc ([198.51.100.1] helo=[10.0.0.5]) by out.example.org with ESMTPSA id 1; x");
        let spf =
            ("Received-SPF", "pass (x) client-ip=192.0.2.8; envelope-from=anna@example.net; helo=out.example.org;");
        let told = of(&[within, spf, into, inside]).unwrap();
        assert_eq!((told.ip.to_string().as_str(), told.helo.as_str()), ("192.0.2.8", "out.example.org"));
        let untold = of(&[HOP]).unwrap();
        assert_eq!((untold.ip.to_string().as_str(), untold.helo.as_str()), ("192.0.2.1", "a.example.net"));
        let exim =
            ("Received", "from a.example.net ([192.0.2.1] helo=b.example.net) by mx.example.org with esmtp id 1; x");
        assert_eq!(of(&[exim]).unwrap().helo, "b.example.net");
        assert_eq!(of(&[("Received", "from localhost ([127.0.0.1]) by mx.example.org with ESMTP id 1; x")]), None);
    }

    #[test]
    fn lists_that_pass_on_and_mailings_of_their_authors() {
        let of = |from: &'static str, fields: &[(&'static str, &'static str)]| {
            let from = [("From", from)];
            message(&[&from, fields].concat()).list().map(|list| (list.id, list.passes_on))
        };
        let cooks = ("List-Id", "Cooks <cooks.lists.example.com>");
        let told = |id: &str, passes_on| Some((id.to_owned(), passes_on));
        for mark in [
            ("X-Mailman-Version", "2.1.29"),
            ("Precedence", "list"),
            ("Subject", "Re: [Cooks] soup"),
            ("List-Post", "<mailto:cooks@lists.example.com>"),
        ] {
            assert_eq!(of("a@example.net", &[cooks, mark]), told("cooks.lists.example.com", true), "{mark:?}");
        }
        assert_eq!(
            of("a@example.net", &[cooks, ("List-Post", "NO (announcements)")]),
            told("cooks.lists.example.com", false)
        );
        let bulk = ("Precedence", "bulk");
        assert_eq!(
            of("shop@example.com", &[("List-ID", "x list <x.list-id.example.org>"), bulk]),
            told("x.list-id.example.org", false)
        );
        let post = ("List-Post", "<mailto:reply+1@reply.example.com>");
        let precedence = ("Precedence", "list");
        let notified = of("notifications@example.com", &[("List-ID", "a/b <b.a.example.com>"), post, precedence]);
        assert_eq!(notified, told("b.a.example.com", false), "the author's own house writes");
        let munged = [cooks, ("X-Mailman-Version", "3.3.9"), ("X-MailFrom", "anna@example.net")];
        assert_eq!(of("cooks@lists.example.com", &munged), told("cooks.lists.example.com", true));
        let ezmlm = [("Mailing-List", "contact users-help@lists.example.com; run by ezmlm"), bulk];
        assert_eq!(of("a@example.net", &ezmlm), told("users-help@lists.example.com", true));
        assert_eq!(of("a@example.net", &[bulk]), None);
    }

    #[test]
    fn domains_of_authors() {
        assert_eq!(domain_of("\"x@y\" <Anna@Example.ORG>").as_deref(), Some("example.org"));
        assert_eq!(domain_of("anna@example.org (Anna)").as_deref(), Some("example.org"));
        assert_eq!(domain_of("undisclosed"), None);
    }
}
