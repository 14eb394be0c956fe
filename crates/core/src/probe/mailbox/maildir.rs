//! A Maildir and its subfolders (`.Junk`), read in place.

use std::path::{Path, PathBuf};

use tokio::fs;

use super::{Fetched, MAX_MESSAGE_OCTETS, carries};

/// The most files of one folder that are opened in one look, the newest first.
const MAX_FILES: usize = 500;

/// The folders: name and path.
pub(super) async fn folders(root: &Path) -> Vec<(String, PathBuf)> {
    let mut out = vec![("INBOX".to_owned(), root.to_path_buf())];
    let Ok(mut entries) = fs::read_dir(root).await else {
        return out;
    };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(folder) = name.strip_prefix('.').filter(|f| !f.is_empty() && *f != ".")
            && entry.path().join("cur").is_dir()
        {
            out.push((folder.to_owned(), entry.path()));
        }
    }
    out
}

/// Looks for a marked message, and removes it where told to.
pub(super) async fn find(root: &Path, mark: &str, remove: bool) -> Result<Option<Fetched>, String> {
    if !root.join("new").is_dir() && !root.join("cur").is_dir() {
        return Err(format!("{} is no Maildir: it has neither new nor cur", root.display()));
    }
    for (folder, path) in folders(root).await {
        for part in ["new", "cur"] {
            for file in newest(&path.join(part)).await {
                let small = fs::metadata(&file).await.is_ok_and(|m| m.len() <= MAX_MESSAGE_OCTETS as u64);
                let Ok(octets) = (if small {
                    fs::read(&file).await
                } else {
                    continue;
                }) else {
                    continue;
                };
                if carries(&octets, mark) {
                    let removed = remove && fs::remove_file(&file).await.is_ok();
                    return Ok(Some(Fetched { folder, octets, removed }));
                }
            }
        }
    }
    Ok(None)
}

async fn newest(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(mut entries) = fs::read_dir(folder).await else {
        return Vec::new();
    };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let time = entry.metadata().await.and_then(|m| m.modified()).ok();
        files.push((time, entry.path()));
    }
    files.sort();
    files.into_iter().rev().take(MAX_FILES).map(|(_, path)| path).collect()
}
