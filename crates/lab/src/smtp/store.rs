//! Mailboxes and queue on disk. A message is synced in the queue before its 250, and delivered from
//! there; what a crash leaves in the queue is delivered at the next start.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The folders of a lab's mail.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    count: AtomicU64,
}

/// A message that is safe in the queue.
#[derive(Debug, Clone)]
pub struct Queued {
    /// Its queue id.
    pub id: String,
    path: PathBuf,
}

impl Store {
    /// A store below a folder, with a mailbox for each user.
    ///
    /// # Errors
    /// Where the folders cannot be made.
    pub fn open(root: &Path, users: impl IntoIterator<Item = String>) -> io::Result<Self> {
        let store = Self { root: root.to_path_buf(), count: AtomicU64::new(0) };
        fs::create_dir_all(root.join("queue"))?;
        fs::create_dir_all(root.join("outbound"))?;
        for user in users {
            for folder in ["", ".Junk"] {
                for part in ["tmp", "new", "cur"] {
                    fs::create_dir_all(store.maildir(&user).join(folder).join(part))?;
                }
            }
        }
        Ok(store)
    }

    /// The mailbox of a user.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.root.join("mail").join(user.replace('/', "_"))
    }

    /// Writes a message to the queue, and gives it back once it is on disk. The first line names the
    /// recipients.
    ///
    /// # Errors
    /// Where it could not be written or synced: then it was not taken.
    pub fn enqueue(&self, recipients: &[String], message: &[u8]) -> io::Result<Queued> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = format!("{:X}{:05X}{number:X}", now.as_secs(), now.subsec_micros());
        let path = self.root.join("queue").join(&id);
        let mut file = File::create_new(&path)?;
        file.write_all(format!("{}\n", recipients.join(" ")).as_bytes())?;
        file.write_all(message)?;
        file.sync_all()?;
        File::open(self.root.join("queue"))?.sync_all()?;
        Ok(Queued { id, path })
    }

    /// Delivers a queued message to its recipients: local ones to their mailboxes, others to the outbound
    /// folder, from which nothing is ever sent.
    ///
    /// # Errors
    /// Where a mailbox cannot be written; the message then stays in the queue.
    pub fn deliver(&self, queued: &Queued, folder: &str) -> io::Result<()> {
        let octets = fs::read(&queued.path)?;
        let end = octets.iter().position(|&b| b == b'\n').unwrap_or(0);
        let (recipients, message) = octets.split_at_checked(end).unwrap_or_default();
        let message = message.get(1..).unwrap_or_default();
        for recipient in String::from_utf8_lossy(recipients).split(' ').filter(|r| !r.is_empty()) {
            let maildir = self.maildir(recipient);
            let (tmp, new) = if maildir.is_dir() {
                (maildir.join(folder).join("tmp").join(&queued.id), maildir.join(folder).join("new").join(&queued.id))
            } else {
                let outbound = self.root.join("outbound");
                (outbound.join(format!("{}.tmp", queued.id)), outbound.join(&queued.id))
            };
            let mut file = File::create(&tmp)?;
            file.write_all(format!("Delivered-To: {recipient}\r\n").as_bytes())?;
            file.write_all(message)?;
            file.sync_all()?;
            fs::rename(&tmp, &new)?;
        }
        fs::remove_file(&queued.path)
    }

    /// Delivers what an earlier run left in the queue.
    ///
    /// # Errors
    /// Where the queue cannot be read.
    pub fn recover(&self) -> io::Result<usize> {
        let mut count = 0;
        for entry in fs::read_dir(self.root.join("queue"))? {
            let path = entry?.path();
            let id = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if self.deliver(&Queued { id, path }, "").is_ok() {
                count += 1;
            }
        }
        Ok(count)
    }
}
