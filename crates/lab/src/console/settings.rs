//! The settings of the receiver, kept in a file: what is set is on disk before it holds.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use maildoctor_wire::console::{Held, Settings, SettingsError};
use sha2::{Digest, Sha256};

/// The longest settings file, in octets.
const MAX_FILE: u64 = 1024 * 1024;

/// What keeps settings from being set.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// Somebody set them since they were read.
    #[error("the settings were changed meanwhile: they are at revision {0} now")]
    Changed(String),
    /// They cannot be worked by.
    #[error(transparent)]
    Wrong(#[from] SettingsError),
    /// They cannot be kept.
    #[error("the settings cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// Settings and their file.
#[derive(Debug)]
pub struct Store {
    file: PathBuf,
    current: Mutex<Arc<Settings>>,
}

impl Store {
    /// Takes the settings from their file; where there is none it is made, with these.
    ///
    /// # Errors
    /// Where the file cannot be read or made, or holds no settings.
    pub fn open(file: &Path, otherwise: Settings) -> io::Result<Self> {
        let settings = match File::open(file) {
            Ok(open) => read(open)
                .map_err(|e| io::Error::new(e.kind(), format!("{} holds no settings of a lab: {e}", file.display())))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                otherwise.check().map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
                write(file, &otherwise)?;
                otherwise
            }
            Err(e) => return Err(io::Error::new(e.kind(), format!("{} cannot be read: {e}", file.display()))),
        };
        let file = fs::canonicalize(file)?;
        Ok(Self { file, current: Mutex::new(Arc::new(settings)) })
    }

    /// What is set.
    pub fn current(&self) -> Arc<Settings> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is set, with its revision.
    pub fn held(&self) -> Held {
        let settings = (*self.current()).clone();
        Held { revision: revision(&settings), settings, file: self.file.clone() }
    }

    /// Sets all, if the settings are still at the revision at which they were read. Blocks on the disk.
    ///
    /// # Errors
    /// [`SetError`]; then nothing has changed.
    pub fn set(&self, read_at: &str, settings: Settings) -> Result<Held, SetError> {
        settings.check()?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = revision(&current);
        if now != read_at {
            return Err(SetError::Changed(now));
        }
        write(&self.file, &settings)?;
        *current = Arc::new(settings.clone());
        Ok(Held { revision: revision(&settings), settings, file: self.file.clone() })
    }
}

/// Names a content. It counts nothing: what is put back is at the revision that it had.
fn revision(settings: &Settings) -> String {
    let digest = Sha256::digest(text(settings));
    digest.iter().take(8).map(|octet| format!("{octet:02x}")).collect()
}

fn text(settings: &Settings) -> String {
    // Strings, addresses and a truth value: there is nothing that JSON could not hold.
    serde_json::to_string_pretty(settings).unwrap_or_default() + "\n"
}

fn read(file: File) -> io::Result<Settings> {
    let mut octets = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, MAX_FILE), &mut octets)?;
    let settings: Settings = serde_json::from_slice(&octets)?;
    settings.check().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    Ok(settings)
}

/// Replaces the file at once: whoever reads it finds the old settings or the new, also after a crash.
fn write(file: &Path, settings: &Settings) -> io::Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = file.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let new = folder.join(format!(".{}.new", name.to_string_lossy()));
    let mut out = File::create(&new)?;
    out.write_all(text(settings).as_bytes())?;
    out.sync_all()?;
    fs::rename(&new, file)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(blacklists: &[&str]) -> Settings {
        Settings { blacklists: blacklists.iter().map(|z| (*z).to_owned()).collect(), ..Settings::default() }
    }

    #[test]
    fn settings_are_found_again_and_the_file_wins() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.json");
        let store = Store::open(&file, settings(&["a.example", "b.example"])).unwrap();
        let before = fs::read(&file).unwrap();
        let first = store.held();
        let second = store.set(&first.revision, settings(&["b.example"])).unwrap();
        assert_ne!(first.revision, second.revision);
        let again = Store::open(&file, settings(&["c.example"])).unwrap();
        assert_eq!(*again.current(), settings(&["b.example"]));
        // The same content is the same revision, and the same octets.
        let back = again.set(&second.revision, first.settings).unwrap();
        assert_eq!((back.revision, fs::read(&file).unwrap()), (first.revision, before));
    }

    #[test]
    fn what_somebody_else_set_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("s"), settings(&["a.example"])).unwrap();
        let read = store.held();
        store.set(&read.revision, settings(&[])).unwrap();
        assert!(matches!(store.set(&read.revision, settings(&["c.example"])), Err(SetError::Changed(_))));
        assert_eq!(*store.current(), settings(&[]));
        let now = store.held().revision;
        assert!(matches!(store.set(&now, settings(&["no zone"])), Err(SetError::Wrong(_))));
    }

    #[test]
    fn a_file_of_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s");
        fs::write(&file, "[mysqld]\n").unwrap();
        let error = Store::open(&file, Settings::default()).unwrap_err().to_string();
        assert!(error.contains("holds no settings of a lab"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "[mysqld]\n");
    }
}
