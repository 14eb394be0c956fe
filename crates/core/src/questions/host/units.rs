//! The question how the services of mail stand with systemd, by `systemctl show`.

use std::collections::BTreeMap;

use maildoctor_wire::octets::escape;
use serde::{Deserialize, Serialize};

use super::queue::MailServer;
use crate::case::Question;
use crate::subject::VantageId;

/// `host.units/1`: the units of [`UNITS`] that are known to systemd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {}

/// Mail servers, and the programs that they ask.
pub const UNITS: [&str; 21] = [
    "amavis.service",
    "clamav-daemon.service",
    "clamav-milter.service",
    "dovecot.service",
    "exim.service",
    "exim4.service",
    "opendkim.service",
    "opendmarc.service",
    "opensmtpd.service",
    "pdns-recursor.service",
    "postfix.service",
    "postfix@-.service",
    "postgrey.service",
    "rspamd.service",
    "saslauthd.service",
    "sendmail.service",
    "smtpd.service",
    "spamass-milter.service",
    "spamd.service",
    "systemd-resolved.service",
    "unbound.service",
];

/// The properties that are asked for.
pub const PROPERTIES: &str =
    "Id,LoadState,ActiveState,SubState,Result,UnitFileState,ExecMainStatus,StateChangeTimestamp";

/// What systemd says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitsWire {
    /// The units that it knows, in their order.
    pub units: Vec<Unit>,
    /// Why it could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<String>,
}

