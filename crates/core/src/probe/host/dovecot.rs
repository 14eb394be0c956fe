//! Dovecot's settings, by `doveconf -a`, and whether it runs.

use std::time::Duration;

use super::command::{Program, find};
use crate::case::Question;
use crate::probe::Context;
use crate::questions::host::dovecot::{Dovecot, DovecotWire, doveconf};

/// How long it may take to print its settings.
const LIMIT: Duration = Duration::from_secs(10);

/// Reads the settings of the Dovecot that is installed; `None` where there is none, or they cannot be read.
pub async fn settings(context: &Context) -> Option<DovecotWire> {
    find("doveconf")?;
    let (wire, times) = context.timed(read()).await;
    super::record(context, &Dovecot {}, times, &wire);
    Dovecot::read(wire)
}

async fn read() -> DovecotWire {
    match Program::new("doveconf", LIMIT).args(["-a"]).run().await {
        Ok(said) => {
            let wire = doveconf(&said.text);
            DovecotWire { runs: wire.setting("base_dir").and_then(runs), ..wire }
        }
        Err(error) => DovecotWire { flaws: vec![error.to_string()], ..DovecotWire::default() },
    }
}

/// Whether the master process lives whose number stands in the folder of sockets.
fn runs(base: &str) -> Option<bool> {
    match std::fs::read_to_string(format!("{base}/master.pid")) {
        Ok(pid) => {
            let pid: u32 = pid.trim().parse().ok()?;
            let of_process = |what| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
            // What has ended and waits to be reaped still has its name, and no command line.
            Some(of_process("comm").trim() == "dovecot" && !of_process("cmdline").is_empty())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(false),
        Err(_) => None,
    }
}
