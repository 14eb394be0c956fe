//! What a Postfix asks of others for each client, from its restrictions, milters and postscreen.

use super::PostfixView;
use super::files::{Service, Word, time_ms, words};
use crate::questions::host::asks::{Asks, Endpoint, List, Pause, Socket, Spares, Stage};

/// How deep restriction classes are followed.
const MAX_DEPTH: usize = 8;

/// The lists of restrictions, in the order in which Postfix goes through them, and when.
const RESTRICTIONS: [(&str, Stage); 7] = [
    ("smtpd_client_restrictions", Stage::Connect),
    ("smtpd_helo_restrictions", Stage::Helo),
    ("smtpd_sender_restrictions", Stage::Mail),
    ("smtpd_relay_restrictions", Stage::Rcpt),
    ("smtpd_recipient_restrictions", Stage::Rcpt),
    ("smtpd_data_restrictions", Stage::Data),
    ("smtpd_end_of_data_restrictions", Stage::Content),
];

impl PostfixView {
    /// What is asked for a client of the service on a port; `None` where no service listens on it.
    pub fn asks(&self, port: u16) -> Option<Asks> {
        let front = self.service_on(port)?;
        let mut asks = Asks::default();
        if front.command == "postscreen" {
            self.screen(front, &mut asks);
            // What postscreen lets through is handed to the smtpd behind it.
            let behind = self.wire.services.iter().find(|s| s.kind == "pass" && s.command == "smtpd");
            if let Some(service) = behind {
                self.serve(service, &mut asks);
            }
        } else {
            self.serve(front, &mut asks);
        }
        Some(asks)
    }

    fn screen(&self, service: &Service, asks: &mut Asks) {
        let value = |name: &str| self.setting_of(service, name).unwrap_or_default();
        for word in words(value("postscreen_dnsbl_sites")) {
            let zone = zone_of(word.text());
            if !zone.is_empty() {
                let welcomes = word.text().rsplit_once('*').is_some_and(|(_, weight)| weight.starts_with('-'));
                asks.lists.push(List {
                    place: self.place(service, "postscreen_dnsbl_sites", Some(&zone)),
                    welcomes,
                    refuses: !welcomes,
                    zone,
                    by_address: true,
                    stage: Stage::Screen,
                    spares: Spares::OwnNetworks,
                });
            }
        }
        if !value("postscreen_greet_banner").is_empty()
            && let Some(pause) = time_ms(value("postscreen_greet_wait"), 's').filter(|ms| *ms > 0)
        {
            let place = self.place(service, "postscreen_greet_wait", None);
            asks.pauses.push(Pause { ms: pause, stage: Stage::Screen, place });
        }
        for word in words(value("postscreen_access_list")) {
            if word.text() == "permit_mynetworks" {
                self.spare_own_networks(service, asks);
            }
        }
    }

    fn serve(&self, service: &Service, asks: &mut Asks) {
        if self.is_on(service, "smtpd_peername_lookup") {
            asks.reverse = Some((Stage::Connect, self.place(service, "smtpd_peername_lookup", None)));
        }
        let delayed = self.is_on(service, "smtpd_delay_reject");
        for (setting, stage) in RESTRICTIONS {
            let stage = if delayed { stage.max(Stage::Rcpt) } else { stage };
            let mut walk = Walk { view: self, service, setting, stage, spares: Spares::Nobody, asks };
            walk.through(self.setting_of(service, setting).unwrap_or_default(), 0);
        }
        for word in words(self.setting_of(service, "smtpd_milters").unwrap_or_default()) {
            if let Some(at) = self.socket(word.text()) {
                asks.milters.push(Endpoint {
                    at,
                    named: word.text().to_owned(),
                    stage: Stage::Connect,
                    place: self.place(service, "smtpd_milters", Some(word.text())),
                });
            }
        }
    }

    fn spare_own_networks(&self, service: &Service, asks: &mut Asks) {
        for word in words(self.setting_of(service, "mynetworks").unwrap_or_default()) {
            if let Ok(network) = word.text().parse()
                && !asks.spared.iter().any(|(known, _)| *known == network)
            {
                asks.spared.push((network, self.place(service, "mynetworks", Some(word.text()))));
            }
        }
    }

    /// `inet:127.0.0.1:10023`, `unix:private/policy`, `local:/run/x.sock`: paths are below the queue directory.
    fn socket(&self, text: &str) -> Option<Socket> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "inet" => {
                let (host, port) = rest.rsplit_once(':')?;
                let host = host.trim_matches(['[', ']']);
                Some(Socket::Tcp(if host.is_empty() { "localhost" } else { host }.to_owned(), port.parse().ok()?))
            }
            "unix" | "local" if rest.starts_with('/') => Some(Socket::Unix(rest.to_owned())),
            "unix" | "local" if !rest.is_empty() => Some(Socket::Unix(format!("{}/{rest}", self.queue()))),
            _ => None,
        }
    }
}