/// A unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its name, such as `exim4.service`.
    pub name: String,
    /// `loaded`, `masked`, `bad-setting`, `error`.
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating` …
    pub active: String,
    /// More closely: `running`, `dead`, `auto-restart` …
    pub sub: String,
    /// How its last run ended: `success`, `exit-code`, `oom-kill` …
    pub result: String,
    /// Whether it is started at boot: `enabled`, `disabled`, `static`, `masked` …; empty where that is not known.
    pub at_boot: String,
    /// With which status its main process ended; 0 where it runs or ended well.
    pub status: i32,
    /// Since when it stands so, in systemd's words; empty where it never ran.
    pub since: String,
}

impl Question for Units {
    const PROBE: &'static str = "host.units/1";
    type On = VantageId;
    type Wire = UnitsWire;
    type View = UnitsWire;

    fn read(wire: UnitsWire) -> Option<UnitsWire> {
        wire.flaw.is_none().then_some(wire)
    }
}

/// The units in what `systemctl show` printed: those of them that there are.
pub fn shown(text: &str) -> Vec<Unit> {
    let known = |unit: &Unit| !unit.name.is_empty() && unit.load != "not-found";
    text.split("\n\n").map(unit).filter(known).take(UNITS.len()).collect()
}

fn unit(block: &str) -> Unit {
    let set: BTreeMap<&str, &str> = block.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |name: &str| escape(set.get(name).copied().unwrap_or_default().as_bytes());
    Unit {
        name: value("Id"),
        load: value("LoadState"),
        active: value("ActiveState"),
        sub: value("SubState"),
        result: value("Result"),
        at_boot: value("UnitFileState"),
        status: set.get("ExecMainStatus").and_then(|status| status.parse().ok()).unwrap_or_default(),
        since: value("StateChangeTimestamp"),
    }
}

impl Unit {
    /// What it is called without its kind: `exim4` of `exim4.service`, `postfix` of `postfix@-.service`.
    pub fn stem(&self) -> &str {
        self.name.split(['@', '.']).next().unwrap_or(&self.name)
    }

    /// Whether nothing can start it.
    pub fn masked(&self) -> bool {
        self.load == "masked"
    }

    /// Whether it is not started at boot.
    pub fn disabled(&self) -> bool {
        self.at_boot == "disabled"
    }

    /// How it stands, as words for a sentence; `None` where it runs.
    pub fn ails(&self) -> Option<String> {
        let since = if self.since.is_empty() { String::new() } else { format!(" since {}", self.since) };
        let status = if self.status == 0 { String::new() } else { format!(", status {}", self.status) };
        let how = match (self.active.as_str(), self.sub.as_str()) {
            _ if self.masked() => "is masked, so nothing can start it".to_owned(),
            _ if matches!(self.load.as_str(), "bad-setting" | "error") => "cannot be read by systemd".to_owned(),
            (_, "auto-restart") => format!("is started again and again ({}{status})", self.result),
            ("failed", _) => format!("has failed ({}{status}){since}", self.result),
            ("inactive", _) if self.since.is_empty() => "was not started".to_owned(),
            ("inactive", _) => format!("has been stopped{since}"),
            _ => return None,
        };
        let boot = if self.disabled() { ", and it is not started at boot" } else { "" };
        Some(format!("{} {how}{boot}", self.name))
    }
}

impl UnitsWire {
    /// The unit that does the work of a mail server.
    pub fn of_server(&self, server: MailServer) -> Option<&Unit> {
        // Debian's `postfix.service` stands for its instances, and is active whatever becomes of them.
        let names: &[&str] = match server {
            MailServer::Postfix => &["postfix@-.service", "postfix.service"],
            MailServer::Exim => &["exim4.service", "exim.service"],
            MailServer::OpenSmtpd => &["opensmtpd.service", "smtpd.service"],
        };
        let mut known = names.iter().filter_map(|name| self.named(name));
        let first = |is: fn(&Unit) -> bool| known.clone().find(|unit| is(unit));
        // One that was never started says less than one that was masked or stopped.
        first(Unit::masked).or_else(|| first(|unit| !unit.since.is_empty())).or_else(|| known.next())
    }

    /// The program beside a mail server that a line of its log tells of, by its socket's path or its name.
    pub fn told_of(&self, line: &str) -> Option<&Unit> {
        let servers = ["dovecot", "exim", "exim4", "opensmtpd", "postfix", "sendmail"];
        let names = |unit: &&Unit| !servers.contains(&unit.stem()) && line.contains(unit.stem());
        self.units.iter().find(names)
    }

    /// A unit by its name.
    pub fn named(&self, name: &str) -> Option<&Unit> {
        self.units.iter().find(|unit| unit.name == name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHOWN: &str = "Result=exit-code\nExecMainStatus=1\nId=exim4.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\n\
                         UnitFileState=disabled\nStateChangeTimestamp=Mon 2026-11-30 21:30:44 UTC\n\nResult=success\nExecMainStatus=0\n\
                         Id=postfix@-.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n\
                         StateChangeTimestamp=\n\nResult=success\nExecMainStatus=0\nId=dovecot.service\nLoadState=masked\n\
                         ActiveState=inactive\nSubState=dead\nUnitFileState=masked\nStateChangeTimestamp=\n";

    #[test]
    fn units_that_there_are_and_how_they_stand() {
        let wire = UnitsWire { units: shown(SHOWN), flaw: None };
        let ails: Vec<String> = wire.units.iter().filter_map(Unit::ails).collect();
        assert_eq!(
            ails,
            [
                "exim4.service has failed (exit-code, status 1) since Mon 2026-11-30 21:30:44 UTC, and it is not started at boot",
                "dovecot.service is masked, so nothing can start it",
            ]
        );
        assert_eq!(wire.of_server(MailServer::Exim).map(Unit::stem), Some("exim4"));
        assert_eq!(wire.of_server(MailServer::Postfix), None);
        assert!(UNITS.is_sorted());
    }

    #[test]
    fn the_unit_that_does_the_work_speaks_for_a_server() {
        let unit = |name: &str, load: &str, active: &str, since: &str| Unit {
            name: name.to_owned(),
            load: load.to_owned(),
            active: active.to_owned(),
            since: since.to_owned(),
            ..Unit::default()
        };
        let debian = UnitsWire {
            units: vec![
                unit("postfix.service", "loaded", "active", "Monday"),
                unit("postfix@-.service", "loaded", "inactive", "Tuesday"),
            ],
            flaw: None,
        };
        let ails = debian.of_server(MailServer::Postfix).and_then(Unit::ails);
        assert_eq!(ails.as_deref(), Some("postfix@-.service has been stopped since Tuesday"));
        let masked = UnitsWire {
            units: vec![
                unit("postfix.service", "masked", "inactive", ""),
                unit("postfix@-.service", "loaded", "inactive", ""),
            ],
            flaw: None,
        };
        assert!(masked.of_server(MailServer::Postfix).is_some_and(Unit::masked));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n]{0,300}") {
            let units = shown(&text);
            let _ = units.iter().filter_map(Unit::ails).count();
        }
    }
}
