//! The settings of OpenSMTPD: the statements of smtpd.conf that tell what a client meets, with their places.
//!
//! What may hold a secret (the values in a table, the arguments of a program, the URL of a relay) is not kept.

pub mod log;
mod statements;

use serde::{Deserialize, Serialize};

use super::asks::{Asks, Endpoint, Place, Socket, Stage};
use crate::case::Question;
use crate::subject::VantageId;
use statements::{Statement, statements};

/// `host.opensmtpd/1`: the settings of the OpenSMTPD of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSmtpd {
    /// The file.
    pub file: String,
}

/// A `listen on` statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// The address, the interface, or its group.
    pub on: String,
    /// The port; absent for the local socket.
    pub port: Option<u16>,
    /// The filters that its clients pass, by their names.
    pub filters: Vec<String>,
    /// Where it stands.
    pub place: Place,
}

/// What a filter is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterKind {
    /// A program that is asked at each phase it wants, by its path.
    Program(String),
    /// Others in a row, by their names.
    Chain(Vec<String>),
    /// A condition of OpenSMTPD's own, which asks nobody: its phase.
    Phase(String),
}

/// A `filter` statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: FilterKind,
    /// Where it stands.
    pub place: Place,
}

/// A file that a statement names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedFile {
    /// The file.
    pub path: String,
    /// Whether it is there; absent where that could not be seen.
    pub is_there: Option<bool>,
    /// Where it is named.
    pub place: Place,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSmtpdWire {
    /// Where it listens.
    pub listens: Vec<Listen>,
    /// Its filters.
    pub filters: Vec<Filter>,
    /// Its tables, certificates and keys that are files.
    pub files: Vec<NamedFile>,
    /// Where the largest message that it takes is set, and how large that is, in octets.
    pub largest: Option<(u64, Place)>,
    /// Whether its processes run.
    pub runs: bool,
    /// What it has against these settings when it is asked to check them (`smtpd -n`): then it does not start.
    pub refuses: Option<String>,
    /// Why something could not be read.
    pub flaws: Vec<String>,
}

impl Question for OpenSmtpd {
    const PROBE: &'static str = "host.opensmtpd/1";
    type On = VantageId;
    type Wire = OpenSmtpdWire;
    type View = OpenSmtpdWire;

    fn read(wire: OpenSmtpdWire) -> Option<OpenSmtpdWire> {
        // Settings of which a part could not be read tell nothing by what is not in them.
        (!wire.listens.is_empty() || wire.refuses.is_some()).then_some(wire)
    }
}

/// Reads the settings in `file`; `open` gives the text of a file, or why it has none.
pub fn read(file: &str, open: &mut dyn FnMut(&str) -> Result<String, String>) -> OpenSmtpdWire {
    let reading = statements(file, open);
    let mut wire = OpenSmtpdWire { flaws: reading.flaws, ..OpenSmtpdWire::default() };
    for statement in &reading.statements {
        let words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["listen", "on", on, options @ ..] => wire.listens.push(listen(statement, on, options)),
            ["filter", name, kind @ ..] => {
                let place = statement.place(&format!("filter {name}"));
                wire.filters.extend(filter(kind).map(|kind| Filter { name: (*name).to_owned(), kind, place }));
            }
            ["smtp", "max-message-size", size] => {
                wire.largest = octets(size).map(|size| (size, statement.place("smtp max-message-size")));
            }
            ["table", name, backend, ..] => {
                let path = backend.split_once(':').filter(|(kind, _)| FILES.contains(kind)).map(|(_, path)| path);
                wire.files.extend(path.map(|path| statement.names(&format!("table {name}"), path)));
            }
            ["pki", name, what @ ("cert" | "key"), path] => {
                wire.files.push(statement.names(&format!("pki {name} {what}"), path));
            }
            ["ca", name, "cert", path] => wire.files.push(statement.names(&format!("ca {name} cert"), path)),
            _ => {}
        }
    }
    wire
}

