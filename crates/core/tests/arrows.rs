//! The way of the data has one direction: no room names one that stands behind it, and only those that ask the world do I/O.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// A room, and the rooms that it may not name.
const FORBIDDEN: [(&str, &[&str]); 8] = [
    ("probe", &["check", "catalogue", "findings", "diagnosis", "report"]),
    ("vantage", &["check", "probe", "catalogue", "findings", "diagnosis", "report"]),
    ("check", &["catalogue", "findings", "diagnosis", "report"]),
    ("questions", &["check", "probe", "vantage", "catalogue", "findings", "diagnosis", "report"]),
    ("case", &["check", "probe", "vantage", "catalogue", "findings", "diagnosis", "report"]),
    ("findings", &["check", "probe", "vantage", "diagnosis", "report"]),
    ("diagnosis", &["check", "probe", "vantage", "report"]),
    ("report", &["check", "probe", "vantage"]),
];

/// Rooms in which nothing is asked of the world, and what asks it.
const STILL: [&str; 4] = ["questions", "findings", "diagnosis", "report"];
const ASKS: [&str; 5] = ["tokio::", "std::fs", "std::process", "TcpStream", "UdpSocket"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// Every line of a room's files outside tests, with where it stands.
fn lines(room: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room);
    let found: Vec<_> = files(&folder)
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).unwrap();
            let body = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            let place = |number| format!("{}:{number}", file.display());
            (1..).zip(body.lines()).map(|(number, line)| (place(number), line.to_owned())).collect::<Vec<_>>()
        })
        .collect();
    assert!(!found.is_empty(), "there is no room {room}");
    found
}

#[test]
fn no_room_names_one_behind_it() {
    for (room, behind) in FORBIDDEN {
        for (place, line) in lines(room) {
            for other in behind {
                assert!(!line.contains(&format!("crate::{other}::")), "{place} names {other}: {line}");
            }
        }
    }
}

#[test]
fn what_judges_asks_nothing_of_the_world() {
    for room in STILL {
        for (place, line) in lines(room) {
            for asks in ASKS {
                assert!(!line.contains(asks), "{place} uses {asks}: {line}");
            }
        }
    }
}
