//! Exim's ACLs as a shadow has them: gone through to their end, and without what is switched off.

use std::collections::BTreeSet;

use crate::questions::host::exim::acl::{VERBS, is_name};

/// What goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Out {
    /// Zones of DNS lists.
    pub(super) zones: BTreeSet<String>,
    /// ACLs whose pauses go.
    pub(super) pauses: BTreeSet<String>,
    /// The client's name is not looked up.
    pub(super) reverse: bool,
}

/// One line of an ACL: `deny !dnslists = a.example`, `accept`, `message = …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The verb that opens a statement.
    pub(super) verb: Option<&'a str>,
    /// A condition or modifier, without its `!`.
    pub(super) name: &'a str,
    /// Whether it has a `!`.
    pub(super) negated: bool,
    /// What stands behind its `=`.
    pub(super) value: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// Reads a line.
    pub(super) fn read(line: &'a str) -> Self {
        let line = line.trim();
        let (first, behind) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let (verb, rest) = if VERBS.contains(&first) { (Some(first), behind.trim()) } else { (None, line) };
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (rest, None),
        };
        let bare = name.trim_start_matches('!').trim();
        Self { verb, name: bare, negated: bare.len() < name.len(), value }
    }

    /// Whether it makes Exim look up the client's name, whatever `host_lookup` says.
    pub(super) fn asks_the_name(&self) -> bool {
        let what = self.value.unwrap_or_default().split('/').next().unwrap_or_default().trim();
        self.name == "verify" && matches!(what, "reverse_host_lookup" | "helo")
    }
}

/// The name of the ACL that a line begins.
pub(super) fn head(line: &str) -> Option<&str> {
    line.trim().strip_suffix(':').filter(|name| is_name(name))
}

/// A line of the ACL `acl` as a shadow has it; `None` where nothing is left of it. `to_its_end`: the client meets this ACL itself,
/// and what would turn it away only warns.
pub(super) fn varied(acl: &str, line: &str, to_its_end: bool, out: &Out) -> Option<String> {
    let read = Line::read(line);
    let verb = match read.verb {
        Some("deny" | "defer" | "drop" | "require") if to_its_end => "warn",
        // To a client it looks like an acceptance, and ends the ACL as one.
        Some("discard") if to_its_end => "accept",
        Some(verb) => verb,
        None => "",
    };
    let rest = match read.name {
        // On a warning a message would be a header field; the last one tells others of the client.
        "message" | "log_message" if to_its_end => String::new(),
        "udpsend" => String::new(),
        "delay" if out.pauses.contains(acl) => String::new(),
        "dnslists" => {
            let value = lists_without(read.value.unwrap_or_default(), &out.zones);
            format!("{}dnslists = {value}", bang(read))
        }
        _ if out.reverse && read.asks_the_name() => format!("{}condition = true", bang(read)),
        _ => line.trim().strip_prefix(read.verb.unwrap_or_default()).unwrap_or_default().trim().to_owned(),
    };
    let line = format!("{verb} {rest}");
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

fn bang(line: Line<'_>) -> &'static str {
    if line.negated { "!" } else { "" }
}

/// The value of `dnslists` without zones.
pub(super) fn lists_without(value: &str, zones: &BTreeSet<String>) -> String {
    let (prefix, separator, items) = match value.strip_prefix('<').and_then(|rest| rest.chars().next()) {
        Some(separator) => {
            let at = 1 + separator.len_utf8();
            (value.get(..at).unwrap_or_default(), separator, value.get(at..).unwrap_or_default())
        }
        None => ("", ':', value),
    };
    let goes = |name: &str| zones.contains(&name.trim().trim_end_matches('.').to_ascii_lowercase());
    let mut any = false;
    let mut kept: Vec<String> = Vec::new();
    for item in items.split(separator) {
        let end = item.find(['=', '!', '&', '/']).unwrap_or(item.len());
        let (names, rest) = item.split_at(end);
        if !names.split(',').any(goes) {
            kept.push(item.to_owned());
            continue;
        }
        any = true;
        let names: Vec<&str> = names.split(',').filter(|name| !goes(name)).map(str::trim).collect();
        if !names.is_empty() {
            kept.push(format!(" {}{rest}", names.join(",")));
        }
    }
    if !any {
        return value.to_owned();
    }
    format!("{prefix}{}", kept.join(&separator.to_string())).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_turns_a_client_away_only_warns_where_it_meets_the_acl_itself() {
        let out = Out::default();
        let line = |text| varied("a", text, true, &out);
        assert_eq!(line("deny dnslists = x.example").as_deref(), Some("warn dnslists = x.example"));
        assert_eq!(line("    require verify = recipient").as_deref(), Some("warn verify = recipient"));
        assert_eq!(line("deny message = go away").as_deref(), Some("warn"));
        assert_eq!(line("discard senders = x@y").as_deref(), Some("accept senders = x@y"));
        assert_eq!(line("log_message = $sender_host_name"), None);
        // Another ACL asks this one, and goes by what it says.
        assert_eq!(varied("b", "deny hosts = +bad", false, &out).as_deref(), Some("deny hosts = +bad"));
    }

    #[test]
    fn what_is_off_is_not_asked() {
        let out = Out { zones: set(&["x.example"]), pauses: set(&["a"]), reverse: true };
        let line = |acl, text| varied(acl, text, true, &out).unwrap_or_default();
        assert_eq!(line("a", "deny !dnslists = X.example=127.0.0.2 : y.example"), "warn !dnslists = y.example");
        assert_eq!((line("a", "warn delay = 20s"), line("b", "delay = 20s")), ("warn".into(), "delay = 20s".into()));
        assert_eq!(line("a", "deny !verify = reverse_host_lookup/defer_ok"), "warn !condition = true");
        assert_eq!(line("a", "verify = recipient"), "verify = recipient");
    }

    #[test]
    fn a_zone_goes_with_its_answers_and_leaves_the_others() {
        let zones = set(&["b.example"]);
        let left = |value| lists_without(value, &zones);
        assert_eq!(
            left("a.example : b.example=127.0.0.2 : c.example/$sender_address_domain"),
            "a.example : c.example/$sender_address_domain"
        );
        assert_eq!(left("a.example,b.example!=127.0.0.3"), "a.example!=127.0.0.3");
        assert_eq!(left("<; a.example ; b.example."), "<; a.example");
        assert_eq!((left("b.example"), left("x.b.example")), (String::new(), "x.b.example".to_owned()));
    }

    proptest! {
        #[test]
        fn any_line_is_survived(text in "[ -~]{0,120}", value in ".{0,80}") {
            let out = Out { zones: set(&["a.example"]), pauses: set(&["a"]), reverse: true };
            let _ = (varied("a", &text, true, &out), varied("a", &value, false, &out), head(&value));
            prop_assert_eq!(lists_without(&value, &BTreeSet::new()), value);
        }
    }
}
