//! A mail server's log, read from its end: what it says of this run's mail, and what it warns of.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::command::Program;
use crate::probe::Context;
use crate::questions::host::about::About;
use crate::questions::host::complaint::{Visit, complaints};
use crate::questions::host::log::{JOURNAL, Log, LogWire, journal, pick};
use crate::stamp::Clock;

/// How much of a log is read, from its end, in octets.
const MAX_TAIL: u64 = 8 * 1024 * 1024;

/// How many entries of the journal are read, and for how long.
const MAX_ENTRIES: &str = "10000";
const LIMIT: Duration = Duration::from_secs(10);

/// Where logs lie that no setting names.
const USUAL: [&str; 2] = ["/var/log/mail.log", "/var/log/maillog"];

/// Reads the log in `named`, or where logs usually lie, or the journal.
pub async fn read(context: &Context, named: Option<&str>, about: &About, visit: &Visit) {
    let file = named.or_else(|| USUAL.into_iter().find(|path| Path::new(path).exists()));
    let read = async {
        match file {
            Some(path) => match tail(path) {
                Ok((text, whole)) => picked(&text, about, whole, visit),
                Err(error) => LogWire::unreadable(format!("{path} cannot be read: {error}")),
            },
            None => from_journal(context, about, visit).await,
        }
    };
    let (wire, times) = context.timed(read).await;
    if wire.flaw.is_some() {
        super::ask_as_root::<Log>(context, "the mail log can be read by root alone");
    }
    super::record(context, &Log { source: file.unwrap_or(JOURNAL).to_owned() }, times, &wire);
}

/// What matters in a log, with what the server complained of while we were there.
fn picked(text: &str, about: &About, whole: bool, visit: &Visit) -> LogWire {
    let clock = Clock { now: Timestamp::now(), zone: TimeZone::system() };
    LogWire { complaints: complaints(text, about, visit, &clock), ..pick(text, about, whole) }
}

async fn from_journal(context: &Context, about: &About, visit: &Visit) -> LogWire {
    // Facility 2 is mail (RFC 5424 section 6.2.1), whatever the program calls itself.
    let program = Program::new("journalctl", LIMIT.min(context.left())).args([
        "--no-pager",
        "--quiet",
        "--output=json",
        "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID",
        "--lines",
        MAX_ENTRIES,
        "SYSLOG_FACILITY=2",
    ]);
    match program.run().await {
        Ok(said) => picked(&journal(&said.text), about, false, visit),
        Err(error) => LogWire::unreadable(error.to_string()),
    }
}

/// The end of a file, from the first whole line on, and whether that is all of it.
fn tail(path: &str) -> io::Result<(String, bool)> {
    // A pipe or a device would keep us waiting for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(MAX_TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut octets = Vec::new();
    file.take(MAX_TAIL).read_to_end(&mut octets)?;
    let text = String::from_utf8_lossy(&octets).into_owned();
    let begins = if from == 0 { 0 } else { text.find('\n').map_or(0, |at| at + 1) };
    Ok((text.get(begins..).unwrap_or_default().to_owned(), from == 0))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_long_log_is_read_from_its_end_and_from_a_whole_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        file.write_all(b"first\nlast\n").unwrap();
        assert_eq!(tail(&path).unwrap(), ("first\nlast\n".to_owned(), true));
        file.write_all(&b"x\n".repeat(usize::try_from(MAX_TAIL).unwrap() / 2 + 10)).unwrap();
        let (text, whole) = tail(&path).unwrap();
        assert!(!whole && text.starts_with("x\n") && text.ends_with("x\n"));
        assert!(tail("/dev/zero").is_err());
    }
}
