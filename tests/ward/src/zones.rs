//! What the domain name system of a trial says: the root, the domain under test, another domain, and the reverse zone.

use crate::names::{CLIENT_ADDRESS, MX, MX_ADDRESS, OUTSIDE_ADDRESS, THIRD_PARTY};

/// One zone: its records as lines of a zone file, below an SOA and an NS record that are always the same.
#[derive(Clone, Debug)]
pub struct Zone {
    /// The zone's name, with its last dot.
    pub origin: &'static str,
    /// Its serial number.
    pub serial: u32,
    records: Vec<String>,
}

impl Zone {
    pub(crate) fn new(origin: &'static str, records: &[&str]) -> Self {
        Self { origin, serial: 1, records: records.iter().map(|record| (*record).to_owned()).collect() }
    }

    /// Adds a record, such as `mx1 A 198.18.25.10`.
    pub fn add(&mut self, record: impl Into<String>) -> &mut Self {
        self.records.push(record.into());
        self
    }

    /// Takes out every record that begins with `start`, such as `@ MX`.
    pub fn remove(&mut self, start: &str) -> &mut Self {
        self.records.retain(|record| !record.starts_with(start));
        self
    }

    /// The zone file. `server` is the address of the authoritative server.
    pub(crate) fn text(&self, server: &str) -> String {
        let glue = format!("ns1.nic.example. A {server}");
        let more = if matches!(self.origin, "." | "example.") { vec![glue] } else { Vec::new() };
        self.with_servers(&["ns1.nic.example."], &more)
    }

    /// The zone file with these name servers, the primary first, and more lines.
    pub(crate) fn with_servers(&self, servers: &[&str], more: &[String]) -> String {
        let primary = servers.first().unwrap_or(&".");
        let mut text = format!(
            "$ORIGIN {}\n$TTL 300\n@ SOA {primary} hostmaster.nic.example. {} 3600 600 86400 60\n",
            self.origin, self.serial
        );
        for server in servers {
            text.push_str(&format!("@ NS {server}\n"));
        }
        for record in self.records.iter().chain(more) {
            text.push_str(record);
            text.push('\n');
        }
        text
    }
}

/// Every zone an authoritative server has.
#[derive(Clone, Debug)]
pub struct Zones {
    /// The root: delegates `example.` and the reverse zone.
    pub root: Zone,
    /// `example.`: delegates the two domains and `list.example.`, whose servers are other people's.
    pub example: Zone,
    /// The domain under test.
    pub domain: Zone,
    /// Somebody else's domain, where clients come from.
    pub outside: Zone,
    /// Reverse names of 198.18.25.0/24.
    pub reverse: Zone,
    /// Reverse names of 2001:2:0:25::/64.
    pub reverse_6: Zone,
}

impl Zones {
    /// All as it should be.
    #[must_use]
    pub fn healthy() -> Self {
        let domain = [
            "@ MX 10 mx1".to_owned(),
            format!("mx1 A {MX_ADDRESS}"),
            "mx1 TXT \"v=spf1 a -all\"".to_owned(),
            "@ TXT \"v=spf1 mx -all\"".to_owned(),
            "_dmarc TXT \"v=DMARC1; p=reject\"".to_owned(),
            "_submission._tcp SRV 0 1 587 mx1".to_owned(),
            "_submissions._tcp SRV 0 1 465 mx1".to_owned(),
            "_imaps._tcp SRV 0 1 993 mx1".to_owned(),
        ];
        let outside = [
            "@ MX 10 mail".to_owned(),
            format!("mail A {OUTSIDE_ADDRESS}"),
            format!("client A {CLIENT_ADDRESS}"),
            "@ TXT \"v=spf1 mx a:client.outside.example -all\"".to_owned(),
        ];
        let reverse = [
            format!("{} PTR {MX}.", last_octet(MX_ADDRESS)),
            format!("{} PTR client.outside.example.", last_octet(CLIENT_ADDRESS)),
            format!("{} PTR mail.outside.example.", last_octet(OUTSIDE_ADDRESS)),
        ];
        let thirds = ["list NS ns1.list".to_owned(), format!("ns1.list A {THIRD_PARTY}")];
        let mut example = Zone::new("example.", &["clinic NS ns1.nic.example.", "outside NS ns1.nic.example."]);
        for record in thirds {
            example.add(record);
        }
        Self {
            root: Zone::new(
                ".",
                &[
                    "example. NS ns1.nic.example.",
                    "25.18.198.in-addr.arpa. NS ns1.nic.example.",
                    "5.2.0.0.0.0.0.0.2.0.0.0.1.0.0.2.ip6.arpa. NS ns1.nic.example.",
                ],
            ),
            example,
            domain: Zone::new("clinic.example.", &borrowed(&domain)),
            outside: Zone::new("outside.example.", &borrowed(&outside)),
            reverse: Zone::new("25.18.198.in-addr.arpa.", &borrowed(&reverse)),
            reverse_6: Zone::new("5.2.0.0.0.0.0.0.2.0.0.0.1.0.0.2.ip6.arpa.", &[]),
        }
    }

    /// Where an authoritative server with these zones is, for resolvers to begin with.
    #[must_use]
    pub fn root_hints(server: &str) -> String {
        format!(". 3600000 IN NS ns1.nic.example.\nns1.nic.example. 3600000 IN A {server}\n")
    }

    pub(crate) fn all(&self) -> [&Zone; 6] {
        [&self.root, &self.example, &self.domain, &self.outside, &self.reverse, &self.reverse_6]
    }
}

fn borrowed(records: &[String]) -> Vec<&str> {
    records.iter().map(String::as_str).collect()
}

/// The owner in the reverse zone of an address of 198.18.25.0/24.
#[must_use]
pub(crate) fn last_octet(address: &str) -> &str {
    address.rsplit('.').next().unwrap_or(address)
}
