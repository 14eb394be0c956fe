//! Mailboxes and queue on disk. A message is synced in the queue before its 250, and delivered from
//! there; what a crash leaves in the queue is delivered at the next start.
//!
//! Each message is a file of its own and is synced by a thread of its own: file systems write what many
//! wait for at once in one go. Nothing is locked meanwhile, and nobody waits for a delivery.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Deliveries under way or put off; at more than that, clients wait for the next reply.
const MAX_DELIVERIES: usize = 1024;

/// The folders of a lab's mail.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
    deliveries: Arc<Semaphore>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    count: AtomicU64,
}

/// A message that is safe in the queue.
#[derive(Debug, Clone)]
pub struct Queued {
    id: String,
}

impl Queued {
    /// Its queue id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Store {
    /// A store below a folder, with a mailbox for each user.
    ///
    /// # Errors
    /// Where the folders cannot be made.
    pub fn open(root: &Path, users: impl IntoIterator<Item = String>) -> io::Result<Self> {
        let shared = Shared { root: root.to_path_buf(), count: AtomicU64::new(0) };
        fs::create_dir_all(shared.queue())?;
        fs::create_dir_all(root.join("outbound"))?;
        for user in users {
            for folder in ["", ".Junk"] {
                for part in ["tmp", "new", "cur"] {
                    fs::create_dir_all(shared.maildir(&user).join(folder).join(part))?;
                }
            }
        }
        Ok(Self { shared: Arc::new(shared), deliveries: Arc::new(Semaphore::new(MAX_DELIVERIES)) })
    }

    /// The mailbox of a user.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.shared.maildir(user)
    }

    /// Writes a message to the queue, and gives it back once it is on disk.
    ///
    /// # Errors
    /// Where it could not be written or synced: then it was not taken.
    pub async fn enqueue(&self, recipients: &[String], message: Vec<u8>) -> io::Result<Queued> {
        let head = format!("{}\n", recipients.join(" "));
        let shared = self.shared.clone();
        spawn_blocking(move || shared.enqueue(&head, &message)).await.map_err(io::Error::other)?
    }

    /// Delivers a queued message after a while to its recipients: local ones to a folder of their mailboxes,
    /// others to the outbound folder, from which nothing is ever sent. Where that fails it stays in the queue.
    pub async fn deliver_later(&self, queued: Queued, folder: &'static str, after: Duration) {
        let Ok(slot) = self.deliveries.clone().acquire_owned().await else { return };
        let shared = self.shared.clone();
        tokio::spawn(async move {
            let _slot = slot;
            tokio::time::sleep(after).await;
            let _ = spawn_blocking(move || shared.deliver(&queued.id, folder)).await;
        });
    }

    /// Delivers what an earlier run left in the queue, and says how much that was.
    ///
    /// # Errors
    /// Where the queue cannot be read.
    pub fn recover(&self) -> io::Result<usize> {
        let mut count = 0;
        for entry in fs::read_dir(self.shared.queue())? {
            let id = entry?.file_name().to_string_lossy().into_owned();
            count += usize::from(self.shared.deliver(&id, "").is_ok());
        }
        Ok(count)
    }
}

impl Shared {
    fn queue(&self) -> PathBuf {
        self.root.join("queue")
    }

    fn maildir(&self, user: &str) -> PathBuf {
        self.root.join("mail").join(user.replace('/', "_"))
    }

    /// The first line of a queued file names the recipients.
    fn enqueue(&self, head: &str, message: &[u8]) -> io::Result<Queued> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = format!("{:X}{:05X}{number:X}", now.as_secs(), now.subsec_micros());
        let mut file = File::create_new(self.queue().join(&id))?;
        file.write_all(&[head.as_bytes(), message].concat())?;
        file.sync_all()?;
        File::open(self.queue())?.sync_all()?;
        Ok(Queued { id })
    }

    fn deliver(&self, id: &str, folder: &str) -> io::Result<()> {
        let queued = self.queue().join(id);
        let octets = fs::read(&queued)?;
        let end = octets.iter().position(|&b| b == b'\n').unwrap_or(0);
        let (recipients, message) = octets.split_at_checked(end).unwrap_or_default();
        let message = message.get(1..).unwrap_or_default();
        for recipient in String::from_utf8_lossy(recipients).split(' ').filter(|r| !r.is_empty()) {
            let maildir = self.maildir(recipient).join(folder);
            let (tmp, new) = if maildir.join("new").is_dir() {
                (maildir.join("tmp").join(id), maildir.join("new").join(id))
            } else {
                let outbound = self.root.join("outbound");
                (outbound.join(format!("{id}.tmp")), outbound.join(id))
            };
            let mut file = File::create(&tmp)?;
            file.write_all(&[format!("Delivered-To: {recipient}\r\n").as_bytes(), message].concat())?;
            file.sync_all()?;
            fs::rename(&tmp, &new)?;
        }
        fs::remove_file(&queued)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_crash_left_in_the_queue_is_delivered_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let users = || ["anna@lab.example".to_owned()];
        let store = Store::open(folder.path(), users()).unwrap();
        let recipients = ["anna@lab.example".to_owned(), "far@away.example".to_owned()];
        let queued = store.enqueue(&recipients, b"Subject: hail\r\n\r\neris\r\n".to_vec()).await.unwrap();
        drop(store);
        let store = Store::open(folder.path(), users()).unwrap();
        assert_eq!(store.recover().unwrap(), 1);
        let held = fs::read_to_string(store.maildir("anna@lab.example").join("new").join(queued.id())).unwrap();
        assert_eq!(held, "Delivered-To: anna@lab.example\r\nSubject: hail\r\n\r\neris\r\n");
        assert!(folder.path().join("outbound").join(queued.id()).is_file());
        assert_eq!(store.recover().unwrap(), 0);
    }
}
