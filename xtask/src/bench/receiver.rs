//! How fast messages are taken in: the lab, Postfix, and smtp-sink which keeps nothing, by one smtp-source.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::lab;

const MESSAGES: usize = 1000;

/// Puts Postfix's queue, which on a trial's machine lies in memory, on the disk where the lab keeps its own;
/// the folder of the sockets, in which Dovecot listens, stays.
const QUEUE_ON_DISK: &str = r#"
queue=/var/spool/postfix
postfix stop; sleep 1
mkdir /run/queue && mount --bind $queue /run/queue
cp -a $queue "$1/queue" && mount --bind "$1/queue" $queue && mount --bind /run/queue/private $queue/private
postfix start && sleep 1
"#;

/// Measures all three on a trial's machine, whose folder is given.
pub(super) fn run(program: &PathBuf, folder: &Path) -> anyhow::Result<()> {
    super::set_up("Postfix's queue cannot be moved", QUEUE_ON_DISK, &[folder])?;
    let running = lab::start(program, &[])?;
    let (address, port) = super::exchanger(&running.check).context("the lab has no exchanger")?;
    let mut sink = Command::new("smtp-sink")
        .args(["-u", "nobody", "127.0.0.1:2525", "100"])
        .stdin(Stdio::null())
        .spawn()
        .context("smtp-sink")?;
    std::thread::sleep(Duration::from_millis(500));
    let places = [
        ("lab", format!("{address}:{port}"), "anna@lab.example"),
        ("Postfix", format!("{}:25", maildoctor_ward::MX_ADDRESS), maildoctor_ward::USER),
        ("smtp-sink, which keeps nothing", "127.0.0.1:2525".to_owned(), maildoctor_ward::USER),
    ];
    for sessions in [1, 20] {
        for (name, place, recipient) in &places {
            let rate = rate(sessions, place, recipient)?;
            println!("messages taken, {sessions:2} at a time: {rate:6.0} a second by {name}");
        }
    }
    sink.kill()?;
    sink.wait()?;
    Ok(())
}

/// Messages a second, the better of two rounds.
fn rate(sessions: usize, place: &str, recipient: &str) -> anyhow::Result<f64> {
    let mut best = f64::MAX;
    for _ in 0..2 {
        let began = Instant::now();
        let status = Command::new("smtp-source")
            .args(["-s", &sessions.to_string(), "-m", &MESSAGES.to_string(), "-l", "4096"])
            .args(["-f", "somebody@outside.example", "-t", recipient, place])
            .status()
            .context("smtp-source")?;
        if !status.success() {
            bail!("smtp-source failed at {place}");
        }
        best = best.min(began.elapsed().as_secs_f64());
        // What Postfix has taken it still delivers; the next round is not to pay for it.
        std::thread::sleep(Duration::from_secs(2));
    }
    Ok(MESSAGES as f64 / best)
}
