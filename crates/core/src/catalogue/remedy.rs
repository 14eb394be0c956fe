//! The remedy of a finding: its entry's "How to fix it", with the finding's own values filled in.
//!
//! Some of those values were chosen by a peer. In a command each is put as one quoted word of the shell it is
//! for, and a command whose value is not known is left out. An IPv6 address before a port gets its brackets.

use std::net::Ipv6Addr;

use maildoctor_wire::octets::shell_word;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Entry;

/// What to do about a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Remedy {
    /// The remedy in a sentence or two.
    pub summary: String,
    /// How to do it, per server; the one that was recognised first.
    pub steps: Vec<Step>,
}

/// How to do it on one kind of server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Step {
    /// The server in lower case (`postfix`), or `general`.
    #[serde(rename = "for")]
    pub server: String,
    /// What to do.
    pub text: String,
    /// Commands ready to type.
    pub commands: Vec<String>,
}

impl Entry {
    /// The remedy with `detail` filled in; the steps for `recognised` come first.
    pub fn remedy(&self, detail: &Map<String, Value>, recognised: Option<&str>) -> Remedy {
        let Some(fix) = self.section("How to fix it") else {
            return Remedy::default();
        };
        let mut steps: Vec<Step> = fix.parts.iter().map(|(name, text)| step(name, text, detail)).collect();
        if let Some(known) = recognised {
            steps.sort_by_key(|step| !known.to_ascii_lowercase().starts_with(&step.server));
        }
        Remedy { summary: flat(&filled_prose(&fix.text, detail)), steps }
    }
}

fn step(name: &str, text: &str, detail: &Map<String, Value>) -> Step {
    let server = if name == "In general" { "general".to_owned() } else { name.to_ascii_lowercase() };
    // Commands for Exchange are typed into PowerShell, all others into a POSIX shell.
    let quote = if server == "exchange" { powershell_word } else { shell_word };
    let mut prose = String::new();
    let mut commands = Vec::new();
    let mut fence: Option<bool> = None;
    for line in text.lines() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            fence = match fence {
                None => Some(kind.trim() == "sh"),
                Some(_) => None,
            };
        } else if fence == Some(true) {
            if !line.trim().is_empty() {
                commands.extend(fill(line, detail, quote));
            }
        } else {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    Step { server, text: flat(&filled_prose(&prose, detail)), commands }
}

/// The names between braces in a text.
pub(super) fn placeholders(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let _ = walk(text, |name, _| {
        names.push(name.to_owned());
        Some(String::new())
    });
    names
}

/// Fills a sentence; a value that is not known leaves its name in angle brackets.
fn filled_prose(text: &str, detail: &Map<String, Value>) -> String {
    walk(text, |name, place| {
        Some(detail.get(name).map_or_else(|| format!("<{}>", name.replace('_', " ")), |v| place.bracketed(shown(v))))
    })
    .unwrap_or_default()
}

/// Fills a command; `None` where a value is not known.
fn fill(text: &str, detail: &Map<String, Value>, quote: fn(&str) -> String) -> Option<String> {
    walk(text, |name, place| {
        detail.get(name).filter(|v| !v.is_null()).map(|value| quote(&place.bracketed(shown(value))))
    })
}

/// A word as PowerShell takes it: in single quotes, in which only the quote itself means something. It takes the
/// typographic quotes for quotes as well.
fn powershell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.:/-".contains(c);
    if word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut out = String::from("'");
    for c in word.chars() {
        if matches!(c, '\'' | '\u{2018}'..='\u{201b}') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
    out
}

/// What stands around a placeholder.
#[derive(Clone, Copy)]
struct Place {
    before_port: bool,
}

impl Place {
    fn new(before: &str, after: &str) -> Self {
        let port =
            after.strip_prefix(':').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '{'));
        Self { before_port: port && !before.ends_with('[') }
    }

    /// An IPv6 address in brackets where a port follows (RFC 3986 section 3.2.2).
    fn bracketed(self, value: String) -> String {
        if self.before_port && value.parse::<Ipv6Addr>().is_ok() { format!("[{value}]") } else { value }
    }
}

