//! The DNS lists that Exim's ACLs ask, and the pauses that they make, with the lines at which they stand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::EximWire;
use crate::questions::host::asks::{Asks, List, Pause, Place, Spares, Stage};
use crate::questions::host::postfix::files::time_ms;

/// What opens a statement of an ACL.
pub const VERBS: [&str; 7] = ["accept", "defer", "deny", "discard", "drop", "require", "warn"];

/// How often macros within macros are replaced.
const MAX_DEPTH: usize = 8;

/// The longest value in which macros are replaced, in octets.
const MAX_VALUE: usize = 64 * 1024;

/// A `dnslists` condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsLists {
    /// The ACL that it is part of.
    pub acl: String,
    /// The line of the file at which it begins.
    pub line: u32,
    /// What its statement does where its conditions hold: `deny`, `warn` …
    pub verb: String,
    /// Its value, macros replaced.
    pub value: String,
    /// Whether some clients do not come to it, by a `hosts` condition before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spares_some: bool,
}

/// A `delay` modifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// The ACL that it is part of.
    pub acl: String,
    /// The line of the file at which it stands.
    pub line: u32,
    /// How long it is, in milliseconds.
    pub ms: u64,
}

/// What the ACLs of a file make clients wait for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acls {
    /// The lists that are asked.
    pub dnslists: Vec<DnsLists>,
    /// The pauses of a fixed length.
    pub delays: Vec<Delay>,
}

/// Where the reading stands within an ACL.
#[derive(Default)]
struct At {
    acl: String,
    verb: String,
    /// A `hosts` condition stands in this statement.
    hosts: bool,
    /// A statement before this one accepts some clients.
    accepts: bool,
}

/// The ACLs that Exim goes through, and when.
const STAGES: [(&str, Stage); 6] = [
    ("acl_smtp_connect", Stage::Connect),
    ("acl_smtp_helo", Stage::Helo),
    ("acl_smtp_mail", Stage::Mail),
    ("acl_smtp_rcpt", Stage::Rcpt),
    ("acl_smtp_predata", Stage::Data),
    ("acl_smtp_data", Stage::Content),
];

/// The ACLs in a file of settings.
pub fn acls(text: &str) -> Acls {
    let mut macros: BTreeMap<String, String> = BTreeMap::new();
    let mut section = "main";
    let mut at = At::default();
    let mut found = Acls::default();
    for (line, joined) in logical_lines(text) {
        let joined = joined.as_str();
        if let Some(next) = joined.strip_prefix("begin ") {
            section = if next.trim() == "acl" { "acl" } else { "other" };
        } else if section == "main" && joined.starts_with(|c: char| c.is_ascii_uppercase()) {
            // A macro: `NAME = value`, or `NAME == value` where it is defined anew.
            if let Some((name, value)) = joined.split_once('=') {
                macros.insert(name.trim().to_owned(), value.trim_start_matches('=').trim().to_owned());
            }
        } else if section == "acl" {
            if let Some(name) = joined.strip_suffix(':').filter(|name| is_name(name)) {
                at = At { acl: name.to_owned(), ..At::default() };
                continue;
            }
            at.opens(joined);
            let Some((name, value)) = condition(joined) else { continue };
            let value = replaced(value, &macros);
            match name {
                // `:` is the empty list: nobody who comes over the network.
                "hosts" if value != ":" && value != "*" => at.hosts = true,
                "dnslists" => found.dnslists.push(DnsLists {
                    acl: at.acl.clone(),
                    line,
                    verb: at.verb.clone(),
                    value,
                    spares_some: at.hosts || at.accepts,
                }),
                "delay" => {
                    let ms = time_ms(&value, 's').filter(|ms| *ms > 0);
                    found.delays.extend(ms.map(|ms| Delay { acl: at.acl.clone(), line, ms }));
                }
                _ => {}
            }
        }
    }
    found
}

impl At {
    /// Takes note of the verb that opens a statement on this line, if one does.
    fn opens(&mut self, line: &str) {
        if let Some(verb) = line.split_whitespace().next().filter(|word| VERBS.contains(word)) {
            self.accepts |= self.verb == "accept" && self.hosts;
            self.verb = verb.to_owned();
            self.hosts = false;
        }
    }
}

