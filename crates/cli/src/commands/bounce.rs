//! `maildoctor bounce`: what a bounce or a pasted reply means, whose fault it is, what to do.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jiff::Timestamp;
use maildoctor_core::bounce::read::MAX_BOUNCE_OCTETS;
use maildoctor_core::bounce::{self, Unreadable};
use maildoctor_core::report::text::Style;

use super::check::Format;
use crate::output;

/// Say what a bounce or a pasted reply means, whose fault it is, and what to do.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  maildoctor bounce undelivered.eml
  maildoctor bounce '550 5.7.26 This mail has been blocked because the sender is unauthenticated. - gsmtp'
  pbpaste | maildoctor bounce -
  maildoctor bounce undelivered.eml --ours mail.example.org --ours 192.0.2.0/24
  maildoctor bounce undelivered.eml --format json

Exit codes: 0 nothing is wrong or it was never your message, 1 a message is late, 2 one was refused for good, 3 an error.")]
pub(crate) struct Args {
    /// The file of the bounce, `-` for standard input, or the reply itself.
    file: PathBuf,
    /// How the report is written; several need --output DIR.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "text")]
    format: Vec<Format>,
    /// The file of the report, or the folder of several.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A server that sends for you: its name (with all below), its address or a network. A bounce whose message
    /// passed none of them answers a forgery.
    #[arg(long, value_name = "SERVER")]
    ours: Vec<String>,
    /// Keep the evidence, for `maildoctor diagnose`.
    #[arg(long, value_name = "CASE.json")]
    save: Option<PathBuf>,
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    if args.format.len() > 1 && args.output.is_none() {
        bail!("several formats need a folder to be written to; add --output DIR");
    }
    let (name, octets) = input(&args.file)?;
    let reading = bounce::read::read(&octets).with_context(|| format!("{name} is no bounce"))?;
    let case = bounce::case(&reading, &name, &args.ours, Timestamp::now());
    if let Some(path) = &args.save {
        output::save(path, &case.to_json()?)?;
    }
    let report = bounce::report(&reading, &case);
    let text = |style: Style| bounce::render(&report, style);
    let json = || serde_json::to_string_pretty(&report).map(|json| format!("{json}\n"));
    output::in_formats(&args.format, args.output.as_deref(), "bounce", &text, &json)?;
    Ok(report.exit_code())
}

/// What the user gave: the name to call it by, and its octets.
fn input(file: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let read = |from: &mut dyn Read, name: &str| -> anyhow::Result<Vec<u8>> {
        let mut octets = Vec::new();
        from.take(MAX_BOUNCE_OCTETS + 1).read_to_end(&mut octets).with_context(|| format!("{name} cannot be read"))?;
        if octets.len() as u64 > MAX_BOUNCE_OCTETS {
            return Err(Unreadable::TooLong).with_context(|| format!("{name} is no bounce"));
        }
        Ok(octets)
    };
    if file == Path::new("-") {
        if std::io::stdin().is_terminal() {
            anstream::eprintln!("Paste the bounce or the reply, then press Ctrl-D on a line of its own.");
        }
        let name = "standard input";
        return Ok((name.to_owned(), read(&mut std::io::stdin().lock(), name)?));
    }
    let shown = maildoctor_core::report::text::harmless(&file.display().to_string());
    match std::fs::File::open(file) {
        Ok(mut opened) => Ok((shown.clone(), read(&mut opened, &shown)?)),
        // A reply pasted as the argument: nobody names a file so.
        Err(_) if is_reply(&shown) => Ok(("the reply".to_owned(), shown.into_bytes())),
        Err(error) => Err(error).with_context(|| {
            format!("{shown} cannot be read; give the file of a bounce, `-` for standard input, or the reply in quotes")
        }),
    }
}

/// Whether an argument is a reply and no file: a code of three digits, then more.
fn is_reply(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits == 3 && text.as_bytes().get(3).is_some_and(|b| matches!(b, b' ' | b'-'))
        || text.split_whitespace().count() > 3
}
