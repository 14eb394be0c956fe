//! `isolate --control manual`: a person drives the server, told what to do at each step.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use maildoctor_core::isolate::manual::{Hand, Manual, Task};
use maildoctor_core::isolate::{Candidate, Control, ControlError, IsolationReport, Outcome, bisect, most_measurements};
use maildoctor_core::report::text::{harmless, wrap};
use maildoctor_core::typed::Peer;

use super::{Args, Software, text};
use crate::commands::check::Format;
use crate::commands::lab::stop;
use crate::output;

/// The longest line that is read of whoever sits there, in octets.
const MAX_LINE: u64 = 4096;

/// Runs the experiment and gives the exit code.
pub(super) fn run(args: &Args) -> anyhow::Result<u8> {
    let Some(server) = args.server.as_deref() else {
        bail!("it must be known where the server greets; add --server HOST or --server HOST:PORT");
    };
    let lists = if args.list.is_empty() { asked_for_lists()? } else { args.list.clone() };
    if let Some(odd) = lists.iter().find(|zone| zone.chars().any(|c| c.is_whitespace() || c.is_control())) {
        bail!("'{}' is no name of a DNS list; give one such as --list bl.example.net", harmless(odd));
    }
    if lists.is_empty() && args.no_reverse {
        bail!(
            "there is nothing to switch off; name the DNS lists that the server asks with --list, or leave --no-reverse out"
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(experiment(args, server, &lists));
    // Somebody may still be waited for at the keyboard.
    runtime.shutdown_background();
    ended
}

async fn experiment(args: &Args, server: &str, lists: &[String]) -> anyhow::Result<u8> {
    let address = address(server).await?;
    let software = match args.software {
        Software::Modusmail => Some("modusmail"),
        Software::Exchange => Some("exchange"),
        Software::Other => None,
    };
    let manual = Manual::new(address, software, lists, !args.no_reverse, args.timeout, Terminal);
    manual.reach().await?;
    anstream::eprintln!(
        "The banner of {address} is measured as everything is, and then with some of {} settings switched off, by you: \
         about {} times in all where one DNS list is guilty. While a list is off, what it would refuse is taken.",
        manual.candidates().len(),
        most_measurements(lists.len()),
    );
    let watch = |event| anstream::eprint!("{}", text::event(&event));
    let found = tokio::select! {
        found = bisect(&manual, &watch) => found,
        () = stop() => Err(ControlError::Stopped),
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let off = manual.still_off().await;
            if !off.is_empty() {
                anstream::eprintln!(
                    "\nTo be switched on again, as far as it is off: {}. Then stop and start the SMTP service.",
                    harmless(&off.join(", "))
                );
            }
            return Err(error.into());
        }
    };
    let remedy = manual.remedy(&found.guilty());
    let outcome = found.outcome;
    match args.format {
        Format::Text => {
            output::print(&text::isolation(&found, manual.candidates().len(), &remedy))?;
            if outcome == Outcome::Quick {
                output::print(
                    "Others may wait all the same: the server may exempt this address or remember it. Measure from a machine \
                     outside its network.\n",
                )?;
            }
        }
        Format::Json => {
            let report = IsolationReport::new(found, remedy);
            output::print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
        }
    }
    Ok(text::exit_code(outcome))
}

/// Where the server greets.
async fn address(server: &str) -> anyhow::Result<SocketAddr> {
    let Peer { host, ip, port, .. } = Peer::parse(server)?;
    if let Some(ip) = ip {
        return Ok(SocketAddr::new(ip, port));
    }
    let what = || format!("no address is known of {}; give the server's address with --server", harmless(&host));
    tokio::net::lookup_host((host.as_str(), port)).await.with_context(what)?.next().with_context(what)
}

/// Asks whoever sits there which lists there are; nobody there is an error.
fn asked_for_lists() -> anyhow::Result<Vec<String>> {
    use std::io::IsTerminal as _;
    if !std::io::stdin().is_terminal() {
        bail!("it must be known which DNS lists the server asks; name each with --list ZONE");
    }
    anstream::eprintln!("Which DNS lists does the server ask? One in a line, an empty line ends.");
    let mut lists = Vec::new();
    while let Some(line) = line().filter(|line| !line.is_empty()) {
        lists.push(line);
    }
    Ok(lists)
}

/// A line of standard input; `None` at its end.
fn line() -> Option<String> {
    use std::io::{BufRead as _, Read as _};
    let mut line = String::new();
    let read = std::io::stdin().lock().take(MAX_LINE).read_line(&mut line);
    read.is_ok_and(|octets| octets > 0).then(|| line.trim().to_owned())
}

/// Whoever sits at this terminal.
struct Terminal;

impl Hand for Terminal {
    async fn asked(&self, task: &Task) -> Result<(), ControlError> {
        anstream::eprint!("{}", in_words(task));
        let answer = tokio::task::spawn_blocking(line).await;
        answer.ok().flatten().map(drop).ok_or(ControlError::Stopped)
    }
}

fn in_words(task: &Task) -> String {
    let width = output::style().width;
    let mut out = "\n".to_owned();
    for (name, candidates) in
        [("Switch off:       ", &task.off), ("Switch on again:  ", &task.on), ("Leave off:        ", &task.stay)]
    {
        if !candidates.is_empty() {
            let words: Vec<String> = candidates.iter().map(Candidate::in_words).collect();
            out.push_str(&wrap(&harmless(&words.join(", ")), width, name, &" ".repeat(name.len())));
        }
    }
    for place in &task.where_to {
        out.push_str(&wrap(&harmless(place), width, "  ", "  "));
    }
    out.push_str(&wrap(
        "Then stop and start its SMTP service, so that it forgets what it has looked up.",
        width,
        "",
        "",
    ));
    out.push_str("Enter when that is done, Ctrl-C to end: ");
    out
}
