//! `maildoctor demo isolate`: one dead blacklist among ten, found by experiment.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use maildoctor_core::isolate::most_measurements;
use maildoctor_lab::scenario::Scenario;
use maildoctor_lab::{Lab, blacklists};

use crate::output;

/// The blacklists that the server asks.
const LISTS: usize = 10;

/// How long the server waits for an answer before it asks once more: shorter than most do, so that the demo is short.
const DNS_WAIT: Duration = Duration::from_millis(1000);

/// Shows it, with this very program as a process of its own, on a lab that ends with it.
pub(super) fn run(runtime: &tokio::runtime::Runtime) -> anyhow::Result<()> {
    let story = Scenario {
        faults: vec!["dnsbl-timeout".to_owned()],
        blacklists: Some(blacklists::many(LISTS)?),
        dns_wait: Some(DNS_WAIT),
        ..Scenario::default()
    };
    let lab = runtime.block_on(Lab::start(&story))?;
    output::print(&format!(
        "\n{}\nA server asks {LISTS} blacklists before it greets, and one of them is dead. Which? By hand: take one out, restart, \
         connect, put it back, {LISTS} times over. By halves it takes at most {} restarts.\n\n",
        output::emphasis("=== maildoctor isolate --control lab --in-place --yes"),
        most_measurements(LISTS)
    ))?;
    let program = std::env::current_exe().context("the program does not know where it lies")?;
    let status = Command::new(program)
        .args(["isolate", "--control", "lab", "--in-place", "--yes", "--at"])
        .arg(lab.root())
        .arg("--state")
        .arg(lab.root().join("state"))
        .stdin(Stdio::null())
        .status()
        .context("isolate cannot be started")?;
    output::print(&format!("(exit code {})\n", status.code().unwrap_or(-1)))
}
