//! `maildoctor schema`: the JSON Schemas of what the program writes.

use clap::ValueEnum;
use maildoctor_core::bounce::BounceReport;
use maildoctor_core::case::Case;
use maildoctor_core::compare::Comparison;
use maildoctor_core::isolate::IsolationReport;
use maildoctor_core::report::Report;
use maildoctor_core::trace::TraceReport;
use maildoctor_core::trace::mailbox::MailboxReport;

use crate::output;

/// Print a JSON Schema.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  maildoctor schema report\n  maildoctor schema case > case.schema.json")]
pub(crate) struct Args {
    /// Which one.
    #[arg(value_enum)]
    what: What,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Of `check --format json`.
    Report,
    /// Of `check --save`.
    Case,
    /// Of `compare --format json`.
    Comparison,
    /// Of `bounce --format json`.
    Bounce,
    /// Of `isolate --format json`.
    Isolation,
    /// Of `trace --format json`.
    Trace,
    /// Of `trace --format json` over a mailbox.
    Mailbox,
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    let schema = match args.what {
        What::Report => schemars::schema_for!(Report),
        What::Case => schemars::schema_for!(Case),
        What::Comparison => schemars::schema_for!(Comparison),
        What::Bounce => schemars::schema_for!(BounceReport),
        What::Isolation => schemars::schema_for!(IsolationReport),
        What::Trace => schemars::schema_for!(TraceReport),
        What::Mailbox => schemars::schema_for!(MailboxReport),
    };
    output::print(&format!("{}\n", serde_json::to_string_pretty(&schema)?))?;
    Ok(0)
}
