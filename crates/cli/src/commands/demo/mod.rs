//! `maildoctor demo`: an embedded mail system, first healthy and then broken, diagnosed before your eyes.

mod isolate;

use std::process::{Command, Stdio};

use anyhow::Context;
use maildoctor_lab::Lab;
use maildoctor_lab::scenario::Scenario;

use crate::output;

/// The story: what is switched on, and what is said about it.
const STORY: [(&[&str], &str); 5] = [
    (&[], "A healthy mail system. There should be nothing to say about it."),
    (
        &["cert-expired"],
        "Both mail exchangers now show a certificate that ended yesterday. That is one fault, not two.",
    ),
    (&["mx-split-horizon"], "Our own DNS knows the mail exchangers, and the world outside does not."),
    (&["auth-rejected"], "The password is wrong."),
    (&["dnsbl-timeout"], "A blacklist that the server asks before it greets does not answer: every client waits."),
];

/// Show it all on an embedded mail system: no network, no root, under half a minute.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  maildoctor demo\n  maildoctor demo cert-expired\n  maildoctor demo isolate")]
pub(crate) struct Args {
    /// Show only this fault, by its catalogue code; `isolate` shows how a dead blacklist is found by experiment.
    #[arg(value_name = "CODE")]
    fault: Option<String>,
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let started = std::time::Instant::now();
    match &args.fault {
        Some(code) if code == "isolate" => isolate::run(&runtime)?,
        Some(code) => scene(&runtime, &[code.as_str()], "One fault.")?,
        None => {
            for (faults, says) in STORY {
                scene(&runtime, faults, says)?;
            }
        }
    }
    output::print(&format!(
        "\n{} That took {:.0} s. `maildoctor lab` keeps such a system running, `maildoctor check YOUR-DOMAIN` looks at a real one.\n",
        output::emphasis("The end."),
        started.elapsed().as_secs_f32()
    ))?;
    Ok(0)
}

/// Starts a lab, checks it with this very program as a process of its own, and shows the report.
fn scene(runtime: &tokio::runtime::Runtime, faults: &[&str], says: &str) -> anyhow::Result<()> {
    let title = if faults.is_empty() { "lab".to_owned() } else { format!("lab --fault {}", faults.join(" --fault ")) };
    output::print(&format!("\n{}\n{says}\n\n", output::emphasis(&format!("=== maildoctor {title}"))))?;
    let lab = runtime.block_on(Lab::start(&Scenario::with_faults(faults)))?;
    let program = std::env::current_exe().context("the program does not know where it lies")?;
    let mut command = Command::new(program);
    command.args(lab.check_arguments()).stdin(Stdio::null());
    if output::style().colour {
        command.arg("--color=always");
    }
    let status = command.status().context("the check cannot be started")?;
    output::print(&format!("(exit code {})\n", status.code().unwrap_or(-1)))
}
