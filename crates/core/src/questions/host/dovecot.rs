//! The question which settings the Dovecot of this machine has, and whether it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::asks::Place;
use crate::case::Question;
use crate::subject::VantageId;

/// `host.dovecot/1`: the settings in force, by `doveconf -a`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dovecot {}

/// The settings that are kept, by name. Others stay on the host: some hold passwords.
pub const KEPT: [&str; 7] = ["base_dir", "listen", "log_path", "mail_home", "mail_location", "mail_path", "protocols"];

/// The most services that are kept.
const MAX_SERVICES: usize = 200;

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DovecotWire {
    /// The file with its settings.
    pub file: String,
    /// The settings in force, defaults too: those of [`KEPT`].
    pub settings: BTreeMap<String, String>,
    /// Its services that listen.
    pub services: Vec<Listens>,
    /// Whether its master process runs; absent where that cannot be told.
    pub runs: Option<bool>,
    /// Why something could not be read, in the words of who refused.
    pub flaws: Vec<String>,
}

/// A service that listens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listens {
    /// Its name.
    pub name: String,
    /// The protocol without which it is not started; empty for one that always is.
    pub protocol: String,
    /// The paths of its sockets.
    pub sockets: Vec<String>,
}

impl Question for Dovecot {
    const PROBE: &'static str = "host.dovecot/1";
    type On = VantageId;
    type Wire = DovecotWire;
    type View = DovecotWire;

    fn read(wire: DovecotWire) -> Option<DovecotWire> {
        wire.settings.contains_key("base_dir").then_some(wire)
    }
}

/// Why nobody serves a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deaf<'w> {
    /// The service that would is not started without this protocol.
    NotSpoken(&'w str),
    /// It listens at these paths alone.
    Elsewhere(&'w [String]),
}

impl DovecotWire {
    /// A setting in force; absent where it was not kept.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// Where a setting of the whole stands: in which file of several, only the first of them can be said.
    pub fn place(&self, name: &str) -> Place {
        Place { setting: name.to_owned(), file: Some(self.file.clone()).filter(|file| !file.is_empty()), line: None }
    }

    /// Whether it speaks a protocol.
    pub fn speaks(&self, protocol: &str) -> bool {
        self.setting("protocols").is_some_and(|spoken| spoken.split_whitespace().any(|own| own == protocol))
    }

    /// Whether its settings have one of its services listen at a socket.
    pub fn listens_at(&self, socket: &str) -> bool {
        self.services.iter().flat_map(|own| &own.sockets).any(|path| path == socket)
    }

    /// Why the service of a name does not serve a socket; `None` where it does.
    pub fn deaf(&self, service: &str, socket: &str) -> Option<Deaf<'_>> {
        let own = self.services.iter().find(|own| own.name == service)?;
        if !own.protocol.is_empty() && !self.speaks(&own.protocol) {
            return Some(Deaf::NotSpoken(&own.protocol));
        }
        (!own.sockets.iter().any(|path| path == socket)).then_some(Deaf::Elsewhere(&own.sockets))
    }

    /// The folders below which its settings have the mailboxes, as far as these are the same for all users.
    pub fn mailboxes(&self) -> impl Iterator<Item = &str> {
        // `maildir:/var/vmail/%n:INDEX=/var/index/%n`; since Dovecot 2.4 the path stands alone.
        let location =
            self.setting("mail_location").and_then(|location| location.split_once(':')).map(|(_, path)| path);
        let all = [location, self.setting("mail_path"), self.setting("mail_home")];
        all.into_iter().flatten().filter_map(everybodys)
    }

    /// The file that it writes its log to; `None` where it goes to syslog.
    pub fn log(&self) -> Option<&str> {
        self.setting("log_path").filter(|path| path.starts_with('/') && !path.starts_with("/dev/"))
    }
}

/// The folder of a path in which variables stand for users, such as `/var/vmail/%d/%n`: as far as it is everybody's.
fn everybodys(path: &str) -> Option<&str> {
    let fixed = path.split(['%', ':']).next()?;
    let folder = if fixed.len() == path.len() { fixed } else { fixed.rsplit_once('/')?.0 };
    folder.starts_with('/').then_some(folder)
}

