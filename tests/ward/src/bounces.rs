//! Messages that real servers return, and what the program reads in them.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{MX_ADDRESS, USER, WardError, dovecot::MAIL, output_of, program};

/// How long a bounce may take to come back.
const PATIENCE: Duration = Duration::from_secs(30);

/// Hands a message from the user to the server on this machine.
///
/// # Errors
/// When it does not take it.
pub fn send(recipient: &str) -> Result<(), WardError> {
    send_through(MX_ADDRESS, recipient)
}

/// Hands a message from the user to the server at an address.
///
/// # Errors
/// When it does not take it.
pub fn send_through(server: &str, recipient: &str) -> Result<(), WardError> {
    output_of(
        Command::new("swaks")
            .args(["--server", server, "--from", USER, "--to", recipient])
            .args(["--body", "Good day", "--silent", "2"]),
    )
    .map(drop)
}

/// The bounce of the message to `recipient`, once it lies in the user's mailbox.
///
/// # Errors
/// When none comes.
pub fn returned(recipient: &str) -> Result<PathBuf, WardError> {
    let user = USER.split('@').next().unwrap_or_default();
    let folder = format!("{MAIL}/{user}/new");
    let wanted = format!("To: {recipient}");
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let files = fs::read_dir(&folder).into_iter().flatten().flatten();
        let found = files
            .map(|file| file.path())
            .find(|path| fs::read_to_string(path).is_ok_and(|text| text.contains(&wanted)));
        if let Some(path) = found {
            return Ok(path);
        }
        thread::sleep(Duration::from_millis(100));
    }
    Err(WardError::Wrong(format!("no bounce of the message to {recipient} came to {folder}")))
}

/// Waits until a log says something.
///
/// # Errors
/// When it does not.
pub fn logged(log: &str, wanted: &str) -> Result<(), WardError> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if fs::read_to_string(log).is_ok_and(|text| text.contains(wanted)) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Err(WardError::Wrong(format!("{log} never said {wanted}")))
}

/// What `maildoctor bounce` says of a file.
///
/// # Errors
/// When it gives no report.
pub fn bounce(file: &Path) -> Result<Value, WardError> {
    let output = Command::new(program::given()?)
        .arg("bounce")
        .arg(file)
        .args(["--format", "json"])
        .output()
        .map_err(WardError::io("running the program"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = fs::read_to_string(file).unwrap_or_default();
        WardError::Wrong(format!("no report of {} ({error}): {said}\n{text}", file.display()))
    })
}

/// A server that knows no recipient: it answers RCPT with `reply`.
///
/// # Errors
/// When the place cannot be had.
pub fn refusing_server(place: &str, reply: &'static str) -> Result<(), WardError> {
    let listener = TcpListener::bind(place).map_err(WardError::io(place))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut out = &stream;
            let _ = write!(out, "220 mx.stranger.example ESMTP\r\n");
            for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                let answer = match line.get(..4).map(str::to_ascii_uppercase).as_deref() {
                    Some("RCPT") => reply,
                    Some("QUIT") => "221 bye",
                    Some("DATA") => "554 no valid recipients",
                    _ => "250 mx.stranger.example",
                };
                let _ = write!(out, "{answer}\r\n");
            }
        }
    });
    Ok(())
}
