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
use std::path::Path;

/// Messages that are sent before the lab is killed.
const MESSAGES: usize = 20;

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
    let common::LabProcess { process: lab, exchanger, folder } = common::lab_process(&[]);
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