/// What `doveconf -a` prints: `name = value` lines in nested sections.
pub fn doveconf(printed: &str) -> DovecotWire {
    let mut wire = DovecotWire::default();
    // `# 2.3.19.1 (…): /etc/dovecot/dovecot.conf`
    let first = printed.lines().next().and_then(|line| line.strip_prefix("# ")?.rsplit_once(": "));
    wire.file = first.map(|(_, file)| file.trim().to_owned()).unwrap_or_default();
    let mut open: Vec<&str> = Vec::new();
    let mut protocols: Vec<&str> = Vec::new();
    for line in printed.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(section) = line.strip_suffix('{') {
            let section = section.trim();
            match (open.as_slice(), section.split_once(' ')) {
                ([], Some(("service", name))) if wire.services.len() < MAX_SERVICES => {
                    wire.services.push(Listens { name: name.trim().to_owned(), ..Listens::default() });
                }
                ([within], Some(("unix_listener", path))) if within.starts_with("service ") => {
                    if let Some(service) = wire.services.last_mut() {
                        service.sockets.push(path.trim().to_owned());
                    }
                }
                _ => {}
            }
            open.push(section);
            continue;
        }
        if line == "}" {
            open.pop();
            continue;
        }
        let Some((name, value)) = line.split_once('=').map(|(name, value)| (name.trim(), value.trim())) else {
            continue;
        };
        match open.as_slice() {
            [] if KEPT.contains(&name) => {
                wire.settings.insert(name.to_owned(), value.to_owned());
            }
            // Dovecot 2.4 has a section in place of the list.
            ["protocols"] if value == "yes" => protocols.push(name),
            [within] if within.starts_with("service ") && name == "protocol" => {
                if let Some(service) = wire.services.last_mut() {
                    value.clone_into(&mut service.protocol);
                }
            }
            _ => {}
        }
    }
    if !protocols.is_empty() {
        wire.settings.insert("protocols".to_owned(), protocols.join(" "));
    }
    let base = wire.setting("base_dir").unwrap_or("/run/dovecot").to_owned();
    for path in wire.services.iter_mut().flat_map(|service| &mut service.sockets) {
        if !path.starts_with('/') {
            *path = format!("{base}/{path}");
        }
    }
    wire.services.retain(|service| !service.sockets.is_empty());
    wire
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mailboxes_lie_where_no_variable_stands_yet() {
        for (location, folder) in [
            ("maildir:/var/vmail/%d/%n", Some("/var/vmail")),
            ("maildir:/var/vmail/%n/Maildir:INDEX=/var/index/%n", Some("/var/vmail")),
            ("mdbox:/srv/mail/shared:ALT=/srv/old", Some("/srv/mail")),
            ("mbox:/srv/mail", Some("/srv/mail")),
            ("maildir:~/Maildir", None),
            ("", None),
        ] {
            let settings = BTreeMap::from([("mail_location".to_owned(), location.to_owned())]);
            let wire = DovecotWire { settings, ..DovecotWire::default() };
            assert_eq!(wire.mailboxes().collect::<Vec<_>>(), Vec::from_iter(folder), "{location}");
        }
    }

    const PRINTED: &str = "\
# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf
# OS: Linux x86_64
base_dir = /run/dovecot
log_path = /var/log/dovecot.log
passdb {
  args = /etc/dovecot/secret
}
protocols = imap pop3
service auth {
  protocol =
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
  }
  unix_listener auth-userdb {
    mode = 0666
  }
}
service lmtp {
  protocol = lmtp
  unix_listener lmtp {
  }
}
ssl_key_password = secret
";

    #[test]
    fn listeners_and_protocols_are_read_and_no_secret_is_kept() {
        let wire = doveconf(PRINTED);
        assert_eq!((wire.file.as_str(), wire.log()), ("/etc/dovecot/dovecot.conf", Some("/var/log/dovecot.log")));
        assert!(wire.speaks("pop3") && !wire.speaks("lmtp") && !wire.speaks("pop"));
        assert_eq!(wire.deaf("auth", "/var/spool/postfix/private/auth"), None);
        let all = ["/var/spool/postfix/private/auth".to_owned(), "/run/dovecot/auth-userdb".to_owned()];
        assert_eq!(wire.deaf("auth", "/var/spool/postfix/private/gone"), Some(Deaf::Elsewhere(&all)));
        assert_eq!(wire.deaf("lmtp", "/run/dovecot/lmtp"), Some(Deaf::NotSpoken("lmtp")));
        assert!(!serde_json::to_string(&wire).unwrap().contains("secret"));
    }

    #[test]
    fn the_section_of_2_4_names_its_protocols() {
        let wire = doveconf("base_dir = /run/dovecot\nprotocols {\n  imap = yes\n  lmtp = yes\n  pop3 = no\n}\n");
        assert_eq!(wire.setting("protocols"), Some("imap lmtp"));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n]{0,300}") {
            let _ = doveconf(&text);
        }
    }
}