/// Copies a text with each `{name}` replaced; `{{` and `}}` stand for the braces themselves, and a brace
/// that encloses no name (a shell's `${x}`, an awk program) is left as it is.
fn walk(text: &str, mut value: impl FnMut(&str, Place) -> Option<String>) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(place);
        out.push_str(before);
        if let Some(after) = from.strip_prefix("{{") {
            out.push('{');
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}") {
            out.push('}');
            rest = after;
        } else if let Some((name, after)) = from.strip_prefix('{').and_then(|inner| inner.split_once('}'))
            && !name.is_empty()
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && !out.ends_with('$')
        {
            let filled = value(name, Place::new(&out, after))?;
            out.push_str(&filled);
            rest = after;
        } else {
            let mut chars = from.chars();
            out.extend(chars.next());
            rest = chars.as_str();
        }
    }
    out.push_str(rest);
    Some(out)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Markdown paragraphs as running text: lines of one paragraph joined, lists kept.
fn flat(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let line = line.trim_end();
        let starts_anew = line.is_empty() || line.starts_with("- ") || line.starts_with("* ");
        if !out.is_empty() {
            out.push(if starts_anew || out.ends_with('\n') { '\n' } else { ' ' });
        }
        out.push_str(line.trim_start());
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(zone: &str) -> Map<String, Value> {
        [("zone".to_owned(), Value::from(zone))].into_iter().collect()
    }

    #[test]
    fn a_value_chosen_by_a_peer_stays_one_word() {
        let evil = detail("x'; rm -rf / #");
        assert_eq!(fill("dig {zone}", &evil, shell_word).unwrap(), r"dig 'x'\''; rm -rf / #'");
        assert_eq!(fill("dig {zone}", &detail("dnsbl.example.net"), shell_word).unwrap(), "dig dnsbl.example.net");
    }

    #[test]
    fn a_command_without_its_value_is_left_out() {
        assert_eq!(fill("dig {host}", &detail("x"), shell_word), None);
        assert_eq!(filled_prose("Ask {host}.", &detail("x")), "Ask <host>.");
    }

    #[test]
    fn braces_of_the_shell_are_left_alone() {
        let filled = fill("awk '{{print $1}}' ${HOME} {zone}", &detail("z"), shell_word).unwrap();
        assert_eq!(filled, "awk '{print $1}' ${HOME} z");
    }

    #[test]
    fn an_ipv6_address_before_a_port_stands_in_brackets() {
        let at = detail("2001:db8::7");
        assert_eq!(fill("maildoctor check {zone}:25", &at, shell_word).unwrap(), "maildoctor check '[2001:db8::7]':25");
        assert_eq!(fill("dig -x {zone}", &at, shell_word).unwrap(), "dig -x 2001:db8::7");
        assert_eq!(fill("check {zone}:25", &detail("192.0.2.7"), shell_word).unwrap(), "check 192.0.2.7:25");
        assert_eq!(
            filled_prose("Let [{zone}]:25 answer, or {zone}:25.", &at),
            "Let [2001:db8::7]:25 answer, or [2001:db8::7]:25."
        );
    }

    #[test]
    fn powershell_has_quotes_of_its_own() {
        assert_eq!(powershell_word("example.org"), "example.org");
        assert_eq!(powershell_word("x'; Remove-Item \u{2019}$(1)"), "'x''; Remove-Item \u{2019}\u{2019}$(1)'");
        assert_eq!(powershell_word("-Force"), "'-Force'");
        let fix = step("Exchange", "```sh\nGet-Mailbox {zone}\n```", &detail("a'b"));
        assert_eq!(fix.commands, ["Get-Mailbox 'a''b'"]);
    }
}
