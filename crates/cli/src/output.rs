//! Standard output: colour, width, files, and what happens when nobody reads.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;
use maildoctor_core::report::text::Style;

use crate::commands::check::Format;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Makes this the choice of the whole program.
    pub(crate) fn set(self) {
        match self {
            Colour::Auto => anstream::ColorChoice::Auto.write_global(),
            Colour::Always => anstream::ColorChoice::Always.write_global(),
            Colour::Never => anstream::ColorChoice::Never.write_global(),
        }
    }
}

/// How text on standard output is to look.
pub(crate) fn style() -> Style {
    let terminal = io::stdout().is_terminal();
    let colour = match anstream::ColorChoice::global() {
        anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => true,
        anstream::ColorChoice::Never => false,
        anstream::ColorChoice::Auto => {
            terminal
                && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
                && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
        }
    };
    let width =
        terminal_size::terminal_size().filter(|_| terminal).map_or(100, |(w, _)| usize::from(w.0)).clamp(40, 120);
    let utf8 =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let unicode = utf8.is_some_and(|v| v.to_ascii_lowercase().replace('-', "").contains("utf8"));
    Style { colour, width, unicode }
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Writes a file that only its owner can read: cases hold what was said to a mail server.
pub(crate) fn save(path: &Path, text: &str) -> anyhow::Result<()> {
    create(path)?.write_all(text.as_bytes()).with_context(|| unwritable(path))
}

/// Begins a file that only its owner can read.
pub(crate) fn create(path: &Path) -> anyhow::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).with_context(|| unwritable(path))
}

fn unwritable(path: &Path) -> String {
    format!("{} cannot be written; give a file in a folder you may write to", path.display())
}

/// Reads a text file of at most `limit` octets.
pub(crate) fn read(path: &Path, limit: u64) -> anyhow::Result<String> {
    use std::io::Read;
    let what = || format!("{} cannot be read", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).with_context(what)?;
    file.take(limit + 1).read_to_string(&mut text).with_context(what)?;
    if text.len() as u64 > limit {
        anyhow::bail!(
            "{} is longer than {limit} octets, and no file of its kind is; give the right file",
            path.display()
        );
    }
    Ok(text)
}

/// Writes a report in each format: to standard output, to a file, or of several to a folder as `name.txt` and so on.
pub(crate) fn in_formats(
    formats: &[Format],
    to: Option<&Path>,
    name: &str,
    text: &dyn Fn(Style) -> String,
    json: &dyn Fn() -> serde_json::Result<String>,
) -> anyhow::Result<()> {
    let folder = to.filter(|_| formats.len() > 1);
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).map_err(|e| {
            anyhow::anyhow!("the folder {} cannot be made: {e}; give another with --output", folder.display())
        })?;
    }
    for format in formats {
        let (written, extension) = match format {
            Format::Text => (text(if to.is_some() { Style::PLAIN } else { style() }), "txt"),
            Format::Json => (json()?, "json"),
        };
        match (folder, to) {
            (Some(folder), _) => save(&folder.join(format!("{name}.{extension}")), &written)?,
            (None, Some(file)) => save(file, &written)?,
            (None, None) => print(&written)?,
        }
    }
    Ok(())
}

/// Whether nobody reads what we write: no error of ours.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|e| e.downcast_ref::<io::Error>()).any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// Text that stands out, where colour is used.
pub(crate) fn emphasis(text: &str) -> String {
    if style().colour { format!("\x1b[1;36m{text}\x1b[0m") } else { text.to_owned() }
}
