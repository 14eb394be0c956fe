//! `maildoctor diagnose`: the same diagnosis again, offline, from a saved case.

use std::path::PathBuf;

use maildoctor_core::case::{Case, MAX_CASE_OCTETS};

use super::check::Format;
use super::{render, trace};
use crate::output;

/// Diagnose a saved case again, offline.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  maildoctor check example.org --save case.json\n  maildoctor diagnose case.json\n  maildoctor diagnose case.json --format json"
)]
pub(crate) struct Args {
    /// The file that `check --save` wrote.
    case: PathBuf,
    /// How the report is written; several need --output DIR.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "text")]
    format: Vec<Format>,
    /// The file of the report, or the folder of several.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    if args.format.len() > 1 && args.output.is_none() {
        anyhow::bail!("several formats need a folder to be written to; add --output DIR");
    }
    let text = output::read(&args.case, MAX_CASE_OCTETS)?;
    let case = Case::from_json(&text)?;
    if maildoctor_core::trace::is_of(&case) {
        return trace::told(&case, &args.format, args.output.as_deref());
    }
    render::diagnosis(&case, &args.format, args.output.as_deref())
}
