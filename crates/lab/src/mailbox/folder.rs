//! The messages of one Maildir folder, numbered for a session.

use std::fs;
use std::path::{Path, PathBuf};

/// The most messages of a folder that a session sees, the oldest first.
const MAX_MESSAGES: usize = 2000;

/// A message of a session.
pub(super) struct Message {
    /// Its number that never changes within the session.
    pub(super) uid: u32,
    path: PathBuf,
    /// Marked to be removed.
    pub(super) deleted: bool,
}

impl Message {
    /// Its octets; empty where it is gone.
    pub(super) fn octets(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap_or_default()
    }

    /// Its header, the empty line included.
    pub(super) fn header(&self) -> Vec<u8> {
        let octets = self.octets();
        let end = octets.windows(4).position(|w| w == b"\r\n\r\n").map_or(octets.len(), |at| at + 4);
        octets.get(..end).unwrap_or_default().to_vec()
    }

    fn remove(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }
}

/// The messages of a folder in the order in which they came.
pub(super) fn messages(folder: &Path) -> Vec<Message> {
    let mut paths: Vec<PathBuf> = ["new", "cur"]
        .iter()
        .filter_map(|part| fs::read_dir(folder.join(part)).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .collect();
    // The names begin with the time of delivery.
    paths.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
    paths.truncate(MAX_MESSAGES);
    (1..).zip(paths).map(|(uid, path)| Message { uid, path, deleted: false }).collect()
}

/// Removes what is marked, and gives the numbers that they had at that moment.
pub(super) fn expunge(messages: &mut Vec<Message>, only: impl Fn(u32) -> bool) -> Vec<usize> {
    let mut gone = Vec::new();
    let mut place = 0;
    while let Some(message) = messages.get(place) {
        if message.deleted && only(message.uid) {
            message.remove();
            messages.remove(place);
            gone.push(place + 1);
        } else {
            place += 1;
        }
    }
    gone
}
