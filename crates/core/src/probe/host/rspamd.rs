//! Rspamd's settings, by `rspamadm configdump`, where it runs.

use std::path::Path;
use std::time::Duration;

use super::command::{Program, find};
use super::files::read_text;
use super::sockets::{name_of, pids};
use crate::case::Question;
use crate::probe::Context;
use crate::questions::host::rspamd::{Rspamd, RspamdWire, configdump};

/// How long it may take to print its settings.
const LIMIT: Duration = Duration::from_secs(10);

/// The program that prints them, and the one that serves.
const PRINTS: &str = "rspamadm";
const SERVES: &str = "rspamd";

/// Where it keeps what it has compiled.
const KEEPS: &str = "/var/lib/rspamd";

/// Where its settings lie, and the files in which its DNS lists stand; what is named first goes before the rest.
const FOLDER: &str = "/etc/rspamd";
const LISTS: [&str; 4] = ["override.d/rbl.conf", "local.d/rbl.conf", "rspamd.conf.local", "modules.d/rbl.conf"];

/// Reads the settings of the Rspamd that runs; `None` where none does, or they cannot be read.
pub async fn settings(context: &Context) -> Option<RspamdWire> {
    find(PRINTS)?;
    pids().into_iter().find(|pid| name_of(*pid) == SERVES)?;
    let (wire, times) = context.timed(read()).await;
    super::record(context, &Rspamd { folder: FOLDER.to_owned() }, times, &wire);
    Rspamd::read(wire)
}

/// The program that prints the settings. It compiles what it reads and keeps that in the folder of the one that
/// serves: whoever may write there gives it `own` in that place, in a mount namespace that ends with it.
fn printer(own: &Path) -> Program {
    if !rustix::process::geteuid().is_root() {
        return Program::new(PRINTS, LIMIT).args(["configdump", "-j"]);
    }
    let script = format!("mount --bind \"$1\" {KEEPS} && exec {PRINTS} configdump -j");
    let namespace = ["--mount", "--propagation", "private", "--", "sh", "-c", script.as_str(), "sh"];
    Program::new("unshare", LIMIT).args(namespace).args([own.display().to_string()])
}

async fn read() -> RspamdWire {
    let unreadable = |error: String| RspamdWire { flaws: vec![error], ..RspamdWire::default() };
    let own = match tempfile::tempdir() {
        Ok(own) => own,
        Err(error) => return unreadable(format!("no folder for {PRINTS}: {error}")),
    };
    // Names of servers in the settings are looked up by it, and nobody needs the answers.
    match printer(own.path()).env("RES_OPTIONS", "timeout:1 attempts:1").run().await {
        Ok(said) => {
            let mut wire = configdump(&said.text);
            for file in LISTS.map(|name| format!("{FOLDER}/{name}")) {
                if let Ok(text) = read_text(&file) {
                    wire.stands_in(&file, &text);
                }
            }
            wire
        }
        Err(error) => unreadable(error.to_string()),
    }
}
