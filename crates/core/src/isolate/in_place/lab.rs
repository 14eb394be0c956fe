//! The lab as a control in place: its console is told what to leave out, and the service is stopped and started for each measurement.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use maildoctor_wire::console::{Held, Settings};
use tokio::sync::Mutex;

use super::InPlaceError;
use super::journal::{self, Journal};
use super::merge::foreign;
use super::undo::{Back, put_back, usual_state};
use crate::catalogue::Step;
use crate::console::{Console, ConsoleError};
use crate::isolate::{Candidate, Control, ControlError, Kind, Off, Place, Waits, most_measurements};
use crate::probe::talk::Talk;
use crate::vantage::Vantage;

/// The file in the lab's folder that only one run at a time holds locked; it names that run's journal.
const LOCK: &str = "isolate.lock";

/// The longest name of a journal in the lock, in octets.
const MAX_NAME: u64 = 4096;

/// A lab whose settings are changed.
pub struct LabInPlace {
    console: Console,
    exchanger: SocketAddr,
    candidates: Vec<Candidate>,
    sessions: usize,
    before: Settings,
    patience: Duration,
    changing: Mutex<Changing>,
    _lock: Lock,
}

struct Changing {
    journal: Journal,
    /// The revision that we set last.
    revision: String,
}

impl LabInPlace {
    /// Looks at a lab, and begins the journal in `state`. Nothing has been changed yet. A banner is waited for at most `patience`.
    ///
    /// # Errors
    /// [`InPlaceError`] where another run is under way or unfinished, or there is nothing to measure.
    pub async fn begin(console: Console, state: &Path, patience: Duration) -> Result<Self, InPlaceError> {
        let held = console.settings().await?;
        let mut lock = Lock::take(console.folder())?;
        for unfinished in [lock.names(), Some(journal::path_for(state, &held.file))].into_iter().flatten() {
            if unfinished.exists() && !Journal::read(&unfinished).is_ok_and(|journal| journal.is_idle()) {
                return Err(InPlaceError::Unfinished(unfinished.clone(), state_option(&unfinished)));
            }
        }
        let service = console.service().await?;
        let exchanger = service.exchangers.first().copied().filter(|_| service.running).ok_or_else(|| {
            unfit("the SMTP service of the lab is stopped", "start it with `maildoctor lab console start`")
        })?;
        if let Some(ip) = Vantage::here(exchanger).source_for(exchanger)
            && held.settings.whitelist.contains(&ip)
        {
            return Err(exempt(ip));
        }
        let candidates = candidates(&held);
        if candidates.is_empty() {
            let what = "the server looks nothing up before its banner, so there is nothing to leave out";
            return Err(unfit(what, "look elsewhere for its wait: `maildoctor check`"));
        }
        let sessions = console.sessions().await?.len();
        let path = journal::path_for(state, &held.file);
        let wrong = |e: std::io::Error| InPlaceError::Journal { path: path.clone(), why: e.to_string() };
        let journal = Journal::begin(state, console.folder(), &held.file, &held.settings).map_err(wrong)?;
        lock.name(&journal.path).map_err(wrong)?;
        let console = console.for_run(&journal.entry.run);
        Ok(Self {
            console,
            exchanger,
            candidates,
            sessions,
            before: held.settings,
            patience,
            changing: Mutex::new(Changing { journal, revision: held.revision }),
            _lock: lock,
        })
    }

    /// What will be done, for whoever has to agree to it.
    pub fn plan(&self) -> String {
        let lists = self.before.blacklists.len();
        let reverse = if self.before.reverse_lookup { "on" } else { "off" };
        format!(
            "This changes settings of a running server and puts them back:\n\
             \n  server   the lab in {}, SMTP at {}\
             \n  now      {lists} blacklist servers, reverse lookup {reverse}, {} sessions open\
             \n  changes  some of the blacklist servers are left out at a time, the reverse lookup or all of it where that does\
             \n           not suffice. Up to {} times for one guilty list, more for several, the SMTP service is stopped and\
             \n           started: its sessions end, its cache is cleared, connections are refused for that moment. Then one\
             \n           connection is made and the banner waited for, up to {} s.\
             \n  risk     while a list is left out, what it would refuse is taken.\
             \n  at the end, on an error and on Ctrl-C all is put back as it is now, except what somebody else changes meanwhile;\
             \n  after a kill by `maildoctor isolate --restore`.\n",
            self.console.folder().display(),
            self.exchanger,
            self.sessions,
            most_measurements(lists),
            self.patience.as_secs(),
        )
    }