/// The kinds of tables that are a file; a database has the suffix `.db` where it is not given.
const FILES: [&str; 1] = ["file"];

impl Statement {
    fn place(&self, setting: &str) -> Place {
        Place { setting: setting.to_owned(), file: Some(self.file.clone()), line: Some(self.line) }
    }

    fn names(&self, setting: &str, path: &str) -> NamedFile {
        NamedFile { path: path.to_owned(), is_there: None, place: self.place(setting) }
    }
}

fn listen(statement: &Statement, on: &str, options: &[&str]) -> Listen {
    let behind = |name: &str| options.iter().position(|word| *word == name).map(|at| at + 1);
    let named = behind("port").and_then(|at| options.get(at)).and_then(|port| port_of(port));
    let port = named.unwrap_or(if options.contains(&"smtps") { 465 } else { 25 });
    let filters = behind("filter").map(|at| list(options.get(at..).unwrap_or_default())).unwrap_or_default();
    Listen {
        on: on.to_owned(),
        port: (on != "socket").then_some(port),
        filters,
        place: statement.place(&format!("listen on {on}")),
    }
}

/// A port by its number, or by the name that it has in services(5).
fn port_of(word: &str) -> Option<u16> {
    match word {
        "smtp" => Some(25),
        "submission" => Some(587),
        "smtps" | "submissions" => Some(465),
        number => number.parse().ok(),
    }
}

/// One name, or those between braces.
fn list(words: &[&str]) -> Vec<String> {
    match words {
        ["{", rest @ ..] => {
            let inside = rest.iter().take_while(|word| **word != "}");
            inside.filter(|word| **word != ",").map(|word| (*word).to_owned()).collect()
        }
        [name, ..] => vec![(*name).to_owned()],
        [] => Vec::new(),
    }
}

fn filter(words: &[&str]) -> Option<FilterKind> {
    match words {
        ["proc-exec", command, ..] => Some(FilterKind::Program(program(command))),
        // `filter name proc procname`, of a `proc` statement that names the program.
        ["proc", name, ..] => Some(FilterKind::Program((*name).to_owned())),
        ["chain", rest @ ..] => Some(FilterKind::Chain(list(rest))),
        ["phase", phase, ..] => Some(FilterKind::Phase((*phase).to_owned())),
        _ => None,
    }
}

/// The program in a command, without its arguments; a name alone stands for OpenSMTPD's own folder.
fn program(command: &str) -> String {
    command.split_whitespace().next().unwrap_or_default().to_owned()
}

/// `35M`: octets, with the letters of `scan_scaled(3)`.
fn octets(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..)?.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

impl OpenSmtpdWire {
    /// The statements that make it listen on a port.
    pub fn on_port(&self, port: u16) -> impl Iterator<Item = &Listen> {
        self.listens.iter().filter(move |listen| listen.port == Some(port))
    }

    /// The ports that it listens on.
    pub fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.listens.iter().filter_map(|listen| listen.port).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// What is asked about each client at a port: its name, always and before the banner, and the programs of its
    /// filters.
    pub fn asks(&self, port: u16) -> Asks {
        let mut asks = Asks::default();
        for listen in self.on_port(port) {
            asks.reverse = Some((Stage::Connect, listen.place.clone()));
            for filter in self.programs(&listen.filters) {
                let FilterKind::Program(program) = &filter.kind else { continue };
                let endpoint = Endpoint {
                    at: Socket::Pipe(program.clone()),
                    named: filter.name.clone(),
                    stage: Stage::Connect,
                    place: filter.place.clone(),
                };
                if !asks.milters.contains(&endpoint) {
                    asks.milters.push(endpoint);
                }
            }
        }
        asks
    }

    /// The filters with these names that are programs, those in chains as well.
    fn programs(&self, names: &[String]) -> Vec<&Filter> {
        let named = |name: &String| self.filters.iter().find(|filter| filter.name == *name);
        let found = names.iter().filter_map(named).flat_map(|filter| match &filter.kind {
            // A chain may not stand in another one.
            FilterKind::Chain(names) => names.iter().filter_map(named).collect(),
            _ => vec![filter],
        });
        found.filter(|filter| matches!(filter.kind, FilterKind::Program(_))).collect()
    }

