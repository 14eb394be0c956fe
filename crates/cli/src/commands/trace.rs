//! `maildoctor trace`: the way of a received message, and what the servers on it found.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use maildoctor_core::case::Case;
use maildoctor_core::options;
use maildoctor_core::report::text::{Style, harmless};
use maildoctor_core::trace::{self, Asking, LookError, MAX_MESSAGE_OCTETS, NoMessage};

use super::check::Format;
use crate::output;

/// The port of the DNS.
const DNS_PORT: u16 = 53;

/// Say which way a received message took, where it lay, whose clock is wrong, and why it failed checks or went to junk.
///
/// Of SPF, DKIM, DMARC and ARC it is told what the receiving server found, and what they come to now: the signatures are
/// verified anew, with the keys and policies that the DNS shows. With --offline nothing is asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  maildoctor trace late.eml
  pbpaste | maildoctor trace -
  maildoctor trace ~/Maildir/cur/1795521605.M1P2.mail:2,S
  maildoctor trace late.eml --offline
  maildoctor trace late.eml --resolver 192.0.2.53
  maildoctor trace late.eml --format json
  maildoctor trace late.eml --save case.json

Exit codes: 0 nothing is wrong, 1 it came late, is at risk or went to junk, 3 an error.")]
pub(crate) struct Args {
    /// The file of a message with its whole header, or `-` for standard input.
    file: PathBuf,
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
    let (name, octets) = read(&args.file)?;
    let resolver = args.resolver.as_deref().map(|text| options::parse_resolver(text, DNS_PORT)).transpose()?;
    let asking = Asking { resolver, deadline: args.deadline, offline: args.offline };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let case = match runtime.block_on(trace::look(&octets, &name, Timestamp::now(), asking)) {
        Err(LookError::Message(error)) => return Err(error).with_context(|| format!("{name} is no message")),
        looked => {
            looked.context("the DNS cannot be asked; give a resolver by --resolver, or ask nothing by --offline")?
        }
    };
    if let Some(path) = &args.save {
        output::save(path, &case.to_json()?)?;
    }
    told(&case, &args.format, args.output.as_deref())
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

/// What the user calls the message by, and its octets.
fn read(file: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let standard_input = file == Path::new("-");
    let name = if standard_input { "standard input".to_owned() } else { harmless(&file.display().to_string()) };
    let what = || format!("{name} cannot be read; give the file of a message, or `-` for standard input");
    if file.is_dir() {
        bail!("{name} is a folder; give the file of one message in it");
    }
    let source: Box<dyn Read> = if standard_input {
        if std::io::stdin().is_terminal() {
            anstream::eprintln!("Paste the message with its whole header, then press Ctrl-D on a line of its own.");
        }
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).with_context(what)?)
    };
    let mut octets = Vec::new();
    source.take(MAX_MESSAGE_OCTETS + 1).read_to_end(&mut octets).with_context(what)?;
    if octets.len() as u64 > MAX_MESSAGE_OCTETS {
        return Err(NoMessage::TooLong).with_context(|| format!("{name} is no message"));
    }
    Ok((name, octets))
}