/// The name and the value of a condition or modifier, behind the verb that may open its statement.
pub(super) fn condition(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    Some((name.split_whitespace().next_back()?.trim_start_matches('!'), value.trim()))
}

/// Whether a text can be the name of an ACL.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
}

/// The lines that count, trimmed, those that end with a backslash joined with the next, each with its first number.
pub(super) fn logical_lines(text: &str) -> Vec<(u32, String)> {
    let mut found: Vec<(u32, String)> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.starts_with('#') || (line.is_empty() && !open) {
            continue;
        }
        let part = line.strip_suffix('\\').unwrap_or(line);
        match found.last_mut().filter(|_| open) {
            Some((_, begun)) => begun.push_str(part),
            None => found.push((number, part.trim_end().to_owned())),
        }
        open = line.ends_with('\\');
    }
    found
}

/// The value with macros replaced, the longest name first, for one may begin with another.
fn replaced(value: &str, macros: &BTreeMap<String, String>) -> String {
    let mut value = value.to_owned();
    for _ in 0..MAX_DEPTH {
        let used = macros.iter().filter(|(name, _)| value.contains(name.as_str()));
        let Some((name, text)) = used.max_by_key(|(name, _)| name.len()) else {
            break;
        };
        // A macro that holds its own name would make it longer at each turn.
        if text.contains(name.as_str()) || value.len() > MAX_VALUE {
            break;
        }
        value = value.replace(name.as_str(), text);
    }
    value
}

/// The lists in a `dnslists` condition: the zone of each, and whether it is asked for the client's address.
pub fn zones(value: &str) -> Vec<(String, bool)> {
    let (separator, items) = match value.strip_prefix('<').and_then(|rest| rest.chars().next()) {
        Some(separator) => (separator, value.get(1 + separator.len_utf8()..).unwrap_or_default()),
        None => (':', value),
    };
    let mut found = Vec::new();
    for item in items.split(separator).map(str::trim) {
        // `zone,zone=127.0.0.2!=…&…/what is looked up in it`
        let by_address = !item.contains('/');
        let end = item.find(['=', '!', '&', '/']).unwrap_or(item.len());
        let names = item.get(..end).unwrap_or_default().split(',').map(str::trim);
        let plain = |name: &&str| {
            name.contains('.') && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        };
        found.extend(names.filter(plain).map(|name| (name.trim_end_matches('.').to_ascii_lowercase(), by_address)));
    }
    found
}

impl EximWire {
    /// The ports that the daemon listens on; 25 where none is named.
    pub fn ports(&self) -> Vec<u16> {
        let named = self.setting("daemon_smtp_ports").unwrap_or("smtp");
        let port = |word: &str| match word {
            "smtp" => Some(25),
            "submission" => Some(587),
            "smtps" | "submissions" => Some(465),
            number => number.parse().ok(),
        };
        named.split([':', ';', '<']).filter_map(|word| port(word.trim())).collect()
    }

