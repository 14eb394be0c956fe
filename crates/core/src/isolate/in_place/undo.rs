//! Undoing what a run did, at its end or long after it.

use std::path::{Path, PathBuf};

use maildoctor_wire::console::Settings;

use super::InPlaceError;
use super::journal::{self, Journal};
use super::lab::Lock;
use super::merge::{foreign, undone};
use crate::console::{Console, ConsoleError};

/// How often settings are put back when others change them at the same time.
const TRIES: usize = 5;

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Back {
    /// Settings had to be set.
    pub set: bool,
    /// The service was stopped and started, or was stopped and is running again.
    pub restarted: bool,
    /// What somebody else had changed, a sentence each: it was left as it is.
    pub foreign: Vec<String>,
    /// The lab is gone and its settings with it.
    pub gone: bool,
}

/// The folder of journals where nothing else is said: `$XDG_STATE_HOME/maildoctor`, or below the home folder.
pub fn usual_state() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = set("XDG_STATE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".local/state")));
    base.map(|base| base.join("maildoctor"))
}

/// The journals of runs that did not end, or are under way.
///
/// # Errors
/// [`InPlaceError::Unreadable`] where the folder cannot be read.
pub fn journals(state: &Path) -> Result<Vec<PathBuf>, InPlaceError> {
    journal::all(state).map_err(|e| InPlaceError::Unreadable { path: state.to_owned(), why: e.to_string() })
}

/// Puts back what the run of a journal changed. Where its lab was started again since, in another folder, it is looked for among
/// `running`. Doing it twice does no harm.
///
/// # Errors
/// [`InPlaceError`]; the journal is kept then.
pub async fn restore(path: &Path, running: &[Console]) -> Result<Back, InPlaceError> {
    let unreadable = |e: std::io::Error| InPlaceError::Unreadable { path: path.to_owned(), why: e.to_string() };
    let journal = Journal::read(path).map_err(unreadable)?;
    let first = Console::at(&journal.entry.folder).ok();
    for console in first.iter().chain(running) {
        let keeps = |held: maildoctor_wire::console::Held| held.file == journal.entry.settings_file;
        if console.settings().await.is_ok_and(keeps) {
            let _lock = Lock::take(console.folder())?;
            // It may have ended while we looked for its lab.
            let journal = match Journal::read(path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Back::default()),
                journal => journal.map_err(unreadable)?,
            };
            return put_back(console, journal).await;
        }
    }
    if journal.entry.settings_file.exists() {
        return Err(InPlaceError::NotRunning(journal.entry.settings_file));
    }
    journal.end().map_err(unreadable)?;
    Ok(Back { gone: true, ..Back::default() })
}

/// Sets what is left to undo, sees that the service runs with an empty cache, and ends the journal.
pub(super) async fn put_back(console: &Console, mut journal: Journal) -> Result<Back, InPlaceError> {
    let path = journal.path.clone();
    let wrong = |e: std::io::Error| InPlaceError::Journal { path: path.clone(), why: e.to_string() };
    // Only what stands there once no request of the run can arrive any more is final.
    let run = journal.entry.run.as_str();
    let console = &if run.is_empty() { console.clone() } else { console.after_run(run).await? };
    let mut back = Back::default();
    let mut tries = 0;
    loop {
        let held = console.settings().await?;
        let entry = &journal.entry;
        let ours = ours(&entry.applied, entry.intended.as_ref(), &held.settings);
        let wanted = undone(&entry.before, &ours, &held.settings);
        if held.settings != entry.before && back.foreign.is_empty() {
            back.foreign = foreign(&ours, &held.settings);
        }
        if wanted == held.settings {
            break;
        }
        journal.intend(&wanted).map_err(wrong)?;
        match console.set(&held.revision, &wanted).await {
            Ok(_) => {
                back.set = true;
                break;
            }
            Err(ConsoleError::Changed) if tries < TRIES => tries += 1,
            Err(other) => return Err(other.into()),
        }
    }
    // A client that came meanwhile was looked up with fewer lists: that must not be remembered. It ran before we came.
    if journal.entry.reload || !console.service().await?.running {
        console.stop().await?;
        console.start().await?;
        back.restarted = true;
    }
    journal.end().map_err(wrong)?;
    Ok(back)
}

/// What we had set last. Where we were killed in between it is either; the one that is nearer to what is there.
fn ours(applied: &Settings, intended: Option<&Settings>, current: &Settings) -> Settings {
    let away = |settings: &Settings| {
        let lists = |a: &Settings, b: &Settings| a.blacklists.iter().filter(|z| !b.blacklists.contains(z)).count();
        lists(settings, current)
            + lists(current, settings)
            + usize::from(settings.reverse_lookup != current.reverse_lookup)
    };
    match intended {
        Some(intended) if away(intended) <= away(applied) => intended.clone(),
        _ => applied.clone(),
    }
}
