//! `isolate` on copies of the server: which setting makes it wait, and nothing of production touched.

use std::path::Path;

use anyhow::bail;
use maildoctor_core::isolate::shadow::{self, exim::EximShadows, postfix::PostfixShadows};
use maildoctor_core::isolate::{Clients, Control, Event, Isolation, IsolationReport, Rules, Session, experiment};
use maildoctor_core::questions::host::postfix::PostfixView;
use maildoctor_core::report::text::harmless;

use super::{Args, Format, text};
use crate::commands::lab::stop;
use crate::output;

/// Where Postfix's settings lie, unless told otherwise.
const POSTFIX: &str = "/etc/postfix";

/// Which server is copied.
#[derive(Debug, Clone, Copy)]
pub(super) enum Server {
    Postfix,
    Exim,
}

/// Runs the command and gives its exit code.
pub(super) fn run(args: &Args, server: Server) -> anyhow::Result<u8> {
    if args
        .rcpt
        .as_ref()
        .is_some_and(|rcpt| rcpt.chars().any(|c| c.is_control() || c.is_whitespace() || "<>".contains(c)))
    {
        bail!("the recipient has a character that no address has; give --rcpt name@domain");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = isolate(args, server) => ended,
            () = stop() => Err(anyhow::anyhow!("stopped before the end; the copies are gone, and the server was not touched")),
        }
    });
    let (found, text) = ended?;
    output::print(&text)?;
    Ok(text::exit_code(found.outcome))
}

async fn isolate(args: &Args, server: Server) -> anyhow::Result<(Isolation, String)> {
    let cleaned = shadow::clean()?;
    if cleaned > 0 {
        anstream::eprintln!("{cleaned} copies that an earlier run left behind were ended and removed");
    }
    let session = |host: &str| Session {
        clients: Clients::new(args.client),
        rcpt: args.rcpt.clone().unwrap_or_else(|| format!("maildoctor-shadow@{host}")),
        limit: args.timeout,
    };
    let given = args.mta_config.as_deref();
    match server {
        Server::Postfix => {
            let named = |view: &PostfixView| session(view.setting("myhostname").unwrap_or("localhost"));
            measure(args, &PostfixShadows::of(given.unwrap_or(Path::new(POSTFIX)), named).await?).await
        }
        Server::Exim => {
            let exim = EximShadows::of(given, session).await?;
            if let Some(limit) = exim.ident() {
                anstream::eprintln!(
                    "Not tried: the server also asks clients' ident service (rfc1413_query_timeout, {} s), and a copy does not. \
                     Whether that waits is shown by `maildoctor check … --on-host`.",
                    limit.as_secs()
                );
            }
            measure(args, &exim).await
        }
    }
}

async fn measure(args: &Args, control: &impl Control) -> anyhow::Result<(Isolation, String)> {
    if control.candidates().is_empty() {
        bail!(
            "the settings name no DNS list, lookup, service or pause that a client could wait for; look for the wait elsewhere with \
             `maildoctor check … --on-host`"
        );
    }
    let watch = |event: Event| match event {
        Event::Round { why, of } => anstream::eprintln!("{of} measurements: {why}"),
        Event::Measured(measured) => {
            let off: Vec<String> = measured.off.iter().map(|id| harmless(&id.0)).collect();
            let off = match off.as_slice() {
                [] => "with everything on".to_owned(),
                [one] => format!("without {one}"),
                many => format!("without {} settings", many.len()),
            };
            anstream::eprintln!("  {:>8} {off}", text::seconds(measured.waits.total_ms()));
        }
    };
    let found = experiment(control, Rules { tries: usize::from(args.tries) }, &watch).await?;
    let remedy = control.remedy(&found.guilty());
    let text = match args.format {
        Format::Text => text::isolation(&found, control.candidates().len(), &remedy),
        Format::Json => {
            let report = IsolationReport::new(found.clone(), remedy);
            format!("{}\n", serde_json::to_string_pretty(&report)?)
        }
    };
    Ok((found, text))
}
