//! `maildoctor lab`: a small real mail system with faults that can be switched on.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Context;
use maildoctor_core::report::text::harmless;
use maildoctor_lab::scenario::Scenario;
use maildoctor_lab::{Lab, faults};
use maildoctor_wire::octets::shell_word;

use crate::output;

/// Run an embedded mail system on loopback, with faults switched on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  maildoctor lab
  maildoctor lab --fault dnsbl-timeout
  maildoctor lab --fault cert-expired --fault relay-open
  maildoctor lab --scenario story.toml

It prints a `check` command that looks at it, then what happens, until Ctrl-C. It needs no rights and no network.")]
pub(crate) struct Args {
    /// A fault by its catalogue code; repeatable.
    #[arg(long, value_name = "CODE")]
    fault: Vec<String>,
    /// A story in TOML: faults, and rules on commands.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// List the faults and end.
    #[arg(long)]
    list: bool,
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    if args.list {
        let width = faults::all().map(|f| f.code.len()).max().unwrap_or(0);
        let lines: String = faults::all()
            .map(|f| {
                let title = maildoctor_core::catalogue::entry(f.code).map_or("", |e| e.title.as_str());
                format!("{:width$}  {title}\n", f.code)
            })
            .collect();
        output::print(&lines)?;
        return Ok(0);
    }
    let mut scenario = match &args.scenario {
        Some(path) => Scenario::from_toml(&output::read(path, 1024 * 1024)?)
            .with_context(|| format!("the story in {} cannot be read", path.display()))?,
        None => Scenario::default(),
    };
    scenario.faults.extend(args.fault.iter().cloned());
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
async fn stop() {
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
        "A mail system for {} is running.\n  mail exchangers  {}:{p} and {}:{p}\n  submission       {m}:{} (STARTTLS), {m}:{} (TLS at once)\n  DNS              {}:{d} inside, {}:{d} outside\n  accounts         {}\n  files            {}\n\nLook at it with:\n  maildoctor {}\n\n{hint}",
        maildoctor_lab::DOMAIN,
        plan.mx(1),
        plan.mx(2),
        plan.submission,
        plan.smtps,
        plan.resolver(),
        plan.outside(),
        accounts.join("; "),
        lab.root().display(),
        command.join(" "),
        p = plan.smtp,
        m = plan.mail(),
        d = plan.dns,
    )
}
