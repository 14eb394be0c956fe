//! A mail log of some size, grouped by the program, against `grep -c` over the same file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::{Scratch, ms};
use crate::lab;

/// One line in this many puts a message off, one refuses it; the others deliver, or say something else.
const PUT_OFF: u64 = 12;
const REFUSED: u64 = 40;

/// Measures time and memory over a log of `mib` MiB.
pub(crate) fn run(mib: u64) -> anyhow::Result<()> {
    let program = lab::program()?;
    let folder = Scratch::new()?;
    let log = folder.0.join("mail.log");
    write(&log, mib * 1024 * 1024)?;
    let mut best = (Duration::MAX, Duration::MAX, 0);
    for _ in 0..3 {
        let said = folder.0.join("said");
        let (grep, _) = measured(Command::new("grep").args(["-c", "status=deferred"]).arg(&log), &said)?;
        let (grouped, peak) = measured(Command::new(&program).arg("bounce").arg(&log), &said)?;
        best = (best.0.min(grep), best.1.min(grouped), best.2.max(peak));
    }
    let (grep, grouped, peak) = best;
    println!(
        "log of {mib} MiB: grouped in {:.0} ms, grep -c in {:.0} ms, {:.1} times; {:.1} MiB of memory",
        ms(grouped),
        ms(grep),
        grouped.as_secs_f64() / grep.as_secs_f64(),
        peak as f64 / 1024.0
    );
    Ok(())
}

/// How long a command takes that writes to `said`, and the most memory it had resident, in KiB. (To /dev/null, `grep` would stop at
/// its first match.)
fn measured(command: &mut Command, said: &Path) -> anyhow::Result<(Duration, u64)> {
    let out = File::create(said).context("the scratch folder must be writable")?;
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::from(out)).spawn().context("grep and the program must run")?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let facts = std::fs::read_to_string(&status).unwrap_or_default();
        let line = facts.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
        peak = peak.max(now);
        if child.try_wait()?.is_some() {
            return Ok((begun.elapsed(), peak));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A Postfix log: every message is queued, delivered, put off or refused, each with a queue id of its own.
fn write(path: &Path, octets: u64) -> anyhow::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let (mut written, mut number) = (0, 0_u64);
    while written < octets {
        number += 1;
        let (minute, second) = (number / 3_000 % 60, number / 50 % 60);
        let head = format!("Nov 24 13:{minute:02}:{second:02} mail postfix");
        let (id, host) = (format!("{:X}", 0x1000_0000 + number), number % 997);
        let to = format!(
            "to=<user{number}@domain{host}.example>, relay=mx.domain{host}.example[192.0.2.{}]:25, delay=1.2, delays=0.1/0/0.6/0.5",
            number % 250
        );
        let lines = match number {
            n if n % REFUSED == 0 => format!(
                "{head}/smtp[12]: {id}: {to}, dsn=5.1.1, status=bounced (host mx.domain{host}.example[192.0.2.1] said: 550 5.1.1 <user{number}@domain{host}.example>: Recipient address rejected: User unknown in virtual mailbox table (in reply to RCPT TO command))\n"
            ),
            n if n % PUT_OFF == 0 => format!(
                "{head}/smtp[12]: {id}: {to}, dsn=4.7.1, status=deferred (host mx.domain{host}.example[192.0.2.1] said: 451 4.7.1 <user{number}@domain{host}.example>: Recipient address rejected: Greylisted, see http://postgrey.example/{number} (in reply to RCPT TO command))\n"
            ),
            _ => format!(
                "{head}/qmgr[11]: {id}: from=<carl@example.org>, size=3012, nrcpt=1 (queue active)\n{head}/smtp[12]: {id}: {to}, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as {id})\n{head}/qmgr[11]: {id}: removed\n"
            ),
        };
        out.write_all(lines.as_bytes())?;
        written += lines.len() as u64;
    }
    out.flush().context("the log cannot be written to its end")
}
