//! The settings of Rspamd, by `rspamadm configdump`: where it is a milter, which DNS lists it asks, and for how long
//! it waits.
//!
//! Nothing else of them is kept: some hold passwords and keys.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::asks::{Endpoint, List, Place, Socket, Spares, Stage};
use crate::case::Question;
use crate::subject::VantageId;

/// The most lists and sockets that are kept.
const MAX_KEPT: usize = 100;

/// `host.rspamd/1`: the settings of the Rspamd that runs on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rspamd {
    /// The folder of its settings.
    pub folder: String,
}

/// A rule of the module `rbl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rbl {
    /// The zone that it asks.
    pub zone: String,
    /// Whether it asks about the client's address; otherwise about names in the message.
    pub by_address: bool,
    /// Whether it lists those who are welcome.
    pub welcomes: bool,
    /// Where it stands.
    pub place: Place,
}

/// The module `greylist`, where it is at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greylist {
    /// What it says to whom it puts off.
    pub message: String,
    /// For how long it does, in seconds.
    pub timeout_s: u64,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RspamdWire {
    /// The sockets at which it is a milter, as its settings name them.
    pub milters: Vec<String>,
    /// The DNS lists that it asks.
    pub lists: Vec<Rbl>,
    /// The longest that it looks at a message, in milliseconds.
    pub task_timeout_ms: Option<u64>,
    /// The resolvers that it asks; those of the machine where it names none.
    pub nameservers: Vec<String>,
    /// Its greylisting.
    pub greylist: Option<Greylist>,
    /// Why something could not be read.
    pub flaws: Vec<String>,
}

impl Question for Rspamd {
    const PROBE: &'static str = "host.rspamd/1";
    type On = VantageId;
    type Wire = RspamdWire;
    type View = RspamdWire;

    fn read(wire: RspamdWire) -> Option<RspamdWire> {
        (!wire.milters.is_empty() || !wire.lists.is_empty()).then_some(wire)
    }
}

/// What `rspamadm configdump -j` prints.
pub fn configdump(printed: &str) -> RspamdWire {
    let all: Value = match serde_json::from_str(printed) {
        Ok(all) => all,
        Err(error) => {
            return RspamdWire { flaws: vec![format!("rspamadm: {error}")], ..RspamdWire::default() };
        }
    };
    let at = |path: &str| all.pointer(path);
    RspamdWire {
        milters: milters(at("/worker")).into_iter().take(MAX_KEPT).collect(),
        lists: at("/rbl").filter(|rbl| works(rbl)).map(lists).unwrap_or_default(),
        task_timeout_ms: at("/options/task_timeout").and_then(Value::as_f64).and_then(milliseconds),
        nameservers: at("/options/dns/nameserver").map(texts).unwrap_or_default().into_iter().take(MAX_KEPT).collect(),
        greylist: greylist(&all),
        flaws: Vec::new(),
    }
}

/// Seconds, perhaps with a part of one.
fn milliseconds(seconds: f64) -> Option<u64> {
    u64::try_from(jiff::SignedDuration::try_from_secs_f64(seconds).ok()?.as_millis()).ok()
}