/// A list of restrictions under way.
struct Walk<'w> {
    view: &'w PostfixView,
    service: &'w Service,
    setting: &'static str,
    stage: Stage,
    spares: Spares,
    asks: &'w mut Asks,
}

impl Walk<'_> {
    fn through(&mut self, value: &str, depth: usize) {
        let mut rest = words(value).into_iter();
        // What stands behind `warn_if_reject` is asked, and refuses nobody.
        let mut warns = false;
        while let Some(word) = rest.next() {
            let refuses = !std::mem::take(&mut warns);
            let (name, own) = match word {
                Word::Plain(name) => (name, None),
                Word::Braced(name, parts) => (name, Some(parts)),
            };
            let argument = |rest: &mut std::vec::IntoIter<Word>| match &own {
                Some(parts) => parts.first().cloned(),
                None => rest.next().map(|word| word.text().to_owned()),
            };
            match name.as_str() {
                "warn_if_reject" => warns = true,
                "permit_mynetworks" => {
                    if self.stage <= Stage::Rcpt {
                        self.view.spare_own_networks(self.service, self.asks);
                    }
                    self.spares = Spares::OwnNetworks;
                }
                "check_policy_service" => {
                    let Some(named) = argument(&mut rest) else { continue };
                    if let Some(at) = self.view.socket(&named) {
                        let place = self.view.place(self.service, self.setting, Some(&named));
                        self.asks.policies.push(Endpoint { at, named, stage: self.stage, place });
                    }
                }
                "sleep" => {
                    if let Some(ms) = argument(&mut rest).and_then(|text| time_ms(&text, 's')).filter(|ms| *ms > 0) {
                        let place = self.view.place(self.service, self.setting, Some("sleep"));
                        self.asks.pauses.push(Pause { ms, stage: self.stage, place });
                    }
                }
                "reject_rbl_client" | "permit_dnswl_client" => {
                    if let Some(zone) = argument(&mut rest) {
                        self.list(&zone, true, name.starts_with("permit"), refuses);
                    }
                }
                name if name.starts_with("reject_rhsbl_") || name == "permit_rhswl_client" => {
                    if let Some(zone) = argument(&mut rest) {
                        self.list(&zone, false, name.starts_with("permit"), refuses);
                    }
                }
                class if depth < MAX_DEPTH && self.is_class(class) => {
                    if let Some(value) = self.view.setting(class).map(str::to_owned) {
                        self.through(&value, depth + 1);
                    }
                }
                _ => {}
            }
        }
    }

    fn list(&mut self, word: &str, by_address: bool, welcomes: bool, refuses: bool) {
        let zone = zone_of(word);
        if zone.is_empty() {
            return;
        }
        let place = self.view.place(self.service, self.setting, Some(&zone));
        self.asks.lists.push(List {
            zone,
            by_address,
            welcomes,
            refuses: refuses && !welcomes,
            stage: self.stage,
            place,
            spares: self.spares,
        });
    }

    fn is_class(&self, name: &str) -> bool {
        let classes = self.view.setting("smtpd_restriction_classes").unwrap_or_default();
        words(classes).iter().any(|word| word.text() == name)
    }
}

