//! `maildoctor bounce`: what a bounce, a log or a pasted reply means, whose fault it is, what to do.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maildoctor_core::bounce::log::{self, HEAD_OCTETS};
use maildoctor_core::bounce::read::MAX_BOUNCE_OCTETS;
use maildoctor_core::bounce::{self, Reading, Unreadable};
use maildoctor_core::report::text::{Style, harmless};
use maildoctor_core::stamp::Clock;

use super::check::Format;
use crate::{output, progress};

/// Say what a bounce, a mail log or a pasted reply means, whose fault it is, and what to do.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  maildoctor bounce undelivered.eml
  maildoctor bounce '550 5.7.26 This mail has been blocked because the sender is unauthenticated. - gsmtp'
  pbpaste | maildoctor bounce -
  maildoctor bounce /var/log/mail.log
  zcat /var/log/mail.log.*.gz | maildoctor bounce -
  journalctl -u postfix* -o export | maildoctor bounce -
  maildoctor bounce undelivered.eml --ours mail.example.org --ours 192.0.2.0/24
  maildoctor bounce undelivered.eml --check
  maildoctor bounce undelivered.eml --check -- --resolver 192.0.2.53 --timeout 10s
  maildoctor bounce undelivered.eml --format json

Exit codes: 0 nothing is wrong or it was never your message, 1 a message is late, 2 one was refused for good, 3 an error.")]
pub(crate) struct Args {
    /// The file of a bounce or of a log (Postfix, Exim, Sendmail, OpenSMTPD, Exchange message tracking, journalctl -o
    /// export or json), `-` for standard input, or the reply itself.
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
    /// Then run the live test that the report suggests for the first answer; with --format json it is the second
    /// document. The exit code is the worse of both.
    #[arg(long)]
    check: bool,
    /// Further options of that test, behind `--`.
    #[arg(last = true, requires = "check", value_name = "OPTION")]
    options: Vec<String>,
    /// Keep the evidence, for `maildoctor diagnose`.
    #[arg(long, value_name = "CASE.json")]
    save: Option<PathBuf>,
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    if args.format.len() > 1 && args.output.is_none() {
        bail!("several formats need a folder to be written to; add --output DIR");
    }
    let mut given = Given::open(&args.file)?;
    let (reading, delivered) = given.read()?;
    let case = bounce::case(&reading, &given.name, &args.ours, Timestamp::now());
    if let Some(path) = &args.save {
        output::save(path, &case.to_json()?)?;
    }
    let report = bounce::report(&reading, &case, delivered);
    let text = |style: Style| bounce::render(&report, style);
    let json = || serde_json::to_string_pretty(&report).map(|json| format!("{json}\n"));
    output::in_formats(&args.format, args.output.as_deref(), "bounce", &text, &json)?;
    if args.check {
        let test = report.answers.iter().find_map(|answer| answer.test_words.clone());
        let Some(test) = test else {
            bail!(
                "no live test would tell more: the text names no recipient, or the answer says it all; leave out --check"
            );
        };
        if args.format == [Format::Text] && args.output.is_none() {
            output::print(&format!("\n{}\n\n", output::emphasis(&format!("maildoctor {}", test.join(" ")))))?;
        }
        // Whoever reads the one as JSON reads the other so too: two documents, one after the other.
        let json = args.format == [Format::Json] && args.output.is_none();
        let chosen = args.options.iter().any(|option| option.split('=').next() == Some("--format"));
        let format = if json && !chosen { &["--format", "json"][..] } else { &[] };
        let format = format.iter().map(|word| (*word).to_owned());
        let code = crate::typed(test.into_iter().chain(format).chain(args.options.iter().cloned()))?;
        return Ok(code.max(report.exit_code()));
    }
    Ok(report.exit_code())
}

/// What the user gave: the name to call it by, and where its octets come from.
struct Given {
    name: String,
    source: Box<dyn Read>,
    /// How many octets there are, where that is known.
    octets: Option<u64>,
}

impl Given {
    fn open(file: &Path) -> anyhow::Result<Self> {
        if file == Path::new("-") {
            if std::io::stdin().is_terminal() {
                anstream::eprintln!("Paste the bounce or the reply, then press Ctrl-D on a line of its own.");
            }
            return Ok(Self { name: "standard input".to_owned(), source: Box::new(std::io::stdin()), octets: None });
        }
        let name = harmless(&file.display().to_string());
        match std::fs::File::open(file) {
            Ok(opened) => {
                let octets = opened.metadata().ok().filter(std::fs::Metadata::is_file).map(|facts| facts.len());
                Ok(Self { name, source: Box::new(opened), octets })
            }
            // A reply pasted as the argument: nobody names a file so.
            Err(_) if is_reply(&name) => {
                let source = Box::new(std::io::Cursor::new(name.into_bytes()));
                Ok(Self { name: "the reply".to_owned(), source, octets: None })
            }
            Err(error) => Err(error).with_context(|| {
                format!("{name} cannot be read; give the file of a bounce or a log, `-` for standard input, or the reply in quotes")
            }),
        }
    }

    /// Reads it as what it is; of a log, also how many attempts delivered the message.
    fn read(&mut self) -> anyhow::Result<(Reading, Option<u64>)> {
        let what = format!("{} cannot be read", self.name);
        let mut head = Vec::new();
        self.source.by_ref().take(HEAD_OCTETS as u64).read_to_end(&mut head).context(what.clone())?;
        if log::is_log(&head) {
            let clock = Clock { now: Timestamp::now(), zone: TimeZone::system() };
            let bar = self.bar();
            let summary = log::read(&head, &mut self.source, &clock, &mut |done| bar.set_position(done));
            bar.finish_and_clear();
            let summary = summary.context(what)?;
            if summary.delivered == 0 && summary.reading.said.is_empty() {
                bail!(
                    "no attempt to deliver a message stands in {}; give the log of the server that sends, such as /var/log/mail.log",
                    self.name
                );
            }
            return Ok((summary.reading, Some(summary.delivered)));
        }
        let room = (MAX_BOUNCE_OCTETS + 1).saturating_sub(head.len() as u64);
        self.source.by_ref().take(room).read_to_end(&mut head).context(what)?;
        let is_none = || format!("{} is no bounce", self.name);
        if head.len() as u64 > MAX_BOUNCE_OCTETS {
            return Err(Unreadable::TooLong).with_context(is_none);
        }
        Ok((bounce::read::read(&head).with_context(is_none)?, None))
    }

    /// How far a log is read: on standard error, and only on a terminal.
    fn bar(&self) -> ProgressBar {
        let bar = if progress::is_shown() { ProgressBar::new(self.octets.unwrap_or(0)) } else { ProgressBar::hidden() };
        let template = if self.octets.is_some() {
            "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go"
        } else {
            "{spinner} {bytes}, {bytes_per_sec}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar
    }
}

/// Whether an argument is a reply and no file: a code of three digits, then more.
fn is_reply(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits == 3 && text.as_bytes().get(3).is_some_and(|b| matches!(b, b' ' | b'-'))
        || text.split_whitespace().count() > 3
}
