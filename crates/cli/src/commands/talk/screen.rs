//! What is shown and written down: lines of both sides, and our own remarks between them.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use rustyline::ExternalPrinter;

use crate::output;

/// The terminal or standard output, and the transcript.
pub(super) struct Screen {
    /// A terminal where somebody types.
    typed_at: bool,
    printer: Option<Box<dyn ExternalPrinter + Send>>,
    transcript: Option<File>,
    colour: bool,
}

impl Screen {
    /// Opens the transcript, which only its owner can read.
    pub(super) fn new(typed_at: bool, transcript: Option<&Path>) -> anyhow::Result<Self> {
        let transcript = transcript.map(output::create).transpose()?;
        Ok(Self { typed_at, printer: None, transcript, colour: output::style().colour })
    }

    /// Lines go above the one that is being typed from now on.
    pub(super) fn print_above(&mut self, printer: Box<dyn ExternalPrinter + Send>) {
        self.printer = Some(printer);
    }

    /// A line of the server's.
    pub(super) fn heard(&mut self, text: &str) -> anyhow::Result<()> {
        self.line('<', text, false)
    }

    /// A line that was typed: a terminal shows it already.
    pub(super) fn typed(&mut self, text: &str) -> anyhow::Result<()> {
        if self.typed_at { self.write_down('>', text) } else { self.line('>', text, false) }
    }

    /// A line that we said ourselves.
    pub(super) fn said(&mut self, text: &str) -> anyhow::Result<()> {
        self.line('>', text, false)
    }

    /// A remark of ours.
    pub(super) fn remark(&mut self, text: &str) -> anyhow::Result<()> {
        self.line('-', text, true)
    }

    fn line(&mut self, mark: char, text: &str, remark: bool) -> anyhow::Result<()> {
        let mark_shown = if remark { "--" } else { &mark.to_string() };
        let shown = format!("{mark_shown} {text}");
        let shown = if remark && self.colour { format!("\x1b[2m{shown}\x1b[0m\n") } else { format!("{shown}\n") };
        match &mut self.printer {
            Some(printer) => printer.print(shown).context("the terminal cannot be written to")?,
            None => output::print(&shown)?,
        }
        self.write_down(mark, text)
    }

    fn write_down(&mut self, mark: char, text: &str) -> anyhow::Result<()> {
        let Some(file) = &mut self.transcript else { return Ok(()) };
        let at = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        writeln!(file, "{at} {mark} {text}").context("the transcript cannot be written")
    }
}