    /// What is asked for each client.
    pub fn asks(&self) -> Asks {
        let mut asks = Asks::default();
        for (option, stage) in STAGES {
            let Some(acl) = self.setting(option).filter(|acl| !acl.is_empty()) else {
                continue;
            };
            for condition in self.dnslists.iter().filter(|condition| condition.acl == acl) {
                let place = Place {
                    setting: format!("dnslists of {acl}"),
                    file: Some(self.file.clone()),
                    line: Some(condition.line),
                };
                let lists = zones(&condition.value).into_iter();
                asks.lists.extend(lists.map(|(zone, by_address)| List {
                    zone,
                    by_address,
                    welcomes: matches!(condition.verb.as_str(), "accept" | "require"),
                    refuses: matches!(condition.verb.as_str(), "defer" | "deny" | "discard" | "drop"),
                    stage,
                    place: place.clone(),
                    spares: if condition.spares_some { Spares::Some } else { Spares::Nobody },
                }));
            }
            for delay in self.delays.iter().filter(|delay| delay.acl == acl) {
                let setting = format!("delay of {acl}");
                let place = Place { setting, file: Some(self.file.clone()), line: Some(delay.line) };
                asks.pauses.push(Pause { ms: delay.ms, stage, place });
            }
        }
        if self.setting("host_lookup").is_some_and(|hosts| !hosts.is_empty()) {
            asks.reverse = Some((Stage::Connect, self.place("host_lookup")));
        }
        let ident = self.setting("rfc1413_query_timeout").and_then(|time| time_ms(time, 's')).filter(|ms| *ms > 0);
        if let Some(limit) = ident.filter(|_| self.setting("rfc1413_hosts").is_some_and(|hosts| !hosts.is_empty())) {
            asks.ident = Some((limit, self.place("rfc1413_query_timeout")));
        }
        asks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONFIG: &str = "LISTS = zen.example.net : \\\n  bl.example.org=127.0.0.2\nacl_smtp_connect = acl_check_connect\n\
                          # dnslists = in.a.comment\nbegin acl\nacl_check_connect:\n  deny message = no\n       !dnslists = LISTS\n\
                          \n  accept\nacl_check_rcpt:\n  warn dnslists = dbl.example.net/$sender_address_domain\nbegin routers\n\
                          x:\n  dnslists = not.in.an.acl\n";

    fn exim() -> EximWire {
        let settings = [
            ("acl_smtp_connect", "acl_check_connect"),
            ("acl_smtp_rcpt", "acl_check_rcpt"),
            ("daemon_smtp_ports", "25 : 587 : smtps"),
            ("rfc1413_hosts", "*"),
            ("rfc1413_query_timeout", "5s"),
        ];
        EximWire {
            file: "/etc/exim4/exim4.conf".to_owned(),
            settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            dnslists: acls(CONFIG).dnslists,
            delays: acls(CONFIG).delays,
            ..EximWire::default()
        }
    }

    #[test]
    fn lists_are_found_where_an_acl_names_them() {
        let exim = exim();
        let found: Vec<_> = exim
            .asks()
            .lists
            .into_iter()
            .map(|list| (list.zone, list.by_address, list.refuses, list.place.line.unwrap()))
            .collect();
        assert_eq!(
            found,
            [
                ("zen.example.net".to_owned(), true, true, 8),
                ("bl.example.org".to_owned(), true, true, 8),
                ("dbl.example.net".to_owned(), false, false, 12),
            ]
        );
        assert_eq!(exim.ports(), [25, 587, 465]);
        assert_eq!(exim.asks().ident.unwrap().0, 5000);
    }

    #[test]
    fn a_list_behind_a_condition_on_the_client_is_not_asked_about_everybody() {
        let text = "begin acl\na:\n  accept hosts = :\n  deny dnslists = one.example\n  deny !hosts = +own\n    dnslists = two.example\n  \
                    warn delay = 6s\n  accept hosts = +own\n  deny dnslists = three.example\nb:\n  deny dnslists = four.example\n       \
                    hosts = +strangers\n  warn delay = ${if x}\n";
        let found = acls(text);
        let spares: Vec<_> = found.dnslists.iter().map(|list| (list.value.as_str(), list.spares_some)).collect();
        assert_eq!(
            spares,
            [("one.example", false), ("two.example", true), ("three.example", true), ("four.example", false)]
        );
        assert_eq!(found.delays, [Delay { acl: "a".to_owned(), line: 7, ms: 6000 }]);
    }

    #[test]
    fn forms_of_a_list() {
        let found = zones("<; a.example,b.example!=127.0.0.3 ; c.example&0.0.0.2; ${lookup}.x.example ; MACRO");
        let names: Vec<&str> = found.iter().map(|(zone, _)| zone.as_str()).collect();
        assert_eq!(names, ["a.example", "b.example", "c.example"]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n]{0,300}", value in ".{0,60}") {
            let _ = (acls(&text), acls(&format!("begin acl\nx:\n{text}")), zones(&value));
        }
    }
}
