//! `check --watch`: the same check again and again; the whole report once, and then only what changed.

use std::time::Duration;

use anyhow::bail;
use maildoctor_core::case::Case;
use maildoctor_core::compare;
use maildoctor_core::diagnosis::diagnose;
use maildoctor_core::options::{Options, parse_duration};
use maildoctor_core::report::{self, Report};
use maildoctor_core::target::Target;
use tokio::time::{Instant, sleep_until};

use super::{Args, Format, interrupt, look, save};
use crate::commands::compare::written;
use crate::commands::render;
use crate::output;

/// The least time from one round to the next: whoever is watched has other clients too.
const LEAST: Duration = Duration::from_secs(5);

/// Repeats the check until Ctrl-C, and gives the exit code of the last round.
pub(super) async fn run(args: &Args, mut options: Options, target: &Target, every: &str) -> anyhow::Result<u8> {
    let every = parse_duration(every)?;
    if every < LEAST {
        bail!("--watch {every:?} would be a burden to the server; give {LEAST:?} or more");
    }
    let [format] = args.format.as_slice() else {
        bail!("--watch writes one format; give one with --format");
    };
    let stop = interrupt();
    let mut last: Option<(Report, u8)> = None;
    loop {
        let next = Instant::now() + every;
        let Some(case) = look(options.clone(), target, &args.target, &stop).await? else {
            // What earlier rounds told stays known.
            let Some((_, code)) = last else { bail!("stopped before the end of the first round") };
            return Ok(code);
        };
        if let Some(path) = &args.save {
            save(path, &case, args.redact)?;
        }
        last = Some(round(&case, *format, last.as_ref().map(|(report, _)| report))?);
        if refused(&case) && options.login.take().is_some() {
            anstream::eprintln!(
                "The password was refused; from now on AUTH is not tried, so that no account is locked."
            );
        }
        tokio::select! {
            () = sleep_until(next) => {}
            () = stop.notified() => return Ok(last.map_or(0, |(_, code)| code)),
        }
    }
}

/// Shows one round: all of the first, the changes of a later one, nothing where there is none.
fn round(case: &Case, format: Format, before: Option<&Report>) -> anyhow::Result<(Report, u8)> {
    let Some(before) = before else {
        let code = render::diagnosis(case, &[format], None)?;
        return Ok((report::report(case, &diagnose(case)), code));
    };
    let diagnosis = diagnose(case);
    let now = report::report(case, &diagnosis);
    let comparison = compare::compare(before, &now);
    if !comparison.changes.is_empty() {
        output::print(&format!("\n{}", written(&comparison, format)?))?;
    }
    Ok((now, diagnosis.verdict.exit_code()))
}

fn refused(case: &Case) -> bool {
    diagnose(case).findings.iter().any(|f| f.finding.code == "auth-rejected")
}
