//! `isolate --in-place` and `isolate --restore`.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use anyhow::{Context, bail};
use maildoctor_core::console::Console;
use maildoctor_core::isolate::in_place::{Back, LabInPlace, journals, restore as put_back, usual_state};
use maildoctor_core::isolate::{Control, ControlError, bisect};

use super::Args;
use super::text;
use crate::commands::lab::{console, stop};
use crate::output;

/// Runs the experiment and gives the exit code.
pub(super) fn run(args: &Args) -> anyhow::Result<u8> {
    let runtime = runtime()?;
    let folder = match &args.at {
        Some(folder) => folder.clone(),
        None => console::only_lab(&runtime)?,
    };
    let state = state(args)?;
    let lab = runtime.block_on(LabInPlace::begin(Console::at(&folder)?, &state, args.timeout))?;
    output::print(&format!("{}\n", lab.plan()))?;
    if !args.yes && !asked() {
        runtime.block_on(lab.forget())?;
        if !std::io::stdin().is_terminal() {
            bail!("nobody is there to agree to this; nothing was changed; add --yes to go ahead");
        }
        output::print("Nothing was changed.\n")?;
        return Ok(crate::EXIT_ERROR);
    }
    let watch = |event| {
        let _ = output::print(&text::event(&event));
    };
    let found = runtime.block_on(async {
        tokio::select! {
            found = bisect(&lab, &watch) => found,
            () = stop() => Err(ControlError::Stopped),
        }
    });
    let remedy = found.as_ref().ok().map(|isolation| lab.remedy(&isolation.guilty()));
    let candidates = lab.candidates().len();
    let back = runtime.block_on(lab.end()).context("not everything was put back")?;
    let told = output::print(&format!("\n{}", text::back(&back)));
    let isolation = found?;
    told?;
    output::print(&format!("\n{}", text::isolation(&isolation, candidates, &remedy.unwrap_or_default())))?;
    Ok(text::exit_code(isolation.outcome))
}

/// Puts back what runs that were killed left changed.
pub(super) fn restore(args: &Args) -> anyhow::Result<u8> {
    let runtime = runtime()?;
    let state = state(args)?;
    let unfinished = journals(&state)?;
    if unfinished.is_empty() {
        output::print(&format!("There is nothing to put back: no run left a journal in {}.\n", state.display()))?;
    }
    let running: Vec<Console> = match &args.at {
        Some(folder) => vec![Console::at(folder)?],
        None => console::labs(&runtime)?.iter().filter_map(|folder| Console::at(folder).ok()).collect(),
    };
    for journal in unfinished {
        let back: Back = runtime.block_on(put_back(&journal, &running))?;
        output::print(&text::back(&back))?;
    }
    Ok(0)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn state(args: &Args) -> anyhow::Result<PathBuf> {
    let folder = args.state.clone().or_else(usual_state);
    let folder = folder.context("there is no home folder to keep the journal in; give one with --state DIR")?;
    Ok(std::path::absolute(folder)?)
}

/// Asks whoever sits there; nobody there is a no.
fn asked() -> bool {
    let mut line = String::new();
    std::io::stdin().is_terminal()
        && output::print("Go on? [y/N] ").is_ok()
        && std::io::stdin().lock().read_line(&mut line).is_ok()
        && ["y", "yes"].contains(&line.trim().to_ascii_lowercase().as_str())
}
