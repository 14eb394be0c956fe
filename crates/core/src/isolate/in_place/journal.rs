//! What is about to be changed, on disk before it is: so that it can be put back whatever happens to us.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use maildoctor_wire::console::Settings;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The name and version of the form.
const SCHEMA: &str = "maildoctor/isolate-journal/1";

/// The longest journal, in octets.
const MAX_JOURNAL: u64 = 1024 * 1024;

/// The beginning and end of a journal's file name.
const NAME: (&str, &str) = ("isolate-", ".json");

/// What a run did and is about to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    schema: String,
    /// The name of the run, by which the console knows its requests; empty where the run gave itself none.
    #[serde(default)]
    pub(super) run: String,
    /// The folder of the lab.
    pub(super) folder: PathBuf,
    /// The file in which the lab keeps its settings: which lab it is, also after that was started again.
    pub(super) settings_file: PathBuf,
    /// The settings before we came.
    pub(super) before: Settings,
    /// The settings as we set them last.
    pub(super) applied: Settings,
    /// The settings that we were about to set, if we came to it.
    pub(super) intended: Option<Settings>,
    /// The service is yet to be stopped and started for what was set, or is just being.
    pub(super) reload: bool,
}

/// A journal on disk.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) path: PathBuf,
    pub(super) entry: Entry,
}

impl Journal {
    /// Begins a journal in a folder: nothing has been changed yet.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn begin(state: &Path, folder: &Path, settings_file: &Path, before: &Settings) -> io::Result<Self> {
        make_private(state)?;
        let entry = Entry {
            schema: SCHEMA.to_owned(),
            run: format!("{:016x}", crate::chance::number()),
            folder: folder.to_owned(),
            settings_file: settings_file.to_owned(),
            before: before.clone(),
            applied: before.clone(),
            intended: None,
            reload: false,
        };
        let journal = Self { path: path_for(state, settings_file), entry };
        journal.write()?;
        Ok(journal)
    }

    /// Reads a journal.
    ///
    /// # Errors
    /// Where it cannot be read or is none.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let entry: Entry = serde_json::from_reader(io::Read::take(File::open(path)?, MAX_JOURNAL))?;
        if entry.schema != SCHEMA {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is of the form {}", entry.schema)));
        }
        Ok(Self { path: path.to_owned(), entry })
    }

    /// Whether nothing was changed, or everything is as it was.
    pub(super) fn is_idle(&self) -> bool {
        let entry = &self.entry;
        entry.applied == entry.before && entry.intended.is_none() && !entry.reload
    }

    /// Writes down what is about to be set, and that the service is to be stopped and started for it.
    pub(super) fn intend(&mut self, settings: &Settings) -> io::Result<()> {
        self.entry.intended = Some(settings.clone());
        self.reload(true)
    }

    /// Writes down that the service is about to be stopped, or that it runs again since.
    pub(super) fn reload(&mut self, due: bool) -> io::Result<()> {
        self.entry.reload = due;
        self.write()
    }

    /// Writes down that it is set.
    pub(super) fn applied(&mut self) -> io::Result<()> {
        if let Some(settings) = self.entry.intended.take() {
            self.entry.applied = settings;
        }
        self.write()
    }

    /// Everything is put back: there is nothing left to undo.
    pub(super) fn end(self) -> io::Result<()> {
        fs::remove_file(&self.path)?;
        sync_folder(&self.path)
    }

    /// Replaces the file at once, and waits until it is on disk.
    fn write(&self) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new)?;
        file.write_all(&serde_json::to_vec_pretty(&self.entry)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        sync_folder(&self.path)
    }
}

/// The journals that lie in a folder.
///
/// # Errors
/// Where the folder cannot be read; one that is not there holds none.
pub(super) fn all(state: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(state) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with(NAME.0) && name.ends_with(NAME.1)
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    Ok(found)
}

/// Where the journal of a lab lies, by the file of its settings.
pub(super) fn path_for(state: &Path, settings_file: &Path) -> PathBuf {
    let digest = Sha256::digest(settings_file.as_os_str().as_encoded_bytes());
    let hex: String = digest.iter().take(8).map(|octet| format!("{octet:02x}")).collect();
    state.join(format!("{}{hex}{}", NAME.0, NAME.1))
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn sync_folder(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_gone_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        assert_eq!(all(&state).unwrap(), Vec::<PathBuf>::new());
        let before = Settings { reverse_lookup: true, ..Settings::default() };
        let mut journal = Journal::begin(&state, Path::new("/lab"), Path::new("/lab/settings.json"), &before).unwrap();
        journal.intend(&Settings::default()).unwrap();
        let held = Journal::read(&journal.path).unwrap().entry;
        assert_eq!((held.applied, held.intended, held.reload), (before.clone(), Some(Settings::default()), true));
        journal.applied().unwrap();
        let held = Journal::read(&journal.path).unwrap().entry;
        assert_eq!((held.before, held.applied, held.intended), (before, Settings::default(), None));
        assert_eq!(all(&state).unwrap(), vec![journal.path.clone()]);
        journal.end().unwrap();
        assert_eq!(all(&state).unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn something_else_is_no_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("isolate-x.json");
        for text in ["", "{}", "{\"schema\": \"other/1\"}"] {
            fs::write(&path, text).unwrap();
            assert!(Journal::read(&path).is_err());
        }
    }
}