    /// Gives the run up before anything was changed.
    ///
    /// # Errors
    /// [`InPlaceError`]; the journal is kept then.
    pub async fn forget(self) -> Result<(), InPlaceError> {
        self.end().await.map(drop)
    }

    /// Puts everything back and ends the journal.
    ///
    /// # Errors
    /// [`InPlaceError`]; the journal is kept then.
    pub async fn end(self) -> Result<Back, InPlaceError> {
        put_back(&self.console, self.changing.into_inner().journal).await
    }

    async fn apply(&self, wanted: &Settings) -> Result<(), ControlError> {
        let mut changing = self.changing.lock().await;
        if changing.journal.entry.applied != *wanted || changing.journal.entry.intended.is_some() {
            changing.journal.intend(wanted).map_err(|e| unwritten(&changing.journal, &e))?;
            match self.console.set(&changing.revision, wanted).await {
                Ok(held) => changing.revision = held.revision,
                Err(ConsoleError::Changed) => return Err(self.changed_by_others(&changing).await),
                Err(other) => return Err(no_console(&other)),
            }
            changing.journal.applied().map_err(|e| unwritten(&changing.journal, &e))?;
        } else if self.console.settings().await.map_err(|e| no_console(&e))?.revision != changing.revision {
            return Err(self.changed_by_others(&changing).await);
        }
        if !changing.journal.entry.reload {
            changing.journal.reload(true).map_err(|e| unwritten(&changing.journal, &e))?;
        }
        self.console.stop().await.map_err(|e| no_console(&e))?;
        self.console.start().await.map_err(|e| no_console(&e))?;
        changing.journal.reload(false).map_err(|e| unwritten(&changing.journal, &e))
    }

    async fn changed_by_others(&self, changing: &Changing) -> ControlError {
        let how = match self.console.settings().await {
            Ok(held) => foreign(&changing.journal.entry.applied, &held.settings).join(", "),
            Err(_) => String::new(),
        };
        ControlError::unusable(
            format!(
                "somebody else changed the settings while we measured ({how}), so that the measurements say nothing"
            ),
            "run it again when nobody works on that server",
        )
    }
}

impl Control for LabInPlace {
    fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    fn at_once(&self) -> usize {
        1
    }

    async fn measure(&self, off: &Off) -> Result<Waits, ControlError> {
        self.apply(&without(&self.before, off)).await?;
        let vantage = Vantage::here(self.exchanger);
        let connection = vantage.connect(self.exchanger, self.patience).await.map_err(|opened| {
            ControlError::unusable(
                format!("{} does not take connections after the service was started ({opened:?})", self.exchanger),
                "look at `maildoctor lab console status`",
            )
        })?;
        let mut talk = Talk::new(connection);
        let mut waits = Waits::default();
        let banner = match talk.hear(self.patience).await {
            Some(exchange) => Some(exchange),
            None => talk.give_up(),
        };
        if let Some(exchange) = banner {
            waits.note(&exchange);
        }
        talk.quit().await;
        Ok(waits)
    }

    fn remedy(&self, guilty: &Off) -> Vec<Step> {
        let folder = maildoctor_wire::octets::shell_word(&self.console.folder().display().to_string());
        let console = format!("maildoctor lab console --at {folder}");
        let settings = self.candidates.iter().filter(|candidate| guilty.contains(&candidate.id));
        let mut commands: Vec<String> = settings
            .map(|candidate| match &candidate.what {
                Some(zone) => format!("{console} blacklists remove {zone}"),
                None => format!("{console} reverse off"),
            })
            .collect();
        commands.push(format!("{console} restart"));
        vec![Step {
            server: "lab".to_owned(),
            text: "Leave it out, then stop and start the SMTP service, so that its cache is cleared.".to_owned(),
            commands,
        }]
    }
}