/// One value or a list of them, as text.
fn texts(value: &Value) -> Vec<String> {
    let one = |value: &Value| value.as_str().map(str::to_owned);
    match value {
        Value::Array(values) => values.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}

/// Whether a module or a rule is on, as it is where nothing is said.
fn works(value: &Value) -> bool {
    value.get("enabled") != Some(&Value::Bool(false)) && value.get("disabled") != Some(&Value::Bool(true))
}

/// The sockets of the workers that speak the milter protocol: `rspamd_proxy` with `milter`, one section or several.
fn milters(workers: Option<&Value>) -> Vec<String> {
    let sections = match workers {
        Some(Value::Array(sections)) => sections.iter().collect(),
        other => other.into_iter().collect::<Vec<_>>(),
    };
    let proxies =
        sections.into_iter().filter_map(|section| section.get("rspamd_proxy")).flat_map(|proxy| match proxy {
            Value::Array(several) => several.iter().collect(),
            one => vec![one],
        });
    let speaks = |proxy: &&Value| works(proxy) && proxy.get("milter") == Some(&Value::Bool(true));
    proxies.filter(speaks).filter_map(|proxy| proxy.get("bind_socket")).flat_map(texts).collect()
}

fn lists(rbl: &Value) -> Vec<Rbl> {
    let Some(rules) = rbl.get("rbls").and_then(Value::as_object) else { return Vec::new() };
    let rules = rules.iter().filter(|(_, rule)| works(rule));
    let read = |(name, rule): (&String, &Value)| {
        let zone = rule.get("rbl").and_then(Value::as_str)?.trim_end_matches('.').to_ascii_lowercase();
        let checks = rule.get("checks").map(texts).unwrap_or_default();
        let is = |key: &str| rule.get(key) == Some(&Value::Bool(true));
        // Of `received` alone only the hosts before the client are asked about.
        let by_address = if checks.is_empty() { is("from") } else { checks.iter().any(|check| check == "from") };
        let welcomes = is("is_whitelist") || is("whitelist");
        let place = Place { setting: format!("rule {name} of Rspamd's module rbl"), file: None, line: None };
        Some(Rbl { zone, by_address, welcomes, place })
    };
    rules.filter_map(read).take(MAX_KEPT).collect()
}

/// The module does nothing without a Redis, its own or everybody's.
fn greylist(all: &Value) -> Option<Greylist> {
    let module = all.get("greylist").filter(|module| works(module))?;
    let has_redis = |section: &Value| ["servers", "write_servers"].iter().any(|key| section.get(*key).is_some());
    if !(has_redis(module) || all.get("redis").is_some_and(has_redis)) {
        return None;
    }
    let message = module.get("message").and_then(Value::as_str).unwrap_or("Try again later").to_owned();
    Some(Greylist { message, timeout_s: module.get("timeout").and_then(Value::as_u64).unwrap_or(300) })
}

impl RspamdWire {
    /// Puts the file and the line to the lists of `text` that have none yet: the first that names the zone.
    pub fn stands_in(&mut self, file: &str, text: &str) {
        let lines: Vec<(u32, &str)> =
            (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with('#')).collect();
        for list in self.lists.iter_mut().filter(|list| list.place.file.is_none()) {
            let names = |line: &str| {
                line.split(['"', '\'', ' ', ';', '=', '\t']).any(|word| word.trim_end_matches('.') == list.zone)
            };
            if let Some((number, _)) = lines.iter().find(|(_, line)| names(line)) {
                list.place.file = Some(file.to_owned());
                list.place.line = Some(*number);
            }
        }
    }

    /// Whether a program that a mail server asks is this one.
    pub fn is(&self, endpoint: &Endpoint) -> bool {
        let is_local = |host: &str| matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]" | "*");
        self.milters.iter().any(|bound| {
            // `localhost:11332`, `*:11332`, `/run/rspamd/milter.sock mode=0660 owner=_rspamd`
            let bound = bound.split_whitespace().next().unwrap_or_default();
            match &endpoint.at {
                Socket::Unix(path) => bound == path,
                Socket::Pipe(_) => false,
                Socket::Tcp(host, port) => bound.rsplit_once(':').is_some_and(|(on, number)| {
                    number.parse() == Ok(*port) && (on == host || on == "*" || (is_local(on) && is_local(host)))
                }),
            }
            // A filter of OpenSMTPD's passes mail on to it.
        }) || matches!(&endpoint.at, Socket::Pipe(program) if program.rsplit('/').next() == Some("filter-rspamd"))
    }

    /// The lists that it asks once a mail server has shown it a message: what they say is weighed, and decides nothing
    /// alone.
    pub fn asked(&self) -> impl Iterator<Item = List> + '_ {
        self.lists.iter().map(|list| List {
            zone: list.zone.clone(),
            by_address: list.by_address,
            welcomes: list.welcomes,
            refuses: false,
            stage: Stage::Content,
            place: list.place.clone(),
            spares: Spares::Nobody,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DUMP: &str = r#"{
        "options": {"task_timeout": 8.5, "dns": {"nameserver": ["192.0.2.53"]}, "password": "secret"},
        "worker": [
            {"controller": {"bind_socket": "localhost:11334", "password": "secret"}},
            {"rspamd_proxy": {"milter": true, "bind_socket": ["*:11332", "/run/rspamd/milter.sock mode=0660"]}}
        ],
        "greylist": {"message": "Come back", "timeout": 60}, "redis": {"servers": "127.0.0.1", "password": "secret"},
        "rbl": {"rbls": {
            "a": {"rbl": "Bl.example.", "checks": ["from", "received"]},
            "b": {"rbl": "names.example", "checks": ["urls"]},
            "c": {"rbl": "off.example", "checks": ["from"], "enabled": false},
            "d": {"rbl": "good.example", "from": true, "is_whitelist": true}
        }}}"#;

    fn endpoint(at: Socket) -> Endpoint {
        let place = Place { setting: "smtpd_milters".to_owned(), file: None, line: None };
        Endpoint { at, named: String::new(), stage: Stage::Connect, place }
    }

    #[test]
    fn what_concerns_mail_is_read_and_no_secret_kept() {
        let mut wire = configdump(DUMP);
        assert_eq!(
            (wire.task_timeout_ms, wire.nameservers.as_slice()),
            (Some(8500), ["192.0.2.53".to_owned()].as_slice())
        );
        assert_eq!(wire.greylist, Some(Greylist { message: "Come back".to_owned(), timeout_s: 60 }));
        wire.stands_in(
            "/etc/rspamd/local.d/rbl.conf",
            "rbls {\n  # rbl = \"bl.example\";\n  a { rbl = \"bl.example\"; }\n}\n",
        );
        let told: Vec<_> =
            wire.asked().map(|list| (list.zone, list.by_address, list.welcomes, list.place.line)).collect();
        assert_eq!(
            told,
            [
                ("bl.example".to_owned(), true, false, Some(3)),
                ("names.example".to_owned(), false, false, None),
                ("good.example".to_owned(), true, true, None)
            ]
        );
        assert!(!serde_json::to_string(&wire).unwrap().contains("secret"));
    }

    #[test]
    fn without_a_redis_nobody_is_greylisted() {
        assert_eq!(configdump(&DUMP.replace("\"servers\"", "\"other\"")).greylist, None);
    }

    #[test]
    fn a_milter_is_known_by_its_socket() {
        let wire = configdump(DUMP);
        assert!(wire.is(&endpoint(Socket::Tcp("127.0.0.1".to_owned(), 11332))));
        assert!(wire.is(&endpoint(Socket::Unix("/run/rspamd/milter.sock".to_owned()))));
        assert!(wire.is(&endpoint(Socket::Pipe("/usr/libexec/opensmtpd/filter-rspamd".to_owned()))));
        assert!(!wire.is(&endpoint(Socket::Tcp("127.0.0.1".to_owned(), 11334))));
        assert!(!wire.is(&endpoint(Socket::Unix("/run/opendkim.sock".to_owned()))));
        let elsewhere = configdump(&DUMP.replace("*:11332", "localhost:11332"));
        assert!(!elsewhere.is(&endpoint(Socket::Tcp("192.0.2.7".to_owned(), 11332))));
        assert!(elsewhere.is(&endpoint(Socket::Tcp("127.0.0.1".to_owned(), 11332))));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,200}") {
            let mut wire = configdump(&text);
            wire.stands_in("x", &text);
        }
    }
}
