//! What is typed at the lab's console, read.

use std::net::IpAddr;

use anyhow::{Context, bail};
use maildoctor_core::target::domain_name;

/// What can be typed.
pub(super) const HELP: &str = "\
status                          how everything stands
blacklists                      the blacklist servers, in the order in which they are asked (short: rbl)
blacklists add ZONE [PLACE]     ask one more, at the end or at a place counted from 1
blacklists remove ZONE          ask one less
blacklists move ZONE PLACE      ask it earlier or later
reverse [on|off]                \"Perform a lookup for the SMTP host in the DNS\"
whitelist                       the clients that are not looked up
whitelist add|remove ADDRESS    let a client be looked up no more, or again
cache                           the clients that were looked up, and how long ago
stop, start, restart            the SMTP service; stopping ends its sessions and clears the cache
sessions                        who is connected
log [LINES]                     what happened last
help, quit
";

/// An order to the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    Help,
    Quit,
    Status,
    Cache,
    Sessions,
    Log(usize),
    Stop,
    Start,
    Restart,
    Show(Setting),
    Change(Change),
}

/// A setting to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    Blacklists,
    Reverse,
    Whitelist,
}

/// A change of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// A zone, and its place counted from 1.
    AddZone(String, Option<usize>),
    RemoveZone(String),
    MoveZone(String, usize),
    Reverse(bool),
    Allow(IpAddr),
    Disallow(IpAddr),
}

/// The lines of the log that are shown where nothing else is said.
const LOG_LINES: usize = 20;

impl Order {
    /// Reads a line; `None` where it is empty or a comment.
    pub(super) fn parse(line: &str) -> anyhow::Result<Option<Self>> {
        let line = line.split('#').next().unwrap_or_default().trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(first) = words.first() else { return Ok(None) };
        let first = first.to_ascii_lowercase();
        let rest = words.get(1..).unwrap_or_default();
        Ok(Some(match (first.as_str(), rest) {
            ("help" | "?", []) => Self::Help,
            ("quit" | "exit", []) => Self::Quit,
            ("status", []) => Self::Status,
            ("cache", []) => Self::Cache,
            ("sessions", []) => Self::Sessions,
            ("log", []) => Self::Log(LOG_LINES),
            ("log", [lines]) => Self::Log(number(lines)?),
            ("stop", []) => Self::Stop,
            ("start", []) => Self::Start,
            ("restart", []) => Self::Restart,
            ("blacklists" | "blacklist" | "rbl", []) => Self::Show(Setting::Blacklists),
            ("blacklists" | "blacklist" | "rbl", [what, rest @ ..]) => Self::Change(zone(what, rest)?),
            ("reverse", []) => Self::Show(Setting::Reverse),
            ("reverse", ["on"]) => Self::Change(Change::Reverse(true)),
            ("reverse", ["off"]) => Self::Change(Change::Reverse(false)),
            ("whitelist", []) => Self::Show(Setting::Whitelist),
            ("whitelist", ["add", ip]) => Self::Change(Change::Allow(address(ip)?)),
            ("whitelist", ["remove", ip]) => Self::Change(Change::Disallow(address(ip)?)),
            _ => bail!("the console does not know `{line}`; `help` says what it knows"),
        }))
    }
}

fn zone(what: &str, rest: &[&str]) -> anyhow::Result<Change> {
    let name = |text: &str| domain_name(text).with_context(|| format!("`{text}` is no name of a zone"));
    Ok(match (what, rest) {
        ("add", [zone]) => Change::AddZone(name(zone)?, None),
        ("add", [zone, place]) => Change::AddZone(name(zone)?, Some(number(place)?)),
        ("remove", [zone]) => Change::RemoveZone(name(zone)?),
        ("move", [zone, place]) => Change::MoveZone(name(zone)?, number(place)?),
        _ => bail!(
            "after `blacklists` comes nothing, `add ZONE [PLACE]`, `remove ZONE` or `move ZONE PLACE`, not `{what} {}`",
            rest.join(" ")
        ),
    })
}

fn number(text: &str) -> anyhow::Result<usize> {
    text.parse().ok().filter(|n| *n > 0).with_context(|| format!("`{text}` is no number from 1 on"))
}

fn address(text: &str) -> anyhow::Result<IpAddr> {
    text.parse().with_context(|| format!("`{text}` is no IP address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type() {
        let read = |line: &str| Order::parse(line).unwrap();
        assert_eq!(read("  "), None);
        assert_eq!(read("# the guide's step"), None);
        assert_eq!(read("rbl"), Some(Order::Show(Setting::Blacklists)));
        let remove = Order::Change(Change::RemoveZone("dnsbl.lab.example".to_owned()));
        assert_eq!(read("blacklists remove DNSBL.lab.example."), Some(remove));
        let add = Order::Change(Change::AddZone("a.example".to_owned(), Some(2)));
        assert_eq!(read("rbl add a.example 2"), Some(add));
        assert_eq!(read("reverse off"), Some(Order::Change(Change::Reverse(false))));
        for wrong in [
            "halt",
            "rbl remove",
            "rbl add a.example 0",
            "whitelist add me",
            "reverse perhaps",
            "log all",
            "rbl add a b c",
        ] {
            assert!(Order::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_help_names_every_first_word() {
        for line in HELP.lines() {
            let first = line.split([' ', ',']).next().unwrap();
            assert!(Order::parse(first).unwrap().is_some(), "{first}");
        }
    }
}
