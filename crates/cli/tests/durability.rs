//! No message is lost after its 250: the lab is killed without warning, and what it took is on disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// Messages that are sent before the lab is killed.
const MESSAGES: usize = 20;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a lab as a process; gives the address of its first exchanger and its folder.
fn start() -> (Killed, String, PathBuf) {
    let mut child = common::maildoctor().arg("lab").stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (mut exchanger, mut folder) = (String::new(), PathBuf::new());
    let mut lines = out.lines();
    for line in lines.by_ref().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["mail", "exchangers", first, ..] => exchanger = (*first).to_owned(),
            ["files", path] => folder = PathBuf::from(path),
            ["maildoctor", "check", ..] => break,
            _ => {}
        }
    }
    std::thread::spawn(move || lines.for_each(drop));
    (Killed(child), exchanger, folder)
}

/// Says a line and gives the last line of the reply.
fn say(stream: &mut BufReader<TcpStream>, line: &str) -> String {
    if !line.is_empty() {
        stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }
    loop {
        let mut reply = String::new();
        stream.read_line(&mut reply).unwrap();
        if reply.as_bytes().get(3) != Some(&b'-') {
            return reply;
        }
    }
}

fn holds(folder: &Path, text: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            holds(&path, text)
        } else {
            std::fs::read_to_string(&path).is_ok_and(|held| held.contains(text))
        }
    })
}

#[test]
fn what_was_taken_is_on_disk_when_the_lab_is_killed() {
    let (lab, exchanger, folder) = start();
    let mut stream = BufReader::new(TcpStream::connect(&exchanger).unwrap());
    assert!(say(&mut stream, "").starts_with("220"));
    // As people type it by hand.
    assert!(say(&mut stream, "ehlo testing").starts_with("250"));
    for number in 0..MESSAGES {
        assert!(say(&mut stream, "mail from: <stranger@visitor.example>").starts_with("250"));
        assert!(say(&mut stream, "rcpt to: <anna@lab.example>").starts_with("250"));
        assert!(say(&mut stream, "data").starts_with("354"));
        assert!(say(&mut stream, &format!("Subject: durable {number}.\r\n\r\nhail eris!\r\n.")).starts_with("250"));
    }
    drop(lab);
    let lost: Vec<usize> = (0..MESSAGES).filter(|n| !holds(&folder, &format!("durable {n}."))).collect();
    let _ = std::fs::remove_dir_all(&folder);
    assert!(lost.is_empty(), "these were answered 250 and are gone: {lost:?}");
}
