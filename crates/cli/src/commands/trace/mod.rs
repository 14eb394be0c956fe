//! `maildoctor trace`: the way of a received message, and what the servers on it found.

mod source;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use maildoctor_core::case::Case;
use maildoctor_core::options;
use maildoctor_core::report::text::Style;
use maildoctor_core::trace::{self, Asking, Looker};

use self::source::{Messages, Source};
use super::check::Format;
use crate::output;

/// The port of the DNS.
const DNS_PORT: u16 = 53;

/// Say which way a received message took, where it lay, whose clock is wrong, and why it failed checks or went to junk.
///
/// Of SPF, DKIM, DMARC and ARC it is told what the receiving server found, and what they come to now: the signatures are
/// verified anew, with the keys and policies that the DNS shows. With --offline nothing is asked.
///
/// An mbox, a Maildir or a folder of .eml files gives a table, a line for each message, and the causes with their counts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  maildoctor trace late.eml
  pbpaste | maildoctor trace -
  maildoctor trace ~/Maildir/cur/1795521605.M1P2.mail:2,S
  maildoctor trace ~/Maildir
  maildoctor trace archive.mbox --offline
  maildoctor trace archive.mbox --message 17
  maildoctor trace late.eml --resolver 192.0.2.53
  maildoctor trace late.eml --format json
  maildoctor trace late.eml --save case.json

Exit codes: 0 nothing is wrong, 1 it came late, is at risk or went to junk, 3 an error.")]
pub(crate) struct Args {
    /// The file of a message with its whole header, an mbox, a Maildir, or `-` for standard input.
    file: PathBuf,
    /// Of a mailbox, tell this message in full.
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    message: Option<usize>,
    /// Ask nothing: of signatures it is only told whether the text is the one that was signed.
    #[arg(long, conflicts_with = "resolver")]
    offline: bool,
    /// The resolver that is asked [default: the system's].
    #[arg(long, value_name = "ADDR[:PORT]")]
    resolver: Option<String>,
    /// How long the DNS may take in all.
    #[arg(long, value_name = "D", default_value = "20s", value_parser = options::parse_duration)]
    deadline: Duration,
    /// How the report is written; several need --output DIR.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "text")]
    format: Vec<Format>,
    /// The file of the report, or the folder of several.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Keep the evidence, for `maildoctor diagnose`: all header fields, and nothing of the text.
    #[arg(long, value_name = "CASE.json")]
    save: Option<PathBuf>,
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    if args.format.len() > 1 && args.output.is_none() {
        bail!("several formats need a folder to be written to; add --output DIR");
    }
    let (name, source) = source::open(&args.file)?;
    let resolver = args.resolver.as_deref().map(|text| options::parse_resolver(text, DNS_PORT)).transpose()?;
    let looker = Looker::new(Asking { resolver, deadline: args.deadline, offline: args.offline })
        .context("the DNS cannot be asked; give a resolver by --resolver, or ask nothing by --offline")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let octets = match (source, args.message) {
        (Source::Message(octets), None | Some(1)) => octets,
        (Source::Message(_), Some(number)) => bail!("{name} holds one message, and none with number {number}"),
        (Source::Mailbox(_, messages), Some(number)) => numbered(&name, messages, number)?,
        (Source::Mailbox(..), None) if args.save.is_some() => {
            bail!("--save keeps the evidence of one message; add --message N, with its number in {name}")
        }
        (Source::Mailbox(kind, messages), None) => {
            return runtime.block_on(table::told(args, &name, kind, messages, &looker));
        }
    };
    let case = runtime
        .block_on(looker.look(&octets, &name, Timestamp::now()))
        .with_context(|| format!("{name} is no message"))?;
    if let Some(path) = &args.save {
        output::save(path, &case.to_json()?)?;
    }
    told(&case, &args.format, args.output.as_deref())
}

/// The message of that number, from 1.
fn numbered(name: &str, messages: Messages, number: usize) -> anyhow::Result<Vec<u8>> {
    let mut count = 0;
    for message in messages {
        let message = message?;
        count += 1;
        if count == number {
            return message.octets.with_context(|| format!("number {number} in {name} is no message"));
        }
    }
    bail!("{name} holds {count} messages, and none with number {number}")
}

/// Writes the report of a traced message, fresh or kept, and gives its exit code.
pub(crate) fn told(case: &Case, formats: &[Format], to: Option<&Path>) -> anyhow::Result<u8> {
    let Some(report) = trace::report(case) else {
        bail!("the message in this case cannot be read; trace it anew");
    };
    let text = |style: Style| trace::render(&report, style);
    let json = || serde_json::to_string_pretty(&report).map(|json| format!("{json}\n"));
    output::in_formats(formats, to, "trace", &text, &json)?;
    Ok(report.verdict.exit_code())
}
