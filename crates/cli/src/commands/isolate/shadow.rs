//! `isolate` on copies of the server: which setting makes it wait, and nothing of production touched.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::bail;
use maildoctor_core::isolate::shadow::{self, exim::EximShadows, postfix::PostfixShadows};
use maildoctor_core::isolate::{
    Clients, Control, Culprit, Event, How, Isolation, Note, Outcome, Rules, Session, Waits, experiment,
};
use maildoctor_core::questions::host::postfix::PostfixView;
use maildoctor_core::report::text::harmless;

use super::{Args, Format};
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
    Ok(u8::from(found.outcome != Outcome::Quick))
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
            anstream::eprintln!("  {:>6} s {off}", seconds(measured.waits.total_ms()));
        }
    };
    let found = experiment(control, Rules { tries: usize::from(args.tries) }, &watch).await?;
    let text = match args.format {
        Format::Text => in_words(&found, control),
        Format::Json => {
            let remedy = control.remedy(&found.guilty());
            let value = serde_json::json!({"schema": "maildoctor/isolation/1", "isolation": found, "remedy": remedy});
            format!("{}\n", serde_json::to_string_pretty(&value)?)
        }
    };
    Ok((found, text))
}

fn seconds(ms: u64) -> String {
    format!("{}.{}", ms / 1000, ms % 1000 / 100)
}

fn in_words(found: &Isolation, control: &impl Control) -> String {
    let total = found.baseline.total_ms();
    let mut out = String::new();
    let many = control.candidates().len();
    let _ = match found.outcome {
        Outcome::Quick => writeln!(
            out,
            "{} the server keeps a new client waiting for {} s, which is no wait to explain.",
            output::emphasis("NOTHING WAITS:"),
            seconds(total)
        ),
        Outcome::NoneOfThem => writeln!(
            out,
            "{} the server waits {} s ({}), and as long with all {many} of its lookups, services and pauses that can be switched off. \
             The cause is something else: the machine's load, a table that is looked up elsewhere, or the network.",
            output::emphasis("NONE OF THEM:"),
            seconds(total),
            phases(&found.baseline)
        ),
        Outcome::Unclear => writeln!(
            out,
            "{} the server waits {} s ({}), less with everything switched off, and the measurements do not tell which setting it is. \
             Try again with more --tries when the machine is quieter.",
            output::emphasis("UNCLEAR:"),
            seconds(total),
            phases(&found.baseline)
        ),
        Outcome::Explained | Outcome::Partly => writeln!(
            out,
            "{} the server keeps a new client waiting for {} s ({}); {} s remain without what follows.",
            output::emphasis("FOUND:"),
            seconds(total),
            phases(&found.baseline),
            seconds(found.remaining.total_ms())
        ),
    };
    for culprit in &found.culprits {
        let _ = write!(out, "\n{}", of_culprit(culprit, total));
    }
    for note in &found.notes {
        let _ = writeln!(out, "\nNote: {}", harmless(&of_note(note)));
    }
    let steps = control.remedy(&found.guilty());
    if steps.iter().any(|step| !step.commands.is_empty()) {
        let _ = writeln!(out, "\nTo take it out of the settings (nothing of this was run):");
        for step in steps {
            if step.commands.is_empty() {
                let _ = writeln!(out, "  {}", harmless(&step.text));
            }
            for command in step.commands {
                let _ = writeln!(out, "  {}", harmless(&command));
            }
        }
    }
    out
}

fn of_culprit(culprit: &Culprit, total: u64) -> String {
    let share = u64::try_from(culprit.share_ms).unwrap_or(0);
    let names: Vec<String> = culprit.settings.iter().map(|candidate| harmless(&candidate.in_words())).collect();
    let how = match culprit.how {
        How::Alone => "",
        How::AfterTheOthers => ", once those above are off",
        How::SwitchedOn => ", seen when it was switched on again",
        How::Together => ", together: each of them alone keeps the wait up",
        How::NotNarrowed => ", together; which of them it is could not be told",
    };
    let sure = format!("{:?}", culprit.confidence).to_lowercase();
    let mut text = format!("* {}: {} of {} s{how} ({sure})\n", names.join(" and "), seconds(share), seconds(total));
    for place in culprit.settings.iter().flat_map(|candidate| &candidate.places) {
        let _ = writeln!(text, "  set by {}", harmless(&place.in_words()));
    }
    text
}

fn of_note(note: &Note) -> String {
    match note {
        Note::Faded => "the wait went away when the same was measured again: a resolver remembers the answers. A client address that \
                        was never asked about (--client) shows it again."
            .to_owned(),
        Note::Cut => "a reply did not come within --timeout, so the wait is longer than that.".to_owned(),
        Note::TurnedAway { id } => format!("without {id} the client was turned away earlier, so that its share is not known."),
        Note::Contradicts { id } => format!("the measurements without {id} contradict each other."),
        Note::Overlap => "the shares add up to more than the wait: changing one of these may be enough.".to_owned(),
    }
}

fn phases(waits: &Waits) -> String {
    let slow = waits.steps.iter().filter(|(_, step)| step.ms >= 100);
    let slow: Vec<String> = slow
        .map(|(phase, step)| format!("{} s at {}", seconds(step.ms), format!("{phase:?}").to_uppercase()))
        .collect();
    if slow.is_empty() { "no step takes long".to_owned() } else { slow.join(", ") }
}