fn candidates(held: &Held) -> Vec<Candidate> {
    let file = held.file.display().to_string();
    let place = |setting: &str| vec![Place { file: Some(file.clone()), line: None, setting: setting.to_owned() }];
    let reverse =
        held.settings.reverse_lookup.then(|| Candidate::new(Kind::ReverseLookup, None, place("reverse_lookup")));
    let lists = held.settings.blacklists.iter().map(|zone| Candidate::new(Kind::List, Some(zone), place("blacklists")));
    reverse.into_iter().chain(lists).collect()
}

/// The settings with candidates left out.
fn without(before: &Settings, off: &Off) -> Settings {
    let names: BTreeSet<&str> = off.iter().map(|id| id.0.as_str()).collect();
    let mut settings = before.clone();
    settings.reverse_lookup &= !names.contains(Kind::ReverseLookup.name());
    settings.blacklists.retain(|zone| !names.contains(format!("{}:{zone}", Kind::List.name()).as_str()));
    settings
}

fn unfit(what: &str, next: &str) -> InPlaceError {
    InPlaceError::Unfit { what: what.to_owned(), next: next.to_owned() }
}

fn exempt(ip: IpAddr) -> InPlaceError {
    InPlaceError::Unfit {
        what: format!("our address {ip} is on the whitelist: the server would greet us at once whatever is set"),
        next: format!("measure from elsewhere, or take it off with `maildoctor lab console whitelist remove {ip}`"),
    }
}

/// The option that finds a journal again, where it does not lie in the usual folder.
fn state_option(journal: &Path) -> String {
    match journal.parent() {
        Some(folder) if usual_state().as_deref() != Some(folder) => {
            format!(" --state {}", maildoctor_wire::octets::shell_word(&folder.display().to_string()))
        }
        _ => String::new(),
    }
}

fn unwritten(journal: &Journal, error: &std::io::Error) -> ControlError {
    ControlError::unusable(
        format!("{} cannot be written ({error}), and without it nothing is changed", journal.path.display()),
        "give another folder with --state",
    )
}

fn no_console(error: &ConsoleError) -> ControlError {
    ControlError::unusable(error.to_string(), "look at `maildoctor lab console status`")
}

/// The right to be the only run on a lab; the system takes it back when we end, however we end.
pub(super) struct Lock(File);

impl Lock {
    /// Takes it.
    pub(super) fn take(folder: &Path) -> Result<Self, InPlaceError> {
        let path = folder.join(LOCK);
        let wrong = |e: std::io::Error| InPlaceError::Journal { path: path.clone(), why: e.to_string() };
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(std::fs::TryLockError::WouldBlock) => Err(InPlaceError::Busy(folder.to_owned())),
            Err(std::fs::TryLockError::Error(e)) => Err(wrong(e)),
        }
    }

    /// The journal of the run that held it last, which may be gone.
    fn names(&self) -> Option<PathBuf> {
        let mut text = String::new();
        (&self.0).take(MAX_NAME).read_to_string(&mut text).ok()?;
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    fn name(&mut self, journal: &Path) -> std::io::Result<()> {
        let journal = std::path::absolute(journal)?;
        self.0.set_len(0)?;
        std::io::Seek::rewind(&mut self.0)?;
        self.0.write_all(journal.as_os_str().as_encoded_bytes())?;
        self.0.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_what_is_set_and_leaving_all_out_leaves_nothing() {
        let settings = Settings {
            reverse_lookup: true,
            blacklists: vec!["a.example".to_owned(), "b.example".to_owned()],
            whitelist: Vec::new(),
        };
        let held = Held { settings: settings.clone(), revision: String::new(), file: PathBuf::from("/s.json") };
        let names: Vec<String> = candidates(&held).into_iter().map(|c| c.id.0).collect();
        assert_eq!(names, ["reverse-lookup", "list:a.example", "list:b.example"]);
        let all: Off = candidates(&held).into_iter().map(|c| c.id).collect();
        assert_eq!(without(&settings, &all), Settings::default());
        assert_eq!(without(&settings, &Off::new()), settings);
    }

    #[test]
    fn a_second_run_does_not_get_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Lock::take(folder.path()).unwrap();
        first.name(Path::new("/state/isolate-1.json")).unwrap();
        assert!(matches!(Lock::take(folder.path()), Err(InPlaceError::Busy(_))));
        drop(first);
        assert_eq!(Lock::take(folder.path()).unwrap().names(), Some(PathBuf::from("/state/isolate-1.json")));
    }
}
