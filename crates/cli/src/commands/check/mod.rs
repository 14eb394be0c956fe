//! `maildoctor check`: one verdict, its root causes with proof, and the remedy.

mod args;
mod options;
mod watch;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use maildoctor_core::case::Case;
use maildoctor_core::options::Options;
use maildoctor_core::target::Target;
use tokio::sync::Notify;

use super::render;
use crate::progress;

pub(crate) use args::{Args, Format};

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    let target = Target::parse(&args.target)?;
    if args.format.len() > 1 && args.output.is_none() {
        bail!("several formats need a folder to be written to; add --output DIR");
    }
    let options = options::options(args)?;
    target.takes_mail(&options.ports)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the run cannot be started")?;
    if let Some(every) = &args.watch {
        let code = runtime.block_on(watch::run(args, options, &target, every));
        runtime.shutdown_background();
        return code;
    }
    let case = runtime.block_on(async { look(options, &target, &args.target, &interrupt()).await })?;
    let Some(case) = case else { bail!("stopped before the end; nothing was changed anywhere") };
    // What is still being torn down must not hold the report back.
    runtime.shutdown_background();
    if let Some(path) = &args.save {
        save(path, &case, args.redact)?;
    }
    render::diagnosis(&case, &args.format, args.output.as_deref())
}

/// Told once somebody presses Ctrl-C, whatever the program is doing at that moment.
fn interrupt() -> Arc<Notify> {
    let pressed = Arc::new(Notify::new());
    let tell = pressed.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            tell.notify_one();
        }
    });
    pressed
}

/// One look at the target with progress shown; nothing where Ctrl-C came first.
async fn look(options: Options, target: &Target, input: &str, stop: &Notify) -> anyhow::Result<Option<Case>> {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let shown = progress::is_shown();
    let shower = shown.then(|| tokio::spawn(progress::show(receiver)));
    let run = maildoctor_core::check::check(options, target, input, shown.then_some(sender));
    let case = tokio::select! {
        case = run => case?,
        () = stop.notified() => return Ok(None),
    };
    if let Some(shower) = shower {
        let _ = tokio::time::timeout(std::time::Duration::from_millis(300), shower).await;
    }
    Ok(Some(case))
}

fn save(path: &Path, case: &Case, redact: bool) -> anyhow::Result<()> {
    let text = if redact { case.redacted()?.to_json()? } else { case.to_json()? };
    crate::output::save(path, &text)
}