    /// The place that the server complains of when it refuses its settings (`/etc/smtpd.conf:3: no such table: users`), or where
    /// it names none, that of the first file that is not there.
    pub fn refused_at(&self) -> Option<Place> {
        let said = self.refuses.as_deref()?;
        let told = said.lines().find_map(|line| {
            let (at, _) = line.split_once(": ")?;
            let (file, number) = at.rsplit_once(':')?;
            let place =
                |number| Place { setting: "smtpd.conf".to_owned(), file: Some(file.to_owned()), line: Some(number) };
            file.starts_with('/').then(|| number.parse().ok().map(place)).flatten()
        });
        told.or_else(|| self.files.iter().find(|file| file.is_there == Some(false)).map(|file| file.place.clone()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONFIG: &str = "pki mx cert \"/etc/mx.crt\"\npki mx key \"/etc/mx.key\"\ntable aliases file:/etc/aliases\n\
        table users { anna = secret }\nfilter \"f\" proc-exec \"filter-x -p secret\"\nfilter norev phase connect match !rdns disconnect \"550 no\"\n\
        filter all chain { f, norev }\nsmtp max-message-size 5M\nlisten on lo\nlisten on socket\n\
        listen on eth0 smtps pki mx auth <users> filter all\nlisten on 192.0.2.7 port 587 tls-require filter { f }\naction \"out\" relay host smtp://x\n";

    fn wire(text: &str) -> OpenSmtpdWire {
        read("/etc/smtpd.conf", &mut |_| Ok(text.to_owned()))
    }

    #[test]
    fn what_a_client_meets_is_read_with_its_places_and_no_secret() {
        let wire = wire(CONFIG);
        assert_eq!(wire.ports(), [25, 465, 587]);
        assert_eq!(wire.largest.as_ref().map(|(size, place)| (*size, place.line)), Some((5 << 20, Some(8))));
        let files: Vec<_> =
            wire.files.iter().map(|f| (f.path.as_str(), f.place.setting.as_str(), f.place.line)).collect();
        assert_eq!(
            files,
            [
                ("/etc/mx.crt", "pki mx cert", Some(1)),
                ("/etc/mx.key", "pki mx key", Some(2)),
                ("/etc/aliases", "table aliases", Some(3))
            ]
        );
        assert!(!serde_json::to_string(&wire).unwrap().contains("secret"));
    }

    #[test]
    fn programs_are_asked_on_the_ports_that_name_their_filter() {
        let wire = wire(CONFIG);
        for port in [465, 587] {
            let asks = wire.asks(port);
            let [milter] = asks.milters.as_slice() else { panic!("{asks:?}") };
            assert_eq!((milter.named.as_str(), milter.place.line), ("f", Some(5)));
            assert_eq!(milter.at, Socket::Pipe("filter-x".to_owned()));
        }
        let asks = wire.asks(25);
        assert!(asks.milters.is_empty());
        assert_eq!(asks.reverse.unwrap().1.in_words(), "listen on lo in /etc/smtpd.conf, line 9");
    }

    #[test]
    fn a_refusal_names_its_line_or_a_file_that_is_missing() {
        let mut wire = wire(CONFIG);
        assert_eq!(wire.refused_at(), None);
        wire.refuses = Some("smtpd: load_pki_tree: failed to load certificate file".to_owned());
        wire.files[0].is_there = Some(false);
        assert_eq!(wire.refused_at().unwrap().in_words(), "pki mx cert in /etc/smtpd.conf, line 1");
        wire.refuses =
            Some("/etc/gone: fopen: No such file or directory\n/etc/smtpd.conf:7: no such table: x".to_owned());
        assert_eq!(wire.refused_at().unwrap().line, Some(7));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n]{0,300}") {
            let read = wire(&text);
            let _ = (read.ports(), read.asks(25), read.refused_at());
        }
    }
}
