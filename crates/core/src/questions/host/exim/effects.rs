//! Whether going through the settings of Exim as for a connection only reads: a rehearsal must change nothing.

use std::collections::BTreeSet;

use super::acl::{condition, is_name, logical_lines};

/// What runs a program, asks one over a socket, or hands a value to code of others.
const RUNS: [&str; 4] = ["${dlfunc", "${perl", "${readsocket", "${run"];

/// What writes to a database of Exim's own, sends something, or asks a database to which it might write.
const WRITES: [&str; 8] = ["ibase", "mysql", "oracle", "pgsql", "ratelimit", "redis", "sqlite", "udpsend"];

/// Why going through the ACL of connections might change something; `None` where it only reads.
///
/// `connect` is the value of `acl_smtp_connect`, empty where it is not set. What cannot be told counts as a change.
pub fn changes(text: &str, connect: &str) -> Option<String> {
    let lines = logical_lines(text);
    if !connect.is_empty() && !is_name(connect) {
        return Some("acl_smtp_connect is not the name of an ACL".to_owned());
    }
    let mut passed: BTreeSet<String> = BTreeSet::from([connect.to_owned()]);
    loop {
        let before = passed.len();
        let (mut section, mut acl) = ("main", String::new());
        for (number, line) in &lines {
            if line.starts_with(".include") {
                return Some(format!("line {number} takes settings from another file"));
            }
            if let Some(next) = line.strip_prefix("begin ") {
                section = if next.trim() == "acl" { "acl" } else { "other" };
                continue;
            }
            if let Some(name) = line.strip_suffix(':').filter(|name| section == "acl" && is_name(name)) {
                acl = name.to_owned();
            }
            let reached = section == "main" || section == "acl" && passed.contains(&acl);
            let acts = |words: &[&str]| words.iter().any(|word| line.contains(word));
            if reached && (acts(&RUNS) || section == "acl" && acts(&WRITES)) {
                return Some(format!("line {number} may change something"));
            }
            if let Some(("acl", inner)) = condition(line).filter(|_| reached && section == "acl") {
                let name = inner.split_whitespace().next().filter(|name| is_name(name));
                let Some(name) = name else { return Some(format!("line {number} names an ACL that is worked out")) };
                passed.insert(name.to_owned());
            }
        }
        if passed.len() == before {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONFIG: &str = "hide mysql_servers = x\nacl_smtp_connect = a\nbegin acl\n# ratelimit\na:\n  deny dnslists = one.example\n  \
                          accept acl = b\nb:\n  accept\nc:\n  deny ratelimit = 10/1h\nbegin routers\nx:\n  y = ${run{z}}\n";

    #[test]
    fn what_a_connection_does_not_come_by_does_not_count() {
        assert_eq!(changes(CONFIG, "a"), None);
        assert_eq!(changes(CONFIG, ""), None);
        assert_eq!(changes(CONFIG, "c").as_deref(), Some("line 11 may change something"));
    }

    #[test]
    fn what_it_comes_by_counts_also_in_an_acl_within() {
        let within = CONFIG.replace("b:\n", "b:\n  warn set acl_c_x = ${lookup mysql{INSERT}}\n");
        assert_eq!(changes(&within, "a").as_deref(), Some("line 9 may change something"));
        let main = format!("smtp_banner = ${{run{{date}}}}\n{CONFIG}");
        assert!(changes(&main, "a").is_some());
        assert!(changes(CONFIG, "${if x {a}{b}}").is_some());
        assert!(changes(&CONFIG.replace("acl = b", "acl = ${x}"), "a").is_some());
        assert!(changes(&format!(".include /x\n{CONFIG}"), "a").is_some());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n]{0,300}") {
            let _ = (changes(&text, "a"), changes(&format!("begin acl\na:\n{text}"), "a"));
        }
    }
}
