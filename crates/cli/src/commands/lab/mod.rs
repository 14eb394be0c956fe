//! `maildoctor lab`: a small real mail system with faults that can be switched on.

pub(crate) mod console;
mod order;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Context;
use maildoctor_core::report::text::harmless;
use maildoctor_lab::blacklists;
use maildoctor_lab::scenario::Scenario;
use maildoctor_lab::{Lab, faults};
use maildoctor_wire::octets::shell_word;

use crate::output;

/// Run an embedded mail system on loopback, with faults switched on.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  maildoctor lab
  maildoctor lab --fault dnsbl-timeout
  maildoctor lab --fault cert-expired --fault relay-open
  maildoctor lab --blacklists 12 --fault dnsbl-timeout
  maildoctor lab --outbound --fault spf-excludes-server
  maildoctor lab --scenario story.toml
  maildoctor lab console blacklists

It prints a `check` command that looks at it, then what happens, until Ctrl-C. It needs no rights and no network. \
The exchangers look a client up before they greet it, and know it from then on: its reverse name, then one \
blacklist server after the other. What they look up is set at the console, `maildoctor lab console`, while the lab \
runs; --settings keeps it for the next.")]
pub(crate) struct Args {
    /// A fault by its catalogue code; repeatable.
    #[arg(long, value_name = "CODE")]
    fault: Vec<String>,
    /// A story in TOML: faults, and rules on commands.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Ask so many blacklist servers, of which one is dnsbl.lab.example, the one of the faults.
    #[arg(long, value_name = "N", conflicts_with = "scenario")]
    blacklists: Option<usize>,
    /// The file that keeps the settings of the console; made where there is none, and stronger than --blacklists.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Look at another domain that sends to the lab, by `check --outbound`; faults are then the sender's where it can have them.
    #[arg(long)]
    outbound: bool,
    /// List the faults and end.
    #[arg(long)]
    list: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Console(console::Args),
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    if let Some(Command::Console(args)) = &args.command {
        return console::run(args);
    }
    if args.list {
        let line = |f: &faults::Fault| {
            let title = maildoctor_core::catalogue::entry(f.code).map_or("", |e| e.title.as_str());
            format!("{:28}  {title}\n", f.code)
        };
        let (received, sent): (String, String) =
            (faults::all().map(line).collect(), faults::of_sender().map(line).collect());
        output::print(&format!("{received}\nWith --outbound, of the sender:\n{sent}"))?;
        return Ok(0);
    }
    let mut scenario = match &args.scenario {
        Some(path) => Scenario::from_toml(&output::read(path, 1024 * 1024)?)
            .with_context(|| format!("the story in {} cannot be read", path.display()))?,
        None => Scenario::default(),
    };
    scenario.faults.extend(args.fault.iter().cloned());
    if let Some(count) = args.blacklists {
        scenario.blacklists = Some(blacklists::many(count)?);
    }
    scenario.outbound |= args.outbound;
    scenario.settings = args.settings.clone().or(scenario.settings);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let lab = Lab::start(&scenario).await?;
        let mut events = lab.events();
        output::print(&introduction(&lab))?;
        let mut out = std::io::stdout();
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(line) => {
                        writeln!(out, "{}", harmless(&line))?;
                        out.flush()?;
                    }
                    Err(tokio::sync::broadcast::error::RecvError::Lagged(missed)) => writeln!(out, "({missed} events left out)")?,
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => break,
                },
                () = stop() => break,
            }
        }
        Ok(0)
    })
}

/// Ctrl-C, a termination signal, or the end of a piped standard input.
pub(crate) async fn stop() {
    #[cfg(unix)]
    {
        let terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminated) = terminated {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

fn introduction(lab: &Lab) -> String {
    use secrecy::ExposeSecret;
    let plan = lab.plan();
    let command: Vec<String> = lab.check_arguments().into_iter().map(|word| shell_word(&word)).collect();
    let accounts: Vec<String> = lab
        .accounts()
        .iter()
        .map(|(user, password)| format!("{user} with password {}", password.expose_secret()))
        .collect();
    let hint = if std::io::stdout().is_terminal() { "Ctrl-C ends it.\n" } else { "" };
    format!(
        "A mail system for {} is running.\n  mail exchangers  {}:{p} and {}:{p}\n  submission       {m}:{} (STARTTLS), {m}:{} (TLS at once)\n  DNS              {}:{d} inside, {}:{d} outside\n  accounts         {}\n  files            {}\n  console          http://{}\n\nLook at it with:\n  maildoctor {}\nChange what it looks up before it greets, stop and start it with:\n  maildoctor lab console --at {}\n\n{hint}",
        maildoctor_lab::DOMAIN,
        plan.mx(1),
        plan.mx(2),
        plan.submission,
        plan.smtps,
        plan.resolver(),
        plan.outside(),
        accounts.join("; "),
        lab.root().display(),
        lab.console(),
        command.join(" "),
        shell_word(&lab.root().display().to_string()),
        p = plan.smtp,
        m = plan.mail(),
        d = plan.dns,
    )
}
