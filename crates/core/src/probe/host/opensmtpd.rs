//! OpenSMTPD's settings: its file as it is written, and what it says of it itself (`smtpd -n`, which checks and starts
//! nothing).

use std::path::Path;
use std::time::Duration;

use super::command::{Program, RunError, find};
use super::files::read_text;
use super::sockets::{name_of, pids};
use crate::case::Question;
use crate::probe::Context;
use crate::questions::host::opensmtpd::{self, OpenSmtpd, OpenSmtpdWire};

/// How long it may take to check its settings.
const LIMIT: Duration = Duration::from_secs(10);

/// Where its file lies: Debian, what it is built with by default, and FreeBSD's ports.
const FILES: [&str; 3] = ["/etc/smtpd.conf", "/etc/mail/smtpd.conf", "/usr/local/etc/mail/smtpd.conf"];

/// Its programs: the server and its control. Another `smtpd` comes without the latter.
const SERVER: &str = "smtpd";
const CONTROL: &str = "smtpctl";

/// The most of its complaint that is kept, in characters.
const MAX_COMPLAINT: usize = 600;

/// Reads the settings of the OpenSMTPD that runs, or of the one that is installed where nobody else serves mail; gives
/// their file and them.
pub async fn settings(context: &Context, alone: bool) -> Option<(&'static str, OpenSmtpdWire)> {
    let (program, _) = find(SERVER).zip(find(CONTROL))?;
    let runs = runs(&program);
    let file = FILES.into_iter().find(|file| Path::new(file).is_file()).filter(|_| runs || alone)?;
    let (wire, times) = context.timed(read(file, runs)).await;
    super::record(context, &OpenSmtpd { file: file.to_owned() }, times, &wire);
    OpenSmtpd::read(wire).map(|wire| (file, wire))
}

async fn read(file: &str, runs: bool) -> OpenSmtpdWire {
    let mut wire = OpenSmtpdWire { runs, ..opensmtpd::read(file, &mut |path| read_text(path)) };
    for named in &mut wire.files {
        named.is_there = Path::new(&named.path).try_exists().ok();
    }
    match Program::new(SERVER, LIMIT).args(["-n", "-f", file]).run().await {
        Ok(_) => {}
        Err(RunError::Failed { complaint, .. }) if !complaint.is_empty() && rustix::process::geteuid().is_root() => {
            wire.refuses = Some(complaint.chars().take(MAX_COMPLAINT).collect());
        }
        // Others may be refused a file that the server itself may read.
        Err(error) => wire.flaws.push(error.to_string()),
    }
    wire
}

/// Whether a process runs that is this program; Postfix has one of the same name elsewhere.
fn runs(program: &Path) -> bool {
    let is_it = |pid: u32| {
        let by_file = std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == *program);
        // What belongs to others still tells its title.
        let title =
            || std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|said| said.starts_with(b"smtpd: control"));
        by_file || title()
    };
    pids().into_iter().any(|pid| name_of(pid) == SERVER && is_it(pid))
}
