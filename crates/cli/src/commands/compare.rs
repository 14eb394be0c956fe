//! `maildoctor compare`: what got better or worse between two runs.

use std::path::{Path, PathBuf};

use anyhow::Context;
use maildoctor_core::case::MAX_CASE_OCTETS;
use maildoctor_core::compare::{self, Comparison};
use maildoctor_core::report::Report;

use super::check::Format;
use crate::output;

/// Compare two saved cases or JSON reports: what got better, worse, or merely changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  maildoctor check example.org --save before.json
  maildoctor check example.org --save after.json
  maildoctor compare before.json after.json

Exit codes: 0 nothing got worse, 1 something did, 2 mail is broken that was not before, 3 an error.")]
pub(crate) struct Args {
    /// The earlier run: a file that `check --save` or `check --format json` wrote.
    before: PathBuf,
    /// The later run.
    after: PathBuf,
    /// How the comparison is written.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    let comparison = compare::compare(&read(&args.before)?, &read(&args.after)?);
    output::print(&written(&comparison, args.format)?)?;
    Ok(comparison.exit_code())
}

/// The comparison in a format.
pub(crate) fn written(comparison: &Comparison, format: Format) -> anyhow::Result<String> {
    Ok(match format {
        Format::Text => compare::render(comparison, output::style()),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(comparison)?),
    })
}

fn read(path: &Path) -> anyhow::Result<Report> {
    let text = output::read(path, MAX_CASE_OCTETS)?;
    compare::read(&text).with_context(|| format!("{} cannot be compared", path.display()))
}
