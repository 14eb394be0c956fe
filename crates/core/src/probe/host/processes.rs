//! Processes of this machine that tell where a mail server keeps its settings.

use std::fs;

use super::sockets::{name_of, pids};

/// The configuration folders of the Postfix masters that run: from their `MAIL_CONFIG`, which `postfix start` sets.
pub fn postfix_folders() -> Vec<String> {
    let masters = pids().into_iter().filter(|pid| name_of(*pid) == "master");
    let mut folders: Vec<String> = masters.filter_map(folder_of).collect();
    folders.sort();
    folders.dedup();
    folders
}

fn folder_of(pid: u32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let set = environment.split(|octet| *octet == 0).find_map(|entry| entry.strip_prefix(b"MAIL_CONFIG="))?;
    String::from_utf8(set.to_vec()).ok()
}