/// The zone of `zen.example.net=127.0.0.[2..11]*3`, in the form in which names are compared.
pub(crate) fn zone_of(word: &str) -> String {
    let zone = word.split(['=', '*']).next().unwrap_or_default();
    crate::subject::Zone::new(zone).as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::files::{line_of, logical_lines, overrides, parameters, services, written};
    use super::super::{PostfixView, PostfixWire};
    use super::*;

    /// An instance from its two files; what `postconf` would add of defaults is given by hand.
    fn instance(main_cf: &str, master_cf: &str, set: &str) -> PostfixView {
        let mut settings: BTreeMap<String, String> = [
            ("config_directory", "/etc/postfix"),
            ("queue_directory", "/var/spool/postfix"),
            ("smtpd_peername_lookup", "yes"),
            ("smtpd_delay_reject", "yes"),
            ("mynetworks", "127.0.0.0/8"),
            ("postscreen_greet_banner", "$smtpd_banner"),
            ("postscreen_greet_wait", "6s"),
            ("postscreen_access_list", "permit_mynetworks"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for lines in written(main_cf) {
            let text: Vec<&str> = lines.lines.iter().map(|line| line.text.trim()).collect();
            settings.extend(parameters(&text.join(" ")).map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        let mut services = services(master_cf);
        for service in &mut services {
            service.line = line_of(&logical_lines(master_cf), &service.name, &service.kind);
            service.overrides = overrides(set)
                .filter(|(name, kind, ..)| *name == service.name && *kind == service.kind)
                .map(|(_, _, name, value)| (name.to_owned(), value.to_owned()))
                .collect();
        }
        PostfixView { wire: PostfixWire { settings, main_cf: written(main_cf), services, flaws: Vec::new() } }
    }

    #[test]
    fn lists_are_found_with_stage_and_line() {
        let view = instance(
            "smtpd_restriction_classes = strangers\nstrangers = reject_rbl_client b.example\nsmtpd_client_restrictions = \
             permit_mynetworks\n  reject_rbl_client A.example=127.0.0.[2..11]\nsmtpd_recipient_restrictions = strangers,\n  \
             reject_rhsbl_sender names.example\n  { check_policy_service inet:127.0.0.1:10023, timeout=5s }\n",
            "smtp inet n - n - - smtpd\n",
            "",
        );
        let asks = view.asks(25).unwrap();
        let seen: Vec<_> = asks
            .lists
            .iter()
            .map(|l| {
                let spares = l.spares == Spares::OwnNetworks;
                (l.zone.as_str(), l.stage, l.by_address, spares, l.place.setting.as_str(), l.place.line)
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("a.example", Stage::Rcpt, true, true, "smtpd_client_restrictions", Some(3)),
                ("b.example", Stage::Rcpt, true, false, "strangers", Some(2)),
                ("names.example", Stage::Rcpt, false, false, "smtpd_recipient_restrictions", Some(6)),
            ]
        );
        assert_eq!(asks.policies.len(), 1);
        assert_eq!(asks.policies[0].at, Socket::Tcp("127.0.0.1".into(), 10023));
        assert!(
            asks.spares("127.0.0.1".parse().unwrap()).is_some() && asks.spares("192.0.2.1".parse().unwrap()).is_none()
        );
        assert!(view.asks(587).is_none());
    }

    #[test]
    fn a_list_that_only_warns_refuses_nobody() {
        let view = instance(
            "smtpd_client_restrictions = warn_if_reject reject_rbl_client a.example, reject_rbl_client b.example\n",
            "smtp inet n - n - - smtpd\n",
            "",
        );
        let lists = view.asks(25).unwrap().lists;
        assert_eq!(
            lists.iter().map(|list| (list.zone.as_str(), list.refuses)).collect::<Vec<_>>(),
            [("a.example", false), ("b.example", true)]
        );
    }

    #[test]
    fn without_delay_the_client_is_asked_about_before_the_banner() {
        let view = instance(
            "smtpd_delay_reject = no\nsmtpd_client_restrictions = reject_rbl_client a.example\n",
            "smtp inet n - n - - smtpd\n",
            "",
        );
        assert_eq!(view.asks(25).unwrap().lists[0].stage, Stage::Connect);
    }

    #[test]
    fn a_service_has_its_own_settings_and_their_place() {
        let view = instance(
            "smtpd_client_restrictions = reject_rbl_client a.example\nsmtpd_milters = unix:milter.sock\n",
            "smtp inet n - n - - smtpd\nsubmission inet n - n - - smtpd\n",
            "submission/inet/smtpd_client_restrictions = permit\nsubmission/inet/smtpd_milters = inet:localhost:8891\n",
        );
        let asks = view.asks(587).unwrap();
        assert!(asks.lists.is_empty());
        assert_eq!(asks.milters[0].at, Socket::Tcp("localhost".into(), 8891));
        assert_eq!(
            (asks.milters[0].place.file.as_deref(), asks.milters[0].place.line),
            (Some("/etc/postfix/master.cf"), Some(2))
        );
        assert_eq!(view.asks(25).unwrap().milters[0].at, Socket::Unix("/var/spool/postfix/milter.sock".into()));
    }

    #[test]
    fn postscreen_comes_first() {
        let view = instance(
            "postscreen_dnsbl_sites = a.example*2,\n  good.example=127.0.0.[2;3]*-1\n",
            "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n",
            "",
        );
        let asks = view.asks(25).unwrap();
        let seen: Vec<_> = asks.lists.iter().map(|l| (l.zone.as_str(), l.stage, l.welcomes, l.place.line)).collect();
        assert_eq!(
            seen,
            [("a.example", Stage::Screen, false, Some(1)), ("good.example", Stage::Screen, true, Some(2))]
        );
        assert_eq!(asks.pauses.first().map(|pause| (pause.ms, pause.stage)), Some((6000, Stage::Screen)));
        assert!(asks.reverse.is_some() && asks.spares("127.0.0.1".parse().unwrap()).is_some());
    }
}
